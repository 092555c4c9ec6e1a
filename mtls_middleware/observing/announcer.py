"""What is published, and how often: every hook gets each event, and a notice is logged once."""

import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from mtls_middleware._core.boundary import TRAILERS_ARE_HEADERS
from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Accepted, Decision, Disposition, Reason, Rejected
from mtls_middleware._core.response import correlation_id
from mtls_middleware._core.sources.presets import TLS
from mtls_middleware.observing.events import CallAccepted, CallRejected, Event, Hook, Notice, Severity
from mtls_middleware.observing.logging import LOGGER

REPORT_EVERY = timedelta(minutes=1)
"""How often report mode says that it lets refusals through."""

_SERVER_HIDES = (
    "this server does not hand over client certificates: no TLS extension in the scope, and no key of a WSGI server. "
    "Start it with `mtls-middleware serve`, or with the protocol classes of mtls_middleware.servers; behind a proxy "
    "that ends TLS, set MTLS_SOURCE"
)
_REPORT_MODE = "MTLS_MODE=report lets calls through that enforce would refuse: no call is refused"

_UVICORN_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"
_OUR_UVICORN = "mtls_middleware.servers.uvicorn"


class Announcer:
    """Publishes to the hooks of one guard. What fails there changes no decision."""

    def __init__(self, hooks: Iterable[Hook], *, source: str) -> None:
        self._hooks = tuple(hooks)
        self._source = source
        self._said: set[str] = set()
        self._last_report: datetime | None = None

    def tell(self, event: Event) -> None:
        """Give one event to every hook."""
        self._each(lambda hook: hook(event))

    @property
    def has_accept_listeners(self) -> bool:
        """Return whether any hook wants accepted calls now."""
        return any(hook.enabled for hook in self._hooks)

    def say_once(self, severity: Severity, text: str) -> None:
        """Publish a notice, unless it was published before."""
        if text not in self._said:
            self._said.add(text)
            self.tell(Notice(severity=severity, text=text))

    def decision(self, connection: Connection, decision: Decision) -> None:
        """Publish a decision to the hooks."""
        if isinstance(decision, Accepted):
            if decision.protected:
                self.tell(CallAccepted(identity=decision.identity, cached=decision.cached))
        elif decision.disposition is not Disposition.UNPROTECTED:
            self._rejection(connection, decision)

    def report_mode(self, now: datetime) -> None:
        """Say, now and then, that nobody is kept out."""
        if self._last_report is None or now - self._last_report >= REPORT_EVERY:
            self._last_report = now
            self.tell(Notice(severity=Severity.WARNING, text=_REPORT_MODE))

    def trailers(self) -> None:
        """Name the cure at start-up where a server turns trailers into headers; else a refused caller would be told."""
        if _UVICORN_HTTPTOOLS in sys.modules and _OUR_UVICORN not in sys.modules:
            self.say_once(Severity.WARNING, f"if this server is uvicorn: {TRAILERS_ARE_HEADERS}")

    def summarize(self, *, flush: bool = False) -> None:
        """Let every hook publish what it held back; called from time to time, and at the end with `flush`."""
        self._each(lambda hook: hook.summarize(flush=flush))

    def after_fork(self) -> None:
        """Leave to the parent what the hooks held back."""
        self._each(lambda hook: hook.after_fork())

    def _each(self, call: Callable[[Hook], None]) -> None:
        for hook in self._hooks:
            try:
                call(hook)
            except Exception:  # noqa: BLE001 - a decision stands and trust is refreshed, whatever fails in a hook
                LOGGER.exception("a hook failed")

    def _rejection(self, connection: Connection, rejected: Rejected) -> None:
        self.tell(
            CallRejected(
                rejected=rejected,
                source=self._source,
                peer=_peer(connection),
                path=str(connection.path),
                correlation_id=_correlation_id(connection),
            )
        )
        if rejected.reason is Reason.CERTIFICATE_MISSING and self._source == TLS and connection.tls is None:
            self.say_once(Severity.ERROR, _SERVER_HIDES)


def _correlation_id(connection: Connection) -> str | None:
    try:
        return correlation_id(connection)
    except (
        AttributeError,
        TypeError,
        ValueError,
    ):  # no headers, and refused for that: the line is written all the same
        return None


def _peer(connection: Connection) -> str:
    peer = connection.transport.peer if connection.transport else connection.client
    return ":".join(map(str, peer)) if isinstance(peer, tuple) else repr(peer)
