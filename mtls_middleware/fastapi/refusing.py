"""How a dependency refuses: it can only raise, so its exception brings its own handler along."""

from dataclasses import replace
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from mtls_middleware._core.decision import Disposition, Rejected
from mtls_middleware._core.response import Refusal, correlation_id, refusal
from mtls_middleware._core.scope import connection_of
from mtls_middleware.observing.announcer import Telling
from mtls_middleware.observing.events import Severity
from mtls_middleware.observing.logging import LimitedLog

_POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455 §7.4.1)."""

_NO_MIDDLEWARE = (
    "a route asks for a caller, and no MTLSMiddleware has judged the call: "
    "app.add_middleware(MTLSMiddleware) is missing"
)

_HANDLERS_SCOPE_KEY = "starlette.exception_handlers"
"""Starlette looks a handler up here after the exception: first by class, then by status."""

_telling = Telling((LimitedLog(),), source="dependency")


class CallRefused(Exception):  # noqa: N818 - not an error of ours: it is what is wrong with a call
    """Stop a route before it runs. Where no Starlette application handles it, the server answers 500."""

    def __init__(self, answer: Refusal) -> None:
        self.answer = answer
        super().__init__(f"refused with {answer.status.value}")


def refused(connection: HTTPConnection, rejected: Rejected) -> CallRefused:
    """Return what refuses a call, once it is raised, with our own answer; the log gets its line."""
    judged = connection_of(connection.scope)
    _telling.decision(judged, replace(rejected, disposition=Disposition.REFUSED))
    return _with_handler(connection, refusal(rejected.reason, correlation_id(judged)))


def tell_that_nobody_judged() -> None:
    """Tell an operator, once, what is missing."""
    _telling.say_once(Severity.ERROR, _NO_MIDDLEWARE)


def _with_handler(connection: HTTPConnection, answer: Refusal) -> CallRefused:
    """Register the handler with the application that runs the route.

    An exception of a class of its own, for no handler of the application's, be it for ``Exception``, ``HTTPException``
    or a status, must put another answer in the place of ours.
    """
    handlers: tuple[dict[Any, Any], ...] = connection.scope.get(_HANDLERS_SCOPE_KEY, ())
    for by_class in handlers[:1]:
        by_class[CallRefused] = _answer
    return CallRefused(answer)


async def _answer(connection: HTTPConnection, error: CallRefused) -> Response | None:
    answer = error.answer
    body = b"" if connection.scope.get("method") == "HEAD" else answer.body
    response = Response(body, status_code=answer.status.value)
    response.raw_headers = list(answer.headers)
    if not isinstance(connection, WebSocket):
        return response
    can_answer = "websocket.http.response" in (connection.scope.get("extensions") or {})
    if can_answer and connection.application_state is WebSocketState.CONNECTING:
        await connection.send_denial_response(response)
    else:
        await connection.close(_POLICY_VIOLATION)
    return None
