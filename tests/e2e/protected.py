"""Applications behind the real middleware, configured by the environment, as real servers run them."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware
from tests.e2e.lifespan import answered_lifespan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


async def _tell(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with who called, and with the headers that the application sees."""
    if await answered_lifespan(scope, receive, send):
        return
    headers = [name.decode("latin-1") for name, _ in scope["headers"]]
    body = _facts(scope["mtls.identity"], headers)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": body.decode()})
        await send({"type": "websocket.close"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def _tell_wsgi(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    headers = [key[5:].lower().replace("_", "-") for key in environ if key.startswith("HTTP_")]
    return [_facts(environ["mtls.identity"], headers)]


def _facts(identity: Any, headers: list[str]) -> bytes:
    region = identity.region if identity else None
    return json.dumps({"region": region, "headers": headers}).encode()


asgi = MTLSMiddleware(_tell)


def wsgi() -> Any:
    """Return the WSGI application; made late, because a configuration error is raised at once."""
    return MTLSWSGIMiddleware(_tell_wsgi)
