"""From bytes to certificates: PEM or DER. What holds none is recognised, and says what it is."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cryptography import x509

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._io.files import InputError, NotACertificateError
from mtls_middleware._trust.crl import der
from mtls_middleware.display import displayed

CERTIFICATE_BYTES = 65_536
"""Of one certificate, which may hold a name in every second byte; a root takes about 2,000."""

CERTIFICATES = 1_000
"""Blocks in one PEM file; the public roots of the web are about 150."""

_LOOKS_LIKE_DER = re.compile(rb"0[\x80-\x84]|0.{0,31}[^\t\n\f\r -\xff]", re.DOTALL)
"""A SEQUENCE. A serial number or a checksum may begin with the digit zero, too, but is text."""

_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_HEAD_BYTES = 32
_UTF16_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BARE_BASE64 = re.compile(rb"MI[A-Za-z0-9+/=\s]+")
"""The base64 of a SEQUENCE that is longer than 127 bytes."""

_MARK = b"-----BEGIN"
_LABEL = "CERTIFICATE"
_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([^-]*)-----[ \t]*")
_LOOKS_LIKE_BOUNDARY = re.compile(rb"-----(?:BEGIN|END)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_FIXES = {
    "TRUSTED CERTIFICATE": "openssl x509 -in FILE -out NEW writes it as a plain one",
    "PKCS7": "openssl pkcs7 -in FILE -print_certs -out NEW takes the certificates out",
    "CERTIFICATE REQUEST": "a CA has to sign it first",
    "X509 CRL": "CRLs belong to MTLS_CRL_URLS",
}


class OtherContentError(NotACertificateError):
    """Something known that holds no certificate, or not as it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of a file.

    Attributes:
        certificates: all of them; readable, and otherwise unbelieved.
        others: what else stands between them, one sentence each.
    """

    certificates: tuple[x509.Certificate, ...]
    others: tuple[str, ...] = ()


def parse_content(data: bytes) -> Content:
    """Read PEM with any number of certificates, or one DER certificate.

    Raises:
        InputError: broken, or partly broken.
        OtherContentError: something else that is known.
        NotACertificateError: something else.
    """
    if is_pem(data):
        return _parse_pem(data)
    if not data.strip():
        raise NotACertificateError("is empty")
    if data.startswith(_UTF16_BYTE_ORDER_MARKS):
        raise NotACertificateError("is UTF-16 text: save it as UTF-8")
    if data.lstrip()[:1] == b"<":
        raise NotACertificateError("is a web page or XML, not a certificate: download it again")
    if _BARE_BASE64.fullmatch(data):
        raise NotACertificateError("is base64 without its BEGIN and END lines: add them, or decode it")
    if not _LOOKS_LIKE_DER.match(data):
        raise NotACertificateError("holds no certificate: it is neither PEM nor DER nor a zip")
    other = _other_der(data)
    if other:
        raise OtherContentError(other)
    return Content(certificates=(_parse(data, "the DER certificate"),))


def parse_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read certificates, and nothing beside them.

    Raises:
        InputError: as `parse_content`, or there is something else beside them.
    """
    content = parse_content(data)
    if content.others:
        raise InputError(content.others[0])
    return content.certificates


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


_ATTRIBUTES = 0xA0
_SIGNED = [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]


def _other_der(data: bytes) -> str:
    """Return what DER is that is no certificate, by its outline; nothing where it may be one, or is broken."""
    if _PKCS7_SIGNED_DATA in data[:_HEAD_BYTES]:  # RFC 5652; it comes in BER, too
        return "is a PKCS#7 bundle: openssl pkcs7 -inform DER -in FILE -print_certs takes the certificates out"
    try:
        outer = _inside(data, der.element(data, 0, len(data)))
        tags = [part.tag for part in outer]
        is_key = tags[:1] == [der.INTEGER] and len(tags) > 1  # RFC 7292, RFC 5958, RFC 8017
        if is_key or tags == [der.SEQUENCE, der.OCTET_STRING]:  # RFC 5958, encrypted
            return "is PKCS#12 or a private key: only certificates belong here, as PEM, DER or zip"
        fields = [part.tag for part in _inside(data, outer[0])] if tags == _SIGNED else []
    except InputError:
        return ""
    if der.UTC_TIME in fields or der.GENERALIZED_TIME in fields:  # RFC 5280 §5.1; a certificate wraps its times
        return "is a CRL: CRLs belong to MTLS_CRL_URLS"
    if fields == [der.INTEGER, der.SEQUENCE, der.SEQUENCE, _ATTRIBUTES]:  # RFC 2986 §4.1
        return "is a certificate request: a CA has to sign it first"
    return ""


def _inside(data: bytes, outer: der.Element) -> list[der.Element]:
    """Return the first parts of an element; a certificate request has four, and what is longer is told by these."""
    return list(islice(der.elements(data, outer.content, outer.end), 4))


def is_pem(data: bytes) -> bool:
    """Return whether this claims to be PEM, well-formed or not."""
    return _MARK in data


def _parse_pem(data: bytes) -> Content:
    certificates: list[x509.Certificate] = []
    others: list[str] = []
    for number, block in enumerate(_blocks(data), 1):
        if isinstance(block, str):
            others.append(block)
        else:
            certificates.append(_parse(block, f"the certificate in PEM block {number}"))
    if not certificates:
        raise OtherContentError("; ".join(others) or "holds no PEM certificate")
    return Content(certificates=tuple(certificates), others=tuple(others))


def decode(data: bytes) -> tuple[bytes, ...]:
    """Return the content of each certificate block; at least one.

    Raises:
        InputError: a block is no certificate, or is broken.
    """
    ders: list[bytes] = []
    for block in _blocks(data):
        if isinstance(block, str):
            raise InputError(block)
        ders.append(block)
    if not ders:
        raise InputError("holds no PEM certificate")
    return tuple(ders)


def _blocks(data: bytes) -> Iterator[bytes | str]:
    """Yield the content of each certificate block, or what another block is."""
    lines = iter(data.splitlines())
    number = 1
    while (label := _find_begin(lines, number)) is not None:
        if number > CERTIFICATES:
            raise InputError(f"holds more than {CERTIFICATES:,} certificates")
        if label == _LABEL:
            yield _content(_until_end(lines, number, label), number)
        else:
            other = _other_block(label, number)
            try:
                _until_end(lines, number, label)
            except InputError as error:
                raise InputError(other) from error
            yield other
        number += 1


def _find_begin(lines: Iterator[bytes], number: int) -> str | None:
    """Go on behind the next BEGIN line, and return its label; None where there is none."""
    for line in lines:
        match _boundary(line, number):
            case None:
                continue
            case "BEGIN", label:
                return label
            case _:
                raise InputError(f"an END line without BEGIN stands where PEM block {number} would begin")
    return None


def _until_end(lines: Iterator[bytes], number: int, label: str) -> list[bytes]:
    """Return the lines up to the END line, and go on behind it."""
    block: list[bytes] = []
    for line in lines:
        match _boundary(line, number):
            case None:
                block.append(line.strip(b" \t"))
            case "BEGIN", _:
                raise InputError(f"PEM block {number} has no END line before the next BEGIN")
            case _, end if end != label:
                raise InputError(f"PEM block {number} begins as {displayed(label)} and ends as {displayed(end)}")
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


def _other_block(label: str, number: int) -> str:
    if label.endswith("PRIVATE KEY"):
        return f"PEM block {number} is a private key: only certificates belong here, keep keys elsewhere"
    fix = _FIXES.get(label, "only CERTIFICATE blocks belong here")
    return f"PEM block {number} is {displayed(label)}, not {_LABEL}: {fix}"


def _content(lines: list[bytes], number: int) -> bytes:
    try:
        content = binascii.a2b_base64(b"".join(lines), strict_mode=True)
    except ValueError as error:
        raise InputError(f"PEM block {number} is not valid base64 ({error}): fetch the file again") from error
    if not content:
        raise InputError(f"PEM block {number} is empty")
    return content
