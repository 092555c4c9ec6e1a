import asyncio
import re
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
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
from mtls_middleware.testing import RegionalCA
from tests.servers.handshake import client_context

LIMIT = 30.0

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


def test_a_body_that_was_invited_may_be_read() -> None:
    """hypercorn sends a 100 before it calls the application."""
    application: Any = Application()
    app: Any = with_facts(application, Transport(peer=PEER), None)
    fields = [(b"host", b"a"), (b"expect", b"100-continue")]

    asyncio.run(app(scope := {"type": "http", "headers": fields}, None, None, "spawn", "soon"))

    assert Application.calls.pop()[0]["headers"] == [(b"host", b"a")]
    assert scope["headers"] is fields


def test_the_workers_find_our_classes() -> None:
    before = AsyncioTCPServer, TrioTCPServer
    create = Config.create_ssl_context
    try:
        hypercorn.tell_connection_facts()

        assert vars(asyncio_run)["TCPServer"] is hypercorn._AsyncioTCPServer
        assert vars(trio_run)["TCPServer"] is hypercorn_trio._TrioTCPServer
    finally:
        vars(asyncio_run)["TCPServer"], vars(trio_run)["TCPServer"] = before
        Config.create_ssl_context = create  # type: ignore[method-assign]  # as it was


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


def test_the_context_of_a_worker_on_asyncio_sends_alerts(tmp_path: Path, server_ca: RegionalCA) -> None:
    config = Config()
    config.certfile, config.keyfile = map(str, server_ca.server().write(tmp_path, "server"))

    async def made() -> tuple[ssl.SSLContext | None, object]:
        return hypercorn._context_with_alerts(config), asyncio.get_running_loop().get_exception_handler()

    context, handler = asyncio.run(made())
    elsewhere = hypercorn._context_with_alerts(config)

    assert context is not None
    assert elsewhere is not None
    assert (context.sslobject_class is ssl.SSLObject, handler is None) == (False, False)
    assert elsewhere.sslobject_class is ssl.SSLObject


def test_without_tls_there_is_no_context() -> None:
    async def made() -> ssl.SSLContext | None:
        return hypercorn._context_with_alerts(Config())

    assert asyncio.run(made()) is None


class TestARefusedHandshakeOnTrio:
    """With real sockets: what a caller gets, how long it is waited for, and what the log says."""

    @pytest.fixture
    def contexts(
        self, tmp_path: Path, server_ca: RegionalCA, region: RegionalCA, other_region: RegionalCA
    ) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*server_ca.server().write(tmp_path, "server"))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=region.der)
        return context, client_context(server_ca, tmp_path, other_region.client(), version=ssl.TLSVersion.TLSv1_2)

    @staticmethod
    def refused(contexts: tuple[ssl.SSLContext, ssl.SSLContext], *, stays: bool = False, speaks: bool = True) -> str:
        """Return the alert that a caller gets, who then waits until the server closes, or goes."""
        serving, calling = contexts

        async def served(stream: trio.SSLStream[trio.SocketStream]) -> None:
            server: Any = hypercorn_trio._TrioTCPServer.__new__(hypercorn_trio._TrioTCPServer)
            server.app, server.config, server.stream = Application(), Config(), stream
            await server.run()

        async def run() -> str:
            async with trio.open_nursery() as nursery:
                serve = partial(trio.serve_ssl_over_tcp, served, 0, serving, host="127.0.0.1")
                (listener,) = await nursery.start(serve)
                port = listener.transport_listener.socket.getsockname()[1]
                plain = await trio.open_tcp_stream("127.0.0.1", port)
                if not speaks:
                    await plain.send_eof()
                    assert await plain.receive_some() == b""
                    await plain.aclose()
                    nursery.cancel_scope.cancel()
                    return ""
                caller = trio.SSLStream(plain, calling, server_hostname="localhost")
                with pytest.raises(trio.BrokenResourceError) as ended:
                    await caller.do_handshake()
                if stays:
                    await plain.send_all(b"still here")
                    while await plain.receive_some():
                        pass
                    with suppress(trio.BrokenResourceError):
                        await plain.send_all(b"and still")
                await plain.aclose()
                while hypercorn_trio._TrioTCPServer.lingering:  # noqa: ASYNC110 - no event tells it
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
                return str(ended.value.__cause__)
            raise AssertionError

        async def bounded() -> str:
            with trio.fail_after(LIMIT):
                return await run()

        return trio.run(bounded)

    @pytest.mark.parametrize("stays", [False, True])
    def test_it_ends_with_an_alert_and_a_line_in_the_log(
        self,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext],
        stays: bool,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(hypercorn_trio, "LINGER_SECONDS", 0.2 if stays else 10 * LIMIT)

        assert "UNKNOWN_CA" in self.refused(contexts, stays=stays)
        expected = r'reason=issuer_untrusted .* fingerprint=[0-9a-f]{64} .* peer="127\.0\.0\.1:\d+"'
        assert re.search(expected, caplog.text)

    def test_who_says_nothing_and_goes_is_not_logged(
        self, contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
    ) -> None:
        """As the probes of load balancers do."""
        self.refused(contexts, speaks=False)

        assert caplog.messages == []

    def test_no_more_than_some_are_waited_for(
        self, contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hypercorn_trio, "LINGER_SECONDS", 10 * LIMIT)
        monkeypatch.setattr(hypercorn_trio, "LINGERING", 0)

        assert "UNKNOWN_CA" in self.refused(contexts, stays=True)
