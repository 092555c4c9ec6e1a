"""The core alone: both doors open for a regional caller and for nobody else, and no extra is there."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import mtls_middleware
from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware, Settings, caller
from mtls_middleware.regions import find, table
from mtls_middleware.testing import MTLSTestClient, RegionalCA

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OF_EXTRAS = ("fastapi", "httptools", "jinja2", "opentelemetry", "pytest", "rich", "typer", "uvicorn", "uvloop")
OF_THE_TREE = ("example_app", "tests")


async def on_asgi(request: Request) -> PlainTextResponse:
    """Tell who calls."""
    return PlainTextResponse(caller(request).region)


def on_wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Tell who calls."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(caller(environ).region).encode()]


with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    settings = Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off")
    for app in (
        MTLSMiddleware(Starlette(routes=[Route("/", on_asgi)]), settings=settings),
        MTLSWSGIMiddleware(on_wsgi, settings=settings),
    ):
        client = MTLSTestClient(app, ca, settings=settings)
        assert (client.get("/").status_code, client.get("/").text) == (200, "us-east-1")
        assert client.without_certificate().get("/").json()["reason"] == "certificate_missing"
        assert client.with_certificate(stranger=True).get("/").json()["reason"] == "issuer_untrusted"

assert len(table()) == 18
assert find("mypurecloud.ie")
assert Path(mtls_middleware.__file__).is_relative_to(sys.prefix)
assert [name for name in (*OF_EXTRAS, *OF_THE_TREE) if find_spec(name)] == []
assert [one.name for one in entry_points(group="console_scripts", name="mtls-middleware")] == ["mtls-middleware"]
