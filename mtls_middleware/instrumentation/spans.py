"""Whose certificate a call came with, on the OpenTelemetry span of the call. It needs opentelemetry-api."""

from datetime import UTC
from functools import lru_cache

from opentelemetry import trace

from mtls_middleware._core.decision import Evidence, evidence_of
from mtls_middleware.display import displayed
from mtls_middleware.events import CallAccepted, CallRejected, Event
from mtls_middleware.identity import ClientIdentity

SUBJECT = "tls.client.subject"
ISSUER = "tls.client.issuer"
FINGERPRINT = "tls.client.hash.sha256"
"""Upper-case hex, as the semantic conventions ask."""
NOT_AFTER = "tls.client.not_after"

_CALLERS = 64
"""Callers whose attributes are remembered. Only who was accepted takes room."""


class Spans:
    """Write the certificate onto the span that is current when a call is judged, where one is recorded."""

    @property
    def is_awake(self) -> bool:
        """Return whether anybody in this process, or around this call, makes spans."""
        try:
            provider = trace.get_tracer_provider()
        except Exception:  # noqa: BLE001 - a provider named in the environment that cannot be loaded
            return False
        return not isinstance(provider, trace.ProxyTracerProvider) or trace.get_current_span() is not trace.INVALID_SPAN

    def __call__(self, event: Event) -> None:
        """Write what one call came with."""
        match event:
            case CallAccepted(identity=identity):
                span = trace.get_current_span()
                if span.is_recording():
                    span.set_attributes(_of_identity(identity))
            case CallRejected(rejected=rejected) if rejected.evidence is not None:
                span = trace.get_current_span()
                if span.is_recording():
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
