"""A WSGI application behind several guards, each with a header source of its own: ``/caddy``, ``/nginx`` and so on.

Also in ASGI clothes: by uvicorn's and hypercorn's own bridges, and by those of asgiref, starlette and a2wsgi.
"""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mtls_middleware import MTLSWSGIMiddleware, Settings
from tests.e2e.body_frameworks import WSGI
from tests.e2e.wsgi_tell import SECRET, tell

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_TOLD = {"MTLS_PROXY_DROPS_UNDERSCORES": "yes"}
SOURCES: Mapping[str, Mapping[str, str]] = {
    "/caddy": {"MTLS_SOURCE": "caddy"},
    "/nginx": {"MTLS_SOURCE": "nginx"},
    "/caddy-told": {"MTLS_SOURCE": "caddy", **_TOLD},
    "/nginx-told": {"MTLS_SOURCE": "nginx", **_TOLD},
    "/envoy-told": {"MTLS_SOURCE": "envoy", **_TOLD},
}
"""The first has no marker, the second has; of the others the operator says that the proxy drops underscores."""


def _guarded(source: Mapping[str, str], app: "WSGIApplication" = tell) -> MTLSWSGIMiddleware:
    own = {name: value for name, value in os.environ.items() if name.startswith("MTLS_")}
    boundary = {"MTLS_TRUSTED_PROXIES": "127.0.0.1", "MTLS_PROXY_SECRET": SECRET}
    return MTLSWSGIMiddleware(app, settings=Settings.from_env({**own, **boundary, **source}))


_GUARDED = {path: _guarded(source) for path, source in SOURCES.items()}


@cache
def _framework(name: str) -> MTLSWSGIMiddleware:
    return _guarded(SOURCES["/nginx-told"], WSGI[name][0]())


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Pass a request on to the framework that it names, or to the guard of its path."""
    if name := environ.get("HTTP_X_FRAMEWORK"):
        return _framework(name)(environ, start_response)
    return _GUARDED[environ["PATH_INFO"]](environ, start_response)


def __getattr__(name: str) -> Any:
    """Return the application behind a bridge of this name; a process needs one of them."""
    bridges = {
        "by_asgiref": ("asgiref.wsgi", "WsgiToAsgi"),
        "by_starlette": ("starlette.middleware.wsgi", "WSGIMiddleware"),
        "by_a2wsgi": ("a2wsgi", "WSGIMiddleware"),
    }
    if name not in bridges:
        raise AttributeError(name)
    module, bridge = bridges[name]
    return getattr(import_module(module), bridge)(application)
