"""Run hypercorn so that it hands over the client certificate and the real peer.

On the command line ``python -m mtls_middleware.servers.hypercorn main:app --bind …`` instead of ``hypercorn main:app
--bind …``: all options are hypercorn's, with ``--certfile``, ``--keyfile``, ``--ca-certs`` and ``--verify-mode
CERT_OPTIONAL`` for client certificates. In code call `tell_connection_facts` before ``hypercorn.asyncio.serve``, or
that of trio.

It goes with HTTP/1.1, HTTP/2 and WebSocket, with ``--workers``, and with the worker classes ``asyncio``, ``uvloop`` and
``trio``. HTTP/3 (``--quic-bind``) never has a client certificate: its handshake asks for none, whatever
``--verify-mode`` says. Callers there count as callers without one.
"""

import asyncio
import ssl
import sys
from contextlib import suppress
from importlib.util import find_spec

from hypercorn.__main__ import main
from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

from mtls_middleware.servers.handshake import say_goodbye
from mtls_middleware.servers.scope import peer_of, with_facts


def tell_connection_facts() -> None:
    """Let each connection of this process, from now on, tell its facts to the application, and a refused one its alert.

    Hypercorn has no setting for it; its workers take the class from their module when a connection comes in.
    """
    vars(run)["TCPServer"] = _AsyncioTCPServer
    Config.create_ssl_context = _context_with_alerts  # type: ignore[method-assign, assignment]  # as above
    if find_spec("trio") is not None:
        from mtls_middleware.servers import hypercorn_trio  # noqa: PLC0415 - trio is not always there

        hypercorn_trio.tell_connection_facts()


_create_ssl_context = Config.create_ssl_context


def _context_with_alerts(config: Config) -> ssl.SSLContext | None:
    """Let the handshakes that a worker refuses end with an alert."""
    context = _create_ssl_context(config)
    with suppress(RuntimeError):  # no loop of asyncio: the class for trio does it itself
        loop = asyncio.get_running_loop()
        if context is not None:
            say_goodbye(loop, context)
    return context


class _AsyncioTCPServer(TCPServer):
    """Wrap the application once for each connection, after the handshake and before anything of it is read."""

    async def run(self) -> None:
        self.app = with_facts(self.app, peer_of(self.writer.transport), self.writer.get_extra_info("ssl_object"))
        await super().run()


if __name__ in {"__main__", "__mp_main__"}:  # each worker imports the parent's main module under the second name
    tell_connection_facts()

if __name__ == "__main__":
    sys.exit(main())
