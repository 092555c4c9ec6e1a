"""What judges calls by one configuration, counts the decisions and hands out the status."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Disposition, Reason, Rejected
from mtls_middleware._core.gate import Mode
from mtls_middleware._core.replay import Replay
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware._io.forks import follow_forks
from mtls_middleware._trust.gathering import GatheredTrust, Gatherer
from mtls_middleware._trust.service import TrustService
from mtls_middleware.composition import board_of, boundary_risk, closed_gate, genesys_names, load_all, trust_sources
from mtls_middleware.observing import telemetry
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.counting import Counters, ProcessCounts
from mtls_middleware.observing.events import Decided, EventName, Hook, Severity
from mtls_middleware.observing.fleet import Fleet
from mtls_middleware.observing.guard_view import GuardView
from mtls_middleware.observing.logging import LimitedLog
from mtls_middleware.observing.status import Status
from mtls_middleware.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time, aware, UTC."""
    return datetime.now(UTC)


class Guard:
    """The judge of calls by one configuration. Applications, threads and forks may share a guard.

    What it does not check: who in the region called. The certificate proves the region; a caller secret proves more.

    ``with Guard.from_settings(settings) as guard:`` starts it, and closes it at the end.

    Attributes:
        replay: takes the scope of an http or websocket request in ASGI, and repeats an acceptance: it returns the scope
            that the application may see. None where no call with the same evidence was accepted: ask `decide`.
    """

    __module__ = "mtls_middleware"

    replay: Callable[[Any], dict[str, Any] | None]

    def __init__(self, settings: Settings, *, clock: Clock, hooks: Iterable[Hook]) -> None:
        self._settings = settings
        self._clock = clock
        self._announcer = Announcer(
            hooks,
            source=settings.source,
            genesys_names=genesys_names(settings),
            forwarded_for=lambda call: self._gate.boundary.forwarded_for(call),  # noqa: PLW0108 - the gate is replaced
        )
        self._decisions = Counters[Decided]()
        self._seconds = time.time if clock is utc_now else lambda: self._now().timestamp()
        self._gate = closed_gate(settings)
        self._trust = TrustService(
            trust_sources(settings),
            load=self._load,
            clock=clock,
            announcer=self._announcer,
            interval=float(settings.refresh_seconds),
            replaced=self._on_other_trust,
            tick=self._tick,
        )
        self._view = GuardView(
            settings,
            trust=self._trust,
            decisions=self._decisions,
            announcer=self._announcer,
            open_board=board_of(settings),
            clock=self._now,
            wall_clock=utc_now,
        )
        self._begin_replay()
        follow_forks(self)

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock = utc_now) -> Self:
        """Return a guard. Nothing is read before `start`.

        Args:
            settings: what the operator wants.
            clock: returns the time, aware, UTC; read once for each call.
        """
        guard = cls(settings, clock=clock, hooks=(LimitedLog(), *telemetry.span_hooks()))
        guard.report_itself()
        counts = telemetry.register()
        if counts is not None:
            guard.report_to(counts)
        return guard

    @classmethod
    def silent(cls, settings: Settings, *, clock: Clock = utc_now) -> Self:
        """Return a guard that publishes nothing: a second one, beside one that does."""
        return cls(settings, clock=clock, hooks=())

    def decide(self, connection: Connection) -> Accepted | Rejected:
        """Judge one request; waits for nothing and raises nothing."""
        try:
            now = self._now()
        except Exception as error:  # noqa: BLE001 - without a time nothing can be valid
            decision: Decision = _unforeseen(error)
        else:
            decision = self._gate.decide(connection, self._trust.snapshot, now)
            if self._gate.mode is Mode.REPORT and decision.protected:
                self._announcer.report_mode(now)
        if decision.protected:
            self._decisions.add(Decided.of(decision, self._gate.mode))
        self._announcer.decision(connection, decision)
        if _teaches(decision):
            self._trust.learn(decision.chain)
        return decision

    def keep(self, scope: Mapping[str, Any], accepted: Accepted, additions: dict[str, Any]) -> None:
        """Remember an acceptance for `replay`, with what goes into the scope of such a call."""
        count = self._decisions.of(Decided.accepted(accepted.identity, Mode.ENFORCE, cached=True))
        self._replay.keep(scope, accepted, additions, self._announcer.counting(count, accepted.identity))

    def load(self, *, serving: bool = False) -> None:
        """Load secrets, trust and state, and do nothing more: no thread is started, and the network is not asked.

        For callers that only want to look. A guard that serves calls is started.

        Args:
            serving: find out whether `start` would succeed: in report mode it does without trust, too.

        Raises:
            ConfigurationError: as `start`.
        """
        self._trust.load(serving=serving)

    def start(self) -> None:
        """Load secrets, trust and state, then keep trust current on a thread of its own.

        Where no thread can live, trust is refreshed once, here, and then by `refresh` only. A start that fails is tried
        again in the background, for servers that serve on all the same.

        Raises:
            ConfigurationError: a secret's file, or a file of trust, cannot be used; every problem at once.
        """
        self._view.is_closed = False
        self._trust.start()
        if self._settings.header_names is not None:
            self._announcer.trailers()
        if risk := boundary_risk(self._settings):
            self._announcer.publish_once(EventName.DEPLOYMENT, Severity.WARNING, risk)

    def refresh(self) -> Status:
        """Read trust again, and ask every source, now. What fails keeps the last good, and is in the status.

        A guard that never started, or failed to, reads its secrets too: they come into force together or not at all.
        """
        self._trust.refresh()
        self._follow_listeners()
        self._view.reporting.publish(flush=True)
        return self.status()

    def close(self) -> None:
        """Stop refreshing. The trust in force stays, and `start` begins anew."""
        self._view.is_closed = True
        self._trust.close()
        self._view.reporting.leave()
        self._announcer.summarize(flush=True)

    def __enter__(self) -> Self:
        """Start. What cannot start is closed, for nothing else would end its attempts."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """Leave to the parent what it held back of its log."""
        self._announcer.after_fork()

    def report_to(self, counts: ProcessCounts) -> None:
        """Let the counts of the process include this guard's, and until when its trust lasts."""
        self._view.count_in(counts)

    def report_itself(self) -> None:
        """Publish for operators, from time to time, what this guard knows and counts, where state is shared."""
        self._view.reporting.begin()

    def report_end(self) -> None:
        """Publish what was counted until now, and that this process ends: its server may not wait for anything else."""
        self._view.reporting.leave()

    def fleet(self) -> Fleet:
        """Return what all processes that share the state know and count. It reads files: not for a request."""
        return self._view.fleet()

    def status(self) -> Status:
        """Return trust, decisions, and what is not in force."""
        return self._view.status()

    @property
    def settings(self) -> Settings:
        """Return what the operator wants."""
        return self._settings

    @property
    def snapshot(self) -> TrustSnapshot | None:
        """Return the trust in force; the TLS layer of `serve` verifies handshakes with the same."""
        return self._trust.snapshot

    @property
    def hidden(self) -> frozenset[str]:
        """Return the canonical names of the headers that no application may see."""
        return self._gate.hidden

    def _load(self, now: datetime, *, serving: bool) -> tuple[Gatherer, GatheredTrust]:
        """Load everything; secrets come into force with the trust, or not at all.

        Report mode serves without trust too, and accepts nobody: it must help on the day on which a root has expired.
        """
        lenient = serving and self._settings.mode is Mode.REPORT
        self._gate, gatherer, trust = load_all(self._settings, self._clock, now, lenient=lenient)
        if lenient and trust.problems and not any(one.anchors or one.pins for one in trust.trusts):
            self._announcer.no_trust()
        return gatherer, trust

    def _begin_replay(self) -> None:
        """Repeat nothing that was accepted by another gate, or under other trust."""
        self._replay_publishes = self._announcer.has_accept_listeners
        self._replay = Replay(self._gate, self._trust.snapshot, self._seconds)
        self.replay = self._replay.find

    def _on_other_trust(self) -> None:
        self._begin_replay()
        self._view.reporting.count()

    def _tick(self) -> None:
        self._view.publish()
        self._follow_listeners()

    def _follow_listeners(self) -> None:
        """Begin to publish repeated acceptances once a hook wants them."""
        if self._announcer.has_accept_listeners and not self._replay_publishes:
            self._begin_replay()

    def _now(self) -> datetime:
        now = self._clock()
        if now.utcoffset() is None:
            raise ValueError("the clock tells a time without its zone")
        return now


def _teaches(decision: Decision) -> bool:
    """Return whether its chain may name CRLs to fetch: with another name than ours, a stranger would choose them."""
    if isinstance(decision, Accepted):
        return not decision.cached
    return decision.reason is Reason.REVOCATION_UNKNOWN


def _unforeseen(error: Exception) -> Rejected:
    return Rejected(reason=Reason.INTERNAL_ERROR, detail=repr(error), disposition=Disposition.REFUSED, error=error)
