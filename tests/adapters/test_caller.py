"""`caller` and `optional_caller`: who called, from whatever a framework hands to a handler."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import django.core.handlers.asgi
import django.core.handlers.wsgi
import flask
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

import example_app.django_app  # noqa: F401 - it configures Django, which can be done once in a process
from mtls_middleware import (
    ClientIdentity,
    Guard,
    MTLSMiddleware,
    MTLSWSGIMiddleware,
    Rejected,
    caller,
    optional_caller,
)
from tests.adapters.cases import ASGIApplication, Case, WSGIApplication, http_scope, run_asgi, run_wsgi, wsgi_environ
from tests.adapters.site import Site, good_client, over_tls

Seen = Callable[[Guard, Case], Mapping[str, Any]]


def asgi(guard: Guard, case: Case) -> Mapping[str, Any]:
    """Return the scope that an application sees."""
    app = ASGIApplication()
    run_asgi(MTLSMiddleware(app, guard=guard), http_scope(case))
    assert app.scope is not None
    return app.scope


def wsgi(guard: Guard, case: Case) -> Mapping[str, Any]:
    """Return the environ that an application sees."""
    app = WSGIApplication()
    run_wsgi(MTLSWSGIMiddleware(app, guard=guard), wsgi_environ(case))
    assert app.environ is not None
    return app.environ


def a2wsgi(guard: Guard, case: Case) -> Mapping[str, Any]:
    """Return the environ that an application sees in a bridge, the middleware around the bridge."""
    return {"REQUEST_METHOD": "GET", "asgi.scope": asgi(guard, case)}


def django_of_asgi(scope: Mapping[str, Any]) -> Any:
    return django.core.handlers.asgi.ASGIRequest(scope, None)  # type: ignore[no-untyped-call]  # as below


def django_of_wsgi(environ: Mapping[str, Any]) -> Any:
    return django.core.handlers.wsgi.WSGIRequest({**environ, "wsgi.input": BytesIO()})  # type: ignore[no-untyped-call]  # Django ships no types


def websocket(scope: Mapping[str, Any]) -> WebSocket:
    return WebSocket({**scope, "type": "websocket"}, None, None)  # type: ignore[arg-type]  # nothing is sent


REQUESTS: Mapping[str, tuple[Seen, Callable[[Any], Any]]] = {
    "scope": (asgi, dict),
    "starlette-request": (asgi, Request),
    "starlette-connection": (asgi, HTTPConnection),
    "starlette-websocket": (asgi, websocket),
    "django-asgi": (asgi, django_of_asgi),
    "litestar-quart-falcon-asgi": (asgi, lambda scope: SimpleNamespace(scope=scope)),
    "environ": (wsgi, dict),
    "flask": (wsgi, flask.Request),
    "django-wsgi": (wsgi, django_of_wsgi),
    "django-meta": (wsgi, lambda environ: SimpleNamespace(META=environ)),
    "webob-bottle": (wsgi, lambda environ: SimpleNamespace(environ=environ)),
    "falcon-wsgi": (wsgi, lambda environ: SimpleNamespace(env=environ)),
    "wrapped": (wsgi, lambda environ: SimpleNamespace(scope=None, environ=environ)),
    "a2wsgi": (a2wsgi, dict),
    "a2wsgi-flask": (a2wsgi, flask.Request),
}


@pytest.fixture(params=REQUESTS)
def made(request: pytest.FixtureRequest) -> Callable[[Guard, Case], Any]:
    """Return what makes a framework's request of a call that the middleware let through."""
    seen, make = REQUESTS[request.param]
    return lambda guard, case: make(seen(guard, case))


def test_an_accepted_caller_is_returned(made: Callable[[Guard, Case], Any], site: Site) -> None:
    request = made(site.guard(), over_tls(good_client()))

    assert caller(request).fingerprint_sha256 == good_client().fingerprint_sha256
    assert optional_caller(request) is caller(request)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"mode": "report"}, r"report mode let it through, although it would be refused \(certificate_missing\)"),
        ({"exempt": "/actions"}, r"its path needs no certificate, and none was accepted \(certificate_missing\)"),
        ({"protect": "/other"}, r"its path needs no certificate, and none was accepted \(certificate_missing\)"),
    ],
    ids=["report-mode", "exempt", "unprotected"],
)
def test_where_nobody_was_accepted_the_message_says_why(
    made: Callable[[Guard, Case], Any], settings: dict[str, str], why: str, site: Site
) -> None:
    request = made(site.guard(**settings), over_tls(None))

    assert optional_caller(request) is None
    with pytest.raises(LookupError, match=why):
        caller(request)


@pytest.mark.parametrize("make", [make for _, make in REQUESTS.values()], ids=REQUESTS)
def test_without_the_middleware_there_is_nobody(make: Callable[[Any], Any]) -> None:
    case = over_tls(good_client())
    request = make({**wsgi_environ(case), **http_scope(case)})

    assert optional_caller(request) is None
    with pytest.raises(LookupError, match="no MTLSMiddleware or MTLSWSGIMiddleware has judged it"):
        caller(request)


@pytest.mark.parametrize("value", [None, "us-east-1", {"region": "us-east-1"}, object(), ClientIdentity])
def test_only_an_identity_of_ours_is_believed(value: object) -> None:
    assert optional_caller({"mtls.identity": value}) is None
    with pytest.raises(LookupError, match="no certificate was accepted"):
        caller({"mtls.identity": value})


def test_nothing_that_a_caller_sends_becomes_an_identity(site: Site) -> None:
    forged = json.dumps({"mtls.identity": {"region": "us-east-1"}})
    names = ("mtls.identity", "MTLS-Identity", "asgi.scope", "scope", "environ")
    case = over_tls(None).with_headers(*((name, forged) for name in names))
    guard = site.guard(mode="report")

    assert optional_caller(asgi(guard, case)) is optional_caller(wsgi(guard, case)) is None
    assert optional_caller(json.loads(forged)) is None


def test_what_another_part_of_the_server_left_in_the_environ_is_replaced(site: Site) -> None:
    accepted = caller(asgi(site.guard(), over_tls(good_client())))
    case = over_tls(None, scope={"mtls.identity": accepted}, environ={"mtls.identity": accepted})
    guard = site.guard(mode="report")

    assert optional_caller(asgi(guard, case)) is optional_caller(wsgi(guard, case)) is None


@pytest.mark.parametrize("call", [None, "us-east-1", b"", 1, [], SimpleNamespace(scope="us-east-1")], ids=repr)
@pytest.mark.parametrize("function", [caller, optional_caller])
def test_what_is_no_request_is_a_mistake_in_the_program(function: Callable[[Any], object], call: object) -> None:
    with pytest.raises(TypeError, match=f"a {type(call).__name__} is no request, ASGI scope or WSGI environ"):
        function(call)


def test_outside_of_a_request_flask_says_so() -> None:
    with pytest.raises(RuntimeError, match="Working outside of request context"):
        caller(flask.request)


@pytest.mark.parametrize("seen", [asgi, wsgi])
def test_the_middleware_leaves_the_reason_beside_what_it_lets_through(seen: Seen, site: Site) -> None:
    rejected = seen(site.guard(mode="report"), over_tls(None))["mtls.rejected"]

    assert isinstance(rejected, Rejected)
    assert rejected.reason == "certificate_missing"
