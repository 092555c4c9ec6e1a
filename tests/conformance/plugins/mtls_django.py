"""Run Django's own tests, as they are or with our middleware around each application that they call.

``python mtls_django.py REPORT HOW LABEL…`` in Django's folder of tests writes the names of those that pass.
"""

import runpy
import sys
import unittest
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.handlers import asgi, wsgi
from django.test import client

from mtls_middleware import Guard, MTLSMiddleware, MTLSWSGIMiddleware

BEHIND_US: Any = import_module("mtls_behind")  # beside this file, and in no package
PEM, TLS = BEHIND_US.PEM, BEHIND_US.TLS

# Django ships no types.
ASGI_HANDLER: Any = asgi.ASGIHandler
WSGI_HANDLER: Any = wsgi.WSGIHandler
ASYNC_CLIENT_HANDLER: Any = client.AsyncClientHandler
CLIENT_HANDLER: Any = client.ClientHandler

BEHIND = "behind"


def _around_handlers(guard: Guard) -> None:
    """Stand around the handlers that servers call."""
    on_asgi, on_wsgi = ASGI_HANDLER.__call__, WSGI_HANDLER.__call__

    async def call_asgi(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if "mtls.identity" in scope:
            await on_asgi(self, scope, receive, send)
        else:
            await MTLSMiddleware(self, guard=guard)(_over_tls(scope), receive, send)

    def call_wsgi(self: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        if "mtls.identity" in environ:
            answer: Iterable[bytes] = on_wsgi(self, environ, start_response)
            return answer
        return MTLSWSGIMiddleware(self, guard=guard)({**environ, "SSL_CLIENT_CERT": PEM}, start_response)

    ASGI_HANDLER.__call__, WSGI_HANDLER.__call__ = call_asgi, call_wsgi


def _around_clients(guard: Guard) -> None:
    """Stand around the handlers of Django's test clients, which return a response of Django's own."""
    asynchronous, synchronous = ASYNC_CLIENT_HANDLER.__call__, CLIENT_HANDLER.__call__

    async def call_asynchronous(self: Any, scope: Any) -> Any:
        responses: list[Any] = []

        async def application(scope: Any, _receive: Any, send: Any) -> None:
            response = await asynchronous(self, scope)
            responses.append(response)
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})

        async def send(message: Any) -> None:
            _add(
                responses[0], [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            )

        await MTLSMiddleware(application, guard=guard)(_over_tls(scope), None, send)  # type: ignore[arg-type]  # unread
        return responses[0]

    def call_synchronous(self: Any, environ: Any) -> Any:
        responses: list[Any] = []

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            response = synchronous(self, environ)
            responses.append(response)
            start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
            return []

        def start_response(_status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            _add(responses[0], headers)

        MTLSWSGIMiddleware(application, guard=guard)({**environ, "SSL_CLIENT_CERT": PEM}, start_response)
        return responses[0]

    ASYNC_CLIENT_HANDLER.__call__, CLIENT_HANDLER.__call__ = call_asynchronous, call_synchronous


def _over_tls(scope: Any) -> Any:
    return {**scope, "extensions": {**scope.get("extensions", {}), "tls": TLS}}


def _add(response: Any, headers: list[tuple[str, str]]) -> None:
    """Give a response the headers that came on its way out."""
    for name, value in headers:
        response.headers.setdefault(name, value)


def main() -> None:
    """Run the tests."""
    report, how, *labels = sys.argv[1:]
    if how == BEHIND:
        guard = BEHIND_US.make_guard()
        _around_handlers(guard)
        _around_clients(guard)
    add_success = unittest.TextTestResult.addSuccess

    def noted(self: Any, test: unittest.TestCase) -> None:
        with Path(report).open("a", encoding="utf-8") as file:
            file.write(f"{test.id()}\n")
        add_success(self, test)

    unittest.TextTestResult.addSuccess = noted  # type: ignore[method-assign]  # runtests.py makes its results itself
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["runtests.py", "--parallel=1", "--noinput", *labels]
    runpy.run_path("runtests.py", run_name="__main__")


if __name__ == "__main__":
    main()
