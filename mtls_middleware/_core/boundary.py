"""Who may speak for a client: the trusted peers, and the secret that a proxy adds."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest

from mtls_middleware._core.connection import Connection, Fields, Interface, canonical, collect
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources.presets import Encoding, HeaderNames

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FORWARDED_ENTRIES = 100
"""Addresses looked at in X-Forwarded-For and Forwarded; no honest request comes through more proxies."""

_LISTS = (Encoding.XFCC, Encoding.B64_DER_LIST)
"""Encodings in which a comma has a meaning of its own."""

_DROPS_UNDERSCORES = ("gunicorn", "waitress", "werkzeug", "mtls-middleware")
_PREFERS_UNDERSCORES = ("granian", "cheroot", "cherrypy")

_FORWARDED_FOR = (
    re.compile(rb'(?:^|[;,\s])for\s*=\s*("[^"]*"|[^;,\s]*)', re.IGNORECASE),
    re.compile(rb'(?:^|[;,\s"])for\s*=\s*"?([^;,"\s]*)', re.IGNORECASE),
)
"""By the grammar (RFC 7239 §4), and as somebody would read it who overlooks quotes."""

_FORWARDED_HEADER = frozenset({"x-forwarded-for"})

_SHOWN = 64
"""Characters of a peer's name in a message; it may be the caller's text, and the cure behind it must be readable."""

_CURE_PORT_0 = (
    "start uvicorn with --no-proxy-headers, use the protocol classes of mtls_middleware.servers.uvicorn, "
    "or let the proxy add MTLS_PROXY_SECRET"
)
TRAILERS_ARE_HEADERS = (
    "uvicorn's own httptools protocol turns request trailers into headers, so a chunked request cannot be "
    "believed: use mtls_middleware.servers.uvicorn:HttpToolsProtocol, or --http h11"
)
_CURE_REWRITTEN = "use the protocol classes of mtls_middleware.servers.uvicorn, or let the proxy add MTLS_PROXY_SECRET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Compare a header with a secret, or with either of two while it is rotated.

    Attributes:
        header: the header's name.
        values: the secrets that are right.
    """

    header: str
    values: tuple[bytes, ...]

    def matches(self, presented: bytes | None) -> bool:
        """Compare in constant time, and with every value, so that time does not tell which one came close."""
        found = False
        for value in self.values:
            if compare_digest(value, presented or b""):
                found = True
        return found

    def comparison(self) -> Callable[[bytes], bool]:
        """Return what compares as `matches` does, and soonest."""
        return partial(compare_digest, self.values[0]) if len(self.values) == 1 else self.matches

    def __repr__(self) -> str:
        """Show the header's name only."""
        return f"Secret(header={self.header!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The rule that decides whether the headers of a request are believed.

    Attributes:
        networks: of the direct peers that may speak for a client; IPv4-mapped forms reduced to IPv4.
        unix_socket: so may a peer on a unix socket.
        secret: what the proxy adds to each request.
        drops_underscores: the operator says that the WSGI server drops header names with an underscore.
    """

    networks: tuple[Network, ...] = ()
    unix_socket: bool = False
    secret: Secret | None = None
    drops_underscores: bool = False

    @property
    def headers(self) -> frozenset[str]:
        """Return the names of all headers that are read and hidden, in canonical form."""
        return frozenset({self.secret.header} if self.secret else ())

    def check(self, connection: Connection, fields: Fields, header_names: HeaderNames | None) -> None:
        """Refuse a request whose headers somebody else than the proxy may have written.

        Raises:
            RejectionError: ``source_untrusted``.
        """
        self._refuse_doubles(connection, fields, header_names)
        if header_names is None:
            return
        if connection.trailers_are_headers and _is_chunked(connection):
            raise _untrusted(TRAILERS_ARE_HEADERS)
        if any(fields[name].is_present for name in header_names.headers):
            self._require_known_spellings(connection, header_names)
            self._require_proxy(connection, fields)

    def _refuse_doubles(self, connection: Connection, fields: Fields, header_names: HeaderNames | None) -> None:
        certificates = header_names.certificates if header_names else ()
        secrets = (self.secret.header,) if self.secret else ()
        markers = tuple(marker.header for marker in header_names.markers) if header_names else ()
        for name in (*certificates, *secrets, *markers):
            if fields[name].has_other_spelling:
                raise _untrusted(f"{name} came in another spelling too")
        for name in (*certificates, *secrets):
            if len(fields[name].values) > 1:
                raise _untrusted(f"{name} came twice")
        if connection.interface is Interface.WSGI:
            self._refuse_joined(fields, header_names)

    def _refuse_joined(self, fields: Fields, header_names: HeaderNames | None) -> None:
        """Find the doubles of WSGI, where a server joins the copies of a header with a comma, or keeps one of them."""
        secret = self.secret and fields[self.secret.header].single
        if self.secret and secret and b"," in secret and not self.secret.matches(secret):
            raise _untrusted(f"{self.secret.header} came twice")
        if header_names is not None and header_names.encoding not in _LISTS:
            lists = header_names.chain if header_names.encoding is Encoding.RFC9440 else ()
            for name in header_names.certificates:
                if name not in lists and b"," in b"".join(fields[name].values):
                    raise _untrusted(f"{name} came twice")

    def forwarded_for(self, connection: Connection) -> str | None:
        """Return the address that a trusted proxy names as its caller's; None where no trusted proxy sent the request.

        For messages only: a proxy may pass on what the caller wrote.
        """
        try:
            self._require_proxy(connection, collect(connection, self.headers))
        except RejectionError:
            return None
        named = b",".join(collect(connection, _FORWARDED_HEADER)["x-forwarded-for"].values).decode("latin-1")
        entries = [entry.strip() for entry in named.split(",")]
        others = (entry for entry in reversed(entries) if not self._is_proxy(parse_address(_without_port(entry))))
        return next(others, None) or None

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)

    def _require_known_spellings(self, connection: Connection, header_names: HeaderNames) -> None:
        """In WSGI ``X_Client_Cert`` may have become the environ key of ``X-Client-Cert``, and nobody sees it there."""
        if connection.interface is not Interface.WSGI or self.drops_underscores:
            return
        software = connection.server_software.lower()
        if any(name in software for name in _PREFERS_UNDERSCORES):
            believed = False
        else:
            believed = (
                header_names.has_marker or connection.drops_underscores or software.startswith(_DROPS_UNDERSCORES)
            )
        if not believed:
            raise _untrusted(
                f"the WSGI server {connection.server_software or 'without a name'!r} takes '_' and '-' in header names "
                "for the same: drop names with '_' in the proxy and set MTLS_PROXY_DROPS_UNDERSCORES=yes"
            )

    def _require_proxy(self, connection: Connection, fields: Fields) -> None:
        secret_matches = self.secret is not None and self.secret.matches(fields[self.secret.header].single)
        if self.secret is not None and not secret_matches:
            sent = "wrong" if fields[self.secret.header].is_present else "missing"
            raise _untrusted(f"{self.secret.header} is {sent}")
        if not self.networks and not self.unix_socket:
            if self.secret is None:
                raise _untrusted("neither trusted proxies nor a proxy secret are configured")
            return
        doubt = self._doubt_about_peer(connection)
        if doubt is not None and not secret_matches:
            raise _untrusted(doubt)

    def _doubt_about_peer(self, connection: Connection) -> str | None:
        """Return None for a trusted peer, why it is unknown for an unknown one; refuse a known, untrusted one."""
        if connection.transport is not None:
            peer = connection.transport.peer
            self._require_trusted(peer[0] if peer else "")
            return None
        host, port = connection.client or (None, None)
        if not host:
            if self.unix_socket:
                return None
            return "the server does not tell the peer's address; if it is a unix socket, MTLS_TRUSTED_PROXIES=unix"
        if not (_is_port(port) or (port is None and connection.interface is Interface.WSGI)):
            return f"the peer {_shown(host)} has the port {_shown(port)}: something rewrote it; {_CURE_PORT_0}"
        if _stands_in_forwarded(host, connection):
            return f"the peer {_shown(host)} stands in X-Forwarded-For or Forwarded too: {_CURE_REWRITTEN}"
        self._require_trusted(host)
        return None

    def _require_trusted(self, host: object) -> None:
        if not host and self.unix_socket:
            return
        if not self._is_proxy(parse_address(host)):
            raise _untrusted(f"the peer {_shown(host or 'on a unix socket')} is not one of MTLS_TRUSTED_PROXIES")


def parse_address(host: object) -> Address | None:
    """Return an address in its shortest form, IPv4-mapped ones as IPv4; None where the text is no address."""
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_port(port: object) -> bool:
    if isinstance(port, str) and port.isascii() and port.isdecimal() and len(port) <= 5:  # noqa: PLR2004 - 65535
        port = int(port)
    return isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535  # noqa: PLR2004


def _is_chunked(connection: Connection) -> bool:
    return any(canonical(name.decode("latin-1")) == "transfer-encoding" for name, _ in connection.headers)


def _stands_in_forwarded(host: object, connection: Connection) -> bool:
    address = parse_address(host)
    for index, entry in enumerate(_forwarded(connection)):
        if index >= FORWARDED_ENTRIES:
            return True
        if entry == host or (address is not None and parse_address(_without_port(entry)) == address):
            return True
    return False


def _forwarded(connection: Connection) -> Iterator[str]:
    for raw_name, value in connection.headers:
        name = canonical(raw_name.decode("latin-1"))
        if name == "x-forwarded-for":
            entries = value.split(b",")
        elif name == "forwarded":
            entries = [entry for reading in _FORWARDED_FOR for entry in reading.findall(value)]
        else:
            continue
        for entry in entries:
            yield entry.decode("latin-1").strip().strip('"').strip()


def _without_port(entry: str) -> str:
    """Cut the port off ``10.0.0.1:80`` and ``[::1]:80``, but nothing off ``::1``."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN]


def _untrusted(detail: str) -> RejectionError:
    return RejectionError(Reason.SOURCE_UNTRUSTED, detail)
