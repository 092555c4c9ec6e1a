"""Which origins of CRLs are asked: those that the operator wrote down, and those that certificates named."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from mtls_middleware._trust.crl.sources import CRLSource, Learned, LearnedAddresses, files_of
from mtls_middleware._trust.schedule import Draw, Schedule


class Origins:
    """The sources of CRLs, each as it was left. `due` and `sources` are for any thread, the others for one at a time.

    Attributes:
        named: what the operator wrote down: addresses, files and folders.
        addresses: that certificates named.
    """

    def __init__(self, named: Sequence[str], *, interval: timedelta, draw: Draw) -> None:
        """Prepare; there is no source before `plan`."""
        self.named = tuple(named)
        self.addresses = LearnedAddresses()
        self._interval = interval
        self._draw = draw
        self._sources: dict[tuple[str, ...], CRLSource] = {}

    @property
    def sources(self) -> tuple[CRLSource, ...]:
        """Return all sources, the operator's first."""
        return tuple(self._sources.values())

    @property
    def configured(self) -> tuple[CRLSource, ...]:
        """Return the operator's sources."""
        return tuple(source for source in self._sources.values() if source.learned is None)

    @property
    def learned(self) -> tuple[tuple[CRLSource, Learned], ...]:
        """Return the other sources, with what named them."""
        return tuple((source, source.learned) for source in self._sources.values() if source.learned is not None)

    def of(self, origin: str) -> CRLSource | None:
        """Return the source that asks an origin."""
        return next((source for source in self._sources.values() if origin in source.origins), None)

    def plan(self, now: datetime) -> None:
        """Bring the sources up to what the operator and certificates name now; new ones are due."""
        self._sources = dict(self._planned(now))

    def due(self, now: datetime) -> datetime:
        """Return when there is something to ask: at once where a new address was learned."""
        sources = self._sources
        if any(one.addresses not in sources and self._is_asked(one, now) for one in self.addresses.all):
            return now
        times = [
            now if source.schedule.is_due(now) else source.schedule.due
            for source in sources.values()
            if not source.idle
        ]
        return min(times, default=now + self._interval)

    def _planned(self, now: datetime) -> Iterator[tuple[tuple[str, ...], CRLSource]]:
        known = self._sources
        for origin in chain.from_iterable(map(files_of, self.named)):
            source = known.get((origin,))
            if source is None or source.learned is not None:
                source = CRLSource(origins=(origin,), schedule=self._schedule(now))
            yield source.origins, source
        for learned in self.addresses.all:
            if not self._is_asked(learned, now):
                continue
            source = known.get(learned.addresses)
            if source is None:
                source = CRLSource(origins=learned.addresses, schedule=self._schedule(now), learned=learned)
            yield source.origins, source

    def _schedule(self, now: datetime) -> Schedule:
        return Schedule(interval=self._interval, now=now, draw=self._draw)

    def _is_asked(self, learned: Learned, now: datetime) -> bool:
        """Return whether the network is asked: not for the operator's origins, nor for what only the past named."""
        is_named = any(address in self.named for address in learned.addresses)
        return not is_named and now <= learned.certificate.not_valid_after_utc
