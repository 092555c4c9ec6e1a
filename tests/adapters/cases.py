"""One request through every adapter: scopes and environs made by hand, no server."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starlette.types import Message, Receive, Scope, Send

from mtls_middleware import ClientIdentity, Guard, MTLSMiddleware, MTLSWSGIMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROXY = ("10.0.0.5", 40000)
GUNICORN = "gunicorn/27.0.1"

NO_TLS: dict[str, Any] = {"": None}
"""Stands for a server that puts no TLS extension into the scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Hold one request, as both protocols can tell it."""

    path: str = "/actions/lookup"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    client: Any = PROXY
    tls: Mapping[str, Any] = field(default_factory=lambda: NO_TLS)
    scope: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, Any] = field(default_factory=dict)

    def with_headers(self, *headers: tuple[str, str]) -> "Case":
        return replace(self, headers=(*self.headers, *headers))

    def without(self, *names: str) -> "Case":
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0].lower() not in names))

    def changed(self, name: str, value: str) -> "Case":
        return self.without(name.lower()).with_headers((name, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold what became of a request: for the caller, and for the application."""

    status: int
    reason: str | None
    headers: Mapping[str, str]
    body: bytes
    reached: bool
    identity: ClientIdentity | None
    seen: AbstractSet[str] | None
    """Names of the headers that the application saw, in lower case with hyphens; None where it saw nothing."""

    @property
    def verdict(self) -> str:
        """Return the reason, ``accepted``, or ``passed`` where the call went through without an identity."""
        return self.reason or ("accepted" if self.identity else "passed")


Adapter = Callable[[Guard, Case], Outcome]


def call(guard: Guard, case: Case) -> Outcome:
    """Send a request through every adapter, check that all say the same, and return it."""
    outcomes = {name: adapter(guard, case) for name, adapter in ADAPTERS.items()}
    first = outcomes["http"]
    for name, outcome in outcomes.items():
        assert outcome == first, f"{name} says {outcome}, http says {first}"
    return first


def http(guard: Guard, case: Case) -> Outcome:
    return asgi_outcome(guard, http_scope(case))


def websocket(guard: Guard, case: Case) -> Outcome:
    scope = http_scope(case)
    extensions = {**(scope.get("extensions") or {}), "websocket.http.response": {}}
    return asgi_outcome(guard, {**scope, "type": "websocket", "extensions": extensions})


def wsgi(guard: Guard, case: Case) -> Outcome:
    return wsgi_outcome(guard, wsgi_environ(case))


ADAPTERS: Mapping[str, Adapter] = {"http": http, "websocket": websocket, "wsgi": wsgi}


def http_scope(case: Case) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": case.method,
        "scheme": "http" if case.tls is NO_TLS else "https",
        "path": case.path,
        "raw_path": case.path.encode("utf-8"),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in case.headers],
        "client": case.client,
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    if case.tls is not NO_TLS:
        scope["extensions"] = {"tls": dict(case.tls)}
    return {**scope, **case.scope}


def wsgi_environ(case: Case) -> dict[str, Any]:
    """Return what gunicorn would: it joins copies of a header, and drops names with an underscore."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": case.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": case.path.encode("utf-8").decode("latin-1"),
        "RAW_URI": case.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": GUNICORN,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http" if case.tls is NO_TLS else "https",
    }
    if case.client:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = case.client[0] or "", case.client[1]
    else:
        environ["REMOTE_ADDR"] = ""
    for name, value in case.headers:
        if "_" not in name:
            key = "HTTP_" + name.upper().replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    if case.tls is not NO_TLS:
        environ["asgi.scope"] = {"extensions": {"tls": dict(case.tls)}}
    return {**environ, **case.environ}


def asgi_outcome(guard: Guard, scope: Scope) -> Outcome:
    app = ASGIApplication()
    sent = run_asgi(MTLSMiddleware(app, guard=guard), scope)
    answered = {message["type"].removeprefix("websocket."): message for message in sent}
    start = answered.get("http.response.start", {"status": 200, "headers": []})
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    body = answered.get("http.response.body", {}).get("body", b"")
    return _outcome(
        start["status"],
        headers,
        body,
        app.scope is not None,
        app.scope["mtls.identity"] if app.scope else None,
        frozenset(name.decode("latin-1").lower().replace("_", "-") for name, _ in app.scope["headers"])
        if app.scope
        else None,
    )


def wsgi_outcome(guard: Guard, environ: "WSGIEnvironment") -> Outcome:
    app = WSGIApplication()
    started, body = run_wsgi(MTLSWSGIMiddleware(app, guard=guard), environ)
    status, headers = started
    seen = app.environ
    return _outcome(
        int(status.partition(" ")[0]),
        {name.lower(): value for name, value in headers},
        body,
        seen is not None,
        seen["mtls.identity"] if seen else None,
        frozenset(key[5:].lower().replace("_", "-") for key in seen if key.startswith("HTTP_")) if seen else None,
    )


def _outcome(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    reached: bool,
    identity: ClientIdentity | None,
    seen: AbstractSet[str] | None,
) -> Outcome:
    reason = None if reached else json.loads(body)["reason"] if body else ""
    return Outcome(
        status=status,
        reason=reason,
        headers={} if reached else headers,
        body=b"" if reached else body,
        reached=reached,
        identity=identity,
        seen=seen,
    )


class ASGIApplication:
    """Answer like an application that knows nothing of us, and remember the scope."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.headers = headers
        self.scope: Scope | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"ok"})


class WSGIApplication:
    """The same in WSGI."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.headers = headers
        self.environ: WSGIEnvironment | None = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self.environ = environ
        start_response("200 OK", list(self.headers))
        return [b"ok"]


def run_asgi(app: Callable[[Scope, Receive, Send], Awaitable[None]], scope: Scope, *received: Message) -> list[Message]:
    """Run an application that never has to wait, and return what it sent."""
    sent: list[Message] = []
    connect: Message = {"type": "websocket.connect"}
    body: Message = {"type": "http.request", "body": b"", "more_body": False}
    messages = iter(received or ((connect,) if scope["type"] == "websocket" else (body,)))

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = scope.get("headers")
    headers = headers if isinstance(headers, list | tuple) else ()  # others may be readable only once
    coroutine = app(scope, receive, send)
    names = {bytes(pair[0]).lower() for pair in headers if isinstance(pair, tuple) and isinstance(pair[0], bytes)}
    if scope["type"] == "http" and _BODY & names:
        assert isinstance(coroutine, Coroutine)
        asyncio.run(coroutine)  # who reads a body waits no longer than for some time
    else:
        run(coroutine)
    return sent


_BODY = {b"content-length", b"transfer-encoding"}


def run(awaitable: Awaitable[None]) -> None:
    """Run what never has to wait, without an event loop."""
    assert isinstance(awaitable, Coroutine)
    try:
        awaitable.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something that nobody will do")


def run_wsgi(
    app: Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]], environ: "WSGIEnvironment"
) -> tuple[tuple[str, list[tuple[str, str]]], bytes]:
    """Return status and headers, and the body."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[..., None]:
        assert exc_info is None
        started.append((status, headers))
        return lambda _: None

    body = b"".join(app(environ, start_response))
    assert len(started) == 1
    return started[0], body
