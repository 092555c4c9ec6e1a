"""The application under test: found by its name, with the protocol that it speaks and the test client that fits."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from enum import StrEnum
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from starlette.types import ASGIApp

from mtls_middleware.guard import Guard
from mtls_middleware.testing.arrival import Arrival, ArrivingASGI, ArrivingWSGI

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


HOST = "testserver"

INNER = (
    "app",
    "application",
    "wsgi_app",
    "asgi_app",
    "asgi_handler",
    "wsgi_application",
    "middleware_stack",
    "routes",
    "root_route_map_node",  # Litestar's tree of routes
    "children",
    "asgi_handlers",
)
"""Attributes under which frameworks and middleware keep what they call next."""


def client_of(app: object, arrival: Arrival, *, beside: object = None, **options: Any) -> Any:  # noqa: ANN401 - theirs
    """Return a client of the application's framework, whose calls arrive like this.

    Args:
        app: the application, with its middleware.
        arrival: what its calls look like.
        beside: a client of the same application, whose lifespan this one shares.
        options: for the framework's client.
    """
    if protocol_of(app) is Protocol.ASGI:
        return _starlette(cast("ASGIApp", app), arrival, beside, options)
    application = cast("WSGIApplication", app)
    arriving = ArrivingWSGI(application, arrival)
    flask = _layer(app, "flask", "Flask")
    if flask is not None:
        # A copy, for the application itself must stay as it is: calls go through all that is wrapped around it.
        shown = copy(flask)
        shown.wsgi_app = arriving
        return shown.test_client(**options)
    if _layer(app, "django.core.handlers.wsgi", "WSGIHandler") is not None:
        from mtls_middleware.testing.django_client import django_client  # noqa: PLC0415 - needs Django

        return django_client(arriving, **{"SERVER_NAME": _host(app), **options})
    import httpx2  # noqa: PLC0415 - not before somebody asks for a client

    return httpx2.Client(transport=httpx2.WSGITransport(arriving), **{"base_url": _base_url(arrival, HOST), **options})


def _starlette(app: ASGIApp, arrival: Arrival, beside: object, options: dict[str, Any]) -> Any:  # noqa: ANN401 - theirs
    from starlette.testclient import TestClient  # noqa: PLC0415 - needs httpx2; not before somebody asks for a client

    client = TestClient(ArrivingASGI(app, arrival), **{"base_url": _base_url(arrival, _host(app)), **options})
    if isinstance(beside, TestClient) and beside.portal is not None:
        client.portal = beside.portal  # the same event loop, and what lifespan put into the state
        client.app_state.update(beside.app_state)
    return client


def _host(app: object) -> str:
    """Return the host that calls name: the one of Starlette's and Django's clients, if the application lets it in."""
    if _layer(app, "django.core.handlers.base", "BaseHandler") is None:
        return HOST
    from mtls_middleware.testing.django_client import allowed_host  # noqa: PLC0415 - needs Django

    return allowed_host(HOST)


def _base_url(arrival: Arrival, host: str) -> str:
    return f"http://{host}" if arrival.presentation.tls is None else f"https://{host}"


def _layer(app: object, module: str, name: str) -> Any:  # noqa: ANN401 - optional packages
    """Return the first layer of this class; a package that nobody imported made none."""
    kind = getattr(sys.modules.get(module), name, None)
    return next((layer for layer in layers(app) if kind is not None and isinstance(layer, kind)), None)


class Protocol(StrEnum):
    """The protocol by which an application is called."""

    ASGI = "asgi"
    WSGI = "wsgi"


def split(name: str) -> tuple[str, str, bool]:
    """Split ``module:attribute`` or ``module:factory()`` into module, attribute and whether to call it.

    Raises:
        ValueError: it is neither.
    """
    module, colon, attribute = name.partition(":")
    called = attribute.endswith("()")
    attribute = attribute.removesuffix("()")
    if not (module and colon and attribute and all(map(str.isidentifier, f"{module}.{attribute}".split(".")))):
        raise ValueError(f"{name!r} names no application: write 'package.module:attribute', or '…:factory()'")
    return module, attribute, called


def load(app: object) -> object:
    """Return the application: import what a name means, and call what is a factory.

    Args:
        app: the application, a factory without required parameters, or the name of either.
    """
    named = resolve(app)
    if isinstance(app, str) and split(app)[2] and callable(named):
        return named()
    return named() if inspect.isroutine(named) and _required(named) == 0 else named


def resolve(app: object) -> object:
    """Return what a name means, and anything but a name as it is."""
    if not isinstance(app, str):
        return app
    module, attribute, _ = split(app)
    return reduce(getattr, attribute.split("."), import_module(module))


def protocol_of(app: object) -> Protocol:
    """Return how an application is called.

    Raises:
        TypeError: it is no application.
    """
    if callable(app):
        called = app if inspect.isroutine(app) else type(app).__call__
        own = 0 if inspect.isroutine(app) else 1
        if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(called):
            return Protocol.ASGI
        match _required(called) - own:
            case 3:
                return Protocol.ASGI
            case 2:
                return Protocol.WSGI
    raise TypeError(f"{app!r} is neither an ASGI nor a WSGI application")


def layers(app: object) -> Iterator[object]:
    """Return an application, and everything inside it that it leads to by one of the names `INNER`."""
    seen: set[int] = set()
    waiting = [app]
    while waiting:
        layer = waiting.pop(0)
        if layer is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        waiting += _inner(layer)


def guards(app: object) -> dict[int, Guard | None]:
    """Return the guard of each of our middlewares before, or inside, an application; None where one has none."""
    from mtls_middleware.asgi import MTLSMiddleware  # noqa: PLC0415 - not before somebody tests an application
    from mtls_middleware.wsgi import MTLSWSGIMiddleware  # noqa: PLC0415 - as above

    return {
        id(layer): layer._guard  # noqa: SLF001 - production code gives no access to it, and should not get one for tests
        for layer in layers(app)
        if isinstance(layer, MTLSMiddleware | MTLSWSGIMiddleware)
    }


def _inner(layer: object) -> Iterator[object]:
    """Return what a layer keeps under the names `INNER`; containers are layers too."""
    if isinstance(layer, Mapping):
        yield from layer.values()
    elif isinstance(layer, list | tuple):
        yield from layer
    elif inspect.ismethod(layer):
        yield layer.__self__
    else:
        # Nothing but what is stored: a property might do anything.
        slots = {name for kind in type(layer).__mro__ for name in getattr(kind, "__slots__", ())}
        stored = getattr(layer, "__dict__", {}).keys() | slots
        yield from (getattr(layer, name, None) for name in INNER if name in stored)


def _required(function: Callable[..., Any]) -> int:
    """Return how many arguments a call must give by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return -1
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in by_place and parameter.default is parameter.empty for parameter in parameters)
