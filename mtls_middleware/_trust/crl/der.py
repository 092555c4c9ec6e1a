"""The DER of a CRL: from a file or an answer, and just enough of X.690 to find where elements begin and end."""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import Pause

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30

_LONG_FORM = 0x80
_LENGTH_BYTES = 4

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


@dataclass(frozen=True, slots=True)
class Element:
    """The position of an element in its bytes.

    Attributes:
        tag: its identifier octet.
        begin: index of that octet.
        content: index of the first octet behind the length.
        end: index behind the last octet.
    """

    tag: int
    begin: int
    content: int
    end: int


def element(data: bytes, begin: int, limit: int) -> Element:
    """Find the element that begins at an index.

    Raises:
        InputError: it is cut off, or not DER.
    """
    if begin + 2 > limit:
        raise InputError("is cut off")
    content = begin + 2
    length = data[begin + 1]
    if length >= _LONG_FORM:
        content += length - _LONG_FORM
        if content - begin - 2 not in range(1, _LENGTH_BYTES + 1) or content > limit:
            raise InputError("is not DER")
        length = int.from_bytes(data[begin + 2 : content], "big")
        if length < _LONG_FORM or not data[begin + 2]:
            raise InputError("is not DER")
    if content + length > limit:
        raise InputError("is cut off")
    return Element(data[begin], begin, content, content + length)


def elements(data: bytes, begin: int, limit: int) -> Iterator[Element]:
    """Yield the elements one behind the other from `begin` up to `limit`.

    Raises:
        InputError: one of them is cut off, or not DER.
    """
    while begin < limit:
        found = element(data, begin, limit)
        yield found
        begin = found.end


def encode(tag: int, content: bytes) -> bytes:
    """Put identifier and length in front of a content."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM + len(digits)]) + digits + content


def content_of(data: bytes, pause: Pause) -> bytes:
    """Return the DER.

    Raises:
        InputError: there is none, or more than one.
    """
    if data.startswith(_SEQUENCE):
        return data
    if _MARK in data:
        return b"".join(_decoded(_body(data), pause))
    if not data.strip():
        raise InputError("is empty")
    if data.startswith(_GZIP):
        raise InputError("is compressed: unpack it")
    if data[:256].lstrip()[:1] == b"<":
        raise InputError("is a web page or XML, not a CRL")
    raise InputError("is not a CRL: it is neither DER nor PEM")


def _body(data: bytes) -> memoryview:
    """Return what stands between the two lines of the only block."""
    if data.count(_MARK) > 1:
        raise InputError("holds more than one PEM block: put each CRL into a separate file")
    begin, end = data.find(_BEGIN), data.find(_END)
    if begin < 0:
        raise InputError("holds a PEM block that is no X509 CRL")
    if end < begin:
        raise InputError("has no END line: it is cut off")
    return memoryview(data)[begin + len(_BEGIN) : end]


def _decoded(body: memoryview, pause: Pause) -> Iterator[bytes]:
    kept, is_padded = b"", False
    for begin in range(0, len(body), SLICE_BYTES):
        text = kept + bytes(body[begin : begin + SLICE_BYTES]).translate(None, _BLANKS)
        if is_padded and text:
            raise InputError("is not valid base64: something follows its end")
        is_last = begin + SLICE_BYTES >= len(body)
        whole = len(text) if is_last else len(text) - len(text) % _QUANTUM
        ready, kept = text[:whole], text[whole:]
        is_padded = is_padded or b"=" in ready
        try:
            yield binascii.a2b_base64(ready, strict_mode=True)
        except ValueError as error:
            raise InputError(f"is not valid base64 ({error})") from error
        pause()
