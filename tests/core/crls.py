"""Revocation lists for tests: good, and bad in each way that a list can be bad."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.crl import CRL, CRLSet
from mtls_middleware._trust.crl import der
from mtls_middleware._trust.crl.parsing import parse_crl
from mtls_middleware.testing import ClientCertificate, RegionalCA
from mtls_middleware.testing.signing import PrivateKey, key_identifier
from tests.core.certs import DAY, NOW

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)

Revoked = int | x509.Certificate | ClientCertificate | x509.RevokedCertificate
Extension = tuple[x509.ExtensionType, bool]
Field = bytes


def crl(
    ca: RegionalCA,
    revoked: Iterable[Revoked] = (),
    *,
    number: int | None = 1,
    critical_number: bool = False,
    addresses: Sequence[str] = (),
    point: dict[str, Any] | None = None,
    critical_point: bool = True,
    begins: datetime | None = None,
    ends: datetime | None = None,
    extensions: Sequence[Extension] = (),
    identifier: x509.AuthorityKeyIdentifier | bool = True,
    issuer: x509.Name | None = None,
    key: PrivateKey | None = None,
    hash_algorithm: Any = None,
    rsa_padding: Any = None,
) -> bytes:
    """Sign a list: as AWS Private CA does, unless a keyword says otherwise."""
    signer = key or ca.private_key
    start = begins or (NOW - HOUR if ends is None else min(NOW - HOUR, ends - DAY))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer or ca.certificate.subject)
        .last_update(start)
        .next_update(start + WEEK if ends is None else ends)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=critical_number)
    if identifier:
        own = key_identifier(ca.private_key) if identifier is True else identifier
        builder = builder.add_extension(own, critical=False)
    if addresses or point is not None:
        builder = builder.add_extension(issuing_point(*addresses, **(point or {})), critical=critical_point)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    for one in revoked:
        builder = builder.add_revoked_certificate(one if isinstance(one, x509.RevokedCertificate) else entry(one))
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hash_algorithm or hashes.SHA256()
    return builder.sign(signer, algorithm, rsa_padding=rsa_padding).public_bytes(Encoding.DER)


def entry(revoked: Revoked, *extensions: Extension, at: datetime = NOW - WEEK) -> x509.RevokedCertificate:
    """Name one certificate."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial_number(revoked)).revocation_date(at)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.build()


def serial_number(revoked: Revoked) -> int:
    if isinstance(revoked, ClientCertificate):
        return revoked.certificate.serial_number
    return revoked if isinstance(revoked, int) else revoked.serial_number


def issuing_point(*addresses: str, **options: Any) -> x509.IssuingDistributionPoint:
    """Say what a list is bound to."""
    defaults: dict[str, Any] = {
        "full_name": [x509.UniformResourceIdentifier(address) for address in addresses] or None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**defaults, **options})


def edited(
    ca: RegionalCA, signed: bytes, edit: Callable[[list[Field]], list[Field]], algorithm: Field | None = None
) -> bytes:
    """Change the fields of the signed part of a list, and the algorithm beside it, and sign it again."""
    outer = der.element(signed, 0, len(signed))
    tbs, named, _ = der.elements(signed, outer.content, outer.end)
    fields = [signed[field.begin : field.end] for field in der.elements(signed, tbs.content, tbs.end)]
    new = der.encode(der.SEQUENCE, b"".join(edit(fields)))
    signature = der.encode(der.BIT_STRING, b"\0" + _signature(ca.private_key, new))
    return der.encode(der.SEQUENCE, new + (algorithm or signed[named.begin : named.end]) + signature)


def with_entries(ca: RegionalCA, entries: bytes) -> bytes:
    """Sign a list with these bytes in place of its entries."""
    signed = crl(ca, [1])
    return edited(ca, signed, lambda fields: [*fields[:5], der.encode(der.SEQUENCE, entries), *fields[6:]])


def _signature(key: PrivateKey, data: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        case _:
            raise AssertionError


def parsed(signed: bytes, origin: str = "list.crl") -> CRL:
    return parse_crl(signed, origin, pause=lambda: None)


def lists(*signed: bytes, issuers: Iterable[RegionalCA] = ()) -> CRLSet:
    return CRLSet(
        [parsed(one, f"list-{index}.crl") for index, one in enumerate(signed)], [ca.certificate for ca in issuers]
    )
