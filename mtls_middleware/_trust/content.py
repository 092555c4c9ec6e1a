"""From the bytes of a file to certificates. The content decides what they are, never the name."""

from cryptography import x509

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._trust import pem
from mtls_middleware._trust.report import Foreign, Unusable
from mtls_middleware.display import displayed

CERTIFICATE_BYTES = 65_536
"""Of one certificate, which may hold a name in every second byte; a root takes about 2,000."""

_SEQUENCE = b"\x30"
_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_PKCS12_VERSION = bytes.fromhex("020103")
_HEAD_BYTES = 32
_UTF16_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def parse_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read PEM with any number of certificates, or one DER certificate.

    Raises:
        Unusable: broken, or partly broken.
        Foreign: neither.
    """
    if pem.is_pem(data):
        return tuple(
            _parse(der, f"the certificate in PEM block {number}") for number, der in enumerate(pem.decode(data), 1)
        )
    if not data.strip():
        raise Foreign("is empty")
    if data.startswith(_UTF16_BYTE_ORDER_MARKS):
        raise Foreign("is UTF-16 text: save it as UTF-8")
    if data.lstrip()[:1] == b"<":
        raise Foreign("is a web page or XML, not a certificate: download it again")
    if not data.startswith(_SEQUENCE):
        raise Foreign("holds no certificate: it is neither PEM nor DER nor a zip")
    if _PKCS7_SIGNED_DATA in data[:_HEAD_BYTES]:
        raise Unusable("is a PKCS#7 bundle: openssl pkcs7 -inform DER -in FILE -print_certs takes the certificates out")
    if _PKCS12_VERSION in data[:7]:
        raise Unusable("is PKCS#12 or a private key: only certificates belong here, as PEM, DER or zip")
    return (_parse(data, "the DER certificate"),)


def is_ca(certificate: x509.Certificate) -> bool:
    """Return whether basicConstraints says CA (RFC 5280 §4.2.1.9)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Return whether subject and issuer are the same name."""
    return certificate.subject == certificate.issuer


def _parse(der: bytes, name: str) -> x509.Certificate:
    if len(der) > CERTIFICATE_BYTES:
        raise Unusable(f"{name} is larger than {CERTIFICATE_BYTES:,} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Names, dates, extensions and keys are decoded late; asking now keeps every complaint in this place.
        certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.serial_number  # noqa: B018
        tuple(certificate.extensions)
        certificate.public_key()
    except UNREADABLE as error:
        raise Unusable(f"{name} cannot be read ({displayed(str(error))})") from error
    return certificate
