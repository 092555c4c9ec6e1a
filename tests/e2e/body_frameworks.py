"""One handler in each framework: it answers with what it got of a call, at as great length as the query asks for.

What a data action needs of an application: the body, however it was sent, the query, a header, and long answers.
"""

import json
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from starlette.types import ASGIApp

PATH = "/actions/echo"
CORRELATION = "ININ-Correlation-Id"


def answer(body: bytes, parsed: object, query: str, correlation: str | None, wanted: str | None) -> dict[str, Any]:
    """Return what the handler saw."""
    padding = "é" * int(wanted or 0)
    return {
        "body": body.decode(),
        "parsed": parsed,
        "query": query,
        "correlation": correlation,
        "padding": padding,
    }


def flask() -> "WSGIApplication":
    """Return a Flask application."""
    from flask import Flask, jsonify, request  # noqa: PLC0415 - a process runs the frameworks that it is asked for

    app = Flask("echo")

    @app.route(PATH, methods=["GET", "POST"])
    def echo() -> Any:
        body, asked = request.get_data(), request.args
        parsed = request.get_json(silent=True)
        correlation = request.headers.get(CORRELATION)
        return jsonify(answer(body, parsed, asked.get("q", ""), correlation, asked.get("answer")))

    return app.wsgi_app


def falcon() -> "WSGIApplication":
    """Return a Falcon application."""
    import falcon  # noqa: PLC0415 - as above

    class Echo:
        def on_post(self, request: Any, response: Any) -> None:
            body = request.bounded_stream.read()
            parsed = json.loads(body) if body else None
            correlation = request.get_header(CORRELATION)
            response.media = answer(body, parsed, request.get_param("q"), correlation, request.get_param("answer"))

        on_get = on_post

    app: Any = falcon.App()
    app.add_route(PATH, Echo())
    return app  # type: ignore[no-any-return] # Falcon's own type of WSGI


def _of(module: str, name: str) -> Any:
    """Return what a framework without types has."""
    return getattr(import_module(module), name)


def _django() -> None:
    django, settings = import_module("django"), _of("django.conf", "settings")
    json_response, path = _of("django.http", "JsonResponse"), _of("django.urls", "path")
    csrf_exempt = _of("django.views.decorators.csrf", "csrf_exempt")
    if settings.configured:
        return
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="not of importance here",
        INSTALLED_APPS=["rest_framework"],
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
    )
    django.setup()
    api_view, response = _of("rest_framework.decorators", "api_view"), _of("rest_framework.response", "Response")

    def echo(request: Any) -> Any:
        parsed = json.loads(request.body) if request.body else None
        asked = request.GET
        correlation = request.headers.get(CORRELATION)
        return json_response(answer(request.body, parsed, asked.get("q", ""), correlation, asked.get("answer")))

    @api_view(["GET", "POST"])  # type: ignore[untyped-decorator] # the framework has no types
    def rest(request: Any) -> Any:
        asked = request.query_params
        parsed = request.data or None
        body = json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode() if parsed else b""
        return response(answer(body, parsed, asked.get("q", ""), request.headers.get(CORRELATION), asked.get("answer")))

    urlpatterns.extend([path("actions/echo", csrf_exempt(echo)), path("rest/actions/echo", rest)])


urlpatterns: list[Any] = []
"""Of Django."""


def django_wsgi() -> "WSGIApplication":
    """Return a Django application in WSGI."""
    _django()
    application: WSGIApplication = _of("django.core.wsgi", "get_wsgi_application")()
    return application


def django_asgi() -> "ASGIApp":
    """Return a Django application in ASGI."""
    _django()
    application: ASGIApp = _of("django.core.asgi", "get_asgi_application")()
    return application


def fastapi() -> "ASGIApp":
    """Return a FastAPI application."""
    from fastapi import FastAPI, Request  # noqa: PLC0415 - as above

    app = FastAPI()

    @app.api_route(PATH, methods=["GET", "POST"])
    async def echo(request: Request, q: str = "", answer_: str = "") -> dict[str, Any]:  # noqa: ARG001
        body = await request.body()
        asked = request.query_params
        parsed = json.loads(body) if body else None
        return answer(body, parsed, asked.get("q", ""), request.headers.get(CORRELATION), asked.get("answer"))

    return app


def litestar() -> "ASGIApp":
    """Return a Litestar application."""
    from litestar import Litestar, Request, route  # noqa: PLC0415 - as above

    @route(PATH, http_method=["GET", "POST"], status_code=200)
    async def echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
        body = await request.body()
        asked = request.query_params
        parsed = json.loads(body) if body else None
        return answer(body, parsed, asked.get("q", ""), request.headers.get(CORRELATION), asked.get("answer"))

    return Litestar([echo])  # type: ignore[return-value] # Litestar's own type of ASGI


def quart() -> "ASGIApp":
    """Return a Quart application."""
    from quart import Quart, request  # noqa: PLC0415 - as above

    app = Quart("echo")

    @app.route(PATH, methods=["GET", "POST"])
    async def echo() -> dict[str, Any]:
        body: Any = await request.get_data()
        asked = request.args
        parsed = await request.get_json(silent=True)
        return answer(body, parsed, asked.get("q", ""), request.headers.get(CORRELATION), asked.get("answer"))

    return app  # type: ignore[return-value] # Quart's own type of ASGI


WSGI: dict[str, tuple[Callable[[], "WSGIApplication"], str]] = {
    "Flask": (flask, ""),
    "Django": (django_wsgi, ""),
    "Django REST framework": (django_wsgi, "/rest"),
    "Falcon": (falcon, ""),
}
"""By name: what makes an application, and what the path of its handler begins with."""

ASGI: dict[str, tuple[Callable[[], "ASGIApp"], str]] = {
    "FastAPI": (fastapi, ""),
    "Litestar": (litestar, ""),
    "Quart": (quart, ""),
    "Django": (django_asgi, ""),
    "Django REST framework": (django_asgi, "/rest"),
}
