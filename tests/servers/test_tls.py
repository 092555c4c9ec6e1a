import ssl
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.servers.scope import tls_extension
from mtls_middleware.testing import RegionalCA
from tests.servers.handshake import client_context, shake

VERSIONS = [
    pytest.param(ssl.TLSVersion.TLSv1_2, 0x0303, id="TLS 1.2"),
    pytest.param(ssl.TLSVersion.TLSv1_3, 0x0304, id="TLS 1.3"),
]


@pytest.fixture
def server(region: RegionalCA, server_ca: RegionalCA, tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_ca.server().write(tmp_path, "server"))
    context.load_verify_locations(cadata=region.der)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.mark.parametrize(("version", "number"), VERSIONS)
def test_it_tells_leaf_and_version(
    version: ssl.TLSVersion,
    number: int,
    server: ssl.SSLContext,
    region: RegionalCA,
    server_ca: RegionalCA,
    tmp_path: Path,
) -> None:
    client = region.client()

    end, _ = shake(server, client_context(server_ca, tmp_path, client, version=version))

    extension = tls_extension(end)
    assert extension["client_cert_chain"] == (client.pem,)
    assert extension["tls_version"] == number


@pytest.mark.parametrize(("version", "number"), VERSIONS)
def test_the_chain_is_empty_without_a_certificate(
    version: ssl.TLSVersion, number: int, server: ssl.SSLContext, server_ca: RegionalCA, tmp_path: Path
) -> None:
    end, _ = shake(server, client_context(server_ca, tmp_path, version=version))

    extension = tls_extension(end)
    assert (extension["client_cert_chain"], extension["tls_version"]) == ((), number)


@pytest.mark.parametrize(("version", "number"), VERSIONS)
def test_intermediates_follow_the_leaf(
    version: ssl.TLSVersion,
    number: int,  # noqa: ARG001 - of the table
    server: ssl.SSLContext,
    region: RegionalCA,
    server_ca: RegionalCA,
    tmp_path: Path,
) -> None:
    client = region.intermediate("First").intermediate("Second").client()

    end, _ = shake(server, client_context(server_ca, tmp_path, client, version=version))

    assert tls_extension(end)["client_cert_chain"] == client.pems


def test_a_resumed_session_keeps_the_leaf(
    server: ssl.SSLContext, region: RegionalCA, server_ca: RegionalCA, tmp_path: Path
) -> None:
    client = region.intermediate().client()
    context = client_context(server_ca, tmp_path, client, version=ssl.TLSVersion.TLSv1_2)
    _, first = shake(server, context)

    end, again = shake(server, context, session=first.session)

    assert again.session_reused
    assert tls_extension(end)["client_cert_chain"] == (client.pem,)


def test_the_cipher_suite_has_its_iana_number(server: ssl.SSLContext, server_ca: RegionalCA, tmp_path: Path) -> None:
    context = client_context(server_ca, tmp_path, version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")

    end, _ = shake(server, context)

    assert tls_extension(end)["cipher_suite"] == 0xC02B


def test_it_says_nothing_that_only_a_verifier_could_know(
    server: ssl.SSLContext, region: RegionalCA, server_ca: RegionalCA, tmp_path: Path
) -> None:
    end, _ = shake(server, client_context(server_ca, tmp_path, region.client()))

    extension = tls_extension(end)
    assert [extension[key] for key in ("server_cert", "client_cert_name", "client_cert_error")] == [None, None, None]


class NewerObject:
    """Stand for the TLS object of CPython 3.13 and later."""

    def __init__(self, leaf: bytes | None, chain: list[bytes]) -> None:
        self._leaf = leaf
        self._chain = chain

    def getpeercert(self, binary_form: bool) -> bytes | None:
        assert binary_form
        return self._leaf

    def get_unverified_chain(self) -> list[bytes]:
        if self._leaf is None:
            raise AttributeError("'NoneType' object has no attribute 'public_bytes'")
        return self._chain

    def version(self) -> str | None:
        return None

    def cipher(self) -> tuple[str, str, int] | None:
        return None


@pytest.mark.parametrize(
    ("leaf", "chain", "told"),
    [
        pytest.param(None, [], [], id="no certificate"),
        pytest.param(b"leaf", [b"leaf", b"issuer"], [b"leaf", b"issuer"], id="leaf and issuer"),
        pytest.param(b"leaf", [], [b"leaf"], id="resumed"),
    ],
)
def test_newer_pythons_are_read_by_their_public_method(leaf: bytes | None, chain: list[bytes], told: Any) -> None:
    connection: Any = NewerObject(leaf, chain)

    extension = tls_extension(connection)

    assert extension["client_cert_chain"] == tuple(map(ssl.DER_cert_to_PEM_cert, told))


class ForeignObject(NewerObject):
    """Stand for a TLS object that knows the leaf alone."""

    get_unverified_chain = None  # type: ignore[assignment]  # as if the method did not exist


def test_a_foreign_object_tells_the_leaf_alone() -> None:
    connection: Any = ForeignObject(b"leaf", [])

    assert len(tls_extension(connection)["client_cert_chain"]) == 1
