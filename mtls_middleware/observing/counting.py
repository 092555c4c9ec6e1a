"""Counters that threads raise without waiting for each other, and their sum over every guard of the process."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from threading import Lock
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakMethod

from mtls_middleware._core.decision import Reason
from mtls_middleware.observing.events import ACCEPTED, NOBODY, DecisionCounts, Refreshed, RefreshResult
from mtls_middleware.observing.expiry import Expiry

Key = TypeVar("Key", bound=Hashable)


class ExpiryKey(NamedTuple):
    """What expires, and whose it is."""

    kind: str
    region: str


Expiries = Callable[[], Mapping[ExpiryKey, float]]
"""Returns the seconds until the end of what callers are judged by."""


class DecisionSeries(NamedTuple):
    """The labels of ``mtls.decisions``."""

    reason: str
    region: str
    authority: str
    source: str
    mode: str


def series_of(decisions: DecisionCounts, source: str, modes: Iterable[str]) -> dict[DecisionSeries, int]:
    """Return how often each series was decided; each reason is there from the start, so that its first is seen."""
    sums: Counter[DecisionSeries] = Counter()
    for mode in modes:
        for reason in Reason:
            sums[DecisionSeries(str(reason), NOBODY, NOBODY, source, mode)] += 0
    for decided, number in decisions.items():
        sums[DecisionSeries(*decided[:3], source, decided.mode)] += number
    return dict(sums)


def by_cache(decisions: DecisionCounts) -> dict[str, int]:
    """Return how many accepted calls had a known verdict, and how many had not."""
    sums = {"hit": 0, "miss": 0}
    for decided, number in decisions.items():
        if decided.reason == ACCEPTED:
            sums["hit" if decided.cached else "miss"] += number
    return sums


def seconds_left(found: Iterable[Expiry], now: datetime) -> dict[ExpiryKey, float]:
    """Return the seconds until each of these expires."""
    return {ExpiryKey(str(one.kind), one.region): (one.at - now).total_seconds() for one in found}


@dataclass(frozen=True, slots=True)
class _GuardCounts:
    """The counts of one guard, or the sums of guards that are gone."""

    source: str
    mode: str
    decisions: Callable[[], DecisionCounts]
    refreshes: Callable[[], Mapping[Refreshed, int]]
    expiries: Callable[[], Expiries | None]


class ProcessCounts:
    """The sums over all guards of a process. They never go back: the counts of a guard that is gone stay."""

    def __init__(self) -> None:
        self._parts: list[_GuardCounts] = []
        self._closing = Lock()

    def open(
        self,
        *,
        source: str,
        mode: str,
        decisions: Callable[[], DecisionCounts],
        refreshes: Callable[[], Mapping[Refreshed, int]],
        expiries: Expiries,
    ) -> None:
        """Begin to add up what one guard counts.

        Args:
            source: name of its source.
            mode: in which it is to decide.
            decisions: returns its counters; holds no reference to the guard.
            refreshes: the same.
            expiries: a method of the guard, which is held weakly.
        """
        self._close_parts()
        self._parts.append(_GuardCounts(source, mode, decisions, refreshes, WeakMethod(expiries)))

    def decisions(self) -> dict[DecisionSeries, int]:
        """Return how often each series was decided; each reason is there from the start, so that its first is seen."""
        sums: Counter[DecisionSeries] = Counter()
        for part in tuple(self._parts):
            sums.update(series_of(part.decisions(), part.source, (part.mode,)))
        return dict(sums)

    def cache(self) -> dict[str, int]:
        """Return how many accepted calls had a known verdict, and how many had not."""
        sums: Counter[str] = Counter()
        for part in tuple(self._parts):
            sums.update(by_cache(part.decisions()))
        return {"hit": sums["hit"], "miss": sums["miss"]}

    def refreshes(self) -> dict[Refreshed, int]:
        """Return how often each source was good, and how often it failed."""
        sums: Counter[Refreshed] = Counter()
        for part in tuple(self._parts):
            for refreshed, number in part.refreshes().items():
                sums[refreshed] += number
                for result in RefreshResult:
                    sums[Refreshed(refreshed.source, result)] += 0
        return dict(sums)

    def expiries(self) -> dict[ExpiryKey, float]:
        """Return the seconds until trust ends; of several guards the one that is worst off counts."""
        ends: dict[ExpiryKey, float] = {}
        for part in tuple(self._parts):
            expiries = part.expiries()
            for key, seconds in (expiries() if expiries is not None else {}).items():
                ends[key] = min(seconds, ends.get(key, seconds))
        return ends

    def _close_parts(self) -> None:
        """Put what guards counted that are gone into one part for each source."""
        if not self._closing.acquire(blocking=False):
            return  # another thread does
        try:
            parts = tuple(self._parts)
            kept: list[_GuardCounts] = []
            closed: dict[tuple[str, str], list[_GuardCounts]] = {}
            for part in parts:
                if part.expiries() is None:
                    closed.setdefault((part.source, part.mode), []).append(part)
                else:
                    kept.append(part)
            for (source, mode), gone in closed.items():
                decisions = _sum(part.decisions() for part in gone)
                refreshes = _sum(part.refreshes() for part in gone)
                kept.append(_GuardCounts(source, mode, decisions.copy, refreshes.copy, _nothing))
            self._parts[: len(parts)] = kept  # one step; what was opened meanwhile stands behind
        finally:
            self._closing.release()


def _sum(counts: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    sums: Counter[Key] = Counter()
    for numbers in counts:
        sums.update(numbers)
    return dict(sums)


def _nothing() -> None:
    return None


class Counters(Generic[Key]):
    """Counters by key. Raising an `itertools.count` is one step of the interpreter: nothing is lost or locked."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[Key, count[int]] = {}

    def add(self, key: Key) -> None:
        """Raise one counter by one."""
        self.of(key)()

    def of(self, key: Key) -> Callable[[], object]:
        """Return what raises one counter by one."""
        return self._by_key.setdefault(key, count()).__next__

    def totals(self) -> dict[Key, int]:
        """Return every counter."""
        # Its text is all that tells the value of a count without raising it.
        values = {key: int(repr(counter)[len("count(") : -1]) for key, counter in tuple(self._by_key.items())}
        return {key: value for key, value in values.items() if value}
