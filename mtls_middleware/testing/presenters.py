"""How a certificate looks when a server or a proxy hands it over."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mtls_middleware.testing.certificates import ClientCertificate

Headers = list[tuple[str, str]]


def url_pem(client: ClientCertificate) -> str:
    """Percent-encode the PEM as nginx does."""
    return quote(client.pem, safe="")


def pem_spaces(pem: str) -> str:
    """Write PEM in one line as Apache does."""
    return pem.replace("\n", " ")


def b64_pem(client: ClientCertificate) -> str:
    """Encode the PEM in base64."""
    return _base64(client.pem.encode("ascii"))


def b64_der(client: ClientCertificate) -> str:
    """Encode the DER in base64."""
    return _base64(client.der)


def b64_der_list(clients: Iterable[ClientCertificate]) -> str:
    """List the DERs as Traefik does."""
    return ",".join(map(b64_der, clients))


def rfc9440_item(der: bytes) -> str:
    """Encode a DER as a byte sequence of a structured field."""
    return f":{_base64(der)}:"


def rfc9440_list(ders: Iterable[bytes]) -> str:
    """Encode DERs as a list of byte sequences."""
    return ", ".join(map(rfc9440_item, ders))


def xfcc_element(client: ClientCertificate) -> str:
    """Write an element as Envoy does, certificate and chain."""
    chain = quote(client.chain_pem, safe="")
    return f'Hash={hashlib.sha256(client.der).hexdigest()};Cert="{url_pem(client)}";Chain="{chain}"'


def nginx(client: ClientCertificate | None, *, verify: str | None = None) -> Headers:
    """Return the headers that the source ``nginx`` reads; None for a caller without a certificate."""
    marker = verify if verify is not None else "SUCCESS" if client else "NONE"
    headers = [("X-SSL-Client-Verify", marker)]
    return [("X-SSL-Client-Cert", url_pem(client)), *headers] if client else headers


def rfc9440(client: ClientCertificate | None) -> Headers:
    """Return the headers that the source ``rfc9440`` reads."""
    if client is None:
        return []
    headers = [("Client-Cert", rfc9440_item(client.der))]
    if client.chain:
        ders = [base64.b64decode("".join(pem.splitlines()[1:-1])) for pem in client.pems[1:]]
        headers.append(("Client-Cert-Chain", rfc9440_list(ders)))
    return headers


def tls_extension(client: ClientCertificate | None) -> dict[str, Any]:
    """Return the ASGI TLS extension of a TLS 1.3 connection."""
    return {
        "server_cert": None,
        "client_cert_chain": list(client.pems) if client else [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": 0x1301,
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


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
