"""What all processes report, as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/).

Names and labels are those of OpenTelemetry's metrics in Prometheus, so dashboards and alerts fit both. Labels are of
closed sets, or name hosts, trust and sources: nothing in here is a caller's text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from mtls_middleware.observing.counting import by_cache, series_of
from mtls_middleware.observing.fleet import Fleet, Liveness
from mtls_middleware.observing.handshakes import REASONS
from mtls_middleware.observing.status import TrustState

MEDIA_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


def openmetrics(fleet: Fleet, source: str, now: datetime) -> str:
    """Return the metrics of all processes that share the state.

    Args:
        fleet: all processes.
        source: name of the configured source.
        now: aware, UTC.
    """
    history, alive = fleet.history, fleet.alive
    decisions = series_of(history.decisions, source, {worker.mode for worker in alive})
    states = Counter(worker.life for worker in alive)
    liveness = Counter(one.liveness for one in fleet.workers)
    trusts = Counter(worker.trust_fingerprint for worker in alive)
    hosts = Counter(worker.host for worker in alive)
    problems = Counter(about for worker in alive for about in {text.partition(": ")[0] for text in worker.problems})
    refreshed = [worker.last_refresh.timestamp() for worker in alive if worker.last_refresh is not None]
    lines = (
        *_family(
            "mtls_decisions",
            "counter",
            "Calls to protected paths, by what was decided.",
            [(one._asdict(), number) for one, number in sorted(decisions.items())],
        ),
        *_family(
            "mtls_handshakes_refused",
            "counter",
            "Refused TLS handshakes, by reason.",
            [({"reason": reason}, history.handshakes.get(reason, 0)) for reason in sorted(REASONS)],
        ),
        *_family(
            "mtls_cache",
            "counter",
            "Accepted calls, by whether their verdict was known.",
            [({"result": result}, number) for result, number in by_cache(history.decisions).items()],
        ),
        *_family(
            "mtls_refresh",
            "counter",
            "Refreshes of trust, by source.",
            [(one._asdict(), number) for one, number in sorted(history.refreshes.items())],
        ),
        *_family("mtls_trust_expires_seconds", "gauge", "Time until trust expires.", _expiries(fleet, now)),
        *_family(
            "mtls_processes",
            "gauge",
            "Reports of processes, by what is known of them.",
            [({"state": str(state)}, liveness[state]) for state in Liveness],
        ),
        *_family(
            "mtls_trust_state",
            "gauge",
            "Processes that run, by the state of their trust.",
            [({"state": str(state)}, states[state]) for state in TrustState],
        ),
        *_family(
            "mtls_trust_variants",
            "gauge",
            "How many kinds of trust are in force; more than one for long is a fault.",
            [({}, len(trusts))],
        ),
        *_family(
            "mtls_trust_processes",
            "gauge",
            "Processes that run, by the fingerprint of their trust; empty without any.",
            [({"trust": trust}, number) for trust, number in sorted(trusts.items())],
        ),
        *_family(
            "mtls_host_processes",
            "gauge",
            "Processes that run, by host.",
            [({"host": host}, number) for host, number in sorted(hosts.items())],
        ),
        *_family(
            "mtls_problem_processes",
            "gauge",
            "Processes that run and have a problem, by what it is about.",
            [({"about": about}, number) for about, number in sorted(problems.items())],
        ),
        *_family(
            "mtls_trust_refreshed_timestamp_seconds",
            "gauge",
            "When trust was last read, in the process in which that is longest ago.",
            [({}, min(refreshed))] if refreshed else [],
        ),
        *_family(
            "mtls_last_decision_timestamp_seconds",
            "gauge",
            "When each reason, or accepted, was decided last.",
            [({"reason": reason}, at.timestamp()) for reason, at in sorted(history.last_by_reason.items())],
        ),
    )
    return "\n".join((*lines, "# EOF", ""))


def _expiries(fleet: Fleet, now: datetime) -> Iterator[Sample]:
    ends: dict[tuple[str, str], float] = {}
    for one in (expiry for worker in fleet.alive for expiry in worker.coming):
        seconds = (one.at - now).total_seconds()
        key = (str(one.kind), one.region)
        ends[key] = min(seconds, ends.get(key, seconds))
    for (kind, region), seconds in sorted(ends.items()):
        yield {"kind": kind, "region": region}, seconds


def _family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    yield f"# HELP {name} {help_text}"
    suffix = "_total" if kind == "counter" else ""
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{shown}}} {value}" if shown else f"{name}{suffix} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
