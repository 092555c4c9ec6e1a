"""How many things a certificate holds, counted before anything is made of them.

Two bytes of DER are enough for an empty name, which becomes an object of some hundred bytes. What real callers present
is short, and is not counted at all.
"""

from collections.abc import Sequence

FREE_BYTES = 8_192
"""Of all certificates of a request: that many cost little, whatever is in them. A usual chain has 1,000 to 6,000."""

ELEMENTS = 2_048
"""Of all certificates of a request, beside `ELEMENTS_EACH`; a leaf with 800 names has about 1,000."""

ELEMENTS_EACH = 256
"""For each certificate; a usual one has 100 to 200."""

_CONSTRUCTED = 0x20
_OCTET_STRING = 0x04
_SEQUENCE = 0x30
_LONG_FORM = 0x80


def has_too_many_elements(ders: Sequence[bytes]) -> bool:
    """Return whether reading these certificates would cost much more than their usual size lets expect."""
    if sum(map(len, ders)) <= FREE_BYTES:
        return False
    left = ELEMENTS + ELEMENTS_EACH * len(ders)
    for der in ders:
        left -= _count(der, left)
        if left < 0:
            return True
    return False


def _count(der: bytes, most: int) -> int:
    """Count elements, also those in the values of extensions; stop above `most`.

    It goes from header to header, and asks for no order: what is not DER, the parser refuses.
    """
    at = found = value_end = 0
    end = len(der)
    while at + 2 <= end and found <= most:
        found += 1
        tag, length, content = der[at], der[at + 1], at + 2
        if length >= _LONG_FORM:
            content += length - _LONG_FORM
            length = int.from_bytes(der[at + 2 : content], "big")
        if tag & _CONSTRUCTED:
            at = content
        elif tag == _OCTET_STRING and not value_end and der[content : content + 1] == bytes([_SEQUENCE]):
            at, value_end = content, content + length
        else:
            at = content + length
        if value_end and at >= value_end:  # a length within an extension that nobody reads may be anything
            at, value_end = value_end, 0
    return found
