"""Peers that say nothing, or too little, on real sockets: they lose their connection, and honest ones keep theirs."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

import mtls_middleware.servers.uvicorn as adapter
from mtls_middleware.observing.logging import Limiter
from mtls_middleware.servers import head_deadline
from mtls_middleware.testing import RegionalCA
from tests.servers.handshake import client_context

HEAD = 0.3
"""Seconds for a head here."""

LONG = 4 * HEAD
"""Longer than any head may take."""

PATIENT = 1.0
"""Seconds for a head where an honest one must be in time, on a busy machine too."""

ENDED = 20.0
"""Seconds until a test gives up: a connection that is kept is kept for ever."""

ATTEMPTS = 5
"""Of a test whose first request came too late."""

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
UPGRADE = (
    b"GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

CLASSES = ["H11Protocol", "HttpToolsProtocol"]
if find_spec("uvicorn.protocols.http.auto_zttp_impl") is not None:
    CLASSES += ["ZttpProtocol", "AutoZttpProtocol"]

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the body, after a while under ``/slow``, at once under ``/early``; echo a WebSocket's text."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        return
    body, more = b"", scope["path"] != "/early"
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(LONG)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test the lines of a flood of its own: the limit belongs to the process, and other tests use it up."""
    monkeypatch.setattr(head_deadline, "_LIMITER", Limiter())


class TooEarlyError(Exception):
    """The connection was closed before an answer: on a busy machine the request itself may have come too late."""


@dataclass(kw_only=True)
class Served:
    """Serve one protocol class, and connect to it."""

    protocol: str
    server_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def peer(self, head_timeout: float = HEAD) -> AsyncIterator[Peer]:
        config = uvicorn.Config(
            answering,
            http=type("Hasty", (getattr(adapter, self.protocol),), {"head_timeout": head_timeout}),
            log_config=None,
            **{"timeout_keep_alive": 60, "ws": "websockets-sansio", **self.options},
        )
        config.load()
        state = ServerState()
        make: Any = config.http_protocol_class
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: make(config=config, server_state=state, app_state={}), "127.0.0.1", 0, ssl=self.server_tls
        )
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self.client_tls)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            server.close()
            for task in state.tasks:
                task.cancel()
            await asyncio.gather(*state.tasks, return_exceptions=True)

    def run(self, talk: Talk, **how: Any) -> None:
        async def talking() -> None:
            async with asyncio.timeout(ENDED), self.peer(**how) as (reader, writer):
                await talk(reader, writer)

        for attempt in range(1, ATTEMPTS + 1):
            try:
                asyncio.run(talking())
            except TooEarlyError:
                if attempt == ATTEMPTS:
                    raise
            else:
                return


@pytest.fixture(params=CLASSES)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["plain", "tls"])
def served(request: pytest.FixtureRequest, protocol: str, server_ca: RegionalCA, tmp_path: Path) -> Served:
    if request.param == "plain":
        return Served(protocol=protocol)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_ca.server().write(tmp_path, "server"))
    return Served(protocol=protocol, server_tls=context, client_tls=client_context(server_ca, tmp_path))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Wait until the other end closes the connection; whatever it says before that is none of ours."""
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        pass
    return True


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return the body of one answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise TooEarlyError from error
    assert head.startswith(b"HTTP/1.1 200"), head
    (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return await reader.readexactly(length)


async def drip(writer: asyncio.StreamWriter, data: bytes, pause: float = HEAD / 5) -> None:
    """Send bytes one by one, until there is nobody to take them."""
    for byte in data:
        if writer.transport.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(pause)


def test_a_peer_that_says_nothing_is_gone(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await is_closed(reader)

    served.run(talk)

    (record,) = [record for record in caplog.records if record.name == "mtls_middleware.connections"]
    assert record.levelno == logging.WARNING
    assert "no complete request head within 0.3 s and 262144 bytes peer=127.0.0.1:" in record.getMessage()


@pytest.mark.parametrize("part", [b"G", GET[:-2], b"PRI * HTT"], ids=["method", "head", "http2"])
def test_half_a_head_is_not_waited_for(part: bytes, served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(part)
        assert await is_closed(reader)

    served.run(talk)


def test_dripping_does_not_prolong_the_deadline(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        endless = b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000  # at this pace 33 times the time until a test gives up
        dripping = asyncio.create_task(drip(writer, endless))
        assert await is_closed(reader)
        dripping.cancel()

    served.run(talk)


@pytest.mark.parametrize("how", ["after the answer", "with the request", "dripping"])
def test_half_a_second_head_is_not_waited_for(how: str, served: Served) -> None:
    served.options["timeout_keep_alive"] = 1  # it alone bounds what came together with the first request

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + GET[:9] if how == "with the request" else GET)
        await answer(reader)
        if how == "after the answer":
            writer.write(GET[:9])
        dripping = asyncio.create_task(drip(writer, b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000))
        if how != "dripping":
            dripping.cancel()
        assert await is_closed(reader)
        dripping.cancel()

    served.run(talk)


def test_the_body_of_an_answered_request_is_not_waited_for(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n")
        await answer(reader)
        dripping = asyncio.create_task(drip(writer, b"x" * 10_000))
        assert await is_closed(reader)
        dripping.cancel()

    served.run(talk)


def test_an_upgrade_to_what_nobody_speaks_is_bounded(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADE % (b"", b"carrier-pigeon"))
        await answer(reader)
        dripping = asyncio.create_task(drip(writer, b"x" * 10_000))
        assert await is_closed(reader)
        dripping.cancel()

    served.run(talk)


def test_a_slow_body_arrives(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(POST)
        await drip(writer, b"slow", pause=LONG / 4)
        assert await answer(reader) == b"slow"

    served.run(talk)


def test_a_slow_answer_is_waited_for(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET.replace(b" / ", b" /slow "))
        assert await answer(reader) == b""

    served.run(talk)


def test_an_idle_connection_stays_for_the_time_of_uvicorn(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in (POST + b"1st.", POST + b"2nd."):
            writer.write(request)
            assert await answer(reader) == request[-4:]
            await asyncio.sleep(LONG)
            assert not reader.at_eof()

    served.run(talk)


def test_a_head_in_parts_is_in_time(served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await drip(writer, POST[:-2], pause=0)
            writer.write(POST[-2:] + b"good")
            assert await answer(reader) == b"good"
        await asyncio.sleep(1.2 * PATIENT)
        assert not reader.at_eof()

    served.run(talk, head_timeout=PATIENT)


@pytest.mark.parametrize("first", [b"", GET], ids=["first", "later"])
def test_a_websocket_is_not_cut(first: bytes, served: Served) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first:
            writer.write(first)
            await answer(reader)
        upgrade = UPGRADE % (b"", b"websocket")
        writer.write(upgrade[:40])
        await asyncio.sleep(PATIENT / 20)
        writer.write(upgrade[40:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        await asyncio.sleep(1.2 * PATIENT)
        writer.write(b"\x81\x84\0\0\0\0text")
        assert await reader.readexactly(6) == b"\x81\x04text"

    served.run(talk, head_timeout=PATIENT)


@pytest.mark.skipif("AutoZttpProtocol" not in CLASSES, reason="uvicorn below 0.52 knows no zttp")
def test_frames_of_no_request_do_not_prolong_the_deadline_of_http_2() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        ping = b"\0\0\x08\6\0\0\0\0\0" + b"12345678"

        async def pings() -> None:
            while not writer.transport.is_closing():
                writer.write(ping)
                await asyncio.sleep(HEAD / 5)

        dripping = asyncio.create_task(pings())
        assert await is_closed(reader)
        dripping.cancel()

    Served(protocol="AutoZttpProtocol").run(talk)


def test_a_flood_of_silent_peers_writes_few_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_deadline, "_LIMITER", Limiter(burst=2, per_second=0.001))

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await is_closed(reader)

    for _ in range(4):
        Served(protocol="H11Protocol").run(talk, head_timeout=0.01)

    lines = [record.getMessage() for record in caplog.records if record.name == "mtls_middleware.connections"]
    first, second = (int(line.rpartition("=")[2]) for line in lines)
    assert second == first + 1
