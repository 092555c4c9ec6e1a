import asyncio
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers import pyvoy_app
from mtls_middleware.servers.pyvoy_app import HEADER, with_presented
from mtls_middleware.testing import RegionalCA
from mtls_middleware.testing.encodings import xfcc_element

PEER = ("192.0.2.7", 4711)


async def nothing() -> Message:
    raise AssertionError("not called")


async def nowhere(message: Message) -> None:
    raise AssertionError(message)


def told(scope: Scope) -> Scope:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def serve() -> None:
        await with_presented(app)(scope, nothing, nowhere)

    asyncio.run(serve())
    return seen[0]


def scope_of(*values: bytes, kind: str = "http", scheme: str = "https", tls: Any = None) -> Scope:
    headers = [(b"host", b"x"), *((HEADER, value) for value in values)]
    extensions = {} if tls is None else {"tls": tls}
    return {"type": kind, "scheme": scheme, "client": PEER, "headers": headers, "extensions": extensions}


def test_what_envoy_says_becomes_the_extension_and_leaves_the_headers(region: RegionalCA) -> None:
    client = region.intermediate().client()

    scope = told(
        scope_of(xfcc_element(client, *client.chain).encode(), tls={"tls_version": 772, "client_cert_name": "CN=x"})
    )

    assert scope["extensions"]["tls"] == {
        "tls_version": 772,
        "client_cert_name": "CN=x",
        "server_cert": None,
        "client_cert_chain": client.pems,
        "client_cert_error": None,
    }
    assert scope["headers"] == [(b"host", b"x")]
    assert scope[TRANSPORT_SCOPE_KEY] == Transport(peer=PEER)


def test_no_header_is_no_certificate() -> None:
    assert told(scope_of())["extensions"]["tls"]["client_cert_chain"] == ()


@pytest.mark.parametrize(("kind", "scheme"), [("websocket", "wss"), ("websocket", "ws"), ("http", "http")])
def test_a_header_that_cannot_come_from_envoy_is_not_believed(kind: str, scheme: str, region: RegionalCA) -> None:
    scope = told(scope_of(xfcc_element(region.client()).encode(), kind=kind, scheme=scheme))

    assert not scope["extensions"].get("tls", {}).get("client_cert_chain")
    assert scope["headers"] == [(b"host", b"x")]


def test_what_cannot_be_read_is_an_error_and_no_certificate(region: RegionalCA) -> None:
    good = xfcc_element(region.client()).encode()

    tls = told(scope_of(good, b"Hash=0;Cert="))["extensions"]["tls"]

    assert tls["client_cert_chain"] == ()
    assert tls["client_cert_error"].startswith("X-Forwarded-Client-Cert of Envoy cannot be read")


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_whatever_stands_there_nothing_is_raised_and_nobody_is_believed(values: list[bytes]) -> None:
    tls = told(scope_of(*values))["extensions"]["tls"]

    assert tls["client_cert_chain"] == ()
    assert bool(tls["client_cert_error"]) == bool(values)


def test_lifespan_passes() -> None:
    assert told({"type": "lifespan"}) == {"type": "lifespan"}


def test_the_application_is_the_named_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pyvoy_app.APPLICATION_VARIABLE, "tests.servers.test_pyvoy_app:app")

    assert callable(pyvoy_app.application)
    with pytest.raises(AttributeError):
        _ = pyvoy_app.another


def test_without_the_server_that_removes_the_header_there_is_no_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pyvoy_app.APPLICATION_VARIABLE, raising=False)

    with pytest.raises(KeyError):
        _ = pyvoy_app.application


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Be named by a test."""


def test_the_leaf_is_told_as_pem(region: RegionalCA) -> None:
    client = region.client()

    chain = told(scope_of(xfcc_element(client, with_chain=False).encode()))["extensions"]["tls"]["client_cert_chain"]

    assert [ssl.PEM_cert_to_DER_cert(pem) for pem in chain] == [client.der]
