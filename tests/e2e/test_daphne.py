"""daphne with our adapter, as operators start it."""

import socket
import ssl
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.e2e.callers import PKI, TIMEOUT, ask, connect, get, is_refused
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, ServerFailedError, accepts_unix, free_port
from tests.e2e.telling import GET, TellsOverHTTP2, TellsOverTLS, TellsOverWebSocket

if find_spec("daphne") is None:
    pytest.skip("daphne is not installed: its autobahn has no wheel for CPython 3.15", allow_module_level=True)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.matrix(table="servers", row="daphne", packages=["daphne", "Twisted", "pyOpenSSL"]),
]

ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}


def command(*options: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "mtls_middleware.servers.daphne", *options, "apps:echo"]


def tls(pki: PKI, port: int) -> list[str | Path]:
    endpoint = f"ssl:{port}:privateKey={pki.key}:certKey={pki.certificate}:interface={HOST}"
    return ["--client-ca", pki.trust, "--endpoint", endpoint]


@pytest.fixture(scope="module")
def port(start_for_module: Start, pki: PKI) -> int:
    """Return the port of daphne with client certificates."""
    port = free_port()
    start_for_module(command(*tls(pki, port)), port=port, env=ENVIRONMENT)
    return port


class TestDaphne(TellsOverTLS, TellsOverHTTP2, TellsOverWebSocket):
    """Everything that daphne can tell."""


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(ssl.TLSVersion.TLSv1_2, marks=pytest.mark.matrix(column="resumed TLS 1.2", gives="never resumed")),
        pytest.param(ssl.TLSVersion.TLSv1_3, marks=pytest.mark.matrix(column="resumed TLS 1.3", gives="never resumed")),
    ],
    ids=["TLS 1.2", "TLS 1.3"],
)
def test_no_session_is_resumed(port: int, pki: PKI, version: ssl.TLSVersion) -> None:
    client = pki.region.client()
    context = pki.caller(client, version=version)
    with connect(port, context) as first:
        ask(first, GET % b"")
        session = first.session
    with connect(port, context, session=session) as again:
        facts = ask(again, GET % b"")
        assert not again.session_reused

    assert facts["tls"]["client_cert_chain"] == [client.pem]


@pytest.mark.matrix(column="real peer")
def test_the_peer_is_the_real_one_where_daphne_believes_proxy_headers(start: Start, pki: PKI) -> None:
    port = free_port()
    server = start(command("--proxy-headers", *tls(pki, port)), port=port, env=ENVIRONMENT)
    with connect(port, pki.caller()) as connection:
        own = connection.getsockname()
        facts = ask(connection, b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.5\r\n\r\n")

    assert facts["client"] == ["10.0.0.5", 0]
    assert facts["transport"]["peer"] == list(own)
    deadline = time.monotonic() + TIMEOUT
    while "10.0.0.5:0 - - " not in server.log and time.monotonic() < deadline:  # the line comes after the answer
        time.sleep(0.05)
    assert "10.0.0.5:0 - - " in server.log


@pytest.mark.matrix(column="certificate")
def test_a_required_certificate_is_told_of(start: Start, pki: PKI) -> None:
    port, client = free_port(), pki.region.client()
    start(command("--client-required", *tls(pki, port)), port=port, env=ENVIRONMENT)

    assert is_refused(port, pki.caller())
    assert get(port, pki.caller(client))["tls"]["client_cert_chain"] == [client.pem]


@pytest.mark.matrix(column="no certificate")
def test_without_tls_there_is_no_extension(start: Start) -> None:
    port = free_port()
    start(command("--port", str(port)), port=port, env=ENVIRONMENT)

    assert get(port)["tls"] is None


@pytest.mark.matrix(column="unix socket")
def test_a_unix_socket_has_no_peer(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    start(command("--unix-socket", path), ready=accepts_unix(path), env=ENVIRONMENT)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        facts = ask(connection, GET % b"")

    assert (facts["transport"], facts["tls"]) == ({"peer": None}, None)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "garbage"])
def test_lesson_9_daphne_ends_where_the_anchors_cannot_be_read(
    start: Start, pki: PKI, tmp_path: Path, content: bytes | None
) -> None:
    port, path = free_port(), tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ServerFailedError, match="ended with status"):
        start(command(*tls(pki, port), "--client-ca", path), port=port, env=ENVIRONMENT)


@pytest.mark.parametrize("path", ["/open", "/open/", "//open", "%2fopen", "/open/..", "/"])
def test_a_root_path_that_the_caller_names_opens_nothing(start: Start, pki: PKI, path: str) -> None:
    """Daphne takes the root path from a header that anybody may send."""
    port, settings = free_port(), {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust), "MTLS_EXEMPT": "/open"}
    argv = command(*tls(pki, port))
    start([*argv[:-1], "protected:asgi"], port=port, env={**ENVIRONMENT, **settings})

    answers = [get(port, pki.caller(), where, {"Daphne-Root-Path": path}) for where in ("/actions", "/open/../actions")]

    assert [answer["reason"] for answer in answers] == ["certificate_missing"] * 2
