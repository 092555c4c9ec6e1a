"""A web service that Genesys Cloud's data actions call: customer look-up and order status.

Start it with::

    export MTLS_REGIONS=us-east-1 MTLS_TRUST=/etc/genesys/US-East-1.zip MTLS_EXEMPT=/health
    mtls-middleware serve example_app.main:app --ssl-certfile server.pem --ssl-keyfile server.key
"""

from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

from mtls_middleware import Guard, MTLSMiddleware, Settings, optional_caller

app = FastAPI(title="Customer service for data actions")
guard = Guard.from_settings(Settings.from_env())


class LookupRequest(BaseModel):
    """A request for a customer, by telephone number in E.164 format."""

    phone: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]


class Customer(BaseModel):
    """A customer, as shown to an agent or used in a call flow."""

    customer_id: str
    name: str
    tier: Literal["standard", "gold"]


class Order(BaseModel):
    """The state of an order."""

    order_id: str
    state: Literal["packed", "shipped", "delivered"]


CUSTOMERS = {"+13175550100": Customer(customer_id="c-1", name="A. Customer", tier="gold")}
ORDERS = {"o-1001": Order(order_id="o-1001", state="shipped")}


@app.post("/actions/customer-lookup")
def look_up_customer(lookup: LookupRequest) -> Customer:
    """Find the customer behind a telephone number."""
    if lookup.phone not in CUSTOMERS:
        raise HTTPException(404, "no such customer")
    return CUSTOMERS[lookup.phone]


@app.get("/actions/orders/{order_id}")
def order_status(order_id: str) -> Order:
    """Return the state of an order."""
    if order_id not in ORDERS:
        raise HTTPException(404, "no such order")
    return ORDERS[order_id]


@app.get("/actions/caller")
def who_called(request: Request) -> dict[str, str | None]:
    """Return which region called, for the set-up of an integration; null where report mode let a call through."""
    identity = optional_caller(request)
    if identity is None:
        return {"region": None, "certificate_ends": None}
    return {"region": identity.region, "certificate_ends": identity.not_after.date().isoformat()}


@app.get("/health")
def health() -> dict[str, str]:
    """Answer load balancers, which have no certificate."""
    return {"status": "ok"}


@app.get("/ready")
def ready() -> Response:
    """Answer readiness probes: does a good call get through, or would it be refused for want of trust?"""
    return Response(status_code=200 if guard.status().is_ready else 503)


app.add_middleware(MTLSMiddleware, guard=guard)  # last, so that it is outermost
