"""X.509 by hand: what builders do not do, or say at length."""

import warnings
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mtls_middleware.testing.keys import PrivateKey

Hash = hashes.SHA224 | hashes.SHA256 | hashes.SHA384

_SEQUENCE = 0x30
_INTEGER = 0x02
_BIT_STRING = 0x03
_SHORT_LENGTH = 0x80

_CA_USES = ("digital_signature", "key_cert_sign", "crl_sign")
_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def name_of(*common_names: str) -> x509.Name:
    """Return a subject with these CNs."""
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "US"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")]
    return x509.Name([*attributes, *(x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names)])


def builder_for(subject: x509.Name, key: PrivateKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
    """Begin a certificate."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def authority_builder(subject: x509.Name, key: PrivateKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
    """Begin a CA's certificate."""
    return (
        builder_for(subject, key, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage_of(_CA_USES), critical=True)
    )


def key_usage_of(uses: Iterable[str]) -> x509.KeyUsage:
    """Return a key usage extension with these uses."""
    wanted = frozenset(uses)
    return x509.KeyUsage(**{use: use in wanted for use in _USES})


def distribution_points(url: str) -> x509.CRLDistributionPoints:
    """Return an extension that names one CRL."""
    return x509.CRLDistributionPoints(
        [
            x509.DistributionPoint(
                full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, reasons=None, crl_issuer=None
            )
        ]
    )


def hash_for(key: PrivateKey) -> hashes.SHA256 | None:
    """Return the hash that a key's signatures use; Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def key_identifier(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    """Return the extension that points to the key of a certificate's issuer."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def self_signed(subject: x509.Name, key: PrivateKey, start: datetime, end: datetime) -> x509.Certificate:
    """Make a root."""
    return authority_builder(subject, key, start, end).issuer_name(subject).sign(key, hash_for(key))


def with_serial_number(certificate: x509.Certificate, serial_number: int, key: PrivateKey) -> x509.Certificate:
    """Return the same certificate with any serial number, signed again: builders refuse those below 1."""
    body = certificate.tbs_certificate_bytes
    content = body[_header_length(body) :].replace(_integer(certificate.serial_number), _integer(serial_number), 1)
    body = _encoded(_SEQUENCE, content)
    outer = certificate.public_bytes(Encoding.DER)
    algorithm_and_signature = outer[_header_length(outer) + len(certificate.tbs_certificate_bytes) :]
    algorithm = algorithm_and_signature[: _header_length(algorithm_and_signature) + _length(algorithm_and_signature)]
    signature = _encoded(_BIT_STRING, b"\0" + _signature(key, body))
    with warnings.catch_warnings(action="ignore"):  # cryptography complains of the number that is wanted here
        return x509.load_der_x509_certificate(_encoded(_SEQUENCE, body + algorithm + signature))


def _signature(key: PrivateKey, data: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(hashes.SHA256()))
        case ed25519.Ed25519PrivateKey():
            return key.sign(data)
        case _:
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _integer(value: int) -> bytes:
    return _encoded(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _encoded(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _SHORT_LENGTH:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT_LENGTH + len(digits)]) + digits + content


def _header_length(encoded: bytes) -> int:
    return 2 + (encoded[1] - _SHORT_LENGTH if encoded[1] >= _SHORT_LENGTH else 0)


def _length(encoded: bytes) -> int:
    return int.from_bytes(encoded[2 : _header_length(encoded)], "big") if encoded[1] >= _SHORT_LENGTH else encoded[1]
