"""Request bodies in ASGI."""

from io import BytesIO
from typing import IO, TYPE_CHECKING

from anyio import move_on_after

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.response import ProblemResponse, correlation_id
from mtls_middleware._core.scope import connection_of
from mtls_middleware.bodies import MAX_DISCARDED_BYTES, PATIENCE, PIECE_BYTES, too_large
from mtls_middleware.bodies.spool import extended, forget
from mtls_middleware.identity import IDENTITY_KEY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSE = (b"connection", b"close")

_BODILESS = ("GET", "HEAD", "OPTIONS")


async def send_problem(
    answer: ProblemResponse, connection: Connection, scope: "Scope", receive: "Receive", send: "Send"
) -> None:
    """Answer in place of the application, so that the caller reads it.

    Args:
        answer: status, headers and body.
        connection: the request, as read from `scope`.
        scope: of the request.
        receive: of the request.
        send: of the request.
    """
    headers = list(answer.headers)
    if not await discard(connection, receive) and str(scope.get("http_version", "")).startswith("1"):
        headers.append(CLOSE)
    await send({"type": "http.response.start", "status": answer.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else answer.body})


async def discard(connection: Connection, receive: "Receive") -> bool:
    """Read and drop a refused body, within bounds; return whether nothing of it is left."""
    headers = dict(connection.headers)
    if connection.unreadable:
        return False  # nobody can say whether there is one
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
        return True  # and if not (HTTP/2), then the stream ends without the connection
    if b"expect" in headers:
        return False  # reading would invite the body (RFC 9110 §10.1.1)
    left = MAX_DISCARDED_BYTES
    with PATIENCE.waiting() as seconds, move_on_after(seconds):
        while left > 0:
            message = await receive()
            if not message.get("more_body"):
                return True
            left -= len(message["body"])
    return False


class WithBodyLength:
    """An application that gets each accepted chunked body whole, with its length.

    Django's handler needs it: its parser of multipart forms, and Django REST framework, take a body without a length
    for an empty one.
    """

    def __init__(self, app: "ASGIApp", limit: int) -> None:
        self.app = app
        self._limit = limit

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Hand over one request; a stranger's body is not kept for it."""
        if scope["type"] != "http" or scope[IDENTITY_KEY] is None or not _lacks_length(scope):
            await self.app(scope, receive, send)
            return
        body: IO[bytes] = BytesIO()
        try:
            while (message := await receive()).get("more_body") and body.tell() <= self._limit:
                body = extended(body, message.get("body", b""))
            if message["type"] == "http.disconnect":
                return
            body = extended(body, message.get("body", b""))
            length = body.tell()
            if length > self._limit:
                connection = connection_of(scope)
                answer = too_large(self._limit, correlation_id(connection))
                await send_problem(answer, connection, scope, receive, send)
                return
            body.seek(0)
            headers = [field for field in scope["headers"] if field[0] not in {b"transfer-encoding", b"content-length"}]
            headers.append((b"content-length", b"%d" % length))
            await self.app({**scope, "headers": headers}, _Replay(body, length, receive), send)
        finally:
            forget(body)


def _lacks_length(scope: "Scope") -> bool:
    names = {name for name, _ in scope["headers"]}
    # HTTP/2 has bodies without either header, and so has HTTP/1.1 behind pyvoy's Envoy. A length beside chunks means
    # nothing (RFC 9112 §6.3).
    return b"transfer-encoding" in names or (b"content-length" not in names and scope["method"] not in _BODILESS)


class _Replay:
    """What `receive` is to the application: the body that was kept, then what the server has to say."""

    def __init__(self, body: IO[bytes], length: int, receive: "Receive") -> None:
        self._body = body
        self._length = length
        self._receive = receive
        self._ended = False

    async def __call__(self) -> "Message":
        if self._ended:
            return await self._receive()
        piece = self._body.read(PIECE_BYTES)
        self._ended = self._body.tell() == self._length
        return {"type": "http.request", "body": piece, "more_body": not self._ended}
