"""The app that the demo calls: what a customer's web service looks like."""

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel

from mtls_middleware import MTLSMiddleware, caller
from mtls_middleware.guard import Guard


class Lookup(BaseModel):
    """Take what the data action sends."""

    phone: str


class Customer(BaseModel):
    """Answer what the data action wants to know."""

    name: str
    region_of_caller: str


class Service:
    """Hold the app, and how often its protected handler was reached."""

    def __init__(self, guard: Guard) -> None:
        self.reached = 0
        self.app = FastAPI()
        self.app.add_api_route("/actions/lookup", self._look_up, methods=["POST"])
        self.app.add_api_route("/health", self._health)
        self.app.add_middleware(MTLSMiddleware, guard=guard)

    def _look_up(self, request: Request, _lookup: Lookup) -> Customer:
        self.reached += 1
        return Customer(name="A. Customer", region_of_caller=caller(request).region or "")

    def _health(self) -> dict[str, Any]:
        return {"status": "ok"}
