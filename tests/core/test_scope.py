"""What is read of an ASGI scope, whatever a server put there."""

import sys
from collections import UserList, namedtuple
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from mtls_middleware._core.connection import (
    TRANSPORT_SCOPE_KEY,
    UVICORN_HTTPTOOLS,
    Transport,
    may_make_headers_of_trailers,
)
from mtls_middleware._core.scope import connection_of, known_path
from mtls_middleware.identity import IDENTITY_KEY

OURS = Transport(peer=("10.0.0.5", 1))
DEAF = Transport(peer=None, asks=False)
Address = namedtuple("Address", "host port")  # noqa: PYI024 - as asyncio's, without types


class Text(str):
    __slots__ = ()


CLIENTS: Mapping[str, tuple[Any, tuple[Any, Any] | None]] = {
    "nothing": (None, None),
    "an empty tuple": ((), None),
    "an empty text": ("", None),
    "zero": (0, None),
    "a tuple": (("10.0.0.5", 80), ("10.0.0.5", 80)),
    "a list": (["10.0.0.5", 80], ("10.0.0.5", 80)),
    "a sequence": (UserList(["10.0.0.5", 80]), ("10.0.0.5", 80)),
    "a named tuple": (Address("10.0.0.5", 80), ("10.0.0.5", 80)),
    "more than a port": (("fd00::1", 80, 0, 0), ("fd00::1", 80)),
    "no host": ((None, None), (None, None)),
    "a text": ("10.0.0.5", ("'10.0.0.5'", None)),
    "a text of two": ("10", ("'10'", None)),
    "bytes": (b"10.0.0.5", ("b'10.0.0.5'", None)),
    "bytes of two": (b"10", ("b'10'", None)),
    "a host alone": (("10.0.0.5",), ("('10.0.0.5',)", None)),
    "a number": (5, ("5", None)),
    "a dict": ({0: "10.0.0.5", 1: 80}, ("{0: '10.0.0.5', 1: 80}", None)),
    "a set": ({"10.0.0.5"}, ("{'10.0.0.5'}", None)),
}


@pytest.mark.parametrize(("client", "expected"), CLIENTS.values(), ids=CLIENTS)
def test_a_peer_is_host_and_port_or_what_the_server_says_otherwise(client: Any, expected: object) -> None:
    assert connection_of({"client": client}).client == expected


@pytest.mark.parametrize("transport", [OURS, DEAF])
def test_what_our_adapter_says_arrives(transport: Transport) -> None:
    connection = connection_of({"client": ("10.0.0.9", 80), TRANSPORT_SCOPE_KEY: transport})
    assert connection.transport is transport
    assert connection.asks is transport.asks


@pytest.mark.parametrize(
    "forged", [None, {"peer": ("10.0.0.5", 1), "asks": False}, ("10.0.0.5", 1), "10.0.0.5", 1, DEAF.__class__]
)
def test_what_is_none_of_our_adapters_says_nothing(forged: object) -> None:
    connection = connection_of({"client": ("10.0.0.9", 80), TRANSPORT_SCOPE_KEY: forged})
    assert (connection.transport, connection.asks, connection.client) == (None, True, ("10.0.0.9", 80))


@pytest.mark.parametrize("httptools", [True, False])
@pytest.mark.parametrize(
    ("transport", "is_ours"),
    [(OURS, True), (DEAF, True), (None, False), (("10.0.0.5", 1), False), ({"peer": None}, False)],
)
def test_only_httptools_makes_headers_of_trailers_and_not_behind_our_adapters(
    transport: object, *, is_ours: bool, httptools: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, UVICORN_HTTPTOOLS, raising=False)
    if httptools:
        monkeypatch.setitem(sys.modules, UVICORN_HTTPTOOLS, ModuleType(UVICORN_HTTPTOOLS))
    expected = httptools and not is_ours
    assert may_make_headers_of_trailers(transport) is expected
    assert connection_of({TRANSPORT_SCOPE_KEY: transport}).trailers_are_headers is expected


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
def test_the_extension_is_any_mapping(kind: Any) -> None:
    tls = kind({"client_cert_chain": ()})
    assert connection_of({"extensions": kind({"tls": tls})}).tls is tls


@pytest.mark.parametrize("extensions", [None, {}, [], ["tls"], "tls", 1, {"tls": None}, {"tls": ["x"]}, {"tls": "x"}])
def test_what_is_no_mapping_is_no_extension(extensions: object) -> None:
    assert connection_of({"extensions": extensions}).tls is None


USUAL = {"path": "/x", "raw_path": b"/x", "root_path": "/y"}
ODD = (5, True, b"/x", bytearray(b"/x"), Text("/x"), ["/x"], None, "/x")


def test_a_path_of_usual_types_is_known() -> None:
    assert known_path(USUAL) == ("/x", b"/x", "/y")
    assert known_path({**USUAL, "raw_path": None}) == ("/x", None, "/y")
    assert known_path({}) == ("", None, "")


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        (name, odd)
        for name, usual in (("path", (str,)), ("raw_path", (bytes, type(None))), ("root_path", (str,)))
        for odd in ODD
        if type(odd) not in usual
    ],
    ids=lambda one: f"{type(one).__name__} {one}",
)
def test_a_path_of_an_unusual_type_is_unknown(name: str, odd: object) -> None:
    with pytest.raises(TypeError):
        known_path({**USUAL, name: odd})


@pytest.mark.parametrize("identity", [None, "somebody"])
def test_a_call_that_was_judged_is_known_as_one(identity: object) -> None:
    assert connection_of({IDENTITY_KEY: identity}).was_judged
    assert not connection_of({}).was_judged
