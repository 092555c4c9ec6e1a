"""What doctor sends and takes over real sockets, from servers of every kind; bounded in time and size."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, TrailersReceived

from mtls_middleware.cli.wire import http2
from mtls_middleware.cli.wire.answer import ANSWER_LIMIT, Answer, Failure, NoAnswer
from mtls_middleware.cli.wire.exchange import SocketLine
from mtls_middleware.cli.wire.message import Framing, Message, Request, Target, Version
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.processes import HOST, ROOT, START_SECONDS, free_port

pytestmark = pytest.mark.e2e

Behaviour = Callable[[socket.socket], None]

TRAILERS = (("X-SSL-Client-Cert", "C"), ("X_SSL_Client_Cert", "D"))


@contextlib.contextmanager
def listening(behaviour: Behaviour, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve one connection on a thread, and yield the port."""
    server = socket.create_server((HOST, 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            plain, _ = server.accept()
            plain.settimeout(TIMEOUT)
            with plain if context is None else context.wrap_socket(plain, server_side=True) as connection:
                behaviour(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()
        thread.join(TIMEOUT)
    assert not thread.is_alive()


def exchange_all(
    port: int, message: Message | None = None, context: ssl.SSLContext | None = None, *, timeout: float = 5.0
) -> Answer | NoAnswer:
    target = Target.parse(f"http{'s' if context else ''}://{HOST}:{port}/actions")
    request = Request(
        message=message or Message(),
        method="GET",
        authority=target.authority,
        path="/actions",
        correlation_id="doctor-x",
    )
    return SocketLine(timeout=timeout).exchange(target, request, context)


def exchange(
    port: int, message: Message | None = None, context: ssl.SSLContext | None = None, *, timeout: float = 5.0
) -> Answer | NoAnswer:
    """Return what is heard, without what the handshake asked for."""
    return replace(exchange_all(port, message, context, timeout=timeout), asked=None)


def read_head(connection: socket.socket) -> bytes:
    content = b""
    while not content.endswith(b"\r\n\r\n"):
        content += connection.recv(1)
    return content


def saying(content: bytes) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(content)

    return behaviour


def drip(connection: socket.socket) -> None:
    """Send a byte now and then, and never come to an end."""
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)


def wait(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1024):
            pass


def flood(connection: socket.socket) -> None:
    read_head(connection)
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2 * ANSWER_LIMIT // 1024):
            connection.sendall(b"1\r\nx\r\n" * 200)


def hang_up_early(connection: socket.socket) -> None:
    """Answer before anything was read, and reset the connection."""
    connection.sendall(b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")


SAID: dict[str, tuple[Behaviour, Answer | Failure]] = {
    "an answer": (
        saying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"),
        Answer(status=403, phrase="Forbidden", body=b"{}"),
    ),
    "nothing": (saying(b""), Failure.CLOSED),
    "no HTTP": (saying(b"220 smtp.example.com\r\n"), Failure.NO_HTTP),
    "an early answer": (hang_up_early, Answer(status=431, phrase="Too Large")),
}


@pytest.mark.parametrize("said", SAID)
def test_what_a_server_says_is_heard(said: str) -> None:
    behaviour, expected = SAID[said]

    with listening(behaviour) as port:
        heard = exchange(port)

    assert (heard.failure if isinstance(heard, NoAnswer) else heard) == expected


@pytest.mark.parametrize("behaviour", [drip, wait], ids=["drips", "waits"])
def test_a_slow_server_ends_in_time(behaviour: Behaviour) -> None:
    with listening(behaviour) as port:
        before = time.monotonic()
        heard = exchange(port, timeout=0.5)

    assert heard == NoAnswer(failure=Failure.TIMEOUT)
    assert time.monotonic() - before < 5


def test_of_an_answer_without_end_only_the_beginning_is_taken() -> None:
    with listening(flood) as port:
        heard = exchange(port)

    assert isinstance(heard, Answer)
    assert len(heard.body) == 65_536


def test_an_interrupt_ends_the_command_at_once_and_tells_so() -> None:
    waiting = threading.Event()

    def behaviour(connection: socket.socket) -> None:
        read_head(connection)
        waiting.set()
        wait(connection)

    with listening(behaviour) as port:
        command = ["doctor", "--url", f"http://{HOST}:{port}/actions", "--source", "nginx", "--timeout", "60"]
        process = subprocess.Popen(
            [sys.executable, "-m", "mtls_middleware", *command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:  # one that nobody waits for is a warning in another test
            try:
                assert waiting.wait(START_SECONDS)
                process.send_signal(signal.SIGINT)
                told, complaints = process.communicate(timeout=START_SECONDS)
            finally:
                process.kill()

    assert (process.returncode, complaints) == (130, "")
    assert told.rstrip().endswith("Interrupted after 0 attacks.")


def test_of_headers_without_end_only_the_beginning_is_taken() -> None:
    def boast(connection: socket.socket) -> None:
        read_head(connection)
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                connection.sendall(b"X: " + b"x" * 60_000 + b"\r\n")
            wait(connection)

    with listening(boast) as port:
        assert exchange(port) == Answer(status=200, phrase="OK")


def test_nobody_listens() -> None:
    heard = exchange(free_port())

    assert isinstance(heard, NoAnswer)
    assert heard.failure is Failure.UNREACHABLE


def server_context(pki: PKI, *, alpn: str | None = None, demands: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate, pki.key)
    if alpn is not None:
        context.set_alpn_protocols([alpn])
    if demands:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki.trust)
    return context


def test_over_tls_an_answer_is_heard(pki: PKI) -> None:
    with listening(saying(b"HTTP/1.1 200 OK\r\n\r\n"), server_context(pki)) as port:
        assert exchange(port, context=pki.caller()) == Answer(status=200, phrase="OK")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL])
def test_whether_a_certificate_was_asked_for_is_heard(pki: PKI, mode: ssl.VerifyMode, version: ssl.TLSVersion) -> None:
    context = server_context(pki)
    context.load_verify_locations(pki.trust)
    context.verify_mode, context.maximum_version = mode, version

    with listening(saying(b"HTTP/1.1 200 OK\r\n\r\n"), context) as port:
        assert exchange_all(port, context=pki.caller()).asked is (mode is ssl.CERT_OPTIONAL)


def test_without_tls_nobody_asks() -> None:
    with listening(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        assert exchange_all(port).asked is None


def test_a_demanded_certificate_is_told(pki: PKI) -> None:
    heard = NoAnswer(failure=Failure.CLOSED)
    for _ in range(10):  # the reset that follows the alert may overtake it
        with listening(wait, server_context(pki, demands=True)) as port:
            told = exchange(port, context=pki.caller())
        assert isinstance(told, NoAnswer)
        heard = told
        if heard.failure is not Failure.CLOSED:
            break

    assert heard == NoAnswer(failure=Failure.DEMANDED, detail="tlsv13 alert certificate required")


def test_a_server_that_nobody_vouches_for_is_told(pki: PKI) -> None:
    with listening(wait, server_context(pki)) as port:
        heard = exchange(port, context=ssl.create_default_context())

    assert isinstance(heard, NoAnswer)
    assert (heard.failure, bool(heard.detail)) == (Failure.UNTRUSTED, True)


def test_a_server_that_speaks_no_tls_is_told(pki: PKI) -> None:
    def plain(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(plain) as port:
        heard = exchange(port, context=pki.caller())

    assert isinstance(heard, NoAnswer)
    assert heard.failure is Failure.HANDSHAKE


OVER_HTTP2 = Message(
    headers=(("X-SSL-Client-Verify", "SUCCESS"),), body=Framing.CHUNKED, trailers=TRAILERS, version=Version.HTTP_2
)


class HTTP2Server:
    """Answer one request over HTTP/2, and keep what came."""

    def __init__(self, *, body: bytes = b"{}") -> None:
        self.headers: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.body = b""
        self._answer = body

    def __call__(self, connection: socket.socket) -> None:
        protocol = H2Connection(
            H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False)
        )
        protocol.initiate_connection()
        connection.sendall(protocol.data_to_send())
        while data := connection.recv(65_536):
            for event in protocol.receive_data(data):
                match event:
                    case RequestReceived():
                        self.headers = [(str(name), str(value)) for name, value in event.headers]
                    case DataReceived():
                        self.body += event.data
                    case TrailersReceived():
                        self.trailers = [(str(name), str(value)) for name, value in event.headers]
                    case StreamEnded():
                        answer = [(":status", "403"), ("content-type", "Application/Problem+JSON; x=y")]
                        protocol.send_headers(1, [*answer, ("alt-svc", 'h3=":443"')])
                        protocol.send_data(1, self._answer, end_stream=True)
                    case _:
                        pass
            connection.sendall(protocol.data_to_send())


def test_over_http2_headers_and_trailers_arrive_as_written(pki: PKI) -> None:
    server = HTTP2Server()

    with listening(server, server_context(pki, alpn="h2")) as port:
        heard = exchange(port, OVER_HTTP2, pki.caller())

    assert heard == Answer(
        status=403, headers={"content-type": "Application/Problem+JSON; x=y", "alt-svc": 'h3=":443"'}, body=b"{}"
    )
    assert {(":method", "GET"), (":path", "/actions"), ("x-ssl-client-verify", "SUCCESS")} <= set(server.headers)
    assert (server.body, server.trailers) == (b"{}", [("x-ssl-client-cert", "C"), ("x_ssl_client_cert", "D")])


@pytest.mark.parametrize("body", [Framing.NONE, Framing.CHUNKED])
def test_over_http2_a_request_without_trailers_is_answered(body: Framing, pki: PKI) -> None:
    with listening(HTTP2Server(), server_context(pki, alpn="h2")) as port:
        heard = exchange(port, Message(body=body, version=Version.HTTP_2), pki.caller())

    assert isinstance(heard, Answer)
    assert heard.status == 403


def test_a_server_without_http2_offers_none(pki: PKI) -> None:
    with listening(wait, server_context(pki, alpn="http/1.1")) as port:
        heard = exchange(port, OVER_HTTP2, pki.caller())

    assert heard == NoAnswer(failure=Failure.NOT_OFFERED)


def test_without_tls_http2_is_not_tried() -> None:
    assert exchange(free_port(), OVER_HTTP2) == NoAnswer(failure=Failure.NOT_OFFERED)


def test_without_h2_http2_is_not_tried(pki: PKI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "find_spec", lambda _: None)

    with listening(wait, server_context(pki, alpn="h2")) as port:
        heard = exchange(port, OVER_HTTP2, pki.caller())

    assert heard == NoAnswer(failure=Failure.NOT_INSTALLED)


def end_with(act: Callable[[H2Connection], None]) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        protocol = H2Connection(H2Configuration(client_side=False, validate_inbound_headers=False))
        protocol.initiate_connection()
        connection.sendall(protocol.data_to_send())
        protocol.receive_data(connection.recv(65_536))
        act(protocol)
        connection.sendall(protocol.data_to_send())
        wait(connection)

    return behaviour


def answer_and_reset(protocol: H2Connection) -> None:
    protocol.send_headers(1, [(":status", "400")])
    protocol.reset_stream(1)


def garbage(connection: socket.socket) -> None:
    connection.sendall(bytes(9))  # a frame of data on the stream that takes none
    wait(connection)


def many_frames(connection: socket.socket) -> None:
    ping = b"\x00\x00\x08\x06\x01\x00\x00\x00\x00" + bytes(8)
    with contextlib.suppress(OSError):
        connection.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        for _ in range(200):
            connection.sendall(ping * 200)
        wait(connection)


ENDS: dict[str, tuple[Behaviour, Answer | Failure]] = {
    "reset": (end_with(lambda protocol: protocol.reset_stream(1)), Failure.CLOSED),
    "goodbye": (end_with(lambda protocol: protocol.close_connection()), Failure.CLOSED),
    "reset behind the answer": (end_with(answer_and_reset), Answer(status=400)),
    "hung up": (lambda _: None, Failure.CLOSED),
    "a bad frame": (garbage, Failure.NO_HTTP),
    "frames without end": (many_frames, Failure.NO_HTTP),
}


@pytest.mark.parametrize("ends", ENDS)
def test_over_http2_each_end_is_told(ends: str, pki: PKI) -> None:
    behaviour, expected = ENDS[ends]

    with listening(behaviour, server_context(pki, alpn="h2")) as port:
        heard = exchange(port, Message(version=Version.HTTP_2), pki.caller())

    assert (heard.failure if isinstance(heard, NoAnswer) else heard) == expected


def test_a_slow_server_ends_in_time_over_http2(pki: PKI) -> None:
    with listening(wait, server_context(pki, alpn="h2")) as port:
        assert exchange(port, OVER_HTTP2, pki.caller(), timeout=0.5) == NoAnswer(failure=Failure.TIMEOUT)
