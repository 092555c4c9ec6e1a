"""The composition root: settings, trust, clock and hooks become one guard that judges calls."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import RLock
from typing import Any, Self

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Disposition, Reason, Rejected
from mtls_middleware._core.gate import Gate, Mode
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.proxies import Boundary
from mtls_middleware._core.replay import Header, Replay
from mtls_middleware._core.secret import Secret
from mtls_middleware._core.snapshot import TrustSnapshot
from mtls_middleware._core.sources import source_of
from mtls_middleware._trust.forks import follow_forks
from mtls_middleware._trust.holder import Holder
from mtls_middleware._trust.loading import LoadedTrust, TrustSources, fingerprint_of_files, load_trust
from mtls_middleware._trust.refresher import Refresher
from mtls_middleware.counters import Counters
from mtls_middleware.errors import ConfigurationError, TrustError
from mtls_middleware.events import CallAccepted, Hook, RefreshFailed, Severity, TrustReplaced
from mtls_middleware.instrumentation.logging import log
from mtls_middleware.instrumentation.telling import Telling
from mtls_middleware.reporting import Status, status_of
from mtls_middleware.settings import SecretSetting, Settings

Clock = Callable[[], datetime]

_Repeated = tuple[Mapping[str, Any], CallAccepted | None]


def utc_now() -> datetime:
    """Return the time, aware, UTC."""
    return datetime.now(UTC)


class Guard:
    """Judge calls by one configuration. Several applications may share a guard; threads and forks may too.

    What it does not check: who in the region called. The certificate proves the region; a caller secret proves more.
    """

    def __init__(self, settings: Settings, *, clock: Clock, hooks: Iterable[Hook]) -> None:
        self._settings = settings
        self._clock = clock
        self._telling = Telling(hooks, source=settings.source)
        self._lock = RLock()
        self._holder = Holder()
        self._counters = Counters()
        self._count_accepted = self._counters.of("accepted")
        self._seconds = time.time if clock is utc_now else self._timestamp
        self._sources = _trust_sources(settings)
        self._files: object = None
        self._started = False
        self._loaded = False
        self._warnings: tuple[str, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._last_refresh: datetime | None = None
        # Until everything is loaded no secret is the right one, and no mode lets a refusal by.
        self._gate = _gate(
            settings,
            proxy_secret=_never_right(settings.proxy_secret),
            caller_secret=_never_right(settings.caller_secret),
            mode=Mode.ENFORCE,
        )
        self._replay = Replay[_Repeated](self._gate)
        self._refresher = Refresher(
            refresh=self._refresh, changed=self._files_changed, interval=float(settings.refresh_seconds)
        )
        follow_forks(self)

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock = utc_now) -> Self:
        """Make a guard. Nothing is read before `start`.

        Args:
            settings: what the operator wants.
            clock: returns the time, aware, UTC; read once for each call.
        """
        return cls(settings, clock=clock, hooks=(log,))

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
            self._counters.add("accepted" if isinstance(decision, Accepted) else str(decision.reason))
        self._telling.decision(connection, decision)
        return decision

    def replay(self, scope: Mapping[str, Any]) -> tuple[list[Header], Mapping[str, Any]] | None:
        """Repeat an acceptance, if a call with the same evidence was accepted; else `decide` must be asked.

        Args:
            scope: of an http or websocket request, in ASGI.

        Returns:
            the headers that the application may see, and what was given to `keep`.
        """
        found = self._replay.find(scope, self._holder.current, self._seconds)
        if found is None:
            return None
        self._count_accepted()
        headers, (caller, event) = found
        if event is not None:
            self._telling.accepted(event)
        return headers, caller

    def keep(self, scope: Mapping[str, Any], accepted: Accepted, caller: Mapping[str, Any]) -> None:
        """Remember an acceptance for `replay`, with what goes into the scope of such a call."""
        event = CallAccepted(identity=accepted.identity, cached=True) if self._telling.tells_acceptance else None
        self._replay.keep(scope, self._holder.current, accepted, (caller, event))

    def start(self) -> None:
        """Load secrets and trust, then keep trust current on a thread of its own.

        Raises:
            ConfigurationError: a secret's file, or a file of trust, cannot be used; every problem at once.
        """
        with self._lock:
            if not self._started:
                self._load()
                self._started = True
                self._refresher.start()
        if self._settings.shape is not None:
            self._telling.trailers()

    def refresh(self) -> Status:
        """Read trust again, now. What fails keeps the last good trust, and stands in the status.

        A guard that never started, or failed to, reads its secrets too: they come into force together or not at all.
        """
        self._refresher.refresh_now()
        return self.status()

    def close(self) -> None:
        """Stop refreshing. The trust in force stays, and `start` begins anew."""
        with self._lock:
            self._started = False
        self._refresher.close()

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may have held."""
        self._lock = RLock()

    def status(self) -> Status:
        """Describe trust, decisions and what is not in force."""
        return status_of(
            self._holder.current,
            self._clock(),
            mode=str(self._settings.mode),
            source=self._settings.source,
            last_refresh=self._last_refresh,
            problems=self._problems,
            warnings=self._warnings,
            notes=self._settings.notes,
            decisions=self._counters.totals(),
        )

    @property
    def snapshot(self) -> TrustSnapshot | None:
        """Return the trust in force; the TLS layer of `serve` verifies handshakes with the same."""
        return self._holder.current

    @property
    def hidden(self) -> frozenset[str]:
        """Return the canonical names of the headers that no application may see."""
        return self._gate.hidden

    def _load(self) -> None:
        """Read everything before anything takes effect: half a configuration lets nobody in."""
        problems: list[str] = []
        proxy_secret = _read_secret(self._settings.proxy_secret, problems)
        caller_secret = _read_secret(self._settings.caller_secret, problems)
        now = self._clock()
        files = fingerprint_of_files(self._sources)
        try:
            loaded = load_trust(self._sources, now)
        except TrustError as error:
            raise TrustError([*problems, *error.problems]) from error
        if problems:
            raise ConfigurationError(problems)
        self._gate = _gate(
            self._settings, proxy_secret=proxy_secret, caller_secret=caller_secret, mode=self._settings.mode
        )
        self._replay = Replay(self._gate)
        self._files = files
        self._adopt(loaded, now)
        self._loaded = True
        for note in self._settings.notes:
            self._telling.say_once(Severity.INFO, note)

    def _refresh(self) -> None:
        now = self._clock()
        self._files = fingerprint_of_files(self._sources)
        try:
            if self._loaded:
                self._adopt(load_trust(self._sources, now), now)
            else:
                self._load()
        except ConfigurationError as error:
            self._last_refresh = now
            self._problems = error.problems
            self._telling.tell(RefreshFailed(problems=self._problems))

    def _now(self) -> datetime:
        now = self._clock()
        if now.utcoffset() is None:
            raise ValueError("the clock tells a time without its zone")
        return now

    def _timestamp(self) -> float:
        """Return the time as seconds since 1970."""
        return self._now().timestamp()

    def _files_changed(self) -> bool:
        return fingerprint_of_files(self._sources) != self._files

    def _adopt(self, loaded: LoadedTrust, now: datetime) -> None:
        self._last_refresh = now
        self._problems = ()
        current = self._holder.current
        if current is not None and (current.trusts, self._warnings) == (loaded.trusts, loaded.warnings):
            return  # the same trust: its verdicts hold on
        self._warnings = loaded.warnings
        snapshot = self._holder.replace(loaded.trusts, now)
        self._telling.tell(
            TrustReplaced(
                version=snapshot.version,
                anchors=len(snapshot.anchors),
                pins=len(snapshot.pins),
                warnings=loaded.warnings,
            )
        )


def _is_protected(decision: Decision) -> bool:
    if isinstance(decision, Accepted):
        return decision.protected
    return decision.disposition is not Disposition.UNPROTECTED


def _unforeseen(error: Exception) -> Rejected:
    return Rejected(reason=Reason.INTERNAL_ERROR, detail=repr(error), disposition=Disposition.REFUSED, error=error)


def _never_right(setting: SecretSetting | None) -> Secret | None:
    """Return a secret that nothing matches; its header is hidden from the application all the same."""
    return Secret(header=setting.header, values=()) if setting is not None else None


def _read_secret(setting: SecretSetting | None, problems: list[str]) -> Secret | None:
    try:
        return setting.read() if setting is not None else None
    except ConfigurationError as error:
        problems += error.problems
        return None


def _trust_sources(settings: Settings) -> TrustSources:
    return TrustSources(
        authorities=settings.authorities,
        regions=settings.regions,
        files=settings.trust,
        pins=settings.pins,
        names=settings.cert_names,
        max_chain=settings.max_chain,
    )


def _gate(settings: Settings, *, proxy_secret: Secret | None, caller_secret: Secret | None, mode: Mode) -> Gate:
    return Gate(
        source=source_of(settings.source, settings.shape, settings.xfcc_elements),
        boundary=Boundary(
            networks=settings.trusted_proxies,
            unix_socket=settings.trusts_unix_socket,
            secret=proxy_secret,
            drops_underscores=settings.proxy_drops_underscores,
        ),
        protection=Protection(protected=settings.protect, exempt=settings.exempt),
        callers=CallerPolicy(
            organization_ids=settings.organization_ids,
            organization_header=settings.organization_header,
            secret=caller_secret,
        ),
        max_header_bytes=settings.max_header_bytes,
        max_chain=settings.max_chain,
        mode=mode,
    )
