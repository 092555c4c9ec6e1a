"""The page as an application: who gets what, and who gets nothing."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from mtls_middleware import Guard, Mode, MTLSMiddleware, Settings, optional_caller
from mtls_middleware.status_page import StatusPage
from mtls_middleware.status_page.document import style
from mtls_middleware.testing import MTLSTestClient
from tests.status_page.scenes import Clock, ca, loaded


def everybody(_request: Request) -> bool:
    return True


def client_of(guard: Guard, allow: Callable[[Request], bool] = everybody) -> TestClient:
    return TestClient(StatusPage(guard, allow=allow, clock=Clock()))


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    guard = loaded(tmp_path)
    guard.report_itself()
    return guard


@pytest.fixture
def client(guard: Guard) -> TestClient:
    return client_of(guard)


def test_a_browser_gets_the_page(client: TestClient) -> None:
    answer = client.get("/", headers={"accept": "text/html,*/*;q=0.8"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Trust is up to date" in answer.text


@pytest.mark.parametrize(
    ("path", "accept"), [("/", "application/json"), ("/status.json", "*/*"), ("/status.json", "text/html")]
)
def test_a_program_gets_json(client: TestClient, path: str, accept: str) -> None:
    answer = client.get(path, headers={"accept": accept})

    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["life"] == "fresh"


@pytest.mark.parametrize("path", ["/", "/status.json", "/unknown"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("is_allowed", [True, False])
def test_every_answer_forbids_what_it_does_not_need(guard: Guard, path: str, method: str, is_allowed: bool) -> None:
    answer = client_of(guard, lambda _: is_allowed).request(method, path)

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_hash_in_the_policy_is_that_of_the_style(client: TestClient) -> None:
    import base64  # noqa: PLC0415 - beside its only user
    import hashlib  # noqa: PLC0415

    answer = client.get("/")
    (inside,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert inside == style()


@pytest.mark.parametrize("path", ["/", "/status.json"])
def test_head_is_get_without_a_body(client: TestClient, path: str) -> None:
    asked, got = client.head(path), client.get(path)

    assert asked.content == b""
    assert dict(asked.headers) == dict(got.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(client: TestClient, method: str) -> None:
    answer = client.request(method, "/")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/status", "/status.json/", "/page.css", "//", "/%2e%2e/"])
def test_nothing_else_is_there(client: TestClient, path: str) -> None:
    assert client.get(f"http://testserver{path}").status_code == 404


def failing(_request: Request) -> bool:
    raise LookupError("the session store is gone")


def vague(_request: Request) -> Any:
    return "yes"


def silent(_request: Request) -> Any:
    return None


@pytest.mark.parametrize("allow", [lambda _: False, failing, vague, silent], ids=["no", "raises", "truthy", "nothing"])
@pytest.mark.parametrize("path", ["/", "/status.json", "/unknown"])
def test_nothing_but_a_yes_lets_in(guard: Guard, allow: Callable[[Request], bool], path: str) -> None:
    answer = client_of(guard, allow).get(path)

    assert (answer.status_code, answer.text) == (403, "403 Forbidden\n")


def test_what_allow_raises_is_logged(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="mtls_middleware"):
        client_of(guard, failing).get("/")

    assert "allow= of the status page failed" in caplog.text


async def later(_request: Request) -> bool:
    return False


@pytest.mark.parametrize("allow", [later, None, True], ids=["async", "nothing", "a constant"])
def test_allow_must_be_a_function_that_answers_at_once(guard: Guard, allow: Any) -> None:
    with pytest.raises(TypeError, match="allow= takes a function"):
        StatusPage(guard, allow=allow)


def test_allow_is_required(guard: Guard) -> None:
    with pytest.raises(TypeError, match="allow"):
        StatusPage(guard)  # type: ignore[call-arg]  # what must fail


def test_websockets_are_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/"):
        pass

    assert refused.value.code == 1008


def test_another_protocol_is_an_error(guard: Guard) -> None:
    import asyncio  # noqa: PLC0415 - beside its only user

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match="lifespan"):
        asyncio.run(StatusPage(guard, allow=everybody)({"type": "lifespan"}, receive, send))


@pytest.mark.parametrize(
    ("address", "link"), [("/mtls-status/", "status.json"), ("/mtls-status/?x=1", "status.json")], ids=str
)
def test_it_can_be_mounted(guard: Guard, address: str, link: str) -> None:
    app = Starlette(routes=[Mount("/mtls-status", StatusPage(guard, allow=everybody))])
    answer = TestClient(app).get(address)

    assert answer.status_code == 200
    assert f'href="{link}"' in answer.text
    assert TestClient(app).get("/mtls-status/status.json").json()["life"] == "fresh"


def test_without_a_slash_its_links_still_lead_to_it(guard: Guard) -> None:
    answer = TestClient(StatusPage(guard, allow=everybody), root_path="/mtls-status").get("/mtls-status")

    assert 'href="mtls-status/status.json"' in answer.text


@pytest.mark.parametrize("mode", Mode)
def test_below_the_middleware_it_needs_a_certificate_too(tmp_path: Path, mode: Mode) -> None:
    root = ca()
    settings = Settings(regions="us-east-1", trust=root.write(tmp_path), state="off", revocation="off", mode=mode)
    guard = Guard.from_settings(settings, clock=Clock())
    app = Starlette(
        routes=[Mount("/mtls-status", StatusPage(guard, allow=lambda request: optional_caller(request) is not None))]
    )
    app.add_middleware(MTLSMiddleware, guard=guard)
    caller = MTLSTestClient(app, ca=root)

    known, unknown = caller.get("/mtls-status/"), caller.without_certificate().get("/mtls-status/")
    guard.close()

    assert (known.status_code, unknown.status_code) == (200, 403)
    assert "by this process alone" in known.text


def test_what_was_counted_in_report_mode_is_shown(tmp_path: Path) -> None:
    root = ca()
    state = tmp_path / "state"
    settings = Settings(regions="us-east-1", trust=root.write(tmp_path), state=state, revocation="off", mode="report")
    judging = Guard.from_settings(settings)
    app = Starlette()
    app.add_middleware(MTLSMiddleware, guard=judging)
    caller = MTLSTestClient(app, ca=root).without_certificate()
    for _ in range(3):
        caller.get("/")
    judging.close()
    elsewhere = Guard.silent(settings)
    elsewhere.load()

    told = client_of(elsewhere).get("/status.json").json()["decisions"]

    assert (told["scope"], told["refused"], told["would_be_refused"]) == ("machine", 0, 3)
    (row,) = told["by_reason"]
    assert (row["reason"], row["refused"], row["would_be_refused"]) == ("certificate_missing", 0, 3)


SECRETS = ("a-secret-of-the-proxy", "a-secret-of-the-caller")


def test_no_secret_is_on_it(tmp_path: Path) -> None:
    settings = Settings(
        regions="us-east-1",
        trust=ca().write(tmp_path),
        state="off",
        source="nginx",
        proxy_secret=SECRETS[0],
        caller_secret=SECRETS[1],
    )
    guard = Guard.silent(settings, clock=Clock())
    guard.load()
    client = client_of(guard)

    told = client.get("/").text + client.get("/status.json").text

    assert not [secret for secret in SECRETS if secret in told]


def test_the_template_engine_is_loaded_when_a_page_is_asked_for() -> None:
    program = "import sys, mtls_middleware.status_page, mtls_middleware.guard\nprint('jinja2' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert json.loads(ended.stdout.lower()) is False
