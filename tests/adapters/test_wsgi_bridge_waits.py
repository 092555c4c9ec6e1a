"""What `serve` waits for, and for how long: no caller holds a thread of a WSGI application as long as it likes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.types import Message, Receive, Send

from mtls_middleware import MTLSWSGIMiddleware
from mtls_middleware.bodies import MAX_DISCARDED_BYTES, Patience
from mtls_middleware.observing.logging import Limiter
from mtls_middleware.servers import wsgi_body
from mtls_middleware.servers.wsgi_body import PATIENCE_SECONDS, READER_SECONDS, SLOWEST
from mtls_middleware.servers.wsgi_bridge import THREADS, WSGIBridge
from mtls_middleware.testing import TLSExtension
from tests.adapters.site import Site, good_client
from tests.adapters.test_wsgi_bridge import GONE, LIMIT, WHOLE, body, echo, piece, receiving, scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LENGTH = (b"content-length", b"1000000")
CHUNKED = (b"transfer-encoding", b"chunked")
CLOSE = (b"connection", b"close")


@pytest.fixture(autouse=True)
def own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test the lines of a flood of its own: the limit belongs to the process."""
    monkeypatch.setattr(wsgi_body, "_LIMITER", Limiter())


class Jumping(asyncio.SelectorEventLoop):
    """A loop whose time goes on by itself, and by what a test adds to it."""

    added = 0.0

    def time(self) -> float:
        return super().time() + self.added


def later(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Jumping)
    loop.added += seconds


def dripping(message: Message, seconds: float, times: int) -> Receive:
    """Return what hands out a message again and again, each after a time, and then the end."""
    left, end = iter(range(times)), receiving(WHOLE)

    async def receive() -> Message:
        if next(left, None) is None:
            return await end()
        later(seconds)
        await asyncio.sleep(0.001)
        return message

    return receive


def run(app: Any, receive: Receive, *headers: tuple[bytes, bytes], send: Send | None = None) -> list[Message]:
    sent: list[Message] = []

    async def note(message: Message) -> None:
        sent.append(message)

    async def one() -> None:
        await app(scope(*headers), receive, send or note)

    with asyncio.Runner(loop_factory=Jumping) as runner:
        runner.run(one())
    return sent


@pytest.mark.parametrize("seconds", [1, 5, PATIENCE_SECONDS + 1])
@pytest.mark.parametrize("size", [0, 1, SLOWEST // 2])
def test_a_slow_body_is_given_up(seconds: float, size: int, caplog: pytest.LogCaptureFixture) -> None:
    sent = run(WSGIBridge(echo), dripping(piece(b"x" * size), seconds, 1000), LENGTH)

    assert (sent[0]["status"], CLOSE in sent[0]["headers"]) == (408, True)
    assert caplog.records[0].getMessage() == "gave up a call: its caller sent its body too slowly peer=192.0.2.1:4711"


@pytest.mark.parametrize("seconds", [1, 5, PATIENCE_SECONDS - 5])
def test_a_body_that_goes_on_is_read_however_long_it_takes(seconds: float) -> None:
    sent = run(WSGIBridge(echo), dripping(piece(b"x" * int(seconds * SLOWEST * 1.1)), seconds, 50), LENGTH)

    assert (sent[0]["status"], len(body(sent))) == (200, 50 * int(seconds * SLOWEST * 1.1))


def test_the_time_that_an_application_takes_is_its_own() -> None:
    loop: list[Jumping] = []

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        content = b""
        while found := environ["wsgi.input"].read1(1):
            content += found
            loop[0].added += 10 * PATIENCE_SECONDS
        start_response("200 OK", [])
        return [content]

    async def app(*request: Any) -> None:
        running = asyncio.get_running_loop()
        assert isinstance(running, Jumping)
        loop.append(running)
        await WSGIBridge(application)(*request)

    assert body(run(app, receiving(*[piece(b"a")] * 5, WHOLE), LENGTH)) == b"aaaaa"


def test_half_a_body_is_never_taken_for_a_whole_one() -> None:
    ends: list[bytes | str] = []

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for _ in range(2):
            try:
                ends.append(environ["wsgi.input"].read())
            except OSError as error:
                ends.append(type(error).__name__)
        start_response("400 Bad Request", [])
        return [b"half"]

    sent = run(WSGIBridge(application), dripping(piece(b"x"), 20, 3), LENGTH)

    assert ends == ["CallerTooSlowError"] * 2
    assert (sent[0]["status"], sent[0]["headers"]) == (400, [CLOSE])


def test_a_reader_who_is_too_slow_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    closed, sent = threading.Event(), 0

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 1000

        def close(self) -> None:
            closed.set()

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return Pieces()

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1
        assert message.get("more_body", True)
        later(READER_SECONDS - 10)
        if sent > 5:
            later(11)
            await asyncio.Event().wait()

    run(WSGIBridge(application), receiving(WHOLE), send=send)

    assert (closed.is_set(), sent) == (True, 6)
    assert caplog.records[0].getMessage() == "gave up a call: its caller read its answer too slowly peer=192.0.2.1:4711"


def test_a_long_piece_has_its_time() -> None:
    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"x" * 1_000_000] * 3

    sent: list[Message] = []

    async def send(message: Message) -> None:
        if len(sent) > 1:
            later(0.9 * 1_000_000 / SLOWEST)
            await asyncio.sleep(0.001)
        sent.append(message)

    run(WSGIBridge(application), receiving(WHOLE), send=send)

    assert len(body(sent)) == 3_000_000


class Held:
    """Calls that do not end, of which each waits for its caller."""

    def __init__(self) -> None:
        self.calls = 2 * THREADS
        self.waiting = 0
        self.all_wait = asyncio.Event()

    async def wait(self) -> None:
        self.waiting += 1
        if self.waiting == self.calls:
            self.all_wait.set()
        await asyncio.Event().wait()

    async def side_by_side(self, held: Callable[[], Awaitable[None]], honest: Callable[[], Awaitable[None]]) -> None:
        """Run them, and beside them a call that must end."""
        calls = [asyncio.ensure_future(held()) for _ in range(self.calls)]
        async with asyncio.timeout(LIMIT):
            await honest()
            await self.all_wait.wait()
        assert [call for call in calls if call.done()] == []
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def test_nobody_holds_a_thread_who_does_not_read_the_end() -> None:
    """Most applications answer with one piece, and its length is no matter then."""

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"x" * 1_000_000]

    async def talk() -> None:
        bridge, held = WSGIBridge(application), Held()

        async def reads(_: Message) -> None: ...

        async def reads_no_end(message: Message) -> None:
            if not message.get("more_body", "headers" in message):
                await held.wait()

        await held.side_by_side(
            lambda: bridge(scope(), receiving(WHOLE), reads_no_end), lambda: bridge(scope(), receiving(WHOLE), reads)
        )

    asyncio.run(talk())


def test_strangers_who_keep_their_bodies_back_hold_no_thread(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Patience):
        @contextmanager
        def waiting(self) -> Iterator[float]:
            yield 1e6

    monkeypatch.setattr("mtls_middleware.bodies.asgi.PATIENCE", Endless())
    bridge = WSGIBridge(MTLSWSGIMiddleware(echo, guard=site.guard()))
    strangers, caller = TLSExtension(bridge, None), TLSExtension(bridge, good_client())
    answered: list[Message] = []

    async def send(message: Message) -> None:
        answered.append(message)

    async def talk() -> None:
        held = Held()

        async def keeps_it_back() -> Message:
            await held.wait()
            raise AssertionError

        await held.side_by_side(
            lambda: strangers(scope(LENGTH), keeps_it_back, send), lambda: caller(scope(), receiving(WHOLE), send)
        )

    asyncio.run(talk())

    assert [message["status"] for message in answered if "status" in message] == [200]


ENDS = {
    "whole": ([piece(b"a"), piece(b"b", more=False)], False),
    "kept back": ([piece(b"a")], True),
    "too long": ([piece(b"a" * (MAX_DISCARDED_BYTES + 1))], True),
    "gone": ([piece(b"a"), GONE], False),
}


@pytest.mark.parametrize("header", [LENGTH, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize(("messages", "closes"), ENDS.values(), ids=ENDS)
def test_a_refusal_comes_after_the_body_or_closes(
    messages: list[Message], closes: bool, header: tuple[bytes, bytes], site: Site
) -> None:
    app = TLSExtension(WSGIBridge(MTLSWSGIMiddleware(echo, guard=site.guard())), None)

    sent = run(app, receiving(*messages), header)

    assert (sent[0]["status"], CLOSE in sent[0]["headers"]) == (403, closes)
    assert b"certificate_missing" in body(sent)


def test_a_chunked_body_that_is_too_long_is_answered(site: Site) -> None:
    guarded = MTLSWSGIMiddleware(echo, guard=site.guard(max_chunked_body_bytes="1024"))
    messages = [piece(b"a" * 1000)] * 4

    sent = run(TLSExtension(WSGIBridge(guarded), good_client()), receiving(*messages, WHOLE), CHUNKED)

    assert (sent[0]["status"], CLOSE in sent[0]["headers"]) == (413, False)
