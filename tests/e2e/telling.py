"""What every adapter must tell, whatever the server. A test module gives a `port`, and a class that is a `Tells…`.

The module's mark says in which row of docs/matrix.md the outcomes stand.
"""

import json
import ssl
from typing import Any

import pytest

from tests.e2e.callers import PKI, ask, connect, get, is_refused
from tests.e2e.http2 import ask_http2
from tests.e2e.websocket import open_websocket

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
TRAILERS = b"0\r\nX-SSL-Client-Cert: forged\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n"
FORGED = {"x-ssl-client-cert", "x-ssl-client-verify"}

SPOOFED = [
    pytest.param(("X-Forwarded-For", "10.0.0.5:4711"), id="X-Forwarded-For"),
    pytest.param(("Forwarded", 'for="10.0.0.5:4711"'), id="Forwarded"),
    pytest.param(("X-Real-IP", "10.0.0.5"), id="X-Real-IP"),
]

VERSIONS = [
    pytest.param(ssl.TLSVersion.TLSv1_2, id="TLS 1.2", marks=pytest.mark.matrix(column="resumed TLS 1.2")),
    pytest.param(ssl.TLSVersion.TLSv1_3, id="TLS 1.3", marks=pytest.mark.matrix(column="resumed TLS 1.3")),
]


class TellsOverTLS:
    """Claims about TLS and HTTP/1.1, for a server that asks for a certificate and requires none."""

    @pytest.mark.matrix(column="certificate")
    def test_a_known_caller_is_told_of(self, port: int, pki: PKI) -> None:
        client = pki.region.client()

        facts = get(port, pki.caller(client))

        assert facts["scheme"] == "https"
        assert facts["tls"]["client_cert_chain"] == [client.pem]
        assert (facts["tls"]["tls_version"], facts["tls"]["client_cert_error"]) == (0x0304, None)

    @pytest.mark.matrix(column="intermediates")
    def test_intermediates_come_along(self, port: int, pki: PKI) -> None:
        client = pki.region.intermediate().client()

        assert get(port, pki.caller(client))["tls"]["client_cert_chain"] == list(client.pems)

    @pytest.mark.matrix(column="no certificate")
    def test_a_caller_without_certificate_has_an_empty_chain(self, port: int, pki: PKI) -> None:
        assert get(port, pki.caller())["tls"]["client_cert_chain"] == []

    @pytest.mark.matrix(column="certificate")
    def test_a_stranger_ends_in_the_handshake(self, port: int, pki: PKI) -> None:
        assert is_refused(port, pki.caller(pki.stranger.client()))

    @pytest.mark.matrix(column="certificate")
    def test_two_callers_are_not_mixed_up(self, port: int, pki: PKI) -> None:
        one, other = pki.region.client(), pki.region.client()
        with connect(port, pki.caller(one)) as first, connect(port, pki.caller(other)) as second:
            seen = [ask(connection, GET % b"") for connection in (first, second, first)]

        assert [facts["tls"]["client_cert_chain"] for facts in seen] == [[one.pem], [other.pem], [one.pem]]

    @pytest.mark.matrix(column="real peer")
    @pytest.mark.parametrize("header", SPOOFED)
    def test_the_peer_is_the_real_one(self, port: int, pki: PKI, header: tuple[str, str]) -> None:
        with connect(port, pki.caller()) as connection:
            own = connection.getsockname()
            facts = ask(connection, "GET / HTTP/1.1\r\nHost: x\r\n{}: {}\r\n\r\n".format(*header).encode())

        assert facts["transport"]["peer"] == list(own)

    @pytest.mark.matrix(column="trailers ignored")
    def test_trailers_are_no_headers(self, port: int, pki: PKI) -> None:
        with connect(port, pki.caller()) as connection:
            facts = ask(connection, CHUNKED % b"" + TRAILERS)

        assert names(facts).isdisjoint(FORGED)

    @pytest.mark.matrix(column="trailers ignored")
    def test_trailers_do_not_reach_the_next_request(self, port: int, pki: PKI) -> None:
        with connect(port, pki.caller()) as connection, connection.makefile("rb") as answer:
            connection.sendall(CHUNKED % b"first" + TRAILERS)
            first = [next_facts(answer) for _ in range(2)]
            connection.sendall(GET % b"next")
            following = [next_facts(answer) for _ in range(2)]

        assert [facts["path"] for facts in (*first, *following)] == ["/first", "/first", "/next", "/next"]
        assert names(following[-1]).isdisjoint(FORGED)


class Resumes:
    """Claims about servers that resume sessions."""

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_resumed_session_keeps_the_leaf(self, port: int, pki: PKI, version: ssl.TLSVersion) -> None:
        client = pki.region.intermediate().client()
        context = pki.caller(client, version=version)
        with connect(port, context) as first:
            ask(first, GET % b"")
            session = first.session
        with connect(port, context, session=session) as again:
            assert again.session_reused
            facts = ask(again, GET % b"")

        # OpenSSL keeps the leaf alone, BoringSSL the whole chain.
        assert facts["tls"]["client_cert_chain"] in ([client.pem], list(client.pems))


class Streams:
    """Claims about servers that start the application before the whole body is there."""

    @pytest.mark.matrix(column="trailers ignored")
    def test_trailers_that_come_after_the_application_began_are_no_headers(self, port: int, pki: PKI) -> None:
        with connect(port, pki.caller()) as connection, connection.makefile("rb") as answer:
            connection.sendall(CHUNKED % b"early")
            on_entry = next_facts(answer)
            connection.sendall(TRAILERS)
            after_the_body = next_facts(answer)

        assert (names(on_entry) | names(after_the_body)).isdisjoint(FORGED)


class TellsOverHTTP2:
    """The same over HTTP/2."""

    @pytest.mark.matrix(column="HTTP/2")
    def test_a_caller_over_http_2_is_told_of(self, port: int, pki: PKI) -> None:
        client = pki.region.intermediate().client()

        facts, own = ask_http2(port, pki.caller(client), headers=[("x-forwarded-for", "10.0.0.5")])

        assert facts["tls"]["client_cert_chain"] == list(client.pems)
        assert facts["transport"]["peer"] == list(own)

    @pytest.mark.matrix(column="HTTP/2")
    def test_a_caller_over_http_2_without_certificate_has_an_empty_chain(self, port: int, pki: PKI) -> None:
        assert ask_http2(port, pki.caller())[0]["tls"]["client_cert_chain"] == []

    @pytest.mark.matrix(column="HTTP/2")
    def test_trailers_over_http_2_are_no_headers(self, port: int, pki: PKI) -> None:
        facts, _ = ask_http2(port, pki.caller(), trailers=[("x-ssl-client-cert", "forged")])

        assert "x-ssl-client-cert" not in names(facts)


class TellsOverWebSocket:
    """The same over WebSocket."""

    @pytest.mark.matrix(column="WebSocket")
    def test_a_websocket_tells_the_same(self, port: int, pki: PKI) -> None:
        client = pki.region.client()

        facts, own = websocket_facts(port, pki.caller(client))

        assert facts["type"] == "websocket"
        assert facts["tls"]["client_cert_chain"] == [client.pem]
        assert facts["transport"]["peer"] == list(own)

    @pytest.mark.matrix(column="WebSocket")
    def test_a_websocket_without_certificate_has_an_empty_chain(self, port: int, pki: PKI) -> None:
        assert websocket_facts(port, pki.caller())[0]["tls"]["client_cert_chain"] == []


def names(facts: dict[str, Any]) -> set[str]:
    """Return the names of the headers that the application saw."""
    return {name.lower() for name, _ in facts["headers"]}


def next_facts(answer: Any) -> dict[str, Any]:
    """Return the next line of JSON, whatever of HTTP stands around it."""
    for line in answer:
        if line.startswith(b"{"):
            facts: dict[str, Any] = json.loads(line)
            return facts
    raise AssertionError("the connection ended early")


def websocket_facts(port: int, context: ssl.SSLContext, **headers: str) -> tuple[dict[str, Any], tuple[str, int]]:
    """Return what `echo` saw of a WebSocket, and the caller's own address.

    Args:
        port: of the server.
        context: of the caller.
        headers: by their names, with ``_`` for ``-``.
    """
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    opened = open_websocket(port, context, headers=[("X-Forwarded-For", "10.0.0.5:4711"), *named])
    facts = json.loads(opened.text)
    assert isinstance(facts, dict)
    return facts, opened.own


def told_by_each_worker(port: int, pki: PKI) -> dict[int, Any]:
    """Return the chain that each of two workers told of the same caller as of itself, by process id."""
    client = pki.region.client()
    context, seen = pki.caller(client), dict[int, Any]()
    for _ in range(500):
        facts = get(port, context)
        seen[facts["pid"]] = facts["tls"]["client_cert_chain"] == [client.pem]
        if len(seen) == 2:
            break
    return seen
