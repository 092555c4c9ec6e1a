"""From a path to the certificates in it: one file, PEM, DER or zip. The content decides, never the name."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography import x509

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._io import files
from mtls_middleware._io.files import InputError, NotACertificateError, Problems
from mtls_middleware._trust.files import archive
from mtls_middleware.display import displayed
from mtls_middleware.regions import find

_CERTIFICATE_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".cert", ".der", ".zip", ".p7b", ".p7c", ".p12", ".pfx"})
"""A name that ends so promises certificates, so that what lacks them is an error and not something beside them."""

CERTIFICATE_BYTES = 65_536
"""Of one certificate, which may hold a name in every second byte; a root takes about 2,000."""

_SEQUENCE = b"\x30"
_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_PKCS12_VERSION = bytes.fromhex("020103")
_HEAD_BYTES = 32
_UTF16_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")

CERTIFICATES = 1_000
"""Certificates in one file; the public roots of the web are about 150."""

_MARK = b"-----BEGIN"
_LABEL = "CERTIFICATE"
_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([^-]*)-----[ \t]*")
_LOOKS_LIKE_BOUNDARY = re.compile(rb"-----(?:BEGIN|END)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_CURES = {
    "TRUSTED CERTIFICATE": "openssl x509 -in FILE -out NEW writes it as a plain one",
    "PKCS7": "openssl pkcs7 -in FILE -print_certs -out NEW takes the certificates out",
    "CERTIFICATE REQUEST": "a CA has to sign it first",
    "X509 CRL": "CRLs belong to MTLS_CRL_URLS",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A certificate, and where it was found.

    Attributes:
        certificate: readable, and otherwise unbelieved.
        origin: setting, file and zip entry, for messages.
        members: the names of its folders and its own in a zip, unbelieved.
    """

    certificate: x509.Certificate
    origin: str
    members: tuple[str, ...] = ()


def read_certificates(path: Path, origin: str, report: Problems, *, named: bool) -> tuple[Found, ...]:
    """Read one file. Nothing of it counts if a part of it is bad.

    Args:
        path: a file.
        origin: how messages call it.
        report: takes what is wrong.
        named: whether the operator named this file, and not only its folder.
    """
    try:
        data = files.read(path)
        if archive.is_zip(data):
            return _from_zip(data, origin, report)
        return tuple(Found(certificate=certificate, origin=origin) for certificate in parse_certificates(data))
    except NotACertificateError as error:
        if named or _promises_certificates(path.name):
            report.problems.append(f"{origin}: {error}")
        else:
            report.warnings.append(f"{origin}: {error}; it is ignored")
    except InputError as error:
        report.problems.append(f"{origin}: {error}")
    return ()


def _from_zip(data: bytes, origin: str, report: Problems) -> tuple[Found, ...]:
    found: list[Found] = []
    inside = Problems()
    for entry in archive.unpack(data):
        found += _from_entry(entry, f"{origin}: entry '{displayed(entry.name)}'", inside)
    if not found and not inside.problems:
        raise NotACertificateError("is a zip without any certificate: download it again")
    report.problems += inside.problems
    report.warnings += inside.warnings
    return () if inside.problems else tuple(found)


def _from_entry(entry: archive.ArchiveMember, origin: str, report: Problems) -> Iterator[Found]:
    try:
        if archive.is_zip(entry.data):
            raise NotACertificateError("is a zip inside a zip: unpack the outer one and name the inner one")  # noqa: TRY301 - as below
        for certificate in parse_certificates(entry.data):
            yield Found(certificate=certificate, origin=origin, members=PurePosixPath(entry.name).parts)
    except NotACertificateError as error:
        if _promises_certificates(entry.name):
            report.problems.append(f"{origin}: {error}")
        else:
            report.warnings.append(f"{origin}: {error}; it is ignored")
    except InputError as error:
        report.problems.append(f"{origin}: {error}")


def _promises_certificates(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _CERTIFICATE_SUFFIXES or find(path.stem) is not None


def parse_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read PEM with any number of certificates, or one DER certificate.

    Raises:
        InputError: broken, or partly broken.
        NotACertificateError: neither.
    """
    if is_pem(data):
        return tuple(
            _parse(der, f"the certificate in PEM block {number}") for number, der in enumerate(decode(data), 1)
        )
    if not data.strip():
        raise NotACertificateError("is empty")
    if data.startswith(_UTF16_BYTE_ORDER_MARKS):
        raise NotACertificateError("is UTF-16 text: save it as UTF-8")
    if data.lstrip()[:1] == b"<":
        raise NotACertificateError("is a web page or XML, not a certificate: download it again")
    if not data.startswith(_SEQUENCE):
        raise NotACertificateError("holds no certificate: it is neither PEM nor DER nor a zip")
    if _PKCS7_SIGNED_DATA in data[:_HEAD_BYTES]:
        raise InputError(
            "is a PKCS#7 bundle: openssl pkcs7 -inform DER -in FILE -print_certs takes the certificates out"
        )
    if _PKCS12_VERSION in data[:7]:
        raise InputError("is PKCS#12 or a private key: only certificates belong here, as PEM, DER or zip")
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
        raise InputError(f"{name} is larger than {CERTIFICATE_BYTES:,} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Names, dates, extensions and keys are decoded late; asking now keeps every complaint in this place.
        certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.serial_number  # noqa: B018
        tuple(certificate.extensions)
        certificate.public_key()
    except UNREADABLE as error:
        raise InputError(f"{name} cannot be read ({displayed(str(error))})") from error
    return certificate


def is_pem(data: bytes) -> bool:
    """Return whether this claims to be PEM, well-formed or not."""
    return _MARK in data


def decode(data: bytes) -> tuple[bytes, ...]:
    """Return the content of each certificate block; at least one.

    Raises:
        InputError: a block is no certificate, or is broken.
    """
    lines = iter(data.splitlines())
    ders: list[bytes] = []
    while _find_begin(lines, number := len(ders) + 1):
        if number > CERTIFICATES:
            raise InputError(f"holds more than {CERTIFICATES:,} certificates")
        ders.append(_content(_until_end(lines, number), number))
    if not ders:
        raise InputError("holds no PEM certificate")
    return tuple(ders)


def _find_begin(lines: Iterator[bytes], number: int) -> bool:
    """Go on behind the next BEGIN line; return whether there was one."""
    for line in lines:
        match _boundary(line, number):
            case None:
                continue
            case "BEGIN", label:
                _require_certificate(label, number)
                return True
            case _:
                raise InputError(f"an END line without BEGIN stands where PEM block {number} would begin")
    return False


def _until_end(lines: Iterator[bytes], number: int) -> list[bytes]:
    """Return the lines up to the END line, and go on behind it."""
    block: list[bytes] = []
    for line in lines:
        match _boundary(line, number):
            case None:
                block.append(line.strip(b" \t"))
            case "BEGIN", _:
                raise InputError(f"PEM block {number} has no END line before the next BEGIN")
            case _, label if label != _LABEL:
                raise InputError(f"PEM block {number} begins as {_LABEL} and ends as {displayed(label)}")
            case _:
                return block
    raise InputError(f"PEM block {number} has no END line: the file is cut off")


def _boundary(raw_line: bytes, number: int) -> tuple[str, str] | None:
    line = raw_line.removeprefix(_BYTE_ORDER_MARK)  # also behind the seam of two files put together
    if not _LOOKS_LIKE_BOUNDARY.search(line):
        return None
    match = _BOUNDARY.fullmatch(line)
    if match is None:
        raise InputError(f"PEM block {number}: each BEGIN and END must stand complete on a line of its own")
    return match[1].decode("ascii"), match[2].decode("utf-8", "replace")


def _require_certificate(label: str, number: int) -> None:
    if label.endswith("PRIVATE KEY"):
        raise InputError(f"PEM block {number} is a private key: only certificates belong here, keep keys elsewhere")
    if label != _LABEL:
        cure = _CURES.get(label, "only CERTIFICATE blocks belong here")
        raise InputError(f"PEM block {number} is {displayed(label)}, not {_LABEL}: {cure}")


def _content(lines: list[bytes], number: int) -> bytes:
    try:
        content = binascii.a2b_base64(b"".join(lines), strict_mode=True)
    except ValueError as error:
        raise InputError(f"PEM block {number} is not valid base64 ({error}): fetch the file again") from error
    if not content:
        raise InputError(f"PEM block {number} is empty")
    return content
