"""The DER of a revocation list in a file or an answer: as it is, or from one block of PEM (RFC 7468)."""

import binascii
from collections.abc import Iterator

from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.slices import Pause

SLICE_BYTES = 262_144
"""Of PEM that is decoded at a time; it takes about half a millisecond."""

_SEQUENCE = b"\x30"
_GZIP = b"\x1f\x8b"
_MARK = b"-----BEGIN "
_BEGIN = b"-----BEGIN X509 CRL-----"
_END = b"-----END X509 CRL-----"
_BLANKS = b" \t\r\n"
_QUANTUM = 4
"""Characters of base64 that stand for whole bytes."""


def content_of(data: bytes, pause: Pause) -> bytes:
    """Return the DER.

    Raises:
        Unusable: there is none, or more than one.
    """
    if data.startswith(_SEQUENCE):
        return data
    if _MARK in data:
        return b"".join(_decoded(_body(data), pause))
    if not data.strip():
        raise Unusable("is empty")
    if data.startswith(_GZIP):
        raise Unusable("is compressed: unpack it")
    if data[:256].lstrip()[:1] == b"<":
        raise Unusable("is a web page or XML, not a CRL")
    raise Unusable("is not a CRL: it is neither DER nor PEM")


def _body(data: bytes) -> memoryview:
    """Return what stands between the two lines of the only block."""
    if data.count(_MARK) > 1:
        raise Unusable("holds more than one PEM block: put each CRL into a separate file")
    begin, end = data.find(_BEGIN), data.find(_END)
    if begin < 0:
        raise Unusable("holds a PEM block that is no X509 CRL")
    if end < begin:
        raise Unusable("has no END line: it is cut off")
    return memoryview(data)[begin + len(_BEGIN) : end]


def _decoded(body: memoryview, pause: Pause) -> Iterator[bytes]:
    kept, is_padded = b"", False
    for begin in range(0, len(body), SLICE_BYTES):
        text = kept + bytes(body[begin : begin + SLICE_BYTES]).translate(None, _BLANKS)
        if is_padded and text:
            raise Unusable("is not valid base64: something follows its end")
        is_last = begin + SLICE_BYTES >= len(body)
        whole = len(text) if is_last else len(text) - len(text) % _QUANTUM
        ready, kept = text[:whole], text[whole:]
        is_padded = is_padded or b"=" in ready
        try:
            yield binascii.a2b_base64(ready, strict_mode=True)
        except ValueError as error:
            raise Unusable(f"is not valid base64 ({error})") from error
        pause()
