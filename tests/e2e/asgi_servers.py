"""Each ASGI server with our adapter, by the name of its row in docs/matrix.md, as operators start it."""

import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from find_libpython import find_libpython

from tests.e2e.callers import PKI
from tests.e2e.processes import HOST, ROOT, free_port

Argv = list[str | Path]

ENVIRONMENT: Mapping[str, str] = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ASGIServer:
    """Hold how a server is started.

    Attributes:
        argv: makes the command line for an application and a port.
        tls: makes the options for client certificates that are asked for and not required.
        workers: the options for two workers; None where there is only one.
        http2: whether it speaks HTTP/2.
        websocket: whether a WebSocket has a certificate.
        resumes: whether it resumes TLS sessions.
    """

    argv: Callable[[str, int], Argv]
    tls: Callable[[PKI, int], Argv]
    workers: tuple[str, ...] | None = ("--workers", "2")
    http2: bool = True
    websocket: bool = True
    resumes: bool = True

    def secure(self, app: str, port: int, pki: PKI) -> Argv:
        """Return the command line for TLS, with several workers where the server has them."""
        return [*self.argv(app, port), *self.tls(pki, port), *(self.workers or ())]


def _uvicorn(protocol: str) -> Callable[[str, int], Argv]:
    http = f"mtls_middleware.servers.uvicorn:{protocol}"
    return lambda app, port: [sys.executable, "-m", "uvicorn", app, "--http", http, "--port", str(port)]


def _uvicorn_tls(pki: PKI, _port: int) -> Argv:
    files = ("--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key, "--ssl-ca-certs", pki.trust)
    return [*files, "--ssl-cert-reqs", str(int(ssl.CERT_OPTIONAL))]


def _hypercorn(loop: str) -> Callable[[str, int], Argv]:
    adapter, keep_alive = [sys.executable, "-m", "mtls_middleware.servers.hypercorn"], ["--keep-alive", "75"]
    return lambda app, port: [*adapter, app, "--bind", f"{HOST}:{port}", "--worker-class", loop, *keep_alive]


def _hypercorn_tls(pki: PKI, _port: int) -> Argv:
    files = ("--certfile", pki.certificate, "--keyfile", pki.key, "--ca-certs", pki.trust)
    return [*files, "--verify-mode", "CERT_OPTIONAL"]


def _gunicorn(worker: str, *options: str) -> Callable[[str, int], Argv]:
    """Let it wait for a caller as docs/timeouts.md says: of itself it gives one two seconds."""
    run = [sys.executable, "-m", "gunicorn", "--worker-class", f"mtls_middleware.servers.gunicorn.{worker}"]
    return lambda app, port: [*run, app, "--bind", f"{HOST}:{port}", "--keep-alive", "75", *options]


def _gunicorn_tls(pki: PKI, _port: int) -> Argv:
    files = ("--certfile", pki.certificate, "--keyfile", pki.key, "--ca-certs", pki.trust)
    return [*files, "--cert-reqs", "1"]


def require(server: str) -> None:
    """Skip the test where a server cannot run on this Python."""
    if server == "daphne" and find_spec("daphne") is None:
        pytest.skip("daphne is not installed: its autobahn has no wheel for CPython 3.15")
    if server == "pyvoy" and find_libpython() is None:
        pytest.skip("pyvoy needs Python's shared library: on Debian the package libpython3.x")


def _daphne(app: str, port: int) -> Argv:
    require("daphne")
    return [sys.executable, "-m", "mtls_middleware.servers.daphne", app, "--port", str(port), "--bind", HOST]


def _daphne_tls(pki: PKI, port: int) -> Argv:
    endpoint = f"ssl:{port}:privateKey={pki.key}:certKey={pki.certificate}:interface={HOST}"
    return ["--port", str(free_port()), "--client-ca", pki.trust, "--endpoint", endpoint]


def _pyvoy(app: str, port: int) -> Argv:
    require("pyvoy")
    return [sys.executable, "-m", "mtls_middleware.servers.pyvoy", app, "--address", HOST, "--port", str(port)]


def _pyvoy_tls(pki: PKI, port: int) -> Argv:
    files = ("--tls-cert", pki.certificate, "--tls-key", pki.key, "--tls-ca-cert", pki.trust)
    return ["--port", "0", "--tls-port", str(port), *files, "--no-tls-require-client-certificate"]


SERVERS: dict[str, ASGIServer] = {
    "uvicorn, h11": ASGIServer(argv=_uvicorn("H11Protocol"), tls=_uvicorn_tls, http2=False),
    "uvicorn, httptools": ASGIServer(argv=_uvicorn("HttpToolsProtocol"), tls=_uvicorn_tls, http2=False),
    "uvicorn, zttp": ASGIServer(argv=_uvicorn("AutoZttpProtocol"), tls=_uvicorn_tls),
    "hypercorn, asyncio": ASGIServer(argv=_hypercorn("asyncio"), tls=_hypercorn_tls),
    "hypercorn, uvloop": ASGIServer(argv=_hypercorn("uvloop"), tls=_hypercorn_tls),
    "hypercorn, trio": ASGIServer(argv=_hypercorn("trio"), tls=_hypercorn_tls),
    "gunicorn, ASGIWorker, asyncio": ASGIServer(
        argv=_gunicorn("ASGIWorker", "--asgi-loop", "asyncio", "--http-protocols", "h2,h1"), tls=_gunicorn_tls
    ),
    "gunicorn, ASGIWorker, uvloop": ASGIServer(
        argv=_gunicorn("ASGIWorker", "--asgi-loop", "uvloop", "--http-protocols", "h2,h1"), tls=_gunicorn_tls
    ),
    "gunicorn, UvicornWorker": ASGIServer(argv=_gunicorn("UvicornWorker"), tls=_gunicorn_tls, http2=False),
    "daphne": ASGIServer(argv=_daphne, tls=_daphne_tls, workers=None, resumes=False),
    "pyvoy": ASGIServer(argv=_pyvoy, tls=_pyvoy_tls, workers=None, websocket=False),
}
