"""CRLs, well-formed but of unknown truth, and those of one moment, found by the key that signed them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from mtls_middleware._core.certificate import UNREADABLE, crl_addresses
from mtls_middleware._core.serials import SerialNumbers
from mtls_middleware.members import require_members

ISSUERS_KEPT = 256
"""Issuers beyond the known ones whose CRLs are kept; callers bring them, so there must be an end."""

SignatureScheme = padding.PKCS1v15 | padding.PSS | ec.ECDSA


class Limit(StrEnum):
    """Why a CRL of its CA cannot confirm that a certificate is good, however fresh it is. It can still revoke."""

    NONE = ""
    DELTA = "is a delta CRL"
    """It has only what changed since another one (RFC 5280 §5.2.4)."""
    INDIRECT = "is an indirect CRL"
    """Another CA may name its certificates there, and a certificate may have to say so (RFC 5280 §6.3.3 b)."""
    REASONS = "covers only some reasons"
    ATTRIBUTES = "covers only attribute certificates"
    RELATIVE_NAME = "is bound to a relative name"
    OTHER_NAME = "is bound to a name that is not an address"


class CRLScope(StrEnum):
    """The kind of certificates that a CRL covers (RFC 5280 §5.2.5)."""

    ALL = "all"
    CALLERS = "callers"
    """End entities only: onlyContainsUserCerts."""
    AUTHORITIES = "authorities"
    """CAs only: onlyContainsCACerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CRLSignature:
    """The signature of a CRL, ready to be checked against a key at a cost that does not depend on the CRL's length.

    Attributes:
        scheme: padding of RSA, or ECDSA.
        digest: hash of the signed part.
        algorithm: of that hash.
        value: the signature.
    """

    scheme: SignatureScheme
    digest: bytes
    algorithm: Prehashed
    value: bytes

    def is_by(self, key: object) -> bool:
        """Return whether this public key made it."""
        try:
            match key, self.scheme:
                case rsa.RSAPublicKey(), padding.PKCS1v15() | padding.PSS() as scheme:
                    key.verify(self.value, self.digest, scheme, self.algorithm)
                case ec.EllipticCurvePublicKey(), ec.ECDSA():
                    key.verify(self.value, self.digest, ec.ECDSA(self.algorithm))
                case _:
                    return False
        except (InvalidSignature, *UNREADABLE):
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CRL:
    """One CRL. Who signed it is not known before `is_signed_by`. Two CRLs of the same bytes are equal.

    Attributes:
        fingerprint_sha256: of its DER, lower-case hex.
        issuer: name of the CA that is said to have signed it.
        authority_key_identifier: of the key that is said to have; None where it does not say.
        authority_serial_number: of the certificate of that key; None where it does not say.
        number: its CRL number: it counts up; None where it has none, as easy-rsa's and cfssl's.
        this_update: before this it is not usable, UTC.
        next_update: after this it is stale, UTC; None where it does not say: then it is never fresh.
        addresses: it tells only of certificates that name one of these as the address of their CRL; None where it
            tells of all. On the wire: fullName of a distribution point (RFC 5280 §5.2.5).
        scope: of which kind of certificates it tells.
        limit: why it cannot confirm that a certificate is good.
        variant: what else distinguishes a limited CRL from others of its CA: reasons, base and names; else empty.
        serial_numbers: of what it revokes.
        signature: to be checked against the issuer's key.
        origin: address or file, for messages.
    """

    fingerprint_sha256: str
    issuer: x509.Name = field(compare=False)
    authority_key_identifier: bytes | None = field(compare=False)
    authority_serial_number: int | None = field(compare=False)
    number: int | None = field(compare=False)
    this_update: datetime = field(compare=False)
    next_update: datetime | None = field(compare=False)
    addresses: frozenset[str] | None = field(compare=False)
    scope: CRLScope = field(compare=False)
    limit: Limit = field(compare=False)
    variant: bytes = field(compare=False, repr=False)
    serial_numbers: SerialNumbers = field(compare=False, repr=False)
    signature: CRLSignature = field(compare=False, repr=False)
    origin: str = field(compare=False)

    def __post_init__(self) -> None:
        require_members(self, scope=CRLScope, limit=Limit)

    @property
    def part(self) -> tuple[frozenset[str] | None, CRLScope, bytes]:
        """Return what it tells of: of two CRLs of one key with the same part, the newer one replaces the older."""
        return self.addresses, self.scope, self.variant

    @property
    def title(self) -> str:
        """Return its number, or else its date, for messages."""
        return f"CRL {self.number}" if self.number is not None else f"the CRL of {self.this_update:%Y-%m-%d %H:%M:%SZ}"

    def is_older_than(self, other: "CRL") -> bool:
        """Return whether another CRL of the same part was issued after it; where one has no number, the dates decide.

        RFC 5280 §5.2.3: with a later thisUpdate, the number is not lower. So whichever goes back is older.
        """
        return self.goes_back_to(other) or self.this_update < other.this_update

    def goes_back_to(self, other: "CRL") -> bool:
        """Return whether its number is lower than another's: an old CRL, or a CA that was restored from a backup."""
        return self.number is not None and other.number is not None and self.number < other.number

    def supersedes(self, other: "CRL") -> bool:
        """Return whether a complete CRL makes a limited one of the same certificates void, because it is newer.

        A delta and its base share their numbers (RFC 5280 §5.2.3), and one with the delta's number has what the delta
        has. Other limited ones count for themselves.
        """
        if self.limit or not other.limit or (self.addresses, self.scope) != (other.addresses, other.scope):
            return False
        if other.limit is Limit.DELTA and self.number is not None and other.number is not None:
            return self.number >= other.number
        return self.this_update > other.this_update

    def is_usable(self, now: datetime) -> bool:
        """Return whether it has begun to count; a stale one still does."""
        return self.this_update <= now

    def is_fresh(self, now: datetime) -> bool:
        """Return whether `now` is between its two dates."""
        return self.next_update is not None and self.this_update <= now <= self.next_update

    def confirms(self, now: datetime) -> bool:
        """Return whether a certificate that it covers and does not name is good at `now`."""
        return not self.limit and self.is_fresh(now)

    def covers(self, certificate: x509.Certificate, *, is_ca: bool) -> bool:
        """Return whether it would list this certificate of its issuer, were it revoked, for whatever reason."""
        if self.limit or self.scope is (CRLScope.CALLERS if is_ca else CRLScope.AUTHORITIES):
            return False
        return self.addresses is None or not self.addresses.isdisjoint(crl_addresses(certificate))

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Return whether this CA signed it, and may sign CRLs (RFC 5280 §6.3.3 f, g).

        Args:
            issuer: a believed CA; whether it is valid is not looked at.
        """
        return (
            issuer.subject == self.issuer
            and self._means(issuer)
            and _may_sign_crls(issuer)
            and self.signature.is_by(issuer.public_key())
        )

    def _means(self, issuer: x509.Certificate) -> bool:
        """Return whether what it says of its issuer's key fits; a renewed CA keeps the key, and gets a new number."""
        identifier = _subject_key_identifier(issuer)
        if self.authority_key_identifier is not None and identifier is not None:
            return identifier == self.authority_key_identifier
        return self.authority_serial_number in (None, issuer.serial_number)


class CRLSet:
    """The CRLs of one moment, by the CA that signed them. They never change.

    Attributes:
        crls: all of them.
        issuers: CAs that were known when this was built.
    """

    def __init__(self, crls: Iterable[CRL] = (), issuers: Iterable[x509.Certificate] = ()) -> None:
        """Index CRLs.

        Args:
            crls: of any issuer, in any state, also several of one.
            issuers: CAs whose signatures are checked now. Other CAs, which callers bring, are checked when they come.
        """
        self.crls = tuple(dict.fromkeys(crls))
        self.issuers = tuple(dict.fromkeys(issuers))
        self._by_name: defaultdict[x509.Name, list[CRL]] = defaultdict(list)
        for one in self.crls:
            self._by_name[one.issuer].append(one)
        self._known = {issuer: self._signed_by(issuer) for issuer in self.issuers}
        self._met: dict[x509.Certificate, tuple[CRL, ...]] = {}

    def of(self, issuer: x509.Certificate) -> tuple[CRL, ...]:
        """Return the CRLs that this CA signed, in any state."""
        found = self._known.get(issuer)
        if found is None:
            found = self._met.get(issuer)
        if found is None:
            found = self._signed_by(issuer)
            if len(self._met) < ISSUERS_KEPT:
                self._met[issuer] = found
        return found

    def is_same(self, other: "CRLSet") -> bool:
        """Return whether both tell the same of the same CAs."""
        return (self.crls, self.issuers) == (other.crls, other.issuers)

    def named(self, issuer: x509.Name) -> tuple[CRL, ...]:
        """Return the CRLs that bear a CA's name, whoever signed them."""
        return tuple(self._by_name.get(issuer, ()))

    def _signed_by(self, issuer: x509.Certificate) -> tuple[CRL, ...]:
        return tuple(one for one in self.named(issuer.subject) if one.is_signed_by(issuer))

    def __len__(self) -> int:
        """Return the number of CRLs."""
        return len(self.crls)


def _may_sign_crls(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True  # RFC 5280 §6.3.3 f: "if a key usage extension is present"
    except UNREADABLE:
        return False


def _subject_key_identifier(issuer: x509.Certificate) -> bytes | None:
    try:
        return issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None
