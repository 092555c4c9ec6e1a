"""Who called: the believed end of ``PresentedChain`` → ``VerifiedChain`` → ``ClientIdentity``."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn


class Authority(StrEnum):
    """Name who vouches for a caller; the first two are the choices of the integration's configuration window."""

    GENESYS = "genesys"
    DIGICERT = "digicert"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """Describe a caller whose certificate passed every check.

    It proves the *region* that called, not the organisation: all customers of a region share its certificate.

    Attributes:
        region: AWS region name of the anchor or pin that vouched, such as ``us-east-1``; None for ``custom``.
        authority: who vouched.
        dns_names: every dNSName of the subject alternative name, as written; empty where only a CN matched.
        subject: RFC 4514. Text from a certificate: data, never markup.
        issuer: RFC 4514.
        serial_number: positive.
        fingerprint_sha256: of the certificate's DER, lower-case hex.
        not_before: aware, UTC.
        not_after: aware, UTC.
        organization_id: the caller's organisation (lower-case UUID), set only where ``MTLS_ORGANIZATION_IDS`` is.
        source: the name of the source that handed the certificate over, such as ``tls`` or ``nginx``.
    """

    region: str | None
    authority: Authority
    dns_names: tuple[str, ...]
    subject: str
    issuer: str
    serial_number: int
    fingerprint_sha256: str
    not_before: datetime
    not_after: datetime
    organization_id: str | None
    source: str

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> NoReturn:
        """Refuse to be read from a request, where a caller could write its own identity.

        FastAPI ignores a ``Depends`` inside a union and reads such a parameter from the body.
        """
        raise TypeError(
            "a ClientIdentity is never read from, or written to, a body: in place of `DataActionCaller | None` write "
            "OptionalDataActionCaller, in place of a bare ClientIdentity DataActionCaller; to answer with an identity, "
            "put those of its fields that you need into a model of yours"
        )
