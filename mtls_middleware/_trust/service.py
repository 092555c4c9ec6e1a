"""The trust in force: loaded at the start, refreshed in the background, replaced in one step."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from cryptography import x509

from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.trust import AuthorityTrust, TrustSnapshot
from mtls_middleware._io import forks
from mtls_middleware._io.forks import follow_forks
from mtls_middleware._io.http import within
from mtls_middleware._trust.files.loading import TrustSources, fingerprint_of_files
from mtls_middleware._trust.gathering import GatheredTrust, Gatherer
from mtls_middleware._trust.refresher import HURRY_SECONDS, POLL_SECONDS, Refresher
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.counting import Counters
from mtls_middleware.observing.events import Refreshed, RefreshResult, RefreshSource
from mtls_middleware.observing.expiry import expirations
from mtls_middleware.observing.status import TrustFacts

RETRY = timedelta(seconds=30)
"""After a start that failed. A file that changed is noticed before; a secret or the right time is not."""


class Load(Protocol):
    """Reads secrets, trust and state."""

    def __call__(self, now: datetime, *, serving: bool) -> tuple[Gatherer, GatheredTrust]:
        """Return the sources and their trust, or raise `ConfigurationError`.

        Args:
            now: aware, UTC.
            serving: calls are to be judged by it; else somebody only wants to look.
        """


class TrustService:
    """The trust of one guard, and the thread that keeps it current.

    Attributes:
        refreshes: how often each kind of source was good, or failed.
        changed_at: when other anchors or pins than before came into force, UTC; None where none did.
    """

    def __init__(
        self,
        sources: TrustSources,
        *,
        load: Load,
        clock: Callable[[], datetime],
        announcer: Announcer,
        interval: float,
        replaced: Callable[[], object] = lambda: None,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare; nothing is read before `load` or `start`.

        Args:
            sources: the operator's files, to see when one changes.
            load: makes the sources of trust and loads them.
            clock: returns the time, aware, UTC.
            announcer: publishes what happens.
            interval: seconds between two refreshes.
            replaced: called when other trust is in force.
            tick: called every few seconds.
        """
        self.refreshes = Counters[Refreshed]()
        self.changed_at: datetime | None = None
        self._sources = sources
        self._load_all = load
        self._clock = clock
        self._announcer = announcer
        self._replaced = replaced
        self._each_tick = tick
        self._lock = threading.RLock()
        self._current = CurrentTrust()
        self._gatherer: Gatherer | None = None
        self._is_started = False
        self._files: object = None
        self._tried_at: datetime | None = None
        self._last_refresh: datetime | None = None
        self._warnings: tuple[str, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._complaints: tuple[str, ...] = ()
        self._refresher = Refresher(self._refresh, self.tick, interval, self._poll)
        follow_forks(self)

    # --- on any thread --------------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> TrustSnapshot | None:
        """Return the trust in force; None before the first."""
        return self._current.snapshot

    @property
    def is_running(self) -> bool:
        """Return whether a thread keeps trust current."""
        return self._refresher.is_running

    def learn(self, verified: Sequence[x509.Certificate]) -> None:
        """Remember the addresses of CRLs in a chain that passed everything but revocation; it waits for nothing."""
        if self._gatherer is not None:
            self._gatherer.learn(verified)

    def facts(self) -> TrustFacts:
        """Return what a status says of the sources."""
        gatherer = self._gatherer
        return TrustFacts(
            last_refresh=self._last_refresh,
            changed_at=self.changed_at,
            problems=self._problems,
            warnings=(*self._warnings, *self._complaints),
            lists=gatherer.crl_statuses if gatherer is not None else (),
            apis=gatherer.api_statuses if gatherer is not None else (),
        )

    # --- start and end --------------------------------------------------------------------------------------------

    def load(self, *, serving: bool = False) -> None:
        """Load, and do nothing more: no thread is started, and the network is not asked.

        Args:
            serving: as for calls that are to be judged by it; else somebody only wants to look.

        Raises:
            ConfigurationError: a secret or a file of trust cannot be used; every problem at once.
        """
        with self._lock:
            self._load(serving=serving)

    def start(self) -> None:
        """Load, then keep trust current on a thread of its own. A start that fails is tried again there.

        Where no thread can live, the sources are asked once, here, and then by `refresh` only.

        Raises:
            ConfigurationError: as `load`.
        """
        with self._lock:
            if self._is_started:
                return
            try:
                self._load(serving=True)
                self._is_started = True
                if self._gatherer is not None and not self._complaints:
                    self._complain(self._gatherer.why_not_kept())
            except ConfigurationError:
                self._announcer.start_failed()
                raise
            finally:
                why_no_thread = self._start_thread()
            if why_no_thread is not None:
                self._announcer.no_thread(why_no_thread)
                with within(forks.COLD_SECONDS):
                    self.refresh()

    def refresh(self) -> None:
        """Read trust again and ask every source, now, after a refresh that may be under way."""
        self._refresher.refresh_now(partial(self._refresh, force=True))

    def close(self) -> None:
        """Stop refreshing. The trust in force stays, and `start` begins anew."""
        with self._lock:
            self._is_started = False
        self._refresher.close()
        if self._gatherer is not None:
            self._gatherer.close()

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may have held."""
        self._lock = threading.RLock()

    def _start_thread(self) -> str | None:
        """Start the refresher, or return why it cannot run."""
        why = forks.why_no_thread()
        if why is None:
            try:
                self._refresher.start()
            except RuntimeError as error:
                why = f"no thread can be started here ({error})"
        return why

    # --- on one thread at a time ----------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Do what is due every few seconds, and return whether there is something new to read."""
        self._announcer.summarize()
        self._each_tick()
        return self.has_changed()

    def has_changed(self) -> bool:
        """Return whether a refresh has something to do before its time; a failed start is tried again."""
        now = self._clock()
        if self._gatherer is not None:
            return self._gatherer.has_changed(now)
        is_waiting = self._tried_at is not None and self._tried_at <= now < self._tried_at + RETRY
        return not is_waiting or fingerprint_of_files(self._sources) != self._files

    def _poll(self) -> float:
        """Return the seconds between two ticks: few while another process may be asking for what is missing here."""
        lacks = self._gatherer is not None and self._gatherer.lacks_answers
        return HURRY_SECONDS if lacks else POLL_SECONDS

    def _load(self, *, serving: bool) -> None:
        now = self._tried_at = self._clock()
        self._files = fingerprint_of_files(self._sources)
        self._gatherer, trust = self._load_all(now, serving=serving)
        self._adopt(trust, now)
        self._replaced()  # by other secrets, if not by other trust

    def _refresh(self, *, force: bool = False) -> None:
        now = self._clock()
        try:
            if self._gatherer is None:
                self._load(serving=True)
            if self._gatherer is not None:
                self._adopt(self._gatherer.refresh(now, self._clock, force=force), now)
                for refreshed in self._gatherer.results:
                    self.refreshes.add(refreshed)
        except ConfigurationError as error:
            self.refreshes.add(Refreshed(RefreshSource.FILES, RefreshResult.FAILURE))
            self._note(error.problems, now)

    def _adopt(self, trust: GatheredTrust, now: datetime) -> None:
        """Put trust into force, if it is another, and announce what is wrong or will be."""
        current = self.snapshot
        same = current is not None and (current.trusts, self._warnings) == (trust.trusts, trust.warnings)
        if current is None or not same or not current.crls.is_same(trust.crls):
            self._warnings = trust.warnings
            snapshot = self._current.replace(trust.trusts, now, trust.crls)
            self._replaced()
            self._announcer.trust_replaced(snapshot, () if same else trust.warnings)
            if current is not None and current.trusts != trust.trusts:
                self.changed_at = self._clock()  # after what was counted so far, which is of the time before
                self._announcer.pins_changed(current.pins, snapshot.pins, now)
        self._note(trust.problems, now)
        self._complain(trust.complaints)
        self._announcer.roots_renewed(trust.renewed)
        self._announcer.expirations(expirations(self.snapshot, now))

    def _complain(self, complaints: tuple[str, ...]) -> None:
        self._complaints = complaints
        self._announcer.not_kept("trust", complaints)

    def _note(self, problems: tuple[str, ...], now: datetime) -> None:
        self._last_refresh = now
        self._problems = problems
        self._announcer.problems(problems)


class CurrentTrust:
    """The current snapshot. Readers take no lock: they read one reference, and keep what they read.

    Attributes:
        snapshot: the newest; None before the first. Only `replace` writes it.
    """

    def __init__(self) -> None:
        self.snapshot: TrustSnapshot | None = None
        self._writing = threading.Lock()
        follow_forks(self)

    def replace(
        self, trusts: Iterable[AuthorityTrust], built_at: datetime, crls: CRLSet | None = None
    ) -> TrustSnapshot:
        """Put the next version into force, and return it.

        Args:
            trusts: one for each configured authority.
            built_at: by the guard's clock, UTC.
            crls: CRLs of all authorities; None for none.
        """
        trusts = tuple(trusts)
        with self._writing:
            version = self.snapshot.version + 1 if self.snapshot is not None else 1
            self.snapshot = snapshot = TrustSnapshot(
                version=version, built_at=built_at, trusts=trusts, crls=CRLSet() if crls is None else crls
            )
        return snapshot

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may have held."""
        self._writing = threading.Lock()
