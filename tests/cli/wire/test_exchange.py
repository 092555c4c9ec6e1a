"""Answers: whatever comes back, it is an answer or a reason why there is none."""

import http.client
import io
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware.cli.wire.answer import BODY_LIMIT, Answer, Failure, NoAnswer, NoAnswerError, read_answer
from mtls_middleware.cli.wire.exchange import Exchange, SecondsLeft, converse
from mtls_middleware.cli.wire.message import Target

OK = b"HTTP/1.1 200 OK\r\n"


def result_of(exchange: Callable[[], Answer]) -> Answer | NoAnswer:
    """Return what an exchange that raises would be reported as."""
    try:
        return exchange()
    except (OSError, ValueError, http.client.HTTPException, NoAnswerError) as error:
        return Exchange(step="answer", error=error).result


def read(content: bytes) -> Answer | NoAnswer:
    return result_of(lambda: read_answer(io.BytesIO(content)))


GOOD: dict[str, tuple[bytes, Answer]] = {
    "until the end": (OK + b"\r\nbody", Answer(status=200, phrase="OK", body=b"body")),
    "by length": (OK + b"Content-Length: 2\r\n\r\nbody", Answer(status=200, phrase="OK", body=b"bo")),
    "chunked": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n0\r\n\r\n",
        Answer(status=200, phrase="OK", body=b"bo"),
    ),
    "content type": (
        OK + b"Content-Type: Application/Problem+JSON; charset=utf-8\r\nContent-Length: 0\r\n\r\n",
        Answer(status=200, phrase="OK", headers={"content-type": "Application/Problem+JSON; charset=utf-8"}),
    ),
    "other versions": (
        OK + b'Alt-Svc: h3=":443"\r\nContent-Length: 0\r\n\r\n',
        Answer(status=200, phrase="OK", headers={"alt-svc": 'h3=":443"'}),
    ),
    "behind interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Content-Length: 1\r\n\r\nx",
        Answer(status=200, phrase="OK", body=b"x"),
    ),
    "an upgrade": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05",
        Answer(status=101, phrase="Switching Protocols"),
    ),
    "HTTP/1.0": (b"HTTP/1.0 403 Forbidden\r\n\r\nno", Answer(status=403, phrase="Forbidden", body=b"no")),
}


@pytest.mark.parametrize(("content", "answer"), GOOD.values(), ids=GOOD)
def test_an_answer_is_read(content: bytes, answer: Answer) -> None:
    assert read(content) == answer


def test_no_more_of_a_body_is_kept_than_is_looked_at() -> None:
    answer = read(OK + b"\r\n" + b"x" * (2 * BODY_LIMIT))

    assert isinstance(answer, Answer)
    assert len(answer.body) == BODY_LIMIT


BAD: dict[str, tuple[bytes, Failure]] = {
    "nothing": (b"", Failure.CLOSED),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", Failure.NO_HTTP),
    "no status": (b"HTTP/1.1 abc\r\n\r\n", Failure.NO_HTTP),
    "cut off": (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nx", Failure.NO_HTTP),
    "a bad chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", Failure.NO_HTTP),
    "headers without end": (OK + b"A: b\r\n" * 200, Failure.NO_HTTP),
    "a line without end": (OK + b"A: " + b"b" * 70_000, Failure.NO_HTTP),
    "interim answers without end": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50, Failure.NO_HTTP),
}


@pytest.mark.parametrize(("content", "failure"), BAD.values(), ids=BAD)
def test_what_is_no_answer_is_told(content: bytes, failure: Failure) -> None:
    heard = read(content)

    assert isinstance(heard, NoAnswer)
    assert heard.failure is failure


@given(st.binary(), st.sampled_from([b"", b"HTTP/1.1 ", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"]))
def test_any_bytes_are_an_answer_or_none(content: bytes, beginning: bytes) -> None:
    assert isinstance(read(beginning + content), Answer | NoAnswer)


class Broken:
    """Look like a socket that breaks while it sends, or while it receives."""

    def __init__(self, content: bytes | OSError, sending: OSError | None = None) -> None:
        self._content = content
        self._sending = sending

    def sendall(self, _: bytes) -> None:
        if self._sending is not None:
            raise self._sending

    def settimeout(self, _: float) -> None:
        pass

    def recv_into(self, buffer: memoryview, _: int) -> int:
        if isinstance(self._content, OSError):
            raise self._content
        count = len(self._content)
        buffer[:count] = self._content
        self._content = b""
        return count


PIPE, RESET = BrokenPipeError(32, "Broken pipe"), ConnectionResetError(104, "Connection reset")
ALERT = ssl.SSLError(1, "[SSL] tlsv13 alert certificate required (_ssl.c:1)")
ALERT.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

BROKEN: dict[str, tuple[Broken, Answer | NoAnswer]] = {
    "answered before it hung up": (
        Broken(b"HTTP/1.1 431 Too Large\r\n\r\n", PIPE),
        Answer(status=431, phrase="Too Large"),
    ),
    "hung up twice": (Broken(RESET, PIPE), NoAnswer(failure=Failure.CLOSED, detail=str(PIPE))),
    "hung up": (Broken(RESET), NoAnswer(failure=Failure.CLOSED, detail=str(RESET))),
    "an alert behind it": (
        Broken(ALERT, PIPE),
        NoAnswer(failure=Failure.DEMANDED, detail="tlsv13 alert certificate required"),
    ),
    "another alert": (
        Broken(ssl.SSLError(1, "[SSL] bad certificate")),
        NoAnswer(failure=Failure.HANDSHAKE, detail="[ssl] bad certificate"),
    ),
    "an end without goodbye": (
        Broken(ssl.SSLEOFError(8, "EOF occurred")),
        NoAnswer(failure=Failure.CLOSED, detail="EOF occurred"),
    ),
    "silence": (Broken(TimeoutError(), PIPE), NoAnswer(failure=Failure.TIMEOUT)),
}


@pytest.mark.parametrize(("connection", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_connection_that_breaks_is_told(connection: Broken, expected: Answer | NoAnswer) -> None:
    socket: Any = connection  # it looks like one

    assert result_of(lambda: converse(socket, b"GET / HTTP/1.1\r\n\r\n", lambda: 1.0, lambda _: None)) == expected


def test_a_deadline_tells_what_is_left_and_ends() -> None:
    times = iter([1.0, 9.5, 10.0])
    remaining = SecondsLeft(end=10.0, clock=lambda: next(times))

    assert (remaining(), remaining()) == (9.0, 0.5)
    with pytest.raises(TimeoutError):
        remaining()


TARGETS: dict[str, tuple[str, str, int, str, str]] = {
    "usual": ("https://Actions.example.com/a/b?x=1", "actions.example.com", 443, "/a/b?x=1", "actions.example.com"),
    "port": ("http://127.0.0.1:8000", "127.0.0.1", 8000, "/", "127.0.0.1:8000"),
    "IPv6": ("https://[::1]:8443/a", "::1", 8443, "/a", "[::1]:8443"),
    "fragment": ("https://a.example/b#c", "a.example", 443, "/b", "a.example"),
}


@pytest.mark.parametrize(("url", "host", "port", "path", "authority"), TARGETS.values(), ids=TARGETS)
def test_a_url_is_taken_apart(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = Target.parse(url)

    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "actions.example.com",
        "ftp://actions.example.com/",
        "https:///path",
        "https://user:secret@actions.example.com/",
        "https://actions.example.com:99999/",
        "https://actions.example.com/a b",
        "https://actions.example.com/\r\nX-Evil: 1",
        "https://actions.exämple.com/",
        "https://[::1/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.parse(url)


@given(st.text())
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = Target.parse(f"https://{text}")
    except ValueError:
        return
    assert not set(target.path + target.host) & set("\r\n ")
