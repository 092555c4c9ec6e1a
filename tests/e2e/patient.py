"""Applications that take their time, as the query says: ``/actions?32``."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from tests.e2e.lifespan import answered_lifespan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer late."""
    if await answered_lifespan(scope, receive, send):
        return
    await asyncio.sleep(float(scope["query_string"] or 0))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"at last"})


def wsgi(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer late."""
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Length", "7")])
    return [b"at last"]
