"""What operators and other processes see of one guard: its status, its counts, and what it publishes of itself."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware._io.board import Board
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.counting import Counters, ExpiryKey, ProcessCounts, seconds_left
from mtls_middleware.observing.events import Decided, Refreshed, by_reason
from mtls_middleware.observing.expiry import expirations
from mtls_middleware.observing.fleet import Fleet
from mtls_middleware.observing.handshake_counts import HANDSHAKES
from mtls_middleware.observing.history import Recorder
from mtls_middleware.observing.reporting import Reporting
from mtls_middleware.observing.status import Status, TrustFacts, status_of
from mtls_middleware.observing.worker import Worker, lines_of
from mtls_middleware.settings import Settings


class Trust(Protocol):
    """The trust of a guard, as far as it is shown."""

    @property
    def snapshot(self) -> TrustSnapshot | None:
        """Return the trust in force."""

    @property
    def refreshes(self) -> Counters[Refreshed]:
        """Return how often each kind of source was good, or failed."""

    def facts(self) -> TrustFacts:
        """Return what is known about its sources."""


class GuardView:
    """What is shown of one guard. It holds no reference to the guard.

    Attributes:
        is_closed: whether the guard keeps no trust current: until when it lasts is nobody's concern then.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        trust: Trust,
        decisions: Counters[Decided],
        announcer: Announcer,
        open_board: Callable[[], Board] | None,
        clock: Callable[[], datetime],
        wall_clock: Callable[[], datetime],
    ) -> None:
        """Prepare; nothing is read or written.

        Args:
            settings: of the guard.
            trust: what is in force.
            decisions: counted by the guard.
            announcer: publishes what happens.
            open_board: opens the board of all processes; None where there is none.
            clock: of the guard; returns the time, aware, UTC.
            wall_clock: of the machine: other processes compare it with theirs.
        """
        self.is_closed = False
        self._source = settings.source
        self._mode = str(settings.mode)
        self._requires_crls = settings.revocation is RevocationMode.REQUIRE
        self._trust = trust
        self._decisions = decisions
        self._announcer = announcer
        self._clock = clock
        self._wall_clock = wall_clock
        recorder = Recorder(
            decisions=decisions.totals,
            refreshes=trust.refreshes.totals,
            handshakes=HANDSHAKES.drain,
            last_refused=announcer.last_rejected,
            last_handshake=HANDSHAKES.last_refused,
        )
        self.reporting = Reporting(open_board, recorder, self._worker, clock=wall_clock)

    def status(self) -> Status:
        """Return trust, decisions, and what is not in force."""
        return status_of(
            self._trust.snapshot,
            self._clock(),
            mode=self._mode,
            source=self._source,
            decisions=by_reason(self._decisions.totals()),
            requires_crls=self._requires_crls,
            **self._trust.facts(),
        )

    def count_in(self, counts: ProcessCounts) -> None:
        """Let the counts of the process include this guard's, and until when its trust lasts."""
        counts.open(
            source=self._source,
            mode=self._mode,
            decisions=self._decisions.totals,
            refreshes=self._trust.refreshes.totals,
            expiries=self._seconds_left,
        )

    def fleet(self) -> Fleet:
        """Return what all processes that share the state know and count."""
        return self.reporting.fleet()

    def publish(self) -> None:
        """Publish what is due: the report or why there is none, whose root is missing, whose calls are accepted."""
        self.reporting.publish()
        self._announcer.not_kept("reports", self.reporting.problems)
        self._announcer.handshakes(HANDSHAKES.last_refused())
        self._announcer.accepted_again(self._decisions.totals(), self._wall_clock())

    def _worker(self) -> Worker:
        return Worker.of(self.status(), lines_of(self._trust.snapshot))

    def _seconds_left(self) -> Mapping[ExpiryKey, float]:
        if self.is_closed:
            return {}
        now = self._clock()
        return seconds_left(expirations(self._trust.snapshot, now), now)
