"""The part of the hypercorn adapter for the worker class ``trio``."""

import ssl
from contextlib import suppress
from typing import Any, ClassVar

import trio
from hypercorn.trio import run
from hypercorn.trio.tcp_server import TCPServer

from mtls_middleware._core.connection import Transport
from mtls_middleware._core.sources.tls import asks_for_certificate
from mtls_middleware.observing.handshakes import HandshakeLog, HandshakeRefusal
from mtls_middleware.servers.handshake import CHUNK_BYTES, LINGER_SECONDS, LINGERING, of_caller, refused_certificate
from mtls_middleware.servers.scope import peer_named, with_facts

_publish = HandshakeLog()


def tell_connection_facts() -> None:
    """Let each connection of this process, from now on, tell its facts to the application."""
    vars(run)["TCPServer"] = _TrioTCPServer


class _TrioTCPServer(TCPServer):
    """Wrap the application once for each connection, after the handshake and before anything else of it is read."""

    lingering: ClassVar[int] = 0

    async def run(self) -> None:
        stream: Any = self.stream  # without TLS it is the socket's own
        tls_object: Any = None
        if hasattr(stream, "do_handshake"):
            try:
                with trio.fail_after(self.config.ssl_handshake_timeout):
                    await stream.do_handshake()  # once: hypercorn's own call finds it done
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as failure:
                error = failure.__cause__
                if isinstance(error, ssl.SSLError) and not isinstance(
                    error, ssl.SSLEOFError
                ):  # no caller who goes away
                    await self._say_goodbye(error)
                return
            # The stream forwards some methods of its TLS object and not those for the chain; it has no public name.
            tls_object = getattr(stream, "_ssl_object", stream)
            stream = stream.transport_stream
        self.app = with_facts(self.app, _peer(stream, tls_object), tls_object)
        await super().run()

    async def _say_goodbye(self, error: ssl.SSLError) -> None:
        """Log a refused handshake, send its alert, which trio does not, and read on for a while."""
        stream: Any = self.stream
        tls_object, outgoing = vars(stream)["_ssl_object"], vars(stream)["_outgoing"]  # trio has no public names
        connection = stream.transport_stream
        refusal = HandshakeRefusal.of(error, refused_certificate(tls_object))
        _publish(of_caller(refusal, _peer(connection, tls_object)))
        kind = type(self)
        seconds = LINGER_SECONDS if kind.lingering < LINGERING else 0
        kind.lingering += 1
        try:
            with suppress(trio.BrokenResourceError), trio.move_on_after(LINGER_SECONDS):
                await connection.send_all(outgoing.read())
                await connection.send_eof()
                with trio.move_on_after(seconds):
                    while await connection.receive_some(CHUNK_BYTES):
                        pass
        finally:
            kind.lingering -= 1


def _peer(stream: Any, tls_object: Any) -> Transport:  # noqa: ANN401 - of trio, with and without TLS
    try:
        name = stream.socket.getpeername()
    except OSError:  # gone already
        name = None
    return peer_named(name, stream.socket.family, asks=asks_for_certificate(tls_object))
