"""The composition root: settings, trust, clock and hooks become one guard that judges calls."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, Self

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Disposition, Reason, Rejected
from mtls_middleware._core.gate import Mode
from mtls_middleware._core.replay import Replay
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._core.trust import TrustSnapshot
from mtls_middleware._io import forks
from mtls_middleware._io.forks import follow_forks
from mtls_middleware._io.http import within
from mtls_middleware._trust.files.loading import fingerprint_of_files
from mtls_middleware._trust.refresher import Refresher
from mtls_middleware._trust.service import CurrentTrust, Keeper, KeptTrust, apis_of, crls_of
from mtls_middleware.composition import Secrets, gate_of, keeper_of, never_right, tallies_of, trust_sources
from mtls_middleware.errors import ConfigurationError, TrustError
from mtls_middleware.identity import Authority
from mtls_middleware.observing import telemetry
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.counting import Counters, ExpiryKey, ProcessCounts
from mtls_middleware.observing.events import (
    CallAccepted,
    Decided,
    Hook,
    Notice,
    Refreshed,
    RefreshFailed,
    RefreshResult,
    RefreshSource,
    Severity,
    TrustReplaced,
    by_reason,
)
from mtls_middleware.observing.expiry import download_of, expirations
from mtls_middleware.observing.logging import LimitedLog
from mtls_middleware.observing.shared_counts import Counts
from mtls_middleware.observing.status import Status, status_of
from mtls_middleware.settings import Settings

RETRY = timedelta(seconds=30)
"""After a start that failed. A file that changed is noticed before; a secret or the right time is not."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time, aware, UTC."""
    return datetime.now(UTC)


class Guard:
    """Judge calls by one configuration. Several applications may share a guard; threads and forks may too.

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
        self._telling = Announcer(hooks, source=settings.source)
        self._lock = RLock()
        self._holder = CurrentTrust()
        self._decisions = Counters[Decided]()
        self._refreshes = Counters[Refreshed]()
        self._tallies = tallies_of(settings, self._decisions.totals, utc_now)
        self._seconds = time.time if clock is utc_now else self._timestamp
        self._sources = trust_sources(settings)
        self._files: object = None
        self._tried_at: datetime | None = None
        self._started = False
        self._closed = False
        self._keeper: Keeper | None = None
        self._warned: set[tuple[str, str, datetime, int]] = set()
        self._warnings: tuple[str, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._complaints: tuple[str, ...] = ()
        self._last_refresh: datetime | None = None
        self._own_names = {
            name: binding.region
            for binding, names in settings.cert_names.items()
            if binding.authority is Authority.GENESYS and binding.region is not None
            for name in names
        }
        # Until everything is loaded no secret is the right one, and no mode lets a refusal by.
        self._gate = gate_of(
            settings,
            proxy_secret=never_right(settings.proxy_secret),
            caller_secret=never_right(settings.caller_secret),
            mode=Mode.ENFORCE,
        )
        self._begin_replay()
        self._refresher = Refresher(refresh=self._refresh, changed=self._tick, interval=float(settings.refresh_seconds))
        follow_forks(self)

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock = utc_now) -> Self:
        """Make a guard. Nothing is read before `start`.

        Args:
            settings: what the operator wants.
            clock: returns the time, aware, UTC; read once for each call.
        """
        guard = cls(settings, clock=clock, hooks=(LimitedLog(), *telemetry.span_hooks()))
        guard.share_counts()
        ledger = telemetry.register()
        if ledger is not None:
            guard.report_to(ledger)
        return guard

    @classmethod
    def silent(cls, settings: Settings, *, clock: Clock = utc_now) -> Self:
        """Make a guard that tells nobody what happens: a second one, beside one that does."""
        return cls(settings, clock=clock, hooks=())

    def decide(self, connection: Connection) -> Accepted | Rejected:
        """Judge one request; waits for nothing and raises nothing."""
        try:
            now = self._now()
        except Exception as error:  # noqa: BLE001 - without a time nothing can be valid
            decision: Decision = _unforeseen(error)
        else:
            decision = self._gate.decide(connection, self._holder.current, now)
            if self._gate.mode is Mode.REPORT and _is_protected(decision):
                self._telling.report_mode(now)
        if _is_protected(decision):
            self._decisions.add(Decided.of(decision, self._gate.mode))
        self._telling.decision(connection, decision)
        self._learn(decision)
        return decision

    def keep(self, scope: Mapping[str, Any], accepted: Accepted, additions: dict[str, Any]) -> None:
        """Remember an acceptance for `replay`, with what goes into the scope of such a call."""
        count = self._decisions.of(Decided.accepted(accepted.identity, Mode.ENFORCE, cached=True))
        if self._telling.has_accept_listeners:
            count = partial(self._repeated, count, CallAccepted(identity=accepted.identity, cached=True))
        self._replay.keep(scope, accepted, additions, count)

    def load(self) -> None:
        """Load secrets, trust and state, and do nothing more: no thread begins, and nobody is asked.

        For who only wants to look. What serves calls is started.

        Raises:
            ConfigurationError: as `start`.
        """
        with self._lock:
            self._load()

    def start(self) -> None:
        """Load secrets, trust and state, then keep trust current on a thread of its own.

        Where no thread can live, trust is refreshed once, here, and then by `refresh` only. A start that fails goes on
        trying aside, for servers that serve on all the same.

        Raises:
            ConfigurationError: a secret's file, or a file of trust, cannot be used; every problem at once.
        """
        with self._lock:
            self._closed = False
            if not self._started:
                try:
                    self._load()
                    self._started = True
                finally:
                    why_no_thread = self._start_thread()
                if why_no_thread is not None:
                    self._telling.say_once(Severity.INFO, f"{why_no_thread}: let your schedule call guard.refresh()")
                    with within(forks.COLD_SECONDS):
                        self._refresher.refresh_now(partial(self._refresh, everything=True))
        if self._settings.shape is not None:
            self._telling.trailers()

    def refresh(self) -> Status:
        """Read trust again, and ask every source, now. What fails keeps the last good, and stands in the status.

        A guard that never started, or failed to, reads its secrets too: they come into force together or not at all.
        """
        self._refresher.refresh_now(partial(self._refresh, everything=True))
        self._tallies.share(flush=True)
        return self.status()

    def close(self) -> None:
        """Stop refreshing. The trust in force stays, and `start` begins anew."""
        with self._lock:
            self._started = False
            self._closed = True
        self._refresher.close()
        self._tallies.leave()
        self._telling.summarize(flush=True)

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
        """Forget a lock that a thread of the parent may have held."""
        self._lock = RLock()
        self._telling.after_fork()

    def report_to(self, ledger: ProcessCounts) -> None:
        """Let a ledger read this guard's counters, and until when its trust lasts."""
        ledger.open(
            source=self._settings.source,
            mode=str(self._settings.mode),
            decisions=self._decisions.totals,
            refreshes=self._refreshes.totals,
            lives=self._lives,
        )

    def share_counts(self) -> None:
        """Let other processes that have the same state folder know, from time to time, what this guard counts."""
        self._tallies.begin()

    def counts(self) -> Counts:
        """Return what was decided by all processes that share the state folder. It reads files: not for a request."""
        return self._tallies.counts()

    def status(self) -> Status:
        """Describe trust, decisions and what is not in force."""
        return status_of(
            self._holder.current,
            self._clock(),
            mode=str(self._settings.mode),
            source=self._settings.source,
            last_refresh=self._last_refresh,
            problems=self._problems,
            warnings=(*self._warnings, *self._complaints),
            lists=crls_of(self._keeper),
            apis=apis_of(self._keeper),
            decisions=by_reason(self._decisions.totals()),
            requires_lists=self._settings.revocation is RevocationMode.REQUIRE,
        )

    @property
    def settings(self) -> Settings:
        """Return what the operator wants."""
        return self._settings

    @property
    def snapshot(self) -> TrustSnapshot | None:
        """Return the trust in force; the TLS layer of `serve` verifies handshakes with the same."""
        return self._holder.current

    @property
    def hidden(self) -> frozenset[str]:
        """Return the canonical names of the headers that no application may see."""
        return self._gate.hidden

    def _start_thread(self) -> str | None:
        """Start the refresher, or return why it cannot run."""
        why = forks.why_no_thread()
        if why is None:
            try:
                self._refresher.start()
            except RuntimeError as error:
                why = f"no thread can be started here ({error})"
        return why

    def _load(self) -> None:
        """Read everything before anything takes effect: half a configuration lets nobody in."""
        now = self._tried_at = self._clock()
        self._files = fingerprint_of_files(self._sources)
        problems: list[str] = []
        secrets = Secrets.read(self._settings, problems)
        keeper = keeper_of(self._settings, secrets, self._clock, now)
        try:
            kept = keeper.load(now)
        except TrustError as error:
            raise TrustError([*problems, *error.problems]) from error
        if problems:
            raise ConfigurationError(problems)
        self._gate = gate_of(
            self._settings, proxy_secret=secrets.proxy, caller_secret=secrets.caller, mode=self._settings.mode
        )
        self._keeper = keeper
        self._adopt(kept, now)
        self._begin_replay()

    def _refresh(self, *, everything: bool = False) -> None:
        now = self._clock()
        try:
            if self._keeper is None:
                self._load()
            if self._keeper is not None:
                kept = self._keeper.refresh(now, self._clock, everything=everything)
                self._adopt(kept, now)
                for refreshed in self._keeper.results:
                    self._refreshes.add(refreshed)
        except ConfigurationError as error:
            self._refreshes.add(Refreshed(RefreshSource.FILES, RefreshResult.FAILURE))
            self._note(error.problems, now)

    def _now(self) -> datetime:
        now = self._clock()
        if now.utcoffset() is None:
            raise ValueError("the clock tells a time without its zone")
        return now

    def _begin_replay(self) -> None:
        """Repeat nothing that was accepted by another gate, or under other trust."""
        self._replay_tells = self._telling.has_accept_listeners
        self._replay = Replay(self._gate, self._holder.current, self._seconds)
        self.replay = self._replay.find

    def _repeated(self, count: Callable[[], object], event: CallAccepted) -> None:
        count()
        self._telling.tell(event)

    def _timestamp(self) -> float:
        """Return the time as seconds since 1970."""
        return self._now().timestamp()

    def _tick(self) -> bool:
        """Do what is to be done every few seconds, and return whether there is something new to read."""
        self._telling.summarize()
        self._tallies.share()
        return self._has_changed() or self._is_newly_heard

    @property
    def _is_newly_heard(self) -> bool:
        """Return whether what is replayed tells nobody, and somebody listens by now."""
        return self._telling.has_accept_listeners and not self._replay_tells

    def _has_changed(self) -> bool:
        now = self._clock()
        if self._keeper is not None:
            return self._keeper.has_changed(now)
        is_waiting = self._tried_at is not None and self._tried_at <= now < self._tried_at + RETRY
        return not is_waiting or fingerprint_of_files(self._sources) != self._files

    def _adopt(self, kept: KeptTrust, now: datetime) -> None:
        """Put trust into force, if it is another, and tell what is wrong or will be."""
        current = self._holder.current
        same = current is not None and (current.trusts, self._warnings) == (kept.trusts, kept.warnings)
        if current is None or not same or not current.lists.is_same(kept.lists):
            self._warnings = kept.warnings
            snapshot = self._holder.replace(kept.trusts, now, kept.lists)
            self._begin_replay()
            self._telling.tell(
                TrustReplaced(
                    version=snapshot.version,
                    anchors=len(snapshot.anchors),
                    pins=len(snapshot.pins),
                    lists=len(snapshot.lists),
                    warnings=() if same else kept.warnings,
                )
            )
        elif self._is_newly_heard:
            self._begin_replay()
        self._note(kept.problems, now)
        self._complaints = kept.complaints
        for complaint in kept.complaints:
            self._telling.say_once(Severity.WARNING, complaint)
        for region in kept.renewed:
            self._telling.say_once(Severity.ERROR, _renewed(region))
        for ending in expirations(self._holder.current, now):
            key = (ending.kind, ending.region, ending.at, ending.threshold or 0)
            if ending.threshold is not None and key not in self._warned:
                self._warned.add(key)
                self._telling.tell(Notice(severity=Severity.WARNING, text=ending.text))

    def _note(self, problems: tuple[str, ...], now: datetime) -> None:
        """Tell what failed when it is something else than the last time; it may fail again every few seconds."""
        self._last_refresh = now
        is_news = problems != self._problems
        self._problems = problems
        if problems and is_news:
            self._telling.tell(RefreshFailed(problems=problems))

    def _lives(self) -> dict[ExpiryKey, float]:
        """Return the seconds until trust ends; nothing of a guard that was closed."""
        if self._closed:
            return {}
        now = self._now()
        found = expirations(self._holder.current, now)
        return {ExpiryKey(str(one.kind), one.region): (one.at - now).total_seconds() for one in found}

    def _learn(self, decision: Decision) -> None:
        """Learn what a fresh decision teaches: an address to ask, or that a root seems to be renewed."""
        if decision.path and self._keeper is not None:
            self._keeper.learn(decision.path)
        if (
            isinstance(decision, Rejected)
            and decision.reason is Reason.ISSUER_UNTRUSTED
            and decision.disposition is not Disposition.UNPROTECTED
            and decision.evidence is not None
        ):
            for name in self._own_names.keys() & map(str.lower, decision.evidence.dns_names):
                self._telling.say_once(Severity.ERROR, _perhaps_renewed(self._own_names[name]))


def _is_protected(decision: Decision) -> bool:
    if isinstance(decision, Accepted):
        return decision.protected
    return decision.disposition is not Disposition.UNPROTECTED


def _unforeseen(error: Exception) -> Rejected:
    return Rejected(reason=Reason.INTERNAL_ERROR, detail=repr(error), disposition=Disposition.REFUSED, error=error)


def _renewed(region: str) -> str:
    return (
        f"the certificates API lists a client certificate of {region} that no root in MTLS_TRUST signed: Genesys "
        f"renewed the root, or it is the wrong one. Download {download_of(region)}, and put the new root beside the "
        "old one"
    )


def _perhaps_renewed(region: str) -> str:
    return (
        f"a refused caller bears the name of {region}, and no root in MTLS_TRUST signed its certificate. If data "
        f"actions fail, Genesys renewed the root: download {download_of(region)}, and put the new root beside the old "
        "one. If they do not, somebody tries a certificate of their own"
    )
