"""Names of applications, and the protocols that they speak."""

import functools
import json
from importlib import import_module
from typing import Any

import pytest
from asgiref.wsgi import WsgiToAsgi

from mtls_middleware.testing.frameworks import Protocol, layers, load, protocol_of, split
from mtls_middleware.testing.plugin import DataActionClient
from tests.adapters.cases import ASGIApplication, WSGIApplication


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def bridged(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi(environ: Any, start_response: Any) -> None: ...


def wsgi_with_options(environ: Any, start_response: Any, options: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("app", "protocol"),
    [
        pytest.param(asgi, Protocol.ASGI, id="async function"),
        pytest.param(bridged, Protocol.ASGI, id="three arguments"),
        pytest.param(ASGIApplication(), Protocol.ASGI, id="async object"),
        pytest.param(ASGIApplication().__call__, Protocol.ASGI, id="async method"),
        pytest.param(WsgiToAsgi(wsgi), Protocol.ASGI, id="a bridge"),
        pytest.param(wsgi, Protocol.WSGI, id="function"),
        pytest.param(wsgi_with_options, Protocol.WSGI, id="an argument more"),
        pytest.param(WSGIApplication(), Protocol.WSGI, id="object"),
        pytest.param(WSGIApplication().__call__, Protocol.WSGI, id="method"),
    ],
)
def test_the_protocol_is_told_by_how_it_is_called(app: object, protocol: Protocol) -> None:
    assert protocol_of(app) is protocol


@pytest.mark.parametrize(
    "app",
    [None, "", 7, lambda: None, print, dict, max],
    ids=["None", "text", "number", "factory", "builtin", "class", "builtin without signature"],
)
def test_what_is_no_application_is_told(app: object) -> None:
    with pytest.raises(TypeError, match="neither an ASGI nor a WSGI application"):
        protocol_of(app)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("shop:app", ("shop", "app", False)),
        ("shop.main:app", ("shop.main", "app", False)),
        ("shop.main:site.app", ("shop.main", "site.app", False)),
        ("shop.main:create_app()", ("shop.main", "create_app", True)),
    ],
)
def test_names_are_split(name: str, parts: tuple[str, str, bool]) -> None:
    assert split(name) == parts


@pytest.mark.parametrize("name", ["", "shop", "shop:", ":app", "shop.main.app", "shop:app('x')", "shop/main.py:app"])
def test_other_texts_are_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="names no application"):
        load(name)


def test_a_factory_is_called() -> None:
    assert load(lambda: asgi) is asgi


def test_an_application_is_not_called() -> None:
    assert [load(app) for app in (asgi, wsgi)] == [asgi, wsgi]


def test_layers_end_where_they_meet_again() -> None:
    outer, inner = WSGIApplication(), WSGIApplication()
    vars(outer)["app"], vars(inner)["app"] = inner, outer

    assert list(layers(outer)) == [outer, inner]


class Slotted:
    __slots__ = ("__weakref__", "asgi_handlers", "routes")

    def __init__(self, handler: object) -> None:
        self.asgi_handlers = {"GET": (handler, "GET")}

    @property
    def app(self) -> object:
        raise AssertionError("a property might do anything")


def test_layers_lead_through_whatever_frameworks_use() -> None:
    outer, inner = WSGIApplication(), WSGIApplication()
    vars(outer)["routes"] = [functools.partial(print), Slotted(inner.__call__)]

    assert inner in list(layers(outer))


def test_a_guard_that_the_module_made_under_another_environment_is_made_again(
    data_action_client: DataActionClient,
) -> None:
    for mode, status in (("report", 200), ("enforce", 403), ("report", 200)):
        stranger = data_action_client("fastapi_guarded:app", environ={"MTLS_MODE": mode}).without_certificate()

        assert stranger.post("/actions/lookup").status_code == status


@pytest.mark.parametrize("name", ["wsgi", "asgi"])
@pytest.mark.parametrize(
    ("allowed", "debug"),
    [
        pytest.param(["actions.example.com"], False, id="a host"),
        pytest.param([".example.com", "localhost"], False, id="a domain"),
        pytest.param(["*"], False, id="any"),
        pytest.param(["testserver"], False, id="added by a test runner of Django"),
        pytest.param([], True, id="a new project"),
    ],
)
def test_calls_name_a_host_that_django_allows(
    data_action_client: DataActionClient,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    allowed: list[str],
    debug: bool,
) -> None:
    settings = import_module("example_app.django_app").settings
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", allowed)
    monkeypatch.setattr(settings, "DEBUG", debug)
    monkeypatch.setattr(settings, "MIDDLEWARE", ["django.middleware.common.CommonMiddleware"])

    answer = data_action_client(f"example_app.django_app:{name}").get("/health")

    assert json.loads(answer.content) == {"status": "ok"}
