"""The extra `testing`: what a user's test looks like."""

from pathlib import Path

import pytest

from mtls_middleware.testing.plugin import DataActionClient

SERVICE = """
from mtls_middleware import MTLSMiddleware, caller
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


def look_up(request):
    return JSONResponse({"caller": caller(request).region})


app = Starlette(routes=[Route("/actions/lookup", look_up, methods=["POST"])])
app.add_middleware(MTLSMiddleware)
"""


def test_lookup(data_action_client: DataActionClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_service.py").write_text(SERVICE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    client = data_action_client("my_service:app")

    assert client.post("/actions/lookup").json() == {"caller": "us-east-1"}
    assert client.without_certificate().post("/actions/lookup").json()["reason"] == "certificate_missing"
    assert client.with_certificate(expired=True).post("/actions/lookup").json()["reason"] == "certificate_expired"
