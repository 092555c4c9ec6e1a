import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.sources.tls import presented_der
from mtls_middleware.testing import RegionalCA
from tests.servers.handshake import client_context, shake


class Certificate:
    """Stand for a certificate of CPython's private module."""

    def __init__(self, der: bytes) -> None:
        self._der = der

    def public_bytes(self, encoding: int) -> bytes:
        assert encoding == 2
        return self._der


class Object:
    """Stand for a TLS object; an exception in the place of an answer is raised."""

    def __init__(self, leaf: Any, *, public: Any = None, private: Any = None) -> None:
        self._leaf = leaf
        if public is not None:
            self.get_unverified_chain = lambda: _answer(public)
        if private is not None:
            self._sslobj = Private(private)

    def getpeercert(self, binary: bool, /) -> Any:
        assert binary
        return _answer(self._leaf)


class Private:
    """Stand for CPython's own object below."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def get_unverified_chain(self) -> Any:
        return _answer(self._chain)


def _answer(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


GONE = [
    pytest.param(OSError("Socket is closed"), id="closed"),
    pytest.param(ValueError("handshake not done yet"), id="no handshake"),
    pytest.param(AttributeError("'NoneType' object has no attribute 'getpeercert'"), id="unwrapped"),
]


@pytest.mark.parametrize(
    ("answers", "presented"),
    [
        pytest.param(Object(None, public=AttributeError()), (), id="no certificate, CPython 3.13"),
        pytest.param(Object(None, private=[None]), (), id="no certificate, CPython 3.11"),
        pytest.param(Object(b"leaf", public=[b"leaf", b"issuer"]), (b"leaf", b"issuer"), id="chain, CPython 3.13"),
        pytest.param(
            Object(b"leaf", private=[Certificate(b"leaf"), Certificate(b"issuer")]),
            (b"leaf", b"issuer"),
            id="chain, CPython 3.11",
        ),
        pytest.param(Object(b"leaf", public=[b"issuer"]), (b"leaf", b"issuer"), id="chain without leaf, pyOpenSSL"),
        pytest.param(Object(b"leaf", public=[]), (b"leaf",), id="resumed, CPython 3.13"),
        pytest.param(Object(b"leaf", private=[]), (b"leaf",), id="resumed, CPython 3.11"),
        pytest.param(Object(b"leaf", private=ValueError()), (b"leaf",), id="chain cannot be told"),
        pytest.param(Object(b"leaf"), (b"leaf",), id="leaf alone is known"),
        pytest.param(Object({}), (), id="no bytes"),
        pytest.param(object(), (), id="no TLS object"),
    ],
)
def test_what_was_presented_is_told_leaf_first(answers: Any, presented: tuple[bytes, ...]) -> None:
    assert presented_der(answers) == presented


@pytest.mark.parametrize("error", GONE)
def test_a_connection_that_is_gone_presented_nothing(error: Exception) -> None:
    assert presented_der(Object(error, public=[b"leaf"])) == ()


@pytest.mark.parametrize("error", GONE)
def test_a_chain_that_is_gone_leaves_the_leaf(error: Exception) -> None:
    assert presented_der(Object(b"leaf", public=error)) == (b"leaf",)


@given(leaf=st.binary(min_size=1), chain=st.lists(st.binary(min_size=1)))
def test_whatever_was_sent_the_leaf_stands_first_and_once(leaf: bytes, chain: list[bytes]) -> None:
    presented = presented_der(Object(leaf, public=chain))

    assert presented[0] == leaf
    assert leaf not in presented[1:]
    assert set(presented) == {leaf, *chain}


def test_a_real_tls_object_of_this_python_is_read(tmp_path: Path) -> None:
    region, server_ca = RegionalCA("us-east-1"), RegionalCA("servers")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_ca.server().write(tmp_path, "server"))
    context.load_verify_locations(cadata=region.der)
    context.verify_mode = ssl.CERT_OPTIONAL
    client = region.intermediate().client()

    end, _ = shake(context, client_context(server_ca, tmp_path, client))

    assert tuple(map(ssl.DER_cert_to_PEM_cert, presented_der(end))) == client.pems
