"""One call on a connection of its own, with the time of each step; within bounds of size and time."""

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from mtls_middleware.cli.call.tls import TLSFacts, facts_of, note_requests
from mtls_middleware.cli.doctor.target import Target
from mtls_middleware.cli.doctor.transport import INTERIM_LIMIT, Bounded, Deadline, Readable

BODY_LIMIT = 65_536
"""Bytes of an answer's body that are looked at."""

HEADERS_SHOWN = ("content-type", "location", "retry-after", "server", "via", "www-authenticate")

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what came back. All of it is data from somewhere.

    Attributes:
        status: of HTTP.
        phrase: beside it.
        headers: those that are shown, by lower-case name.
        body: its beginning, decompressed.
        is_whole: whether that is all of it.
    """

    status: int
    phrase: str
    headers: dict[str, str]
    body: bytes
    is_whole: bool


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Collect what was seen, step by step.

    Attributes:
        seconds: that each step took, in their order.
        address: of the server.
        tls: what TLS agreed on; None where it is not spoken, or did not get that far.
        answer: None where there was none.
        step: in which it failed; empty where it did not.
        error: what failed.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    address: str = ""
    tls: TLSFacts | None = None
    answer: Answer | None = None
    step: str = ""
    error: Exception | None = None


def call_once(
    target: Target,
    request: bytes,
    context: ssl.SSLContext | None,
    *,
    timeout: float,
    tell: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Exchange:
    """Send a request, and return what was seen; what the other side does raises nothing.

    Args:
        target: what is called.
        request: its bytes.
        context: of TLS; None for plain HTTP.
        timeout: seconds for all of it; only the system's resolver keeps its own limits.
        tell: is told the name of each step when it begins.
        clock: seconds, never going back.
    """
    seen = Exchange()
    steps = _Steps(seen, tell, clock)
    remaining = Deadline(end=clock() + timeout, clock=clock)
    try:
        _converse(target, request, context, remaining, steps)
    except (OSError, UnicodeError, ValueError, http.client.HTTPException) as error:
        seen.step, seen.error = steps.name, error
    steps.end()
    return seen


class _Steps:
    """Take the time of one step after the other."""

    def __init__(self, seen: Exchange, tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self.seen = seen
        self.name = ""
        self._tell = tell
        self._clock = clock
        self._began = clock()

    def begin(self, name: str) -> None:
        self.end()
        self.name = name
        self._tell(name)
        self._began = self._clock()

    def end(self) -> None:
        if self.name:
            self.seen.seconds[self.name] = self._clock() - self._began


def _converse(
    target: Target, request: bytes, context: ssl.SSLContext | None, remaining: Deadline, steps: _Steps
) -> None:
    host, port = target.address or (target.host, target.port)
    steps.begin("DNS")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    steps.begin("connect")
    with _connected(found, remaining, steps.seen) as plain:
        if context is None:
            _answer(plain, request, remaining, steps)
            return
        steps.begin("TLS")
        requests = note_requests(context)
        plain.settimeout(remaining())
        with context.wrap_socket(plain, server_hostname=target.host) as connection:
            steps.seen.tls = facts_of(connection, requests)
            _answer(connection, request, remaining, steps)


def _connected(found: list[Any], remaining: Deadline, seen: Exchange) -> socket.socket:
    """Connect to the first address that answers."""
    problem: OSError = OSError("no address")
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        seen.address = f"{address[0]}:{address[1]}" if ":" not in address[0] else f"[{address[0]}]:{address[1]}"
        try:
            connection.settimeout(remaining())
            connection.connect(address)
            connection.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # else Nagle's 40 ms look like the server's
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem


def _answer(connection: socket.socket, request: bytes, remaining: Deadline, steps: _Steps) -> None:
    steps.begin("first byte")
    stream = io.BufferedReader(Bounded(connection, remaining))
    broken: OSError | None = None
    try:
        connection.sendall(request)
    except OSError as error:
        broken = error  # who refuses early may have answered, or told why, before hanging up
    try:
        stream.peek(1)
        steps.begin("answer")
        steps.seen.answer = _read(stream, request.partition(b" ")[0].decode("ascii"))
    except OSError as error:
        raise (error if broken is None or isinstance(error, ssl.SSLError | TimeoutError) else broken) from error


def _read(stream: IO[bytes], method: str) -> Answer:
    for _ in range(INTERIM_LIMIT):
        source: Any = Readable(stream)  # makefile is all that is asked of it
        response = http.client.HTTPResponse(source, method=method)
        response.begin()
        if response.status >= http.HTTPStatus.OK:
            body = response.read(BODY_LIMIT + 1)
            encoding = (response.headers["content-encoding"] or "identity").strip().lower()
            content, is_whole = _decoded(body, encoding)
            headers = {name: response.headers[name] for name in HEADERS_SHOWN if response.headers[name]}
            return Answer(
                status=response.status,
                phrase=response.reason,
                headers=headers,
                body=content[:BODY_LIMIT],
                is_whole=is_whole and len(body) <= BODY_LIMIT,
            )
    raise http.client.HTTPException("informational answers without end")


def _decoded(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """Return the beginning of a body as it was meant, and whether it is all; what is not as it says stays as it is."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return body, True
    decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = decompressor.decompress(body, BODY_LIMIT + 1)
    except zlib.error:
        return body, False
    return content, decompressor.eof and len(content) <= BODY_LIMIT
