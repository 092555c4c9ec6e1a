"""uvicorn with our protocol classes, as operators start it."""

import shutil
import signal
import socket
import ssl
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.callers import PKI, TIMEOUT, ask, connect, get, is_refused
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, Server, accepts_unix, free_port
from tests.e2e.telling import (
    GET,
    Resumes,
    Streams,
    TellsOverHTTP2,
    TellsOverTLS,
    TellsOverWebSocket,
    told_by_each_worker,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.matrix(table="servers", packages=["uvicorn", "httptools", "h11", "uvloop"]),
]

ADAPTER = "mtls_middleware.servers.uvicorn"
CLASSES = {
    "h11": f"{ADAPTER}:H11Protocol",
    "httptools": f"{ADAPTER}:HttpToolsProtocol",
    "zttp": f"{ADAPTER}:AutoZttpProtocol",
}
LOOPS = ["asyncio", "uvloop"]
FOLDER = Path(__file__).parent


def command(port: int | None, http: str, loop: str, *options: str | Path) -> list[str | Path]:
    where = [] if port is None else ["--port", str(port)]
    how = ["--http", CLASSES[http], "--loop", loop]
    return [sys.executable, "-m", "uvicorn", "apps:echo", "--app-dir", FOLDER, *where, *how, *options]


def tls(pki: PKI) -> list[str | Path]:
    files = ("--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key, "--ssl-ca-certs", pki.trust)
    return [*files, "--ssl-cert-reqs", str(int(ssl.CERT_OPTIONAL))]


@pytest.mark.matrix(row="uvicorn, {http}")
class TestUvicorn(TellsOverTLS, Resumes, Streams):
    """Everything that uvicorn can tell with each parser, on each loop."""

    @pytest.fixture(scope="class", params=LOOPS)
    @classmethod
    def loop(cls, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture(scope="class", params=CLASSES)
    @classmethod
    def http(cls, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def port(cls, http: str, loop: str, start_for_module: Start, pki: PKI) -> int:
        port = free_port()
        start_for_module(command(port, http, loop, *tls(pki)), port=port)
        return port

    @pytest.mark.matrix(column="real peer")
    @pytest.mark.parametrize("port_in_header", ["", ":4711"], ids=["without port", "with port"])
    def test_the_peer_is_the_real_one_where_uvicorn_believes_the_header(
        self, port: int, pki: PKI, port_in_header: str
    ) -> None:
        with connect(port, pki.caller()) as connection:
            own = connection.getsockname()
            header = f"X-Forwarded-For: 10.0.0.5{port_in_header}".encode()
            facts = ask(connection, b"GET / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")

        assert facts["client"] == ["10.0.0.5", 4711 if port_in_header else 0]
        assert facts["transport"]["peer"] == list(own)


@pytest.mark.matrix(row="uvicorn, zttp", packages=["zttp"])
class TestZttp(TellsOverHTTP2):
    """What uvicorn can tell over HTTP/2."""

    @pytest.fixture(scope="class", params=LOOPS)
    @classmethod
    def port(cls, request: pytest.FixtureRequest, start_for_module: Start, pki: PKI) -> int:
        port = free_port()
        start_for_module(command(port, "zttp", request.param, *tls(pki)), port=port)
        return port


@pytest.mark.matrix(row="uvicorn, {http}")
@pytest.mark.parametrize("websocket", ["websockets", "websockets-sansio", "wsproto"])
@pytest.mark.parametrize("http", CLASSES)
class TestWebSocket(TellsOverWebSocket):
    """What each WebSocket implementation can tell, with each parser."""

    @pytest.fixture
    @classmethod
    def port(cls, http: str, websocket: str, start: Start, pki: PKI) -> int:
        port = free_port()
        start(command(port, http, "uvloop", "--ws", websocket, *tls(pki)), port=port)
        return port


@pytest.mark.matrix(row="uvicorn, {http}", column="several workers")
@pytest.mark.parametrize("http", CLASSES)
def test_each_worker_tells_it(start: Start, pki: PKI, http: str) -> None:
    port = free_port()
    start(command(port, http, "auto", "--workers", "2", *tls(pki)), port=port)

    assert list(told_by_each_worker(port, pki).values()) == [True, True]


@pytest.mark.matrix(row="uvicorn, {http}", column="unix socket")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("http", CLASSES)
def test_a_unix_socket_has_no_peer(start: Start, tmp_path: Path, http: str, loop: str) -> None:
    path = tmp_path / "socket"
    start(command(None, http, loop, "--uds", path), ready=accepts_unix(path))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        facts = ask(connection, GET % b"")

    assert facts["transport"] == {"peer": None}
    assert facts["tls"] is None


@pytest.mark.parametrize("loop", LOOPS)
def test_a_peer_that_has_gone_does_not_pass_for_a_unix_socket(start: Start, loop: str) -> None:
    """Uvloop cannot name a TCP peer that sent a request and then a reset."""
    port = free_port()
    server = start(command(port, "httptools", loop), port=port)

    send_and_reset(server, port, b"GET /remember HTTP/1.1\r\nHost: x\r\n\r\n")

    assert recalled(port)["transport"]["peer"] is not None


def send_and_reset(server: Server, port: int, request: bytes) -> None:
    """Be gone before the server accepts the connection."""
    server.process.send_signal(signal.SIGSTOP)
    with socket.create_connection((HOST, port), timeout=TIMEOUT) as connection:
        connection.sendall(request)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.process.send_signal(signal.SIGCONT)


def recalled(port: int) -> dict[str, Any]:
    for _ in range(500):
        if facts := get(port, path="/recall"):
            return facts
    raise AssertionError("the request did not arrive")


@pytest.fixture(params=LOOPS)
def following(request: pytest.FixtureRequest, start: Start, pki: PKI, tmp_path: Path) -> tuple[Server, int, Path]:
    """Return a server, its port and the folder of roots that it follows."""
    roots, port = tmp_path / "roots", free_port()
    roots.mkdir()
    shutil.copy(pki.trust, roots)
    files = ("--roots", roots, "--certificate", pki.certificate, "--key", pki.key)
    server = start(
        [sys.executable, FOLDER / "apps.py", "--port", str(port), "--loop", request.param, *files], port=port
    )
    return server, port, roots


def test_handshakes_follow_trust(following: tuple[Server, int, Path], pki: PKI) -> None:
    _, port, roots = following
    known, newcomer = pki.caller(pki.region.client()), pki.caller(pki.stranger.client())
    assert (is_refused(port, known), is_refused(port, newcomer)) == (False, True)

    added = pki.stranger.write(roots)
    assert (is_refused(port, known), is_refused(port, newcomer)) == (False, False)

    (roots / pki.trust.name).unlink()
    assert (is_refused(port, known), is_refused(port, newcomer)) == (True, False)

    added.unlink()
    assert (is_refused(port, known), is_refused(port, newcomer)) == (True, True)
    assert not is_refused(port, pki.caller())


def test_a_connection_that_lives_on_keeps_its_leaf(following: tuple[Server, int, Path], pki: PKI) -> None:
    _, port, roots = following
    client = pki.region.client()
    with connect(port, pki.caller(client)) as connection:
        (roots / pki.trust.name).unlink()
        facts = ask(connection, GET % b"")

    assert facts["tls"]["client_cert_chain"] == [client.pem]


def test_the_log_says_why_a_handshake_was_refused(following: tuple[Server, int, Path], pki: PKI) -> None:
    server, port, _ = following

    assert is_refused(port, pki.caller(pki.stranger.client()))

    lines = [line for line in server.log.splitlines() if "refused in the TLS handshake" in line]
    assert len(lines) == 1
    assert '(unable to get local issuer certificate)"' in lines[0]


def test_tls_1_3_sessions_are_not_resumed(following: tuple[Server, int, Path], pki: PKI) -> None:
    _, port, _ = following
    context = pki.caller(pki.region.client(), version=ssl.TLSVersion.TLSv1_3)
    with connect(port, context) as first:
        ask(first, GET % b"")
        session = first.session
    with connect(port, context, session=session) as again:
        assert not again.session_reused
