"""PEM in files (RFC 7468): certificates with any text around them, as openssl writes, and nothing half understood.

Looser readers take the first block and pass over what they cannot read. Here one bad block spoils the file, because a
root that is silently missing shows only on the day when it is needed.
"""

import binascii
import re
from collections.abc import Iterator

from mtls_middleware._trust.report import Unusable
from mtls_middleware.display import displayed

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


def is_pem(data: bytes) -> bool:
    """Return whether this claims to be PEM, well-formed or not."""
    return _MARK in data


def decode(data: bytes) -> tuple[bytes, ...]:
    """Return the content of each certificate block; at least one.

    Raises:
        Unusable: a block is no certificate, or is broken.
    """
    lines = iter(data.splitlines())
    ders: list[bytes] = []
    while _find_begin(lines, number := len(ders) + 1):
        if number > CERTIFICATES:
            raise Unusable(f"holds more than {CERTIFICATES:,} certificates")
        ders.append(_content(_until_end(lines, number), number))
    if not ders:
        raise Unusable("holds no PEM certificate")
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
                raise Unusable(f"an END line without BEGIN stands where PEM block {number} would begin")
    return False


def _until_end(lines: Iterator[bytes], number: int) -> list[bytes]:
    """Return the lines up to the END line, and go on behind it."""
    block: list[bytes] = []
    for line in lines:
        match _boundary(line, number):
            case None:
                block.append(line.strip(b" \t"))
            case "BEGIN", _:
                raise Unusable(f"PEM block {number} has no END line before the next BEGIN")
            case _, label if label != _LABEL:
                raise Unusable(f"PEM block {number} begins as {_LABEL} and ends as {displayed(label)}")
            case _:
                return block
    raise Unusable(f"PEM block {number} has no END line: the file is cut off")


def _boundary(raw_line: bytes, number: int) -> tuple[str, str] | None:
    line = raw_line.removeprefix(_BYTE_ORDER_MARK)  # also behind the seam of two files put together
    if not _LOOKS_LIKE_BOUNDARY.search(line):
        return None
    match = _BOUNDARY.fullmatch(line)
    if match is None:
        raise Unusable(f"PEM block {number}: each BEGIN and END must stand complete on a line of its own")
    return match[1].decode("ascii"), match[2].decode("utf-8", "replace")


def _require_certificate(label: str, number: int) -> None:
    if label.endswith("PRIVATE KEY"):
        raise Unusable(f"PEM block {number} is a private key: only certificates belong here, keep keys elsewhere")
    if label != _LABEL:
        cure = _CURES.get(label, "only CERTIFICATE blocks belong here")
        raise Unusable(f"PEM block {number} is {displayed(label)}, not {_LABEL}: {cure}")


def _content(lines: list[bytes], number: int) -> bytes:
    try:
        content = binascii.a2b_base64(b"".join(lines), strict_mode=True)
    except ValueError as error:
        raise Unusable(f"PEM block {number} is not valid base64 ({error}): fetch the file again") from error
    if not content:
        raise Unusable(f"PEM block {number} is empty")
    return content
