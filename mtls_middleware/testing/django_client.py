"""Django's own test client, led through the whole WSGI application.

As it comes, it calls Django's handlers directly, so no WSGI middleware sees the call, and nothing of ours is tested.
"""

from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.http.request import validate_host
from django.test import Client

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


def django_client(application: "WSGIApplication", **options: Any) -> Any:  # noqa: ANN401 - Django's
    """Return a client whose calls take the way of real ones; CSRF checks apply to them as well."""
    client: Any = cast("Any", Client)(**options)  # Django ships no types
    client.handler = _Handler(application)
    return client


def allowed_host(usual: str) -> str:
    """Return the host that calls name: the usual one, or the first that ALLOWED_HOSTS allows instead.

    Django's own test runners add theirs to ALLOWED_HOSTS; under others the application would refuse each call.
    """
    allowed: list[str] = list(settings.ALLOWED_HOSTS or (["localhost"] if settings.DEBUG else []))
    if not allowed or cast("Any", validate_host)(usual, allowed):
        return usual
    return allowed[0].removeprefix(".")


class _Handler:
    """Stand where Django's client expects its own handler."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment") -> Any:  # noqa: ANN401 - Django ships no types
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> Any:  # noqa: ANN401 - PEP 3333
            started.append((status, headers))

        chunks = self._application(environ, start_response)
        try:
            body = b"".join(chunks)  # some applications start the response only now
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        response = _response(body, *started[-1])
        response.wsgi_request = cast("Any", WSGIRequest)(environ)
        return response


def _response(body: bytes, status: str, headers: list[tuple[str, str]]) -> Any:  # noqa: ANN401 - Django ships no types
    code, _, phrase = status.partition(" ")
    response: Any = cast("Any", HttpResponse)(body, status=int(code), reason=phrase)
    del response.headers["Content-Type"]
    for name, value in headers:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        else:
            response.headers[name] = value
    return response
