"""uvicorn with our protocol classes, as operators start it."""

import json
import shutil
import signal
import socket
import ssl
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect as connect_websocket

from tests.e2e.callers import PKI, TIMEOUT, ask, connect, get, is_refused
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, Server, accepts_unix, free_port

pytestmark = pytest.mark.e2e

CLASSES = {
    "h11": "mtls_middleware.servers.uvicorn:H11Protocol",
    "httptools": "mtls_middleware.servers.uvicorn:HttpToolsProtocol",
}
LOOPS = ["asyncio", "uvloop"]
FOLDER = Path(__file__).parent
MAPPED = "10.0.0.5:4711"


def command(port: int | None, http: str, loop: str, *options: str | Path) -> list[str | Path]:
    where = [] if port is None else ["--port", str(port)]
    how = ["--http", CLASSES[http], "--loop", loop]
    return [sys.executable, "-m", "uvicorn", "apps:echo", "--app-dir", FOLDER, *where, *how, *options]


def tls(pki: PKI) -> list[str | Path]:
    files = ("--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key, "--ssl-ca-certs", pki.trust)
    return [*files, "--ssl-cert-reqs", str(int(ssl.CERT_OPTIONAL))]


@pytest.fixture(
    scope="module",
    params=[(http, loop) for http in CLASSES for loop in LOOPS],
    ids="-".join,
)
def port(request: pytest.FixtureRequest, start_for_module: Start, pki: PKI) -> int:
    """Return the port of uvicorn with client certificates, for each parser and loop."""
    http, loop = request.param
    port = free_port()
    start_for_module(command(port, http, loop, *tls(pki)), port=port)
    return port


def test_a_known_caller_is_told_of(port: int, pki: PKI) -> None:
    client = pki.region.client()

    facts = get(port, pki.caller(client))

    assert facts["tls"]["client_cert_chain"] == [client.pem]
    assert facts["tls"]["tls_version"] == 0x0304


def test_intermediates_come_along(port: int, pki: PKI) -> None:
    client = pki.region.intermediate().client()

    assert get(port, pki.caller(client))["tls"]["client_cert_chain"] == list(client.pems)


def test_a_caller_without_certificate_has_an_empty_chain(port: int, pki: PKI) -> None:
    assert get(port, pki.caller())["tls"]["client_cert_chain"] == []


def test_a_stranger_ends_in_the_handshake(port: int, pki: PKI) -> None:
    assert is_refused(port, pki.caller(pki.stranger.client()))


def test_two_callers_are_not_mixed_up(port: int, pki: PKI) -> None:
    one, other = pki.region.client(), pki.region.client()
    with connect(port, pki.caller(one)) as first, connect(port, pki.caller(other)) as second:
        seen = [ask(connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") for connection in (first, second, first)]

    assert [facts["tls"]["client_cert_chain"] for facts in seen] == [[one.pem], [other.pem], [one.pem]]


def test_a_resumed_session_keeps_the_leaf(port: int, pki: PKI) -> None:
    client = pki.region.intermediate().client()
    context = pki.caller(client, version=ssl.TLSVersion.TLSv1_2)
    with connect(port, context) as first:
        session = first.session
    with connect(port, context, session=session) as again:
        assert again.session_reused
        facts = ask(again, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert facts["tls"]["client_cert_chain"] == [client.pem]


def test_the_peer_is_the_real_one(port: int, pki: PKI) -> None:
    with connect(port, pki.caller()) as connection:
        own = connection.getsockname()
        facts = ask(connection, f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {MAPPED}\r\n\r\n".encode())

    assert facts["client"] == ["10.0.0.5", 4711]
    assert facts["transport"]["peer"] == list(own)


CHUNKED = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
TRAILERS = b"0\r\nX-SSL-Client-Cert: forged\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n"
OWN_HEADERS = [["host", "x"], ["transfer-encoding", "chunked"]]


def test_trailers_that_come_with_the_request_are_no_headers(port: int, pki: PKI) -> None:
    with connect(port, pki.caller()) as connection:
        facts = ask(connection, CHUNKED % b"/" + TRAILERS)

    assert facts["headers"] == OWN_HEADERS


def test_trailers_that_come_after_the_application_began_are_no_headers(port: int, pki: PKI) -> None:
    with connect(port, pki.caller()) as connection, connection.makefile("rb") as answer:
        connection.sendall(CHUNKED % b"/early")
        on_entry = next_facts(answer)
        connection.sendall(TRAILERS)
        after_the_body = next_facts(answer)

    assert (on_entry["headers"], after_the_body["headers"]) == (OWN_HEADERS, OWN_HEADERS)


def test_trailers_do_not_reach_the_next_request(port: int, pki: PKI) -> None:
    following = b"GET /next HTTP/1.1\r\nHost: x\r\nX-Own: yes\r\n\r\n"
    with connect(port, pki.caller()) as connection, connection.makefile("rb") as answer:
        connection.sendall(CHUNKED % b"/first" + TRAILERS + following)
        seen = [next_facts(answer) for _ in range(4)]

    assert [facts["path"] for facts in seen] == ["/first", "/first", "/next", "/next"]
    assert seen[-1]["headers"] == [["host", "x"], ["x-own", "yes"]]


@pytest.mark.parametrize("websocket", ["websockets", "websockets-sansio", "wsproto"])
@pytest.mark.parametrize("http", CLASSES)
def test_a_websocket_tells_the_same(start: Start, pki: PKI, http: str, websocket: str) -> None:
    port, client = free_port(), pki.region.client()
    start(command(port, http, "uvloop", "--ws", websocket, *tls(pki)), port=port)

    with connect_websocket(
        f"wss://{HOST}:{port}/",
        ssl=pki.caller(client),
        additional_headers={"X-Forwarded-For": MAPPED},
        open_timeout=TIMEOUT,
    ) as connection:
        own = connection.local_address
        facts = json.loads(connection.recv(timeout=TIMEOUT))

    assert (facts["type"], facts["scheme"]) == ("websocket", "wss")
    assert facts["tls"]["client_cert_chain"] == [client.pem]
    assert facts["transport"]["peer"] == list(own)


def test_each_worker_tells_it(start: Start, pki: PKI) -> None:
    port, client = free_port(), pki.region.client()
    start(command(port, "httptools", "auto", "--workers", "2", *tls(pki)), port=port)
    context, seen = pki.caller(client), dict[int, Any]()

    for _ in range(500):
        facts = get(port, context)
        seen[facts["pid"]] = facts["tls"]["client_cert_chain"]
        if len(seen) == 2:
            break

    assert list(seen.values()) == [[client.pem], [client.pem]]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_unix_socket_has_no_peer(start: Start, tmp_path: Path, loop: str) -> None:
    path = tmp_path / "socket"
    start(command(None, "h11", loop, "--uds", path), ready=accepts_unix(path))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        facts = ask(connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

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


def next_facts(answer: Any) -> dict[str, Any]:
    """Return the next line of JSON, whatever of HTTP stands around it."""
    for line in answer:
        if line.startswith(b"{"):
            facts: dict[str, Any] = json.loads(line)
            return facts
    raise AssertionError("the connection ended early")


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
        facts = ask(connection, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert facts["tls"]["client_cert_chain"] == [client.pem]


def test_the_log_says_why_a_handshake_was_refused(following: tuple[Server, int, Path], pki: PKI) -> None:
    server, port, _ = following

    assert is_refused(port, pki.caller(pki.stranger.client()))

    lines = [line for line in server.log.splitlines() if "refused in the TLS handshake" in line]
    assert len(lines) == 1
    assert 'verify_message="unable to get local issuer certificate"' in lines[0]


def test_tls_1_3_sessions_are_not_resumed(following: tuple[Server, int, Path], pki: PKI) -> None:
    _, port, _ = following
    context = pki.caller(pki.region.client(), version=ssl.TLSVersion.TLSv1_3)
    with connect(port, context) as first:
        ask(first, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        session = first.session
    with connect(port, context, session=session) as again:
        assert not again.session_reused
