"""The numbers of a ledger as OpenTelemetry metrics. It needs opentelemetry-api; without an SDK nobody ever asks."""

from collections.abc import Iterator

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from mtls_middleware.instrumentation.ledger import Ledger

DECISIONS = "mtls.decisions"
CACHE = "mtls.cache"
REFRESH = "mtls.refresh"
EXPIRES = "mtls.trust.expires"


class Metrics:
    """Answer who collects: nothing is counted twice, and no call waits for it."""

    def __init__(self, ledger: Ledger, meter: Meter) -> None:
        """Register each instrument, once for all guards of the ledger."""
        self._ledger = ledger
        meter.create_observable_counter(
            DECISIONS, [self._decisions], unit="{call}", description="Calls to protected paths, by what was decided."
        )
        meter.create_observable_counter(
            CACHE, [self._cache], unit="{call}", description="Accepted calls, by whether their verdict was known."
        )
        meter.create_observable_counter(
            REFRESH, [self._refreshes], unit="{refresh}", description="Refreshes of trust, by source."
        )
        meter.create_observable_gauge(
            EXPIRES, [self._lives], unit="s", description="Time until the last anchor, or pin, of a region ends."
        )

    def _decisions(self, _: CallbackOptions) -> Iterator[Observation]:
        for series, number in self._ledger.decisions().items():
            yield Observation(number, series._asdict())

    def _cache(self, _: CallbackOptions) -> Iterator[Observation]:
        for result, number in self._ledger.cache().items():
            yield Observation(number, {"result": result})

    def _refreshes(self, _: CallbackOptions) -> Iterator[Observation]:
        for refreshed, number in self._ledger.refreshes().items():
            yield Observation(number, {"source": str(refreshed.source), "result": str(refreshed.result)})

    def _lives(self, _: CallbackOptions) -> Iterator[Observation]:
        for life, seconds in self._ledger.lives().items():
            yield Observation(seconds, life._asdict())
