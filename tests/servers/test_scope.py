import asyncio
import socket
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers.scope import peer_of, with_connection_facts

TCP = Transport(peer=("192.0.2.7", 4711))


class Socket:
    def __init__(self, family: socket.AddressFamily) -> None:
        self.family = family


@pytest.mark.parametrize(
    ("peername", "family", "peer"),
    [
        pytest.param(("192.0.2.7", 4711), socket.AF_INET, ("192.0.2.7", 4711), id="IPv4"),
        pytest.param(("2001:db8::7", 4711, 0, 0), socket.AF_INET6, ("2001:db8::7", 4711), id="IPv6"),
        pytest.param("", socket.AF_UNIX, None, id="unix socket"),
        pytest.param("/run/caller", socket.AF_UNIX, None, id="unix socket with a name"),
        pytest.param(None, socket.AF_UNIX, None, id="unix socket without any"),
        pytest.param(None, socket.AF_INET, ("unknown", 0), id="TCP peer that has gone is no unix socket"),
        pytest.param("", socket.AF_INET6, ("unknown", 0), id="IPv6 peer that has gone is no unix socket"),
        pytest.param(None, None, ("unknown", 0), id="nothing known"),
    ],
)
def test_the_peer_is_read_from_the_wire(
    peername: Any, family: socket.AddressFamily | None, peer: tuple[str, int] | None
) -> None:
    extra = {"peername": peername, "socket": None if family is None else Socket(family)}

    assert peer_of(asyncio.BaseTransport(extra)) == Transport(peer=peer)


class App:
    """Keep each scope."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        self.scopes.append(scope)


async def nothing() -> Message:
    raise AssertionError("not called")


async def nowhere(message: Message) -> None:
    raise AssertionError(message)


def call(app: App, scope: Scope, *, tls: dict[str, Any] | None = None, times: int = 1) -> None:
    wrapped = with_connection_facts(app, TCP, tls)

    async def serve() -> None:
        for _ in range(times):
            await wrapped(scope, nothing, nowhere)

    asyncio.run(serve())


def test_the_scope_tells_peer_and_extension() -> None:
    app = App()

    call(app, {"type": "http"}, tls={"tls_version": 0x0304})

    assert app.scopes[0][TRANSPORT_SCOPE_KEY] == TCP
    assert app.scopes[0]["extensions"] == {"tls": {"tls_version": 0x0304}}


def test_there_is_no_extension_without_tls() -> None:
    app = App()

    call(app, {"type": "http", "extensions": {"http.response.trailers": {}}})

    assert app.scopes[0]["extensions"] == {"http.response.trailers": {}}


def test_other_extensions_stay() -> None:
    app = App()

    call(app, {"type": "websocket", "extensions": {"websocket.http.response": {}}}, tls={})

    assert app.scopes[0]["extensions"] == {"websocket.http.response": {}, "tls": {}}


def test_neither_the_scope_nor_its_dicts_are_changed() -> None:
    shared: Scope = {"type": "http", "extensions": {"other": {}}}

    call(App(), shared, tls={"client_cert_chain": ("leaf",)})

    assert shared == {"type": "http", "extensions": {"other": {}}}


def test_what_an_application_writes_does_not_reach_the_next_request() -> None:
    app = App()

    call(app, {"type": "http"}, tls={"client_cert_chain": ("leaf",)}, times=2)
    app.scopes[0]["extensions"]["tls"]["client_cert_chain"] = ("forged",)

    assert app.scopes[1]["extensions"]["tls"] == {"client_cert_chain": ("leaf",)}


def test_extensions_that_are_none_are_none() -> None:
    app = App()

    call(app, {"type": "http", "extensions": None}, tls={"tls_version": 1})

    assert app.scopes[0]["extensions"]["tls"] == {"tls_version": 1}
