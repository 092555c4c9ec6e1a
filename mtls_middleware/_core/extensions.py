"""Which extensions a certificate on a chain must have, and may have.

The engine's defaults are those of the web: forms that public CAs agreed upon. An operator's own CA need not know them,
so what RFC 5280 §6 asks for is asked for here, and no more. An extension that is there is judged as by default, however
it is marked; an unknown critical one is refused; path lengths and name constraints are the engine's own.
"""

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

_CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


def ca_extensions() -> ExtensionPolicy:
    """Return what is asked of a CA: the anchor, and each intermediate."""
    return (
        ExtensionPolicy.webpki_defaults_ca()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _require_ca)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _require_signing)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _require_any_client)
    )


def leaf_extensions() -> ExtensionPolicy:
    """Return what is asked of a caller's certificate. Its names and purposes are judged elsewhere, too."""
    return (
        ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _require_client)
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    )


def _require_ca(_policy: Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("an issuer that is no CA")


def _require_signing(_policy: Policy, _certificate: x509.Certificate, extension: x509.KeyUsage | None) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("an issuer whose key usage lacks keyCertSign")


def _require_any_client(
    _policy: Policy, _certificate: x509.Certificate, extension: x509.ExtendedKeyUsage | None
) -> None:
    if extension is not None and not any(purpose in _CLIENT for purpose in extension):
        raise ValueError("an issuer whose extended key usage lacks clientAuth")


def _require_client(_policy: Policy, _certificate: x509.Certificate, extension: x509.ExtendedKeyUsage | None) -> None:
    if extension is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in extension:
        raise ValueError("an extended key usage that lacks clientAuth")
