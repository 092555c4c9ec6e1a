"""The test client that belongs to an application: Starlette's, Flask's, Django's, or httpx2's own for other WSGI."""

import sys
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from starlette.types import ASGIApp

from mtls_middleware.testing.application import Protocol, layers, protocol_of
from mtls_middleware.testing.presented import Arrival, ArrivingASGI, ArrivingWSGI

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


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

        return django_client(arriving, **options)
    import httpx2  # noqa: PLC0415 - not before somebody asks for a client

    return httpx2.Client(transport=httpx2.WSGITransport(arriving), **{"base_url": _base_url(arrival), **options})


def _starlette(app: ASGIApp, arrival: Arrival, beside: object, options: dict[str, Any]) -> Any:  # noqa: ANN401 - theirs
    from starlette.testclient import TestClient  # noqa: PLC0415 - needs httpx2; not before somebody asks for a client

    client = TestClient(ArrivingASGI(app, arrival), **{"base_url": _base_url(arrival), **options})
    if isinstance(beside, TestClient) and beside.portal is not None:
        client.portal = beside.portal  # the same event loop, and what lifespan put into the state
        client.app_state.update(beside.app_state)
    return client


def _base_url(arrival: Arrival) -> str:
    return "http://testserver" if arrival.presentation.tls is None else "https://testserver"


def _layer(app: object, module: str, name: str) -> Any:  # noqa: ANN401 - optional packages
    """Return the first layer of this class; a package that nobody imported made none."""
    kind = getattr(sys.modules.get(module), name, None)
    return next((layer for layer in layers(app) if kind is not None and isinstance(layer, kind)), None)
