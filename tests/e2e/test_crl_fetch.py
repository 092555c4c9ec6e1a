"""Revocation lists from a real server on loopback: which addresses are contacted, and which not even connected to."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest

from mtls_middleware._io.fetch import AddressPolicy, Fetcher
from mtls_middleware._io.files import InputError

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("without_http_proxies")]

CONTENT = b"content of a list"
LOOPBACK = [ip_network("127.0.0.0/8")]


class CRLHost(ThreadingHTTPServer):
    """Serve `CONTENT` under /a.crl, redirect /to?ADDRESS there, and count connections."""

    connections = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type] # as the base class says

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a caller that had enough."""

    def at(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, target = self.path.partition("?")
        self.send_response(302 if path == "/to" else 200)
        if path == "/to":
            self.send_header("Location", target)
        body = bytes(1_000_000) if path == "/large" else CONTENT
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[CRLHost]:
    with CRLHost() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def refusal(fetcher: Fetcher, address: str) -> str:
    with pytest.raises(InputError) as caught:
        fetcher(address)
    return str(caught.value)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_this_machine_is_not_even_connected_to(host: CRLHost, name: str) -> None:
    why = refusal(Fetcher(AddressPolicy()), host.at("/a.crl", name))
    assert "not public" in why or "writes an IP address in an unusual way" in why
    assert host.connections == 0


def test_an_allowed_network_is(host: CRLHost) -> None:
    assert Fetcher(AddressPolicy(networks=LOOPBACK))(host.at("/a.crl")) == CONTENT


def test_the_host_of_a_listed_address_is(host: CRLHost) -> None:
    assert Fetcher(AddressPolicy(listed=[host.at("/b.crl")]))(host.at("/a.crl")) == CONTENT


def test_a_redirect_from_a_listed_host_leads_to_no_private_one(host: CRLHost) -> None:
    with CRLHost() as inner:
        address = host.at(f"/to?{inner.at('/a.crl')}")
        assert "not public" in refusal(Fetcher(AddressPolicy(listed=[address])), address)
    assert (host.connections, inner.connections) == (1, 0)


def test_a_redirect_within_allowed_networks_is_followed(host: CRLHost) -> None:
    address = host.at(f"/to?{host.at('/a.crl')}")
    assert Fetcher(AddressPolicy(networks=LOOPBACK))(address) == CONTENT


def test_a_list_that_is_too_large_is_not_taken(host: CRLHost) -> None:
    fetcher = Fetcher(AddressPolicy(networks=LOOPBACK), body_bytes=1000)
    assert "larger than 1,000 bytes" in refusal(fetcher, host.at("/large"))


def test_a_name_that_nobody_knows_says_so() -> None:
    assert "cannot be" in refusal(Fetcher(AddressPolicy()), "http://crl.invalid/a.crl")


def test_through_a_proxy_the_proxy_is_contacted_wherever_it_is(host: CRLHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", host.at(""))
    assert Fetcher(AddressPolicy())("http://crl.invalid/a.crl") == CONTENT


@pytest.mark.parametrize(
    "name",
    ["169.254.169.254", "127.0.0.1.", "localhost.", "192.0.0.192", "[fec0::1]", "[64:ff9b:1::1]", "[::127.0.0.1]"],
)
def test_through_a_proxy_no_written_out_private_address_is_asked_for(
    host: CRLHost, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("http_proxy", host.at(""))
    assert "leads to" in refusal(Fetcher(AddressPolicy()), f"http://{name}/latest")
    assert host.connections == 0
