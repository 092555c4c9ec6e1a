"""An application that writes into its scope, with and without the middleware around it."""

import json

from starlette.types import Receive, Scope, Send

from mtls_middleware import MTLSMiddleware
from tests.e2e.lifespan import answered_lifespan


async def scribbling(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what an earlier request left in the scope's dicts, and leave something there."""
    if await answered_lifespan(scope, receive, send):
        return
    extensions = scope["extensions"]
    facts = {"left": extensions.get("scribble"), "tls": extensions.get("tls")}
    extensions["scribble"] = scope["path"]
    extensions["tls"] = {"client_cert_chain": [scope["path"]]}
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(facts)})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(facts).encode()})


protected = MTLSMiddleware(scribbling)
