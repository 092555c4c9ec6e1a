"""A refused body in WSGI: it is read away before the answer, and nobody holds a worker with it."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from mtls_middleware import MTLSWSGIMiddleware
from mtls_middleware.bodies import MAX_DISCARDED_BYTES, MAX_WAITING_SECONDS
from tests.adapters.bodies import CHUNKED, UWSGI, Application, Broken, Start, served
from tests.adapters.cases import run_wsgi, wsgi_environ
from tests.adapters.site import Site, over_tls


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of a connection: the caller's and the server's."""
    caller, server = socket.socketpair()
    with caller, server:
        caller.settimeout(20)
        yield caller, server


class Reading:
    """A body as gunicorn's: it reads from the socket until there are as many bytes as were asked for."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.number = 0

    def read(self, size: int) -> bytes:
        content = b""
        while len(content) < size and (piece := self._connection.recv(size - len(content))):
            content += piece
            self.number += len(piece)
        return content


def refused(site: Site, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    case = over_tls(None, environ={"REQUEST_METHOD": "POST", **environ})
    started, _ = run_wsgi(MTLSWSGIMiddleware(Application(), guard=site.guard()), wsgi_environ(case))
    return started


class TestARefusedBody:
    @pytest.mark.parametrize("size", [1, 1_000, 100_000])
    def test_it_is_read_before_the_answer(self, site: Site, size: int) -> None:
        with connected() as (caller, server):
            body = Reading(server)
            sending = threading.Thread(target=caller.sendall, args=(b"x" * size,))
            sending.start()
            status, _ = refused(
                site, {"CONTENT_LENGTH": str(size), "wsgi.input": body, "gunicorn.socket": Plain(server)}
            )
            sending.join(20)

        assert (status[:3], body.number) == ("403", size)

    @pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
    def test_a_caller_who_keeps_it_back_holds_no_worker(self, site: Site, drips: bool) -> None:
        with connected() as (caller, server):
            body, ended = Reading(server), threading.Event()
            environ = {"CONTENT_LENGTH": "100000", "wsgi.input": body, "gunicorn.socket": Plain(server)}

            def drip() -> None:
                with suppress(ConnectionError):  # it was refused just now
                    while not ended.wait(MAX_WAITING_SECONDS / 200):
                        caller.send(b"x")

            dripping = threading.Thread(target=drip)
            dripping.start() if drips else None
            status, _ = refused(site, environ)  # the time limit of the test is the claim
            ended.set()
            dripping.join(20) if drips else None

        assert status[:3] == "403"
        assert body.number < 100_000

    def test_no_more_is_read_than_the_bound(self, site: Site) -> None:
        with connected() as (_, server):
            body = io.BytesIO(b"x" * (MAX_DISCARDED_BYTES + 100_000))
            refused(site, {**CHUNKED, "wsgi.input": body, "gunicorn.socket": Plain(server)})

        assert body.tell() == MAX_DISCARDED_BYTES

    @pytest.mark.parametrize(
        "more",
        [
            pytest.param({"SERVER_PROTOCOL": "HTTP/2.0"}, id="many requests share the connection"),
            pytest.param({"gunicorn.socket": object()}, id="no connection to interrupt"),
            pytest.param({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, id="no length and no chunks"),
        ],
    )
    def test_what_could_wait_for_ever_is_not_read(self, site: Site, more: dict[str, Any]) -> None:
        body = io.BytesIO(b"abc")
        with connected() as (_, server):
            environ = {**CHUNKED, "wsgi.input": body, "gunicorn.socket": Plain(server), **more}
            status, _ = refused(site, environ)

        assert (status[:3], body.tell()) == ("403", 0)

    def test_a_body_that_breaks_is_refused_all_the_same(self, site: Site) -> None:
        with connected() as (_, server):
            status, _ = refused(site, {**CHUNKED, "wsgi.input": Broken(), "gunicorn.socket": Plain(server)})

        assert status[:3] == "403"

    def test_uwsgi_sends_no_100_so_an_expecting_caller_is_answered_at_once(self, site: Site, uwsgi: Any) -> None:
        uwsgi.chunked_read = Broken().read
        uwsgi.connection_fd = None

        assert refused(site, {**UWSGI, "HTTP_EXPECT": "100-continue"})[0][:3] == "403"


def Plain(connection: socket.socket) -> Any:  # noqa: N802 - stands for a class
    """Return a socket that is no `socket.socket`, as gevent's is none."""
    return SimpleNamespace(fileno=connection.fileno, gettimeout=connection.gettimeout, settimeout=connection.settimeout)


class TestGranian:
    """It shows no connection, so a thread reads, and is left alone after a while."""

    @staticmethod
    def body(read: Callable[[int], bytes]) -> Any:
        return type("WSGIBody", (), {"__module__": "granian._granian", "read": lambda _, size: read(size)})()

    def test_the_body_is_read_before_the_answer(self, site: Site) -> None:
        content = io.BytesIO(b"x" * 100_000)

        status, _ = refused(site, {**CHUNKED, "wsgi.input": self.body(content.read)})

        assert (status[:3], content.tell()) == ("403", 100_000)

    def test_a_caller_who_keeps_it_back_holds_no_worker(self, site: Site) -> None:
        ended = threading.Event()

        def read(_: int) -> bytes:
            assert ended.wait(30)
            return b""

        status, _ = refused(site, {**CHUNKED, "wsgi.input": self.body(read)})
        ended.set()

        assert status[:3] == "403"

    def test_an_expecting_caller_is_not_invited(self, site: Site) -> None:
        environ = {**CHUNKED, "wsgi.input": self.body(Broken().read), "HTTP_EXPECT": "100-continue"}

        assert refused(site, environ)[0][:3] == "403"


class TestCheroot:
    """It takes what is left of a chunked body for the next request."""

    @staticmethod
    def environ(content: bytes, server: socket.socket) -> dict[str, Any]:
        body: Any = type("ChunkedRFile", (io.BytesIO,), {"__module__": "cheroot.server"})(content)
        body.rfile = server.makefile("rb")
        return {**CHUNKED, "wsgi.input": body}

    def test_a_body_that_was_read_to_its_end_leaves_the_connection_open(self, site: Site) -> None:
        with connected() as (_, server):
            environ = self.environ(b"abc", server)
            _, headers = refused(site, environ)
            environ["wsgi.input"].rfile.close()

        assert "Connection" not in dict(headers)

    def test_lesson_smuggling_too_long_a_body_ends_the_connection(self, site: Site) -> None:
        with connected() as (_, server):
            environ = self.environ(b"x" * (2 * MAX_DISCARDED_BYTES + 100_000), server)
            case = over_tls(None, environ={"REQUEST_METHOD": "POST", **environ})
            start = Start()
            answer: Any = MTLSWSGIMiddleware(Application(), guard=site.guard())(wsgi_environ(case), start)
            assert json.loads(b"".join(answer))["reason"] == "certificate_missing"
            with pytest.raises(ConnectionResetError):
                answer.close()
            environ["wsgi.input"].rfile.close()

        assert start.headers["Connection"] == "close"

    @pytest.mark.parametrize("settings", [{"exempt": "/actions"}, {"mode": "report"}])
    def test_lesson_smuggling_what_an_application_left_of_a_stranger_s_body_is_read_away(
        self, site: Site, settings: dict[str, str]
    ) -> None:
        with connected() as (_, server):
            environ = self.environ(b"GET /admin HTTP/1.1\r\n\r\n", server)
            assert served(site, environ, accepted=False, **settings)[0] == 200
            answer: Any = MTLSWSGIMiddleware(Application(), guard=site.guard(**settings))(
                wsgi_environ(over_tls(None, environ=environ)), Start()
            )
            assert list(answer) == [b"ok"]
            answer.close()
            environ["wsgi.input"].rfile.close()

        assert environ["wsgi.input"].read() == b""


def test_uwsgi_s_connections_end_with_each_answer_and_callers_are_told(site: Site, uwsgi: Any) -> None:
    with connected() as (_, server):
        uwsgi.connection_fd = server.fileno
        (_, headers), _ = run_wsgi(
            MTLSWSGIMiddleware(Application(), guard=site.guard()), wsgi_environ(over_tls(None, environ=UWSGI))
        )

    assert ("Connection", "close") in headers
