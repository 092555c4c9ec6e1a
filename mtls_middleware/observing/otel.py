"""OpenTelemetry: attributes of the span of a call, and metrics. It needs opentelemetry-api."""

from collections.abc import Iterator
from datetime import UTC
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from mtls_middleware._core.certificate import evidence_of
from mtls_middleware._core.decision import Evidence
from mtls_middleware.display import displayed
from mtls_middleware.identity import ClientIdentity
from mtls_middleware.observing.counting import ProcessCounts
from mtls_middleware.observing.events import CallAccepted, CallRejected, Event, Hook
from mtls_middleware.observing.handshake_counts import HANDSHAKES
from mtls_middleware.observing.handshakes import REASONS

SUBJECT = "tls.client.subject"
ISSUER = "tls.client.issuer"
FINGERPRINT = "tls.client.hash.sha256"
"""Upper-case hex, as the semantic conventions ask."""
NOT_AFTER = "tls.client.not_after"

REASON = "mtls.reason"
"""Of a call that was refused, or would have been; the semantic conventions have no word for it."""

_CALLERS = 64
"""Callers whose attributes are remembered. Only who was accepted takes room."""

DECISIONS = "mtls.decisions"
CACHE = "mtls.cache"
REFRESH = "mtls.refresh"
EXPIRES = "mtls.trust.expires"
HANDSHAKES_REFUSED = "mtls.handshakes.refused"


class Spans(Hook):
    """A hook that writes the certificate onto the current span, where one is recorded."""

    @property
    def enabled(self) -> bool:
        """Return whether anybody in this process, or around this call, makes spans."""
        try:
            provider = trace.get_tracer_provider()
        except Exception:  # noqa: BLE001 - a provider named in the environment that cannot be loaded
            return False
        return not isinstance(provider, trace.ProxyTracerProvider) or trace.get_current_span() is not trace.INVALID_SPAN

    def __call__(self, event: Event, /) -> None:
        """Write what one call came with."""
        match event:
            case CallAccepted(identity=identity):
                span = trace.get_current_span()
                if span.is_recording():
                    span.set_attributes(_of_identity(identity))
            case CallRejected(rejected=rejected):
                span = trace.get_current_span()
                if span.is_recording():
                    span.set_attribute(REASON, str(rejected.reason))
                    if rejected.evidence is not None:
                        span.set_attributes(_attributes(rejected.evidence))
            case _:
                pass


@lru_cache(_CALLERS)
def _of_identity(identity: ClientIdentity) -> dict[str, str]:
    return _attributes(evidence_of(identity))


def _attributes(evidence: Evidence) -> dict[str, str]:
    attributes = {
        SUBJECT: displayed(evidence.subject),
        ISSUER: displayed(evidence.issuer),
        FINGERPRINT: evidence.fingerprint_sha256.upper(),
    }
    if evidence.not_after is not None:
        moment = evidence.not_after.astimezone(UTC)
        attributes[NOT_AFTER] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return attributes


class Metrics:
    """The metrics for a collector: nothing is counted twice, and no call waits for it."""

    def __init__(self, counts: ProcessCounts, meter: Meter) -> None:
        """Register each instrument, once for all guards of the process."""
        self._counts = counts
        meter.create_observable_counter(
            DECISIONS, [self._decisions], unit="{call}", description="Calls to protected paths, by what was decided."
        )
        meter.create_observable_counter(
            HANDSHAKES_REFUSED, [self._handshakes], unit="{handshake}", description="Refused TLS handshakes, by reason."
        )
        meter.create_observable_counter(
            CACHE, [self._cache], unit="{call}", description="Accepted calls, by whether their verdict was known."
        )
        meter.create_observable_counter(
            REFRESH, [self._refreshes], unit="{refresh}", description="Refreshes of trust, by source."
        )
        meter.create_observable_gauge(
            EXPIRES, [self._expiries], unit="s", description="Time until the last anchor, or pin, of a region ends."
        )

    def _decisions(self, _: CallbackOptions) -> Iterator[Observation]:
        for series, number in self._counts.decisions().items():
            yield Observation(number, series._asdict())

    def _handshakes(self, _: CallbackOptions) -> Iterator[Observation]:
        totals = HANDSHAKES.totals()
        for reason in sorted(REASONS):
            yield Observation(totals.get(reason, 0), {"reason": reason})

    def _cache(self, _: CallbackOptions) -> Iterator[Observation]:
        for result, number in self._counts.cache().items():
            yield Observation(number, {"result": result})

    def _refreshes(self, _: CallbackOptions) -> Iterator[Observation]:
        for refreshed, number in self._counts.refreshes().items():
            yield Observation(number, {"source": str(refreshed.source), "result": str(refreshed.result)})

    def _expiries(self, _: CallbackOptions) -> Iterator[Observation]:
        for key, seconds in self._counts.expiries().items():
            yield Observation(seconds, key._asdict())
