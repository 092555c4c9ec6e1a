"""``serve``: uvicorn with our protocol classes, and a TLS context that follows trust."""

import asyncio
import copy
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.server import ServerState

from mtls_middleware._core.gate import Mode
from mtls_middleware.cli.options import ServeOptions
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.servers import uvicorn as protocols
from mtls_middleware.servers.context import server_context, trust_of
from mtls_middleware.servers.head_deadline import HeadDeadline
from mtls_middleware.settings import Settings

_CLASSES = {"h11": "H11Protocol", "httptools": "HttpToolsProtocol"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedProtocol:
    """The protocol of each connection. Workers are new processes: this travels, and a class made here cannot.

    Attributes:
        name: of a class of `mtls_middleware.servers.uvicorn`.
        head_timeout: seconds for a request head.
    """

    name: str
    head_timeout: float

    def __call__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> HeadDeadline:
        """Return a new protocol."""
        made: HeadDeadline = getattr(protocols, self.name)(config, server_state, app_state, _loop)
        made.head_timeout = self.head_timeout
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTLS:
    """The parameters of a TLS context. Workers are new processes, so these are pickled, and a context cannot be.

    Attributes:
        certificate: PEM of the server's certificate and its chain.
        private_key: PEM of its key.
        password: of the key.
    """

    certificate: Path
    private_key: Path
    password: str | None = field(default=None, repr=False)

    def __call__(self, _config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return a context that follows the trust of the environment, for as long as the process lives."""
        # The application has a guard of its own, which logs for both.
        guard = Guard.silent(Settings.from_env())
        guard.start()
        return self.context(guard)

    def context(self, guard: Guard) -> ssl.SSLContext:
        """Return a context that follows the trust of a guard; in report mode, one that lets strangers in."""
        return server_context(
            trust_of(guard),
            certificate=self.certificate,
            private_key=self.private_key,
            password=self.password,
            any_certificate=guard.settings.mode is Mode.REPORT,
        )


def run_server(options: ServeOptions) -> None:
    """Serve until the process is told to end.

    Raises:
        ConfigurationError: before anything listens.
    """
    tls = None
    if options.ssl_certfile is not None:
        tls = ServerTLS(
            certificate=options.ssl_certfile,
            private_key=options.ssl_keyfile or options.ssl_certfile,
            password=options.ssl_keyfile_password,
        )
    settings = Settings.from_env()
    if settings.header_names is None and tls is None:
        problem = (
            f"MTLS_SOURCE is {settings.source}, so this server ends TLS itself: give --ssl-certfile and --ssl-keyfile; "
            "behind a proxy that ends TLS, set MTLS_SOURCE to its name"
        )
        raise ConfigurationError([problem])
    guard = Guard.silent(settings)
    guard.start()
    if tls is not None:
        tls.context(guard)
    guard.close()
    parser = options.http if options.http in _CLASSES else "httptools" if find_spec("httptools") else "h11"
    # uvicorn's annotation knows classes only; it does nothing with them but call them.
    protocol: Any = BoundedProtocol(name=_CLASSES[parser], head_timeout=options.head_timeout)
    uvicorn.run(
        options.application,
        host=options.host,
        port=options.port,
        uds=str(options.uds) if options.uds else None,
        workers=options.workers,
        http=protocol,
        loop=options.loop,
        log_level=options.log_level,
        log_config=_log_config(options.log_level),
        ssl_context_factory=tls,
        proxy_headers=False,
        factory=options.factory,
        app_dir=str(options.app_dir),
    )


def _log_config(level: str) -> dict[str, Any]:
    """Return uvicorn's logging with our lines in the same form: a refused handshake must be seen."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["handlers"]["mtls_middleware"] = {
        "class": "mtls_middleware.observing.logging.FallbackHandler",
        "formatter": "default",
        "stream": "ext://sys.stderr",
    }
    config["loggers"]["mtls_middleware"] = {"handlers": ["mtls_middleware"], "level": level.upper()}
    return config
