"""The extra `status`: the page, mounted into an application of one's own."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from asgiref.testing import ApplicationCommunicator
from starlette.applications import Starlette
from starlette.routing import Mount

from mtls_middleware import Guard, Settings
from mtls_middleware.status_page import StatusPage
from mtls_middleware.testing import RegionalCA


async def ask(app: Starlette, path: str) -> tuple[int, bytes]:
    """Return the status and the body of a call; test clients need a package that this extra does not bring."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"accept", b"text/html")]}
    call = ApplicationCommunicator(app, scope)
    await call.send_input({"type": "http.request"})
    return (await call.receive_output(20))["status"], (await call.receive_output(20))["body"]


with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    guard = Guard.from_settings(Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off"))
    guard.start()
    app = Starlette(routes=[Mount("/status", StatusPage(guard, allow=lambda _request: True))])
    status, body = asyncio.run(ask(app, "/status/"))
    assert (status, b"us-east-1" in body) == (200, True)
    status, body = asyncio.run(ask(app, "/status/status.json"))
    assert (status, bool(json.loads(body))) == (200, True)
    guard.close()
