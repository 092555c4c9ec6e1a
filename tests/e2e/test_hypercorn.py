"""hypercorn with our adapter, as operators start it."""

import socket
import sys
from pathlib import Path

import pytest

from tests.e2e.callers import PKI, ask, get, is_refused
from tests.e2e.conftest import Start
from tests.e2e.http3 import ask_http3
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
from tests.slow import mostly_slow

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="servers", packages=["hypercorn", "aioquic", "trio"])]

LOOPS = ["asyncio", "uvloop", "trio"]
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}


def command(bind: str, loop: str, *options: str | Path) -> list[str | Path]:
    adapter = [sys.executable, "-m", "mtls_middleware.servers.hypercorn"]
    return [*adapter, "apps:echo", "--bind", bind, "--worker-class", loop, *options]


def tls(pki: PKI, mode: str = "CERT_OPTIONAL") -> list[str | Path]:
    files = ("--certfile", pki.certificate, "--keyfile", pki.key, "--ca-certs", pki.trust)
    return [*files, "--verify-mode", mode]


@pytest.fixture(scope="module", params=LOOPS)
def port(request: pytest.FixtureRequest, start_for_module: Start, pki: PKI) -> int:
    """Return the port of hypercorn with client certificates, for each loop."""
    port = free_port()
    start_for_module(command(f"{HOST}:{port}", request.param, *tls(pki)), port=port, env=ENVIRONMENT)
    return port


@pytest.mark.matrix(row="hypercorn, {port}")
class TestHypercorn(TellsOverTLS, Resumes, Streams, TellsOverHTTP2, TellsOverWebSocket):
    """Everything that hypercorn can tell."""


@pytest.mark.matrix(row="hypercorn, {loop}", column="certificate")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_required_certificate_is_told_of(start: Start, pki: PKI, loop: str) -> None:
    port, client = free_port(), pki.region.client()
    start(command(f"{HOST}:{port}", loop, *tls(pki, "CERT_REQUIRED")), port=port, env=ENVIRONMENT)

    assert is_refused(port, pki.caller())
    assert get(port, pki.caller(client))["tls"]["client_cert_chain"] == [client.pem]


@pytest.mark.matrix(row="hypercorn, {loop}", column="several workers")
@pytest.mark.parametrize("loop", LOOPS)
def test_each_worker_tells_it(start: Start, pki: PKI, loop: str) -> None:
    port = free_port()
    start(command(f"{HOST}:{port}", loop, "--workers", "2", *tls(pki)), port=port, env=ENVIRONMENT)

    assert list(told_by_each_worker(port, pki).values()) == [True, True]


@pytest.mark.matrix(row="hypercorn, {loop}", column="unix socket")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_unix_socket_has_no_peer(start: Start, tmp_path: Path, loop: str) -> None:
    path = tmp_path / "socket"
    start(command(f"unix:{path}", loop), ready=accepts_unix(path), env=ENVIRONMENT)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        facts = ask(connection, GET % b"")

    assert (facts["transport"], facts["tls"]) == ({"peer": None}, None)


@pytest.mark.matrix(row="hypercorn, {loop}", column="HTTP/3", gives="certificate_missing")
@mostly_slow("loop", LOOPS, kept=["asyncio"])
def test_lesson_29_a_caller_over_http_3_counts_as_one_without_certificate(start: Start, pki: PKI, loop: str) -> None:
    port, settings = free_port(), {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust)}
    argv = command(f"{HOST}:{port}", loop, "--quic-bind", f"{HOST}:{port}", *tls(pki, "CERT_REQUIRED"))
    argv[argv.index("apps:echo")] = "protected:asgi"
    start(argv, port=port, env={**ENVIRONMENT, **settings})

    status, body = ask_http3(port, pki, pki.region.client())

    assert (status, b"certificate_missing" in body) == (403, True)
