"""``wsgi.input`` of `serve`: a request's body, read while it comes, and not waited for without end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.types import Message, Receive, Scope

from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import Limiter, named

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LOGGER = logging.getLogger("mtls_middleware.connections")

AHEAD_BYTES = 256 * 1024
"""Of a body that is read in advance, to see behind it whether its caller is still there."""

PATIENCE_SECONDS = 30.0
"""That a thread waits for a body: half the time that data actions wait for their answer."""

READER_SECONDS = 60.0
"""That it waits until an answer goes on, as in nginx: buffers on the way tell of a reader only when much was read."""

SLOWEST = 2_000
"""Bytes a second below which that patience ends at last."""

_LIMITER = Limiter()

T = TypeVar("T")

Wait = Callable[[Coroutine[Any, Any, T]], T]
"""Runs a coroutine in the server's event loop, and waits for it in another thread."""


class CallerGoneError(ConnectionError):
    """The caller closed the connection before the body was complete, or before the answer was."""


class CallerTooSlowError(TimeoutError):
    """The caller takes too long to send its body, or to read its answer."""


def patience_for(size: int) -> float:
    """Return the seconds in which a piece of an answer must be taken before the next one is waited for no longer."""
    return max(READER_SECONDS, size / SLOWEST)


class Body(RawIOBase):
    """The body of one request.

    Attributes:
        has_more: some of it may still be to come.
        is_refused: it is the server that reads it away: whoever is refused holds no thread for it.
    """

    def __init__(self, receive: Receive, wait: Wait[Message], client: tuple[str, int] | None) -> None:
        super().__init__()
        self._receive = receive
        self._wait = wait
        self._client = client
        self._rest = b""
        self._is_asked_for = False
        self._is_too_slow = False
        self._patience = PATIENCE_SECONDS
        self.has_more = True
        self.is_refused = False

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what is there, or wait for some.

        Raises:
            CallerGoneError: there will be no more.
            CallerTooSlowError: it is not worth waiting for.
        """
        while not self._rest and self.has_more:
            self._take(self._wait(self._in_time()))
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

    def is_unwelcome(self, scope: Scope) -> bool:
        """Return whether nobody will read what the caller may still send."""
        expects = any(name == b"expect" for name, _ in scope["headers"])
        return self._is_too_slow or (expects and not self._is_asked_for)

    def too_slow(self, what: str) -> CallerTooSlowError:
        """Log that a caller is given up, and return what ends its call."""
        loop = asyncio.get_running_loop()
        if _LIMITER.admits(loop.time()):
            peer = f"{self._client[0]}:{self._client[1]}" if self._client else "unix"
            LOGGER.warning(
                "gave up a call: its caller %s too slowly peer=%s",
                what,
                peer,
                extra=named(EventName.CONNECTION_CLOSED, peer=peer),
            )
        return CallerTooSlowError(f"the caller {what} too slowly")

    async def _in_time(self) -> Message:
        if self._is_too_slow:  # half a body is never taken for a whole one
            raise CallerTooSlowError("the caller sent its body too slowly")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            async with asyncio.timeout(self._patience):
                message = await self._next()
        except TimeoutError:
            self._is_too_slow = True
            raise self.too_slow("sent its body") from None
        gained = len(message.get("body", b"")) / SLOWEST
        self._patience = min(PATIENCE_SECONDS, self._patience - (loop.time() - begin) + gained)
        return message

    async def _next(self) -> Message:
        self._is_asked_for = True
        return await self._receive()

    def _take(self, message: Message) -> None:
        if message["type"] != "http.request":
            raise CallerGoneError("the caller closed the connection before its request was complete")
        self._rest, self.has_more = message.get("body", b""), message.get("more_body", False)


class RequestInput(BufferedReader):
    """``wsgi.input``; `mtls_middleware.bodies` knows the server by it."""

    raw: Body

    def refuse(self) -> None:
        """Leave what is left of the body to the server."""
        self.raw.is_refused = True
