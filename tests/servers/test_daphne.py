"""The parts of the daphne adapter; nothing listens here."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

if find_spec("daphne") is None:
    pytest.skip("daphne is not installed: its autobahn has no wheel for CPython 3.15", allow_module_level=True)

from daphne import server as stock  # type: ignore[import-untyped]  # daphne ships no types
from daphne.cli import CommandLineInterface  # type: ignore[import-untyped]
from OpenSSL import SSL
from twisted.internet.address import IPv4Address, UNIXAddress

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers import daphne
from mtls_middleware.testing import ClientCertificate, RegionalCA

PEER = ("192.0.2.7", 4711)


class Plain:
    """Stand for a transport of Twisted without TLS."""

    def __init__(self, address: Any = None) -> None:
        self._address = address or IPv4Address("TCP", *PEER)

    def getPeer(self) -> Any:  # noqa: N802 - Twisted's name
        return self._address


class Secure(Plain):
    """Stand for a transport of Twisted with TLS."""

    def __init__(self, connection: SSL.Connection) -> None:
        super().__init__()
        self._connection = connection

    def getPeerCertificate(self) -> Any:  # noqa: N802 - Twisted's name
        return self._connection.get_peer_certificate()

    def getHandle(self) -> SSL.Connection:  # noqa: N802 - Twisted's name
        return self._connection


def create(monkeypatch: pytest.MonkeyPatch, protocol: Any, scope: dict[str, Any]) -> dict[str, Any]:
    """Return the scope that daphne's own server would start an application with."""
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(stock.Server, "create_application", lambda _self, _protocol, scope: started.append(scope))
    daphne.Server.__new__(daphne.Server).create_application(protocol, scope)
    return started[0]


PROTOCOLS = [
    pytest.param(lambda transport: SimpleNamespace(transport=transport), id="WebSocket"),
    pytest.param(lambda transport: SimpleNamespace(channel=SimpleNamespace(transport=transport)), id="HTTP/1.1"),
    pytest.param(
        lambda transport: SimpleNamespace(channel=SimpleNamespace(_conn=SimpleNamespace(transport=transport))),
        id="HTTP/2",
    ),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_peer_is_that_of_the_transport(monkeypatch: pytest.MonkeyPatch, protocol: Any) -> None:
    scope = create(monkeypatch, protocol(Plain()), {"type": "http", "client": ["10.0.0.5", 0]})

    assert scope == {"type": "http", "client": ["10.0.0.5", 0], TRANSPORT_SCOPE_KEY: Transport(peer=PEER)}


def test_a_unix_socket_has_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    scope = create(monkeypatch, SimpleNamespace(transport=Plain(UNIXAddress("/run/caller"))), {"type": "http"})

    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=None)


@pytest.mark.parametrize("presents", [True, False], ids=["certificate", "none"])
def test_the_certificate_is_that_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, region: RegionalCA, server_ca: RegionalCA, tmp_path: Path, presents: bool
) -> None:
    client = region.intermediate().client()
    connection = shaken(region, server_ca, tmp_path, client if presents else None)

    scope = create(
        monkeypatch, SimpleNamespace(transport=Secure(connection)), {"type": "http", "extensions": {"own": {}}}
    )

    tls = scope["extensions"]["tls"]
    assert tls["client_cert_chain"] == (client.pems if presents else ())
    assert (tls["tls_version"], scope["extensions"]["own"]) == (0x0304, {})


def shaken(region: RegionalCA, server_ca: RegionalCA, folder: Path, client: ClientCertificate | None) -> SSL.Connection:
    """Return the server's end after a handshake in memory, with the context that the adapter makes."""
    listening: list[Any] = []
    reactor = SimpleNamespace(listenSSL=lambda *arguments: listening.append(arguments), callLater="forwarded")
    asks = daphne._AsksForCertificates(reactor, region.write(folder), required=False)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    certificate, key = server_ca.server().write(folder, "server")
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    asks.listenSSL(8443, "factory", SimpleNamespace(getContext=lambda: context))
    assert (listening[0][0], asks.callLater) == (8443, "forwarded")
    server = SSL.Connection(context)
    server.set_accept_state()
    of_caller = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if client is not None:
        own, own_key = client.write(folder, "client")
        of_caller.use_certificate_chain_file(str(own))
        of_caller.use_privatekey_file(str(own_key))
    caller = SSL.Connection(of_caller)
    caller.set_connect_state()
    done: set[int] = set()
    while len(done) < 2:
        for end, other in ((caller, server), (server, caller)):
            try:
                end.do_handshake()
                done.add(id(end))
            except SSL.WantReadError:
                done.discard(id(end))
            try:
                other.bio_write(end.bio_read(65_536))
            except SSL.WantReadError:
                continue
    return server


def test_a_server_without_anchors_asks_for_no_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reactors: list[Any] = []
    monkeypatch.setattr(daphne, "serverFromString", lambda reactor, _description: reactors.append(reactor))
    server = daphne.Server.__new__(daphne.Server)
    for path in (None, tmp_path):
        server._client_ca, server._client_required = path, False
        server._endpoint("reactor", "ssl:8443")

    assert [isinstance(one, daphne._AsksForCertificates) for one in reactors] == [False, True]


def test_the_server_begins_with_our_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Any] = []
    monkeypatch.setattr(stock, "serverFromString", None)
    monkeypatch.setattr(stock.Server, "run", lambda _self: used.append(stock.serverFromString))
    server = daphne.Server(application=None, endpoints=["tcp:port=0"])

    server.run()

    assert used == [server._endpoint]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        pytest.param(["main:app"], (None, False), id="neither"),
        pytest.param(["--client-ca", "ca.pem", "main:app"], (Path("ca.pem"), False), id="asked for"),
        pytest.param(["--client-required", "--client-ca", "ca.pem", "main:app"], (Path("ca.pem"), True), id="required"),
    ],
)
def test_our_options_are_taken_and_the_others_are_daphnes(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], given: tuple[Path | None, bool]
) -> None:
    rest: list[Any] = []
    monkeypatch.setattr(CommandLineInterface, "run", lambda _self, rest_of_it: rest.append(rest_of_it))
    line = daphne.CommandLine()

    line.run(arguments)

    options = line.server_class.keywords
    assert (options["client_ca"], options["client_required"], rest) == (*given, [["main:app"]])


def test_a_certificate_cannot_be_required_without_anchors() -> None:
    with pytest.raises(SystemExit):
        daphne.CommandLine().run(["--client-required", "main:app"])
