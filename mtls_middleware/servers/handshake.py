"""A refused handshake, said to both sides: an alert to the caller, who is named in the log with the certificate.

asyncio and uvloop end a connection whose handshake raises an `ssl.SSLError` without sending the alert that OpenSSL has
written, and tell nobody whose connection it was. What is no `OSError` they report to the loop's exception handler,
with the transport, before they close it. So a refusal is raised as `RefusedHandshakeError`, and the handler of
`say_goodbye` does the rest.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn, Self

from mtls_middleware._core.connection import Transport
from mtls_middleware.observing.handshakes import HandshakeLog, HandshakeRefusal
from mtls_middleware.servers.scope import peer_of

LINGER_SECONDS = 2.0
"""For which a refused connection stays open: closed at once, it may be reset, and the caller lose the alert."""

LINGERING = 64
"""Refused connections that stay open at a time, in one loop; each further one is closed at once, behind its alert."""

CHUNK_BYTES = 65_536
"""Of what a refused caller still sends, dropped at once."""

_ENCODING_DER = 2
"""``_ssl.ENCODING_DER``."""

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class RefusedHandshakeError(Exception):
    """A handshake that was refused. Not an `OSError`: the loop would report none.

    Attributes:
        refusal: why, without the peer.
        alert: the bytes that tell the caller.
        publish: takes the refusal, with the peer.
    """

    def __init__(self, refusal: HandshakeRefusal, alert: bytes, publish: HandshakeLog) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal
        self.alert = alert
        self.publish = publish


def publishing(publish: HandshakeLog) -> type[ssl.SSLObject]:
    """Return a class of TLS objects, for ``SSLContext.sslobject_class``, that publish why a handshake was refused."""

    class PublishedHandshake(ssl.SSLObject):
        _outgoing: ssl.MemoryBIO

        @classmethod
        def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *rest: Any, **more: Any) -> Self:  # noqa: ANN401 - of the standard library
            created: Self = super()._create(incoming, outgoing, *rest, **more)  # type: ignore[misc]  # typeshed has none
            created._outgoing = outgoing
            return created

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                refuse(error, refused_certificate(self), self._outgoing, publish)

    return PublishedHandshake


def refuse(error: ssl.SSLError, certificate: bytes | None, outgoing: ssl.MemoryBIO, publish: HandshakeLog) -> NoReturn:
    """Publish why a handshake failed, and raise what lets the loop end its connection, with the alert if it can."""
    refusal = HandshakeRefusal.of(error, certificate)
    if not _has_farewell():
        publish(refusal)
        raise error
    raise RefusedHandshakeError(refusal, outgoing.read(), publish) from error


def say_goodbye(loop: asyncio.AbstractEventLoop, context: ssl.SSLContext) -> None:
    """Let the refused handshakes of a server end with an alert; other exceptions of the loop go where they went before.

    Args:
        loop: runs the server.
        context: of the server.
    """
    if context.sslobject_class is ssl.SSLObject:
        context.sslobject_class = publishing(HandshakeLog())
    if not isinstance(loop.get_exception_handler(), _Farewell):
        loop.set_exception_handler(_Farewell(loop.get_exception_handler()))


def of_caller(refusal: HandshakeRefusal, transport: Transport) -> HandshakeRefusal:
    """Return a refusal with the peer."""
    peer = transport.peer
    return replace(refusal, peer="unix" if peer is None else f"{peer[0]}:{peer[1]}")


def _has_farewell() -> bool:
    try:
        return isinstance(asyncio.get_running_loop().get_exception_handler(), _Farewell)
    except RuntimeError:  # no loop
        return False


def refused_certificate(connection: ssl.SSLObject) -> bytes | None:
    """Return the DER of the certificate that was refused.

    After a failed verification OpenSSL keeps no peer certificate, but the chain as far as it was built.
    """
    public = getattr(connection, "get_verified_chain", None)  # CPython >= 3.13
    private = getattr(getattr(connection, "_sslobj", None), "get_verified_chain", None)
    for ask in (public, private):
        if ask is None:
            continue
        with suppress(AttributeError, OSError, ValueError):
            for leaf in ask() or ():
                return leaf if isinstance(leaf, bytes) else bytes(leaf.public_bytes(_ENCODING_DER))
    return None


class _Farewell:
    """An exception handler of a loop, which ends refused handshakes with an alert."""

    def __init__(self, following: Handler | None) -> None:
        self._following = following
        self._lingering: set[socket.socket] = set()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        transport = context.get("transport")
        if not isinstance(error, RefusedHandshakeError) or transport is None:
            if self._following is None:
                loop.default_exception_handler(context)
            else:
                self._following(loop, context)
            return
        error.publish(of_caller(error.refusal, peer_of(transport)))
        with suppress(OSError):  # the caller is gone, or there are no descriptors left
            self._tell(loop, transport.get_extra_info("socket"), error.alert)

    def _tell(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, alert: bytes) -> None:
        """Send the alert, and read on for a while.

        The loop closes its own descriptor of the connection as soon as this returns.
        """
        caller = socket.fromfd(connection.fileno(), connection.family, connection.type)
        try:
            caller.setblocking(False)
            caller.send(alert)
            caller.shutdown(socket.SHUT_WR)
            if len(self._lingering) >= LINGERING:
                caller.close()
                return
            loop.add_reader(caller, self._drop_input, loop, caller)
        except (OSError, NotImplementedError):  # the caller is gone; loops on Windows have no readers
            caller.close()
            return
        self._lingering.add(caller)
        loop.call_later(LINGER_SECONDS, self._close, loop, caller)

    def _drop_input(self, loop: asyncio.AbstractEventLoop, caller: socket.socket) -> None:
        try:
            is_over = not caller.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            is_over = True
        if is_over:
            self._close(loop, caller)

    def _close(self, loop: asyncio.AbstractEventLoop, caller: socket.socket) -> None:
        if caller in self._lingering:
            self._lingering.remove(caller)
            loop.remove_reader(caller)
            caller.close()
