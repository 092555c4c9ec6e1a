"""Encoders: what they write is what was put in, in the very shape of each proxy."""

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509
from starlette.types import Receive, Scope, Send

from mtls_middleware.testing import (
    ClientCertificate,
    RegionalCA,
    TLSExtension,
    encodings,
    nginx,
    rfc9440,
    tls_extension,
)


@pytest.fixture(scope="module")
def client(ca: RegionalCA) -> ClientCertificate:
    return ca.client()


@pytest.fixture(scope="module")
def chained(ca: RegionalCA) -> ClientCertificate:
    return ca.intermediate().intermediate().client()


class TestEncoders:
    def test_url_pem_round_trips(self, client: ClientCertificate) -> None:
        assert unquote(encodings.url_pem(client)) == client.pem

    def test_url_pem_ends_as_nginx_ends_it(self, client: ClientCertificate) -> None:
        assert encodings.url_pem(client).endswith("-----END%20CERTIFICATE-----%0A")

    def test_url_pem_escapes_everything_but_unreserved_characters(self, client: ClientCertificate) -> None:
        assert re.fullmatch(r"(?:[A-Za-z0-9-]|%(?:0A|20|2B|2F|3D))+", encodings.url_pem(client))

    def test_pem_spaces_is_one_line(self, client: ClientCertificate) -> None:
        written = encodings.pem_spaces(client)
        assert "\n" not in written
        begin, end = "-----BEGIN CERTIFICATE----- ", " -----END CERTIFICATE-----"
        assert written.startswith(begin)
        assert written.endswith(end)
        assert base64.b64decode(written.removeprefix(begin).removesuffix(end).replace(" ", "")) == client.der

    def test_b64_pem_round_trips(self, client: ClientCertificate) -> None:
        assert base64.b64decode(encodings.b64_pem(client), validate=True).decode() == client.pem

    def test_b64_der_round_trips(self, client: ClientCertificate) -> None:
        assert base64.b64decode(encodings.b64_der(client), validate=True) == client.der

    def test_b64_der_list_round_trips(self, chained: ClientCertificate) -> None:
        written = encodings.b64_der_list(chained, *chained.chain).split(",")
        certificates = [x509.load_der_x509_certificate(base64.b64decode(part, validate=True)) for part in written]
        assert certificates == [chained.certificate, *chained.chain]

    def test_a_byte_sequence_stands_between_colons(self, client: ClientCertificate) -> None:
        assert encodings.byte_sequences(client) == f":{encodings.b64_der(client)}:"

    def test_byte_sequences_are_separated_by_commas(self, client: ClientCertificate) -> None:
        item = f":{encodings.b64_der(client)}:"
        assert encodings.byte_sequences(client, client) == f"{item}, {item}"

    def test_the_ders_of_a_chain_stand_one_behind_the_other(self, chained: ClientCertificate) -> None:
        written = base64.b64decode(encodings.b64_der(chained, *chained.chain), validate=True)
        assert written == chained.der + b"".join(map(encodings.der, chained.chain))

    @pytest.mark.parametrize(
        "encode",
        encodings.ENCODERS.values(),
        ids=encodings.ENCODERS,
    )
    def test_a_certificate_is_encoded_as_its_client_is(
        self, client: ClientCertificate, encode: Callable[..., str]
    ) -> None:
        assert encode(client.certificate) == encode(client)


class TestXFCC:
    def test_it_has_hash_certificate_and_chain(self, chained: ClientCertificate) -> None:
        found = re.fullmatch(
            r'Hash=([0-9a-f]{64});Cert="([^"]+)";Chain="([^"]+)"', encodings.xfcc_element(chained, *chained.chain)
        )
        assert found is not None
        assert (found[1], unquote(found[2]), unquote(found[3])) == (
            chained.fingerprint_sha256,
            chained.pem,
            chained.chain_pem,
        )

    def test_chain_and_certificate_can_be_left_out(self, client: ClientCertificate) -> None:
        written = encodings.xfcc_element(client, with_certificate=False, with_chain=False)
        assert written == f"Hash={client.fingerprint_sha256}"

    def test_the_hash_can_be_wrong(self, client: ClientCertificate) -> None:
        assert encodings.xfcc_element(client, hash_sha256="00").startswith("Hash=00;")

    def test_further_pairs_are_not_escaped(self, client: ClientCertificate) -> None:
        written = encodings.xfcc_element(client, pairs=[("URI", ""), ("DNS", 'a",Hash=b')])
        assert written.endswith(';URI=;DNS=a",Hash=b')


class TestNginx:
    def test_a_client_comes_with_success(self, client: ClientCertificate) -> None:
        assert nginx(client) == [
            ("X-SSL-Client-Cert", encodings.url_pem(client)),
            ("X-SSL-Client-Verify", "SUCCESS"),
        ]

    def test_the_marker_can_be_given(self, client: ClientCertificate) -> None:
        assert ("X-SSL-Client-Verify", "FAILED:certificate has expired") in nginx(
            client, verify="FAILED:certificate has expired"
        )

    def test_no_client_comes_with_none(self) -> None:
        assert nginx(None) == [("X-SSL-Client-Verify", "NONE")]


class TestRFC9440:
    def test_a_client_without_chain_has_one_header(self, client: ClientCertificate) -> None:
        assert rfc9440(client) == [("Client-Cert", encodings.byte_sequences(client))]

    def test_the_chain_does_not_repeat_the_leaf(self, chained: ClientCertificate) -> None:
        (_, (name, written)) = rfc9440(chained)
        certificates = [x509.load_der_x509_certificate(base64.b64decode(part[1:-1])) for part in written.split(", ")]
        assert (name, certificates) == ("Client-Cert-Chain", list(chained.chain))

    def test_no_client_has_no_header(self) -> None:
        assert rfc9440(None) == []


class TestTLSExtension:
    def test_it_has_what_version_0_2_asks_for(self, client: ClientCertificate) -> None:
        assert tls_extension(client) == {
            "server_cert": None,
            "client_cert_chain": [client.pem],
            "client_cert_name": "CN=dataactions.prod.us-east-1.mypurecloud.com,O=Test,C=US",
            "client_cert_error": None,
            "tls_version": 0x0304,
            "cipher_suite": 0x1301,
        }

    def test_the_chain_begins_with_the_leaf(self, chained: ClientCertificate) -> None:
        assert tls_extension(chained)["client_cert_chain"] == list(chained.pems)

    def test_without_a_client_the_chain_is_empty(self) -> None:
        extension = tls_extension(None)
        assert (extension["client_cert_chain"], extension["client_cert_name"]) == ([], None)

    def test_the_server_can_complain(self, client: ClientCertificate) -> None:
        assert tls_extension(client, error="certificate has expired")["client_cert_error"] == "certificate has expired"


class TestWrapper:
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    @pytest.mark.parametrize("before", [{}, {"extensions": None}, {"extensions": {"other": {}}}], ids=str)
    def test_the_application_sees_the_extension(
        self, client: ClientCertificate, kind: str, before: dict[str, Any]
    ) -> None:
        extensions = seen({"type": kind, **before}, client)["extensions"]
        assert extensions == {**(before.get("extensions") or {}), "tls": tls_extension(client)}

    def test_the_scope_and_its_extensions_stay_as_they_were(self, client: ClientCertificate) -> None:
        extensions: dict[str, Any] = {}
        scope = {"type": "http", "extensions": extensions}
        seen(scope, client)
        assert (scope, extensions) == ({"type": "http", "extensions": {}}, {})

    def test_each_request_has_an_extension_of_its_own(self, client: ClientCertificate) -> None:
        first, second = (seen({"type": "http"}, client)["extensions"]["tls"] for _ in range(2))
        assert first is not second
        assert first["client_cert_chain"] is not second["client_cert_chain"]

    def test_an_extension_that_was_there_is_replaced(self) -> None:
        scope = seen({"type": "http", "extensions": {"tls": {"client_cert_chain": ["x"]}}}, None)
        assert scope["extensions"]["tls"] == tls_extension(None)

    def test_lifespan_passes_as_it_is(self, client: ClientCertificate) -> None:
        scope = {"type": "lifespan"}
        assert seen(scope, client) is scope


def seen(scope: dict[str, Any], client: ClientCertificate | None) -> dict[str, Any]:
    """Return the scope that an application behind the wrapper is given."""
    scopes: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        scopes.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nobody asks")

    asyncio.run(TLSExtension(app, client)(scope, nothing, nothing))
    (found,) = scopes
    assert isinstance(found, dict)
    return found
