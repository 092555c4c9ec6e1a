"""Bodies in ASGI: a refused one is read away before the answer, and Django gets a chunked one with its length."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from mtls_middleware import MTLSMiddleware
from mtls_middleware.bodies import ALWAYS_SECONDS, MAX_DISCARDED_BYTES, MAX_WAITING_SECONDS, RECOVERY, Patience, spool
from mtls_middleware.bodies.asgi import WithBodyLength
from tests.adapters.bodies import LONG_BODY, NO_ROOM, ROOM, no_folder, small_disk
from tests.adapters.cases import ASGIApplication, Case, http_scope
from tests.adapters.site import Site, good_client, over_tls

CHUNKED = ("Transfer-Encoding", "chunked")


class Server:
    """Hand over a body in pieces, wait after them if it is not complete, and keep what is sent."""

    def __init__(self, *pieces: bytes, complete: bool = True) -> None:
        self._pieces = list(pieces)
        self._complete = complete
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._pieces and not self._complete:
            await asyncio.Event().wait()
        self.read += 1
        piece = self._pieces.pop(0) if self._pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or not self._complete}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def run(self, app: Callable[..., Awaitable[None]], scope: dict[str, Any]) -> dict[str, str]:
        """Run one request, and return the headers of the answer."""
        asyncio.run(app(scope, self.receive, self.send))  # type: ignore[arg-type] # an application is a coroutine function
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]} if self.sent else {}

    @property
    def reason(self) -> str:
        return str(json.loads(self.sent[1]["body"])["reason"])


def refused(site: Site, server: Server, *headers: tuple[str, str], **scope: str) -> dict[str, str]:
    case = Case(method="POST", headers=headers, scope=scope)
    return server.run(MTLSMiddleware(ASGIApplication(), guard=site.guard()), http_scope(case))


class TestARefusedBody:
    @pytest.mark.parametrize("header", [CHUNKED, ("Content-Length", "6")])
    def test_it_is_read_before_the_answer(self, site: Site, header: tuple[str, str]) -> None:
        server = Server(b"ab", b"cd", b"ef")

        headers = refused(site, server, header)

        assert (server.read, server.reason) == (3, "certificate_missing")
        assert "connection" not in headers

    def test_of_too_long_a_body_the_rest_is_not_waited_for(self, site: Site) -> None:
        server = Server(*[b"x" * 65_536] * (2 * MAX_DISCARDED_BYTES // 65_536))

        headers = refused(site, server, CHUNKED)

        assert headers["connection"] == "close"
        assert MAX_DISCARDED_BYTES <= server.read * 65_536 < MAX_DISCARDED_BYTES + 65_536

    def test_a_caller_who_keeps_it_back_is_answered(self, site: Site) -> None:
        server = Server(b"ab", complete=False)

        headers = refused(site, server, CHUNKED)  # the time limit of the test is the claim

        assert (server.reason, headers["connection"]) == ("certificate_missing", "close")

    def test_other_calls_go_on_meanwhile(self, site: Site) -> None:
        app = MTLSMiddleware(ASGIApplication(), guard=site.guard())
        slow, quick = Server(b"ab", complete=False), Server()

        async def both() -> tuple[bool, bool]:
            scope = http_scope(Case(method="POST", headers=(CHUNKED,)))
            waiting = asyncio.create_task(app(scope, slow.receive, slow.send))
            await asyncio.sleep(0)
            await app(http_scope(over_tls(good_client())), quick.receive, quick.send)
            answered = bool(quick.sent) and not waiting.done()
            await waiting
            return answered, bool(slow.sent)

        assert asyncio.run(both()) == (True, True)

    def test_a_caller_who_waits_for_100_is_not_invited(self, site: Site) -> None:
        server = Server(complete=False)

        headers = refused(site, server, CHUNKED, ("Expect", "100-continue"))

        assert (server.read, headers["connection"]) == (0, "close")

    def test_without_a_body_nothing_is_read(self, site: Site) -> None:
        server = Server(complete=False)

        headers = refused(site, server, ("Content-Length", "0"))

        assert server.read == 0
        assert "connection" not in headers

    def test_http_2_has_no_such_header(self, site: Site) -> None:
        headers = refused(site, Server(), CHUNKED, ("Expect", "100-continue"), http_version="2")

        assert "connection" not in headers

    def test_a_caller_who_is_gone_is_not_waited_for(self, site: Site) -> None:
        class Gone(Server):
            async def receive(self) -> Message:
                return {"type": "http.disconnect"}

        refused(site, server := Gone(), CHUNKED)

        assert server.reason == "certificate_missing"


class TestPatience:
    class Clock:
        now = 1000.0

        def __call__(self) -> float:
            return self.now

    @pytest.fixture
    def clock(self) -> "TestPatience.Clock":
        return self.Clock()

    @staticmethod
    def wait(patience: Patience, clock: "TestPatience.Clock", seconds: float | None = None) -> float:
        with patience.waiting() as granted:
            clock.now += granted if seconds is None else seconds
        return granted

    def test_callers_who_keep_their_bodies_back_use_it_up(self, clock: "TestPatience.Clock") -> None:
        patience = Patience(clock)

        granted = [self.wait(patience, clock) for _ in range(200)]

        assert granted[0] == MAX_WAITING_SECONDS
        assert granted[-1] == pytest.approx(ALWAYS_SECONDS, rel=0.2)
        assert sum(granted) < MAX_WAITING_SECONDS + 200 * ALWAYS_SECONDS * (1 + 2 * RECOVERY) + MAX_WAITING_SECONDS

    def test_quick_callers_leave_it_as_it_is(self, clock: "TestPatience.Clock") -> None:
        patience = Patience(clock)

        granted = [self.wait(patience, clock, ALWAYS_SECONDS) for _ in range(100)]

        assert granted == pytest.approx([MAX_WAITING_SECONDS] * 100)

    def test_it_comes_back(self, clock: "TestPatience.Clock") -> None:
        patience = Patience(clock)
        self.wait(patience, clock)

        clock.now += MAX_WAITING_SECONDS / RECOVERY

        assert self.wait(patience, clock) == MAX_WAITING_SECONDS


class TestWithBodyLength:
    """What Django's handler is wrapped in."""

    class Reading:
        """Read the whole body."""

        def __init__(self) -> None:
            self.scope: dict[str, Any] = {}
            self.body = b""
            self.after: Message = {}

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
            self.scope = scope
            more = True
            while more:
                message = await receive()
                self.body += message["body"]
                more = message["more_body"]
            self.after = await receive()

    def run(
        self,
        server: Server,
        *headers: tuple[str, str],
        identity: object = "somebody",
        limit: int = 1024,
        method: str = "GET",
    ) -> Any:
        app = self.Reading()
        scope = {**http_scope(Case(headers=headers, method=method)), "mtls.identity": identity}
        server.run(WithBodyLength(app, limit), scope)
        return app

    @pytest.mark.parametrize("pieces", [(), (b"abc",), (b"a", b"", b"bc"), (b"x" * 512, b"y" * 512)])
    def test_an_accepted_chunked_body_comes_with_its_length(self, pieces: tuple[bytes, ...]) -> None:
        app = self.run(Server(*pieces), CHUNKED)

        body = b"".join(pieces)
        assert app.body == body
        assert dict(app.scope["headers"]) == {b"content-length": b"%d" % len(body)}

    def test_a_body_without_either_header_comes_with_its_length_too(self) -> None:
        """Of HTTP/2, and behind pyvoy."""
        app = self.run(Server(b"abc"), method="POST")

        assert dict(app.scope["headers"]) == {b"content-length": b"3"}

    def test_a_large_one_is_kept_in_a_file(self) -> None:
        app = self.run(Server(*[b"x" * 100_000] * 30), CHUNKED, limit=10_000_000)

        assert app.body == b"x" * 3_000_000

    def test_a_large_one_arrives_where_nothing_can_be_kept_on_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spool, "TemporaryFile", no_folder)

        app = self.run(Server(*[b"x" * 100_000] * 30), CHUNKED, limit=10_000_000)

        assert app.body == b"x" * 3_000_000

    @pytest.mark.parametrize("room", ROOM)
    @pytest.mark.parametrize("kind", NO_ROOM)
    def test_a_large_one_arrives_where_the_disk_fills_up(self, kind: str, room: int, tmp_path: Path) -> None:
        pieces = [LONG_BODY[begin : begin + 99_991] for begin in range(0, len(LONG_BODY), 99_991)]

        with NO_ROOM[kind](tmp_path, room):
            app = self.run(Server(*pieces), CHUNKED, limit=10_000_000)

        assert app.body == LONG_BODY

    def test_on_a_full_disk_the_bound_holds_too(self, tmp_path: Path) -> None:
        server = Server(*[b"x" * 100_000] * 30)

        with small_disk(tmp_path, 1_500_000):
            app = self.run(server, CHUNKED, limit=2_000_000)

        assert (app.scope, server.sent[0]["status"]) == ({}, 413)

    def test_a_message_may_have_no_body(self) -> None:
        """In ASGI it is optional, with nothing as its default."""
        server = Server(b"abc")
        receive = server.receive
        messages: Iterator[Message] = iter([{"type": "http.request", "more_body": True}])

        async def first_without() -> Message:
            return next(messages, None) or await receive()

        server.receive = first_without  # type: ignore[method-assign]

        assert self.run(server, CHUNKED).body == b"abc"

    def test_too_long_a_body_is_answered_with_413(self) -> None:
        server = Server(b"x" * 512, b"x" * 513)

        assert (self.run(server, CHUNKED).scope, server.sent[0]["status"]) == ({}, 413)

    def test_a_length_beside_chunks_means_nothing(self) -> None:
        """RFC 9112 §6.3; h11 passes both on, and Django would cut the body."""
        app = self.run(Server(b"abc", b"def"), ("Content-Length", "3"), CHUNKED)

        assert app.body == b"abcdef"
        assert app.scope["headers"] == [(b"content-length", b"6")]

    @pytest.mark.parametrize("headers", [(), (("Content-Length", "3"),)])
    def test_others_are_left_alone(self, headers: tuple[tuple[str, str], ...]) -> None:
        app = self.run(Server(b"abc"), *headers)

        assert app.body == b"abc"
        assert app.scope["headers"] == http_scope(Case(headers=headers))["headers"]

    def test_nothing_is_kept_of_a_stranger_who_is_let_through(self) -> None:
        app = self.run(Server(b"abc"), CHUNKED, identity=None)

        assert app.body == b"abc"
        assert b"content-length" not in dict(app.scope["headers"])

    def test_a_caller_who_goes_away_in_the_middle_reaches_nobody(self) -> None:
        class Going(Server):
            async def receive(self) -> Message:
                self.read += 1
                more = {"type": "http.request", "body": b"abc", "more_body": True}
                return more if self.read == 1 else {"type": "http.disconnect"}

        server = Going()

        assert self.run(server, CHUNKED).scope == {}
        assert server.sent == []
