"""The attacks: a table. Each forges what only the proxy may say, in one way that has worked somewhere."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from mtls_middleware.cli.attack.forgery import GUESS, Forgery
from mtls_middleware.cli.wire.message import Framing, Headers, Message, Version


class Weakness(StrEnum):
    """A weakness that an attack can show. Each has a fix of its own."""

    COPY = "copy"
    """The proxy passes the caller's own copies on."""
    TWIN = "twin"
    """It passes other spellings of them on."""
    TRAILER = "trailer"
    """Trailers become headers."""
    HOP = "hop"
    """The caller makes it drop the proxy's own headers."""
    SECRET = "secret"  # noqa: S105 - the name of a weakness
    """The caller has a say about the secret's header."""
    FORWARDED = "forwarded"
    """The caller chooses the address that counts as the peer's."""
    CHUNKED = "chunked"
    """Chunked calls are all refused."""
    WEBSOCKET = "websocket"
    """An upgrade is not judged."""
    PATH = "path"
    """Another spelling of the path is not judged."""
    DIRECT = "direct"
    """The application believes whoever reaches it past the proxy."""
    NOT_ASKED = "not-asked"
    """The server asks for no client certificate."""
    REFUSED = "refused"
    """An honest call is refused."""
    LOST = "lost"
    """An honest caller's certificate does not reach the application."""
    MARKER = "marker"
    """The proxy does not say that its verification succeeded."""
    ENCODING = "encoding"
    """What the proxy sends is not the certificate."""


OWN = "own"
"""The name of the honest call; begins that of each attack that is made with the caller's own certificate."""

HONEST = frozenset(
    {Weakness.NOT_ASKED, Weakness.REFUSED, Weakness.LOST, Weakness.MARKER, Weakness.ENCODING},
)
"""Weaknesses that an honest call shows, and no attack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack.

    Attributes:
        name: stable; stands in the application's log as the correlation id ``doctor-<name>``.
        title: what is sent, in a person's words.
        weakness: what it would show.
        message: the request, from the forged headers.
        copies: plain copies of the headers are in it, so whatever passes those on passes this too.
        needs_marker: has a meaning only where the source has a marker.
    """

    name: str
    title: str
    weakness: Weakness
    message: Callable[[Forgery], Message]
    copies: bool = False
    needs_marker: bool = False


def _copied(name: str, title: str, weakness: Weakness = Weakness.COPY, *, odd: Message | None = None) -> Attack:
    return Attack(
        name=name,
        title=title,
        weakness=weakness,
        copies=True,
        message=lambda forgery: replace(odd or Message(), headers=forgery.perfect),
    )


def _added(name: str, title: str, weakness: Weakness, added: Callable[[Forgery], Headers]) -> Attack:
    return Attack(
        name=name,
        title=title,
        weakness=weakness,
        copies=True,
        message=lambda forgery: Message(headers=(*forgery.perfect, *added(forgery))),
    )


def _forwarded(name: str, title: str, *headers: tuple[str, str]) -> Attack:
    return _added(name, title, Weakness.FORWARDED, lambda _: headers)


def twins(headers: Headers) -> Headers:
    """Write every hyphen as an underscore."""
    return tuple((name.replace("-", "_"), value) for name, value in headers)


def half_twins(headers: Headers) -> Headers:
    """Write only the last hyphen as an underscore, and all in upper case."""
    return tuple(("_".join(name.rsplit("-", 1)).upper(), value) for name, value in headers)


def _swapped(headers: Headers) -> Headers:
    return tuple((name.swapcase(), value) for name, value in headers)


ONCE = _copied("once", "the forged headers, once")
TWIN = Attack(
    name="underscores",
    title="with underscores",
    weakness=Weakness.TWIN,
    message=lambda forgery: Message(headers=twins(forgery.perfect)),
)

HEADERS = (
    ONCE,
    _added("doubled", "each of them twice", Weakness.COPY, lambda forgery: forgery.perfect),
    Attack(
        name="mixed-case",
        title="in mixed case",
        weakness=Weakness.COPY,
        copies=True,
        message=lambda forgery: Message(headers=_swapped(forgery.perfect)),
    ),
    Attack(
        name="marker-alone",
        title="the proxy's marker alone, no certificate",
        weakness=Weakness.COPY,
        copies=True,
        needs_marker=True,
        message=lambda forgery: Message(headers=forgery.markers),
    ),
    Attack(
        name="marker-absent",
        title="the certificate alone, no marker",
        weakness=Weakness.COPY,
        copies=True,
        needs_marker=True,
        message=lambda forgery: Message(headers=(forgery.certificate,)),
    ),
    Attack(
        name="folded",
        title="on a folded line, with Content-Length",
        weakness=Weakness.COPY,
        copies=True,
        message=lambda forgery: Message(
            headers=tuple((name, f"\r\n {value}") for name, value in forgery.perfect), body=Framing.LENGTH
        ),
    ),
    Attack(
        name="blank-before-colon",
        title="with a blank before the colon",
        weakness=Weakness.COPY,
        copies=True,
        message=lambda forgery: Message(headers=tuple((f"{name} ", value) for name, value in forgery.perfect)),
    ),
    _copied("http-1.0", "over HTTP/1.0", odd=Message(version=Version.HTTP_1_0)),
    TWIN,
    Attack(
        name="half-underscores",
        title="with one underscore, in upper case",
        weakness=Weakness.TWIN,
        message=lambda forgery: Message(headers=half_twins(forgery.perfect)),
    ),
    _added("twins", "beside their twins with underscores", Weakness.TWIN, lambda forgery: twins(forgery.perfect)),
    Attack(
        name="chunked",
        title="a chunked request, nothing forged",
        weakness=Weakness.CHUNKED,
        message=lambda _: Message(body=Framing.CHUNKED),
    ),
    Attack(
        name="trailers",
        title="in trailers",
        weakness=Weakness.TRAILER,
        message=lambda forgery: Message(body=Framing.CHUNKED, trailers=forgery.perfect),
    ),
    Attack(
        name="announced-trailers",
        title="in trailers that are announced",
        weakness=Weakness.TRAILER,
        message=lambda forgery: Message(body=Framing.CHUNKED, trailers=forgery.perfect, announced=True),
    ),
    Attack(
        name="connection",
        title="named in Connection",
        weakness=Weakness.HOP,
        copies=True,
        message=lambda forgery: Message(headers=forgery.perfect, connection=forgery.names),
    ),
    Attack(
        name="connection-bare",
        title="the proxy's headers named in Connection, none forged",
        weakness=Weakness.HOP,
        message=lambda forgery: Message(connection=forgery.names),
    ),
    Attack(
        name="connection-secret",
        title="the secret's header named in Connection",
        weakness=Weakness.HOP,
        message=lambda forgery: Message(connection=(forgery.secret_header,)),
    ),
    Attack(
        name="connection-twins",
        title="named in Connection, sent with underscores",
        weakness=Weakness.TWIN,
        message=lambda forgery: Message(headers=twins(forgery.perfect), connection=forgery.names),
    ),
    _added("secret-guessed", "with a guessed secret", Weakness.SECRET, lambda f: ((f.secret_header, GUESS),)),
    _added("secret-empty", "with an empty secret", Weakness.SECRET, lambda f: ((f.secret_header, ""),)),
    Attack(
        name="secret-alone",
        title="a guessed secret alone",
        weakness=Weakness.SECRET,
        message=lambda forgery: Message(headers=((forgery.secret_header, GUESS),)),
    ),
    _forwarded("forwarded-for", "with X-Forwarded-For: 127.0.0.1", ("X-Forwarded-For", "127.0.0.1")),
    _forwarded("forwarded-for-port", "with X-Forwarded-For: 127.0.0.1:4711", ("X-Forwarded-For", "127.0.0.1:4711")),
    _forwarded(
        "forwarded-for-several",
        "with several X-Forwarded-For",
        ("X-Forwarded-For", "203.0.113.7, [::1]:4711"),
        ("X-Forwarded-For", "127.0.0.1"),
    ),
    _forwarded("forwarded", "with Forwarded: for=127.0.0.1", ("Forwarded", 'for="127.0.0.1:4711";proto=https')),
    _copied("websocket", "with an upgrade to WebSocket", Weakness.WEBSOCKET, odd=Message(websocket=True)),
)
"""What is tried for a source that is named."""

WEBSOCKET = Attack(
    name="websocket-bare",
    title="an upgrade to WebSocket, nothing forged",
    weakness=Weakness.WEBSOCKET,
    message=lambda _: Message(websocket=True),
)

HTTP2 = Attack(
    name="http-2-bare",
    title="over HTTP/2, nothing forged",
    weakness=Weakness.PATH,
    message=lambda _: Message(version=Version.HTTP_2),
)

OVER_HTTP2 = (
    _copied("http-2", "over HTTP/2: the forged headers", odd=Message(version=Version.HTTP_2)),
    Attack(
        name="http-2-underscores",
        title="over HTTP/2: with underscores",
        weakness=Weakness.TWIN,
        message=lambda forgery: Message(headers=twins(forgery.perfect), version=Version.HTTP_2),
    ),
    Attack(
        name="http-2-trailers",
        title="over HTTP/2: in trailers",
        weakness=Weakness.TRAILER,
        message=lambda forgery: Message(trailers=forgery.perfect, body=Framing.CHUNKED, version=Version.HTTP_2),
    ),
)
"""What is tried where the proxy speaks HTTP/2."""

DIRECT = (
    _copied("direct", "past the proxy: the forged headers", Weakness.DIRECT),
    _added(
        "direct-secret", "past the proxy: with a guessed secret", Weakness.DIRECT, lambda f: ((f.secret_header, GUESS),)
    ),
    _added(
        "direct-forwarded",
        "past the proxy: with X-Forwarded-For",
        Weakness.DIRECT,
        lambda _: (("X-Forwarded-For", "127.0.0.1:4711"), ("Forwarded", "for=127.0.0.1")),
    ),
)
"""What is tried where the application can be reached past its proxy."""


def attacks_on(forgery: Forgery) -> Iterator[Attack]:
    """Return the attacks that have a meaning for a source."""
    return (attack for attack in HEADERS if forgery.markers or not attack.needs_marker)
