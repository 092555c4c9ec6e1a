"""Answers: read within bounds, and why there is none. All of it is data from somewhere."""

import http.client
import io
import json
import socket
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Any, Self

from mtls_middleware._core.decision import Reason

BODY_LIMIT = 65_536
"""Bytes of an answer's body that are looked at."""

ANSWER_LIMIT = 1_048_576
"""Bytes read of an answer, all of it."""

INTERIM_LIMIT = 10
"""Informational answers (RFC 9110 §15.2) before the final one."""

HEADERS_KEPT = ("alt-svc", "content-type", "location", "retry-after", "server", "via", "www-authenticate")

PROBLEM = "application/problem+json"

_NGINX_DEMANDS = b"No required SSL certificate was sent"
_NGINX_DISLIKES = b"The SSL certificate error"
"""In pages of nginx, with status 400."""

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Failure(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "cannot be reached"
    UNTRUSTED = "its certificate is not trusted"
    HANDSHAKE = "the TLS handshake failed"
    DEMANDED = "a client certificate is demanded"
    CLOSED = "closed without an answer"
    TIMEOUT = "no answer in time"
    NO_HTTP = "not an HTTP answer"
    NOT_OFFERED = "this version of HTTP is not offered"
    NOT_INSTALLED = "h2 is not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP.
        phrase: beside it; HTTP/2 has none.
        headers: those of `HEADERS_KEPT`, by lower-case name.
        body: its beginning, decompressed.
        is_whole: whether that is all of it.
        asked: the handshake asked for a client certificate; None where that cannot be seen.
    """

    status: int
    phrase: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = True
    asked: bool | None = None

    @classmethod
    def of(cls, status: int, phrase: str, headers: Callable[[str], str | None], body: bytes) -> Self:
        """Return an answer, its body decompressed.

        Args:
            status: of HTTP.
            phrase: beside it.
            headers: return the value of a header by its lower-case name.
            body: as it came, and one byte more than `BODY_LIMIT` where it is longer.
        """
        content, is_whole = _decoded(body, (headers("content-encoding") or "identity").strip().lower())
        return cls(
            status=status,
            phrase=phrase,
            headers={name: value for name in HEADERS_KEPT if (value := headers(name))},
            body=content[:BODY_LIMIT],
            is_whole=is_whole and len(body) <= BODY_LIMIT,
        )

    @property
    def reason(self) -> Reason | None:
        """Return the reason of the middleware's refusal; None where the answer is none, whatever else it may be."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM:
            return None
        try:
            problem = json.loads(self.body)
            return Reason(problem["reason"]) if problem["status"] == self.status else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    @property
    def demands(self) -> bool:
        """Return whether nginx answers, which does not ask the application without a client certificate."""
        return self.status == http.HTTPStatus.BAD_REQUEST and _NGINX_DEMANDS in self.body

    @property
    def is_disliked(self) -> bool:
        """Return whether nginx answers, which refuses the certificate."""
        return self.status == http.HTTPStatus.BAD_REQUEST and _NGINX_DISLIKES in self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Why there is no answer.

    Attributes:
        failure: in our words.
        detail: in those of the system.
        asked: as of an answer.
    """

    failure: Failure
    detail: str = ""
    asked: bool | None = None


class NoAnswerError(Exception):
    """Raised where no exception of Python says why there is no answer."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(failure, detail)
        self.no_answer = NoAnswer(failure=failure, detail=detail)


def read_answer(stream: IO[bytes], method: str = "GET") -> Answer:
    """Read the final answer of HTTP/1 from a stream of bytes.

    Raises:
        OSError: the stream's own.
        HTTPException, ValueError: it is not HTTP.
        NoAnswerError: there are informational answers only.
    """
    for _ in range(INTERIM_LIMIT):
        source: Any = _Readable(stream)  # makefile is all that is asked of it
        response = http.client.HTTPResponse(source, method=method)
        response.begin()
        upgraded = response.status == http.HTTPStatus.SWITCHING_PROTOCOLS
        if response.status >= http.HTTPStatus.OK or upgraded:
            body = b"" if upgraded else response.read(BODY_LIMIT + 1)
            return Answer.of(response.status, response.reason, response.headers.get, body)
    raise NoAnswerError(Failure.NO_HTTP, "informational answers without end")


def _decoded(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """Return a decompressed body's beginning, and whether it is all; what cannot be decompressed stays as it is."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return body, True
    decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = decompressor.decompress(body, BODY_LIMIT + 1)
    except zlib.error:
        return body, False
    return content, decompressor.eof and len(content) <= BODY_LIMIT


@dataclass(frozen=True, slots=True)
class _Readable:
    """A socket to ``http.client``, and its file, which outlives the responses read from it."""

    stream: IO[bytes]

    def makefile(self, _mode: str) -> Self:
        return self

    def readline(self, limit: int) -> bytes:
        return self.stream.readline(limit)

    def read(self, count: int = -1) -> bytes:
        return self.stream.read(count)

    def flush(self) -> None:
        """Do nothing: nothing was written."""

    def close(self) -> None:
        """Do nothing: a response that is thrown away must not end the stream."""


class Bounded(io.RawIOBase):
    """A socket's bytes until a deadline, and no more than `ANSWER_LIMIT`."""

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
