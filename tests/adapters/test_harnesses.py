"""A configuration error ends every harness that starts an application in its own process, with the whole message."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from mangum import Mangum
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mtls_middleware import ConfigurationError, MTLSMiddleware

pytestmark = pytest.mark.timeout(120)  # lesson: a harness that is not told waits for ever

WRONG = {"MTLS_REGIONS": "us-east-11", "MTLS_TRUST": "/absent.pem", "MTLS_SORCE": "tls"}
WHOLE = (
    r"(?s)MTLS_SORCE: there is no such setting; did you mean MTLS_SOURCE\?"
    r".*MTLS_REGIONS: 'us-east-11' is no region; did you mean 'us-east-1'\?"
)


@pytest.fixture(autouse=True)
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)


def starlette() -> Starlette:
    app = Starlette()
    app.add_middleware(MTLSMiddleware)
    return app


def fastapi() -> FastAPI:
    app = FastAPI()
    app.add_middleware(MTLSMiddleware)
    return app


@pytest.mark.parametrize("make", [starlette, fastapi, lambda: MTLSMiddleware(Starlette())])
def test_lesson_starlette_s_test_client_ends_with_the_whole_message(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError, match=WHOLE), TestClient(make()):
        raise AssertionError("it started")


@pytest.mark.parametrize("make", [starlette, fastapi])
def test_asgi_lifespan_ends_with_the_whole_message(make: Callable[[], Any]) -> None:
    async def start() -> None:
        async with LifespanManager(make()):
            raise AssertionError("it started")

    with pytest.raises(ConfigurationError, match=WHOLE):
        asyncio.run(start())


@pytest.fixture
def loop() -> Iterator[None]:
    """Give Mangum the event loop of a Lambda worker: it makes none by itself on every Python."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.mark.usefixtures("loop")
def test_mangum_ends_with_the_whole_message() -> None:
    event = {
        "version": "2.0",
        "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"host": "example.com"},
        "isBase64Encoded": False,
    }
    with pytest.raises(Exception, match=WHOLE):
        Mangum(starlette())(event, object())  # type: ignore[arg-type] # a context that nobody reads
