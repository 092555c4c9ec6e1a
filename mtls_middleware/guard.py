"""The composition root: settings, trust, clock and hooks become one guard that judges calls."""

import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Self

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Disposition, Reason, Rejected
from mtls_middleware._core.gate import Gate, Mode
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.proxies import TRAILERS_ARE_HEADERS, Boundary
from mtls_middleware._core.response import correlation_id
from mtls_middleware._core.secret import Secret
from mtls_middleware._core.snapshot import TrustSnapshot
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presets import TLS
from mtls_middleware._trust.forks import follow_forks
from mtls_middleware._trust.holder import Holder
from mtls_middleware._trust.loading import LoadedTrust, TrustSources, fingerprint_of_files, load_trust
from mtls_middleware._trust.refresher import Refresher
from mtls_middleware.counters import Counters
from mtls_middleware.errors import ConfigurationError, MTLSError, TrustError
from mtls_middleware.events import (
    CallAccepted,
    CallRejected,
    Event,
    Hook,
    Notice,
    RefreshFailed,
    Severity,
    TrustReplaced,
)
from mtls_middleware.instrumentation.logging import LOGGER, log
from mtls_middleware.reporting import Status, status_of
from mtls_middleware.settings import SecretSetting, Settings

Clock = Callable[[], datetime]

REPORT_EVERY = timedelta(minutes=1)
"""How often report mode says that it lets refusals through."""

_UVICORN_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"
_OUR_UVICORN = "mtls_middleware.servers.uvicorn"


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
        self._hooks = tuple(hooks)
        self._lock = RLock()
        self._holder = Holder()
        self._counters = Counters()
        self._sources = _trust_sources(settings)
        self._files: object = None
        self._started = False
        self._loaded = False
        self._warnings: tuple[str, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._last_refresh: datetime | None = None
        self._last_report: datetime | None = None
        self._said: set[str] = set()
        # Until everything is loaded no secret is the right one, and no mode lets a refusal by.
        self._gate = _gate(
            settings,
            proxy_secret=_never_right(settings.proxy_secret),
            caller_secret=_never_right(settings.caller_secret),
            mode=Mode.ENFORCE,
        )
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
            now = self._clock()
        except Exception as error:  # noqa: BLE001 - without a time nothing can be valid
            decision: Decision = _unforeseen(error)
        else:
            decision = self._gate.decide(connection, self._holder.current, now)
            self._tell_report_mode(decision, now)
        self._tell_decision(connection, decision)
        return decision

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
        self._warn_of_trailers()

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
        self._files = files
        self._adopt(loaded, now)
        self._loaded = True
        for note in self._settings.notes:
            self._say_once(Severity.INFO, note)

    def _refresh(self) -> None:
        now = self._clock()
        self._files = fingerprint_of_files(self._sources)
        try:
            if self._loaded:
                self._adopt(load_trust(self._sources, now), now)
            else:
                self._load()
        except MTLSError as error:
            self._last_refresh = now
            self._problems = getattr(error, "problems", (str(error),))
            self._tell(RefreshFailed(problems=self._problems))

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
        self._tell(
            TrustReplaced(
                version=snapshot.version,
                anchors=len(snapshot.anchors),
                pins=len(snapshot.pins),
                warnings=loaded.warnings,
            )
        )

    def _tell_decision(self, connection: Connection, decision: Decision) -> None:
        if isinstance(decision, Accepted):
            if decision.protected:
                self._counters.add("accepted")
                self._tell(CallAccepted(identity=decision.identity, cached=decision.cached))
            return
        if decision.disposition is Disposition.UNPROTECTED:
            return
        self._counters.add(str(decision.reason))
        self._tell(
            CallRejected(
                rejected=decision,
                source=self._settings.source,
                peer=str(connection.transport.peer if connection.transport else connection.client),
                path=str(connection.path),
                correlation_id=correlation_id(connection),
            )
        )
        self._tell_what_the_server_hides(connection, decision)

    def _tell_what_the_server_hides(self, connection: Connection, decision: Rejected) -> None:
        if decision.reason is Reason.CERTIFICATE_MISSING and self._settings.source == TLS and connection.tls is None:
            self._say_once(
                Severity.ERROR,
                "this server does not hand over client certificates: no TLS extension in the scope, and no "
                "key of a WSGI server. Start it with `mtls-middleware serve`, or with the protocol classes of "
                "mtls_middleware.servers; behind a proxy that ends TLS, set MTLS_SOURCE",
            )

    def _warn_of_trailers(self) -> None:
        """Name the cure at start-up: a caller's chunked request would be the first to tell otherwise."""
        if self._settings.shape is not None and _UVICORN_HTTPTOOLS in sys.modules and _OUR_UVICORN not in sys.modules:
            self._say_once(Severity.WARNING, TRAILERS_ARE_HEADERS)

    def _tell_report_mode(self, decision: Decision, now: datetime) -> None:
        protected = decision.protected if isinstance(decision, Accepted) else decision.is_protected
        if self._gate.mode is not Mode.REPORT or not protected:
            return
        if self._last_report is None or now - self._last_report >= REPORT_EVERY:
            self._last_report = now
            self._tell(
                Notice(
                    severity=Severity.WARNING,
                    text="MTLS_MODE=report lets calls through that enforce would refuse: nobody is kept out",
                )
            )

    def _say_once(self, severity: Severity, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._tell(Notice(severity=severity, text=text))

    def _tell(self, event: Event) -> None:
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:  # noqa: BLE001 - a decision stands, whatever becomes of its line in a log
                LOGGER.exception("a hook failed")


def _unforeseen(error: Exception) -> Rejected:
    return Rejected(
        reason=Reason.INTERNAL_ERROR, detail=repr(error), disposition=Disposition.REFUSED, evidence=None, error=error
    )


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
