"""What the demo runs: authorities, callers, an application, two servers, and the hop that stands for a proxy."""

import logging
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.types import ASGIApp

from mtls_middleware import MTLSMiddleware, caller
from mtls_middleware.guard import Guard
from mtls_middleware.servers.context import server_context, trust_of
from mtls_middleware.servers.uvicorn import H11Protocol
from mtls_middleware.settings import Settings
from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx

REGION = "us-east-1"
OTHER_REGION = "eu-west-1"
SECRET_HEADER = "X-MTLS-Proxy-Secret"  # noqa: S105 - a header's name

HOST = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 5.0
_LOOK_EVERY = 0.01

_QUIET = ("mtls_middleware", "uvicorn", "uvicorn.error", "asyncio")


class Lookup(BaseModel):
    """The input of the data action."""

    phone: str


class Customer(BaseModel):
    """The output of the data action."""

    name: str
    region_of_caller: str


class Service:
    """The app, and how often its protected handler was called."""

    def __init__(self, guard: Guard) -> None:
        self.reached = 0
        self.app = FastAPI()
        self.app.add_api_route("/actions/lookup", self._look_up, methods=["POST"])
        self.app.add_api_route("/health", self._health)
        self.app.add_middleware(MTLSMiddleware, guard=guard)

    def _look_up(self, request: Request, _lookup: Lookup) -> Customer:
        self.reached += 1
        return Customer(name="A. Customer", region_of_caller=caller(request).region or "")

    def _health(self) -> dict[str, Any]:
        return {"status": "ok"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The running servers.

    Attributes:
        clients: certificates by the name of who presents them.
        tls: base URL of the server that ends TLS itself.
        http: base URL of the server behind the hop.
        services: both apps, by base URL.
        folder: for the files of callers; gone when the demo ends.
    """

    clients: Mapping[str, ClientCertificate]
    tls: str
    http: str
    services: Mapping[str, Service]
    folder: Path
    _server_ca: RegionalCA
    _secret: str

    def caller_context(self, client: ClientCertificate | None) -> ssl.SSLContext:
        """Return the TLS context of a caller with this certificate, or with none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._server_ca.der)
        if client is not None:
            context.load_cert_chain(*client.write(self.folder, client.fingerprint_sha256))
        return context

    def over_the_hop(self, client: ClientCertificate | None, headers: Mapping[str, str]) -> dict[str, str]:
        """Do to a caller's headers what a proxy does: remove its own, and set them anew.

        This hop verifies nothing and vouches for every certificate, so that the refusals are the gate's own.
        """
        ours = {name.lower() for name, _ in (*nginx(next(iter(self.clients.values()))), (SECRET_HEADER, ""))}
        passed = {name: value for name, value in headers.items() if name.lower() not in ours}
        return passed | dict(nginx(client)) | {SECRET_HEADER: self._secret}


@contextmanager
def staged() -> Iterator[Stage]:
    """Make authorities and certificates, start both servers, and clear everything away again."""
    with TemporaryDirectory(prefix="mtls-middleware-demo-") as name, ExitStack() as running:
        folder = Path(name)
        region, stranger, server_ca = RegionalCA(REGION), RegionalCA(REGION), RegionalCA("the demo's servers")
        trust = region.write(folder)
        secret = secrets.token_urlsafe(24)
        tls_guard = _guard(running, Settings(regions=REGION, trust=trust, exempt="/health", state="off"))
        http_guard = _guard(
            running,
            Settings(
                regions=REGION,
                trust=trust,
                exempt="/health",
                state="off",
                source="nginx",
                trusted_proxies=HOST,
                proxy_secret=secret,
            ),
        )
        certificate, key = server_ca.server().write(folder, "server")
        context = server_context(trust_of(tls_guard), certificate=certificate, private_key=key)
        over_tls, behind_hop = Service(tls_guard), Service(http_guard)
        tls = f"https://{HOST}:{running.enter_context(serving(over_tls.app, context))}"
        http = f"http://{HOST}:{running.enter_context(serving(behind_hop.app))}"
        yield Stage(
            clients={
                "good": region.client(),
                "stranger": stranger.client(),
                "expired": region.client(expired=True),
                "other region": region.client(names=[RegionalCA(OTHER_REGION).cert_name]),
                "server only": region.client(server_only=True),
            },
            tls=tls,
            http=http,
            services={tls: over_tls, http: behind_hop},
            folder=folder,
            _server_ca=server_ca,
            _secret=secret,
        )


def _guard(running: ExitStack, settings: Settings) -> Guard:
    guard = Guard.from_settings(settings)
    guard.start()
    running.callback(guard.close)
    return guard


class ServerDidNotStartError(Exception):
    """An embedded server that never listened."""


@contextmanager
def serving(app: ASGIApp, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve an app until the block ends, and yield its port."""
    config = uvicorn.Config(
        app,
        host=HOST,
        port=0,
        loop="asyncio",
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


class HandshakeRefusals(logging.Handler):
    """The newest log line about a refused handshake."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ("", "")

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the TLS layer; leave out others."""
        code = getattr(record, "mtls_verify_code", None)
        if code is not None:
            self._last = (str(code), str(vars(record)["mtls_reason"]))

    def clear(self) -> None:
        """Forget what was kept."""
        self._last = ("", "")

    def last(self) -> tuple[str, str]:
        """Return OpenSSL's verify code and the reason; both empty where nothing was logged."""
        return self._last


@contextmanager
def listening() -> Iterator[HandshakeRefusals]:
    """Keep the servers' lines out of the terminal, and those about handshakes at hand."""
    handler = HandshakeRefusals()
    loggers = [logging.getLogger(name) for name in _QUIET]
    before = [(logger, logger.propagate, logger.handlers[:]) for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.handlers = [handler]
    try:
        yield handler
    finally:
        for logger, propagate, handlers in before:
            logger.propagate, logger.handlers = propagate, handlers
