"""OpenTelemetry, where it is installed: the numbers of all guards of a process, and a hook that marks spans."""

from mtls_middleware.observing.counting import ProcessCounts
from mtls_middleware.observing.events import Hook

METER = "mtls_middleware"

PROCESS_COUNTS = ProcessCounts()
"""Of this process."""

_registered: dict[str, object] = {}


def span_hooks() -> tuple[Hook, ...]:
    """Return the hook that marks spans; nothing where opentelemetry-api is not installed."""
    try:
        from mtls_middleware.observing.otel import Spans  # noqa: PLC0415 - an optional back end
    except ImportError:
        return ()
    return (Spans(),)


def register() -> ProcessCounts | None:
    """Offer the counts of this process as metrics, once, and return them; None where opentelemetry-api is missing."""
    try:
        from opentelemetry import metrics  # noqa: PLC0415 - an optional back end

        from mtls_middleware.observing.otel import Metrics  # noqa: PLC0415 - an optional back end
    except ImportError:
        return None
    mine = object()
    if _registered.setdefault(METER, mine) is mine:  # of several threads one wins
        # Before an SDK is set up this gives a stand-in, which registers with it later.
        Metrics(PROCESS_COUNTS, metrics.get_meter(METER))
    return PROCESS_COUNTS
