import asyncio
from typing import Any

import pytest
import trio
from hypercorn.asyncio import run as asyncio_run
from hypercorn.asyncio.tcp_server import TCPServer as AsyncioTCPServer
from hypercorn.config import Config
from hypercorn.trio import run as trio_run
from hypercorn.trio.tcp_server import TCPServer as TrioTCPServer

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers import hypercorn, hypercorn_trio
from mtls_middleware.servers.scope import with_facts

PEER = ("192.0.2.7", 4711)


class TLSObject:
    """Stand for a TLS object without a certificate."""

    def getpeercert(self, _binary: bool, /) -> bytes | None:
        return None

    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> None:
        return None


def call(app: Any) -> dict[str, Any]:
    """Call an application as hypercorn does, and return the scope that it passes on."""
    asyncio.run(app({"type": "http"}, None, None, "spawn", "soon"))
    scope: dict[str, Any] = Application.calls.pop()[0]
    return scope


class Application:
    """Keep how it was called."""

    calls: list[tuple[Any, ...]] = []  # noqa: RUF012 - emptied by each call

    async def __call__(self, scope: Any, *rest: Any) -> None:
        self.calls.append((scope, *rest))


def test_the_application_is_called_with_hypercorns_own_arguments() -> None:
    application: Any = Application()
    app: Any = with_facts(application, Transport(peer=PEER), None)

    asyncio.run(app({"type": "http"}, "receive", "send", "spawn", "soon"))

    assert Application.calls.pop()[1:] == ("receive", "send", "spawn", "soon")


def test_the_workers_find_our_classes() -> None:
    before = AsyncioTCPServer, TrioTCPServer
    try:
        hypercorn.tell_connection_facts()

        assert vars(asyncio_run)["TCPServer"] is hypercorn._AsyncioTCPServer
        assert vars(trio_run)["TCPServer"] is hypercorn_trio._TrioTCPServer
    finally:
        vars(asyncio_run)["TCPServer"], vars(trio_run)["TCPServer"] = before


class Writer:
    """Stand for the writer of a connection on asyncio."""

    def __init__(self, tls_object: Any) -> None:
        self._tls_object = tls_object
        self.transport = asyncio.BaseTransport({"peername": PEER})

    def get_extra_info(self, name: str) -> Any:
        assert name == "ssl_object"
        return self._tls_object


@pytest.mark.parametrize(("tls_object", "tells_tls"), [(None, False), (TLSObject(), True)], ids=["plain", "TLS"])
def test_a_connection_on_asyncio_wraps_the_application(
    monkeypatch: pytest.MonkeyPatch, tls_object: Any, tells_tls: bool
) -> None:
    async def served(_self: Any) -> None:
        return

    monkeypatch.setattr(AsyncioTCPServer, "run", served)
    server: Any = hypercorn._AsyncioTCPServer.__new__(hypercorn._AsyncioTCPServer)
    server.app, server.writer = Application(), Writer(tls_object)

    asyncio.run(server.run())
    scope = call(server.app)

    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=PEER)
    assert ("extensions" in scope) is tells_tls


class Socket:
    """Stand for a socket of trio; an exception in the place of a name is raised."""

    family = 2

    def __init__(self, name: Any) -> None:
        self._name = name

    def getpeername(self) -> Any:
        if isinstance(self._name, Exception):
            raise self._name
        return self._name


class Stream:
    """Stand for a stream without TLS."""

    def __init__(self, name: Any) -> None:
        self.socket = Socket(name)


class SecureStream:
    """Stand for a stream with TLS; an exception in the place of a handshake is raised."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self._ssl_object = TLSObject()
        self.transport_stream = Stream(PEER)

    async def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure


def serve_on_trio(monkeypatch: pytest.MonkeyPatch, stream: Any) -> Any:
    """Return the server after its connection, and whether hypercorn's own part ran."""
    ran: list[bool] = []

    async def served(_self: Any) -> None:
        ran.append(True)

    monkeypatch.setattr(TrioTCPServer, "run", served)
    server: Any = hypercorn_trio._TrioTCPServer.__new__(hypercorn_trio._TrioTCPServer)
    server.app, server.config, server.stream = Application(), Config(), stream
    trio.run(server.run)
    return server, bool(ran)


@pytest.mark.parametrize(
    ("stream", "peer", "tells_tls"),
    [
        pytest.param(lambda: Stream(PEER), PEER, False, id="plain"),
        pytest.param(lambda: Stream(OSError("gone")), ("unknown", 0), False, id="gone"),
        pytest.param(SecureStream, PEER, True, id="TLS"),
    ],
)
def test_a_connection_on_trio_wraps_the_application(
    monkeypatch: pytest.MonkeyPatch, stream: Any, peer: tuple[str, int], tells_tls: bool
) -> None:
    server, _ = serve_on_trio(monkeypatch, stream())
    scope = call(server.app)

    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=peer)
    assert ("extensions" in scope) is tells_tls


@pytest.mark.parametrize("failure", [trio.BrokenResourceError(), trio.ClosedResourceError(), trio.TooSlowError()])
def test_a_handshake_that_fails_ends_the_connection(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    _, ran = serve_on_trio(monkeypatch, SecureStream(failure))

    assert not ran
