"""The code of docs/platforms.md for AWS Lambda behind an Application Load Balancer, run with an event of that kind."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mtls_middleware import caller
from mtls_middleware.testing import ClientCertificate, RegionalCA
from mtls_middleware.testing.encodings import url_pem

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text(encoding="utf-8")

Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def region() -> RegionalCA:
    return RegionalCA("us-east-1")


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Give Mangum the loop that it takes from its thread."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, region: RegionalCA) -> Any:
    pytest.importorskip("mangum")

    async def lookup(request: Request) -> JSONResponse:
        return JSONResponse({"region": caller(request).region})

    service, main = ModuleType("my_service"), ModuleType("my_service.main")
    vars(main)["application"] = Starlette(routes=[Route("/actions/lookup", lookup)])
    monkeypatch.setitem(sys.modules, "my_service", service)
    monkeypatch.setitem(sys.modules, "my_service.main", main)
    for name, value in {"REGIONS": "us-east-1", "TRUST": str(region.write(tmp_path)), "STATE": "off"}.items():
        monkeypatch.setenv(f"MTLS_{name}", value)
    for name in ("MTLS_SOURCE", "MTLS_PROXY_SECRET"):
        monkeypatch.setenv(name, "")  # the code sets them, and they end with the test
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    made: dict[str, Any] = {"__name__": "handler"}
    exec(compile(code, "platforms.md", "exec", dont_inherit=True), made)
    return made["handler"]


def invoke(handler: Any, client: ClientCertificate | None, **headers: str) -> Answer:
    presented = {"x-amzn-mtls-clientcert-leaf": url_pem(client)} if client else {}
    event = {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a/b"}},
        "httpMethod": "GET",
        "path": "/actions/lookup",
        "queryStringParameters": {},
        "headers": {"host": "a.example.com", "x-forwarded-for": "10.0.0.7", **presented, **headers},
        "body": "",
        "isBase64Encoded": False,
    }
    answer = handler(event, {})
    assert not answer["isBase64Encoded"]
    return answer["statusCode"], json.loads(answer["body"])


def test_a_data_action_is_let_in(handler: Any, region: RegionalCA) -> None:
    assert invoke(handler, region.client()) == (200, {"region": "us-east-1"})


def test_others_are_refused_in_plain_text(handler: Any, region: RegionalCA) -> None:
    assert invoke(handler, None)[1]["reason"] == "certificate_missing"
    assert invoke(handler, RegionalCA("us-east-1").client())[1]["reason"] == "issuer_untrusted"
    guessed = {"x-mtls-proxy-secret": "a-guess-of-the-secret"}
    assert invoke(handler, region.client(), **guessed)[1]["reason"] == "source_untrusted"
