"""Sessions over real sockets: deadlines against servers that drag, TLS, proxies, and the certificates API whole."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import uvicorn

from mtls_middleware import regions
from mtls_middleware._io.fetch import open_session
from mtls_middleware._io.http import FailureKind, HTTPFailure, Response
from mtls_middleware._trust.genesys.client import CertificatesAPI
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware.testing import GenesysAPI, RegionalCA
from tests.e2e.tunnel import HOST, Tunnel, run_tunnel

pytestmark = pytest.mark.e2e

SECONDS = 0.5
SLACK = 1.5
"""How much later than its deadline a session may end on a busy machine."""

Act = Callable[[socket.socket, threading.Event], None]


def drip(data: bytes) -> Act:
    """Send something now and then, for ever."""

    def act(client: socket.socket, end: threading.Event) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        while not end.wait(0.02):
            client.sendall(data)

    return act


def say_nothing(_: socket.socket, end: threading.Event) -> None:
    end.wait()


def drip_body(client: socket.socket, end: threading.Event) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not end.wait(0.02):
        client.sendall(b"x")


def drip_tls(client: socket.socket, end: threading.Event) -> None:
    """Begin a TLS record of 16,384 bytes, and never end it."""
    client.recv(4096)
    client.sendall(b"\x16\x03\x03\x40\x00")
    while not end.wait(0.02):
        client.sendall(b"\x02")


def promise_too_much(client: socket.socket, _: threading.Event) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")


def speak_in_tongues(client: socket.socket, _: threading.Event) -> None:
    client.recv(4096)
    client.sendall(b"\x00\xff" * 100 + b"\r\n\r\n")


def hang_up(client: socket.socket, _: threading.Event) -> None:
    client.recv(4096)


def greet(client: socket.socket, _: threading.Event) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


@contextmanager
def server(act: Act) -> Iterator[int]:
    """Run one act for each connection; yield the port."""
    end = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(10)
            act(client, end)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            end.set()
            listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def fetch(url: str, *, seconds: float = 10.0, headers: Mapping[str, str] | None = None) -> Response:
    with open_session(seconds=seconds) as session:
        return session.request("GET", url, headers=headers)


@pytest.mark.parametrize(
    ("act", "scheme"),
    [
        pytest.param(say_nothing, "http", id="silence"),
        pytest.param(drip(b"X-More: and more\r\n"), "http", id="headers"),
        pytest.param(drip(b"X"), "http", id="one header"),
        pytest.param(drip_body, "http", id="body"),
        pytest.param(say_nothing, "https", id="silence in the handshake"),
        pytest.param(drip_tls, "https", id="handshake"),
    ],
)
def test_no_server_holds_a_session_beyond_its_deadline(act: Act, scheme: str) -> None:
    with server(act) as port:
        begin = time.monotonic()
        with pytest.raises(HTTPFailure) as raised:
            fetch(f"{scheme}://{HOST}:{port}/", seconds=SECONDS)
        took = time.monotonic() - begin
    assert raised.value.kind in {FailureKind.TIMEOUT, FailureKind.GARBLED}  # headers may become too many before
    assert took < SECONDS + SLACK


@pytest.mark.parametrize(
    ("act", "scheme", "kind"),
    [
        pytest.param(promise_too_much, "http", FailureKind.GARBLED, id="truncated"),
        pytest.param(speak_in_tongues, "http", FailureKind.GARBLED, id="no HTTP"),
        pytest.param(hang_up, "http", FailureKind.GARBLED, id="hung up"),
        pytest.param(greet, "https", FailureKind.TLS, id="no TLS"),
        pytest.param(hang_up, "https", FailureKind.TLS, id="hung up in the handshake"),
    ],
)
def test_a_bad_server_is_a_failure(act: Act, scheme: str, kind: FailureKind) -> None:
    with server(act) as port, pytest.raises(HTTPFailure) as raised:
        fetch(f"{scheme}://{HOST}:{port}/")
    assert raised.value.kind is kind


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HTTPFailure) as raised:
        fetch(f"http://{HOST}:{port}/")
    assert raised.value.kind is FailureKind.UNREACHABLE


def test_the_next_address_of_a_host_is_tried() -> None:
    with server(greet) as port, open_session(resolve=lambda *_: ("127.0.0.9", "::1", HOST)) as session:
        assert session.request("GET", f"http://host.example:{port}/").body == b"hello"


def test_a_name_is_resolved_by_the_system() -> None:
    with server(greet) as port:
        assert fetch(f"http://localhost:{port}/").body == b"hello"


def test_plain_http_goes_through_its_proxy(environment: pytest.MonkeyPatch) -> None:
    with server(greet) as port:
        environment.setenv("http_proxy", f"{HOST}:{port}")
        assert fetch("http://host.example/").body == b"hello"


def test_a_rule_on_addresses_leaves_the_proxy_of_the_environment_alone(environment: pytest.MonkeyPatch) -> None:
    with server(greet) as port, open_session(resolve=lambda *_: ()) as session:
        environment.setenv("http_proxy", f"http://{HOST}:{port}")
        assert session.request("GET", "http://host.example/").body == b"hello"


class Platform:
    """A region's hosts on loopback: TLS in front of the API of the testing kit, reached through a proxy."""

    def __init__(self, api: GenesysAPI, root: RegionalCA, tunnel: Tunnel) -> None:
        self.api = api
        self.root = root
        self.tunnel = tunnel

    def poll(self) -> int:
        region = regions.find("us-east-1")
        assert region is not None
        return len(CertificatesAPI(region, self.api.client_id, self.api.client_secret).poll().certificates)

    def failure(self) -> GenesysFailure:
        with pytest.raises(GenesysFailure) as raised:
            self.poll()
        return raised.value


@pytest.fixture
def platform(tmp_path: Path, environment: pytest.MonkeyPatch) -> Iterator[Platform]:
    root, api = RegionalCA("Public root"), GenesysAPI()
    site = root.server(["login.mypurecloud.com", "api.mypurecloud.com"])
    (tmp_path / "chain.pem").write_text(site.chain_pem)
    (tmp_path / "key.pem").write_text(site.key_pem)
    config = uvicorn.Config(
        api,
        ssl_certfile=tmp_path / "chain.pem",
        ssl_keyfile=str(tmp_path / "key.pem"),
        lifespan="off",
        log_config=None,
        ws="none",
        loop="asyncio",
    )
    running = uvicorn.Server(config)
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        with run_tunnel(listener.getsockname()[1]) as tunnel:
            environment.setenv("https_proxy", f"http://user:pass%40word@{HOST}:{tunnel.port}")
            environment.setenv("SSL_CERT_FILE", str(root.write(tmp_path / "root.pem")))
            yield Platform(api, root, tunnel)
        running.should_exit = True
        thread.join(10)


def test_the_api_is_asked_over_tls_and_through_the_proxy(platform: Platform) -> None:
    platform.api.add(RegionalCA().client(), authority="Genesys")
    assert platform.poll() == 1
    assert set(platform.tunnel.targets) == {"login.mypurecloud.com:443", "api.mypurecloud.com:443"}


def test_one_connection_to_each_host_serves_a_poll(platform: Platform) -> None:
    platform.poll()
    assert (len(platform.tunnel.heads), len(platform.api.calls)) == (2, 4)


def test_the_proxy_gets_its_credentials_and_the_api_does_not(platform: Platform) -> None:
    platform.poll()
    assert [
        head for head in platform.tunnel.heads if "\nProxy-Authorization: Basic dXNlcjpwYXNzQHdvcmQ=\r" not in head
    ] == []
    assert [call for call in platform.api.calls if "proxy-authorization" in call.headers] == []


def test_a_proxy_that_refuses_is_told(platform: Platform) -> None:
    platform.tunnel.refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    failure = platform.failure()
    assert failure.reason is FailureReason.PROXY
    assert "407 Proxy Authentication Required" in failure.text


def test_an_inspected_connection_is_told(platform: Platform, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SSL_CERT_FILE", str(RegionalCA("Another root").write(tmp_path / "other.pem")))
    failure = platform.failure()
    assert failure.reason is FailureReason.TLS
    assert "login.mypurecloud.com gave no answer: the server's certificate is not trusted here" in failure.text
    assert "if a proxy inspects TLS, add its root" in failure.next_step


@pytest.mark.usefixtures("platform")
def test_a_certificate_for_another_host_is_refused() -> None:
    with pytest.raises(HTTPFailure, match="not trusted") as raised:
        fetch("https://api.mypurecloud.ie/")
    assert raised.value.kind is FailureKind.TLS


def test_tls_is_at_least_1_2(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = RegionalCA("Public root")
    site = root.server()
    (tmp_path / "chain.pem").write_text(site.chain_pem)
    (tmp_path / "key.pem").write_text(site.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    environment.setenv("SSL_CERT_FILE", str(root.write(tmp_path / "root.pem")))
    versions: list[str | None] = []

    def greet_over_tls(client: socket.socket, end: threading.Event) -> None:
        with context.wrap_socket(client, server_side=True) as secure:
            versions.append(secure.version())
            greet(secure, end)

    with server(greet_over_tls) as port:
        assert fetch(f"https://localhost:{port}/").body == b"hello"
    assert set(versions) <= {"TLSv1.2", "TLSv1.3"}
