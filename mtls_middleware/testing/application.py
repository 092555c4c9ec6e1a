"""Find an application by its name, tell which protocol it speaks, and which guards stand before it."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import reduce
from importlib import import_module
from typing import Any

from mtls_middleware.guard import Guard

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


class Protocol(StrEnum):
    """Name how an application is called."""

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
        id(layer): layer._guard  # noqa: SLF001 - production code has no door to it, and should not get one for tests
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
    """Return how many arguments a call must give by their place."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return -1
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in by_place and parameter.default is parameter.empty for parameter in parameters)
