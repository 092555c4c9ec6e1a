"""The core alone: both adapters open for a regional caller and for nobody else, and no extra is there."""

from __future__ import annotations

import asyncio
import io
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from wsgiref.util import setup_testing_defaults

from asgiref.testing import ApplicationCommunicator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import mtls_middleware
from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware, Settings, caller
from mtls_middleware.regions import find, table
from mtls_middleware.testing import ClientCertificate, RegionalCA, present
from mtls_middleware.testing.arrival import Arrival, ArrivingASGI, ArrivingWSGI

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OF_EXTRAS = (
    "fastapi",
    "httptools",
    "httpx2",
    "jinja2",
    "opentelemetry",
    "pytest",
    "rich",
    "typer",
    "uvicorn",
    "uvloop",
)
OF_THE_TREE = ("example_app", "tests")


async def on_asgi(request: Request) -> PlainTextResponse:
    """Tell who calls."""
    return PlainTextResponse(caller(request).region)


def on_wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Tell who calls."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(caller(environ).region).encode()]


async def ask_asgi(app: MTLSMiddleware, arrival: Arrival) -> tuple[int, str]:
    """Return the status and the body of a call."""
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    call = ApplicationCommunicator(ArrivingASGI(app, arrival), scope)
    await call.send_input({"type": "http.request"})
    return (await call.receive_output(20))["status"], (await call.receive_output(20))["body"].decode()


def ask_wsgi(app: MTLSWSGIMiddleware, arrival: Arrival) -> tuple[int, str]:
    """Return the status and the body of a call."""
    environ: WSGIEnvironment = {"wsgi.input": io.BytesIO()}
    setup_testing_defaults(environ)
    begun: list[str] = []

    def start_response(status: str, *_: object) -> object:
        begun.append(status)
        return None

    body = b"".join(ArrivingWSGI(app, arrival)(environ, start_response))  # type: ignore[arg-type] # no write()
    return int(begun[0].split()[0]), body.decode()


def arriving(client: ClientCertificate | None) -> Arrival:
    """Return a call by TLS."""
    return Arrival(presentation=present("tls", client))


with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    settings = Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off")
    asgi = MTLSMiddleware(Starlette(routes=[Route("/", on_asgi)]), settings=settings)
    wsgi = MTLSWSGIMiddleware(on_wsgi, settings=settings)
    for client, status, said in (
        (ca.client(), 200, "us-east-1"),
        (None, 403, "certificate_missing"),
        (RegionalCA("us-east-1").client(), 403, "issuer_untrusted"),
    ):
        for answer in (asyncio.run(ask_asgi(asgi, arriving(client))), ask_wsgi(wsgi, arriving(client))):
            assert answer[0] == status, answer
            assert said in answer[1], answer

assert len(table()) == 18
assert find("mypurecloud.ie")
assert Path(mtls_middleware.__file__).is_relative_to(sys.prefix)
assert [name for name in (*OF_EXTRAS, *OF_THE_TREE) if find_spec(name)] == []
assert [one.name for one in entry_points(group="console_scripts", name="mtls-middleware")] == ["mtls-middleware"]
