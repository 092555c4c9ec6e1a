"""What each process publishes of itself for operators, and what all processes of a deployment have published.

Nothing here is called while a request waits, and of what others wrote nothing is believed that has not its exact type.
"""

import atexit
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from weakref import WeakSet

from mtls_middleware._io.board import Board, Posted
from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.forks import follow_forks, undisturbed
from mtls_middleware.observing.history import History, Recorder, merged
from mtls_middleware.observing.records import decoded, encoded
from mtls_middleware.observing.worker import Worker

PUBLISH_SECONDS = 10.0
"""Between two writings of numbers that changed: what a killed process can lose. Other trust is written at once."""

ALIVE_SECONDS = 60.0
"""Between two writings of what did not change."""

ALIVE = timedelta(seconds=2 * ALIVE_SECONDS)
"""After which a process that wrote nothing hangs, or cannot write; its numbers stay."""

BEGINS = timedelta(seconds=15)
"""After which a process that runs and never wrote anything cannot write."""

MOURNED = timedelta(hours=1)
"""After which a process that ended without saying so is no longer listed."""

VERSION = 2

MAX_REPORT_BYTES = 65_536
"""Of one process; usual are 3,000."""


class Extent(StrEnum):
    """Whose reports are known."""

    MACHINE = "machine"
    """Those of every process that shares the state."""
    PROCESS = "process"
    """That of this one alone, because nothing is shared."""
    NOTHING = "nothing"
    """None: nothing is shared, and this process judges no calls."""


class Liveness(StrEnum):
    """What is known of a process that published a report."""

    ALIVE = "alive"
    SILENT = "silent"
    """It runs, but has not published for two minutes: it hangs, or cannot write."""
    GONE = "gone"
    """It ended without saying so: it was killed, or crashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedWorker:
    """A process as it reported itself.

    Attributes:
        worker: what it said; None where it has said nothing.
        at: when, UTC; None where it never did.
        liveness: what is known of it now.
    """

    worker: Worker | None
    at: datetime | None
    liveness: Liveness


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All processes that share the state.

    Attributes:
        scope: which ones are known.
        workers: those that run, and those that were killed.
        history: the sum of what all have counted, also those that ended.
        written_at: when one of them last wrote, UTC.
        problems: what could not be read, one sentence each.
    """

    scope: Extent
    workers: tuple[ReportedWorker, ...] = ()
    history: History = field(default_factory=History)
    written_at: datetime | None = None
    problems: tuple[str, ...] = ()

    @property
    def alive(self) -> tuple[Worker, ...]:
        """Return the processes that are known to run, by what they said within the last two minutes."""
        return tuple(one.worker for one in self.workers if one.worker and one.liveness is Liveness.ALIVE)


class Reporting:
    """What one guard publishes, and the reports of all."""

    def __init__(
        self,
        open_board: Callable[[], Board] | None,
        recorder: Recorder,
        worker: Callable[[], Worker],
        *,
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read or written before it is used, and nothing written before `begin`.

        Args:
            open_board: opens the board; None where there is none.
            recorder: knows what was counted.
            worker: describes this process.
            clock: returns the time, aware, UTC.
            seconds: never go back.
        """
        self._open_board = open_board
        self._recorder = recorder
        self._worker = worker
        self._clock = clock
        self._seconds = seconds
        self._publishes = False
        self._publishing = Lock()
        self._begun: dict[int, object] = {os.getpid(): None}
        self._forget()
        follow_forks(self)
        _all.add(self)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return why this process cannot publish."""
        return self._tried_board.problems if self._tried_board is not None else ()

    def begin(self) -> None:
        """Let `publish` write from now on."""
        self._publishes = True

    def publish(self, *, flush: bool = False) -> None:
        """Write what is known, if it is time to; a board that cannot be written to changes nothing.

        Args:
            flush: whether or not it is time, and after a writing that is under way.
        """
        self.after_fork()
        if self._open_board is None or not self._publishes or not self._publishing.acquire(blocking=flush):
            return
        try:  # this lock stands for "one at a time" and guards no data, so it may be held while the disk works
            with undisturbed():
                self._publish(self._open_board, flush=flush)
        finally:
            self._publishing.release()

    def leave(self) -> None:
        """Write what was counted, and that this process ended, and give the slot to another."""
        self.publish(flush=True)
        with self._publishing:
            if self._board is not None:
                self._board.publish(_report(merged(self._before, self._recorder.history), None), self._clock())
                self._board.leave()
                self._recorder.restart()
                self._forget()

    def fleet(self) -> Fleet:
        """Return what every process has published, this one until now."""
        now = self._clock()
        if self._open_board is None:
            if not self._publishes:
                return Fleet(scope=Extent.NOTHING)
            with self._publishing:
                own = ReportedWorker(worker=self._worker(), at=now, liveness=Liveness.ALIVE)
                return Fleet(scope=Extent.PROCESS, workers=(own,), history=self._recorder.look(now))
        self.publish(flush=True)
        return read_fleet(self._open_board(), now)

    def after_fork(self) -> None:
        """Count from nothing in a slot of its own: until the fork, the parent has counted."""
        pid = os.getpid()
        if pid not in self._begun and self._begun.setdefault(pid, mine := object()) is mine:
            self._publishing = Lock()
            self._recorder.restart()
            self._forget()

    def _forget(self) -> None:
        self._board: Board | None = None
        self._tried_board: Board | None = None
        self._before = History()
        self._written: tuple[History, Worker] | None = None
        self._tried = self._published = float("-inf")

    def _publish(self, open_board: Callable[[], Board], *, flush: bool) -> None:
        seconds, now = self._seconds(), self._clock()
        history, worker = self._recorder.look(now), self._worker()
        written = self._written
        is_due = seconds - self._tried >= PUBLISH_SECONDS
        is_news = written is None or (history, worker) != written
        is_urgent = is_news and (flush or (written is not None and worker != written[1]))
        is_old = seconds - self._published >= ALIVE_SECONDS
        if not (is_urgent or (is_due and (is_news or is_old))):
            return
        self._tried = seconds
        if self._board is None:
            self._tried_board = board = open_board()
            earlier = board.join()
            if earlier is None:
                return
            self._board, self._before = board, _history_of(earlier)
        if self._board.publish(_report(merged(self._before, history), worker), now):
            self._written, self._published = (history, worker), seconds


def read_fleet(board: Board, now: datetime) -> Fleet:
    """Return what all processes have published. What cannot be read is left out, and told."""
    workers: list[ReportedWorker] = []
    histories: list[History] = []
    posted = list(board.reports())
    bad = 0
    for report in posted:
        history, worker = History(), None
        if report.content is not None:
            try:
                history, worker = _read(report.content)
            except ValueError:
                bad += 1
                continue
        histories.append(history)
        liveness = _liveness(report, worker, now)
        if liveness is not None:
            workers.append(ReportedWorker(worker=worker, at=report.at, liveness=liveness))
    spoiled = f"reports of {bad} {'process' if bad == 1 else 'processes'} are damaged, or of another version"
    return Fleet(
        scope=Extent.MACHINE,
        workers=tuple(workers),
        history=merged(*histories),
        written_at=max((report.at for report in posted if report.at is not None), default=None),
        problems=(*board.problems, *((spoiled,) if bad else ())),
    )


def _liveness(report: Posted, worker: Worker | None, now: datetime) -> Liveness | None:
    """Return what is known of a process; None where there is none, or it is about to say something."""
    signs = (report.at, report.running_since) if worker else (report.running_since,)
    is_recent = any(at is not None and abs(now - at) <= (ALIVE if worker else BEGINS) for at in signs)
    if report.is_running is False or (report.is_running is None and not is_recent):
        is_news = report.at is not None and now - report.at <= MOURNED
        return Liveness.GONE if worker is not None and is_news else None
    if not is_recent:
        return Liveness.SILENT
    return Liveness.ALIVE if worker is not None else None


_all: "WeakSet[Reporting]" = WeakSet()


@atexit.register
def _leave_last() -> None:
    """Write what was counted since the last time, in a process that ends without closing its guards."""
    for reporting in tuple(_all):
        reporting.leave()


def _report(history: History, worker: Worker | None) -> bytes:
    report = {"version": VERSION, "history": encoded(history), "worker": encoded(worker)}
    return json.dumps(report).encode("ascii")


def _history_of(content: bytes) -> History:
    """Return what an earlier process left in a slot; what cannot be read counts for nothing."""
    try:
        return _read(content)[0]
    except ValueError:
        return History()


def _read(content: bytes) -> tuple[History, Worker | None]:
    """Return what `_report` was given.

    Raises:
        ValueError: it is anything else.
    """
    if len(content) > MAX_REPORT_BYTES:
        raise ValueError("is too large")
    try:
        report = parse_object(content)
        if report.get("version") != VERSION:
            raise ValueError("is of another version")
        history = decoded(History, report.get("history"))
        history.require_known()
        worker = report.get("worker")
        return history, None if worker is None else decoded(Worker, worker)
    except (InputError, OverflowError) as error:
        raise ValueError("is damaged") from error
