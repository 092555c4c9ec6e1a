"""WSGI applications on uvicorn: asgiref's bridge, which here passes on the connection and streams both bodies.

asgiref by itself keeps the whole body before anybody is judged, runs one request at a time, and closes no answers.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BufferedReader, RawIOBase
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from asgiref.wsgi import WsgiToAsgiInstance
from starlette.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from _typeshed import OptExcInfo, WriteableBuffer
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

AHEAD_BYTES = 256 * 1024
"""Of a body that is read in advance, to see behind it whether its caller is still there."""

LONG = 16
"""Pieces of an answer after which it may be endless. Refusals are shorter: nothing of a stranger's body is kept."""

THREADS = 40
"""Requests that one process works on at the same time; further ones wait."""

SOFTWARE = "mtls-middleware serve"
"""What the application sees as its server: one that drops header names with an underscore."""

T = TypeVar("T")

Wait = Callable[[Coroutine[Any, Any, T]], T]
"""Runs a coroutine in the server's event loop, and waits for it in another thread."""


class WSGIBridge:
    """An ASGI application that runs a WSGI application in threads."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(THREADS, "wsgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; there are no WebSockets in WSGI."""
        match scope["type"]:
            case "http":
                await _Call(self._application, self._threads)(scope, receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close"})
            case unknown:
                raise ValueError(f"WSGI applications know nothing of {unknown}")  # uvicorn goes on without a lifespan


class CallerGoneError(ConnectionError):
    """The caller closed the connection before the body was complete, or before the answer was."""


class _Call:
    """One request."""

    def __init__(self, application: "WSGIApplication", threads: ThreadPoolExecutor) -> None:
        self._application = application
        self._threads = threads
        self._is_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()

        def wait(coroutine: Coroutine[Any, Any, T]) -> T:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

        body = _Body(receive, wait)

        sent = count()

        async def send_if_heard(message: Message) -> None:
            await send(message)
            if message.get("more_body"):
                pieces = next(sent)
                if await body.is_gone(ahead=1 if pieces < LONG else AHEAD_BYTES):
                    raise CallerGoneError

        self._send: Callable[[Message], None] = lambda message: wait(send_if_heard(message))
        environ = _environ(scope, RequestInput(body))
        with suppress(CallerGoneError):
            await sync_to_async(self._run, thread_sensitive=False, executor=self._threads)(environ)

    def _run(self, environ: "WSGIEnvironment") -> None:
        try:
            self._answer(environ)
        except StopIteration as error:  # no future can hold one: its call would wait for ever
            raise RuntimeError("the application raised StopIteration") from error

    def _answer(self, environ: "WSGIEnvironment") -> None:
        pieces = self._application(environ, self._start_response)
        try:
            for piece in pieces:
                self._write(piece)
            self._begin()
            self._send({"type": "http.response.body"})
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
        /,
    ) -> Callable[[bytes], object]:
        if self._is_begun and exc_info and exc_info[1]:
            raise exc_info[1].with_traceback(exc_info[2])
        fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._start = {"type": "http.response.start", "status": int(status[:3]), "headers": fields}
        return self._write

    def _write(self, piece: bytes) -> None:
        if piece:  # headers may change until then
            self._begin()
            self._send({"type": "http.response.body", "body": piece, "more_body": True})

    def _begin(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._send(self._start)


class RequestInput(BufferedReader):
    """``wsgi.input``; `mtls_middleware.bodies` knows the server by it."""


class _Body(RawIOBase):
    """A request's body, read while it comes."""

    def __init__(self, receive: Receive, wait: Wait[Message]) -> None:
        super().__init__()
        self._receive = receive
        self._wait = wait
        self._rest = b""
        self._has_more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._rest and self._has_more:
            self._take(self._wait(self._next()))
        view = memoryview(buffer)
        piece, self._rest = self._rest[: view.nbytes], self._rest[view.nbytes :]
        view[: len(piece)] = piece
        return len(piece)

    async def is_gone(self, *, ahead: int) -> bool:
        """Return whether the caller closed the connection; False where more of the body waits than is read ahead."""
        while len(self._rest) < ahead:
            receiving = asyncio.ensure_future(self._next())
            await asyncio.sleep(0)
            if not receiving.done():
                receiving.cancel()
                return False
            before = self._rest
            try:
                self._take(receiving.result())
            except CallerGoneError:
                return True
            self._rest = before + self._rest
        return False

    async def _next(self) -> Message:
        return await self._receive()

    def _take(self, message: Message) -> None:
        if message["type"] != "http.request":
            raise CallerGoneError("the caller closed the connection before its request was complete")
        self._rest, self._has_more = message.get("body", b""), message.get("more_body", False)


def _environ(scope: Scope, body: RequestInput) -> "WSGIEnvironment":
    """Return asgiref's environ, without headers that nobody could tell from others there; gunicorn drops them, too."""
    bridge = WsgiToAsgiInstance(None)
    bridge.scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if b"_" not in name]}
    bridge.duplicate_header_limit = 0  # uvicorn bounds the head
    environ: WSGIEnvironment = bridge.build_environ(bridge.scope, body)
    if scope.get("client"):
        environ["REMOTE_PORT"] = str(scope["client"][1])
    return {**environ, "asgi.scope": scope, "wsgi.input_terminated": True, "SERVER_SOFTWARE": SOFTWARE}
