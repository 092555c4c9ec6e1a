"""Applications behind a guard, and their callers, in process."""

from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from mtls_middleware import Guard, MTLSMiddleware
from mtls_middleware.testing import ClientCertificate, TLSExtension
from tests.adapters.site import Site, regional_ca

UNPROTECTED = {"MTLS_PROTECT": "/protected"}
REPORT = {"MTLS_MODE": "report"}


def guarded(app: FastAPI, guard: Guard) -> FastAPI:
    app.add_middleware(MTLSMiddleware, guard=guard)
    return app


def calling(app: ASGIApp, client: ClientCertificate | None) -> TestClient:
    return TestClient(TLSExtension(app, client), base_url="https://testserver", raise_server_exceptions=False)


def custom_guard(site: Site) -> Guard:
    """Return a guard under which the regional root vouches for a custom caller too."""
    site.environ()
    return site.guard(
        authorities="custom,genesys",
        trust=f"custom={site.root},us-east-1={site.root}",
        cert_names="custom=caller.example.com",
    )


def custom_client() -> ClientCertificate:
    return regional_ca().client(names=["caller.example.com"])
