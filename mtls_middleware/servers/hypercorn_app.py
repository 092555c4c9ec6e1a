"""Hypercorn's own form of an application, which also takes its ways to start threads."""

from collections.abc import Callable
from typing import Any

from hypercorn.typing import AppWrapper

from mtls_middleware._core.connection import Transport
from mtls_middleware.servers.scope import with_connection_facts
from mtls_middleware.servers.tls import TLSObject, tls_extension


def with_facts(app: AppWrapper, transport: Transport, tls_object: TLSObject | None) -> AppWrapper:
    """Wrap an application, so that each scope of one connection tells its facts.

    Args:
        app: the application as hypercorn knows it.
        transport: of this connection.
        tls_object: of this connection; None on one without TLS.
    """
    tls = None if tls_object is None else tls_extension(tls_object)

    # The types are not named: those of hypercorn and Starlette are different ones for the same things.
    async def telling(
        scope: Any,  # noqa: ANN401
        receive: Any,  # noqa: ANN401
        send: Any,  # noqa: ANN401
        sync_spawn: Callable[..., Any],
        call_soon: Callable[..., Any],
    ) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            await app(scope, receive, send, sync_spawn, call_soon)

        await with_connection_facts(application, transport, tls)(scope, receive, send)

    return telling
