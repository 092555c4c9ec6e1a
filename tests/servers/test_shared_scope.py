"""Lesson 28: granian, and pyvoy on its port without TLS, hand the same dicts to every request."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mtls_middleware import Guard, MTLSMiddleware, Settings
from mtls_middleware._core.connection import Transport
from mtls_middleware.servers.scope import with_connection_facts
from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx

PEER = ("192.0.2.7", 4711)
OPEN = "/health"
PROTECTED = "/actions"


class SharingServer:
    """Serve one request after the other, each with the very dicts of the one before."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.shared: dict[str, dict[str, Any]] = {
            "extensions": {"http.response.trailers": {}},
            "asgi": {"version": "3.0"},
        }

    def call(
        self, kind: str, path: str, headers: list[tuple[str, str]], client: ClientCertificate | None, *, is_tls: bool
    ) -> Message:
        """Return the first message of the answer; an adapter tells the certificate of the connection."""
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        scope: Scope = {"type": kind, "path": path, "headers": raw, "client": PEER, "method": "GET", **self.shared}
        app = self._app
        if is_tls:
            tls = {"client_cert_chain": client.pems if client is not None else ()}
            app = with_connection_facts(app, Transport(peer=PEER), tls)
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": f"{kind}.request" if kind == "http" else f"{kind}.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        async def serve() -> None:
            await app(scope, receive, send)

        asyncio.run(serve())
        return sent[0]


class Scribbler:
    """Keep what is in the scope, and write into it as careless applications do."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, Any]] = []

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        extensions = scope["extensions"]
        self.seen.append((scope["mtls.identity"], extensions.get("scribble")))
        extensions["scribble"] = scope["mtls.identity"]
        extensions["tls"] = {"client_cert_chain": extensions.get("tls", {}).get("client_cert_chain", ("left over",))}
        is_http = scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200} if is_http else {"type": "websocket.accept"})


@pytest.fixture
def trust(region: RegionalCA, tmp_path: Path) -> Path:
    return region.write(tmp_path)


@pytest.fixture
def app() -> Scribbler:
    return Scribbler()


@pytest.fixture(params=["tls", "nginx"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(app: Scribbler, trust: Path, source: str) -> Iterator[SharingServer]:
    environment = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(trust), "MTLS_EXEMPT": OPEN, "MTLS_SOURCE": source}
    if source != "tls":
        environment["MTLS_TRUSTED_PROXIES"] = PEER[0]
    guard = Guard.from_settings(Settings.from_env(environment))
    yield SharingServer(MTLSMiddleware(app, guard=guard))
    guard.close()


def call(server: SharingServer, source: str, kind: str, path: str, client: ClientCertificate | None) -> Message:
    headers = [] if source == "tls" else [(name, value) for name, value in dict(nginx(client)).items()]
    return server.call(kind, path, headers, client, is_tls=source == "tls")


def is_let_in(answer: Message) -> bool:
    return answer["type"] == "websocket.accept" or answer.get("status") == 200


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_lesson_28_a_caller_is_not_taken_for_the_one_before(
    server: SharingServer, source: str, kind: str, app: Scribbler, region: RegionalCA
) -> None:
    client = region.client()

    # Three times: the second and the third acceptance may take a shorter way than the first.
    callers = [client, client, client, None]
    let_in = [is_let_in(call(server, source, kind, PROTECTED, caller)) for caller in callers]

    assert let_in == [True, True, True, False]
    assert server.shared == {"extensions": {"http.response.trailers": {}}, "asgi": {"version": "3.0"}}
    assert {identity.fingerprint_sha256 for identity, _ in app.seen} == {client.fingerprint_sha256}


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_lesson_28_what_an_application_writes_is_not_seen_by_the_next_request(
    server: SharingServer, source: str, kind: str, app: Scribbler, region: RegionalCA
) -> None:
    client = region.client()

    for caller in (client, client, client, None):
        assert is_let_in(call(server, source, kind, OPEN, caller))

    assert [scribble for _, scribble in app.seen] == [None] * 4
    assert app.seen[-1] == (None, None)
    assert server.shared == {"extensions": {"http.response.trailers": {}}, "asgi": {"version": "3.0"}}


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_lesson_28_what_is_left_over_from_another_connection_is_no_certificate(
    kind: str, trust: Path, region: RegionalCA
) -> None:
    """The server itself, or something in front of us, wrote a certificate into the shared dict."""
    environment = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(trust)}
    guard = Guard.from_settings(Settings.from_env(environment))
    server = SharingServer(with_connection_facts(MTLSMiddleware(Scribbler(), guard=guard), Transport(peer=PEER), None))
    server.shared["extensions"]["tls"] = {"client_cert_chain": region.client().pems}

    try:
        assert not is_let_in(server.call(kind, PROTECTED, [], None, is_tls=False))
    finally:
        guard.close()
