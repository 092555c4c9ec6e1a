"""The real middleware on each real ASGI server with our adapter, called by real TLS clients."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mtls_middleware.testing import nginx
from tests.e2e.asgi_servers import ENVIRONMENT, SERVERS
from tests.e2e.callers import PKI, TIMEOUT, ask, connect, get
from tests.e2e.conftest import Start
from tests.e2e.http2 import ask_http2
from tests.e2e.processes import HOST, free_port
from tests.e2e.websocket import open_websocket
from tests.slow import mostly_slow

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="servers", row="{server}", column="behind the middleware")]

GET = b"GET /actions HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.5:4711\r\n\r\n"

HTTP2 = [name for name, server in SERVERS.items() if server.http2]
WEBSOCKET = [name for name, server in SERVERS.items() if server.websocket]
TYPICAL = "uvicorn, httptools"
"""The one that always runs also where a server has to be started anew."""
RESUMING = [name for name, server in SERVERS.items() if server.resumes]


def settings(pki: PKI, **more: str) -> dict[str, str]:
    return {**ENVIRONMENT, "MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust), **more}


class Ports:
    """Start each server once, when a test asks for it."""

    def __init__(self, start: Start, pki: PKI) -> None:
        self._start = start
        self._pki = pki
        self._ports: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        if name not in self._ports:
            port = free_port()
            self._start(SERVERS[name].secure("protected:asgi", port, self._pki), port=port, env=settings(self._pki))
            self._ports[name] = port
        return self._ports[name]


@pytest.fixture(scope="module")
def ports(start_for_module: Start, pki: PKI) -> Ports:
    return Ports(start_for_module, pki)


@pytest.mark.parametrize("server", SERVERS)
def test_a_known_caller_is_let_in_and_one_without_certificate_is_not(ports: Ports, pki: PKI, server: str) -> None:
    client = pki.region.client()

    accepted, refused = get(ports[server], pki.caller(client)), get(ports[server], pki.caller())

    assert (accepted["region"], refused["reason"]) == ("us-east-1", "certificate_missing")


@pytest.mark.parametrize("server", SERVERS)
def test_a_chain_of_intermediates_of_the_caller_does_not_help_it(ports: Ports, pki: PKI, server: str) -> None:
    """Intermediates of a region are configured; those of a caller build no path under a regional root."""
    client = pki.region.intermediate().client()

    assert get(ports[server], pki.caller(client))["reason"] == "issuer_untrusted"


@pytest.mark.parametrize("server", SERVERS)
def test_callers_on_one_server_are_not_mixed_up(ports: Ports, pki: PKI, server: str) -> None:
    port = ports[server]
    with connect(port, pki.caller(pki.region.client())) as known, connect(port, pki.caller()) as nobody:
        answers = [ask(connection, GET) for connection in (known, nobody, known, nobody)]

    assert ["region" in answer for answer in answers] == [True, False, True, False]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("server", RESUMING)
def test_lesson_30_a_resumed_session_is_judged_like_any_other(
    ports: Ports, pki: PKI, server: str, version: ssl.TLSVersion
) -> None:
    context = pki.caller(pki.region.client(), version=version)
    with connect(ports[server], context) as first:
        ask(first, GET)
        session = first.session
    # Each worker has its own keys for tickets: another one makes a full handshake.
    for _ in range(50):
        with connect(ports[server], context, session=session) as again:
            resumed, answer = again.session_reused, ask(again, GET)
        if resumed:
            break

    assert (resumed, answer["region"]) == (True, "us-east-1")


@pytest.mark.parametrize("server", HTTP2)
def test_http_2_is_judged_like_http_1_1(ports: Ports, pki: PKI, server: str) -> None:
    accepted, _ = ask_http2(ports[server], pki.caller(pki.region.client()))
    refused, _ = ask_http2(ports[server], pki.caller())

    assert (accepted["region"], refused["reason"]) == ("us-east-1", "certificate_missing")


@pytest.mark.parametrize("server", WEBSOCKET)
def test_a_websocket_is_judged_like_a_request(ports: Ports, pki: PKI, server: str) -> None:
    accepted = open_websocket(ports[server], pki.caller(pki.region.client()), "/actions")
    refused = open_websocket(ports[server], pki.caller(), "/actions")

    assert (accepted.status, json.loads(accepted.text)["region"]) == (101, "us-east-1")
    assert (refused.status, refused.text) == (403, "")


@pytest.mark.matrix(column="header source")
@pytest.mark.parametrize(
    ("trusted", "status"),
    [
        pytest.param("127.0.0.1", 200, id="the real one is trusted"),
        pytest.param("10.0.0.5", 403, id="the one in the header is trusted"),
    ],
)
@mostly_slow("server", SERVERS, kept=[TYPICAL])
def test_lesson_20_the_real_peer_counts_and_no_header(
    start: Start, pki: PKI, server: str, trusted: str, status: int
) -> None:
    port = free_port()
    environment = settings(pki, MTLS_SOURCE="nginx", MTLS_TRUSTED_PROXIES=trusted)
    start(SERVERS[server].argv("protected:asgi", port), port=port, env=environment)
    certificate = dict(nginx(pki.region.client()))

    for address in ("10.0.0.5", "10.0.0.5:4711"):
        answer = call(port, {**certificate, "X-Forwarded-For": address})

        assert answer[0] == status
        assert answer[1].get("reason") == (None if status == 200 else "source_untrusted")


@pytest.mark.matrix(column="header source")
@mostly_slow("server", SERVERS, kept=[TYPICAL])
def test_lesson_3_neither_a_twin_nor_a_doubled_header_is_believed(start: Start, pki: PKI, server: str) -> None:
    port = free_port()
    environment = settings(pki, MTLS_SOURCE="nginx", MTLS_TRUSTED_PROXIES="127.0.0.1")
    start(SERVERS[server].argv("protected:asgi", port), port=port, env=environment)
    good, other = nginx(pki.region.client()), nginx(pki.region.client())
    twin = [(name.replace("-", "_"), value) for name, value in good]
    assert open_request(port, good) == 200

    assert {open_request(port, spoofed) for spoofed in (twin, [*good, *other], [*good, good[0]])} == {403}
    if SERVERS[server].websocket:
        assert open_websocket(port, None, "/actions", good).status == 101
        assert open_websocket(port, None, "/actions", twin).status == 403
        assert open_websocket(port, None, "/actions", [*good, *other]).status == 403


def open_request(port: int, headers: Sequence[tuple[str, str]]) -> int:
    """Return the status of the answer to a request with these headers as they are."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with socket.create_connection((HOST, port), timeout=TIMEOUT) as connection:
        connection.sendall(f"GET /actions HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


def call(port: int, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/actions", headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
