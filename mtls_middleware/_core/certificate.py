"""Certificates, from unbelieved to believed: ``PresentedChain`` → ``VerifiedChain``."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from mtls_middleware._core.decision import Evidence, Reason, RejectionError
from mtls_middleware._core.elements import has_too_many_elements
from mtls_middleware.identity import ClientIdentity

UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    Warning,  # under `python -W error` cryptography's complaints about odd encodings arrive as exceptions
)
"""What cryptography raises on hostile bytes."""

REMEMBERED = 8
"""Chains that were read, for callers who come again after a refusal. What one may present bounds their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedChain:
    """The certificates that a caller presented: well-formed, and otherwise unbelieved.

    Attributes:
        leaf: the caller's own certificate.
        leaf_der: its bytes.
        intermediates: what came with it, in any order, related to it or not.
        subject: of the leaf, RFC 4514.
        issuer: of the leaf, RFC 4514.
        dns_names: dNSNames of the subject alternative name; None where the certificate has no such extension.
        uris: URIs of the subject alternative name.
        common_names: CNs of the subject.
        key_usage: None where the extension is absent.
        extended_key_usage: None where the extension is absent.
        is_ca: basicConstraints says CA.
    """

    leaf: x509.Certificate
    leaf_der: bytes
    intermediates: tuple[x509.Certificate, ...]
    subject: str
    issuer: str
    dns_names: tuple[str, ...] | None
    uris: tuple[str, ...]
    common_names: tuple[str, ...]
    key_usage: x509.KeyUsage | None
    extended_key_usage: frozenset[x509.ObjectIdentifier] | None
    is_ca: bool

    @property
    def fingerprint_sha256(self) -> str:
        """Return the SHA-256 of the leaf, in lower-case hex."""
        return fingerprint(self.leaf_der)

    @property
    def not_after(self) -> datetime:
        """Return when the leaf expires, UTC."""
        return self.leaf.not_valid_after_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedChain:
    """A certificate chain that was verified up to an anchor.

    Attributes:
        leaf: the caller's certificate.
        certificates: the leaf first, the anchor last.
        not_before: when the youngest of the certificates became valid.
        not_after: when the first of the certificates expires.
    """

    leaf: PresentedChain
    certificates: tuple[x509.Certificate, ...]
    not_before: datetime
    not_after: datetime

    @property
    def anchor(self) -> x509.Certificate:
        """Return the anchor that vouched."""
        return self.certificates[-1]


def evidence_of(certificate: PresentedChain | ClientIdentity) -> Evidence:
    """Return what an operator needs to recognise a certificate, believed or not."""
    return Evidence(
        fingerprint_sha256=certificate.fingerprint_sha256,
        subject=certificate.subject,
        issuer=certificate.issuer,
        dns_names=certificate.dns_names or (),
        not_after=certificate.not_after,
    )


@lru_cache(maxsize=REMEMBERED)
def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a certificate's DER in lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def crl_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return where the complete CRL that would revoke a certificate is published (RFC 5280 §4.2.1.13).

    They are alternatives. What names only some reasons, or a CRL that another CA signs, is left out.
    """
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    names = (name for point in points if not point.reasons and not point.crl_issuer for name in point.full_name or ())
    return tuple(dict.fromkeys(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)))


def parse_chain(ders: Sequence[bytes]) -> PresentedChain:
    """Read certificates, the leaf first.

    Raises:
        RejectionError: ``certificate_malformed``.
    """
    try:
        return _parsed(tuple(ders))
    except UNREADABLE as error:
        raise RejectionError(Reason.CERTIFICATE_MALFORMED, f"not a readable certificate: {error}") from error


@lru_cache(maxsize=REMEMBERED)
def _parsed(ders: tuple[bytes, ...]) -> PresentedChain:
    """Read the same bytes once: who was refused comes again with them, and they are all that this depends on."""
    if has_too_many_elements(ders):
        raise RejectionError(
            Reason.CERTIFICATE_MALFORMED, "more names, attributes or extensions than certificates have"
        )
    leaf, *others = (x509.load_der_x509_certificate(der) for der in ders)
    return _read(leaf, ders[0], tuple(others))


def _read(leaf: x509.Certificate, der: bytes, intermediates: tuple[x509.Certificate, ...]) -> PresentedChain:
    if leaf.serial_number < 1:  # RFC 5280 §4.1.2.2; cryptography only warns
        raise RejectionError(Reason.CERTIFICATE_MALFORMED, "the serial number is below 1")
    # By their exact types: a class pattern asks `abc`, which takes several times as long.
    extensions: dict[type, Any] = {type(extension.value): extension.value for extension in leaf.extensions}
    names = extensions.get(x509.SubjectAlternativeName)
    purposes = extensions.get(x509.ExtendedKeyUsage)
    constraints = extensions.get(x509.BasicConstraints)
    # Names and dates are decoded late by cryptography; asking now keeps every complaint inside `parse_chain`.
    for certificate in (leaf, *intermediates):
        certificate.not_valid_before_utc, certificate.not_valid_after_utc  # noqa: B018
    for certificate in intermediates:
        certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    subject = leaf.subject  # made anew each time that it is asked for
    return PresentedChain(
        leaf=leaf,
        leaf_der=der,
        intermediates=intermediates,
        subject=subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        dns_names=None if names is None else tuple(names.get_values_for_type(x509.DNSName)),
        uris=() if names is None else tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        common_names=tuple(str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)),
        key_usage=extensions.get(x509.KeyUsage),
        extended_key_usage=None if purposes is None else frozenset(purposes),
        is_ca=constraints is not None and constraints.ca,
    )
