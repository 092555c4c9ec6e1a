"""X.509 by hand, for what cryptography's builders refuse, and kinds of keys, strong and weak."""

import warnings
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

Hash = hashes.SHA1 | hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_SEQUENCE = 0x30
_INTEGER = 0x02
_BIT_STRING = 0x03
_LONG_FORM = 0x80
_SHORT_HEADER = 2

_SERIAL_BITS = 159
"""The longest serial number that builders take."""

_ECDSA_WITH_SHA1 = bytes.fromhex("300906072a8648ce3d0401")  # RFC 3279 §2.2.3
_RSA_WITH_SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")  # RFC 3279 §2.2.1

_AUTHORITY_USES = ("digital_signature", "key_cert_sign", "crl_sign")
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

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def name_of(*common_names: str) -> x509.Name:
    """Return a subject with these CNs."""
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "US"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")]
    return x509.Name([*attributes, *(x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names)])


def builder_for(subject: x509.Name, key: PrivateKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
    """Begin a certificate; `sign` adds its serial number."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def authority_builder(subject: x509.Name, key: PrivateKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
    """Begin a CA's certificate, with the extensions of AWS Private CA's templates."""
    return (
        builder_for(subject, key, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage_of(_AUTHORITY_USES), critical=True)
    )


def key_usage_of(uses: Iterable[str]) -> x509.KeyUsage:
    """Return a key usage extension with these uses, named as cryptography names them."""
    wanted = frozenset(uses)
    if unknown := wanted.difference(_USES):
        raise ValueError(f"no key usage: {', '.join(sorted(unknown))}")
    return x509.KeyUsage(**{use: use in wanted for use in _USES})


def distribution_points(url: str) -> x509.CRLDistributionPoints:
    """Return an extension that names one CRL."""
    name = x509.UniformResourceIdentifier(url)
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint(full_name=[name], relative_name=None, reasons=None, crl_issuer=None)]
    )


def key_identifier(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    """Return the extension that points to the key of a certificate's issuer."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def hash_for(key: PrivateKey) -> hashes.SHA256 | None:
    """Return the hash that a key's signatures use; Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def sign(
    builder: x509.CertificateBuilder,
    key: PrivateKey,
    *,
    hash_algorithm: Hash | None = None,
    serial_number: int | None = None,
) -> x509.Certificate:
    """Sign a certificate, by hand where the builder refuses the serial number or the hash.

    Args:
        builder: everything but the serial number.
        key: the issuer's.
        hash_algorithm: SHA-256 where it is None; Ed25519 takes none.
        serial_number: random where it is None; may be of any length, 0 or negative.
    """
    algorithm = hash_algorithm or hash_for(key)
    accepted = hashes.SHA256() if isinstance(algorithm, hashes.SHA1) else algorithm
    serial = x509.random_serial_number() if serial_number is None else serial_number
    if serial >= 1 and serial.bit_length() <= _SERIAL_BITS and accepted is algorithm:
        return builder.serial_number(serial).sign(key, accepted)
    draft = builder.serial_number(x509.random_serial_number()).sign(key, accepted)
    return _signed_again(draft, key, serial, algorithm)


def _signed_again(draft: x509.Certificate, key: PrivateKey, serial: int, algorithm: Hash | None) -> x509.Certificate:
    """Replace serial number and algorithm in the DER of a certificate (RFC 5280 §4.1), and sign it again."""
    version, rest = _first(_content(draft.tbs_certificate_bytes))
    _, rest = _first(rest)
    identifier, rest = _first(rest)
    if isinstance(algorithm, hashes.SHA1):
        identifier = _ECDSA_WITH_SHA1 if isinstance(key, ec.EllipticCurvePrivateKey) else _RSA_WITH_SHA1
    tbs = _encoded(_SEQUENCE, version + _integer(serial) + identifier + rest)
    signature = _encoded(_BIT_STRING, b"\0" + _signature(key, tbs, algorithm))
    with warnings.catch_warnings(action="ignore"):  # cryptography complains of the number that is wanted here
        return x509.load_der_x509_certificate(_encoded(_SEQUENCE, tbs + identifier + signature))


def _signature(key: PrivateKey, data: bytes, algorithm: Hash | None) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    hashed_by = algorithm or hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashed_by))
    return key.sign(data, padding.PKCS1v15(), hashed_by)


def _integer(value: int) -> bytes:
    # A negative number needs as many bits as its complement: -128 fits into one byte, 128 does not.
    bits = (value if value >= 0 else ~value).bit_length()
    return _encoded(_INTEGER, value.to_bytes(bits // 8 + 1, "big", signed=True))


def _encoded(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _LONG_FORM:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM + len(digits)]) + digits + content


def _first(encoded: bytes) -> tuple[bytes, bytes]:
    """Return the first element, with its header, and what follows it."""
    header = _header_length(encoded)
    length = int.from_bytes(encoded[2:header], "big") if header > _SHORT_HEADER else encoded[1]
    return encoded[: header + length], encoded[header + length :]


def _content(encoded: bytes) -> bytes:
    return encoded[_header_length(encoded) :]


def _header_length(encoded: bytes) -> int:
    return _SHORT_HEADER + (encoded[1] - _LONG_FORM if encoded[1] >= _LONG_FORM else 0)


class KeyKind(StrEnum):
    """A kind of key."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA4096 = "rsa4096"
    RSA1024 = "rsa1024"
    """Too weak: refused."""
    SECP256K1 = "secp256k1"
    """Unusual: refused."""
    ED25519 = "ed25519"
    """Unusual: refused."""


def generate(kind: KeyKind) -> PrivateKey:
    """Make a new private key."""
    match KeyKind(kind):
        case KeyKind.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.SECP256K1:
            return ec.generate_private_key(ec.SECP256K1())
        case KeyKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyKind.RSA1024 | KeyKind.RSA2048 | KeyKind.RSA4096:
            return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
