"""What the ASGI adapter owes to servers and applications."""

import asyncio
import copy
import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, SimpleUser, requires
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from mtls_middleware import Guard, MTLSError, MTLSMiddleware
from mtls_middleware.testing import TLSExtension, tls_extension
from tests.adapters.cases import ASGIApplication, Case, http_scope, run, run_asgi
from tests.adapters.site import NGINX, Site, good_client, over_tls, regional_ca, through_nginx

LIFESPAN: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
STARTUP: Message = {"type": "lifespan.startup"}
SHUTDOWN: Message = {"type": "lifespan.shutdown"}


def _seen(guard: Guard, case: Case, **scope: Any) -> Scope:
    app = ASGIApplication()
    run_asgi(MTLSMiddleware(app, guard=guard), {**http_scope(case), **scope})
    assert app.scope is not None
    return app.scope


def _sent(guard: Guard, scope: Scope, app: ASGIApp | None = None, *received: Message) -> list[Message]:
    return run_asgi(MTLSMiddleware(app or ASGIApplication(), guard=guard), scope, *received)


async def _with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "lifespan"
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


def failed_start(app: ASGIApp) -> Message:
    """Return the one message of a start that fails, and then raises the same."""
    sent: list[Message] = []

    async def receive() -> Message:
        return STARTUP

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(MTLSError) as raised:
        run(app({**LIFESPAN, "app": app}, receive, send))
    (message,) = sent
    assert message["message"] == str(raised.value)
    return message


class TestLifespan:
    def test_lesson_34_a_configuration_error_fails_the_start_with_the_whole_message(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"MTLS_REGIONS": "us-east-11", "MTLS_SORCE": "tls", "MTLS_TRUST": "/t"}.items():
            monkeypatch.setenv(name, value)
        message = failed_start(MTLSMiddleware(ASGIApplication()))
        assert message["type"] == "lifespan.startup.failed"
        assert "MTLS_REGIONS: 'us-east-11' is no region; did you mean 'us-east-1'?" in message["message"]
        assert "MTLS_SORCE: there is no such setting; did you mean MTLS_SOURCE?" in message["message"]

    def test_lesson_34_so_does_trust_that_cannot_be_used(self, site: Site) -> None:
        settings = site.settings({"MTLS_TRUST": str(site.folder / "absent.pem")})
        message = failed_start(MTLSMiddleware(ASGIApplication(), settings=settings))
        assert message["type"] == "lifespan.startup.failed"
        assert "absent.pem: does not exist" in message["message"]

    def test_lesson_34_so_does_a_guard_that_cannot_start(self, site: Site) -> None:
        guard = site.new_guard({"MTLS_TRUST": str(site.folder / "absent.pem")})
        message = failed_start(MTLSMiddleware(ASGIApplication(), guard=guard))
        assert message["type"] == "lifespan.startup.failed"

    def test_lesson_34_starlette_hears_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MTLS_REGIONS", raising=False)
        app = Starlette()
        app.add_middleware(MTLSMiddleware)
        assert "MTLS_REGIONS" in failed_start(app)["message"]

    def test_the_application_s_own_lifespan_runs(self, site: Site) -> None:
        sent = _sent(site.guard(), LIFESPAN, _with_lifespan, STARTUP, SHUTDOWN)
        assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    def test_it_starts_a_guard_and_closes_only_its_own(self, site: Site) -> None:
        given = site.guard()
        middleware = MTLSMiddleware(_with_lifespan, guard=given)
        run_asgi(middleware, LIFESPAN, STARTUP, SHUTDOWN)
        assert given._trust._refresher.is_running
        own = MTLSMiddleware(_with_lifespan, settings=site.settings())
        assert own._guard is not None
        assert own._guard._trust._refresher.is_running
        run_asgi(own, LIFESPAN, STARTUP, SHUTDOWN)
        assert not own._guard._trust._refresher.is_running

    @pytest.mark.parametrize("raises", [True, False], ids=["raises", "returns"])
    def test_trust_stays_current_where_the_application_knows_no_lifespan(self, site: Site, *, raises: bool) -> None:
        async def http_only(scope: Scope, _receive: Receive, _send: Send) -> None:
            if raises:
                raise ValueError(f"cannot handle {scope['type']}")

        middleware = MTLSMiddleware(http_only, settings=site.settings())
        try:
            run_asgi(middleware, LIFESPAN, STARTUP)
        except ValueError:
            assert raises
        assert middleware._guard is not None
        assert middleware._guard._trust._refresher.is_running
        middleware._guard.close()

    def test_trust_that_is_gone_at_the_next_start_fails_it(self, site: Site) -> None:
        middleware = MTLSMiddleware(_with_lifespan, settings=site.settings())
        run_asgi(middleware, LIFESPAN, STARTUP, SHUTDOWN)
        site.root.unlink()
        assert failed_start(middleware)["type"] == "lifespan.startup.failed"

    def test_it_starts_again_after_a_shutdown(self, site: Site) -> None:
        middleware = MTLSMiddleware(_with_lifespan, settings=site.settings())
        for _ in range(2):
            run_asgi(middleware, LIFESPAN, STARTUP, SHUTDOWN)
        assert middleware._guard is not None
        assert middleware._guard.status().version == 1


class TestBrokenConfiguration:
    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch) -> MTLSMiddleware:
        monkeypatch.setenv("MTLS_REGIONS", "us-east-11")
        monkeypatch.setenv("MTLS_EXEMPT", "/health")
        return MTLSMiddleware(ASGIApplication())

    def test_it_is_logged_at_once_where_there_is_no_loop_yet(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("MTLS_REGIONS", "us-east-11")
        middleware = MTLSMiddleware(ASGIApplication())
        assert [record.levelname for record in caplog.records if "us-east-11" in record.getMessage()] == ["ERROR"]
        assert failed_start(middleware)["type"] == "lifespan.startup.failed"
        assert sum("us-east-11" in message for message in caplog.messages) == 1

    @pytest.mark.parametrize("is_told", [True, False], ids=["lifespan", "mounted, without lifespan"])
    def test_it_is_logged_soon_where_no_lifespan_tells_it(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_told: bool
    ) -> None:
        monkeypatch.setenv("MTLS_REGIONS", "us-east-11")
        monkeypatch.setattr("mtls_middleware.asgi._LIFESPAN_SECONDS", 0)

        async def receive() -> Message:
            return STARTUP

        async def send(message: Message) -> None:
            assert message["type"] == "lifespan.startup.failed"

        async def load() -> None:  # in the loop, as uvicorn does
            middleware = MTLSMiddleware(ASGIApplication())
            with pytest.raises(MTLSError) if is_told else nullcontext():
                await (middleware(dict(LIFESPAN), receive, send) if is_told else asyncio.sleep(0))
            await asyncio.sleep(0.01)

        asyncio.run(load())

        assert sum("us-east-11" in message for message in caplog.messages) == (not is_told)

    @pytest.mark.parametrize("path", ["/", "/health"])
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    def test_without_lifespan_every_request_is_refused(self, broken: MTLSMiddleware, path: str, kind: str) -> None:
        case = over_tls(good_client(), path=path)
        scope = {**http_scope(case), "type": kind, "extensions": {"websocket.http.response": {}}}
        start, body = run_asgi(broken, scope)
        assert start["status"] == 503
        assert dict(start["headers"])[b"retry-after"]
        assert json.loads(body["body"])["reason"] == "trust_unavailable"
        assert b"us-east-11" not in body["body"]

    def test_broken_trust_lets_exempt_paths_through_without_an_identity(self, site: Site) -> None:
        guard = site.new_guard({"MTLS_TRUST": str(site.folder / "absent.pem"), "MTLS_EXEMPT": "/health"})
        assert _seen(guard, over_tls(good_client(), path="/health"))["mtls.identity"] is None
        start, _ = _sent(guard, http_scope(over_tls(good_client())))
        assert start["status"] == 503

    def test_broken_trust_does_not_show_the_secrets_on_exempt_paths(self, site: Site) -> None:
        broken = {"MTLS_TRUST": str(site.folder / "absent.pem"), "MTLS_EXEMPT": "/health"}
        guard = site.new_guard({**NGINX, **broken, "MTLS_CALLER_SECRET": "x" * 16})
        case = through_nginx(good_client(), path="/health").with_headers(("X-Caller-Secret", "x"), ("Accept", "*/*"))
        assert _seen(guard, case)["headers"] == [(b"accept", b"*/*")]

    def test_a_broken_secret_is_enforced_in_report_mode_too(self, site: Site) -> None:
        guard = site.new_guard({"MTLS_CALLER_SECRET_FILE": str(site.folder / "absent"), "MTLS_MODE": "report"})
        start, _ = _sent(guard, http_scope(over_tls(good_client())))
        assert start["status"] == 503


@pytest.mark.parametrize("unknown", ["websocket2", "webtransport", "HTTP", "", None, 7, b"http"], ids=repr)
@pytest.mark.parametrize("mode", ["enforce", "report"])
def test_an_unknown_scope_type_is_an_error(site: Site, unknown: object, mode: str) -> None:
    app = ASGIApplication()
    middleware = MTLSMiddleware(app, guard=site.guard(mode=mode, protect="/actions"))
    with pytest.raises(RuntimeError, match="scope type"):
        run_asgi(middleware, {**http_scope(over_tls(good_client())), "type": unknown})
    assert app.scope is None


class TestWebSocket:
    def _scope(self, **scope: Any) -> Scope:
        return {**http_scope(over_tls(None)), "type": "websocket", **scope}

    def test_it_is_refused_by_a_response_where_the_server_has_that(self, site: Site) -> None:
        extensions = {"websocket.http.response": {}, "tls": tls_extension(None)}
        start, body = _sent(site.guard(), self._scope(extensions=extensions))
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
        assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
        assert body["type"] == "websocket.http.response.body"
        assert json.loads(body["body"])["reason"] == "certificate_missing"

    @pytest.mark.parametrize("extensions", [{}, None, {"tls": tls_extension(None)}], ids=["empty", "none", "tls"])
    def test_else_it_is_closed_before_it_was_accepted(self, site: Site, extensions: object) -> None:
        messages = _sent(site.guard(), self._scope(extensions=extensions))
        assert messages == [{"type": "websocket.close", "code": 1008, "reason": ""}]

    def test_an_accepted_one_has_identity_and_user(self, site: Site) -> None:
        scope = _seen(site.guard(), over_tls(good_client()), type="websocket")
        assert scope["mtls.identity"].region == "us-east-1"
        assert scope["user"].is_authenticated

    def test_starlette_s_own_client(self, site: Site) -> None:
        async def echo(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text(socket.scope["mtls.identity"].region)
            await socket.close()

        app = MTLSMiddleware(Starlette(routes=[WebSocketRoute("/", echo)]), guard=site.guard())
        with TestClient(TLSExtension(app, good_client())).websocket_connect("/") as socket:
            assert socket.receive_text() == "us-east-1"


class TestHead:
    def test_a_refusal_has_no_body(self, site: Site) -> None:
        start, body = _sent(site.guard(), http_scope(over_tls(None, method="HEAD")))
        assert (start["status"], body["body"]) == (403, b"")
        assert int(dict(start["headers"])[b"content-length"]) > 0


def _starlette(*routes: Any) -> Starlette:
    return Starlette(routes=list(routes))


@requires("data_action")
async def _who(request: Request) -> Response:
    return JSONResponse({"user": request.user.display_name, "id": request.user.identity, "scopes": request.auth.scopes})


class TestUser:
    """``request.user`` and ``request.auth`` of Starlette."""

    def test_a_data_action_has_user_and_scopes(self, site: Site) -> None:
        app = MTLSMiddleware(_starlette(Route("/", _who)), guard=site.guard())
        assert TestClient(TLSExtension(app, good_client())).get("/").json() == {
            "user": "us-east-1",
            "id": good_client().fingerprint_sha256,
            "scopes": ["data_action", "region:us-east-1"],
        }

    def test_a_custom_caller_is_no_data_action(self, site: Site) -> None:
        guard = site.guard(
            authorities="custom,genesys",
            trust=f"custom={site.root},us-east-1={site.root}",
            cert_names="custom=caller.example.com",
        )
        scope = _seen(guard, over_tls(regional_ca().client(names=["caller.example.com"])))
        assert (scope["mtls.identity"].authority, scope["mtls.identity"].region) == ("custom", None)
        assert scope["auth"].scopes == ["mtls:custom"]
        assert scope["user"].display_name == "custom"
        app = MTLSMiddleware(_starlette(Route("/", _who)), guard=guard)
        client = regional_ca().client(names=["caller.example.com"])
        assert TestClient(TLSExtension(app, client)).get("/").status_code == 403

    def test_an_exempt_path_has_a_user_without_scopes(self, site: Site) -> None:
        scope = _seen(site.guard(exempt="/health"), over_tls(None, path="/health"))
        assert not scope["user"].is_authenticated
        assert scope["auth"].scopes == []
        assert scope["mtls.identity"] is None

    def test_an_exempt_path_has_the_identity_of_whom_would_be_accepted(self, site: Site) -> None:
        scope = _seen(site.guard(exempt="/health"), over_tls(good_client(), path="/health"))
        assert scope["mtls.identity"].region == "us-east-1"

    def test_an_existing_user_is_left_alone_where_nobody_was_accepted(self, site: Site) -> None:
        user, auth = SimpleUser("somebody"), AuthCredentials(["own"])
        scope = _seen(site.guard(exempt="/health"), over_tls(None, path="/health"), user=user, auth=auth)
        assert (scope["user"], scope["auth"]) == (user, auth)

    def test_an_existing_user_gives_way_to_who_was_accepted(self, site: Site) -> None:
        scope = _seen(site.guard(), over_tls(good_client()), user=SimpleUser("somebody"), auth=AuthCredentials(["own"]))
        assert scope["user"].display_name == "us-east-1"
        assert "own" not in scope["auth"].scopes

    @pytest.mark.parametrize("path", ["/health", "/open"])
    def test_no_scope_key_injects_an_identity(self, site: Site, path: str) -> None:
        forged = _seen(site.guard(), over_tls(good_client()))["mtls.identity"]
        guard = site.guard(protect="/actions,/health", exempt="/health")
        keys = {"mtls.identity": forged, "mtls.guard": guard, "mtls.transport": forged}
        assert _seen(guard, over_tls(None, path=path), **keys)["mtls.identity"] is None


class TestScopesAreCopied:
    @pytest.mark.parametrize("path", ["/actions", "/health"])
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    @pytest.mark.parametrize("client", [good_client(), None], ids=["certificate", "none"])
    def test_nothing_of_the_server_s_is_changed(self, site: Site, path: str, kind: str, client: Any) -> None:
        guard = site.guard(exempt="/health", mode="report")
        scope = {**http_scope(over_tls(client, path=path)), "type": kind}
        before = copy.deepcopy(scope)
        app = ASGIApplication()
        run_asgi(MTLSMiddleware(app, guard=guard), scope)
        assert app.scope is not None
        assert scope == before
        assert app.scope is not scope
        assert app.scope["headers"] is not scope["headers"]

    def test_lesson_28_a_dict_that_requests_share_carries_no_certificate_over(self, site: Site) -> None:
        guard = site.guard()
        shared: dict[str, Any] = {}
        first = {**http_scope(Case()), "extensions": shared}

        async def careless(scope: Scope, _receive: Receive, _send: Send) -> None:
            scope["extensions"]["tls"] = tls_extension(good_client())

        run_asgi(MTLSMiddleware(careless, guard=site.guard(protect="/elsewhere")), first)
        assert shared == {}
        (start, _) = _sent(guard, {**http_scope(Case()), "extensions": shared})
        assert start["status"] == 403

    def test_lesson_28_nor_does_a_tls_dict(self, site: Site) -> None:
        shared = {"tls": tls_extension(None)}

        async def careless(scope: Scope, _receive: Receive, _send: Send) -> None:
            scope["extensions"]["tls"]["client_cert_chain"] = good_client().pems

        run_asgi(MTLSMiddleware(careless, guard=site.guard(protect="/x")), {**http_scope(Case()), "extensions": shared})
        assert shared == {"tls": tls_extension(None)}

    def test_the_state_stays_the_application_s_own(self, site: Site) -> None:
        state = {"pool": object()}
        assert _seen(site.guard(), over_tls(good_client()), state=state)["state"] is state

    def test_headers_that_can_be_read_once_reach_the_application(self, site: Site) -> None:
        case = over_tls(good_client()).with_headers(("Accept", "*/*"))
        scope = http_scope(case)
        assert _seen(site.guard(), case, headers=iter(scope["headers"]))["headers"] == [(b"accept", b"*/*")]

    @pytest.mark.parametrize("headers", [None, (), []], ids=repr)
    def test_no_headers_at_all(self, site: Site, headers: object) -> None:
        assert _seen(site.guard(), over_tls(good_client()), headers=headers)["headers"] == []


class TestOneShotChain:
    """Servers may hand over the chain as a generator (lesson 26)."""

    def _scope(self, pems: Iterator[str]) -> Scope:
        return {**http_scope(Case()), "extensions": {"tls": {**tls_extension(None), "client_cert_chain": pems}}}

    def test_it_is_accepted(self, site: Site) -> None:
        app = ASGIApplication()
        run_asgi(MTLSMiddleware(app, guard=site.guard()), self._scope(pem for pem in good_client().pems))
        assert app.scope is not None

    def test_the_application_can_read_it_again_and_again(self, site: Site) -> None:
        app = ASGIApplication()
        run_asgi(MTLSMiddleware(app, guard=site.guard()), self._scope(iter(good_client().pems)))
        assert app.scope is not None
        chain = app.scope["extensions"]["tls"]["client_cert_chain"]
        assert [list(chain), list(chain)] == [list(good_client().pems)] * 2

    def test_one_without_end_is_too_large(self, site: Site) -> None:
        def endless() -> Iterator[str]:
            while True:
                yield good_client().pem

        (_, body) = _sent(site.guard(), self._scope(endless()))
        assert json.loads(body["body"])["reason"] == "certificate_too_large"

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_who_ends_the_process_is_not_held_up(self, site: Site, error: type[BaseException]) -> None:
        def ending() -> Iterator[str]:
            yield from ()
            raise error

        with pytest.raises(error):
            _sent(site.guard(), self._scope(ending()))

    def test_one_that_raises_is_refused(self, site: Site) -> None:
        def broken() -> Iterator[str]:
            yield good_client().pem
            raise OSError("gone")

        (start, _) = _sent(site.guard(), self._scope(broken()))
        assert start["status"] == 500

    @pytest.mark.parametrize("tls", [7, "x", [], True], ids=repr)
    def test_an_extension_that_is_no_mapping_is_none(self, site: Site, tls: object) -> None:
        (_, body) = _sent(site.guard(), {**http_scope(Case()), "extensions": {"tls": tls}})
        assert json.loads(body["body"])["reason"] == "certificate_missing"


class TestNoStore:
    """Shared caches must not give one caller's answer to another (lesson 25)."""

    def _answered(self, guard: Guard, path: str, *headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        sent = _sent(guard, http_scope(over_tls(good_client(), path=path)), ASGIApplication(*headers))
        return list(sent[0]["headers"])

    def test_lesson_25_an_accepted_protected_answer_gets_it(self, site: Site) -> None:
        assert self._answered(site.guard(), "/") == [(b"cache-control", b"no-store")]

    @pytest.mark.parametrize("name", [b"cache-control", b"Cache-Control"])
    def test_what_the_application_says_stays(self, site: Site, name: bytes) -> None:
        assert self._answered(site.guard(), "/", (name, b"private")) == [(name, b"private")]

    def test_an_exempt_answer_does_not(self, site: Site) -> None:
        assert self._answered(site.guard(exempt="/health"), "/health") == []

    def test_headers_that_can_be_read_once_are_kept(self, site: Site) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            headers = iter([(b"cache-control", b"private")])
            await send({"type": "http.response.start", "status": 200, "headers": headers})

        (start,) = _sent(site.guard(), http_scope(over_tls(good_client())), app)
        assert list(start["headers"]) == [(b"cache-control", b"private")]

    def test_a_start_without_headers(self, site: Site) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 204})

        (start,) = _sent(site.guard(), http_scope(over_tls(good_client())), app)
        assert list(start["headers"]) == [(b"cache-control", b"no-store")]

    def test_an_application_s_refusal_of_a_websocket_gets_it(self, site: Site) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})

        (start,) = _sent(site.guard(), {**http_scope(over_tls(good_client())), "type": "websocket"}, app)
        assert start["headers"] == [(b"cache-control", b"no-store")]


class TestHiddenHeaders:
    """No application sees what we read (lesson 1)."""

    CASE = through_nginx(good_client()).with_headers(
        ("X-Caller-Secret", "x" * 16), ("X_SSL_Client_Cert", "twin"), ("Accept", "a")
    )

    @pytest.mark.parametrize(
        "more",
        [{"exempt": "/actions"}, {"protect": "/elsewhere"}, {"mode": "report"}],
        ids=["exempt", "unprotected", "report"],
    )
    def test_lesson_1_on_every_way_through(self, site: Site, more: dict[str, str]) -> None:
        guard = site.guard(NGINX, caller_secret="x" * 16, **more)
        scope = _seen(guard, self.CASE)
        assert scope["headers"] == [(b"accept", b"a")]
        assert scope["mtls.identity"] is None

    def test_other_headers_keep_their_order_and_bytes(self, site: Site) -> None:
        headers = [(b"b", b"2"), (b"a", b"\xff\x00"), (b"B", b"3"), (b"ssl-client-cert", b"x")]
        assert _seen(site.guard(), over_tls(good_client()), headers=headers)["headers"] == headers

    def test_the_secret_s_header_is_nobody_s_where_none_is_set(self, site: Site) -> None:
        headers = [(b"x-mtls-proxy-secret", b"x"), (b"x-caller-secret", b"y")]
        assert _seen(site.guard(), over_tls(good_client()), headers=headers)["headers"] == headers


class TestMounting:
    """Lesson 24: a protected path stays protected, wherever the application is mounted."""

    @pytest.mark.parametrize("path", ["/api/actions/x", "/actions/x", "/api//actions/x", "/api/./actions"])
    def test_lesson_24_a_root_path(self, site: Site, path: str) -> None:
        guard = site.guard(protect="/actions")
        scope = {**http_scope(over_tls(None, path=path)), "root_path": "/api", "raw_path": None}
        assert _sent(guard, scope)[0]["status"] == 403

    def test_lesson_24_a_mounted_middleware(self, site: Site) -> None:
        inner = MTLSMiddleware(_starlette(Route("/actions", _who)), guard=site.guard(protect="/api/actions"))
        client = TestClient(_starlette(Mount("/api", app=inner)))
        assert client.get("/api/actions").status_code == 403

    @pytest.mark.parametrize(
        "raw", [b"/health%2f..%2factions", b"/health/..%2Factions", b"http://x/actions", b"/actions?x"]
    )
    def test_lesson_24_the_raw_path_counts(self, site: Site, raw: bytes) -> None:
        guard = site.guard(protect="/actions", exempt="/health")
        scope = {**http_scope(over_tls(None, path="/health")), "raw_path": raw}
        assert _sent(guard, scope)[0]["status"] == 403


def test_a_body_is_left_to_the_application(site: Site) -> None:
    received: list[Message] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        received.append(await receive())

    chunk: Message = {"type": "http.request", "body": b"chunk", "more_body": False}
    _sent(site.guard(), http_scope(over_tls(good_client())), app, chunk)
    assert received == [chunk]


def test_an_error_of_the_application_is_its_own(site: Site) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        _sent(site.guard(), http_scope(over_tls(good_client())), app)


def test_several_applications_may_share_one_guard(site: Site) -> None:
    guard = site.guard()
    for _ in range(2):
        app = ASGIApplication()
        run_asgi(MTLSMiddleware(app, guard=guard), http_scope(over_tls(good_client())))
        assert app.scope is not None
    assert guard.status().decisions == {"accepted": 2}


def test_nothing_of_a_request_stays_in_the_middleware(site: Site) -> None:
    middleware = MTLSMiddleware(ASGIApplication(), guard=site.guard())
    before = {name: id(value) for name, value in vars(middleware).items()}
    run(middleware(http_scope(over_tls(None)), _never, _drop))
    assert {name: id(value) for name, value in vars(middleware).items()} == before


async def _never() -> Message:
    raise AssertionError("a refusal of http reads nothing")


async def _drop(message: Message) -> None:
    assert message["type"].startswith("http.response.")


def test_a_mistake_is_told_where_no_lifespan_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    broken = MTLSMiddleware(ASGIApplication(), settings=None, guard=None)
    for _ in range(2):
        run_asgi(broken, http_scope(Case()))

    assert len([line for line in caplog.messages if "MTLS_REGIONS: is required" in line]) == 1
