"""The same routes with other ways to ask for a certificate, as servers run them."""

from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

import example_app.main
from mtls_middleware import MTLSMiddleware
from mtls_middleware.regions import find
from tests.benchmarks.calls import HOST

routes = APIRouter()


class Lookup(BaseModel):
    """A request for a customer."""

    phone: str


class Customer(BaseModel):
    """A customer."""

    customer_id: str
    tier: str


@routes.post("/actions/lookup")
async def look_up(lookup: Lookup) -> Customer:
    """Find the customer behind a telephone number, without a thread: they would cost more than all that is measured."""
    return Customer(customer_id=lookup.phone, tier="gold")


@routes.get("/actions/orders-on-the-loop/{order_id}")
async def order_status(order_id: str) -> example_app.main.Order:
    """Return the state of an order as the example does, without a thread."""
    return example_app.main.ORDERS[order_id]


def _application() -> FastAPI:
    made = FastAPI()
    made.include_router(routes)
    made.include_router(example_app.main.app.router)
    return made


bare = _application()
"""Nobody looks at a certificate, beside the server in its handshake."""

trusted_host = _application()
trusted_host.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST])


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse at once whoever asks for one path, and answer the others: what a refusal costs without any middleware."""
    if scope["type"] == "http" and scope["path"] == "/refused":
        await Response(status_code=403)(scope, receive, send)
    else:
        await bare(scope, receive, send)


def guarded() -> ASGIApp:
    """Return the routes behind the middleware; made late, because it reads the environment."""
    made = _application()
    made.add_middleware(MTLSMiddleware)
    return made


class Naive:
    """Verifies the certificate again with each request, and nothing else: what one writes on a quiet afternoon."""

    def __init__(self) -> None:
        roots = x509.load_pem_x509_certificates(Path(environ["MTLS_TRUST"]).read_bytes())
        region = find(environ["MTLS_REGIONS"])
        self._policy = PolicyBuilder().store(Store(roots))
        self._name = region.cert_name if region is not None else None
        self._routes = _application()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the right name through."""
        if scope["type"] == "http":
            leaf = x509.load_pem_x509_certificate(scope["extensions"]["tls"]["client_cert_chain"][0].encode())
            self._policy.time(datetime.now(UTC)).build_client_verifier().verify(leaf, [])
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if self._name not in names.get_values_for_type(x509.DNSName):
                await PlainTextResponse("who are you?", 403)(scope, receive, send)
                return
        await self._routes(scope, receive, send)


def naive() -> Naive:
    """Return the application; made late, because it reads the environment."""
    return Naive()
