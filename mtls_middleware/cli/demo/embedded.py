"""A real uvicorn on a thread of this process, on a free port of loopback."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from mtls_middleware.servers.uvicorn import H11Protocol

HOST = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 5.0
_LOOK_EVERY = 0.01


class ServerDidNotStartError(Exception):
    """Say that the embedded server never listened."""


@contextmanager
def serving(app: ASGIApp, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve an app until the block ends, and yield its port.

    Args:
        app: what to serve.
        context: of TLS; None for plain HTTP.
    """
    config = uvicorn.Config(
        app,
        host=HOST,
        port=0,
        http=H11Protocol,
        log_config=None,
        access_log=False,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="mtls-middleware-demo", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise ServerDidNotStartError
            time.sleep(_LOOK_EVERY)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
