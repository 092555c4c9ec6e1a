"""Applications of every framework that we name, and of some with odd routers. Each handler tells that it ran."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from warnings import catch_warnings, simplefilter

ROUTES: Mapping[str, str] = {
    "lookup": "/lookup",
    "secret": "/actions/secret",
    "item": "/actions/item/<id>",
    "health": "/health",
    "open": "/open",
}
"""Handlers and their paths."""

PROTECTED = frozenset({"lookup", "secret", "item"})

Reach = Callable[[str], None]


def braces(path: str) -> str:
    return path.replace("<", "{").replace(">", "}")


def starlette(reach: Reach) -> Any:
    from starlette.applications import Starlette  # noqa: PLC0415 - each framework is loaded by who asks for it
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route, WebSocketRoute  # noqa: PLC0415

    def routes() -> Iterator[Any]:
        for name, path in ROUTES.items():

            async def answer(_: Any, name: str = name) -> Response:
                reach(name)
                return Response()

            async def speak(socket: Any, name: str = name) -> None:
                reach(name)
                await socket.close()

            yield Route(braces(path), answer)
            yield WebSocketRoute(braces(path), speak)

    return Starlette(routes=[*routes()])


def fastapi(reach: Reach) -> Any:
    from fastapi import FastAPI, WebSocket  # noqa: PLC0415

    def handlers(name: str) -> Any:
        def answer() -> None:
            reach(name)

        async def speak(socket: WebSocket) -> None:
            reach(name)
            await socket.close()

        return answer, speak

    app = FastAPI(openapi_url=None)
    for name, path in ROUTES.items():
        answer, speak = handlers(name)
        app.get(braces(path))(answer)
        app.websocket(braces(path))(speak)
    return app


def fastapi_with_root_path(reach: Reach) -> Any:
    app = fastapi(reach)
    app.root_path = "/api"  # as the parameter does, which is deprecated
    return app


def litestar(reach: Reach) -> Any:
    from litestar import Litestar, WebSocket, get, websocket  # noqa: PLC0415

    def handlers(name: str, path: str) -> Any:
        async def answer() -> None:
            reach(name)

        async def speak(socket: WebSocket[Any, Any, Any]) -> None:
            reach(name)
            await socket.accept()
            await socket.close()

        return get(path)(answer), websocket(path)(speak)

    made = [handlers(name, path.replace("<id>", "{id:str}")) for name, path in ROUTES.items()]
    return Litestar([handler for both in made for handler in both], openapi_config=None, logging_config=None)


def quart(reach: Reach) -> Any:
    from quart import Quart  # noqa: PLC0415

    app = Quart("routers")
    for name, path in ROUTES.items():

        async def answer(name: str = name, **_: str) -> str:
            reach(name)
            return ""

        app.add_url_rule(path, name, answer)
        app.add_websocket(path, f"{name}-websocket", answer)
    return app


def flask(reach: Reach) -> Any:
    from flask import Flask  # noqa: PLC0415

    app = Flask("routers")
    for name, path in ROUTES.items():

        def answer(name: str = name, **_: str) -> str:
            reach(name)
            return ""

        app.add_url_rule(path, name, answer)
    return app


def falcon_asgi(reach: Reach) -> Any:
    import falcon.asgi  # noqa: PLC0415

    app = falcon.asgi.App()
    app.req_options.strip_url_path_trailing_slash = True
    for name, path in ROUTES.items():
        app.add_route(braces(path), _FalconResource(reach, name))
    return app


class _FalconResource:
    def __init__(self, reach: Reach, name: str) -> None:
        self._reach = reach
        self._name = name

    async def on_get(self, _: Any, __: Any, **___: str) -> None:
        self._reach(self._name)

    async def on_websocket(self, _: Any, socket: Any, **__: str) -> None:
        self._reach(self._name)
        await socket.close()


def falcon_wsgi(reach: Reach) -> Any:
    import falcon  # noqa: PLC0415

    class Resource:
        def __init__(self, name: str) -> None:
            self._name = name

        def on_get(self, _: Any, __: Any, **___: str) -> None:
            reach(self._name)

    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    for name, path in ROUTES.items():
        app.add_route(braces(path), Resource(name))
    return app


@contextmanager
def django(reach: Reach) -> Iterator[None]:
    """Route Django's requests to these handlers."""
    from django.http import HttpRequest, HttpResponse  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415
    from django.urls import path as route  # noqa: PLC0415
    from django.urls import re_path  # noqa: PLC0415

    import example_app.django_app  # noqa: F401, PLC0415 - it configures Django, which can be done once in a process

    def view(name: str) -> Any:
        def answer(_: HttpRequest, **__: str) -> HttpResponse:
            reach(name)
            return HttpResponse()  # type: ignore[no-untyped-call]  # Django ships no types

        return answer

    urls = ModuleType("routers_urls")
    vars(urls)["urlpatterns"] = [
        *(route(path.removeprefix("/"), view(name)) for name, path in ROUTES.items()),
        *(route(f"{path.removeprefix('/')}/", view(name)) for name, path in ROUTES.items()),
        re_path(r"^(?i:lookup)$", view("lookup")),
    ]
    sys.modules[urls.__name__] = urls
    with override_settings(  # type: ignore[no-untyped-call]  # Django ships no types
        ROOT_URLCONF=urls.__name__, MIDDLEWARE=["django.middleware.common.CommonMiddleware"], ALLOWED_HOSTS=["*"]
    ):
        yield


def pyramid(reach: Reach) -> Any:
    with catch_warnings():
        simplefilter("ignore")  # its WebOb imports cgi, and it pkg_resources
        from pyramid.config import Configurator  # noqa: PLC0415
        from pyramid.response import Response  # noqa: PLC0415

    with Configurator() as config:
        for name, path in ROUTES.items():

            def answer(_: Any, name: str = name) -> Any:
                reach(name)
                return Response()

            config.add_route(name, braces(path))
            config.add_view(lambda request, answer=answer: answer(request), route_name=name)
        return config.make_wsgi_app()


def bottle(reach: Reach) -> Any:
    from bottle import Bottle  # noqa: PLC0415

    app = Bottle()
    for name, path in ROUTES.items():

        def answer(name: str = name, **_: str) -> str:
            reach(name)
            return ""

        app.route(path, callback=answer)
    return app


_ROUTERS: list[Any] = []
"""Kept alive: BlackSheep empties a router whose address another one had before."""


def blacksheep(reach: Reach) -> Any:
    from blacksheep import Application, Request, Response, Router, WebSocket  # noqa: PLC0415

    app = Application(router=Router())
    _ROUTERS.append(app.router)

    def answers(name: str) -> Any:
        async def answer(_: Request) -> Response:
            reach(name)
            return Response(200)

        async def speak(_: WebSocket) -> None:
            reach(name)

        return answer, speak

    for name, path in ROUTES.items():
        answer, speak = answers(name)
        app.router.add_get(braces(path), answer)
        app.router.add_ws(braces(path), speak)
    return app


ASGI: Mapping[str, Callable[[Reach], Any]] = {
    "starlette": starlette,
    "fastapi": fastapi,
    "fastapi-root-path": fastapi_with_root_path,
    "litestar": litestar,
    "quart": quart,
    "falcon-asgi": falcon_asgi,
    "blacksheep": blacksheep,
}

WSGI: Mapping[str, Callable[[Reach], Any]] = {
    "flask": flask,
    "falcon-wsgi": falcon_wsgi,
    "pyramid": pyramid,
    "bottle": bottle,
}
