"""A request as it was handed over, and its header fields. Nothing in it has been checked.

Of each field there is every copy, and whether somebody sent another spelling of its name beside it.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from mtls_middleware.members import require_members

TRANSPORT_SCOPE_KEY = "mtls.transport"
"""Scope key under which our own server adapters hand over a `Transport`."""

UVICORN_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"
"""Module of the protocol that turns request trailers into headers."""

Headers = Iterable[tuple[bytes, bytes]]


class Interface(StrEnum):
    """The protocol between server and application. Only in ASGI do ``_`` and ``-`` in header names differ."""

    __module__ = "mtls_middleware"

    ASGI = "asgi"
    WSGI = "wsgi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """The facts of a connection that our own server adapter knows, and that no header can change.

    A server that hands this over ignores request trailers: the adapters see to that.

    Attributes:
        peer: address and port of the TCP peer; None on a unix socket.
        asks: the handshake asked the caller for a certificate; True where that cannot be seen.
    """

    peer: tuple[str, int] | None
    asks: bool = True


def may_make_headers_of_trailers(transport: object) -> bool:
    """Return whether the server may be one that appends trailers to the headers.

    Args:
        transport: what stands under `TRANSPORT_SCOPE_KEY`; our adapters leave trailers out.
    """
    return not isinstance(transport, Transport) and UVICORN_HTTPTOOLS in sys.modules


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One request as the server handed it over.

    Attributes:
        interface: ASGI or WSGI.
        path: the decoded path.
        raw_path: the path as sent, percent-encoded, without the query; None where the server does not tell.
        root_path: ASGI ``root_path`` or WSGI ``SCRIPT_NAME``.
        headers: names and values in wire order, a snapshot. In WSGI the names are rebuilt from the environ, where
            ``_`` and ``-`` cannot be told apart.
        client: host and port of the peer as the server says, perhaps rewritten; None where it does not say.
        transport: what our own server adapter says; None on other servers.
        tls: the ASGI TLS extension, or the same keys made from a WSGI environ; None where the server put none.
        event: AWS API Gateway's event; None elsewhere.
        server_software: WSGI ``SERVER_SOFTWARE``; empty in ASGI.
        drops_underscores: WSGI only: the server is known to drop header names with an underscore.
        trailers_are_headers: the server may append request trailers to the headers.
        asks: the server asked the caller for a certificate; True where it does not say.
        was_judged: another of our middlewares has judged the call, and removed the headers of its source.
        unreadable: why nothing of it may be believed: the server breaks the specification; empty where it does not.
    """

    __module__ = "mtls_middleware"

    interface: Interface
    path: str
    raw_path: bytes | None
    root_path: str
    headers: tuple[tuple[bytes, bytes], ...]
    client: tuple[Any, Any] | None
    transport: Transport | None = None
    tls: Mapping[str, Any] | None = None
    event: Mapping[str, Any] | None = None
    server_software: str = ""
    drops_underscores: bool = False
    trailers_are_headers: bool = False
    asks: bool = True
    was_judged: bool = False
    unreadable: str = ""

    def __post_init__(self) -> None:
        require_members(self, interface=Interface)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """All values of one header name.

    Attributes:
        values: in wire order, without surrounding white space.
        has_other_spelling: another spelling came too, such as ``x_client_cert`` beside ``x-client-cert``. Some
            application, bridge or framework behind us would take it for the real one. WSGI cannot tell them apart.
    """

    values: tuple[bytes, ...] = ()
    has_other_spelling: bool = False

    @property
    def is_present(self) -> bool:
        """Return whether the caller, or a proxy, sent it in any spelling."""
        return self.has_other_spelling or bool(self.values)

    @property
    def single(self) -> bytes | None:
        """Return the value if there is exactly one and no other spelling."""
        return self.values[0] if len(self.values) == 1 and not self.has_other_spelling else None


ABSENT = Field()


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that were asked for. A field without a value is `ABSENT`."""

    _by_name: dict[str, Field]

    def __getitem__(self, name: str) -> Field:
        """Return the field of this name, whatever its case."""
        return self._by_name.get(_configured(name), ABSENT)


def canonical(name: str) -> str:
    """Return the one form that all confusable spellings of a header name share."""
    return name.strip().lower().replace("_", "-")


@lru_cache(maxsize=256)
def _configured(name: str) -> str:
    """Return the canonical form of a name in the configuration. No caller chooses one: it would be kept."""
    return canonical(name)


@lru_cache(maxsize=256)
def _wanted(names: frozenset[str]) -> Mapping[str, str]:
    return {canonical(name): name.lower() for name in names}


def collect(connection: Connection, names: frozenset[str]) -> Fields:
    """Pick the fields with these names out of a request, in one pass."""
    wanted = _wanted(names)
    values: dict[str, list[bytes]] = {}
    twins: set[str] = set()
    for raw_name, value in connection.headers:
        name = raw_name.decode("latin-1").lower()
        shared = name.strip().replace("_", "-")  # `canonical`, of what is in lower case already
        if shared not in wanted:
            continue
        # WSGI has one spelling for '_' and '-'; what is alike in any other way is a twin there as well.
        if name == wanted[shared] or (connection.interface is Interface.WSGI and name.replace("_", "-") == shared):
            values.setdefault(shared, []).append(value.strip(b" \t\r\n"))
        else:
            twins.add(shared)
    return Fields(
        {
            name: Field(values=tuple(values.get(name, ())), has_other_spelling=name in twins)
            for name in values.keys() | twins
        }
    )


def without(headers: Headers, hidden: frozenset[str]) -> Iterator[tuple[bytes, bytes]]:
    """Leave out every spelling of the `hidden` names, given in `canonical` form."""
    return ((name, value) for name, value in headers if canonical(name.decode("latin-1")) not in hidden)
