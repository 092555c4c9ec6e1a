"""Certificate revocation lists, as AWS Private CA publishes them: complete, DER, with number and key identifier."""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware.testing.certificates import ClientCertificate
from mtls_middleware.testing.keys import PrivateKey
from mtls_middleware.testing.signing import hash_for, key_identifier

Revoked = int | x509.Certificate | ClientCertificate
"""What a list can name: a serial number, or the certificate that has it."""


def revocation_list(
    issuer: x509.Name,
    key: PrivateKey,
    revoked: Iterable[Revoked],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> bytes:
    """Sign a revocation list, and return its DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(key_identifier(key), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(_serial_number(entry)).revocation_date(this_update).build()
        )
    return builder.sign(key, hash_for(key)).public_bytes(Encoding.DER)


def _serial_number(entry: Revoked) -> int:
    match entry:
        case int():
            return entry
        case ClientCertificate():
            return entry.certificate.serial_number
        case x509.Certificate():
            return entry.serial_number
