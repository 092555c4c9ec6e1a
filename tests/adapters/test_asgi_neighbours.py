"""What stands around the ASGI middleware: servers that break the specification, telemetry, a second middleware."""

import asyncio
import ssl
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthenticationBackend
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from mtls_middleware import MTLSMiddleware, MTLSWSGIMiddleware, caller, optional_caller
from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from tests.adapters.cases import Case, call, http_scope, wsgi_environ
from tests.adapters.site import NGINX, Site, good_client, over_tls, through_nginx

BROKEN: dict[str, Any] = {
    "text": [("accept", b"*/*")],
    "number": [(b"accept", 5)],
    "triple": [(b"a", b"b", b"c")],
    "single": [(b"a",)],
    "none": [None],
    "no list": 5,
}


def answer(app: Any, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("nobody passes")


@pytest.mark.parametrize("path", ["/", "/health"])
@pytest.mark.parametrize("mode", ["enforce", "report"])
@pytest.mark.parametrize("headers", BROKEN)
def test_a_header_that_is_no_pair_of_bytes_is_refused(site: Site, headers: str, mode: str, path: str) -> None:
    guard = site.guard({"MTLS_EXEMPT": "/health"}, mode=mode)
    scope = {**http_scope(over_tls(good_client())), "path": path, "headers": BROKEN[headers]}

    start, _ = answer(MTLSMiddleware(never, guard=guard), scope)

    assert start["status"] == 500
    assert (b"connection", b"close") in start["headers"]  # there may be a body
    assert guard.status().decisions == {"internal_error": 1}


@pytest.mark.parametrize("times", [1, 2], ids=["judged", "repeated"])
@pytest.mark.parametrize("mounted", [False, True], ids=["route", "mount"])
def test_telemetry_outside_gets_the_route(site: Site, times: int, mounted: bool) -> None:
    async def endpoint(request: Request) -> JSONResponse:
        caller = optional_caller(request)
        return JSONResponse({"region": caller.region if caller else None})

    route = Route("/items/{number}", endpoint)
    app = Starlette(routes=[Mount("/v1", routes=[route]) if mounted else route])
    middleware = MTLSMiddleware(app, guard=site.guard())
    prefix = "/v1" if mounted else ""

    for _ in range(times):
        scope = {**http_scope(over_tls(good_client())), "path": f"{prefix}/items/7", "raw_path": None}
        assert answer(middleware, scope)[0]["status"] == 200

    assert scope["path_params"] == {"number": "7"}
    assert scope["root_path"] + scope["route"].path_format == f"{prefix}/items/{{number}}"
    assert "mtls.identity" not in scope


def test_telemetry_outside_gets_the_route_of_a_call_that_failed(site: Site) -> None:
    async def endpoint(_request: Request) -> JSONResponse:
        raise LookupError

    app = Starlette(routes=[Route("/broken", endpoint)])
    scope = {**http_scope(over_tls(good_client())), "path": "/broken", "raw_path": None}

    with pytest.raises(LookupError):
        answer(MTLSMiddleware(app, guard=site.guard()), scope)

    assert scope["endpoint"] is endpoint


def test_the_inner_of_two_middlewares_says_what_is_wrong(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    guard = site.guard(NGINX)
    case = through_nginx(good_client())

    for _ in range(2):
        app = MTLSMiddleware(MTLSMiddleware(never, guard=guard), guard=guard)
        assert answer(app, http_scope(case))[0]["status"] == 403
    environ = wsgi_environ(case)
    wsgi = MTLSWSGIMiddleware(MTLSWSGIMiddleware(lambda _environ, _start: [b""], guard=guard), guard=guard)
    assert b"certificate_missing" in b"".join(wsgi(environ, lambda *_: lambda _: None))

    lines = [line for line in caplog.messages if "another middleware of ours has judged the call" in line]
    assert len(lines) == 3
    assert len([line for line in caplog.messages if "stands behind another" in line]) == 1


def test_two_middlewares_over_tls_go(site: Site) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    guard = site.guard()
    both = MTLSMiddleware(MTLSMiddleware(app, guard=guard), guard=guard)

    assert answer(both, http_scope(over_tls(good_client())))[0]["status"] == 204


class Socket:
    """Stand for a TLS socket of a WSGI server."""

    def __init__(self, verify_mode: ssl.VerifyMode) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = verify_mode

    def getpeercert(self, _binary: bool) -> None:
        return None


@pytest.mark.parametrize(("asked", "errors"), [(ssl.CERT_NONE, 1), (ssl.CERT_OPTIONAL, 0)], ids=["never", "asked"])
def test_a_server_that_asks_for_no_certificate_is_told_once(
    site: Site, asked: ssl.VerifyMode, errors: int, caplog: pytest.LogCaptureFixture
) -> None:
    guard = site.guard()
    transport = Transport(peer=("10.0.0.5", 40000), asks=asked != ssl.CERT_NONE)
    scope = {**http_scope(over_tls(None)), TRANSPORT_SCOPE_KEY: transport}
    environ = {**wsgi_environ(Case()), "gunicorn.socket": Socket(asked)}
    for _ in range(2):
        assert answer(MTLSMiddleware(never, guard=guard), scope)[0]["status"] == 403
        tuple(MTLSWSGIMiddleware(lambda _environ, _start: [b""], guard=guard)(environ, lambda *_: lambda _: None))

    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [one for one in told if "--ssl-cert-reqs 1" in one.getMessage()] == told
    assert len(told) == errors
    blamed = [line for line in caplog.messages if "this server asked the caller for no certificate" in line]
    assert len(blamed) == 4 * errors


@pytest.mark.parametrize(
    ("source", "headers"),
    [
        ("nginx", {"X-SSL-Client-Verify": "SUCCESS"}),
        ("apache", {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": ""}),
        ("haproxy", {"X-SSL-Client-Used": "1", "X-SSL-Client-Verify": "0"}),
        ("gcp", {"X-Client-Cert-Present": "true", "X-Client-Cert-Error": "client_cert_exceeded_size_limit"}),
        ("cloudfront", {"CloudFront-Viewer-Cert-Present": "1"}),
        ("cloudflare", {"Cf-Cert-Presented": "true", "Cf-Cert-Verified": "true", "Cf-Cert-Revoked": "false"}),
        ("azure-application-gateway", {"X-Client-Cert-Verification": "SUCCESS"}),
    ],
)
def test_a_proxy_that_saw_a_certificate_and_sends_none_is_told(
    site: Site, source: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    guard = site.guard({**NGINX, "MTLS_SOURCE": source})
    secret = next(pair for pair in through_nginx(good_client()).headers if pair[0].startswith("X-MTLS"))

    assert call(guard, Case(headers=(*headers.items(), secret))).verdict == "certificate_missing"
    assert call(guard, Case(headers=(secret,))).verdict == "certificate_missing"

    said = ["the proxy says that there was one" in line for line in caplog.messages if "certificate_missing" in line]
    assert (sum(said), len(said)) == (3, 6)


def test_an_authentication_of_starlette_inside_replaces_the_user_and_not_the_caller(site: Site) -> None:
    class Nobody(AuthenticationBackend):
        async def authenticate(self, _connection: HTTPConnection) -> None:
            return None

    async def endpoint(request: Request) -> JSONResponse:
        return JSONResponse([request.user.is_authenticated, caller(request).region])

    inner = AuthenticationMiddleware(Starlette(routes=[Route("/", endpoint)]), backend=Nobody())
    sent = answer(MTLSMiddleware(inner, guard=site.guard()), {**http_scope(over_tls(good_client())), "path": "/"})

    assert sent[1]["body"] == b'[false,"us-east-1"]'
