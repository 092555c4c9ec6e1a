"""The part of the hypercorn adapter for the worker class ``trio``."""

from typing import Any

import trio
from hypercorn.trio import run
from hypercorn.trio.tcp_server import TCPServer

from mtls_middleware._core.sources.tls import asks_for_certificate
from mtls_middleware.servers.scope import peer_named, with_facts


def tell_connection_facts() -> None:
    """Let each connection of this process, from now on, tell its facts to the application."""
    vars(run)["TCPServer"] = _TrioTCPServer


class _TrioTCPServer(TCPServer):
    """Wrap the application once for each connection, after the handshake and before anything else of it is read."""

    async def run(self) -> None:
        stream: Any = self.stream  # without TLS it is the socket's own
        tls_object: Any = None
        if hasattr(stream, "do_handshake"):
            try:
                with trio.fail_after(self.config.ssl_handshake_timeout):
                    await stream.do_handshake()  # once: hypercorn's own call finds it done
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                return
            # The stream forwards some methods of its TLS object and not those for the chain; it has no public name.
            tls_object = getattr(stream, "_ssl_object", stream)
            stream = stream.transport_stream
        try:
            peer = stream.socket.getpeername()
        except OSError:  # gone already
            peer = None
        self.app = with_facts(
            self.app, peer_named(peer, stream.socket.family, asks=asks_for_certificate(tls_object)), tls_object
        )
        await super().run()
