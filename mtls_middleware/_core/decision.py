"""What the gate says: ``Accepted`` or ``Rejected`` with one of a closed set of reasons."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.identity import ClientIdentity
from mtls_middleware.members import require_members


class Reason(StrEnum):
    """The reason of a refusal. The order is that of the checks: the first reason that applies counts.

    The names are stable: they stand in responses, logs and metrics.
    """

    __module__ = "mtls_middleware"

    TRUST_UNAVAILABLE = "trust_unavailable"
    SOURCE_UNTRUSTED = "source_untrusted"
    CERTIFICATE_TOO_LARGE = "certificate_too_large"
    CERTIFICATE_MISSING = "certificate_missing"
    PROXY_VERIFICATION_FAILED = "proxy_verification_failed"
    CERTIFICATE_MALFORMED = "certificate_malformed"
    ISSUER_UNTRUSTED = "issuer_untrusted"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    PURPOSE_MISMATCH = "purpose_mismatch"
    REGION_MISMATCH = "region_mismatch"
    NOT_PINNED = "not_pinned"
    CERTIFICATE_REVOKED = "certificate_revoked"
    REVOCATION_UNKNOWN = "revocation_unknown"
    ORGANIZATION_MISMATCH = "organization_mismatch"
    CALLER_SECRET_MISMATCH = "caller_secret_mismatch"  # noqa: S105 - a reason, not a secret
    INTERNAL_ERROR = "internal_error"

    @property
    def order(self) -> int:
        """Return the index in the order of reasons, from 0."""
        return _ORDER[self]


_ORDER = {reason: index for index, reason in enumerate(Reason)}


class Disposition(StrEnum):
    """What happens to a rejected call."""

    REFUSED = "refused"
    """Answer with the refusal; the application never sees the call."""
    REPORTED = "reported"
    """Let it through, logged and counted as a refusal that report mode held back."""
    UNPROTECTED = "unprotected"
    """Let it through without an identity: this path asks for no certificate."""


class RevocationState(StrEnum):
    """The revocation state of an accepted chain."""

    GOOD = "good"
    """A fresh CRL tells of each certificate below the anchor, and names none."""
    UNKNOWN = "unknown"
    """No CRL names one, but not every certificate has a fresh CRL that would."""
    OFF = "off"
    """Nobody asked."""


class _Decision:
    """What both decisions share: their certificates are pickled as DER."""

    __slots__ = ()

    chain: tuple[x509.Certificate, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]  # both are dataclasses
        ders = [certificate.public_bytes(Encoding.DER) for certificate in self.chain]
        return _from_pickle, (type(self), {**values, "chain": ders})


def _from_pickle(kind: "type[Accepted | Rejected]", values: dict[str, Any]) -> "Accepted | Rejected":
    return kind(**{**values, "chain": tuple(map(x509.load_der_x509_certificate, values["chain"]))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(_Decision):
    """The decision to let a call through as `identity`.

    Attributes:
        identity: who called.
        protected: whether the path asked for an identity.
        cached: whether the verdict on the certificate was known from an earlier call.
        not_before: start of the life of the verdict behind it, UTC.
        not_after: end of it.
        version: of the trust by which it was judged.
        revocation: what is known of the revocation of the chain.
        chain: the verified certificate chain, leaf first, anchor last.
    """

    __module__ = "mtls_middleware"

    identity: ClientIdentity
    protected: bool
    cached: bool
    not_before: datetime
    not_after: datetime
    version: int
    revocation: RevocationState = RevocationState.OFF
    chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        require_members(self, revocation=RevocationState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The refused certificate, for operators. All of it is unbelieved text from a caller."""

    fingerprint_sha256: str
    subject: str
    issuer: str
    dns_names: tuple[str, ...]
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(_Decision):
    """The decision to refuse a call, and the reason.

    Attributes:
        reason: what the caller is told.
        detail: what the operator is told, in the log only.
        disposition: whether the call is refused, or let through all the same.
        evidence: the certificate, where one could be read.
        error: the unforeseen exception behind ``internal_error``.
        chain: the certificate chain, leaf first, anchor last, if it was verified but refused all the same: for
            ``region_mismatch``, ``not_pinned``, ``certificate_revoked`` and ``revocation_unknown``; else empty.
    """

    __module__ = "mtls_middleware"

    reason: Reason
    detail: str
    disposition: Disposition
    evidence: Evidence | None = None
    error: BaseException | None = None
    chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        require_members(self, reason=Reason, disposition=Disposition)

    @property
    def protected(self) -> bool:
        """Return whether the path asked for an identity."""
        return self.disposition is not Disposition.UNPROTECTED


Decision = Accepted | Rejected


class RejectionError(Exception):
    """Carry a reason from where it is found up to the gate, the only place that catches it."""

    def __init__(
        self,
        reason: Reason,
        detail: str,
        evidence: Evidence | None = None,
        chain: tuple[x509.Certificate, ...] = (),
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.evidence = evidence
        self.chain = chain
        super().__init__(f"{reason}: {detail}")
