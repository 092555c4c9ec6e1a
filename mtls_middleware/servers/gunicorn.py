"""Worker classes for gunicorn: they hand over the client certificate and the real peer.

On the command line ``gunicorn --worker-class mtls_middleware.servers.gunicorn.ASGIWorker main:app`` for gunicorn's own
ASGI worker, or ``mtls_middleware.servers.gunicorn.UvicornWorker`` for uvicorn's; with ``--certfile``, ``--keyfile``,
``--ca-certs`` and ``--cert-reqs 1`` for client certificates. A dot stands before the class: gunicorn takes no colon.

`ASGIWorker` goes with HTTP/1.1, HTTP/2 (``--http-protocols h2,h1``), WebSocket and both event loops. `UvicornWorker`
goes with HTTP/1.1 and WebSocket; it exists where uvicorn-worker is installed. WSGI workers need no adapter: the
middleware reads ``gunicorn.socket``.
"""

import asyncio
import ssl
from importlib.util import find_spec
from typing import Any, ClassVar

from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]  # gunicorn ships no types
from gunicorn.workers import gasgi  # type: ignore[import-untyped]

from mtls_middleware.servers.handshake import say_goodbye
from mtls_middleware.servers.scope import peer_of, tls_extension, with_connection_facts


class ASGIWorker(gasgi.ASGIWorker):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's own ASGI worker."""

    def run(self) -> None:
        """Serve until told to stop."""
        # Gunicorn has no setting for it; the worker takes the class from its module when a connection comes in. This is
        # the worker's own process.
        gasgi.ASGIProtocol = _TellingProtocol
        super().run()

    def _get_ssl_context(self) -> ssl.SSLContext | None:
        """Let a refused handshake end with its alert; gunicorn asks for the context before it opens its ports."""
        context: ssl.SSLContext | None = super()._get_ssl_context()
        if context is not None:
            say_goodbye(self.loop, context)
        return context


class _TellingProtocol(ASGIProtocol):  # type: ignore[misc]  # gunicorn ships no types
    """Wrap the application once for each connection, after the handshake and before anything of it is read."""

    app: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls_object = transport.get_extra_info("ssl_object")
        tls = None if tls_object is None else tls_extension(tls_object)
        self.app = with_connection_facts(self.app, peer_of(transport), tls)
        super().connection_made(transport)


if find_spec("uvicorn_worker") is not None:
    from uvicorn_worker import (  # type: ignore[import-untyped]  # it ships no types
        UvicornWorker as _StockUvicornWorker,
    )

    from mtls_middleware.servers import uvicorn

    class UvicornWorker(_StockUvicornWorker):  # type: ignore[misc]  # it ships no types
        """uvicorn as a worker, with our protocol class."""

        CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
            **_StockUvicornWorker.CONFIG_KWARGS,
            "http": getattr(uvicorn, "HttpToolsProtocol", uvicorn.H11Protocol),
        }
