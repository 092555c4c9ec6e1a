"""What a caller presented, as raw bytes: read, but not decoded, and believed by nobody."""

from dataclasses import dataclass
from typing import Protocol

from mtls_middleware._core.connection import Connection, Fields
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources.presets import HeaderNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """The bytes of one request's certificates.

    Attributes:
        parts: as presented, the leaf's first; the key under which a verdict is remembered.
    """

    parts: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Return the bytes of all parts together, before decoding."""
        return sum(map(len, self.parts))


class Source(Protocol):
    """The place where one kind of server or proxy puts a client certificate."""

    @property
    def name(self) -> str:
        """Return the name of the row in the contract's table, such as ``nginx``."""

    @property
    def header_names(self) -> HeaderNames | None:
        """Return the headers that are read; None where the certificate comes in none."""

    def read(self, connection: Connection, fields: Fields, limit: int) -> Presented | None:
        """Return what was presented, `limit` + 1 certificates of it at most; None where the source says "none"."""

    def decode(self, presented: Presented, limit: int) -> tuple[bytes, ...]:
        """Return the DER certificates, the leaf first; `limit` + 1 of them at most.

        Raises:
            RejectionError: ``certificate_malformed``.
        """

    def why_missing(self, connection: Connection, fields: Fields) -> str:
        """Return, for the log, where there was no certificate."""

    def upstream_failure(self, connection: Connection, fields: Fields) -> str | None:
        """Return what the server's or proxy's own verification says against the certificate; None if it is content."""


def malformed(detail: str) -> RejectionError:
    """Return the refusal of something that is no certificate."""
    return RejectionError(Reason.CERTIFICATE_MALFORMED, detail)
