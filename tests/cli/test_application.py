"""What `serve` imports: which applications are WSGI, and what is wrong with a name."""

import functools
import sys
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace
from typing import Any

import bottle
import falcon
import falcon.asgi
import flask
import litestar
import pytest
import quart
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from starlette.applications import Starlette

from mtls_middleware import ConfigurationError, MTLSMiddleware, MTLSWSGIMiddleware, Settings
from mtls_middleware.cli.application import Application, imported, is_wsgi, settings_of
from mtls_middleware.servers.wsgi_bridge import WSGIBridge


def wsgi(environ: Any, start_response: Any) -> Iterable[bytes]:
    raise NotImplementedError


def of_three(environ: Any, start_response: Any, more: Any = None) -> Iterable[bytes]:
    raise NotImplementedError


class MadeForEachCall:
    """An application as PEP 3333 has it, too."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Any:
        raise NotImplementedError


@functools.wraps(wsgi)
def decorated(*arguments: Any) -> Iterable[bytes]:
    return wsgi(*arguments)


WSGI: dict[str, Any] = {
    "function": wsgi,
    "a third parameter": of_three,
    "class": MadeForEachCall,
    "decorated": decorated,
    "partial": functools.partial(lambda _, environ, start_response: wsgi(environ, start_response), 1),
    "Flask": flask.Flask("name"),
    "Flask, its wsgi_app": flask.Flask("name").wsgi_app,
    "Bottle": bottle.Bottle(),
    "Falcon": falcon.App(),
    "our middleware": MTLSWSGIMiddleware.__new__(MTLSWSGIMiddleware),
    "Django": WSGIHandler.__new__(WSGIHandler),
}


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


def plain_asgi(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


def asgi_2(scope: Any) -> Any:
    raise NotImplementedError


class ASGI2:
    def __init__(self, scope: Any, more: Any = None) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


def anything(*arguments: Any, **named: Any) -> Any:
    raise NotImplementedError


async def coroutine_of_two(scope: Any, receive: Any) -> None: ...


ASGI: dict[str, Any] = {
    "coroutine": asgi,
    "function": plain_asgi,
    "partial": functools.partial(asgi),
    "asgi 2": asgi_2,
    "class of asgi 2": ASGI2,
    "instance of asgi 2": ASGI2({}),
    "anything": anything,
    "coroutine of two": coroutine_of_two,
    "middleware": MTLSMiddleware(asgi, guard=None, settings=None),
    "starlette": Starlette(),
    "fastapi": FastAPI(),
    "litestar": litestar.Litestar.__new__(litestar.Litestar),  # it would set up logging
    "quart": quart.Quart("name"),
    "falcon": falcon.asgi.App(),
    "Django": ASGIHandler.__new__(ASGIHandler),
    "compiled": max,
    "class without a signature": type,
    "no application": "text",
}


@pytest.mark.parametrize("application", WSGI.values(), ids=WSGI)
def test_an_application_of_two_arguments_is_wsgi(application: Any) -> None:
    assert is_wsgi(application)


@pytest.mark.parametrize("application", ASGI.values(), ids=ASGI)
def test_nothing_else_is_taken_for_wsgi(application: Any) -> None:
    assert not is_wsgi(application)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("my_service_main")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_the_application_is_found_by_its_name(module: ModuleType) -> None:
    vars(module).update(app=asgi, flask=flask.Flask("name"), inner=SimpleNamespace(app=plain_asgi))

    assert Application(name="my_service_main:app", is_factory=False)() is asgi
    assert Application(name="my_service_main:inner.app", is_factory=False)() is plain_asgi
    assert isinstance(Application(name="my_service_main:flask", is_factory=False)(), WSGIBridge)


@pytest.mark.parametrize("is_factory", [True, False])
def test_a_factory_makes_it_of_both_kinds(module: ModuleType, is_factory: bool) -> None:
    vars(module).update(make_asgi=lambda: asgi, make_wsgi=lambda: wsgi)

    assert Application(name="my_service_main:make_asgi", is_factory=is_factory)() is asgi
    assert isinstance(Application(name="my_service_main:make_wsgi", is_factory=is_factory)(), WSGIBridge)


WRONG = {
    "my_service_main": "write module:attribute",
    ":app": "write module:attribute",
    "my_service_main:": "write module:attribute",
    "my_service_mian:app": "there is no module 'my_service_mian'",
    "my_service_main.inner:app": "no module 'my_service_main.inner'",
    "my_service_main:ap": "has no 'ap': did you mean 'app'?",
    "my_service_main:zzz": "the module 'my_service_main' has no 'zzz'",
    "my_service_main:app.x": "of the type 'function' has no 'x'",
    "my_service_main:text": "of the type 'str', and no application",
    "my_service_main:\x1b[31m": "write module:attribute",
    "my_service_main.py:app": "write module:attribute",
    "./my_service_main:app": "write module:attribute",
    "..main:app": "write module:attribute",
}


@pytest.mark.parametrize(("name", "problem"), WRONG.items(), ids=repr)
def test_a_mistyped_name_is_a_sentence(name: str, problem: str, module: ModuleType) -> None:
    vars(module).update(app=asgi, text="text")

    with pytest.raises(ConfigurationError) as raised:
        Application(name=name, is_factory=False)()

    assert problem in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_what_a_module_itself_lacks_is_not_blamed_on_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("service")
    (folder / "broken_service.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(folder)

    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        imported("APP", "broken_service:app")


def test_settings_made_in_code_are_found(module: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = Settings(regions="us-east-1", trust=tmp_path_factory.mktemp("trust"))
    vars(module).update(settings=made, text="text")

    assert settings_of("my_service_main:settings") is made
    with pytest.raises(ConfigurationError, match="no Settings"):
        settings_of("my_service_main:text")
