"""Raw HTTP over TLS or a plain socket, within bounds of size and time.

HTTP libraries refuse to send what attackers send: trailers, copies, names with underscores. So requests are written by
hand; answers are read by ``http.client``.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol, Self

from mtls_middleware.cli.doctor import http2
from mtls_middleware.cli.doctor.answer import Answer, Failure, NoAnswer, media_type
from mtls_middleware.cli.doctor.message import Request, Version, written
from mtls_middleware.cli.doctor.target import Target

BODY_LIMIT = 65_536
"""Bytes of an answer's body that are looked at."""

ANSWER_LIMIT = 1_048_576
"""Bytes read of an answer, all of it."""

INTERIM_LIMIT = 10
"""Informational answers (RFC 9110 §15.2) before the final one."""

_DEMANDED = ("CERTIFICATE_REQUIRED", "certificate required")
"""How OpenSSL names alert 116 of TLS 1.3 (RFC 8446 §6.2): the server wants a certificate, and says so."""


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
