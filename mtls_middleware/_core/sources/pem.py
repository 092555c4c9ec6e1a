"""PEM as callers and proxies present it: certificates one after another, and nothing else between or around them."""

from mtls_middleware._core.sources.base64der import base64_strict
from mtls_middleware._core.sources.presented import malformed

NEWLINES = b"\r\n"
WHITE_SPACE = b" \t\r\n"

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


def certificates(text: bytes, limit: int, separators: bytes = NEWLINES) -> tuple[bytes, ...]:
    """Return the DER of each certificate, `limit` + 1 of them at most.

    Args:
        text: the PEM.
        limit: how many the caller of this function would accept.
        separators: the bytes that may stand where RFC 7468 has a newline.
    """
    ders: list[bytes] = []
    position = _skip(text, 0, separators)
    while position < len(text) and len(ders) <= limit:
        if not text.startswith(_BEGIN, position):
            raise malformed("something that is not a PEM certificate")
        begin = position + len(_BEGIN)
        end = text.find(_END, begin)
        if end < 0:
            raise malformed("the PEM has no END line")
        if _skip(text, begin, separators) == begin:
            raise malformed("no newline behind the PEM's BEGIN line")
        ders.append(base64_strict(text[begin:end].translate(None, separators)))
        position = _skip(text, end + len(_END), separators)
    if not ders:
        raise malformed("no PEM certificate")
    return tuple(ders)


def single(text: bytes, separators: bytes = NEWLINES) -> bytes:
    """Return the DER of the one certificate that belongs here."""
    ders = certificates(text, 1, separators)
    if len(ders) != 1:
        raise malformed("two certificates where one belongs")
    return ders[0]


def _skip(text: bytes, position: int, separators: bytes) -> int:
    while position < len(text) and text[position] in separators:
        position += 1
    return position
