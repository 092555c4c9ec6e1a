"""How a call arrives at an application: wrappers that add what a server or proxy adds, in ASGI and in WSGI."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware._core.connection import canonical, may_make_headers_of_trailers
from mtls_middleware.testing.leaves import ClientCertificate
from mtls_middleware.testing.presentation import Presentation, tls_extension

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVER_SOFTWARE = "gunicorn (testing kit)"
"""A WSGI server that drops header names with an underscore; others need ``MTLS_PROXY_DROPS_UNDERSCORES=yes``."""

USER_AGENT = "PureCloud-Data-Actions"
CORRELATION_HEADER = "ININ-Correlation-Id"

_TEST_CLIENTS = ("testclient", "Werkzeug/", "python-httpx2/")
"""What Starlette's, Flask's and httpx2's clients call themselves, unless a test says otherwise."""

Peer = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """All that the application is given of a call besides the request itself.

    Attributes:
        presentation: what the source adds.
        secrets: what the proxy adds to prove that it is the proxy.
        caller: headers of this caller, unless a request has them already; every data action has two more.
        peer: address and port of the direct peer; None on a unix socket.
    """

    presentation: Presentation
    secrets: tuple[tuple[str, str], ...] = ()
    caller: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    peer: Peer | None = ("127.0.0.1", 50000)

    def headers(self, sent: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers that arrive where a caller sent these."""
        replaced = {canonical(name) for name in (*self.presentation.replaced, *(name for name, _ in self.secrets))}
        passed = [
            (name, value)
            for name, value in sent
            if canonical(name) not in replaced
            and not (canonical(name) == canonical("User-Agent") and value.startswith(_TEST_CLIENTS))
        ]
        known = {canonical(name) for name, _ in passed}
        own = (("User-Agent", USER_AGENT), (CORRELATION_HEADER, str(uuid4())), *self.caller)
        added = [(name, value) for name, value in own if canonical(name) not in known]
        return [*passed, *added, *self.presentation.headers, *self.secrets]


class ArrivingASGI:
    """Wrap an ASGI application."""

    def __init__(self, app: ASGIApp, arrival: Arrival) -> None:
        self.app = app
        self._arrival = arrival

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as it arrives, in a copy of its scope."""
        if scope["type"] in {"http", "websocket"}:
            scope = self._arrived(scope)
        await self.app(scope, receive, send)

    def _arrived(self, scope: Scope) -> Scope:
        presentation = self._arrival.presentation
        sent = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._arrival.headers(sent)
        ]
        if scope["type"] == "http" and not may_make_headers_of_trailers(None):
            # Data actions send chunked. Where uvicorn's own protocol is loaded, the call would pass for one of its.
            headers = [field for field in headers if field[0] not in {b"content-length", b"transfer-encoding"}]
            headers.append((b"transfer-encoding", b"chunked"))
        arrived: Scope = {**scope, "headers": headers, "client": self._arrival.peer}
        if presentation.tls is not None:
            arrived = _with_tls(arrived, presentation.tls)
        if presentation.event is not None:
            arrived["aws.event"] = presentation.event
        return arrived


class TLSExtension:
    """Wrap an application so that each request seems to come over TLS, with this certificate or none."""

    def __init__(self, app: ASGIApp, client: ClientCertificate | None) -> None:
        self._app = app
        self._tls = tls_extension(client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the extension in a copy of its scope; nothing else of it changes."""
        await self._app(_with_tls(scope, self._tls) if scope["type"] in {"http", "websocket"} else scope, receive, send)


def _with_tls(scope: Scope, tls: Mapping[str, Any]) -> Scope:
    """Return a copy of the scope with an extension of its own, so that no request can change another's."""
    return {**scope, "extensions": {**(scope.get("extensions") or {}), "tls": deepcopy(dict(tls))}}


class ArrivingWSGI:
    """Wrap a WSGI application."""

    def __init__(self, application: "WSGIApplication", arrival: Arrival) -> None:
        self.application = application
        self._arrival = arrival

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass the request on as it arrives, in a copy of its environ."""
        return self.application(self._arrived(environ), start_response)

    def _arrived(self, environ: "WSGIEnvironment") -> "WSGIEnvironment":
        presentation = self._arrival.presentation
        sent = ((key[5:].replace("_", "-"), value) for key, value in environ.items() if key.startswith("HTTP_"))
        host, port = self._arrival.peer or ("", 0)
        arrived = {key: value for key, value in environ.items() if not key.startswith("HTTP_")}
        arrived |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self._arrival.headers(sent)}
        arrived |= {"SERVER_SOFTWARE": SERVER_SOFTWARE, "REMOTE_ADDR": host, "REMOTE_PORT": str(port)}
        # Data actions send chunked, GET too, and servers say that such a body ends by itself.
        if "HTTP_TRANSFER_ENCODING" not in arrived:
            content = environ["wsgi.input"].read(int(arrived.pop("CONTENT_LENGTH", None) or 0))
            arrived |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(content)}
        arrived["wsgi.input_terminated"] = True
        if presentation.tls is not None:
            arrived |= dict(_keys(presentation.tls))
        if presentation.event is not None:
            arrived["asgi.scope"] = {"type": "http", "headers": [], "aws.event": presentation.event}
        return arrived


def _keys(tls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Write the TLS extension as Apache's mod_ssl and others write it into an environ."""
    error = tls["client_cert_error"]
    leaf, *chain = tls["client_cert_chain"] or [None]
    if leaf is None:
        yield "SSL_CLIENT_VERIFY", "NONE"
        return
    yield "SSL_CLIENT_VERIFY", f"FAILED:{error}" if error else "SUCCESS"
    yield "SSL_CLIENT_CERT", leaf
    for index, link in enumerate(chain):
        yield f"SSL_CLIENT_CERT_CHAIN_{index}", link
