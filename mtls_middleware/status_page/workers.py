"""The running processes as one: the worst of what they say, who says it, and where they differ."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from mtls_middleware.display import counted
from mtls_middleware.observing.expiry import Expiry
from mtls_middleware.observing.fleet import Fleet, Liveness, ReportedWorker
from mtls_middleware.observing.status import APIStatus, CRLStatus, Lack, Status, TrustState, lacks_of
from mtls_middleware.observing.worker import Worker

SETTLES = timedelta(seconds=30)
"""What one process has just learned, the others learn within this time."""

SHOWN_LINES = 4
"""Of trust that differs, and processes by number."""

_WORST = (TrustState.MISSING, TrustState.EXPIRED, TrustState.STALE, TrustState.FRESH)

Value = TypeVar("Value", APIStatus, CRLStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWorker:
    """A process.

    Attributes:
        name: its number and host; empty where it said nothing yet.
        application: its program, and what it serves.
        software: version of this package there.
        started_at: UTC.
        liveness: what is known of it now.
        reported_at: when it reported last, UTC.
        life: of its trust, as it said.
        trust: fingerprint of the content of its trust.
        built_at: when that came into force, UTC.
        last_refresh: when it last read trust, UTC.
    """

    name: str
    application: str
    software: str
    started_at: datetime | None
    liveness: Liveness
    reported_at: datetime | None
    life: TrustState | None
    trust: str
    built_at: datetime | None
    last_refresh: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustInForce:
    """The processes that have the same trust.

    Attributes:
        trust: fingerprint of its content; empty without any.
        processes: how many have it.
        hosts: how many machines these are.
    """

    trust: str
    processes: int
    hosts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """All running processes as one.

    Attributes:
        status: what they say; where none runs, what this process itself has loaded.
        is_known: whether any process runs.
        lacks: what is missing for the callers of a region, by its label.
        who: for a problem, warning or region that not all processes have: which do.
        differences: what differs between them, one sentence each.
    """

    status: Status
    is_known: bool
    lacks: Mapping[str, Lack]
    who: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    def matter(self, text: str, key: str = "") -> str:
        """Return a sentence, and which processes say it where not all do; `key` is of `who`, by default the text."""
        who = self.who.get(key or text)
        return f"{text} ({who})" if who else text


def combined(own: Status, fleet: Fleet, now: datetime) -> Combined:
    """Return what the running processes say.

    Args:
        own: status of the guard of this process, which may judge no calls.
        fleet: all processes.
        now: aware, UTC.
    """
    alive = fleet.alive
    if not alive:
        return Combined(status=own, is_known=False, lacks=lacks_of(own))
    lacks = {label: lack for worker in alive for label, lack in worker.lacks.items()}
    life = min((worker.life for worker in alive), key=_WORST.index)
    status = replace(
        own,
        life=life,
        mode=_joined(worker.mode for worker in alive),
        source=_joined(worker.source for worker in alive),
        built_at=max((worker.built_at for worker in alive if worker.built_at), default=None),
        changed_at=max((worker.changed_at for worker in alive if worker.changed_at), default=None),
        last_refresh=min((worker.last_refresh for worker in alive if worker.last_refresh), default=None),
        problems=_all(alive, lambda worker: worker.problems),
        warnings=_all(alive, lambda worker: worker.warnings),
        regions=tuple(replace(region, lack=lacks.get(region.label)) for region in own.regions),
        lists=_worst((one for worker in alive for one in worker.lists), lambda one: one.origin),
        apis=_worst((one for worker in alive for one in worker.apis), lambda one: one.region),
        coming=_soonest(one for worker in alive for one in worker.coming),
    )
    said = [
        *((text, [worker for worker in alive if text in worker.problems]) for text in status.problems),
        *((text, [worker for worker in alive if text in worker.warnings]) for text in status.warnings),
        *((label, [worker for worker in alive if label in worker.lacks]) for label in lacks),
        (str(life), [worker for worker in alive if worker.life is life]),
    ]
    who = {text: _processes(some, alive) for text, some in said}
    return Combined(
        status=status,
        is_known=True,
        lacks=lacks,
        who={text: processes for text, processes in who.items() if processes},
        differences=(*_other_trust(alive, now), *_other_settings(alive)),
    )


def process_count(workers: Iterable[Worker]) -> int:
    """Return how many processes these are: one with two guards reports twice."""
    return len(set(map(_identity, workers)))


def trusts_in_force(alive: Iterable[Worker]) -> tuple[TrustInForce, ...]:
    """Return how many processes have which trust, the most frequent first."""
    found = (
        TrustInForce(trust=trust, processes=process_count(some), hosts=len({worker.host for worker in some}))
        for trust, some in _by_trust(alive).items()
    )
    return tuple(sorted(found, key=lambda one: (-one.processes, one.trust)))


def lost(fleet: Fleet) -> Iterator[str]:
    """Return one sentence for each process that does not say how it is."""
    alive = set(map(_identity, fleet.alive))
    for one in fleet.workers:
        if one.liveness is Liveness.ALIVE or (one.worker and _identity(one.worker) in alive):
            continue
        yield _lost(one)


def _lost(one: ReportedWorker) -> str:
    name = f"process {_name(one.worker)}" if one.worker else "a process"
    last = f"its last report is of {one.at:%Y-%m-%d %H:%M:%S} UTC" if one.at else "it never published a report"
    if one.liveness is Liveness.SILENT:
        return f"{name} runs, but does not say how it is: {last}. It hangs, or cannot write its state"
    return f"{name} ended without closing: it was killed, or crashed; {last}"


def _identity(worker: Worker) -> tuple[str, int, datetime]:
    """Return what two processes never share: containers of one host name may each have number 1."""
    return worker.host, worker.pid, worker.started_at


def _name(worker: Worker) -> str:
    return f"{worker.pid} on {worker.host}"


def _processes(some: list[Worker], workers: tuple[Worker, ...]) -> str:
    """Return which processes these are; nothing where they are all."""
    number, total = process_count(some), process_count(workers)
    if number in {0, total}:
        return ""
    names = list(dict.fromkeys(map(_name, some)))
    more = ", …" if len(names) > SHOWN_LINES else ""
    return f"{number} of {counted(total, 'process', 'processes')}: {', '.join(names[:SHOWN_LINES])}{more}"


def _other_trust(alive: tuple[Worker, ...], now: datetime) -> Iterator[str]:
    by_content = _by_trust(alive)
    if any(worker.built_at is not None and now - worker.built_at < SETTLES for worker in alive):
        return
    most = max(by_content.values(), key=len)
    for some in by_content.values():
        if some is not most:
            here, there = set(some[0].trust), set(most[0].trust)
            facts = (
                *(f"without {line}" for line in sorted(there - here)),
                *(f"with {line}" for line in sorted(here - there)),
            )
            shown = "; ".join(facts[:SHOWN_LINES]) + ("; …" if len(facts) > SHOWN_LINES else "")
            yield f"{_processes(some, alive)} has other trust than the rest: {shown}"


def _by_trust(alive: Iterable[Worker]) -> dict[str, list[Worker]]:
    found: dict[str, list[Worker]] = {}
    for worker in alive:
        found.setdefault(worker.trust_fingerprint, []).append(worker)
    return found


def _other_settings(alive: tuple[Worker, ...]) -> Iterator[str]:
    settings: tuple[tuple[str, Callable[[Worker], str]], ...] = (
        ("MTLS_MODE", lambda worker: worker.mode),
        ("MTLS_SOURCE", lambda worker: worker.source),
        ("version of mtls-middleware", lambda worker: worker.software),
    )
    for what, of in settings:
        values: dict[str, list[Worker]] = {}
        for worker in alive:
            values.setdefault(of(worker), []).append(worker)
        if len(values) > 1:
            facts = (f"{value} ({_processes(some, alive)})" for value, some in values.items())
            yield f"processes differ in {what}: {', '.join(facts)}"


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def _all(alive: Iterable[Worker], of: Callable[[Worker], tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for worker in alive for text in of(worker)))


def _worst(found: Iterable[Value], of: Callable[[Value], str]) -> tuple[Value, ...]:
    """Return each source once, as the process sees it for which it failed, if it did for any."""
    by_name: dict[str, Value] = {}
    for one in found:
        if one.error or of(one) not in by_name:
            by_name[of(one)] = one
    return tuple(by_name.values())


def _soonest(found: Iterable[Expiry]) -> tuple[Expiry, ...]:
    first: dict[tuple[str, str], Expiry] = {}
    for one in sorted(found, key=lambda expiry: expiry.at):
        first.setdefault((one.kind, one.region), one)
    return tuple(first.values())
