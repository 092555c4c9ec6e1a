"""The ASGI TLS extension of a connection, and how it gets into the scope of an application."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware._core.sources.tls import asks_for_certificate, presented_der

if TYPE_CHECKING:
    from hypercorn.typing import AppWrapper


_GONE = ("unknown", 0)
"""Stands for a TCP peer that nobody knows any more. It is no address, so it is never a trusted one."""

TLSObject = ssl.SSLObject | ssl.SSLSocket

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""Names of the standard library, and the numbers of RFC 8446 §4.2.1."""


def peer_of(transport: asyncio.BaseTransport) -> Transport:
    """Return the peer at the other end of the wire, whatever a header says."""
    connection = transport.get_extra_info("socket")
    name, family = transport.get_extra_info("peername"), None if connection is None else connection.family
    return peer_named(name, family, asks=asks_for_certificate(transport.get_extra_info("ssl_object")))


def peer_named(name: object, family: int | None, *, asks: bool = True) -> Transport:
    """Return the peer by the name that its socket gives it.

    Args:
        name: of ``getpeername``; anything but a tuple where there is none.
        family: of the socket; None where nothing is known.
        asks: the handshake asked for a certificate.
    """
    if isinstance(name, tuple) and len(name) >= 2:  # noqa: PLR2004 - host, port, and two more in IPv6
        return Transport(peer=(str(name[0]), int(name[1])), asks=asks)
    # With uvloop a TCP peer that sent a request and then a reset has no name either, and the request arrives. It must
    # not pass for a unix socket.
    return Transport(peer=None if family == getattr(socket, "AF_UNIX", -1) else _GONE, asks=asks)


def connection_facts(scope: Scope, transport: Transport, tls: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what goes into a scope: the real peer, and its extensions with that of TLS.

    Args:
        scope: of a request or a WebSocket; nothing in it is changed.
        transport: of this connection.
        tls: the value of the TLS extension; None on a connection without TLS.
    """
    # Servers may share the scope's dicts between requests, and applications may write into ours: all are copies.
    # What stands under "tls" is ours alone: on a connection without TLS it can only be left over from another one.
    facts: dict[str, Any] = {TRANSPORT_SCOPE_KEY: transport}
    extensions = {**(scope.get("extensions") or {})}
    extensions.pop("tls", None)
    if tls is not None:
        extensions["tls"] = {**tls}
    if extensions or "extensions" in scope:
        facts["extensions"] = extensions
    return facts


def with_connection_facts(app: ASGIApp, transport: Transport, tls: Mapping[str, Any] | None) -> ASGIApp:
    """Wrap an application, so that each scope of one connection tells the real peer and the TLS extension."""

    async def with_facts(scope: Scope, receive: Receive, send: Send) -> None:
        return await app({**scope, **connection_facts(scope, transport, tls)}, receive, send)

    return with_facts


def tls_extension(connection: TLSObject) -> dict[str, Any]:
    """Return the value of ``scope["extensions"]["tls"]`` for a connection whose handshake is done.

    The chain holds PEM texts, the leaf first, as the caller sent them. It is empty where the caller has no certificate,
    and the leaf alone on a resumed session.
    """
    return {
        "server_cert": None,
        "client_cert_chain": tuple(ssl.DER_cert_to_PEM_cert(der) for der in presented_der(connection)),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": _cipher_suite(connection),
    }


def _cipher_suite(connection: TLSObject) -> int | None:
    cipher = connection.cipher()
    return _cipher_suites().get(cipher[0]) if cipher else None


@cache
def _cipher_suites() -> Mapping[str, int]:
    """Return the IANA number of each suite that OpenSSL knows, by OpenSSL's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL")
    return {suite["name"]: suite["id"] & 0xFFFF for suite in context.get_ciphers()}


def with_facts(app: "AppWrapper", transport: Transport, tls_object: TLSObject | None) -> "AppWrapper":
    """Wrap an application, so that each scope of one connection tells its facts."""
    tls = None if tls_object is None else tls_extension(tls_object)

    # The types are not named: those of hypercorn and Starlette are different ones for the same things.
    async def telling(
        scope: Any,  # noqa: ANN401
        receive: Any,  # noqa: ANN401
        send: Any,  # noqa: ANN401
        sync_spawn: Callable[..., Any],
        call_soon: Callable[..., Any],
    ) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            await app(scope, receive, send, sync_spawn, call_soon)

        # hypercorn has invited the body already, whoever sends it: to be read, as if nothing had been asked.
        if "headers" in scope:
            scope = {**scope, "headers": [field for field in scope["headers"] if field[0] != b"expect"]}
        await with_connection_facts(application, transport, tls)(scope, receive, send)

    return telling
