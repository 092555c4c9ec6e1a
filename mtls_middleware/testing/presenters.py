"""How a certificate looks when a server or a proxy hands it over."""

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware.testing.certificates import ClientCertificate

Certificate = ClientCertificate | x509.Certificate
"""What encoders take: a client, of which they write the leaf, or any certificate of a chain."""

Headers = list[tuple[str, str]]


def url_pem(certificate: Certificate) -> str:
    """Percent-encode the PEM as nginx does, its last newline included."""
    return quote(pem(certificate), safe="")


def pem_spaces(certificate: Certificate) -> str:
    """Write the PEM in one line as Apache does, with a blank for each newline."""
    return pem(certificate).replace("\n", " ")


def b64_pem(certificate: Certificate) -> str:
    """Encode the PEM in base64."""
    return _base64(pem(certificate).encode("ascii"))


def b64_der(certificate: Certificate) -> str:
    """Encode the DER in base64, as HAProxy and Caddy do."""
    return _base64(der(certificate))


def b64_der_list(certificates: Iterable[Certificate]) -> str:
    """List the DERs as Traefik does: base64, separated by commas."""
    return ",".join(map(b64_der, certificates))


def rfc9440_item(der: bytes) -> str:
    """Encode a DER as a byte sequence of a structured field."""
    return f":{_base64(der)}:"


def rfc9440_list(ders: Iterable[bytes]) -> str:
    """Encode DERs as a list of byte sequences."""
    return ", ".join(map(rfc9440_item, ders))


def xfcc_element(
    client: ClientCertificate,
    *,
    hash_sha256: str | None = None,
    with_certificate: bool = True,
    with_chain: bool = True,
    pairs: Iterable[tuple[str, str]] = (),
) -> str:
    """Write an element of ``X-Forwarded-Client-Cert`` as Envoy does; join several with a comma.

    Args:
        client: whose Cert and Chain; in Envoy's Chain the leaf is the first.
        hash_sha256: Hash; the leaf's own where it is None.
        with_certificate: False leaves Cert out.
        with_chain: False leaves Chain out.
        pairs: further keys and values, written as they are: nothing is quoted or escaped, for Envoy does not either.
    """
    parts = [f"Hash={client.fingerprint_sha256 if hash_sha256 is None else hash_sha256}"]
    if with_certificate:
        parts.append(f'Cert="{url_pem(client)}"')
    if with_chain:
        parts.append(f'Chain="{quote(client.chain_pem, safe="")}"')
    return ";".join([*parts, *(f"{key}={value}" for key, value in pairs)])


def nginx(client: ClientCertificate | None, *, verify: str | None = None) -> Headers:
    """Return the headers that the source ``nginx`` reads.

    Args:
        client: None for a caller without a certificate.
        verify: the marker; where it is None, ``SUCCESS`` with a certificate and ``NONE`` without.
    """
    marker = verify if verify is not None else "SUCCESS" if client else "NONE"
    headers = [("X-SSL-Client-Verify", marker)]
    return [("X-SSL-Client-Cert", url_pem(client)), *headers] if client else headers


def rfc9440(client: ClientCertificate | None) -> Headers:
    """Return the headers that the source ``rfc9440`` reads.

    Args:
        client: None for a caller without a certificate. Its chain gets a header of its own, if it has one.
    """
    if client is None:
        return []
    headers = [("Client-Cert", rfc9440_item(client.der))]
    if client.chain:
        headers.append(("Client-Cert-Chain", rfc9440_list(map(der, client.chain))))
    return headers


def tls_extension(client: ClientCertificate | None, *, error: str | None = None) -> dict[str, Any]:
    """Return the ASGI TLS extension 0.2 of a TLS 1.3 connection.

    Args:
        client: None for a caller without a certificate.
        error: what the server complained of, although it kept the connection.
    """
    return {
        "server_cert": None,
        "client_cert_chain": list(client.pems) if client else [],
        "client_cert_name": client.certificate.subject.rfc4514_string() if client else None,
        "client_cert_error": error,
        "tls_version": 0x0304,
        "cipher_suite": 0x1301,  # TLS_AES_128_GCM_SHA256
    }


class TLSExtension:
    """Wrap an application so that each request seems to come over TLS, with this certificate or none."""

    def __init__(self, app: ASGIApp, client: ClientCertificate | None) -> None:
        self._app = app
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the extension in a copy of its scope."""
        if scope["type"] in {"http", "websocket"}:
            extensions = {**(scope.get("extensions") or {}), "tls": tls_extension(self._client)}
            scope = {**scope, "extensions": extensions}
        await self._app(scope, receive, send)


def pem(certificate: Certificate) -> str:
    """Return the PEM."""
    return _certificate(certificate).public_bytes(Encoding.PEM).decode("ascii")


def der(certificate: Certificate) -> bytes:
    """Return the DER."""
    return _certificate(certificate).public_bytes(Encoding.DER)


def _certificate(certificate: Certificate) -> x509.Certificate:
    return certificate.certificate if isinstance(certificate, ClientCertificate) else certificate


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
