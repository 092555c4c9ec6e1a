"""Every ASGI framework behind the real middleware, for real servers: the header `FRAMEWORK` says which one."""

from starlette.types import Receive, Scope, Send

from mtls_middleware import MTLSMiddleware
from tests.e2e.body_frameworks import ASGI
from tests.e2e.lifespan import answered_lifespan

FRAMEWORK = b"x-framework"

_APPLICATIONS = {name.encode(): MTLSMiddleware(make()) for name, (make, _) in ASGI.items()}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a call on to the framework that it names."""
    if await answered_lifespan(scope, receive, send):
        return
    name = dict(scope["headers"])[FRAMEWORK]
    await _APPLICATIONS[bytes(name)](scope, receive, send)
