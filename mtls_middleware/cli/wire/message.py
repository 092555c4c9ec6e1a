"""A URL taken apart, requests as no HTTP library would write them, and their answers."""

import re
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from mtls_middleware.display import displayed
from mtls_middleware.errors import MTLSError

_PORTS = {"https": 443, "http": 80}

Header = tuple[str, str]
Headers = tuple[Header, ...]

USER_AGENT = "mtls-middleware-doctor"

CONTENT = "{}"
"""What is sent where there is a body."""

_UPGRADE: Headers = (
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "bXRscy1kb2N0b3ItdXJsIQ=="),
)

CORRELATION_HEADER = "ININ-Correlation-Id"

DATA_BYTES = 10_000_000
"""Of a body; no data action sends as much."""

CHUNK_BYTES = 16_384

_HEADER_FILE_BYTES = 65_536
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 §5.5
_FRAMING = {"content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Name what is called.

    Attributes:
        scheme: ``https`` or ``http``.
        host: for ``Host`` and SNI.
        port: of it.
        path: with its query, in ASCII.
        address: where to connect; `host` and `port` where it is None.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: tuple[str, int] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            ValueError: it is none, or has another scheme, or holds what no request line can.
        """
        if not all("!" <= character <= "~" for character in url):
            raise ValueError("holds characters that must be percent-encoded")
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("is not a URL such as https://actions.example.com/actions/lookup")
        if "@" in parts.netloc:
            raise ValueError("holds a user or a password, which has no use here")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(scheme=parts.scheme, host=parts.hostname, port=parts.port or _PORTS[parts.scheme], path=path)

    @property
    def authority(self) -> str:
        """Return what belongs into ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_tls(self) -> bool:
        """Return whether TLS is spoken."""
        return self.scheme == "https"


class Body(StrEnum):
    """Name how the body is framed."""

    NONE = "none"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"


class Version(StrEnum):
    """Name a version of HTTP."""

    HTTP_1_0 = "1.0"
    HTTP_1_1 = "1.1"
    HTTP_2 = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Describe what is odd about a request.

    Attributes:
        headers: written as they are, in this order, copies and all.
        trailers: behind the last chunk.
        announced: name the trailers in ``Trailer``.
        body: its framing.
        connection: names in ``Connection``, beside ``close``.
        websocket: ask for an upgrade.
        path: instead of the one of the URL.
        version: of HTTP.
    """

    headers: Headers = ()
    trailers: Headers = ()
    announced: bool = False
    body: Body = Body.NONE
    connection: tuple[str, ...] = ()
    websocket: bool = False
    path: str | None = None
    version: Version = Version.HTTP_1_1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold all that is sent.

    Attributes:
        message: what is odd about it.
        method: of HTTP.
        authority: host, and port where it is not the usual one.
        path: of the URL, with its query.
        correlation_id: by which the operator finds the application's log line.
    """

    message: Message
    method: str
    authority: str
    path: str
    correlation_id: str

    @property
    def target(self) -> str:
        """Return the path that is asked for."""
        return self.message.path or self.path

    @property
    def common(self) -> Headers:
        """Return the headers that every request has, whatever the version."""
        return (("User-Agent", USER_AGENT), ("Accept", "*/*"), ("ININ-Correlation-Id", self.correlation_id))


def written(request: Request) -> bytes:
    """Return the bytes of a request of HTTP/1."""
    message = request.message
    upgrade = "Upgrade" if message.websocket else "close"
    own: list[Header] = [
        ("Host", request.authority),
        *request.common,
        ("Connection", ", ".join((upgrade, *message.connection))),
        *(_UPGRADE if message.websocket else ()),
    ]
    body = ""
    match message.body:
        case Body.LENGTH:
            own += [("Content-Type", "application/json"), ("Content-Length", str(len(CONTENT)))]
            body = CONTENT
        case Body.CHUNKED:
            own += [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
            if message.announced:
                own += [("TE", "trailers"), ("Trailer", ", ".join(name for name, _ in message.trailers))]
            body = f"{len(CONTENT):x}\r\n{CONTENT}\r\n0\r\n{_lines(message.trailers)}\r\n"
        case Body.NONE:
            pass
    line = f"{request.method} {request.target} HTTP/{message.version}\r\n"
    return f"{line}{_lines((*own, *message.headers))}\r\n{body}".encode("latin-1")


def _lines(headers: Iterable[Header]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def standard_headers(target: Target, correlation_id: str) -> tuple[Header, ...]:
    """Return what every data action sends, under an organisation made up for this call."""
    return (
        ("Host", target.authority),
        ("User-Agent", "PureCloud-Data-Actions"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip,deflate"),
        ("Content-Type", "application/json"),
        (CORRELATION_HEADER, correlation_id),
        ("ININ-Organization-Id", str(uuid.uuid4())),
        ("ININ-Home-Organization-Id", str(uuid.uuid4())),
        ("ININ-User-Id", str(uuid.uuid4())),
    )


def new_correlation_id() -> str:
    """Return an id to find the call in a log by."""
    return f"call-{secrets.token_hex(6)}"


def combined(standard: Iterable[Header], given: Iterable[Header]) -> tuple[Header, ...]:
    """Return all headers: those that were given take the place of others."""
    given = tuple(given)
    replaced = {name.lower() for name, _ in given}
    return (*(header for header in standard if header[0].lower() not in replaced), *given)


def parse_headers(texts: Iterable[str]) -> tuple[Header, ...]:
    """Return the headers of the options `--header`.

    Raises:
        MTLSError: one of them cannot be sent. Its value is not told, for it may be a secret.
    """
    return tuple(_parsed(line) for text in texts for line in (_lines_of(text[1:]) if text.startswith("@") else (text,)))


def read_body(text: str) -> bytes:
    """Return the body of the option `--data`.

    Raises:
        MTLSError: its file cannot be read.
    """
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    return _content_of(text[1:], "--data", DATA_BYTES)


def written_call(method: str, target: Target, headers: Iterable[Header], body: bytes) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {target.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += ["Transfer-Encoding: chunked", "Connection: close", "", ""]
    chunks = (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "\r\n".join(lines).encode("latin-1") + framed + b"0\r\n\r\n"


def _parsed(line: str) -> Header:
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise MTLSError(f"--header {displayed(name, 64)!r}: write 'Name: value', without line breaks")
    if name.lower() in _FRAMING:
        raise MTLSError(f"--header {name}: data actions send chunked, on a connection of its own, and so does call")
    return name, value


def _lines_of(path: str) -> list[str]:
    content = _content_of(path, "--header", _HEADER_FILE_BYTES)
    return [line for line in content.decode("latin-1").splitlines() if line.strip()]


def _content_of(path: str, option: str, limit: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise MTLSError(f"{option} @{displayed(path)}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > limit:
        raise MTLSError(f"{option} @{displayed(path)}: holds more than {limit:,} bytes")
    return content


class Failure(StrEnum):
    """Name why there is no answer."""

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
    """Hold what came back. All of it is data from somewhere.

    Attributes:
        status: of HTTP.
        content_type: in lower case, without parameters.
        alternatives: the value of ``Alt-Svc``.
        body: its beginning.
    """

    status: int
    content_type: str = ""
    alternatives: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Tell why there is no answer.

    Attributes:
        failure: in our words.
        detail: in those of the system.
    """

    failure: Failure
    detail: str = ""


def media_type(text: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return text.partition(";")[0].strip().lower()
