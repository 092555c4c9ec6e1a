"""Mutual TLS in the OpenAPI document."""

from copy import deepcopy
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import APIKeyHeader
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.testclient import TestClient

from mtls_middleware import ConfigurationError, MTLSMiddleware, Reason
from mtls_middleware.fastapi import (
    DataAction,
    DataActionCaller,
    MTLSCaller,
    OptionalDataActionCaller,
    document_mutual_tls,
)
from mtls_middleware.fastapi.callers import data_action_caller_or_none
from tests.adapters.site import Site
from tests.fastapi.clients import UNPROTECTED, guarded

REQUIRED: list[dict[str, list[str]]] = [{"mutualTLS": []}]
OPTIONAL: list[dict[str, list[str]]] = [{}, {"mutualTLS": []}]


def document(app: FastAPI) -> Any:
    """Return what /docs shows."""
    document_mutual_tls(app)
    return app.openapi()


def security(app: FastAPI, path: str = "/action", method: str = "get") -> Any:
    return document(app)["paths"][path][method].get("security")


def plain(path: str = "/action", **options: Any) -> FastAPI:
    app = FastAPI(**options)
    app.add_api_route(path, lambda: None, methods=["GET"])
    return app


class TestDependencies:
    @pytest.mark.parametrize(
        ("annotation", "asked"),
        [(DataActionCaller, REQUIRED), (MTLSCaller, REQUIRED), (OptionalDataActionCaller, OPTIONAL), (str, None)],
        ids=["data-action", "any", "optional", "other"],
    )
    def test_a_route_asks_for_what_its_dependency_does(self, annotation: Any, asked: Any) -> None:
        app = FastAPI()

        def action(caller: Any) -> None: ...

        action.__annotations__["caller"] = annotation
        app.get("/action")(action)

        assert security(app) == asked

    def test_a_dependency_of_a_dependency_counts(self) -> None:
        app = FastAPI()

        def customer(caller: DataActionCaller) -> str:
            return str(caller.region)

        @app.get("/action", dependencies=[Depends(customer)])
        def action() -> None: ...

        assert security(app) == REQUIRED

    def test_the_policy_of_a_router_counts(self) -> None:
        inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer", dependencies=[Depends(DataAction())])
        inner.add_api_route("/action", lambda: None)
        outer.include_router(inner)
        app = plain()
        app.include_router(outer)

        assert security(app, "/outer/inner/action") == REQUIRED
        assert security(app) is None

    def test_a_dependency_of_the_application_counts(self) -> None:
        assert security(plain(dependencies=[Depends(DataAction())])) == REQUIRED

    def test_without_any_nothing_is_added(self) -> None:
        assert document(plain()) == plain().openapi()


class TestMiddleware:
    @pytest.mark.parametrize(
        ("environ", "path", "asked"),
        [
            ({}, "/action", REQUIRED),
            ({"MTLS_EXEMPT": "/action"}, "/action", None),
            ({"MTLS_PROTECT": "/actions"}, "/action", None),
            ({"MTLS_PROTECT": "/actions"}, "/actions/{number}", REQUIRED),
            ({"MTLS_PROTECT": "/actions/secret"}, "/actions/{number}", OPTIONAL),
            ({"MTLS_PROTECT": "/other"}, "/actions/{number}", None),
            ({"MTLS_EXEMPT": "/actions/health"}, "/actions/{name}", REQUIRED),
            ({"MTLS_PROTECT": "/actions"}, "/{rest:path}", OPTIONAL),
        ],
        ids=["all", "exempt", "elsewhere", "below", "some", "none", "not-all-exempt", "catch-all"],
    )
    def test_a_route_asks_for_what_the_settings_protect(
        self, site: Site, environ: dict[str, str], path: str, asked: Any
    ) -> None:
        app = plain(path)
        app.add_middleware(MTLSMiddleware, settings=site.settings(environ))

        assert security(app, path.replace(":path", "")) == asked

    def test_the_guard_says_what_is_protected(self, site: Site) -> None:
        assert security(guarded(plain(), site.guard(UNPROTECTED))) is None

    def test_the_environment_says_what_is_protected(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in site.environ({"MTLS_EXEMPT": "/health"}).items():
            monkeypatch.setenv(name, value)
        app = plain()
        app.add_api_route("/health", lambda: None)
        document_mutual_tls(app)
        app.add_middleware(MTLSMiddleware)  # also where it is added later

        assert (security(app), security(app, "/health")) == (REQUIRED, None)

    def test_a_middleware_that_cannot_start_protects_everything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MTLS_REGIONS", "us-east-11")
        app = plain()
        app.add_middleware(MTLSMiddleware)

        assert security(app) == REQUIRED

    def test_settings_may_be_given_for_a_middleware_outside(self, site: Site) -> None:
        app = plain()
        document_mutual_tls(app, settings=site.settings())

        assert app.openapi()["paths"]["/action"]["get"]["security"] == REQUIRED

    def test_settings_that_are_given_are_those_that_count(self, site: Site) -> None:
        app = guarded(plain(), site.guard())
        document_mutual_tls(app, settings=site.settings(UNPROTECTED))

        assert "security" not in app.openapi()["paths"]["/action"]["get"]

    def test_a_path_is_read_with_its_root(self, site: Site) -> None:
        app = guarded(plain(), site.guard({"MTLS_PROTECT": "/api/action"}))
        app.root_path = "/api"

        assert security(app) == REQUIRED

    def test_other_middleware_asks_for_nothing(self) -> None:
        app = plain()
        app.add_middleware(GZipMiddleware)

        assert security(app) is None

    def test_a_dependency_counts_on_an_unprotected_path(self, site: Site) -> None:
        app = guarded(plain(dependencies=[Depends(DataAction())]), site.guard(UNPROTECTED))

        assert security(app) == REQUIRED


class TestWhatIsWritten:
    def test_the_scheme_is_that_of_openapi(self, site: Site) -> None:
        schemes = document(guarded(plain(), site.guard()))["components"]["securitySchemes"]

        assert schemes["mutualTLS"]["type"] == "mutualTLS"

    @pytest.mark.parametrize("status", ["403", "431", "500", "503"])
    def test_each_status_of_a_refusal_is_told(self, site: Site, status: str) -> None:
        written = document(guarded(plain(), site.guard()))
        content = written["paths"]["/action"]["get"]["responses"][status]["content"]

        assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/MTLSProblem"}}}

    def test_each_reason_is_told(self, site: Site) -> None:
        problem = document(guarded(plain(), site.guard()))["components"]["schemas"]["MTLSProblem"]

        assert problem["properties"]["reason"]["enum"] == [str(reason) for reason in Reason]

    def test_the_page_and_the_document_are_served(self, site: Site) -> None:
        app = plain(dependencies=[Depends(DataAction())])
        document_mutual_tls(app)
        client = TestClient(guarded(app, site.guard(UNPROTECTED)))

        assert client.get("/openapi.json").json()["paths"]["/action"]["get"]["security"] == REQUIRED
        assert "/openapi.json" in client.get("/docs").text

    def test_twice_is_once(self) -> None:
        app = plain(dependencies=[Depends(data_action_caller_or_none)])
        once = deepcopy(document(app))

        assert document(app) == once
        assert app.openapi() is app.openapi()

    def test_routes_that_come_later_are_told_of(self, site: Site) -> None:
        app = guarded(plain(), site.guard())
        document(app)
        app.openapi_schema = None  # older versions of FastAPI keep their document
        app.add_api_route("/later", lambda: None)

        assert security(app, "/later") == REQUIRED

    def test_openapi_3_0_has_no_such_scheme(self) -> None:
        app = plain()
        app.openapi_version = "3.0.2"
        with pytest.raises(ConfigurationError, match=r"3\.1\.0"):
            document_mutual_tls(app)


class TestWhatTheApplicationHad:
    def test_another_scheme_is_asked_for_as_well(self, site: Site) -> None:
        app = plain(dependencies=[Depends(APIKeyHeader(name="X-Key", scheme_name="Key"))])

        assert security(guarded(app, site.guard())) == [{"Key": [], "mutualTLS": []}]

    def test_without_a_certificate_the_other_scheme_stays(self) -> None:
        app = plain(dependencies=[Depends(APIKeyHeader(name="X-Key", scheme_name="Key"))])

        @app.get("/optional")
        def optional(caller: OptionalDataActionCaller) -> None: ...

        assert security(app, "/optional") == [{"Key": []}, {"Key": [], "mutualTLS": []}]

    def test_what_holds_for_the_whole_document_holds_on(self, site: Site) -> None:
        app = guarded(plain(), site.guard())
        original = app.openapi
        app.openapi = lambda: {**original(), "security": [{"Key": []}]}  # type: ignore[method-assign]  # FastAPI's way

        assert security(app) == [{"Key": [], "mutualTLS": []}]

    def test_its_own_answers_stay(self, site: Site) -> None:
        app = FastAPI()

        @app.get("/action", responses={403: {"description": "Not yours"}, 503: {"$ref": "#/components/responses/Busy"}})
        def action() -> None: ...

        answers = document(guarded(app, site.guard()))["paths"]["/action"]["get"]["responses"]

        assert answers["403"]["description"] == "Not yours"
        assert "application/problem+json" in answers["403"]["content"]
        assert "200" in answers
        assert (answers["503"]["$ref"], "content" in answers["503"]) == ("#/components/responses/Busy", False)

    def test_hidden_and_foreign_routes_do_no_harm(self, site: Site) -> None:
        app = plain()
        app.add_api_route("/hidden", lambda: None, include_in_schema=False)
        app.mount("/inner", FastAPI())
        app.add_route("/action", lambda _: Response())

        assert set(document(guarded(app, site.guard()))["paths"]) == {"/action"}

    def test_its_document_is_copied(self, site: Site) -> None:
        app = guarded(plain(), site.guard())
        document(app)

        assert "security" not in (app.openapi_schema or {})["paths"]["/action"]["get"]
