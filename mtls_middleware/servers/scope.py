"""What an adapter of a server on asyncio tells about a connection, and how it gets into the scope."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport

_GONE = ("unknown", 0)
"""Stands for a TCP peer that nobody knows any more. It is no address, so it is never a trusted one."""


def peer_of(transport: asyncio.BaseTransport) -> Transport:
    """Return the peer at the other end of the wire, whatever a header says."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple) and len(peer) >= 2:  # noqa: PLR2004 - host, port, and two more in IPv6
        return Transport(peer=(str(peer[0]), int(peer[1])))
    # With uvloop a TCP peer that sent a request and then a reset has no name either, and the request arrives. It must
    # not pass for a unix socket.
    connection = transport.get_extra_info("socket")
    is_unix = connection is not None and connection.family == getattr(socket, "AF_UNIX", None)
    return Transport(peer=None if is_unix else _GONE)


def with_connection_facts(app: ASGIApp, transport: Transport, tls: Mapping[str, Any] | None) -> ASGIApp:
    """Wrap an application, so that each scope of one connection tells the real peer and the TLS extension.

    Args:
        app: the application as the server knows it.
        transport: of this connection.
        tls: the value of the TLS extension; None on a connection without TLS.
    """

    async def with_facts(scope: Scope, receive: Receive, send: Send) -> None:
        # Servers may share the scope's dicts between requests, and applications may write into ours: all are copies.
        facts: dict[str, Any] = {TRANSPORT_SCOPE_KEY: transport}
        if tls is not None:
            facts["extensions"] = {**(scope.get("extensions") or {}), "tls": {**tls}}
        return await app({**scope, **facts}, receive, send)

    return with_facts
