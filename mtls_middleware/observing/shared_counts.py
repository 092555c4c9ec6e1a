"""How often each decision was made by all processes of a machine.

Of what others wrote nothing is believed that is not of a closed set.
"""

import atexit
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from threading import Lock
from weakref import WeakSet, finalize

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.folder import MAX_ENTRIES, FolderStore
from mtls_middleware._io.folder_lock import FolderLock, Taken
from mtls_middleware._io.forks import follow_forks, undisturbed
from mtls_middleware._io.store import Entry, Kind
from mtls_middleware.display import counted
from mtls_middleware.identity import Authority
from mtls_middleware.observing.events import ACCEPTED, NOBODY, Decided, DecisionCounts
from mtls_middleware.regions import table

SLOTS = MAX_ENTRIES
"""Processes, or guards in them, that can share what they count at one time."""

SHARE_SECONDS = 10.0
"""Between two writings of numbers that changed: what a killed process can lose."""

ALIVE_SECONDS = 60.0
"""Between two writings of numbers that did not: so it can be told how many processes count."""

ALIVE = timedelta(seconds=2 * ALIVE_SECONDS)
"""After which a process that wrote nothing is not told of as counting; its numbers stay."""

VERSION = 1

MAX_COUNTS_BYTES = 65_536
"""Of one process; with every series that there is, about 20,000."""

LARGEST = 2**63 - 1


class Extent(StrEnum):
    """Whose decisions are counted."""

    MACHINE = "machine"
    """Of every process that shares the state folder."""
    PROCESS = "process"
    """Of this one alone, because there is no state folder."""
    NOTHING = "nothing"
    """Nothing is known: there is no state folder, and this process judges no calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often each decision was made on protected paths.

    Attributes:
        numbers: by decision.
        scope: whose decisions.
        since: when the first process began to count, UTC.
        written_at: when one of them last wrote, UTC.
        processes: how many counted within the last two minutes.
        problems: what could not be read, one sentence each.
    """

    numbers: DecisionCounts
    scope: Extent
    since: datetime | None = None
    written_at: datetime | None = None
    processes: int = 0
    problems: tuple[str, ...] = ()


class SharedCounts:
    """The counts that one guard shares, and those of all. Nothing here is called while a request waits."""

    def __init__(
        self,
        store: Callable[[], FolderStore] | None,
        totals: Callable[[], DecisionCounts],
        *,
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read or written before it is used, and nothing written before `begin`.

        Args:
            store: opens the folder of the counts; None where there is none.
            totals: returns what this guard has counted.
            clock: tells the time, aware, UTC.
            seconds: never go back.
        """
        self._open_store = store
        self._totals = totals
        self._clock = clock
        self._seconds = seconds
        self._since = clock()
        self._writes = False
        self._sharing = Lock()
        self._begun: dict[int, object] = {os.getpid(): None}
        self._forget({})
        follow_forks(self)
        _all.add(self)

    def begin(self) -> None:
        """Let `share` write from now on."""
        self._writes = True

    def share(self, *, flush: bool = False) -> None:
        """Write what was counted, if it is time to; a folder that cannot be written to changes nothing.

        Args:
            flush: whether or not it is time, and after a writing that is under way.
        """
        self.after_fork()
        if self._open_store is None or not self._writes or not self._sharing.acquire(blocking=flush):
            return
        try:  # this lock stands for "one at a time" and guards no data, so it may be held while the disk works
            with undisturbed():
                self._share(self._open_store, flush=flush)
        finally:
            self._sharing.release()

    def leave(self) -> None:
        """Write what was counted, and leave the slot to another; `share` takes one again."""
        self.share(flush=True)
        with self._sharing:
            if self._lock is not None:
                self._lock.release()
                self._forget(summed(self._counted_elsewhere, self._written or {}))

    def counts(self) -> Counts:
        """Return what every process has counted, this one until now."""
        if self._open_store is None:
            scope = Extent.PROCESS if self._writes else Extent.NOTHING
            return Counts(numbers=self._totals(), scope=scope, since=self._since, processes=int(self._writes))
        self.share(flush=True)
        return read_counts(self._open_store(), self._clock())

    def after_fork(self) -> None:
        """Count from nothing in a slot of its own: until the fork, the parent has counted."""
        pid = os.getpid()
        if pid not in self._begun and self._begun.setdefault(pid, mine := object()) is mine:
            self._sharing = Lock()
            self._forget(self._totals())

    def _forget(self, counted_elsewhere: DecisionCounts) -> None:
        self._counted_elsewhere = counted_elsewhere
        self._lock: FolderLock | None = None
        self._store: FolderStore | None = None
        self._slot = ""
        self._before = SlotCounts(since=self._since)
        self._written: DecisionCounts | None = None
        self._tried = self._written_at = float("-inf")

    def _share(self, open_store: Callable[[], FolderStore], *, flush: bool) -> None:
        seconds = self._seconds()
        own = Counter(self._totals())
        own.subtract(self._counted_elsewhere)
        is_new, is_old = own != self._written, seconds - self._written_at >= ALIVE_SECONDS
        if not (flush and is_new) and (seconds - self._tried < SHARE_SECONDS or not (is_new or is_old)):
            return
        self._tried = seconds
        if self._store is None:
            store = open_store()
            if not self._take_slot(store):
                return
            self._store = store
        written = SlotCounts(since=self._before.since, numbers=summed(self._before.numbers, own))
        self._store.put(Kind.TALLY, self._slot, written.to_bytes(), self._clock())
        self._written, self._written_at = own, seconds

    def _take_slot(self, store: FolderStore) -> bool:
        """Take the first slot that no process has; who is refused asks again later."""
        with store.refreshing() as is_mine:
            if not is_mine:
                return False
            kept = {entry.key: entry for entry in store.entries(Kind.TALLY)}
            for slot in _SLOTS:
                try:
                    lock = store.lock(slot)
                    taken = lock.take()
                except (OSError, InputError):
                    return False
                if taken is Taken.OURS:
                    self._lock, self._slot = lock, slot
                    finalize(self, lock.release).atexit = False  # a guard that nobody closed, and nobody holds
                    self._before = _counts_of(kept.get(slot)) or SlotCounts(since=self._clock())
                    return True
        return False


def read_counts(store: FolderStore, now: datetime) -> Counts:
    """Return the sum of what all processes have written. What cannot be read is left out, and is a problem."""
    entries = [entry for entry in store.entries(Kind.TALLY) if entry.key in _SLOTS]
    found = [(entry, counts) for entry in entries if (counts := _counts_of(entry)) is not None]
    bad = len(entries) - len(found)
    spoiled = (f"counts of {counted(bad, 'process', 'processes')} are damaged, or of another version",)
    return Counts(
        numbers=summed(*(counts.numbers for _, counts in found)),
        scope=Extent.MACHINE,
        since=min((counts.since for _, counts in found), default=None),
        written_at=max((entry.at for entry, _ in found), default=None),
        processes=sum(abs(now - entry.at) <= ALIVE for entry, _ in found),
        problems=(*store.problems, *(spoiled if bad else ())),
    )


_SLOTS = tuple(f"process-{number:02}" for number in range(SLOTS))
_all: "WeakSet[SharedCounts]" = WeakSet()


@atexit.register
def _share_last() -> None:
    """Write what was counted since the last time, in a process that ends without closing its guards."""
    for shared in tuple(_all):
        shared.share(flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCounts:
    """What was counted in one slot."""

    since: datetime
    numbers: DecisionCounts = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Write it down."""
        rows = [[*decided, number] for decided, number in sorted(self.numbers.items())]
        return json.dumps({"version": VERSION, "since": self.since.isoformat(), "numbers": rows}).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> "SlotCounts | None":
        """Read what `to_bytes` wrote; None where it is anything else."""
        try:
            payload = parse_object(data) if len(data) <= MAX_COUNTS_BYTES else {}
            since = _moment(payload.get("since"))
        except (InputError, ValueError, OverflowError):
            return None
        rows = payload.get("numbers")
        if since is None or type(payload.get("version")) is not int or payload["version"] != VERSION:
            return None
        if not isinstance(rows, list):
            return None
        numbers = dict(filter(None, map(_series, rows)))
        return cls(since=since, numbers=numbers) if len(numbers) == len(rows) else None


def _counts_of(entry: Entry | None) -> SlotCounts | None:
    return SlotCounts.from_bytes(entry.content) if entry is not None else None


def summed(*parts: DecisionCounts) -> dict[Decided, int]:
    """Return the sum of each series; a number that no process can have counted stays in its bounds."""
    sums: Counter[Decided] = Counter()
    for part in parts:
        sums.update(part)
    return {decided: min(number, LARGEST) for decided, number in sums.items() if number}


_REASONS = frozenset({ACCEPTED, *map(str, Reason)})
_REGIONS = frozenset({NOBODY, *(region.aws_region for region in table())})
_AUTHORITIES = frozenset({NOBODY, *map(str, Authority)})
_MODES = frozenset(map(str, Mode))


def _series(row: object) -> tuple[Decided, int] | None:
    """Return one series, if each part of it is of the closed set that it must be of."""
    match row:
        case [str(reason), str(region), str(authority), str(mode), bool(cached), int(number)] if (
            reason in _REASONS
            and region in _REGIONS
            and authority in _AUTHORITIES
            and mode in _MODES
            and type(number) is int
            and 0 <= number <= LARGEST
        ):
            return Decided(reason, region, authority, mode, cached), number
        case _:
            return None


def _moment(text: object) -> datetime | None:
    moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    return moment.astimezone(UTC) if moment.tzinfo is not None else None
