"""Calls of the kit arrive as those of data actions do: chunked."""

import sys
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from starlette.types import Receive, Scope, Send

from mtls_middleware._core.connection import UVICORN_HTTPTOOLS
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


def test_a_body_ends_by_itself_in_wsgi() -> None:
    seen: list[WSGIEnvironment] = []

    def app(environ: "WSGIEnvironment", _: "StartResponse") -> Iterable[bytes]:
        seen.append(environ)
        return []

    environ: dict[str, Any] = {"CONTENT_LENGTH": "3", "wsgi.input": BytesIO(b"abc, and no more")}
    ArrivingWSGI(app, ARRIVAL)(wsgi_environ(Case(environ=environ)), Start())

    assert (seen[0]["HTTP_TRANSFER_ENCODING"], "CONTENT_LENGTH" in seen[0]) == ("chunked", False)
    assert (seen[0]["wsgi.input"].read(), seen[0]["wsgi.input_terminated"]) == (b"abc", True)
