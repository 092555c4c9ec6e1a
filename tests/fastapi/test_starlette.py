"""Starlette's own words for who called."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from mtls_middleware import Guard, MTLSMiddleware
from tests.adapters.site import Site, good_client
from tests.fastapi.clients import REPORT, UNPROTECTED, calling, custom_client, custom_guard


@requires("data_action")
async def action(request: Request) -> JSONResponse:
    return JSONResponse({"region": request.user.display_name})


@requires("region:eu-west-1")
async def there(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.user.display_name})


@requires("data_action")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def starlette(guard: Guard) -> Starlette:
    routes = [Route("/action", action), Route("/there", there), WebSocketRoute("/socket", socket)]
    return Starlette(routes=routes, middleware=[Middleware(MTLSMiddleware, guard=guard)])


def test_a_data_action_has_its_scope(site: Site) -> None:
    answer = calling(starlette(site.guard()), good_client()).get("/action")

    assert (answer.status_code, answer.json()) == (200, {"region": "us-east-1"})


def test_a_data_action_has_not_the_scope_of_another_region(site: Site) -> None:
    assert calling(starlette(site.guard()), good_client()).get("/there").status_code == 403


@pytest.mark.parametrize("environ", [UNPROTECTED, REPORT], ids=["unprotected", "report"])
def test_what_the_middleware_lets_through_has_none(site: Site, environ: Any) -> None:
    assert calling(starlette(site.guard(environ)), None).get("/action").status_code == 403


def test_a_custom_caller_has_none(site: Site) -> None:
    assert calling(starlette(custom_guard(site)), custom_client()).get("/action").status_code == 403


def test_a_websocket_is_closed_without_it(site: Site) -> None:
    client = calling(starlette(site.guard(UNPROTECTED)), None)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket"):
        pass
