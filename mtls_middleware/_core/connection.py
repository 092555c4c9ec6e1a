"""All that the gate may look at. The shells fill it in; nothing in it has been checked."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mtls_middleware.members import require_members

TRANSPORT_SCOPE_KEY = "mtls.transport"
"""Scope key under which our own server adapters hand over a `Transport`."""

UVICORN_HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"
"""Module of the protocol that turns request trailers into headers."""


class Interface(StrEnum):
    """Name the protocol between server and application: it decides how spellings of header names can be told apart."""

    __module__ = "mtls_middleware"

    ASGI = "asgi"
    WSGI = "wsgi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Say what our own server adapter knows about a connection, and no header can change.

    A server that hands this over ignores request trailers: the adapters see to that.

    Attributes:
        peer: address and port of the TCP peer; None on a unix socket.
    """

    peer: tuple[str, int] | None


def may_make_headers_of_trailers(transport: object) -> bool:
    """Return whether the server may be one that appends trailers to the headers.

    Args:
        transport: what stands under `TRANSPORT_SCOPE_KEY`; our adapters leave trailers out.
    """
    return not isinstance(transport, Transport) and UVICORN_HTTPTOOLS in sys.modules


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Hold one request as the server handed it over.

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

    def __post_init__(self) -> None:
        require_members(self, interface=Interface)
