"""A pytest plugin for other projects' suites: every in-memory call of theirs comes as an accepted data action call.

It stands around what calls an application: Starlette's and FastAPI's `TestClient`, Werkzeug's with Flask's, and the
protocol classes and the lifespan of uvicorn.
"""

from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from mtls_middleware import Guard, MTLSMiddleware, MTLSWSGIMiddleware, Settings
from mtls_middleware.testing import RegionalCA
from mtls_middleware.testing.presentation import present

CA = RegionalCA()
CLIENT = CA.client()
TLS = present("tls", CLIENT).tls
PEM = CLIENT.pem


NOTHING_JUDGED = 99
"""Exit status where the plugin stood around nothing: then a comparison says nothing."""

_calls: list[str] = []


def make_guard() -> Guard:
    settings = Settings(regions=CA.region, trust=CA.write(Path(mkdtemp())), state="off", revocation="off")
    guard = Guard.from_settings(settings)
    guard.start()
    return guard


class Presented:
    """An ASGI application that is called with a client certificate."""

    def __init__(self, app: Any, guard: Guard) -> None:
        self.app = MTLSMiddleware(app, guard=guard)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _calls.append(scope["type"])
        if scope["type"] != "lifespan":
            scope["extensions"] = {**scope.get("extensions", {}), "tls": TLS}
        await self.app(scope, receive, send)


def pytest_configure() -> None:
    guard = make_guard()
    _around_starlette(guard)
    _around_werkzeug(guard)
    _around_uvicorn(guard)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _calls:
        session.exitstatus = NOTHING_JUDGED


def _around_starlette(guard: Guard) -> None:
    try:
        from starlette import testclient  # noqa: PLC0415 - a suite has one of both
    except ImportError:
        return
    transport = testclient._TestClientTransport
    before = transport.__init__

    def init(self: Any, app: Any, *args: Any, **options: Any) -> None:
        before(self, Presented(app, guard), *args, **options)

    transport.__init__ = init  # type: ignore[method-assign]


def _around_werkzeug(guard: Guard) -> None:
    try:
        from werkzeug import test  # noqa: PLC0415 - a suite has one of both
    except ImportError:
        return
    before = test.run_wsgi_app

    def run(app: Any, environ: Any, buffered: bool = False) -> Any:
        def presented(environ: Any, start_response: Any) -> Iterable[bytes]:
            _calls.append("wsgi")
            environ["SSL_CLIENT_CERT"] = PEM
            return MTLSWSGIMiddleware(app, guard=guard)(environ, start_response)

        return before(presented, environ, buffered)

    test.run_wsgi_app = run


def _around_uvicorn(guard: Guard) -> None:
    if find_spec("uvicorn") is None:
        return
    classes = {
        "lifespan.on": ["LifespanOn"],
        "protocols.http.h11_impl": ["H11Protocol"],
        "protocols.http.httptools_impl": ["HttpToolsProtocol"],
        "protocols.websockets.websockets_sansio_impl": ["WebSocketsSansIOProtocol"],
        "protocols.websockets.wsproto_impl": ["WSProtocol"],
        "protocols.http.zttp_impl": ["ZttpProtocol"],
        "protocols.http.zttp_h2_impl": ["ZttpH2Protocol"],
    }
    for module, names in classes.items():
        with suppress(ImportError):  # zttp is not there for every Python
            found = import_module(f"uvicorn.{module}")
            for name in names:
                _presenting(getattr(found, name), guard)


def _presenting(kind: Any, guard: Guard) -> None:
    """Let each instance of a class of uvicorn call its application through the middleware."""
    before = kind.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        before(self, *args, **options)
        if hasattr(self, "app"):
            self.app = Presented(self.app, guard)
        else:
            self.config = copy(self.config)
            self.config.loaded_app = Presented(self.config.loaded_app, guard)

    kind.__init__ = init
