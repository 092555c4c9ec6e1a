"""A URL taken apart, and requests as no HTTP library would write them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is called.

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
        """Split a URL.

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

    @classmethod
    def of_option(cls, url: str, connect: str | None = None, *, option: str = "") -> Self:
        """Split the URL of a command line.

        Args:
            url: the URL.
            connect: HOST:PORT to connect to instead; the value of ``--connect``.
            option: that the URL was given with; empty for an argument.

        Raises:
            MTLSError: one of them is wrong.
        """
        try:
            target = cls.parse(url)
        except ValueError as error:
            raise MTLSError(f"{option} {displayed(url)!r} {error}".lstrip()) from error
        if connect is None:
            return target
        host, _, port = connect.rpartition(":")
        if not host or not port.isascii() or not port.isdecimal():
            raise MTLSError(f"--connect {displayed(connect)!r}: write HOST:PORT")
        return replace(target, address=(host.strip("[]"), int(port)))

    @property
    def authority(self) -> str:
        """Return what belongs into ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_tls(self) -> bool:
        """Return whether TLS is spoken."""
        return self.scheme == "https"


class Framing(StrEnum):
    """How the body is framed."""

    NONE = "none"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"


class Version(StrEnum):
    """A version of HTTP."""

    HTTP_1_0 = "1.0"
    HTTP_1_1 = "1.1"
    HTTP_2 = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is odd about a request.

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
    body: Framing = Framing.NONE
    connection: tuple[str, ...] = ()
    websocket: bool = False
    path: str | None = None
    version: Version = Version.HTTP_1_1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that is sent.

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
        return (("User-Agent", USER_AGENT), ("Accept", "*/*"), (CORRELATION_HEADER, self.correlation_id))


def method_of(text: str) -> str:
    """Return the value of the option ``--method``.

    Raises:
        MTLSError: it is no method of HTTP.
    """
    if not (text.isascii() and text.isalpha()):
        raise MTLSError(f"--method {displayed(text)!r} is no method of HTTP")
    return text.upper()


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
        case Framing.LENGTH:
            own += [("Content-Type", "application/json"), ("Content-Length", str(len(CONTENT)))]
            body = CONTENT
        case Framing.CHUNKED:
            own += [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
            if message.announced:
                own += [("TE", "trailers"), ("Trailer", ", ".join(name for name, _ in message.trailers))]
            body = f"{len(CONTENT):x}\r\n{CONTENT}\r\n0\r\n{_lines(message.trailers)}\r\n"
        case Framing.NONE:
            pass
    line = f"{request.method} {request.target} HTTP/{message.version}\r\n"
    return f"{line}{_lines((*own, *message.headers))}\r\n{body}".encode("latin-1")


def _lines(headers: Iterable[Header]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)
