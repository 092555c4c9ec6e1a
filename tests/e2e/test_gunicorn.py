"""gunicorn with our worker classes, as operators start it. Its WSGI workers: `test_wsgi_servers`."""

import socket
import sys
from pathlib import Path

import pytest

from tests.e2e.callers import PKI, ask, get, is_refused
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, accepts_unix, free_port
from tests.e2e.telling import (
    GET,
    Resumes,
    Streams,
    TellsOverHTTP2,
    TellsOverTLS,
    TellsOverWebSocket,
    told_by_each_worker,
)

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="servers", packages=["gunicorn", "uvicorn-worker"])]

WORKERS: dict[str, list[str]] = {
    "ASGIWorker, asyncio": ["--worker-class", "mtls_middleware.servers.gunicorn.ASGIWorker", "--asgi-loop", "asyncio"],
    "ASGIWorker, uvloop": ["--worker-class", "mtls_middleware.servers.gunicorn.ASGIWorker", "--asgi-loop", "uvloop"],
    "UvicornWorker": ["--worker-class", "mtls_middleware.servers.gunicorn.UvicornWorker"],
}
HTTP_2 = ["--http-protocols", "h2,h1"]
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}


def command(bind: str, worker: str, *options: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "gunicorn", "apps:echo", "--bind", bind, *WORKERS[worker], *options]


def tls(pki: PKI, requirement: str = "1") -> list[str | Path]:
    files = ("--certfile", pki.certificate, "--keyfile", pki.key, "--ca-certs", pki.trust)
    return [*files, "--cert-reqs", requirement]


def serve(start: Start, worker: str, *options: str | Path) -> int:
    port = free_port()
    start(command(f"{HOST}:{port}", worker, *options), port=port, env=ENVIRONMENT)
    return port


@pytest.mark.matrix(row="gunicorn, {port}")
class TestHTTP1(TellsOverTLS, Resumes, Streams, TellsOverWebSocket):
    """Everything that each worker can tell."""

    @pytest.fixture(scope="class", params=WORKERS)
    @classmethod
    def port(cls, request: pytest.FixtureRequest, start_for_module: Start, pki: PKI) -> int:
        return serve(start_for_module, request.param, *tls(pki))


@pytest.mark.matrix(row="gunicorn, {port}")
class TestHTTP2(TellsOverHTTP2, TellsOverTLS):
    """What gunicorn's own worker can tell where HTTP/2 is spoken."""

    @pytest.fixture(scope="class", params=["ASGIWorker, asyncio", "ASGIWorker, uvloop"])
    @classmethod
    def port(cls, request: pytest.FixtureRequest, start_for_module: Start, pki: PKI) -> int:
        return serve(start_for_module, request.param, *HTTP_2, *tls(pki))


@pytest.mark.matrix(row="gunicorn, {worker}", column="certificate")
@pytest.mark.parametrize("worker", WORKERS)
def test_a_required_certificate_is_told_of(start: Start, pki: PKI, worker: str) -> None:
    client = pki.region.client()

    port = serve(start, worker, *tls(pki, "2"))

    assert is_refused(port, pki.caller())
    assert get(port, pki.caller(client))["tls"]["client_cert_chain"] == [client.pem]


@pytest.mark.matrix(row="gunicorn, {worker}", column="several workers")
@pytest.mark.parametrize("worker", WORKERS)
def test_each_worker_tells_it(start: Start, pki: PKI, worker: str) -> None:
    port = serve(start, worker, "--workers", "2", *tls(pki))

    assert list(told_by_each_worker(port, pki).values()) == [True, True]


@pytest.mark.matrix(row="gunicorn, {worker}", column="unix socket")
@pytest.mark.parametrize("worker", WORKERS)
def test_a_unix_socket_has_no_peer(start: Start, tmp_path: Path, worker: str) -> None:
    path = tmp_path / "socket"
    start(command(f"unix:{path}", worker), ready=accepts_unix(path), env=ENVIRONMENT)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        facts = ask(connection, GET % b"")

    assert (facts["transport"], facts["tls"]) == ({"peer": None}, None)
