"""Applications behind the real middleware whose answers name the worker that gave them, refusals too."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from starlette.types import Message, Receive, Scope, Send

from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware
from tests.e2e.lifespan import answered_lifespan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WORKER = "X-Worker"


async def _welcome(scope: Scope, receive: Receive, send: Send) -> None:
    if await answered_lifespan(scope, receive, send):
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


_guarded = MTLSMiddleware(_welcome)


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Put the worker's number into each answer."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            number = str(os.getpid()).encode()
            message = {**message, "headers": [*message["headers"], (WORKER.lower().encode(), number)]}
        await send(message)

    await _guarded(scope, receive, named if scope["type"] == "http" else send)


def _welcome_wsgi(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"{}"]


def wsgi() -> "WSGIApplication":
    """Return the WSGI application; made late, because a configuration error is raised at once."""
    guarded = MTLSWSGIMiddleware(_welcome_wsgi)

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def named(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, (WORKER, str(os.getpid()))], *error)

        return guarded(environ, named)

    return application
