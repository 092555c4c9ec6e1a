import asyncio
import ssl
from typing import Any

import pytest
from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]  # gunicorn ships no types
from gunicorn.workers import gasgi  # type: ignore[import-untyped]
from starlette.types import Receive, Scope, Send

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers import gunicorn, uvicorn

PEER = ("192.0.2.7", 4711)


def test_the_worker_serves_with_our_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[type] = []
    monkeypatch.setattr(gasgi, "ASGIProtocol", ASGIProtocol)
    monkeypatch.setattr(gasgi.ASGIWorker, "run", lambda _self: served.append(gasgi.ASGIProtocol))

    gunicorn.ASGIWorker.run(gunicorn.ASGIWorker.__new__(gunicorn.ASGIWorker))

    assert served == [gunicorn._TellingProtocol]


def test_the_worker_of_uvicorn_serves_with_our_protocol() -> None:
    assert gunicorn.UvicornWorker.CONFIG_KWARGS["http"] is uvicorn.HttpToolsProtocol


def test_a_connection_wraps_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        scopes.append(scope)

    monkeypatch.setattr(ASGIProtocol, "connection_made", lambda _self, _transport: None)
    protocol: Any = gunicorn._TellingProtocol.__new__(gunicorn._TellingProtocol)
    protocol.app = app

    protocol.connection_made(asyncio.BaseTransport({"peername": PEER}))
    asyncio.run(protocol.app({"type": "http"}, None, None))

    assert scopes == [{"type": "http", TRANSPORT_SCOPE_KEY: Transport(peer=PEER)}]


def test_refused_handshakes_of_the_worker_end_with_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    contexts = [context, None]
    monkeypatch.setattr(gasgi.ASGIWorker, "_get_ssl_context", lambda _self: contexts.pop(0))
    worker = gunicorn.ASGIWorker.__new__(gunicorn.ASGIWorker)
    worker.loop = asyncio.new_event_loop()
    try:
        assert [worker._get_ssl_context() for _ in range(2)] == [context, None]
        assert context.sslobject_class is not ssl.SSLObject
        assert worker.loop.get_exception_handler() is not None
    finally:
        worker.loop.close()
