"""What is behind the request that is answered: it is bounded, and does not hide that the caller left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as UvicornsOwn

from mtls_middleware.servers.head_deadline import MAX_HEAD_BYTES
from mtls_middleware.servers.uvicorn import PIPELINED_BYTES, H11Protocol, HttpToolsProtocol
from tests.servers.test_uvicorn import BOTH, GET, Conversation, Protocol, Wire

PIECE = 65_536
POST = b"POST /behind HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
HEADER = b"a:b\r\n"


class Waiting(Conversation):
    """An application that answers nothing, reads the body, and asks again and again after its caller."""

    def __init__(self, protocol: Protocol, wire: Wire, **options: Any) -> None:
        self.received: list[Message] = []
        super().__init__(protocol, wire, **options)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        while not self.received or self.received[-1]["type"] != "http.disconnect":
            self.received.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"to nobody"})


def waiting(protocol: Protocol, talk: Callable[[Waiting], Awaitable[None]]) -> Waiting:
    async def run() -> Waiting:
        conversation = Waiting(protocol, Wire())
        await talk(conversation)
        conversation.protocol.connection_lost(None)
        await conversation.settle()
        return conversation

    return asyncio.run(run())


@BOTH
@pytest.mark.parametrize("behind", [0, 1, 2])
def test_a_request_learns_that_its_caller_left_whatever_is_behind_it(protocol: Protocol, behind: int) -> None:
    """uvicorn told the last request only; with uvloop the first one then wrote into a closed connection."""

    async def talk(conversation: Waiting) -> None:
        await conversation.hear(GET % (b"first", b"1"), *[GET % (b"behind", b"2")] * behind)

    conversation = waiting(protocol, talk)

    assert [scope["path"] for scope in conversation.scopes] == ["/first"]
    assert conversation.received[-1] == {"type": "http.disconnect"}
    assert conversation.wire.written == b""


def test_it_is_the_request_that_is_answered_that_learns_it() -> None:
    async def run() -> Conversation:
        conversation = Conversation(HttpToolsProtocol, Wire())
        half = b"POST /second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
        await conversation.hear(GET % (b"first", b"1") + half)
        conversation.protocol.connection_lost(None)
        await conversation.settle()
        return conversation

    conversation = asyncio.run(run())

    assert len(conversation.scopes) == len(conversation.late_headers) == 2
    assert conversation.wire.written.count(b"HTTP/1.1 200 OK") == 1


class WaitingBehind(Waiting):
    """One that answers the first request at once, and waits from the second one on."""

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/first":
            await super()._app(scope, receive, send)
            return
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("behind", [0, 1, 3])
def test_one_that_waited_learns_it_too_once_it_is_answered(behind: int, pieces: int) -> None:
    heads = [GET % (b"first", b"1"), GET % (b"second", b"2"), GET % (b"behind", b"3") * behind]

    async def run() -> Waiting:
        conversation = WaitingBehind(HttpToolsProtocol, Wire())
        await conversation.hear(*(heads if pieces > 1 else [b"".join(heads)]))
        conversation.protocol.connection_lost(None)
        await conversation.settle()
        return conversation

    conversation = asyncio.run(run())

    assert [scope["path"] for scope in conversation.scopes] == ["/first", "/second"]
    assert conversation.received[-1] == {"type": "http.disconnect"}
    assert conversation.wire.written.count(b"HTTP/1.1 200 OK") == 1


def test_our_connection_has_the_attributes_of_uvicorns_own() -> None:
    """With more than 30 of them CPython reads each one more slowly."""

    async def run() -> None:
        classes: tuple[Any, ...] = (HttpToolsProtocol, UvicornsOwn)
        ours, theirs = (Conversation(one, Wire()) for one in classes)
        for conversation in (ours, theirs):
            await conversation.hear(GET % (b"first", b"1"))
        assert vars(ours.protocol).keys() == vars(theirs.protocol).keys()
        for conversation in (ours, theirs):
            conversation.protocol.connection_lost(None)

    asyncio.run(run())


@BOTH
@pytest.mark.parametrize("behind", [POST, GET % (b"behind", b"2")], ids=["a body", "requests"])
def test_what_is_behind_a_request_is_bounded(protocol: Protocol, behind: bytes) -> None:
    """Whoever asks after the caller reads on, and its buffer would grow for as long as an answer takes."""
    pieces = [behind, *[b"x" * PIECE] * 40] if behind is POST else [behind * (PIECE // len(behind))] * 40

    async def talk(conversation: Waiting) -> None:
        heard = 0
        await conversation.hear(GET % (b"first", b"1"))
        for piece in pieces:
            if not conversation.wire.closed:
                heard += len(piece)
                await conversation.hear(piece)
        assert conversation.wire.closed
        assert heard <= PIPELINED_BYTES + 2 * PIECE

    waiting(protocol, talk)


@BOTH
def test_a_long_body_of_the_request_that_is_answered_is_read(protocol: Protocol) -> None:
    async def talk(conversation: Waiting) -> None:
        await conversation.hear(POST, *[b"x" * PIECE] * 40)
        assert not conversation.wire.closed

    conversation = waiting(protocol, talk)

    assert sum(len(message.get("body", b"")) for message in conversation.received) == 40 * PIECE


@BOTH
@pytest.mark.parametrize("first", [b"", GET % (b"first", b"1")], ids=["the first", "behind another"])
@pytest.mark.parametrize(
    "content",
    [HEADER * 10_000, b"a: %s\r\n" % (b"b" * 50_000), b"b" * 50_000],
    ids=["many headers", "long headers", "a long name"],
)
def test_an_endless_head_ends_the_connection(protocol: Protocol, first: bytes, content: bytes) -> None:
    """A head of 20 MB was 340 MB in the memory."""

    async def talk(conversation: Waiting) -> None:
        heard = 0
        await conversation.hear(first + b"GET /long HTTP/1.1\r\nHost: localhost\r\n")
        while not conversation.wire.closed and heard < 4 * PIPELINED_BYTES:
            heard += len(content)
            await conversation.hear(content)
        assert conversation.wire.closed
        assert heard <= max(MAX_HEAD_BYTES, PIPELINED_BYTES if protocol is H11Protocol else 0) + 2 * len(content)

    waiting(protocol, talk)


def test_heads_that_are_complete_do_not_add_up() -> None:
    request = b"GET /long HTTP/1.1\r\nHost: localhost\r\nX-Own: %s\r\n\r\n" % (b"x" * (MAX_HEAD_BYTES * 3 // 4))

    async def run() -> None:
        conversation = Conversation(HttpToolsProtocol, Wire())
        for _ in range(3):
            await conversation.hear(request[:PIECE], request[PIECE:])
        assert len(conversation.scopes) == 3
        assert not conversation.wire.closed
        conversation.protocol.connection_lost(None)

    asyncio.run(run())


def test_lesson_heads_that_are_cut_between_pieces_do_not_add_up() -> None:
    """Of a caller who pipelines, each piece may end in the middle of a head."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Own: %s\r\n\r\n" % (b"x" * 3_000)
    number = MAX_HEAD_BYTES // len(request) * 2
    stream = request * number

    async def run() -> None:
        conversation = Conversation(HttpToolsProtocol, Wire())
        for begin in range(0, len(stream), step := 10 * len(request) + 7):
            await conversation.hear(stream[begin : begin + step])
            assert not conversation.wire.closed
        assert len(conversation.scopes) == number
        conversation.protocol.connection_lost(None)

    asyncio.run(run())
