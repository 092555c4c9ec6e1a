"""WSGI applications on uvicorn: asgiref's bridge, which here passes on the connection and streams both bodies.

asgiref by itself keeps the whole body before anybody is judged, runs one request at a time, and closes no answers.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from asgiref.wsgi import WsgiToAsgiInstance
from starlette.types import Message, Receive, Scope, Send

from mtls_middleware._core.response import correlation_id, problem
from mtls_middleware._core.scope import connection_of
from mtls_middleware.bodies.asgi import CLOSE, discard, send_problem
from mtls_middleware.servers.wsgi_answer import WSGIAnswer
from mtls_middleware.servers.wsgi_body import (
    AHEAD_BYTES,
    Body,
    CallerGoneError,
    CallerTooSlowError,
    RequestInput,
    patience_for,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

LONG = 16
"""Pieces of an answer after which it may be endless. Refusals are shorter: nothing of a stranger's body is kept."""

THREADS = 40
"""Requests that one process works on at the same time; further ones wait."""

SOFTWARE = "mtls-middleware serve"
"""What the application sees as its server: one that drops header names with an underscore."""

T = TypeVar("T")


class WSGIBridge:
    """An ASGI application that runs a WSGI application in threads."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(THREADS, "wsgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; there are no WebSockets in WSGI."""
        match scope["type"]:
            case "http":
                await _Call(scope, receive, send).answer(self._application, self._threads)
            case "websocket":
                await receive()
                await send({"type": "websocket.close"})
            case unknown:
                raise ValueError(f"WSGI applications know nothing of {unknown}")  # uvicorn goes on without a lifespan


class _Call:
    """One request. A thread works on it only as long as the application does, or waits for more of the body."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._body = Body(receive, self._wait, scope.get("client"))
        self._answer = WSGIAnswer(scope, self._pass_on)
        self._held: list[Message] = []
        self._pieces = 0
        self._before = 0

    async def answer(self, application: "WSGIApplication", threads: ThreadPoolExecutor) -> None:
        environ = _environ(self._scope, RequestInput(self._body))
        run = sync_to_async(self._answer.run, thread_sensitive=False, executor=threads)
        try:
            await run(application, environ)
        except CallerGoneError:
            pass
        except CallerTooSlowError:
            if not self._answer.is_begun:
                connection = connection_of(self._scope)
                answer = problem(HTTPStatus.REQUEST_TIMEOUT, None, correlation_id(connection))
                await send_problem(answer, connection, self._scope, self._receive, self._send)
        finally:
            if self._answer.is_whole:
                await self._end()

    async def _end(self) -> None:
        """Send what no thread has to wait for: all of a refusal, and of other answers their end."""
        if self._held and self._body.has_more and not await discard(connection_of(self._scope), self._receive):
            self._held[0]["headers"].append(CLOSE)
        for message in self._held:
            await self._send(message)
        await self._send({"type": "http.response.body"})

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _pass_on(self, message: Message) -> None:
        if self._body.is_refused:
            self._held.append(message)
            return
        if "headers" in message and self._body.is_unwelcome(self._scope):
            message["headers"].append(CLOSE)
        self._wait(self._send_if_heard(message))

    async def _send_if_heard(self, message: Message) -> None:
        try:
            async with asyncio.timeout(patience_for(self._before)):
                await self._send(message)
        except TimeoutError:
            raise self._body.too_slow("read its answer") from None
        self._before = len(message.get("body", b""))
        if message.get("more_body"):
            self._pieces += 1
            if await self._body.is_gone(ahead=1 if self._pieces <= LONG else AHEAD_BYTES):
                raise CallerGoneError


def _environ(scope: Scope, body: RequestInput) -> "WSGIEnvironment":
    """Return asgiref's environ, without headers that nobody could tell from others there; gunicorn drops them, too."""
    names = {name for name, _ in scope["headers"]}
    # A length beside chunks means nothing (RFC 9112 §6.3), and h11 passes both on.
    unseen = {b"content-length"} if b"transfer-encoding" in names else set()
    headers = [field for field in scope["headers"] if b"_" not in field[0] and field[0] not in unseen]
    bridge = WsgiToAsgiInstance(None)
    bridge.scope = {**scope, "headers": headers}
    bridge.duplicate_header_limit = 0  # the server bounds the head
    environ: WSGIEnvironment = bridge.build_environ(bridge.scope, body)
    if scope.get("client"):
        environ["REMOTE_PORT"] = str(scope["client"][1])
    return {**environ, "asgi.scope": scope, "wsgi.input_terminated": True, "SERVER_SOFTWARE": SOFTWARE}
