"""Each framework, by the code of its page: a call that is let in, and calls that are not."""

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.types import Message
from werkzeug.test import Client

from mtls_middleware import MTLSWSGIMiddleware
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.fastapi.clients import calling

PAGE = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text(encoding="utf-8")
LOOKUP = "/actions/lookup"
ORGANIZATION = {"ININ-Organization-Id": "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"}

FRAMEWORKS: Mapping[str, tuple[str, str, int]] = {
    "fastapi": ("FastAPI", "fastapi", 0),
    "starlette": ("Starlette", "starlette", 0),
    "litestar": ("Litestar", "litestar", 0),
    "quart": ("Quart", "quart", 0),
    "django-asgi": ("Django in ASGI", "django", 0),
    "flask": ("Flask", "flask", 0),
    "django-wsgi": ("Django in WSGI", "django", 0),
    "falcon-asgi": ("Falcon", "falcon", 0),
    "falcon-wsgi": ("Falcon", "falcon", 1),
}
"""Heading on the page, module that must be there, and which of the code blocks it is."""


class Framework:
    """Call what a block of the page makes."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        heading, module, place = FRAMEWORKS[name]
        pytest.importorskip(module)
        blocks = code(heading)
        if module == "django":
            stack.enter_context(django_urls(blocks[1]))
        made = execute(blocks[place])
        self._app = made.get("app") or made["application"]
        self._is_wsgi = isinstance(getattr(self._app, "wsgi_app", self._app), MTLSWSGIMiddleware)

    def call(
        self,
        client: ClientCertificate | None,
        path: str = LOOKUP,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
    ) -> tuple[int, Any]:
        if self._is_wsgi:
            environ = {"SSL_CLIENT_CERT": client.pem, "SSL_CLIENT_VERIFY": "SUCCESS"} if client else {}
            reply = Client(self._app).open(path, method=method, environ_overrides=environ, headers=headers)
            return reply.status_code, reply.get_json(silent=True)
        answer = calling(self._app, client).request(method, path, headers=headers)
        return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else None

    async def lifespan(self) -> list[str]:
        """Start and shut down as a server does, and return what the application said."""
        said: list[str] = []
        told = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Message:
            return {"type": next(told)}

        async def send(message: Message) -> None:
            said.append(message["type"])

        asgi = {"version": "3.0", "spec_version": "2.0"}
        await self._app({"type": "lifespan", "asgi": asgi, "state": {}}, receive, send)
        return said


def code(heading: str) -> list[str]:
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def execute(block: str, name: str = "frameworks") -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": name}
    exec(compile(block, "frameworks.md", "exec", dont_inherit=True), made)
    return made


def django_urls(block: str) -> Any:
    """Let Django look for views in this code."""
    from django.test import override_settings  # noqa: PLC0415 - as above

    import example_app.django_app  # noqa: F401, PLC0415 - it configures Django, which can be done once in a process

    urls = ModuleType("frameworks_urls")
    vars(urls).update(execute(block, urls.__name__))
    sys.modules[urls.__name__] = urls
    csrf = ["django.middleware.csrf.CsrfViewMiddleware"]  # as in every new project
    return override_settings(ROOT_URLCONF=urls.__name__, MIDDLEWARE=csrf)  # type: ignore[no-untyped-call]  # Django ships no types


@pytest.fixture(scope="module")
def regional_ca() -> RegionalCA:
    return RegionalCA("us-east-1")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, regional_ca: RegionalCA, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "REGIONS": "us-east-1",
        "TRUST": str(regional_ca.write(tmp_path)),
        "REVOCATION": "off",
        "STATE": "off",
    }.items():
        monkeypatch.setenv(f"MTLS_{name}", value)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")  # the page's code leaves it behind
    monkeypatch.setitem(sys.modules, "frameworks", ModuleType("frameworks"))  # some look for the module of an app


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest, stack: ExitStack) -> Framework:
    return Framework(request.param, stack)


def test_a_data_action_comes_in(framework: Framework, regional_ca: RegionalCA) -> None:
    assert framework.call(regional_ca.client()) == (200, {"region": "us-east-1"})


@pytest.mark.parametrize("name", ["django-asgi", "django-wsgi"])
def test_django_takes_the_post_of_a_data_action(name: str, stack: ExitStack, regional_ca: RegionalCA) -> None:
    assert Framework(name, stack).call(regional_ca.client(), method="POST") == (200, {"region": "us-east-1"})


def test_nobody_comes_in_without_a_certificate(framework: Framework) -> None:
    status, problem = framework.call(None)

    assert (status, problem["reason"]) == (403, "certificate_missing")


def test_an_expired_certificate_is_refused(framework: Framework, regional_ca: RegionalCA) -> None:
    assert framework.call(regional_ca.client(expired=True))[1]["reason"] == "certificate_expired"


def test_a_strangers_certificate_is_refused(framework: Framework) -> None:
    assert framework.call(RegionalCA("us-east-1").client())[1]["reason"] == "issuer_untrusted"


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_report_mode_lets_a_data_action_in(
    name: str, stack: ExitStack, regional_ca: RegionalCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLS_MODE", "report")

    assert Framework(name, stack).call(regional_ca.client()) == (200, {"region": "us-east-1"})


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_report_mode_lets_through_who_would_be_refused(
    name: str, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLS_MODE", "report")

    assert Framework(name, stack).call(None) == (200, {"region": None})


@pytest.mark.parametrize(
    ("name", "path"),
    [("fastapi", "/actions/strict"), ("fastapi", "/actions/american"), ("starlette", "/actions/european")],
)
def test_what_asks_for_a_caller_refuses_in_report_mode_too(
    name: str, path: str, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLS_MODE", "report")

    assert Framework(name, stack).call(None, path)[0] == 403


@pytest.mark.parametrize("name", ["fastapi", "starlette", "litestar", "quart", "falcon-asgi"])
def test_the_lifespan_is_passed_on(name: str, stack: ExitStack) -> None:
    said = asyncio.run(Framework(name, stack).lifespan())

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("path", "headers", "answer"),
    [
        ("/actions/american", {}, (200, {"region": "us-east-1"})),
        ("/actions/european", {}, (403, "region_mismatch")),
        ("/actions/acme", ORGANIZATION, (200, {"hello": "Acme"})),
        ("/actions/acme", {}, (403, "organization_mismatch")),
        ("/actions/strict", {}, (200, {"region": "us-east-1"})),
    ],
    ids=["american", "european", "acme", "nobody", "strict"],
)
def test_the_policies_of_fastapi_hold(
    path: str, headers: Mapping[str, str], answer: Any, stack: ExitStack, regional_ca: RegionalCA
) -> None:
    status, body = Framework("fastapi", stack).call(regional_ca.client(), path, headers)

    assert (status, body.get("reason", body)) == answer


def test_an_optional_caller_may_be_missing(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTLS_EXEMPT", LOOKUP)

    assert Framework("fastapi", stack).call(None) == (200, {"region": None})


def test_the_document_of_fastapi_shows_who_asks_for_a_certificate(stack: ExitStack, regional_ca: RegionalCA) -> None:
    status, document = Framework("fastapi", stack).call(regional_ca.client(), "/openapi.json")

    assert status == 200
    assert document["paths"]["/actions/strict"]["get"]["security"] == [{"mutualTLS": []}]


def test_a_scope_of_another_region_is_refused_by_starlette(stack: ExitStack, regional_ca: RegionalCA) -> None:
    assert Framework("starlette", stack).call(regional_ca.client(), "/actions/european")[0] == 403


def test_every_block_of_the_page_is_run() -> None:
    run = {(heading, place) for heading, module, place in FRAMEWORKS.values()}
    run |= {(heading, 1) for heading, module, _ in FRAMEWORKS.values() if module == "django"}
    run |= {("FastAPI", 1)}  # test_bound_tokens.py
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)

    assert run == {(heading, place) for heading in headings for place in range(len(code(heading)))}
