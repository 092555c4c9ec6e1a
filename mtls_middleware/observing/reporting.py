"""What each process publishes of itself for operators, and when. Nothing here is called while a request waits."""

import atexit
import os
import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from weakref import WeakSet

from mtls_middleware._io.board import Board
from mtls_middleware._io.forks import follow_forks, undisturbed
from mtls_middleware.observing.fleet import Extent, Fleet, Liveness, ReportedWorker, read_fleet
from mtls_middleware.observing.history import History, Recorder, merged, without
from mtls_middleware.observing.report import history_of, report_of
from mtls_middleware.observing.worker import Worker

PUBLISH_SECONDS = 10.0
"""Between two writings of what changed: what a killed process can lose. Other trust is written at once."""

ALIVE_SECONDS = 60.0
"""Between two writings of what did not change."""


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

    def count(self) -> None:
        """Give what was decided until now a time before all that follows."""
        self.after_fork()
        if self._publishes:
            with self._publishing:
                self._recorder.look(self._clock())

    def leave(self) -> None:
        """Write what was counted, and that this process ended, and give the slot to another.

        A guard that goes on judging takes a slot again, some seconds later.
        """
        self.publish(flush=True)
        with self._publishing:
            if self._board is not None:
                self._board.publish(report_of(self._counted(self._recorder.history), None), self._clock())
                self._board.leave()
                self._recorder.restart()
                self._forget()
                self._tried = self._seconds()

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
        self._before = self._folded = History()
        self._written: tuple[History, Worker] | None = None
        self._tried = self._published = float("-inf")

    def _publish(self, open_board: Callable[[], Board], *, flush: bool) -> None:
        seconds, now = self._seconds(), self._clock()
        history, worker = self._recorder.look(now), self._worker()
        written = self._written
        is_due = seconds - self._tried >= PUBLISH_SECONDS
        is_news = written is None or (history, worker) != written
        is_urgent = is_news and (flush or (written is not None and worker.condition != written[1].condition))
        is_old = seconds - self._published >= ALIVE_SECONDS
        if not (is_urgent or (is_due and (is_news or is_old))):
            return
        self._tried = seconds
        if self._board is None:
            self._tried_board = board = open_board()
            earlier = board.join()
            if earlier is None:
                return
            self._board, self._before = board, history_of(earlier)
        is_published = self._board.publish(report_of(self._counted(history), worker), now)
        if not is_published and (folded := self._board.folded()) is not None:
            self._folded = merged(self._folded, history_of(folded))
            is_published = self._board.publish(report_of(self._counted(history), worker), now)
        if is_published:
            self._written, self._published = (history, worker), seconds

    def _counted(self, history: History) -> History:
        """Return what this process has counted and taken over, and nobody has added to the past."""
        return without(merged(self._before, history), self._folded)


_all: "WeakSet[Reporting]" = WeakSet()


@atexit.register
def _leave_last() -> None:
    """Write what was counted since the last time, in a process that ends without closing its guards."""
    for reporting in tuple(_all):
        reporting.leave()
