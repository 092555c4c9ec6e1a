"""The listing of client certificates, as the certificates API gives it: every field may be missing, or be new to us.

What is not understood is passed over with a warning, and makes the answer incomplete: nobody may conclude from it that
a certificate has gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._io.files import InputError, Object
from mtls_middleware._trust.files import content
from mtls_middleware._trust.files.content import is_ca, is_self_issued, parse_certificates
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority

PEM_BYTES = 65_536
"""Of one entry; three RSA-4096 certificates need about 7,000."""

_SHOWN = 40
_AUTHORITIES = {"digicert": Authority.DIGICERT, "genesys": Authority.GENESYS}
_CLIENT = "client"


class CertificateStatus(StrEnum):
    """The status of a certificate: whether Genesys calls with it already."""

    CURRENT = "current"
    UPCOMING = "upcoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCertificate:
    """A client certificate of a region, as the API lists it.

    Attributes:
        authority: ``digicert`` or ``genesys``.
        status: current or upcoming.
        leaf: the client certificate.
        intermediates: of its chain; a root in the answer is left out, for it is never an anchor.
    """

    authority: Authority
    status: CertificateStatus
    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]

    @property
    def leaf_der(self) -> bytes:
        """Return the DER of the client certificate."""
        return self.leaf.public_bytes(Encoding.DER)

    @property
    def fingerprint_sha256(self) -> str:
        """Return the SHA-256 of the client certificate's DER in lower-case hex."""
        return fingerprint(self.leaf_der)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing.

    Attributes:
        certificates: those that were understood.
        warnings: one clause for each entry that was not.
        next_uri: of the next page, unbelieved; None on the last.
    """

    certificates: tuple[ListedCertificate, ...]
    warnings: tuple[str, ...]
    next_uri: str | None


@dataclass(slots=True)
class _Found:
    certificates: list[ListedCertificate] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def parse_page(listing: Object, asked_for: CertificateStatus | None) -> Page:
    """Read a page.

    Args:
        listing: its JSON.
        asked_for: the status that the query named: that of an entry that tells none.

    Raises:
        InputError: it is no listing.
    """
    entities, next_uri = listing.get("entities"), listing.get("nextUri")
    if entities is None:
        entities = []
    if not isinstance(entities, list):
        raise InputError("its entities are no list")
    if next_uri is not None and not isinstance(next_uri, str):
        raise InputError("its nextUri is no text")
    found = _Found()
    for number, entity in enumerate(entities, 1):
        try:
            found.certificates.append(_parse_entity(entity, asked_for))
        except InputError as error:
            found.warnings.append(f"entry {number} {error}")
    return Page(certificates=tuple(found.certificates), warnings=tuple(found.warnings), next_uri=next_uri or None)


def listed(
    authority: Authority, status: CertificateStatus, certificates: tuple[x509.Certificate, ...]
) -> ListedCertificate:
    """Return the client certificate and its chain, whatever their order.

    Raises:
        InputError: there is no client certificate among them, or more than one.
    """
    leaves = [certificate for certificate in certificates if not is_ca(certificate)]
    if len(leaves) != 1:
        raise InputError(f"holds {len(leaves)} client certificates instead of one")
    return ListedCertificate(
        authority=authority,
        status=status,
        leaf=leaves[0],
        intermediates=tuple(one for one in certificates if is_ca(one) and not is_self_issued(one)),
    )


def _parse_entity(entity: object, asked_for: CertificateStatus | None) -> ListedCertificate:
    if not isinstance(entity, dict):
        raise InputError("is no object")
    kind = _word(entity, "type")
    if kind not in {None, _CLIENT}:
        raise InputError(f"has the unknown type {displayed(str(kind), _SHOWN)}")
    status = _status(_word(entity, "status"), asked_for)
    certificates = _certificates(entity.get("certificate"))
    return listed(_authority(_word(entity, "signingAuthority"), certificates), status, certificates)


def _word(entity: Object, name: str) -> str | None:
    value = entity.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"has a {name} that is no text")
    return value.strip().lower() if value is not None else None


def _status(word: str | None, asked_for: CertificateStatus | None) -> CertificateStatus:
    if word is None:
        return asked_for or CertificateStatus.CURRENT
    try:
        return CertificateStatus(word)
    except ValueError as error:
        raise InputError(f"has the unknown status {displayed(word, _SHOWN)}") from error


def _authority(word: str | None, certificates: tuple[x509.Certificate, ...]) -> Authority:
    if word is None:
        # DigiCert's come with their chain; those of Genesys are signed by a root that this API never gives.
        return Authority.DIGICERT if len(certificates) > 1 else Authority.GENESYS
    if word not in _AUTHORITIES:
        raise InputError(f"has the unknown signingAuthority {displayed(word, _SHOWN)}")
    return _AUTHORITIES[word]


def _certificates(text: object) -> tuple[x509.Certificate, ...]:
    if not isinstance(text, str) or len(text) > PEM_BYTES:
        raise InputError(f"has no certificate in text of at most {PEM_BYTES:,} characters")
    data = text.encode("utf-8", "replace")
    if not content.is_pem(data):
        raise InputError("has a certificate that is not PEM")
    try:
        return parse_certificates(data)
    except InputError as error:
        raise InputError(f"has a certificate that cannot be used: it {error}") from error


def by_fingerprint(certificates: Iterable[ListedCertificate]) -> tuple[ListedCertificate, ...]:
    """Keep each certificate once; one that is listed as current and as upcoming is current."""
    found: dict[str, ListedCertificate] = {}
    for one in certificates:
        known = found.get(one.fingerprint_sha256)
        if known is None or one.status is CertificateStatus.CURRENT:
            found[one.fingerprint_sha256] = one
    return tuple(found.values())
