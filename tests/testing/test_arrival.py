"""Calls of the kit arrive as those of data actions do: chunked, and with their headers."""

import sys
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from starlette.types import Receive, Scope, Send

from mtls_middleware._core.connection import UVICORN_HTTPTOOLS, canonical
from mtls_middleware.testing import RegionalCA, present
from mtls_middleware.testing.arrival import Arrival, ArrivingASGI, ArrivingWSGI
from tests.adapters.bodies import Start
from tests.adapters.cases import Case, http_scope, run_asgi, wsgi_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ARRIVAL = Arrival(presentation=present("tls", RegionalCA().client()))


def test_a_call_has_no_length_in_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, UVICORN_HTTPTOOLS, raising=False)
    seen: list[dict[bytes, bytes]] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(dict(scope["headers"]))

    run_asgi(ArrivingASGI(app, ARRIVAL), http_scope(Case(headers=(("Content-Length", "3"),))))

    assert (seen[0][b"transfer-encoding"], b"content-length" in seen[0]) == (b"chunked", False)


def environ_of(**environ: Any) -> "WSGIEnvironment":
    """Return what an application sees of such a call."""
    seen: list[WSGIEnvironment] = []

    def app(environ: "WSGIEnvironment", _: "StartResponse") -> Iterable[bytes]:
        seen.append(environ)
        return []

    ArrivingWSGI(app, ARRIVAL)(wsgi_environ(Case(environ=environ)), Start())
    return seen[0]


def test_a_body_ends_by_itself_in_wsgi() -> None:
    seen = environ_of(**{"CONTENT_LENGTH": "3", "wsgi.input": BytesIO(b"abc, and no more")})

    assert (seen["HTTP_TRANSFER_ENCODING"], "CONTENT_LENGTH" in seen) == ("chunked", False)
    assert (seen["wsgi.input"].read(), seen["wsgi.input_terminated"]) == (b"abc", True)


@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}])
def test_so_does_none(length: dict[str, str]) -> None:
    seen = environ_of(**{**length, "wsgi.input": BytesIO(b"not this call's")})

    assert (seen["HTTP_TRANSFER_ENCODING"], "CONTENT_LENGTH" in seen) == ("chunked", False)
    assert (seen["wsgi.input"].read(), seen["wsgi.input_terminated"]) == (b"", True)


def test_what_a_test_sends_in_pieces_is_left_alone() -> None:
    seen = environ_of(**{"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(b"abc")})

    assert (seen["wsgi.input"].read(), seen["wsgi.input_terminated"]) == (b"abc", True)


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER_AGENT"])
@pytest.mark.parametrize("agent", [None, "testclient", "Werkzeug/3.1.9", "python-httpx2/2.16.2"])
def test_a_test_client_does_not_give_its_name(name: str, agent: str | None) -> None:
    arrived = ARRIVAL.headers([] if agent is None else [(name, agent)])

    assert [value for key, value in arrived if canonical(key) == "user-agent"] == ["PureCloud-Data-Actions"]


@pytest.mark.parametrize("own", [("user-agent", "mine/1.0"), ("inin-correlation-id", "c-1")])
def test_what_a_test_sends_itself_stays(own: tuple[str, str]) -> None:
    assert [(key, value) for key, value in ARRIVAL.headers([own]) if key.lower() == own[0]] == [own]


def test_each_call_has_a_correlation_id_of_its_own() -> None:
    ids = [dict(ARRIVAL.headers([]))["ININ-Correlation-Id"] for _ in range(3)]

    assert len({UUID(one) for one in ids}) == 3


def test_no_organization_is_made_up() -> None:
    assert [name for name, _ in ARRIVAL.headers([]) if "organization" in name.lower()] == []
