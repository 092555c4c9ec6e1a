"""An accepted chunked body in WSGI: the application gets it with a length, because Django reads none without."""

import io
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import pytest

from mtls_middleware import MTLSWSGIMiddleware
from mtls_middleware.bodies import spool
from mtls_middleware.bodies.spool import SPOOL_BYTES
from tests.adapters.bodies import (
    CHUNKED,
    LONG_BODY,
    NO_ROOM,
    ROOM,
    UWSGI,
    Application,
    Broken,
    Start,
    no_folder,
    served,
    small_disk,
)
from tests.adapters.cases import run_wsgi, wsgi_environ
from tests.adapters.site import Site, good_client, over_tls

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGE = SPOOL_BYTES + 1


class TestAnAcceptedChunkedBody:
    @pytest.mark.parametrize("size", [0, 1, 20_000, SPOOL_BYTES, LARGE])
    def test_it_comes_with_its_length(self, site: Site, size: int) -> None:
        body = b"x" * size

        status, app = served(site, {**CHUNKED, "wsgi.input": io.BytesIO(body)})

        assert (status, app.body, app.environ["CONTENT_LENGTH"]) == (200, body, str(size))

    def test_the_application_is_told_of_no_chunks_any_more(self, site: Site) -> None:
        _, app = served(site, {**CHUNKED, "wsgi.input": io.BytesIO(b"{}")})

        assert "HTTP_TRANSFER_ENCODING" not in app.environ
        assert app.environ["wsgi.input_terminated"] is True
        assert app.left == b""

    def test_over_the_bound_it_is_refused_and_never_reaches_the_application(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            status, app = served(
                site, {**CHUNKED, "wsgi.input": io.BytesIO(b"x" * 1025)}, max_chunked_body_bytes="1024"
            )

        assert (status, app.body) == (413, None)
        assert "MTLS_MAX_CHUNKED_BODY_BYTES=1024" in caplog.text

    def test_the_bound_itself_is_let_through(self, site: Site) -> None:
        environ = {**CHUNKED, "wsgi.input": io.BytesIO(b"x" * 1024)}

        assert served(site, environ, max_chunked_body_bytes="1024")[0] == 200

    def test_the_answer_says_no_more_than_it_must(self, site: Site) -> None:
        guard = site.guard(max_chunked_body_bytes="1024")
        headers = (("ININ-Correlation-Id", "c-1"),)
        case = over_tls(good_client(), headers=headers, environ={**CHUNKED, "wsgi.input": io.BytesIO(b"x" * 1025)})

        _, body = run_wsgi(MTLSWSGIMiddleware(Application(), guard=guard), wsgi_environ(case))

        assert {**json.loads(body), "title": ""} == {"status": 413, "title": "", "correlationId": "c-1"}

    @pytest.mark.parametrize("environ", [{"wsgi.input_terminated": False}, {"HTTP_TRANSFER_ENCODING": "gzip, chunked"}])
    def test_where_nobody_knows_its_end_it_is_left_alone(self, site: Site, environ: dict[str, Any]) -> None:
        body = io.BufferedReader(io.BytesIO(b"abc"))  # as the standard library's server

        _, app = served(site, {**CHUNKED, "wsgi.input": body, **environ})

        assert app.environ["wsgi.input"] is body
        assert body.tell() == 0
        assert "CONTENT_LENGTH" not in app.environ

    @pytest.mark.parametrize("kind", [io.BytesIO, SpooledTemporaryFile], ids=["starlette", "asgiref"])
    def test_what_a_bridge_has_read_already_ends_by_itself(self, site: Site, kind: Callable[[], IO[bytes]]) -> None:
        with kind() as body:
            body.write(b"abc")
            body.seek(0)

            _, app = served(site, {**CHUNKED, "wsgi.input": body, "wsgi.input_terminated": False})

        assert app.body == b"abc"

    @pytest.mark.parametrize("accepted", [True, False])
    @pytest.mark.parametrize("ends", [True, False])
    def test_a_length_beside_chunks_means_nothing(self, site: Site, accepted: bool, ends: bool) -> None:
        """RFC 9112 §6.3; some servers hand over both."""
        environ = {**CHUNKED, "CONTENT_LENGTH": "3", "wsgi.input": io.BufferedReader(io.BytesIO(b"hello"))}

        _, app = served(site, {**environ, "wsgi.input_terminated": ends}, accepted=accepted, mode="report")

        assert app.environ.get("CONTENT_LENGTH") == ("5" if accepted and ends else None)

    def test_a_body_with_a_length_is_left_alone(self, site: Site) -> None:
        body = io.BytesIO(b"abc")

        _, app = served(site, {"CONTENT_LENGTH": "3", "wsgi.input": body})

        assert app.environ["wsgi.input"] is body
        assert app.body == b"abc"

    @pytest.mark.parametrize("settings", [{"exempt": "/actions"}, {"mode": "report"}])
    def test_nothing_is_kept_of_a_stranger_who_is_let_through(self, site: Site, settings: dict[str, str]) -> None:
        body = io.BytesIO(b"abc")

        status, app = served(site, {**CHUNKED, "wsgi.input": body}, accepted=False, **settings)

        assert (status, app.environ["wsgi.input"], body.tell()) == (200, body, 0)

    def test_a_body_that_ends_in_the_middle_reaches_nobody(self, site: Site) -> None:
        with pytest.raises(ConnectionError):
            served(site, {**CHUNKED, "wsgi.input": Broken()})

    def test_an_application_that_fails_leaves_no_file_open(self, site: Site) -> None:
        kept = []

        def fail(environ: "WSGIEnvironment", _: "StartResponse") -> Iterable[bytes]:
            kept.append(environ["wsgi.input"])
            raise LookupError

        environ = wsgi_environ(over_tls(good_client(), environ={**CHUNKED, "wsgi.input": io.BytesIO(b"x" * LARGE)}))
        with pytest.raises(LookupError):
            run_wsgi(MTLSWSGIMiddleware(fail, guard=site.guard()), environ)

        assert kept[0].closed

    def test_a_large_one_arrives_where_nothing_can_be_kept_on_disk(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spool, "TemporaryFile", no_folder)
        body = b"x" * (3 * LARGE)

        status, app = served(site, {**CHUNKED, "wsgi.input": io.BytesIO(body)})

        assert (status, app.body == body, app.environ["CONTENT_LENGTH"]) == (200, True, str(len(body)))

    @pytest.mark.parametrize("room", ROOM)
    @pytest.mark.parametrize("kind", NO_ROOM)
    def test_a_large_one_arrives_where_the_disk_fills_up(
        self, site: Site, kind: str, room: int, tmp_path: Path
    ) -> None:
        with NO_ROOM[kind](tmp_path, room):
            status, app = served(site, {**CHUNKED, "wsgi.input": io.BytesIO(LONG_BODY)})

        assert (status, app.body == LONG_BODY, app.left) == (200, True, b"")

    def test_on_a_full_disk_the_bound_holds_too(self, site: Site, tmp_path: Path) -> None:
        environ = {**CHUNKED, "wsgi.input": io.BytesIO(LONG_BODY)}

        with small_disk(tmp_path, 1_500_000):
            status, app = served(site, environ, max_chunked_body_bytes="2000000")

        assert (status, app.body) == (413, None)

    def test_a_large_one_can_be_read_in_lines_too(self, site: Site) -> None:
        lines: list[bytes] = []

        def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            lines.extend([environ["wsgi.input"].readline(), *environ["wsgi.input"]])
            start_response("200 OK", [])
            return [b""]

        environ = wsgi_environ(over_tls(good_client(), environ={**CHUNKED, "wsgi.input": io.BytesIO(LONG_BODY)}))
        answer: Any = MTLSWSGIMiddleware(application, guard=site.guard())(environ, Start())
        answer.close()

        assert lines == LONG_BODY.splitlines(keepends=True)

    def test_a_large_one_is_closed_with_the_answer(self, site: Site) -> None:
        app, environ = Application(), {**CHUNKED, "wsgi.input": io.BytesIO(b"x" * LARGE)}
        case = over_tls(good_client(), environ=environ)
        answer = MTLSWSGIMiddleware(app, guard=site.guard())(wsgi_environ(case), Start())

        assert list(answer) == [b"ok"]
        assert not app.environ["wsgi.input"].closed
        answer.close()  # type: ignore[attr-defined] # servers ask whether there is one
        assert app.environ["wsgi.input"].closed


@pytest.mark.parametrize(
    ("router", "options", "body"),
    [
        ({}, {}, b"abc"),
        ({"UWSGI_ROUTER": "http"}, {"http-chunked-input": True}, b"abc"),
        ({"UWSGI_ROUTER": "http"}, {}, b""),
    ],
)
def test_uwsgi_has_a_way_of_its_own(site: Site, uwsgi: Any, router: Any, options: Any, body: bytes) -> None:
    uwsgi.opt = options

    assert served(site, {**UWSGI, **router})[1].body == body
