"""The extra `status`: the page, mounted into an application of one's own."""

from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from mtls_middleware import Guard, Settings
from mtls_middleware.status_page import StatusPage
from mtls_middleware.testing import RegionalCA

with TemporaryDirectory() as folder:
    ca = RegionalCA("us-east-1")
    guard = Guard.from_settings(Settings(regions="us-east-1", trust=ca.write(Path(folder)), state="off"))
    guard.start()
    client = TestClient(Starlette(routes=[Mount("/status", StatusPage(guard, allow=lambda _request: True))]))
    assert "us-east-1" in client.get("/status/", headers={"Accept": "text/html"}).text
    assert client.get("/status/status.json").json()
    guard.close()
