"""The answers of WSGI applications under `serve`, as PEP 3333 and other servers want them."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from starlette.types import Message

from mtls_middleware.observing.logging import Limiter
from mtls_middleware.servers import wsgi_answer
from mtls_middleware.servers.wsgi_bridge import WSGIBridge
from tests.adapters.test_wsgi_bridge import answers, body, piece, receiving, scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

END: Message = {"type": "http.response.body"}


@pytest.fixture(autouse=True)
def own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test the lines of a flood of its own: the limit belongs to the process."""
    monkeypatch.setattr(wsgi_answer, "_LIMITER", Limiter())


def answering(*pieces: bytes, status: str = "200 OK", **headers: str) -> "WSGIApplication":
    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return list(pieces)

    return application


@pytest.mark.parametrize("pieces", [[b"abcd"], [b"abc", b"d"], [b"ab", b"cd", b"ef"], [b"abc", b"", b"d"]], ids=repr)
def test_what_is_too_much_is_left_out_and_told(pieces: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn writes nothing of a piece that is too long, so the caller would wait for the rest."""
    sent = answers(answering(*pieces, Content_Length="3"))

    assert (body(sent), sent[-1]) == (b"abc", END)
    assert [record.getMessage() for record in caplog.records] == [
        "the application's answer has too many bytes for its Content-Length path=/actions"
    ]


def test_an_answer_without_room_for_a_body_has_none() -> None:
    assert body(answers(answering(b"abc", Content_Length="0"))) == b""


@pytest.mark.parametrize("pieces", [[], [b"ab"], [b"a", b"b"]], ids=repr)
def test_what_is_too_little_is_not_ended_and_told(pieces: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn closes the connection of an answer without an end."""
    sent = answers(answering(*pieces, Content_Length="3"))

    assert (body(sent), END in sent) == (b"".join(pieces), False)
    assert [record.getMessage() for record in caplog.records] == [
        "the application's answer has too few bytes for its Content-Length path=/actions"
    ]


@pytest.mark.parametrize("length", [{}, {"Content_Length": "4"}, {"Content_Length": "9"}], ids=str)
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 304)])
def test_some_answers_have_no_body(
    method: str, status: int, length: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    application = answering(b"ab", b"cd", status=f"{status} So", **length)

    sent = answers(application, given=scope(method=method))

    assert (sent[0]["status"], body(sent), sent[-1], caplog.records) == (status, b"", END, [])
    has_length = bool(sent[0]["headers"])
    assert has_length == (status == 200 and bool(length))


def test_hop_by_hop_headers_are_the_servers_own_business() -> None:
    application = answering(b"ok", Content_Length="2", Transfer_Encoding="chunked", Connection="x", Upgrade="y", X="z")

    assert answers(application)[0]["headers"] == [(b"x", b"z"), (b"content-length", b"2")]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nX-Evil: 1", []),
        ("20 OK", []),
        ("100 Continue", []),
        ("1000 What", []),
        ("700 What", []),
        ("OK", []),
        ("200 OK", [("X", "a\r\nX-Evil: 1")]),
        ("200 OK", [("X", "a\nb")]),
        ("200 OK", [("X", "a\0b")]),
        ("200 OK", [("X", "€")]),
        ("200 OK", [("X: a\r\nX-Evil", "1")]),
        ("200 OK", [("X Y", "1")]),
        ("200 OK", [("", "1")]),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Content-Length", "2²")]),
        ("200 OK", [("Content-Length", "2"), ("Content-Length", "3")]),
    ],
    ids=repr,
)
def test_the_application_hears_what_is_wrong_with_its_head(status: str, headers: list[tuple[str, str]]) -> None:
    """As late as in uvicorn the caller would get an empty answer, or a header of whoever made the value."""

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            start_response(status, headers)
        except ValueError:
            start_response("500 Oh", [], sys.exc_info())
        return [b"sorry"]

    sent = answers(application)

    assert (sent[0]["status"], sent[0]["headers"], body(sent)) == (500, [], b"sorry")


def test_the_same_length_twice_is_one() -> None:
    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2"), ("content-length", " 2")])
        return [b"ok"]

    assert answers(application)[0]["headers"] == [(b"content-length", b"2")]


def twice(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("201 Created", [])
    return []


def never(_: "WSGIEnvironment", __: "StartResponse") -> Iterable[bytes]:
    return []


def texts(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[Any]:
    start_response("200 OK", [])
    return "text"


@pytest.mark.parametrize(
    ("application", "error"),
    [(twice, "start_response twice"), (never, "did not call start_response"), (texts, "is str, and not bytes")],
)
def test_an_application_that_breaks_the_protocol_gets_nothing_sent(application: Any, error: str) -> None:
    sent: list[Message] = []

    async def app(given: Any, receive: Any, _: Any) -> None:
        async def send(message: Message) -> None:
            sent.append(message)

        await WSGIBridge(application)(given, receive, send)

    with pytest.raises((RuntimeError, TypeError), match=error):
        answers(application, app=app)

    assert sent == []


def test_an_answer_is_whole_also_where_closing_it_fails() -> None:
    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            yield b"all of it"

        def close(self) -> None:
            raise RuntimeError("closing")

    sent: list[Message] = []

    def application(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return Answer()

    async def app(given: Any, receive: Any, _: Any) -> None:
        async def send(message: Message) -> None:
            sent.append(message)

        await WSGIBridge(application)(given, receive, send)

    with pytest.raises(RuntimeError, match="closing"):
        answers(application, app=app)

    assert (body(sent), sent[-1]) == (b"all of it", END)


def test_a_length_beside_chunks_means_nothing() -> None:
    """RFC 9112 §6.3; h11 passes both on."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return [str(environ.get("CONTENT_LENGTH")).encode(), environ["wsgi.input"].read()]

    given = scope((b"content-length", b"3"), (b"transfer-encoding", b"chunked"))

    assert body(answers(application, receiving(piece(b"hello", more=False)), given)) == b"Nonehello"


@pytest.mark.parametrize("reads", [True, False])
def test_a_body_that_was_not_invited_ends_the_connection(reads: bool) -> None:
    """Who expects a 100 and gets an answer sends no body; the server would take the next request for it."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        content = environ["wsgi.input"].read() if reads else b""
        start_response("200 OK", [])
        return [content]

    given = scope((b"content-length", b"3"), (b"expect", b"100-continue"))
    sent = answers(application, receiving(piece(b"abc", more=False)), given)

    assert sent[0]["headers"] == ([] if reads else [(b"connection", b"close")])
