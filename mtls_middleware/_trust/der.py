"""Just enough of DER (X.690) to find where elements begin and end; what is in them, others read."""

from collections.abc import Iterator
from dataclasses import dataclass

from mtls_middleware._trust.report import Unusable

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


@dataclass(frozen=True, slots=True)
class Element:
    """Say where an element stands in its bytes.

    Attributes:
        tag: its identifier octet.
        begin: place of that octet.
        content: place of the first octet behind the length.
        end: place behind the last octet.
    """

    tag: int
    begin: int
    content: int
    end: int


def element(data: bytes, begin: int, limit: int) -> Element:
    """Find the element that begins at a place.

    Raises:
        Unusable: it is cut off, or not DER.
    """
    if begin + 2 > limit:
        raise Unusable("is cut off")
    content = begin + 2
    length = data[begin + 1]
    if length >= _LONG_FORM:
        content += length - _LONG_FORM
        if content - begin - 2 not in range(1, _LENGTH_BYTES + 1) or content > limit:
            raise Unusable("is not DER")
        length = int.from_bytes(data[begin + 2 : content], "big")
        if length < _LONG_FORM or not data[begin + 2]:
            raise Unusable("is not DER")
    if content + length > limit:
        raise Unusable("is cut off")
    return Element(data[begin], begin, content, content + length)


def elements(data: bytes, begin: int, limit: int) -> Iterator[Element]:
    """Go through the elements that stand one behind the other from `begin` up to `limit`.

    Raises:
        Unusable: one of them is cut off, or not DER.
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
