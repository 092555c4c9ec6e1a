"""The ASGI TLS extension, made from the TLS object of a connection. Knows no server.

It tells what the caller sent, never a verdict: a resumed session was verified long ago, or never.
"""

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

from mtls_middleware._core.sources.tls import presented_der

TLSObject = ssl.SSLObject | ssl.SSLSocket

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""Names of the standard library, and the numbers of RFC 8446 §4.2.1."""


def tls_extension(connection: TLSObject) -> dict[str, Any]:
    """Return the value of ``scope["extensions"]["tls"]`` for a connection whose handshake is done.

    The chain holds PEM texts, the leaf first, as the caller sent them. It is empty where the caller has no certificate,
    and the leaf alone on a resumed session.
    """
    return {
        "server_cert": None,
        "client_cert_chain": tuple(ssl.DER_cert_to_PEM_cert(der) for der in presented_der(connection)),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": _cipher_suite(connection),
    }


def _cipher_suite(connection: TLSObject) -> int | None:
    cipher = connection.cipher()
    return _cipher_suites().get(cipher[0]) if cipher else None


@cache
def _cipher_suites() -> Mapping[str, int]:
    """Return the IANA number of each suite that OpenSSL knows, by OpenSSL's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL")
    return {suite["name"]: suite["id"] & 0xFFFF for suite in context.get_ciphers()}
