"""Callers as dependencies: who is let in, and how the others are refused."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from mtls_middleware import ClientIdentity, ConfigurationError
from mtls_middleware.fastapi import DataAction, DataActionCaller, MTLSCaller, OptionalDataActionCaller
from mtls_middleware.testing import ClientCertificate
from tests.adapters.site import NGINX, ORGANIZATION, Site, good_client, regional_ca, through_nginx
from tests.fastapi.clients import REPORT, UNPROTECTED, calling, custom_client, custom_guard, guarded

OTHER_ORGANIZATION = "11111111-2222-3333-4444-555555555555"


def natives() -> FastAPI:
    """Return an application with a route for each dependency."""
    app = FastAPI()

    @app.api_route("/action", methods=["GET", "HEAD", "POST"])
    def action(caller: DataActionCaller) -> dict[str, Any]:
        return told(caller)

    @app.get("/any")
    def anybody(caller: MTLSCaller) -> dict[str, Any]:
        return told(caller)

    @app.get("/optional")
    def optional(caller: OptionalDataActionCaller) -> dict[str, Any]:
        return told(caller)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, caller: DataActionCaller) -> None:
        await websocket.accept()
        await websocket.send_json(told(caller))
        await websocket.close()

    return app


def told(caller: ClientIdentity | None) -> dict[str, Any]:
    return {"region": caller.region if caller else None, "organization": caller.organization_id if caller else None}


def expired() -> ClientCertificate:
    return regional_ca().client(expired=True)


class TestDataActionCaller:
    def test_the_route_gets_the_identity(self, site: Site) -> None:
        answer = calling(guarded(natives(), site.guard()), good_client()).get("/action")

        assert (answer.status_code, answer.json()["region"]) == (200, "us-east-1")

    @pytest.mark.parametrize(
        "environ", [UNPROTECTED, {"MTLS_EXEMPT": "/action"}, REPORT], ids=["path", "exempt", "report"]
    )
    @pytest.mark.parametrize(
        ("client", "reason"),
        [
            (lambda: None, "certificate_missing"),
            (expired, "certificate_expired"),
            (custom_client, "region_mismatch"),
        ],
        ids=["missing", "expired", "stranger"],
    )
    def test_what_the_middleware_lets_through_is_refused_for_the_same_reason(
        self, site: Site, environ: Mapping[str, str], client: Callable[[], ClientCertificate | None], reason: str
    ) -> None:
        app = guarded(natives(), site.guard(environ))
        answer = calling(app, client()).get("/action", headers={"ININ-Correlation-Id": "call-1"})

        assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (
            403,
            "application/problem+json",
            "no-store",
        )
        assert answer.json() == {
            "status": 403,
            "title": "Forbidden",
            "reason": reason,
            "correlationId": "call-1",
        }

    def test_the_middleware_and_the_dependency_refuse_alike(self, site: Site) -> None:
        by_middleware = calling(guarded(natives(), site.guard()), None).get("/action")
        by_dependency = calling(guarded(natives(), site.guard(UNPROTECTED)), None).get("/action")

        assert by_dependency.content == by_middleware.content
        assert dict(by_dependency.headers) == dict(by_middleware.headers)

    def test_a_custom_caller_is_no_data_action(self, site: Site) -> None:
        answer = calling(guarded(natives(), custom_guard(site)), custom_client()).get("/action")

        assert (answer.status_code, answer.json()["reason"]) == (403, "issuer_untrusted")

    def test_an_answer_to_head_has_no_body(self, site: Site) -> None:
        app, sent = guarded(natives(), site.guard(UNPROTECTED)), []

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            async def remember(message: Any) -> None:
                sent.append(message)
                await send(message)

            await app(scope, receive, remember)

        answer = calling(watched, None).head("/action")

        assert (answer.status_code, int(answer.headers["content-length"]) > 0) == (403, True)
        assert [message.get("body") for message in sent] == [None, b""]

    def test_without_trust_the_answer_says_when_to_come_again(self, site: Site) -> None:
        guard = site.guard(UNPROTECTED)
        site.clock.now = regional_ca().certificate.not_valid_after_utc.replace(year=2099)
        answer = calling(guarded(natives(), guard), good_client()).get("/action")

        assert (answer.status_code, answer.json()["reason"]) == (503, "trust_unavailable")
        assert answer.headers["retry-after"] == "30"

    def test_each_refusal_has_a_line_in_the_log(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        calling(guarded(natives(), site.guard(UNPROTECTED)), expired()).get("/action")

        (record,) = (record for record in caplog.records if record.levelname == "WARNING")
        assert record.message.startswith("refused reason=certificate_expired")
        assert " fingerprint=" in record.message
        assert "source=dependency" in record.message

    def test_the_log_names_the_certificate_that_a_policy_refused(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = custom_client()
        calling(guarded(natives(), custom_guard(site)), client).get("/action")

        (line,) = (record.message for record in caplog.records if record.message.startswith("refused "))
        assert line.startswith("refused reason=issuer_untrusted")
        assert f" fingerprint={client.fingerprint_sha256} " in line

    def test_the_certificate_of_a_proxy_is_taken(self, site: Site) -> None:
        headers = dict(through_nginx(good_client()).headers)
        app = guarded(natives(), site.guard(NGINX))

        assert calling(app, None).get("/action", headers=headers).status_code == 200


class TestNoMiddleware:
    @pytest.mark.parametrize("path", ["/action", "/any"])
    def test_everybody_is_refused(self, site: Site, path: str) -> None:  # noqa: ARG002 - it forgets what was said
        answer = calling(natives(), good_client()).get(path)

        assert (answer.status_code, answer.json()["reason"]) == (503, "trust_unavailable")

    @pytest.mark.parametrize("path", ["/action", "/any", "/optional"])
    def test_the_log_says_once_what_is_missing(
        self,
        site: Site,  # noqa: ARG002 - as above
        path: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        client = calling(natives(), good_client())
        client.get(path)
        client.get(path)

        (line,) = (record.message for record in caplog.records if record.levelname == "ERROR")
        assert "app.add_middleware(MTLSMiddleware) is missing" in line

    def test_a_scope_without_a_verdict_is_refused(self, site: Site) -> None:  # noqa: ARG002 - as above
        app = natives()

        async def half(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "mtls.identity": None, "mtls.rejected": "accepted"}, receive, send)

        assert calling(half, None).get("/action").json()["reason"] == "trust_unavailable"


class TestSiblings:
    def test_any_takes_a_custom_caller(self, site: Site) -> None:
        answer = calling(guarded(natives(), custom_guard(site)), custom_client()).get("/any")

        assert (answer.status_code, answer.json()["region"]) == (200, None)

    def test_any_refuses_nobody(self, site: Site) -> None:
        answer = calling(guarded(natives(), site.guard(UNPROTECTED)), None).get("/any")

        assert answer.json()["reason"] == "certificate_missing"

    @pytest.mark.parametrize(
        ("client", "region"),
        [(good_client, "us-east-1"), (lambda: None, None), (expired, None)],
        ids=["good", "no", "bad"],
    )
    def test_optional_refuses_no_one(
        self, site: Site, client: Callable[[], ClientCertificate | None], region: str | None
    ) -> None:
        answer = calling(guarded(natives(), site.guard(UNPROTECTED)), client()).get("/optional")

        assert (answer.status_code, answer.json()["region"]) == (200, region)

    def test_optional_takes_no_custom_caller(self, site: Site) -> None:
        app = guarded(FastAPI(), custom_guard(site))

        @app.get("/")
        def seen(caller: OptionalDataActionCaller) -> bool:
            return caller is not None

        assert calling(app, custom_client()).get("/").json() is False


class TestPolicyOfARoute:
    @pytest.mark.parametrize("regions", [["us-east-1"], ["mypurecloud.com", "eu-west-1"]], ids=["aws", "domain"])
    def test_a_region_that_is_allowed_comes_in(self, site: Site, regions: list[str]) -> None:
        assert self._get(site, DataAction(regions=regions)).status_code == 200

    def test_another_region_is_refused(self, site: Site) -> None:
        answer = self._get(site, DataAction(regions=["eu-west-1"]))

        assert (answer.status_code, answer.json()["reason"]) == (403, "region_mismatch")

    @pytest.mark.parametrize("sent", [ORGANIZATION, ORGANIZATION.upper()])
    def test_an_organisation_that_is_allowed_comes_in(self, site: Site, sent: str) -> None:
        policy = DataAction(organization_ids=[ORGANIZATION.upper()])
        answer = self._get(site, policy, [("ININ-Organization-Id", sent)])

        assert (answer.status_code, answer.json()["organization"]) == (200, ORGANIZATION)

    @pytest.mark.parametrize(
        "sent",
        [
            [],
            [("ININ-Organization-Id", "")],
            [("ININ-Organization-Id", OTHER_ORGANIZATION)],
            [("ININ-Organization-Id", ORGANIZATION), ("ININ-Organization-Id", ORGANIZATION)],
            [("ININ-Organization-Id", f"{ORGANIZATION}, {OTHER_ORGANIZATION}")],
            [("ININ-Organization-Id", ORGANIZATION), ("ININ_Organization_Id", ORGANIZATION)],
            [("ININ-Organization-Id", f"{{{ORGANIZATION}}}")],
            [("ININ-Organization-Id", b"\xff\xfe")],
        ],
        ids=["none", "empty", "other", "doubled", "list", "twin", "braces", "bytes"],
    )
    def test_any_other_organisation_is_refused(self, site: Site, sent: list[tuple[str, Any]]) -> None:
        answer = self._get(site, DataAction(organization_ids=[ORGANIZATION]), sent)

        assert (answer.status_code, answer.json()["reason"]) == (403, "organization_mismatch")

    def test_a_policy_of_a_router_holds_for_its_routes(self, site: Site) -> None:
        router = APIRouter(prefix="/eu", dependencies=[Depends(DataAction(regions=["eu-west-1"]))])

        @router.get("/action")
        def action() -> None: ...

        app = guarded(FastAPI(), site.guard())
        app.include_router(router)

        assert calling(app, good_client()).get("/eu/action").json()["reason"] == "region_mismatch"

    @pytest.mark.parametrize(
        ("policy", "words"),
        [
            ({"regions": []}, ["regions is empty"]),
            ({"organization_ids": []}, ["organization_ids is empty"]),
            ({"regions": "us-east-1"}, ["write ['us-east-1']"]),
            ({"regions": ["us-east-11"], "organization_ids": ["acme"]}, ["us-east-11", "acme"]),
        ],
        ids=["no-region", "no-organisation", "text", "two"],
    )
    def test_a_policy_that_cannot_be_meant_stops_registration(self, policy: Any, words: list[str]) -> None:
        with pytest.raises(ConfigurationError) as failure:
            DataAction(**policy)

        assert [word for word in words if word not in str(failure.value)] == []

    def _get(self, site: Site, policy: DataAction, headers: Any = ()) -> Any:
        app = guarded(FastAPI(), site.guard())

        @app.get("/")
        def action(caller: Annotated[ClientIdentity, Depends(policy)]) -> dict[str, Any]:
            return told(caller)

        return calling(app, good_client()).get("/", headers=list(headers))


class TestNobodyReplacesTheAnswer:
    @pytest.mark.parametrize("handled", [403, HTTPException, StarletteHTTPException, Exception], ids=str)
    def test_a_handler_of_the_application(self, site: Site, handled: Any) -> None:
        app = guarded(natives(), site.guard(UNPROTECTED))

        @app.exception_handler(handled)
        def handle(_request: Request, _error: Exception) -> JSONResponse:
            return JSONResponse({"let": "in"})

        assert calling(app, None).get("/action").json()["reason"] == "certificate_missing"

    def test_errors_of_the_application_are_not_taken_for_refusals(self, site: Site) -> None:
        app = guarded(natives(), site.guard(UNPROTECTED))

        @app.get("/broken")
        def broken() -> None:
            raise ZeroDivisionError

        assert calling(app, None).get("/action").status_code == 403
        with pytest.raises(ZeroDivisionError):
            TestClient(app).get("/broken")

    def test_a_mounted_application_refuses_alike(self, site: Site) -> None:
        outer = guarded(FastAPI(), site.guard(UNPROTECTED))
        outer.mount("/inner", natives())

        assert calling(outer, None).get("/inner/action").json()["reason"] == "certificate_missing"

    def test_a_router_without_an_application_refuses_too(self, site: Site) -> None:  # noqa: ARG002 - as above
        router = APIRouter()

        @router.get("/")
        def action(caller: DataActionCaller) -> dict[str, Any]:
            return told(caller)

        assert calling(router, good_client()).get("/").status_code == 500


class TestWebSocket:
    def test_the_route_gets_the_identity(self, site: Site) -> None:
        with calling(guarded(natives(), site.guard()), good_client()).websocket_connect("/socket") as socket:
            assert socket.receive_json()["region"] == "us-east-1"

    def test_it_is_refused_by_an_http_answer(self, site: Site) -> None:
        client = calling(guarded(natives(), site.guard(UNPROTECTED)), None)
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/socket"):
            pass

        assert (refused.value.status_code, refused.value.json()["reason"]) == (403, "certificate_missing")

    def test_it_is_closed_where_the_server_knows_no_http_answer(self, site: Site) -> None:
        app = guarded(natives(), site.guard(UNPROTECTED))

        async def older(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "extensions": {"tls": scope["extensions"]["tls"]}}, receive, send)

        with pytest.raises(WebSocketDisconnect) as closed, calling(older, None).websocket_connect("/socket"):
            pass

        assert closed.value.code == 1008

    def test_it_is_closed_where_a_dependency_accepted_before(self, site: Site) -> None:
        app = guarded(FastAPI(), site.guard(UNPROTECTED))

        async def accept(websocket: WebSocket) -> None:
            await websocket.accept()

        @app.websocket("/", dependencies=[Depends(accept), Depends(DataAction())])
        async def socket(websocket: WebSocket) -> None:
            await websocket.send_text("let in")

        with calling(app, None).websocket_connect("/") as client, pytest.raises(WebSocketDisconnect) as closed:
            client.receive_text()

        assert closed.value.code == 1008


class TestAnIdentityInTheBody:
    """FastAPI reads a `Depends` inside a union from the body: nobody may write his own identity."""

    FORGED: Mapping[str, Any] = {
        "region": "eu-west-1",
        "authority": "genesys",
        "dns_names": ["x"],
        "subject": "CN=x",
        "issuer": "CN=x",
        "serial_number": 1,
        "fingerprint_sha256": "00",
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2027-01-01T00:00:00Z",
        "organization_id": None,
        "source": "tls",
    }

    @pytest.mark.parametrize("annotation", [DataActionCaller, MTLSCaller], ids=["data-action", "any"])
    @pytest.mark.parametrize("embedded", [True, False])
    def test_no_form_that_refuses_believes_it(self, site: Site, annotation: Any, embedded: bool) -> None:
        answer = self._post(site, annotation, embedded=embedded)

        assert (answer.status_code, answer.json()["reason"]) == (403, "certificate_missing")

    @pytest.mark.parametrize("embedded", [True, False])
    def test_the_optional_form_does_not_believe_it(self, site: Site, embedded: bool) -> None:
        answer = self._post(site, OptionalDataActionCaller, embedded=embedded)

        assert (answer.status_code, answer.json()) == (200, {"region": None, "organization": None})

    @pytest.mark.parametrize(
        "annotation",
        [
            DataActionCaller | None,
            None | DataActionCaller,
            MTLSCaller | None,
            OptionalDataActionCaller | str,
            ClientIdentity,
            ClientIdentity | None,
            list[ClientIdentity],
        ],
        ids=["or-none", "none-or", "any", "optional-or", "bare", "bare-or-none", "list"],
    )
    @pytest.mark.parametrize("default", [False, True], ids=["no-default", "default"])
    def test_other_forms_fail_at_registration(self, annotation: Any, default: bool) -> None:
        app = FastAPI()

        def action(caller: Any) -> None: ...

        def action_or_none(caller: Any = None) -> None: ...

        function = action_or_none if default else action
        function.__annotations__["caller"] = annotation
        with pytest.raises(TypeError, match="OptionalDataActionCaller"):
            app.post("/")(function)

    def test_no_model_holds_one(self) -> None:
        with pytest.raises(TypeError, match="never read from"):
            type("Model", (BaseModel,), {"__annotations__": {"caller": ClientIdentity}})

    def test_the_query_and_headers_are_not_believed(self, site: Site) -> None:
        client = calling(guarded(natives(), site.guard(UNPROTECTED)), None)
        names = {"caller": "x", "mtls.identity": "x", "mtls.rejected": "x", "connection": "close"}

        assert client.get("/action", params=names, headers=names).json()["reason"] == "certificate_missing"

    def _post(self, site: Site, annotation: Any, *, embedded: bool) -> Any:
        app = guarded(FastAPI(), site.guard(UNPROTECTED))

        def action(caller: Any) -> Any:
            return told(caller)

        action.__annotations__["caller"] = annotation
        app.post("/")(action)
        client: TestClient = calling(app, None)
        return client.post("/", json={"caller": self.FORGED} if embedded else self.FORGED)
