"""Where the processes of one deployment publish reports of themselves, and read those of all others.

A board keeps bytes, and vouches for none of them.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from weakref import finalize

from mtls_middleware._io.files import InputError
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.folder_lock import FolderLock, Taken
from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind
from mtls_middleware.display import displayed

SLOTS = tuple(f"process-{number:02}" for number in range(MAX_ENTRIES))
"""Of a folder: processes, or guards in them, that can publish at one time."""

FULL_BYTES = 64 * 1024
"""Free bytes below which a folder counts as full: no report fits in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A report as it lies on the board.

    Attributes:
        content: what was published last; None where a process that runs has published nothing yet.
        at: when, UTC; None where nothing was.
        is_running: whether its process is known to run; None where only the age of the report can tell.
        running_since: when that process took the slot, UTC; None where that is not known.
    """

    content: bytes | None
    at: datetime | None
    is_running: bool | None = None
    running_since: datetime | None = None


class Board(Protocol):
    """A board of reports, one for each process. It raises nothing: see `problems`. One thread at a time.

    A report is a state, never a change, so the same one may be written twice. A board of a fleet adds the reports of
    processes that ended to one report of the past. Every method may take a second, so none is called for a request.
    """

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each thing that could not be read or written."""

    def join(self) -> bytes | None:
        """Take a slot, and return what an earlier process left there, to be continued; None where there is no slot."""

    def publish(self, content: bytes, at: datetime) -> bool:
        """Publish a report in place of the last one, and return whether it could be; `join` comes first."""

    def folded(self) -> bytes | None:
        """Return the report that became part of the past, because this process seemed to have ended; else None.

        It is asked when `publish` returned False. What comes next is published under a new name, and must not count
        again what is in that report.
        """

    def leave(self) -> None:
        """Give the slot back. What was published stays, and counts for the next one."""

    def reports(self) -> Iterator[Posted]:
        """Return the report of each slot."""


class FleetBoard(Board, Protocol):
    """A board of processes of many machines.

    Attributes:
        is_away: whether the reports could not be read the last time.
    """

    is_away: bool


class LocalBoard:
    """The board of a fleet, and one of this machine, which is read as long as the engine cannot be.

    Without the second one, a readiness probe that asks `status` would fail in all pods as soon as the engine does.
    """

    def __init__(self, fleet: FleetBoard, machine: Board) -> None:
        """Prepare.

        Args:
            fleet: counts.
            machine: has the same reports, of its own processes.
        """
        self._fleet, self._machine = fleet, machine
        self._has_slot = False

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written in the engine; the store tells of the folder."""
        return self._fleet.problems

    def join(self) -> bytes | None:
        """Take a name in the fleet; what an earlier process left on this machine is in its past."""
        return self._fleet.join()

    def publish(self, content: bytes, at: datetime) -> bool:
        """Publish on both; the engine's answer counts."""
        self._has_slot = self._has_slot or self._machine.join() is not None
        if self._has_slot:
            self._machine.publish(content, at)
        return self._fleet.publish(content, at)

    def folded(self) -> bytes | None:
        """Return what became part of the fleet's past, once."""
        return self._fleet.folded()

    def leave(self) -> None:
        """Leave both."""
        self._machine.leave()
        self._fleet.leave()

    def reports(self) -> Iterator[Posted]:
        """Return the reports of the fleet, or of this machine."""
        yield from self._fleet.reports()
        if self._fleet.is_away:
            yield from self._machine.reports()


@dataclass(kw_only=True)
class NoBoard:
    """A board that nobody joins."""

    problems: tuple[str, ...] = ()

    def join(self) -> bytes | None:
        """Return None."""
        return None

    def publish(self, content: bytes, at: datetime) -> bool:  # noqa: ARG002 - the protocol's
        """Publish nothing."""
        return False

    def folded(self) -> bytes | None:
        """Return None."""
        return None

    def leave(self) -> None:
        """Give nothing back."""

    def reports(self) -> Iterator[Posted]:
        """Return nothing."""
        return iter(())


class FolderBoard:
    """A board in a folder, for the processes of a machine. A lock for each of them ends with it, however it ends."""

    def __init__(self, store: FolderStore) -> None:
        """Prepare; nothing is read or made before it is used."""
        self._store = store
        self._lock: FolderLock | None = None
        self._slot = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written since the last time that somebody published."""
        why = _why_unwritable(self._store.root)
        here = (f"state in {displayed(str(self._store.root))} cannot be written: {why}",) if why else ()
        return tuple(dict.fromkeys((*self._store.problems, *here)))

    def join(self) -> bytes | None:
        """Take the first slot that no process has; who is refused asks again later."""
        with self._store.refreshing() as is_mine:
            if not is_mine:
                return None
            kept = self._kept()
            for slot in SLOTS:
                try:
                    lock = self._store.lock(slot)
                    taken = lock.take()
                except (OSError, InputError):
                    return None
                if taken is Taken.OURS:
                    self._lock, self._slot = lock, slot
                    finalize(self, lock.release).atexit = False  # a guard that nobody closed, and nobody holds
                    return kept[slot][1] if slot in kept else b""
        return None

    def publish(self, content: bytes, at: datetime) -> bool:
        """Write a report beside the old one, and then in its place."""
        self._store.forget_problems()
        self._store.put(Kind.TALLY, self._slot, content, at)
        return not self._store.problems

    def folded(self) -> bytes | None:
        """Return None: nobody can take the slot of a process that runs."""
        return None

    def leave(self) -> None:
        """Give the slot to another process."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def reports(self) -> Iterator[Posted]:
        """Return what lies in each slot, and whether its process runs."""
        kept = self._kept()
        for slot in SLOTS:
            (entry, content), since = kept.get(slot, (None, None)), self._store.locked_since(slot)
            if entry is not None or since is not None:
                yield Posted(
                    content=content,
                    at=entry.at if entry else None,
                    is_running=since is not None,
                    running_since=since,
                )

    def _kept(self) -> dict[str, tuple[Entry, bytes]]:
        """Return what lies there. What was replaced while it was read is read again, once."""
        kept: dict[str, tuple[Entry, bytes]] = {}
        for _ in range(2):
            entries = [entry for entry in self._store.entries(Kind.TALLY) if entry.key not in kept]
            for entry in entries:
                with suppress(InputError):
                    kept[entry.key] = entry, entry.read()
            if all(entry.key in kept for entry in entries):
                break
        return kept


def _why_unwritable(folder: Path) -> str:
    """Return why nothing can be written into a folder, which may still have to be made; empty where it can be."""
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return _why_unwritable(folder.parent) if folder.parent != folder else ""
    except OSError as error:
        return error.strerror or str(error)
    if found.f_flag & os.ST_RDONLY:
        return os.strerror(errno.EROFS)
    if not os.access(folder, os.W_OK | os.X_OK):
        return os.strerror(errno.EACCES)
    return "its disk is full" if found.f_bavail * found.f_frsize < FULL_BYTES else ""
