"""A certificate from the server that ended TLS: the ASGI TLS extension, a TLS object, or the event of AWS API Gateway.

No caller can write any of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mtls_middleware._core.connection import Connection, Fields
from mtls_middleware._core.sources import decoders
from mtls_middleware._core.sources.presented import Presented, malformed
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, TLS

_BYTES = (bytes, bytearray, memoryview)
_TEXT = (str, *_BYTES)
_PEM = b"-----"
_BETWEEN = re.compile(r"(?<=-----END CERTIFICATE-----)\s*")

_DER = 2
"""``_ssl.ENCODING_DER``."""

_ASKS_NOBODY = 0
"""``ssl.CERT_NONE``."""

_CANNOT_TELL = (AttributeError, OSError, ValueError)
"""What CPython raises where there is no certificate, no handshake, or no connection any more."""

_CONTEXT_KEYS = ("identity", "authentication")
"""REST API and payload 1.0; HTTP API's payload 2.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSource:
    """The TLS extension of an ASGI scope, or the same facts of a WSGI server."""

    @property
    def name(self) -> str:
        """Return ``tls``."""
        return TLS

    @property
    def header_names(self) -> None:
        """Return nothing: no header is read."""

    def read(self, connection: Connection, fields: Fields, limit: int) -> Presented | None:  # noqa: ARG002 - protocol
        """Return the certificates as the server wrote them."""
        extension = connection.tls or {}
        parts = tuple(_part(entry) for entry in islice(_entries(extension.get("client_cert_chain")), limit + 1))
        if not parts:
            parts = tuple(_part(entry) for entry in islice(_entries(extension.get("client_cert")), limit + 1))
        return Presented(parts=parts) if parts else None

    def decode(self, presented: Presented, limit: int) -> tuple[bytes, ...]:  # noqa: ARG002 - protocol
        """Return the DER certificates, the leaf first."""
        return tuple(
            decoders.pem_certificate(part, decoders.WHITE_SPACE) if part.startswith(_PEM) else part
            for part in presented.parts
        )

    def why_missing(self, connection: Connection, fields: Fields) -> str:  # noqa: ARG002 - protocol
        """Return whether the caller or the server is to blame."""
        if connection.tls is None:
            return "no TLS extension in the scope"
        return (
            "the caller sent no certificate" if connection.asks else "this server asked the caller for no certificate"
        )

    def upstream_failure(self, connection: Connection, fields: Fields) -> str | None:  # noqa: ARG002 - protocol
        """Return the server's own complaint: it kept the connection although verification failed."""
        error = (connection.tls or {}).get("client_cert_error")
        return f"the TLS server says: {error}" if error else None


def _entries(chain: Any) -> Iterable[Any]:  # noqa: ANN401 - whatever a server put there
    if isinstance(chain, str):
        chain = _BETWEEN.split(chain)
    if isinstance(chain, _BYTES):
        chain = (chain,)
    if not isinstance(chain, Iterable):
        return ()
    return (entry for entry in chain if entry is not None and not (isinstance(entry, _TEXT) and len(entry) == 0))


def _part(entry: Any) -> bytes:  # noqa: ANN401 - whatever a server put there
    if isinstance(entry, str):
        return entry.encode("utf-8", "surrogatepass")
    if isinstance(entry, _BYTES):
        return bytes(entry)
    raise malformed(f"the TLS extension holds a {type(entry).__name__} where PEM or DER belongs")


def presented_der(tls_object: Any) -> tuple[bytes, ...]:  # noqa: ANN401 - see the module: what answers to the names
    """Return the certificates that a caller presented, as DER, the leaf first and the rest in the caller's order.

    The tuple is empty where the caller presented none, and where the connection is gone or cannot tell. On a resumed
    session it holds the leaf alone. Nothing is said about trust: a resumed session was verified long ago, or never.
    """
    # The leaf is asked for first: without one, CPython 3.13 answers a question for the chain with AttributeError, and
    # CPython 3.11 with [None].
    try:
        leaf = tls_object.getpeercert(True)  # positionally: gevent and pyOpenSSL wrappers name the argument otherwise
    except _CANNOT_TELL:
        return ()
    if not isinstance(leaf, bytes):
        return ()
    return leaf, *(der for der in _sent(tls_object) if der != leaf)


def asks_for_certificate(tls_object: Any) -> bool:  # noqa: ANN401 - as above
    """Return whether a handshake asked the caller for a certificate; True where that cannot be seen."""
    return getattr(getattr(tls_object, "context", None), "verify_mode", None) != _ASKS_NOBODY


def _sent(tls_object: Any) -> Iterable[bytes]:  # noqa: ANN401 - as above
    """Return what was sent, with the leaf or without it; nothing on a resumed session."""
    public = getattr(tls_object, "get_unverified_chain", None)  # CPython >= 3.13
    private = getattr(getattr(tls_object, "_sslobj", None), "get_unverified_chain", None)  # CPython 3.10 to 3.12
    try:
        if public is not None:
            return tuple(public() or ())
        if private is not None:
            return tuple(certificate.public_bytes(_DER) for certificate in private() or ())
    except _CANNOT_TELL:
        pass  # the leaf stays known
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSEventSource:
    """``requestContext.identity.clientCert`` or ``requestContext.authentication.clientCert`` of an AWS event."""

    @property
    def name(self) -> str:
        """Return ``aws-api-gateway``."""
        return AWS_API_GATEWAY

    @property
    def header_names(self) -> None:
        """Return nothing: no header is read."""

    def read(self, connection: Connection, fields: Fields, limit: int) -> Presented | None:  # noqa: ARG002 - protocol
        """Return the PEM as the gateway wrote it; no ``aws.event`` in the scope means no certificate."""
        context = _mapping(connection.event).get("requestContext")
        certificates = [
            text
            for key in _CONTEXT_KEYS
            if (text := _mapping(_mapping(_mapping(context).get(key)).get("clientCert")).get("clientCertPem"))
        ]
        if not certificates:
            return None
        certificate, *others = certificates
        if not isinstance(certificate, str) or any(other != certificate for other in others):
            raise malformed("the event holds two certificates, or one that is no text")
        return Presented(parts=(certificate.encode("utf-8", "surrogatepass"),))

    def decode(self, presented: Presented, limit: int) -> tuple[bytes, ...]:  # noqa: ARG002 - protocol
        """Return the DER of the one certificate."""
        return (decoders.pem_certificate(presented.parts[0], decoders.WHITE_SPACE),)

    def why_missing(self, connection: Connection, fields: Fields) -> str:  # noqa: ARG002 - protocol
        """Return whether there was an event at all."""
        return "no aws.event in the scope" if connection.event is None else "no clientCert in the aws.event"

    def upstream_failure(self, connection: Connection, fields: Fields) -> str | None:  # noqa: ARG002 - protocol
        """Return nothing: the gateway serves no call whose verification failed."""
        return None


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - unchecked JSON
    return value if isinstance(value, Mapping) else {}
