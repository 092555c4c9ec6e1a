"""What docs/comparison.md says of a middleware of ten lines, and that this one refuses the same calls."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from mtls_middleware import MTLSMiddleware, Settings
from mtls_middleware.testing import RegionalCA, nginx
from tests.documentation.pages import page

PAGE = page("docs/comparison.md")


def naive(app: ASGIApp) -> ASGIApp:
    (code,) = [fence.content for fence in PAGE.fences if fence.language == "python"]
    names: dict[str, type] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    return names["Naive"](app)  # type: ignore[no-any-return]


def application() -> Starlette:
    async def action(_: Request) -> PlainTextResponse:
        return PlainTextResponse("done")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    return Starlette(routes=[Route("/action", action), WebSocketRoute("/socket", socket)])


@pytest.fixture
def ours(tmp_path: Path) -> ASGIApp:
    settings = Settings(
        regions="us-east-1",
        trust=RegionalCA().write(tmp_path),
        source="nginx",
        proxy_secret="the-secret-of-the-proxy",
        state="off",
    )
    return MTLSMiddleware(application(), settings=settings)


def forged() -> dict[str, str]:
    """Return what a caller who knows the public certificate writes, past the proxy."""
    return dict(nginx(RegionalCA().client()))


def test_the_naive_one_works() -> None:
    client = TestClient(naive(application()))

    assert client.get("/action").status_code == 403
    assert client.get("/action", headers={"X-SSL-Client-Verify": "SUCCESS"}).text == "done"


def test_it_believes_whoever_reaches_it_past_the_proxy_and_ours_does_not(ours: ASGIApp) -> None:
    assert TestClient(naive(application())).get("/action", headers=forged()).text == "done"
    with TestClient(ours) as client:
        assert client.get("/action", headers=forged()).json()["reason"] == "source_untrusted"


def test_it_does_not_look_at_a_websocket_and_ours_does(ours: ASGIApp) -> None:
    with TestClient(naive(application())).websocket_connect("/socket"):
        pass
    with TestClient(ours) as client, pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket"):
        pass
