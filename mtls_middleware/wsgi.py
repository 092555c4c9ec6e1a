"""The WSGI adapter: translates between WSGI (PEP 3333) and the guard, and holds no logic of its own."""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mtls_middleware._core.connection import (
    TRANSPORT_SCOPE_KEY,
    Connection,
    Interface,
    Transport,
    canonical,
    may_make_headers_of_trailers,
    without,
)
from mtls_middleware._core.decision import Accepted, Disposition
from mtls_middleware._core.response import ProblemResponse, correlation_id, refusal
from mtls_middleware._core.sources.tls import asks_for_certificate, presented_der
from mtls_middleware._io.forks import notice_fork
from mtls_middleware.bodies import too_large
from mtls_middleware.bodies.spool import forget, readable
from mtls_middleware.bodies.wsgi import Closing, RequestBody
from mtls_middleware.guard import Guard
from mtls_middleware.identity import IDENTITY_KEY, REJECTED_KEY
from mtls_middleware.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHAIN_KEYS = 10
"""``SSL_CLIENT_CERT_CHAIN_n`` looked for: OpenSSL's default depth, and then some."""

_ASGI_SCOPE = "asgi.scope"
"""Set by a2wsgi, which runs a WSGI application inside an ASGI server."""

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")
"""Set by servers that hand over the connection itself; with TLS it tells what the caller sent."""

_NOT_UVICORN = ("gunicorn", "waitress", "werkzeug", "cheroot", "granian", "apache", "uwsgi", "wsgiserver")


class MTLSWSGIMiddleware:
    """The middleware. It refuses each protected call without an accepted certificate.

    Raises:
        ConfigurationError: at once, before the server can serve anything.
        TypeError: settings and a guard are given.
    """

    __module__ = "mtls_middleware"

    def __init__(
        self, application: "WSGIApplication", *, settings: Settings | None = None, guard: Guard | None = None
    ) -> None:
        if settings is not None and guard is not None:
            raise TypeError("MTLSWSGIMiddleware takes settings or a guard, not both: a guard has settings of its own")
        self.application = application
        if guard is None:
            guard = Guard.from_settings(settings if settings is not None else Settings.from_env())
        self._guard = guard
        self._guard.start()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Judge one request."""
        notice_fork()  # uWSGI forks behind the interpreter's back
        connection = _connection(environ)
        decision = self._guard.decide(connection)
        if isinstance(decision, Accepted):
            additions: dict[str, object] = {IDENTITY_KEY: decision.identity}
            if decision.protected:
                start_response = _not_stored(start_response)
        elif decision.disposition is Disposition.REFUSED:
            answer = refusal(decision.reason, correlation_id(connection))
            return _refuse(answer, RequestBody(environ), environ, start_response)
        else:
            additions = {IDENTITY_KEY: None, REJECTED_KEY: decision}
        hidden = self._guard.hidden
        downstream = {key: value for key, value in environ.items() if not _is_hidden(key, hidden)}
        downstream.update(additions)
        if isinstance(scope := environ.get(_ASGI_SCOPE), Mapping):
            downstream[_ASGI_SCOPE] = {**scope, "headers": list(without(scope.get("headers") or (), hidden))}
        if "HTTP_TRANSFER_ENCODING" in environ and (body := RequestBody(environ)).is_chunked:
            downstream.pop("CONTENT_LENGTH", None)  # it means nothing beside chunks (RFC 9112 §6.3)
            if isinstance(decision, Accepted):
                return self._with_length(body, connection, downstream, start_response)
            if body.is_next_request:
                return Closing(self.application(downstream, start_response), body.leave)
        return self.application(downstream, start_response)

    def _with_length(
        self, body: RequestBody, connection: Connection, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Hand over an accepted chunked call with its body and a length: Django reads none without."""
        limit = self._guard.settings.max_chunked_body_bytes
        spooled = body.spool(limit)
        if spooled is None:
            return self.application(environ, start_response)
        length = spooled.tell()
        if length > limit:
            forget(spooled)
            return _refuse(too_large(limit, correlation_id(connection)), body, environ, start_response)
        spooled = readable(spooled)
        del environ["HTTP_TRANSFER_ENCODING"]
        environ.update({"CONTENT_LENGTH": str(length), "wsgi.input": spooled, "wsgi.input_terminated": True})
        try:
            answer = self.application(environ, start_response)
        except BaseException:
            forget(spooled)
            raise
        return Closing(answer, partial(forget, spooled))


def _connection(environ: "WSGIEnvironment") -> Connection:
    scope = environ.get(_ASGI_SCOPE)
    scope = scope if isinstance(scope, Mapping) else {}
    transport = scope.get(TRANSPORT_SCOPE_KEY)
    software = str(environ.get("SERVER_SOFTWARE", ""))
    raw_path = environ.get("RAW_URI", environ.get("REQUEST_URI", scope.get("raw_path")))
    return Connection(
        interface=Interface.WSGI,
        path=_text(environ.get("PATH_INFO", "")),
        raw_path=raw_path.encode("latin-1", "backslashreplace") if isinstance(raw_path, str) else raw_path,
        root_path=_text(environ.get("SCRIPT_NAME", "")),
        headers=tuple(_headers(environ)),
        client=(environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT")),
        transport=transport if isinstance(transport, Transport) else None,
        tls=_tls(environ, scope),
        asks=_asks(environ, transport),
        was_judged=IDENTITY_KEY in environ,
        event=scope.get("aws.event"),
        server_software=software,
        drops_underscores="mod_wsgi.version" in environ,
        trailers_are_headers=(
            may_make_headers_of_trailers(transport)
            and "mod_wsgi.version" not in environ
            and not software.lower().startswith(_NOT_UVICORN)
        ),
    )


def _text(value: str) -> str:
    """Undo PEP 3333's latin-1, which stands for bytes; U+FFFD marks what cannot be undone."""
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return f"{value}\N{REPLACEMENT CHARACTER}"


def _headers(environ: "WSGIEnvironment") -> Iterator[tuple[bytes, bytes]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            # A name with a blank beside it stays what it is: the core must see that it is another spelling.
            name = key[5:].encode("latin-1", "replace").lower().replace(b"_", b"-")
            yield name, str(value).encode("latin-1", "replace")


def _is_hidden(key: str, hidden: frozenset[str]) -> bool:
    return key.startswith("HTTP_") and canonical(key[5:]) in hidden


def _tls(environ: "WSGIEnvironment", scope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a WSGI server knows of the client's certificate, by the keys of the ASGI TLS extension."""
    if scope:
        extensions = scope.get("extensions")
        tls = extensions.get("tls") if isinstance(extensions, Mapping) else None
        return tls if isinstance(tls, Mapping) else None
    for key in _SOCKETS:
        if hasattr(socket := environ.get(key), "getpeercert"):
            return {"client_cert_chain": presented_der(socket)}
    text = _own(environ, "SSL_CLIENT_CERT") or _own(environ, "HTTPS_CC")
    if text:
        intermediates = (_own(environ, f"SSL_CLIENT_CERT_CHAIN_{index}") for index in range(CHAIN_KEYS))
        verified = _own(environ, "SSL_CLIENT_VERIFY")
        return {
            "client_cert_chain": [text, *filter(None, intermediates)],
            "client_cert_error": None if verified in {None, "SUCCESS"} else f"SSL_CLIENT_VERIFY is {verified}",
        }
    der = _own(environ, "HTTPS_CLIENT_CERTIFICATE")
    if der:
        return {"client_cert_chain": [der.encode("latin-1", "replace")]}
    return {} if "SSL_CLIENT_VERIFY" in environ or "SSL_CLIENT_CERT" in environ else None


def _asks(environ: "WSGIEnvironment", transport: object) -> bool:
    """Return whether the server asked the caller for a certificate; True where nobody can see that."""
    if isinstance(transport, Transport):
        return transport.asks
    return all(asks_for_certificate(environ.get(key)) for key in _SOCKETS)


def _own(environ: "WSGIEnvironment", key: str) -> str | None:
    """Return a key that the server set; some servers copy the process's own environment into every request's."""
    value = environ.get(key)
    return value if isinstance(value, str) and value != os.environ.get(key) else None


def _not_stored(start_response: "StartResponse") -> "StartResponse":
    """Keep shared caches from giving one caller's answer to another (RFC 9440 §2.4)."""

    def start_not_stored(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:  # noqa: ANN401 - PEP 3333
        if not any(name.lower() == "cache-control" for name, _ in headers):
            headers = [*headers, ("Cache-Control", "no-store")]
        return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

    return start_not_stored


def _refuse(
    answer: ProblemResponse, body: RequestBody, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    headers = [(name.decode("ascii").title(), value.decode("ascii")) for name, value in answer.headers]
    ends = not body.discard() and body.is_next_request
    if ends or body.closes_silently:
        headers.append(("Connection", "close"))  # PEP 3333 leaves it to servers, and these say nothing
    start_response(f"{answer.status.value} {answer.status.phrase}", headers)
    content = [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body]
    return Closing(content, body.leave) if ends else content
