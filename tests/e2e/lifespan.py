"""The lifespan of an application that has nothing to start and nothing to end."""

from starlette.types import Receive, Scope, Send


async def answered_lifespan(scope: Scope, receive: Receive, send: Send) -> bool:
    """Return whether this was the lifespan, and not a call."""
    if scope["type"] != "lifespan":
        return False
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
    return True
