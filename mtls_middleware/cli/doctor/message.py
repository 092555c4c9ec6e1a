"""Requests as no HTTP library would write them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

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
