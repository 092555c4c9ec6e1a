"""A framework behind the public middleware, called as real servers call it: from the bytes of a request target."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.util import setup_testing_defaults

from starlette.middleware.gzip import GZipMiddleware

from mtls_middleware import Guard, MTLSMiddleware, MTLSWSGIMiddleware
from tests.routers import frameworks

FRAMEWORKS = (
    *frameworks.ASGI,
    "starlette-mounted",
    "starlette-middleware",
    "fastapi-root-path-wrapped",
    "fastapi-root-path-deep",
    "django-asgi",
    *frameworks.WSGI,
    "flask-mounted",
    "django-wsgi",
)
WITH_WEBSOCKET = ("starlette", "fastapi", "litestar", "quart", "falcon-asgi", "blacksheep", "starlette-mounted")

MOUNT = "/api"


def uvicorn(target: bytes, root: str) -> dict[str, Any]:
    raw = target.partition(b"?")[0]
    path = root + unquote(raw.decode("latin-1"))
    return {"path": path, "raw_path": root.encode() + raw, "root_path": root}


def hypercorn(target: bytes, root: str) -> dict[str, Any]:
    raw = target.partition(b"?")[0]
    return {"path": unquote(raw.decode("latin-1")), "raw_path": raw, "root_path": root}


def without_raw_path(target: bytes, root: str) -> dict[str, Any]:
    return {"path": unquote(target.partition(b"?")[0].decode("latin-1")), "root_path": root}


def gunicorn(target: bytes, root: str) -> dict[str, Any]:
    path = unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1")
    return {"PATH_INFO": path, "SCRIPT_NAME": root, "RAW_URI": root + target.decode("latin-1")}


def waitress(target: bytes, root: str) -> dict[str, Any]:
    path = unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1")
    return {"PATH_INFO": "/" + path.lstrip("/"), "SCRIPT_NAME": root}


ASGI_SERVERS = (uvicorn, hypercorn, without_raw_path)
WSGI_SERVERS = (gunicorn, waitress)


@dataclass(slots=True)
class Routed:
    """A framework behind a guard, and the handlers that ran."""

    name: str
    loop: asyncio.AbstractEventLoop
    reached: list[str] = field(default_factory=list)
    app: Any = None

    @property
    def servers(self) -> tuple[Callable[[bytes, str], dict[str, Any]], ...]:
        is_wsgi = self.name in {*frameworks.WSGI, "flask-mounted", "django-wsgi"}
        return WSGI_SERVERS if is_wsgi else ASGI_SERVERS

    def call(self, given: Mapping[str, Any], *, websocket: bool = False) -> list[str]:
        """Return the names of the handlers that ran."""
        self.reached.clear()
        with suppress(Exception):  # a framework may fail: what counts is who ran
            if "PATH_INFO" in given:
                self._call_wsgi(given)
            else:
                self.loop.run_until_complete(self._call_asgi(given, websocket=websocket))
        return self.reached.copy()

    def _call_wsgi(self, given: Mapping[str, Any]) -> None:
        environ: dict[str, Any] = {}
        setup_testing_defaults(environ)
        environ |= {**given, "SERVER_SOFTWARE": "gunicorn/25", "REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "4711"}
        answer = self.app(environ, lambda *_: lambda _: None)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()

    async def _call_asgi(self, given: Mapping[str, Any], *, websocket: bool) -> None:
        kind: dict[str, Any] = {"type": "http", "method": "GET", "scheme": "https"}
        begin: dict[str, Any] = {"type": "http.request", "body": b"", "more_body": False}
        end: dict[str, Any] = {"type": "http.disconnect"}
        if websocket:
            kind = {"type": "websocket", "scheme": "wss", "subprotocols": []}
            begin, end = {"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}
        scope = {
            **kind,
            **given,
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "query_string": b"",
            "headers": [(b"host", b"testserver")],
            "client": ("192.0.2.1", 4711),
            "server": ("127.0.0.1", 443),
            "extensions": {"tls": {"client_cert_chain": []}},
            "state": {},
        }
        messages = iter([begin])
        answered = asyncio.Event()

        async def receive() -> dict[str, Any]:
            message = next(messages, None)
            if message is None:
                await answered.wait()
                return end
            return message

        async def send(message: Any) -> None:
            closing = message["type"] in {"websocket.close", "websocket.accept", "websocket.http.response.body"}
            if closing or (message["type"] == "http.response.body" and not message.get("more_body")):
                answered.set()

        await asyncio.wait_for(self.app(scope, receive, send), 10)


@contextmanager
def routed(name: str, guard: Guard) -> Iterator[Routed]:
    """Put a framework behind a guard."""
    loop = asyncio.new_event_loop()
    site = Routed(name, loop)
    with ExitStack() as stack:
        stack.callback(loop.close)
        site.app = _app(site, guard, stack)
        yield site


def _app(site: Routed, guard: Guard, stack: ExitStack) -> Any:
    reach = site.reached.append
    match site.name:
        case "django-asgi" | "django-wsgi":
            stack.enter_context(frameworks.django(reach))
            from django.core.handlers.asgi import ASGIHandler  # noqa: PLC0415 - as the frameworks
            from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415

            if site.name == "django-wsgi":
                return MTLSWSGIMiddleware(WSGIHandler(), guard=guard)  # type: ignore[no-untyped-call]
            return MTLSMiddleware(ASGIHandler(), guard=guard)  # type: ignore[no-untyped-call]
        case "starlette-mounted":
            from starlette.applications import Starlette  # noqa: PLC0415
            from starlette.routing import Mount  # noqa: PLC0415

            inner = MTLSMiddleware(frameworks.starlette(reach), guard=guard)
            return Starlette(routes=[Mount(MOUNT, app=inner)])
        case "flask-mounted":
            from werkzeug.exceptions import NotFound  # noqa: PLC0415
            from werkzeug.middleware.dispatcher import DispatcherMiddleware  # noqa: PLC0415

            mounted = MTLSWSGIMiddleware(frameworks.WSGI["flask"](reach), guard=guard)
            return DispatcherMiddleware(NotFound(), {MOUNT: mounted})
        case "starlette-middleware":
            app = frameworks.starlette(reach)
            app.add_middleware(MTLSMiddleware, guard=guard)
            return app
        case name if name in frameworks.WSGI:
            return MTLSWSGIMiddleware(frameworks.WSGI[name](reach), guard=guard)
        case "fastapi-root-path" | "fastapi-root-path-wrapped" | "fastapi-root-path-deep":
            return _fastapi(site, guard)
        case name:
            app = frameworks.ASGI[name](reach)
            if name == "blacksheep":
                site.loop.run_until_complete(app.start())
            return MTLSMiddleware(app, guard=guard)


def _fastapi(site: Routed, guard: Guard) -> Any:
    """Put the middleware inside the application, around it, and around another middleware."""
    app = frameworks.fastapi_with_root_path(site.reached.append)
    if site.name == "fastapi-root-path":
        app.add_middleware(MTLSMiddleware, guard=guard)
        return app
    return MTLSMiddleware(GZipMiddleware(app) if site.name.endswith("-deep") else app, guard=guard)
