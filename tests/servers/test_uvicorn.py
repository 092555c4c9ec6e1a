"""The protocol classes on a transport in memory. Real sockets: tests/e2e."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.importer import import_from_string
from uvicorn.server import ServerState

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers.uvicorn import PIPELINED, H11Protocol, HttpToolsProtocol

Protocol = type[H11Protocol] | type[HttpToolsProtocol]

BOTH = pytest.mark.parametrize("protocol", [H11Protocol, HttpToolsProtocol], ids=["h11", "httptools"])

CHUNKED = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
TRAILER = b"0\r\nX-SSL-Client-Cert: forged\r\n\r\n"
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\nX-Own: %s\r\n\r\n"


class Wire(asyncio.Transport):
    """Take what a protocol writes."""

    def __init__(self, **extra: Any) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711), "sockname": ("192.0.2.1", 443), **extra})
        self.written = b""
        self.closed = False
        self.protocol: Any = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class Handover(asyncio.Protocol):
    """Take what uvicorn gives to the protocol that takes over for a WebSocket."""

    headers: list[tuple[bytes, bytes]] = []  # noqa: RUF012 - of the last one

    def __init__(self, **_: Any) -> None: ...

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"POST"):
            return
        lines = data.split(b"\r\n")[1:-2]
        Handover.headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


class Conversation:
    """Hold one connection to a protocol, and the scopes that the application saw."""

    def __init__(self, protocol: Protocol, wire: Wire, **options: Any) -> None:
        self.scopes: list[Scope] = []
        self.late_headers: list[list[tuple[bytes, bytes]]] = []
        self.wire = wire
        self.config = uvicorn.Config(self._app, http=protocol, interface="asgi3", log_config=None, **options)
        self.config.load()
        self.loaded_app = self.config.loaded_app
        self.state = ServerState()
        self.protocol = protocol(self.config, self.state, {})
        self.protocol.connection_made(wire)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append({**scope, "headers": list(scope["headers"])})
        while (await receive()).get("more_body"):
            pass
        self.late_headers.append(list(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def settle(self) -> None:
        """Let the application go on until it waits for the caller."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def hear(self, *parts: bytes) -> None:
        for part in parts:
            (self.wire.protocol or self.protocol).data_received(part)
            await self.settle()


def converse(protocol: Protocol, *parts: bytes, wire: Wire | None = None, **options: Any) -> Conversation:
    async def run() -> Conversation:
        conversation = Conversation(protocol, wire or Wire(), **options)
        await conversation.hear(*parts)
        conversation.protocol.connection_lost(None)
        await conversation.settle()
        return conversation

    return asyncio.run(run())


def names(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [name for name, _ in headers]


@BOTH
def test_the_scope_tells_the_real_peer(protocol: Protocol) -> None:
    scope = converse(protocol, GET % (b"", b"1")).scopes[0]

    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=("192.0.2.7", 4711))


@BOTH
def test_a_forwarded_address_does_not_become_the_peer(protocol: Protocol) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.5:4711\r\n\r\n"

    scope = converse(protocol, request, forwarded_allow_ips="*").scopes[0]

    assert scope["client"] == ("10.0.0.5", 4711)
    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=("192.0.2.7", 4711))


@BOTH
@pytest.mark.parametrize("forwarded", [b"10.0.0.5:4711", b"10.0.0.5", b"2001:db8::1"])
def test_the_access_log_names_the_client_as_uvicorn_does(
    protocol: Protocol, forwarded: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    stock: Any = next(kind for kind in protocol.__mro__ if kind.__module__.startswith("uvicorn."))
    request = b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\n\r\n" % forwarded

    for one in (stock, protocol):
        converse(one, request, forwarded_allow_ips="*")

    stocks, ours = (record.getMessage() for record in caplog.records if record.name == "uvicorn.access")
    assert ours == stocks
    assert forwarded.split(b":")[0].decode() in ours


@BOTH
def test_there_is_no_extension_without_tls(protocol: Protocol) -> None:
    assert "extensions" not in converse(protocol, GET % (b"", b"1")).scopes[0]


class TLSObject:
    def getpeercert(self, binary_form: bool) -> bytes | None:
        return b"leaf" if binary_form else None

    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        return ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128)


@BOTH
def test_a_tls_connection_has_the_extension(protocol: Protocol) -> None:
    scope = converse(protocol, GET % (b"", b"1"), wire=Wire(ssl_object=TLSObject(), sslcontext=object())).scopes[0]

    assert scope["extensions"]["tls"] == {
        "server_cert": None,
        "client_cert_chain": (ssl.DER_cert_to_PEM_cert(b"leaf"),),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": 0x1301,
    }


@BOTH
def test_a_unix_socket_has_no_peer(protocol: Protocol) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        scope = converse(protocol, GET % (b"", b"1"), wire=Wire(peername="", socket=unix)).scopes[0]

    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=None)


@BOTH
@pytest.mark.parametrize("upgrade", [b"", b"Connection: upgrade\r\nUpgrade: websocket\r\n"], ids=["http", "websocket"])
def test_one_connection_does_not_change_the_configuration_of_the_next(protocol: Protocol, upgrade: bytes) -> None:
    conversation = converse(protocol, b"GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % upgrade)

    assert conversation.config.loaded_app is conversation.loaded_app


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
RESPONSE = [
    {"type": "websocket.http.response.start", "status": 403, "headers": [(b"content-length", b"2")]},
    {"type": "websocket.http.response.body", "body": b"n", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"o"},
]


@BOTH
@pytest.mark.parametrize(
    ("ws", "sent", "is_error"),
    [
        ("websockets-sansio", RESPONSE, False),
        ("wsproto", RESPONSE, False),
        ("websockets-sansio", RESPONSE[:2], True),
        ("websockets-sansio", [], True),
        ("wsproto", [], True),
    ],
    ids=["websockets", "wsproto", "half", "websockets-none", "wsproto-none"],
)
def test_lesson_a_websocket_that_is_refused_is_no_error_in_the_log(
    protocol: Protocol, ws: str, sent: list[dict[str, Any]], *, is_error: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(Conversation):
        async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
            await receive()
            for message in sent:
                await send(message)

    async def run() -> Wire:
        refusing = Refusing(protocol, Wire(), ws=ws)
        await refusing.hear(UPGRADE)
        refusing.protocol.connection_lost(None)
        return refusing.wire

    wire = asyncio.run(run())

    assert ("ASGI callable returned without completing handshake." in caplog.messages) is is_error
    if sent == RESPONSE:
        assert wire.written.startswith(b"HTTP/1.1 403 ")
        assert wire.written.endswith(b"\r\n\r\nno")
        assert wire.closed


@BOTH
def test_the_lifespan_is_left_alone(protocol: Protocol) -> None:
    conversation = converse(protocol, proxy_headers=False)

    assert conversation.config.loaded_app == conversation._app


def at_once(*parts: bytes) -> tuple[bytes, ...]:
    return (b"".join(parts),)


def one_by_one(*parts: bytes) -> tuple[bytes, ...]:
    return parts


def byte_by_byte(*parts: bytes) -> tuple[bytes, ...]:
    return tuple(bytes([byte]) for byte in b"".join(parts))


CUTS = pytest.mark.parametrize("cut", [at_once, one_by_one, byte_by_byte])


@BOTH
@CUTS
def test_trailers_are_no_headers(protocol: Protocol, cut: Callable[..., tuple[bytes, ...]]) -> None:
    conversation = converse(protocol, *cut(CHUNKED % b"", TRAILER))

    assert names(conversation.scopes[0]["headers"]) == [b"host", b"transfer-encoding"]
    assert names(conversation.late_headers[0]) == [b"host", b"transfer-encoding"]


@BOTH
@CUTS
@pytest.mark.parametrize("upgrade", [b"websocket", b"carrier-pigeon"])
def test_trailers_of_an_upgrade_are_no_headers(
    protocol: Protocol, upgrade: bytes, cut: Callable[..., tuple[bytes, ...]]
) -> None:
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: %s\r\n" % upgrade
    body = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

    conversation = converse(protocol, *cut(request + body, TRAILER), ws=Handover)

    seen = conversation.late_headers or [Handover.headers]
    assert [set(names(headers)) for headers in seen] == [{b"host", b"connection", b"upgrade", b"transfer-encoding"}]


@BOTH
@CUTS
def test_trailers_do_not_reach_the_next_request(protocol: Protocol, cut: Callable[..., tuple[bytes, ...]]) -> None:
    conversation = converse(protocol, *cut(CHUNKED % b"first", TRAILER, GET % (b"second", b"2")))

    assert [scope["path"] for scope in conversation.scopes] == ["/first", "/second"]
    assert conversation.late_headers[1] == [(b"host", b"localhost"), (b"x-own", b"2")]


@BOTH
@CUTS
def test_pipelined_requests_keep_their_headers(protocol: Protocol, cut: Callable[..., tuple[bytes, ...]]) -> None:
    conversation = converse(protocol, *cut(GET % (b"1", b"1"), GET % (b"2", b"2"), GET % (b"3", b"3")))

    assert [dict(headers)[b"x-own"] for headers in conversation.late_headers] == [b"1", b"2", b"3"]


def test_uvicorns_own_httptools_protocol_takes_trailers_for_headers() -> None:
    """The day this fails, uvicorn does it by itself."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Stock  # noqa: PLC0415 - for this test alone

    stock: Any = Stock

    conversation = converse(stock, CHUNKED % b"", TRAILER)

    assert b"x-ssl-client-cert" in names(conversation.late_headers[0])


def test_the_classes_can_be_named_on_the_command_line() -> None:
    for protocol in (H11Protocol, HttpToolsProtocol):
        assert import_from_string(f"mtls_middleware.servers.uvicorn:{protocol.__name__}") is protocol


def test_requests_that_nobody_reads_the_answers_of_end_the_connection() -> None:
    """uvicorn reads on after each answer, and here a request is answered for each hundred that come."""

    async def run() -> None:
        conversation = Conversation(HttpToolsProtocol, Wire())
        protocol: Any = conversation.protocol
        waiting: list[int] = []
        for _ in range(20):
            protocol.data_received(GET % (b"", b"1") * 100)
            await conversation.settle()
            waiting.append(len(protocol.pipeline))
        assert max(waiting) <= PIPELINED
        assert conversation.wire.closed
        conversation.protocol.connection_lost(None)

    asyncio.run(run())


def test_as_many_requests_at_once_as_may_wait_are_answered() -> None:
    async def run() -> None:
        conversation = Conversation(HttpToolsProtocol, Wire())
        await conversation.hear(GET % (b"", b"1") * PIPELINED)
        for _ in range(PIPELINED):
            await conversation.settle()
        assert not conversation.wire.closed
        assert conversation.wire.written.count(b"HTTP/1.1 200 OK") == PIPELINED
        conversation.protocol.connection_lost(None)

    asyncio.run(run())
