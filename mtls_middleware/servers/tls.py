"""The ASGI TLS extension, made from the TLS object of a connection. Knows no server.

It tells what the caller sent, never a verdict: a resumed session was verified long ago, or never.
"""

import ssl
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

TLSObject = ssl.SSLObject | ssl.SSLSocket

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""Names of the standard library, and the numbers of RFC 8446 §4.2.1."""

_DER = 2
"""``_ssl.ENCODING_DER``."""


def tls_extension(connection: TLSObject) -> dict[str, Any]:
    """Return the value of ``scope["extensions"]["tls"]`` for a connection whose handshake is done.

    The chain holds PEM texts, the leaf first, as the caller sent them. It is empty where the caller has no certificate,
    and the leaf alone on a resumed session.
    """
    return {
        "server_cert": None,
        "client_cert_chain": tuple(ssl.DER_cert_to_PEM_cert(der) for der in _chain(connection)),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": _cipher_suite(connection),
    }


def _chain(connection: TLSObject) -> Iterator[bytes]:
    # The leaf is asked for first: without one, CPython 3.13 answers a question for the chain with AttributeError, and
    # CPython 3.11 with [None]. On a resumed session the chain is empty, and the leaf is there.
    leaf = connection.getpeercert(binary_form=True)
    if leaf is None:
        return
    yield leaf
    yield from (der for der in _sent(connection) if der != leaf)


def _sent(connection: TLSObject) -> list[bytes]:
    public = getattr(connection, "get_unverified_chain", None)  # CPython >= 3.13
    if public is not None:
        return list(public() or ())
    private = getattr(getattr(connection, "_sslobj", None), "get_unverified_chain", None)  # CPython 3.10 to 3.12
    return [certificate.public_bytes(_DER) for certificate in private() or ()] if private is not None else []


def _cipher_suite(connection: TLSObject) -> int | None:
    cipher = connection.cipher()
    return _cipher_suites().get(cipher[0]) if cipher else None


@cache
def _cipher_suites() -> Mapping[str, int]:
    """Return the IANA number of each suite that OpenSSL knows, by OpenSSL's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL")
    return {suite["name"]: suite["id"] & 0xFFFF for suite in context.get_ciphers()}
