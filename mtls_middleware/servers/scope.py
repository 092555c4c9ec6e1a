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
    connection = transport.get_extra_info("socket")
    return peer_named(transport.get_extra_info("peername"), None if connection is None else connection.family)


def peer_named(name: object, family: int | None) -> Transport:
    """Return the peer by the name that its socket gives it.

    Args:
        name: of ``getpeername``; anything but a tuple where there is none.
        family: of the socket; None where nothing is known.
    """
    if isinstance(name, tuple) and len(name) >= 2:  # noqa: PLR2004 - host, port, and two more in IPv6
        return Transport(peer=(str(name[0]), int(name[1])))
    # With uvloop a TCP peer that sent a request and then a reset has no name either, and the request arrives. It must
    # not pass for a unix socket.
    return Transport(peer=None if family == getattr(socket, "AF_UNIX", -1) else _GONE)


def with_connection_facts(app: ASGIApp, transport: Transport, tls: Mapping[str, Any] | None) -> ASGIApp:
    """Wrap an application, so that each scope of one connection tells the real peer and the TLS extension.

    Args:
        app: the application as the server knows it.
        transport: of this connection.
        tls: the value of the TLS extension; None on a connection without TLS.
    """

    async def with_facts(scope: Scope, receive: Receive, send: Send) -> None:
        # Servers may share the scope's dicts between requests, and applications may write into ours: all are copies.
        # What stands under "tls" is ours alone: on a connection without TLS it can only be left over from another one.
        facts: dict[str, Any] = {TRANSPORT_SCOPE_KEY: transport}
        extensions = {**(scope.get("extensions") or {})}
        extensions.pop("tls", None)
        if tls is not None:
            extensions["tls"] = {**tls}
        if extensions or "extensions" in scope:
            facts["extensions"] = extensions
        return await app({**scope, **facts}, receive, send)

    return with_facts
