"""Every ASGI framework behind the real middleware, for real servers: the header `FRAMEWORK` says which one."""

from starlette.types import Receive, Scope, Send

from mtls_middleware import MTLSMiddleware
from tests.e2e.body_frameworks import ASGI

FRAMEWORK = b"x-framework"

_APPLICATIONS = {name.encode(): MTLSMiddleware(make()) for name, (make, _) in ASGI.items()}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a call on to the framework that it names."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    name = dict(scope["headers"])[FRAMEWORK]
    await _APPLICATIONS[bytes(name)](scope, receive, send)
