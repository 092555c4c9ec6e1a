"""Raw HTTP over TLS or a plain socket, with the time of each step, within bounds of size and time."""

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, Self

from mtls_middleware.cli.wire import http2
from mtls_middleware.cli.wire.message import Answer, Failure, NoAnswer, Request, Target, Version, media_type, written
from mtls_middleware.cli.wire.tls import TLSFacts, facts_of, note_requests

BODY_LIMIT = 65_536
"""Bytes of an answer's body that are looked at."""

ANSWER_LIMIT = 1_048_576
"""Bytes read of an answer, all of it."""

INTERIM_LIMIT = 10
"""Informational answers (RFC 9110 §15.2) before the final one."""

_DEMANDED = ("CERTIFICATE_REQUIRED", "certificate required")
"""How OpenSSL names alert 116 of TLS 1.3 (RFC 8446 §6.2): the server wants a certificate, and says so."""

HEADERS_SHOWN = ("content-type", "location", "retry-after", "server", "via", "www-authenticate")

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Line(Protocol):
    """Carry a request to the target, and an answer back."""

    def exchange(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        """Send a request on a connection of its own; never raise for what the other side does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Tell how many seconds are left.

    Attributes:
        end: by the clock.
        clock: returns seconds, and never goes back.
    """

    end: float
    clock: Callable[[], float] = time.monotonic

    def __call__(self) -> float:
        """Return what is left; never nothing.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.end - self.clock()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Carry requests over real sockets.

    Attributes:
        timeout: seconds that one exchange may take in all.
    """

    timeout: float

    def exchange(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        """Send a request on a connection of its own."""
        remaining = Deadline(end=time.monotonic() + self.timeout)
        is_http2 = request.message.version is Version.HTTP_2
        if is_http2 and not target.is_tls:
            return NoAnswer(failure=Failure.NOT_OFFERED)
        try:
            plain = socket.create_connection(target.address or (target.host, target.port), timeout=self.timeout)
        except (OSError, UnicodeError) as error:
            return NoAnswer(failure=Failure.UNREACHABLE, detail=str(error))
        with plain:
            if context is None or not target.is_tls:
                return converse(plain, written(request), remaining)
            context.set_alpn_protocols([http2.ALPN, "http/1.1"] if is_http2 else ["http/1.1"])
            try:
                connection = context.wrap_socket(plain, server_hostname=target.host)
            except ssl.SSLCertVerificationError as error:
                return NoAnswer(failure=Failure.UNTRUSTED, detail=error.verify_message)
            except (OSError, ValueError) as error:
                return _failed(error, Failure.HANDSHAKE)
            with connection:
                if not is_http2:
                    return converse(connection, written(request), remaining)
                try:
                    return http2.converse(connection, request, remaining)
                except OSError as error:
                    return _failed(error, Failure.CLOSED)


def read_answer(stream: IO[bytes]) -> Answer | NoAnswer:
    """Read the final answer from a stream of bytes.

    Raises:
        OSError: the stream's own.
    """
    for _ in range(INTERIM_LIMIT):
        response = http.client.HTTPResponse(Readable(stream))  # type: ignore[arg-type]  # it asks for makefile only
        try:
            response.begin()
            if response.status < http.HTTPStatus.OK and response.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
                continue
            body = b"" if response.status < http.HTTPStatus.OK else response.read(BODY_LIMIT)
        except http.client.RemoteDisconnected:
            return NoAnswer(failure=Failure.CLOSED)
        except (http.client.HTTPException, ValueError) as error:
            return NoAnswer(failure=Failure.NO_HTTP, detail=type(error).__name__)
        return Answer(
            status=response.status,
            content_type=media_type(response.headers["content-type"] or ""),
            alternatives=response.headers["alt-svc"] or "",
            body=body,
        )
    return NoAnswer(failure=Failure.NO_HTTP, detail="informational answers without end")


def converse(connection: socket.socket, request: bytes, remaining: Callable[[], float]) -> Answer | NoAnswer:
    """Send a request of HTTP/1 on a new connection, and return what comes back.

    Args:
        connection: TLS or plain.
        request: its bytes.
        remaining: returns the seconds that are left, or raises TimeoutError.
    """
    stream = io.BufferedReader(Bounded(connection, remaining))
    broken: OSError | None = None
    try:
        connection.sendall(request)
    except OSError as error:
        broken = error  # who refuses early may have answered before hanging up
    try:
        return read_answer(stream)
    except OSError as error:
        # An alert says more than a broken pipe, and time more than either.
        told = error if broken is None or isinstance(error, ssl.SSLError | TimeoutError) else broken
        return _failed(told, Failure.CLOSED)


def _failed(error: Exception, failure: Failure) -> NoAnswer:
    if isinstance(error, TimeoutError):
        return NoAnswer(failure=Failure.TIMEOUT)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        failure = Failure.DEMANDED if any(text in str(error) for text in _DEMANDED) else Failure.HANDSHAKE
        reason = getattr(error, "reason", None) or str(error)  # one that Python itself raises has none
        return NoAnswer(failure=failure, detail=reason.replace("_", " ").lower())
    return NoAnswer(failure=failure, detail=str(error))


@dataclass(frozen=True, slots=True)
class Readable:
    """Look like a socket to ``http.client``, and like its file, which outlives the responses read from it."""

    stream: IO[bytes]

    def makefile(self, _mode: str) -> Self:
        """Return itself."""
        return self

    def readline(self, limit: int) -> bytes:
        """Read a line, or the beginning of one."""
        return self.stream.readline(limit)

    def read(self, count: int = -1) -> bytes:
        """Read so many bytes, or all."""
        return self.stream.read(count)

    def flush(self) -> None:
        """Do nothing: nothing was written."""

    def close(self) -> None:
        """Do nothing: a response that is thrown away must not end the stream."""


class Bounded(io.RawIOBase):
    """Read from a socket until a deadline, and no more than `ANSWER_LIMIT` bytes."""

    def __init__(self, connection: socket.socket, remaining: Callable[[], float]) -> None:
        self._connection = connection
        self._remaining = remaining
        self._left = ANSWER_LIMIT

    def readable(self) -> bool:
        """Return yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        """Read once."""
        if self._left <= 0:
            return 0
        self._connection.settimeout(self._remaining())
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswer:
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
    answer: CallAnswer | None = None
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


def _read(stream: IO[bytes], method: str) -> CallAnswer:
    for _ in range(INTERIM_LIMIT):
        source: Any = Readable(stream)  # makefile is all that is asked of it
        response = http.client.HTTPResponse(source, method=method)
        response.begin()
        if response.status >= http.HTTPStatus.OK:
            body = response.read(BODY_LIMIT + 1)
            encoding = (response.headers["content-encoding"] or "identity").strip().lower()
            content, is_whole = _decoded(body, encoding)
            headers = {name: response.headers[name] for name in HEADERS_SHOWN if response.headers[name]}
            return CallAnswer(
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
