"""``serve``: uvicorn with our protocol classes, and a TLS context that follows trust."""

import asyncio
import copy
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.server import ServerState
from uvicorn.supervisors import ChangeReload, Multiprocess

from mtls_middleware._core.gate import Mode
from mtls_middleware.cli.application import STARTUP_FAILURE, Application, parts_of, settings_of, starting
from mtls_middleware.cli.options import Parser, ServeOptions
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.servers import uvicorn as protocols
from mtls_middleware.servers.context import server_context, trust_of
from mtls_middleware.servers.head_deadline import HeadDeadline
from mtls_middleware.settings import Settings

PROXY_KEEP_ALIVE = 75
"""Seconds that an idle connection of a proxy is kept: longer than proxies do, or a call could meet the closing one."""

CALLER_KEEP_ALIVE = 5
"""Of a caller; uvicorn's own default."""

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
        settings: the name of settings made in code; those of the environment without.
    """

    certificate: Path
    private_key: Path
    password: str | None = field(default=None, repr=False)
    settings: str | None = None

    def __call__(self, _config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return a context that follows trust for as long as the process lives."""
        with starting():
            # The application has a guard of its own, which logs for both.
            guard = Guard.silent(settings_of(self.settings))
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


class ServeConfig(uvicorn.Config):
    """uvicorn's configuration. By itself it reloads what is a text, and an `Application` is none."""

    @property
    def should_reload(self) -> bool:
        """Return whether changed files start the application anew."""
        return self.reload


def run_server(options: ServeOptions) -> None:
    """Serve until the process is told to end.

    Raises:
        ConfigurationError: before anything listens; with several processes and settings made in code, each of them
            logs it.
    """
    sys.path.insert(0, str(options.app_dir))
    tls = _tls(options)
    is_alone = options.workers == 1 and not options.reload
    if is_alone or options.settings is None:
        _try(settings_of(options.settings), tls)
    parts_of("APP", options.application)
    config = _config(options, tls)
    server = uvicorn.Server(config)
    try:
        _run(server, config)
    except OSError as error:
        if server.started or not config.loaded:  # it is the application's
            raise
        raise ConfigurationError([f"nothing can listen on {options.uds or options.host}: {error}"]) from error
    except KeyboardInterrupt:  # uvicorn raises it again when it has stopped
        if not server.started:
            raise
    finally:
        if options.uds is not None:
            options.uds.unlink(missing_ok=True)


def _run(server: uvicorn.Server, config: ServeConfig) -> None:
    """Serve in this process, or in others. The exit status says whether it could be started."""
    if config.reload:
        ChangeReload(config, target=server.run, sockets=[config.bind_socket()]).run()
        return
    if config.workers > 1:
        supervisor = Multiprocess(config, sockets=[config.bind_socket()])
        supervisor.run()
        has_started = all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
    else:
        config.load()  # before uvicorn takes over the signals: an interrupt ends the import of the application
        server.run()
        has_started = server.started
    if not has_started:
        sys.exit(STARTUP_FAILURE)


def _tls(options: ServeOptions) -> ServerTLS | None:
    if options.ssl_certfile is None:
        return None
    return ServerTLS(
        certificate=options.ssl_certfile,
        private_key=options.ssl_keyfile or options.ssl_certfile,
        password=options.ssl_keyfile_password,
        settings=options.settings,
    )


def _try(settings: Settings, tls: ServerTLS | None) -> None:
    """Do once what each process will do, so that nothing listens where it fails; but ask nobody over the network.

    A host that does not answer would delay the start, and its failure, which others follow, the first line about it.
    """
    if settings.header_names is None and tls is None:
        problem = (
            f"MTLS_SOURCE is {settings.source}, so this server ends TLS itself: give --ssl-certfile and --ssl-keyfile; "
            "behind a proxy that ends TLS, set MTLS_SOURCE to its name"
        )
        raise ConfigurationError([problem])
    guard = Guard.silent(settings)
    guard.load(serving=True)
    if tls is not None:
        tls.context(guard)


def _config(options: ServeOptions, tls: ServerTLS | None) -> ServeConfig:
    parser = options.http
    if parser is Parser.AUTO:
        parser = Parser.HTTPTOOLS if find_spec("httptools") else Parser.H11
    # uvicorn's annotation knows classes only; it does nothing with them but call them.
    protocol: Any = BoundedProtocol(name=_CLASSES[parser], head_timeout=options.head_timeout)
    try:
        return ServeConfig(
            Application(name=options.application, is_factory=options.factory),
            factory=True,
            host=options.host,
            port=options.port,
            uds=str(options.uds) if options.uds else None,
            workers=options.workers,
            reload=options.reload,
            reload_dirs=[str(options.app_dir)] if options.reload else None,
            root_path=options.root_path,
            http=protocol,
            loop=options.loop,
            log_level=options.log_level,
            log_config=_log_config(options.log_level) if options.log_config is None else str(options.log_config),
            ssl_context_factory=tls,
            proxy_headers=False,
            timeout_keep_alive=PROXY_KEEP_ALIVE if tls is None else CALLER_KEEP_ALIVE,
        )
    except Exception as error:
        if options.log_config is None:
            raise
        raise ConfigurationError([f"--log-config {options.log_config}: {error}"]) from error


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
