"""The ASGI TLS extension: the certificate as the server that ended TLS hands it over.

The extension is in flux, and few servers follow it to the letter: the chain comes as list, tuple, one-shot generator or
a single text; as PEM or DER; the leaf alone under ``client_cert``. A name without a certificate authenticates nobody.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.fields import Fields
from mtls_middleware._core.sources import pem
from mtls_middleware._core.sources.presented import Presented, malformed
from mtls_middleware._core.sources.presets import TLS

_BYTES = (bytes, bytearray, memoryview)
_TEXT = (str, *_BYTES)
_PEM = b"-----"
_BETWEEN = re.compile(r"(?<=-----END CERTIFICATE-----)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSource:
    """Read ``extensions["tls"]``."""

    @property
    def name(self) -> str:
        """Return ``tls``."""
        return TLS

    @property
    def shape(self) -> None:
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
        return tuple(pem.single(part, pem.WHITE_SPACE) if part.startswith(_PEM) else part for part in presented.parts)

    def absence(self, connection: Connection) -> str:
        """Return whether the caller or the server is to blame."""
        return "the caller sent no certificate" if connection.tls is not None else "no TLS extension in the scope"

    def complaint(self, connection: Connection, fields: Fields) -> str | None:  # noqa: ARG002 - protocol
        """Return the server's own complaint: it kept the connection although verification failed."""
        error = (connection.tls or {}).get("client_cert_error")
        return f"the TLS server says: {error}" if error else None


def _entries(chain: Any) -> Iterable[Any]:  # noqa: ANN401 - whatever a server put there
    if isinstance(chain, str):
        chain = _BETWEEN.split(chain)
    if isinstance(chain, _BYTES):
        chain = (chain,)
    if chain is None or not isinstance(chain, Iterable):
        return ()
    return (entry for entry in chain if entry is not None and not (isinstance(entry, _TEXT) and len(entry) == 0))


def _part(entry: Any) -> bytes:  # noqa: ANN401 - whatever a server put there
    if isinstance(entry, str):
        return entry.encode("utf-8", "surrogatepass")
    if isinstance(entry, _BYTES):
        return bytes(entry)
    raise malformed(f"the TLS extension holds a {type(entry).__name__} where PEM or DER belongs")
