"""The page as an ASGI application, to be mounted, or to be served on a port of its own."""

import inspect
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from mtls_middleware.guard import Guard
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import named
from mtls_middleware.observing.openmetrics import MEDIA_TYPE, openmetrics
from mtls_middleware.status_page.document import as_json, html, policy, prefers_json
from mtls_middleware.status_page.view import view_of

JSON_PATH = "/status.json"
METRICS_PATH = "/metrics"
METHODS = ("GET", "HEAD")

_POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455 §7.4.1)."""

_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex",
}

_NOTHING_LOADED = {"content-security-policy": "default-src 'none'"}

_log = logging.getLogger("mtls_middleware.status_page")


class StatusPage:
    """The status page of a guard, for those whom `allow` lets in.

    It is mounted: ``app.mount("/mtls-status", StatusPage(guard, allow=…))``. ``/`` answers with HTML, or with JSON to
    those who ask for it; ``/status.json`` always with JSON, ``/metrics`` with OpenMetrics. It shows no secret, but
    names of files, hosts and authorities: it is for operators.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        allow: Callable[[Request], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is read before somebody asks.

        Args:
            guard: which the application is protected by: ``MTLSMiddleware(app, guard=guard)``.
            allow: decides about each request. Nothing but True lets it in, and what it raises refuses.
            clock: tells the time, aware, UTC.

        Raises:
            TypeError: `allow` would have to be awaited; as it is, each of its answers would look like a yes.
        """
        if not callable(allow) or inspect.iscoroutinefunction(allow):
            raise TypeError("allow= takes a function of a request that returns True or False, and is not async")
        self._guard = guard
        self._allow = allow
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an http request, and refuse everything else."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the status page does not know the scope type {scope['type']!r}")
        request = Request(scope)
        response = await self._answer(request)
        if request.method == "HEAD":
            length = response.headers["content-length"]
            response.body = b""
            response.headers["content-length"] = length
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not self._is_allowed(request):
            return _refusal(403, "Forbidden")
        path = _path_within(request.scope)
        if path not in {"", "/", JSON_PATH, METRICS_PATH}:
            return _refusal(404, "Not Found")
        if request.method not in METHODS:
            return _refusal(405, "Method Not Allowed", {"allow": ", ".join(METHODS)})
        # All of them read files of the state folder, so not on the event loop.
        if path == METRICS_PATH:
            text = await run_in_threadpool(self._metrics)
            return Response(text, headers={**_HEADERS, **_NOTHING_LOADED}, media_type=MEDIA_TYPE)
        view = await run_in_threadpool(lambda: view_of(self._guard.status(), self._guard.fleet(), self._clock()))
        if path == JSON_PATH or prefers_json(request.headers.getlist("accept")):
            headers = {**_HEADERS, "vary": "accept", **_NOTHING_LOADED}
            return Response(as_json(view), headers=headers, media_type="application/json")
        headers = {**_HEADERS, "vary": "accept", "content-security-policy": policy()}
        text = html(view, reloads="reload" in request.query_params, here=_here(request.scope, path))
        return Response(text, headers=headers, media_type="text/html")

    def _metrics(self) -> str:
        return openmetrics(self._guard.fleet(), self._guard.settings.source, self._clock())

    def _is_allowed(self, request: Request) -> bool:
        try:
            return self._allow(request) is True
        except Exception:  # noqa: BLE001 - whatever is wrong with it, nobody is let in by it
            _log.exception("allow= of the status page failed", extra=named(EventName.STATUS_PAGE))
            return False


def _refusal(status: int, phrase: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{status} {phrase}\n", status, {**_HEADERS, **_NOTHING_LOADED, **(headers or {})})


def _path_within(scope: Scope) -> str:
    """Return the path below the place where the page is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path


def _here(scope: Scope, path: str) -> str:
    """Return what leads from the address that was asked for into the page's own folder."""
    return "" if path else f"{str(scope['path']).rpartition('/')[2]}/"
