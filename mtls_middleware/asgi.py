"""The ASGI adapter: translates between ASGI and the guard, and holds no logic of its own."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import replace
from itertools import tee
from types import MethodType
from typing import TYPE_CHECKING, Any

from starlette.authentication import AuthCredentials, UnauthenticatedUser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mtls_middleware._core.connection import Connection, without
from mtls_middleware._core.decision import Accepted, Disposition, Reason, Rejected
from mtls_middleware._core.response import correlation_id, refusal
from mtls_middleware._core.scope import connection_of
from mtls_middleware.authentication import DataActionCredentials, DataActionUser
from mtls_middleware.bodies.asgi import WithBodyLength, send_problem
from mtls_middleware.errors import MTLSError
from mtls_middleware.identity import IDENTITY_KEY, REJECTED_KEY, ClientIdentity
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import LOGGER, named

if TYPE_CHECKING:
    from mtls_middleware.guard import Guard
    from mtls_middleware.settings import Settings

_NO_STORE = (b"cache-control", b"no-store")

_ROUTED = ("route", "endpoint", "path_params", "root_path")
"""Written by the routers of Starlette and FastAPI; the last one by a mount."""

_DJANGO = "django.core.handlers.asgi"

_LIFESPAN_SECONDS = 1.0
"""In which a server asks the lifespan after it has loaded the application."""

_LAYERS = 16
"""Of middleware between this one and the application."""

_POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455 §7.4.1)."""


class MTLSMiddleware:
    """The middleware. It refuses each protected call without an accepted certificate.

    Add it last, so that it is outermost. A configuration error is kept and told through the lifespan protocol, because
    an exception here would make servers believe that the application has no lifespan, and serve on.

    Raises:
        TypeError: settings and a guard are given.
    """

    __module__ = "mtls_middleware"

    def __init__(self, app: ASGIApp, *, settings: "Settings | None" = None, guard: "Guard | None" = None) -> None:
        if settings is not None and guard is not None:
            raise TypeError("MTLSMiddleware takes settings or a guard, not both: a guard has settings of its own")
        self.app = app
        self._guard = guard
        self._closes_guard = guard is None
        self._error: MTLSError | None = None
        self._is_announced = False
        try:
            if self._guard is None:
                self._guard = _guard_of(settings)
            if any(_DJANGO in modules for _, modules in _layers(app)):
                self.app = WithBodyLength(app, self._guard.settings.max_chunked_body_bytes)
            self._guard.start()
        except MTLSError as error:
            self._error = error
            try:
                asyncio.get_running_loop().call_later(_LIFESPAN_SECONDS, self._announce)
            except RuntimeError:
                self._announce()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge http and websocket, pass lifespan on, and refuse what nobody knows."""
        match scope["type"]:
            case "http" | "websocket":
                accepted = self._guard.replay(scope) if self._guard is not None else None
                if accepted is not None:
                    try:
                        await self.app(accepted, receive, MethodType(_send_not_stored, send))
                    finally:
                        _hand_back(accepted, scope)
                else:
                    await self._judge(scope, receive, send)
            case "lifespan":
                await self._lifespan(scope, receive, send)
            case unknown:
                raise RuntimeError(
                    f"mtls-middleware cannot judge the scope type {unknown!r}, and lets nothing else through"
                )

    def _announce(self) -> None:
        """Log why this cannot start, once, where no lifespan tells it: a mounted application has none."""
        if self._error is not None and not self._is_announced:
            self._is_announced = True
            LOGGER.error("%s", self._error, extra=named(EventName.START))

    async def _judge(self, scope: Scope, receive: Receive, send: Send) -> None:
        outer = scope
        if "extensions" in scope:
            scope = {**scope, "extensions": _readable_twice(scope["extensions"])}
        connection = connection_of(scope)
        if root_path := _root_path(self.app):
            connection = replace(connection, root_path=root_path)
        self._announce()
        if self._guard is None:
            # The settings are unknown, and so is which paths are exempt: nothing passes.
            await _refuse(Reason.TRUST_UNAVAILABLE, connection, scope, receive, send)
            return
        decision = self._guard.decide(connection)
        if isinstance(decision, Accepted):
            additions = _caller(decision.identity)
            if decision.protected:
                self._guard.keep(scope, decision, additions)
                send = MethodType(_send_not_stored, send)
        elif decision.disposition is Disposition.REFUSED:
            await _refuse(decision.reason, connection, scope, receive, send)
            return
        else:
            additions = _nobody(scope, decision)
        # The application gets the headers that were judged: a server may append to its own list at any time.
        headers = list(without(connection.headers, self._guard.hidden))
        seen = {**scope, "headers": headers, **additions}
        try:
            await self.app(seen, receive, send)
        finally:
            _hand_back(seen, outer)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._guard is not None and self._error is None:
            try:
                self._guard.start()
            except MTLSError as error:
                self._error = error
        if self._error is not None:
            await receive()
            self._is_announced = True
            await send({"type": "lifespan.startup.failed", "message": str(self._error)})
            raise self._error  # servers have the message already; test harnesses would wait for ever without this
        shutting_down = False

        async def receive_and_notice() -> Message:
            nonlocal shutting_down
            message = await receive()
            shutting_down = shutting_down or message["type"] == "lifespan.shutdown"
            return message

        try:
            await self.app(scope, receive_and_notice, send)
        finally:
            # An application without lifespan raises here, and is served all the same: its trust must stay current.
            if shutting_down and self._guard is not None:
                self._guard.close() if self._closes_guard else self._guard.report_end()


def _hand_back(seen: Scope, scope: Scope) -> None:
    """Return to whoever stands outside, such as telemetry, what the application's router wrote into its copy."""
    if "route" in seen or "endpoint" in seen:
        for key in _ROUTED:
            if key in seen:
                scope[key] = seen[key]


def _guard_of(settings: "Settings | None") -> "Guard":
    """Make a guard. What judges and refreshes is imported here: it takes longer than the rest of this module."""
    from mtls_middleware.guard import Guard  # noqa: PLC0415 - see above
    from mtls_middleware.settings import Settings  # noqa: PLC0415

    return Guard.from_settings(settings if settings is not None else Settings.from_env())


def _layers(app: object) -> Iterator[tuple[object, set[str]]]:
    """Return the application and what is inside it, each with the modules that its class comes from."""
    for _ in range(_LAYERS):
        if app is None:
            break
        yield app, {kind.__module__ for kind in type(app).__mro__}
        app = getattr(app, "app", None)


def _root_path(app: object) -> str:
    """Return what a framework puts in the place of the server's root path, and then cuts off the path.

    ``FastAPI(root_path=…)`` does, and Django with ``FORCE_SCRIPT_NAME``.
    """
    for layer, modules in _layers(app):
        if "fastapi.applications" in modules:  # others have an attribute of that name, too: in Quart it is a folder
            return str(getattr(layer, "root_path", ""))
        if _DJANGO in modules:
            return str(sys.modules["django.conf"].settings.FORCE_SCRIPT_NAME or "")
    return ""


def _readable_twice(extensions: Any) -> Any:  # noqa: ANN401 - whatever a server put there
    """Copy the dicts that servers may share between requests, and let the application read a one-shot chain too."""
    # `type` before `isinstance`: the first is much faster, and nearly always right.
    if type(extensions) is not dict and not isinstance(extensions, Mapping):
        return extensions
    extensions = {**extensions}
    tls = extensions.get("tls")
    if type(tls) is dict or isinstance(tls, Mapping):
        extensions["tls"] = tls = {**tls}
        chain = tls.get("client_cert_chain")
        if type(chain) is not tuple and type(chain) is not list and isinstance(chain, Iterator):
            tls["client_cert_chain"] = _Twice(chain)
    return extensions


class _Twice:
    """An iterable that can be read any number of times, over an iterator that can be read once."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def __iter__(self) -> Iterator[Any]:
        self._iterator, copy = tee(self._iterator)
        return copy


def _caller(identity: ClientIdentity) -> dict[str, Any]:
    """Return what an accepted call gets into its scope. Calls share it, so nothing in it can be changed."""
    return {
        IDENTITY_KEY: identity,
        "user": DataActionUser(identity),
        "auth": DataActionCredentials(identity),
    }


def _nobody(scope: Scope, rejected: Rejected) -> dict[str, Any]:
    """Return what another call gets into its scope; what an outer middleware found out is left alone."""
    return {
        IDENTITY_KEY: None,
        REJECTED_KEY: rejected,
        "user": scope.get("user", UnauthenticatedUser()),
        "auth": scope.get("auth", AuthCredentials()),
    }


def _send_not_stored(send: Send, message: Message) -> Awaitable[None]:
    """Keep shared caches from giving one caller's answer to another (RFC 9440 §2.4)."""
    kind = message["type"]
    if kind == "http.response.start" or kind == "websocket.http.response.start":  # noqa: PLR1714 - faster than a set
        headers = [*message.get("headers", ())]  # they may be readable only once
        for name, _ in headers:
            if len(name) == 13 and bytes(name).lower() == b"cache-control":  # noqa: PLR2004 - its length
                break
        else:
            headers.append(_NO_STORE)
        message = {**message, "headers": headers}
    return send(message)


# It awaits nothing itself, and a coroutine around each message would cost more than all that it does. Who asks whether
# it is one, such as asgiref's bridge to WSGI, wants to know whether its result is awaited.
if sys.version_info >= (3, 12):
    inspect.markcoroutinefunction(_send_not_stored)
else:
    vars(_send_not_stored)["_is_coroutine"] = vars(asyncio.coroutines)["_is_coroutine"]


async def _refuse(reason: Reason, connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
    answer = refusal(reason, correlation_id(connection))
    if scope["type"] == "http":
        await send_problem(answer, connection, scope, receive, send)
        return
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        start = {"status": answer.status.value, "headers": list(answer.headers)}
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": answer.body})
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
