"""The bridge by which `serve` runs WSGI applications: what asgiref's own does not do."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from starlette.types import Message, Scope

from mtls_middleware import MTLSWSGIMiddleware, caller, optional_caller
from mtls_middleware.servers.wsgi_body import CallerGoneError
from mtls_middleware.servers.wsgi_bridge import LONG, THREADS, WSGIBridge
from mtls_middleware.testing import TLSExtension
from tests.adapters.site import Site, good_client

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LIMIT = 30.0
"""Seconds that anything may take on a busy machine."""

Receive = Callable[[], Awaitable[Message]]


def scope(*headers: tuple[bytes, bytes], **more: object) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/actions",
        "raw_path": b"/actions",
        "root_path": "",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "https",
        "server": ("localhost", 8443),
        "client": ("192.0.2.1", 4711),
        "headers": list(headers),
        **more,
    }


def receiving(*messages: Message, after: Message | None = None) -> Receive:
    """Return what hands out messages, and then one more whenever it is asked, or nothing for ever."""
    waiting = iter(messages)

    async def receive() -> Message:
        for message in waiting:
            return message
        if after is None:
            await asyncio.Event().wait()
            raise AssertionError
        return after

    return receive


WHOLE: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


def piece(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


def answers(
    application: "WSGIApplication", receive: Receive | None = None, given: Scope | None = None, app: Any = None
) -> list[Message]:
    """Run one request, and return what was sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await (app or WSGIBridge(application))(given or scope(), receive or receiving(WHOLE), send)

    async def bounded() -> None:
        await asyncio.wait_for(run(), LIMIT)

    asyncio.run(bounded())
    return sent


def body(sent: Iterable[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


def test_the_application_sees_its_connection_and_who_called(site: Site) -> None:
    seen: dict[str, Any] = {}

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        found = optional_caller(environ)
        return [f"{caller(environ).region} {found and found.region}".encode()]

    guarded = MTLSWSGIMiddleware(application, guard=site.guard())

    accepted = answers(guarded, app=TLSExtension(WSGIBridge(guarded), good_client()))
    refused = answers(guarded, app=TLSExtension(WSGIBridge(guarded), None))

    assert body(accepted) == b"us-east-1 us-east-1"
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"], seen["wsgi.url_scheme"]) == ("192.0.2.1", "4711", "https")
    assert refused[0]["status"] == 403
    assert b"certificate_missing" in body(refused)


def test_header_names_with_an_underscore_are_dropped() -> None:
    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ["HTTP_X_SSL_CLIENT_CERT"].encode()]

    given = scope((b"x-ssl-client-cert", b"genuine"), (b"x_ssl_client_cert", b"forged"))

    assert body(answers(application, given=given)) == b"genuine"


def echo(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]


def test_a_body_is_read_piece_by_piece_and_ends() -> None:
    sent = answers(echo, receiving(piece(b"a" * 70_000), piece(b""), piece(b"b" * 9), piece(b"c", more=False)))

    assert body(sent) == b"a" * 70_000 + b"b" * 9 + b"c"


def test_lines_of_a_body_are_read_as_of_any_file() -> None:
    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"|".join(environ["wsgi.input"])]

    assert body(answers(application, receiving(piece(b"a\nb"), piece(b"c\nd", more=False)))) == b"a\n|bc\n|d"


def test_nothing_of_a_body_is_kept_before_it_is_asked_for() -> None:
    """asgiref writes all of it to the disk, of strangers too, before anybody is judged."""
    asked: list[Message] = []
    endless = receiving(after=piece(b"x" * 60_000))

    async def receive() -> Message:
        asked.append(await endless())
        return asked[-1]

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("403 Forbidden", [("Content-Length", "2")])
        return [b"no"]

    assert body(answers(application, receive)) == b"no"
    assert len(asked) <= 1


def test_half_a_body_is_never_taken_for_a_whole_one() -> None:
    ends: list[BaseException] = []

    def application(environ: "WSGIEnvironment", _: "StartResponse") -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            ends.append(error)
            raise
        raise AssertionError

    assert answers(application, receiving(piece(b"half"), after=GONE)) == []
    assert [type(error) for error in ends] == [CallerGoneError]


class Endless:
    """An answer that never ends, and notes that it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"more"

    def close(self) -> None:
        self.closed.set()


BODIES = {
    "no body": [WHOLE],
    "an unread one": [piece(b"", more=True)],
    "an unread byte": [piece(b"a", more=False)],
    "long ones": [piece(b"a" * 70_000), piece(b"b" * 70_000), piece(b"", more=False)],
}


@pytest.mark.parametrize("given", BODIES.values(), ids=BODIES)
def test_an_endless_answer_ends_with_its_caller(given: list[Message]) -> None:
    endless = Endless()

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return endless

    answers(application, receiving(*given, after=GONE))

    assert endless.closed.is_set()


def test_what_was_read_ahead_to_see_the_caller_arrives_whole() -> None:
    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        for _ in range(2 * LONG):
            yield b"-"
        yield environ["wsgi.input"].read()

    parts = [piece(b"%d" % number * 60_000) for number in range(8)]
    sent = answers(application, receiving(*parts, piece(b"", more=False)))

    assert body(sent) == b"-" * 2 * LONG + b"".join(part["body"] for part in parts)


def test_an_application_that_raises_stop_iteration_ends() -> None:
    def application(_: "WSGIEnvironment", __: "StartResponse") -> Iterable[bytes]:
        return [next(iter(()))]

    with pytest.raises(RuntimeError, match="StopIteration"):
        answers(application)


@pytest.mark.parametrize("raised", [None, RuntimeError("boom")], ids=["whole", "interrupted"])
def test_each_answer_is_closed(raised: Exception | None) -> None:
    """Django ends a request there, with its connections to databases."""
    closed = []

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            if raised is not None:
                raise raised

        def close(self) -> None:
            closed.append(True)

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return Answer()

    if raised is None:
        answers(application)
    else:
        with pytest.raises(RuntimeError, match="boom"):
            answers(application)

    assert closed == [True]


def test_headers_may_change_until_the_first_byte() -> None:
    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b""
        try:
            raise ValueError  # noqa: TRY301 - PEP 3333 hands on what an exception tells
        except ValueError:
            start_response("500 Oh", [("X-Name", "Zoë")], sys.exc_info())
        yield b"sorry"

    sent = answers(application)

    assert (sent[0]["status"], sent[0]["headers"]) == (500, [(b"x-name", "Zoë".encode("latin-1"))])
    assert body(sent) == b"sorry"


def test_what_fails_behind_the_first_byte_is_raised() -> None:
    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        try:
            raise ValueError("too late")  # noqa: TRY301 - as above
        except ValueError:
            start_response("500 Oh", [], sys.exc_info())

    with pytest.raises(ValueError, match="too late"):
        answers(application)


def test_the_old_way_to_write_works() -> None:
    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])(b"written, ")
        return [b"returned"]

    assert body(answers(application)) == b"written, returned"


def test_requests_run_side_by_side() -> None:
    """asgiref runs one at a time: one slow caller would stop all others."""
    together = threading.Barrier(THREADS, timeout=LIMIT)

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        together.wait()
        start_response("204 No Content", [])
        return []

    bridge, statuses = WSGIBridge(application), []

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    async def run() -> None:
        await asyncio.gather(*(bridge(scope(), receiving(WHOLE), send) for _ in range(THREADS)))

    asyncio.run(run())

    assert statuses.count(204) == THREADS


def test_there_are_no_websockets_and_there_is_no_lifespan() -> None:
    sent = answers(echo, receiving({"type": "websocket.connect"}), {"type": "websocket"})

    assert sent == [{"type": "websocket.close"}]
    with pytest.raises(ValueError, match="lifespan"):
        answers(echo, given={"type": "lifespan"})
