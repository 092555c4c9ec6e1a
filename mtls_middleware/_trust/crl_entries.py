"""The entries of a revocation list (RFC 5280 §5.3): serial numbers, and extensions that could change what they mean."""

from collections.abc import Iterator
from itertools import islice

from mtls_middleware._core.crl import MAX_BYTES, Collector, SerialNumbers
from mtls_middleware._trust import der
from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.slices import Pause

SLICE_ENTRIES = 512
"""Entries that are read at a time; they take about a millisecond."""

ENTRY_BYTES = 40
"""Of a usual entry; a wrong guess costs memory only."""

EXTENSIONS_BYTES = 4_096
"""Of one entry, all together: a reason, a date and the name of a CA take 400."""

EXTENSIONS = 16
"""Of one entry; RFC 5280 §5.3 has three."""

EXTENSIONS_KNOWN = 256
"""Different extensions that are remembered as harmless; nearly all entries have one of ten reasons."""

_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)
_TIME_BYTES = 11
"""Of the shortest time that anybody writes, ``YYMMDDhhmmZ``: so an entry has 18 bytes, and a list a million entries."""

_EXTENSION_PARTS = 4
"""Identifier, criticality, value, and one to notice more."""

_LONG_FORM = 0x80
_FILLING = b"\x00\xff"
_SIGN = 0x80

_REASON_CODE = bytes.fromhex("551d15")
_INVALIDITY_DATE = bytes.fromhex("551d18")
_CERTIFICATE_ISSUER = bytes.fromhex("551d1d")
_FALSE = b"\0"
_REMOVE_FROM_CRL = 8
_REASONS = frozenset(bytes([der.ENUMERATED, 1, code]) for code in range(11) if code != _REMOVE_FROM_CRL)
"""RFC 5280 §5.3.1; 7 is unused there, and revokes all the same."""


def read_serial_numbers(data: bytes, begin: int, end: int, pause: Pause) -> SerialNumbers:
    """Read the entries that stand between two places.

    An entry revokes whatever its date and its reason are.

    Raises:
        Unusable: one of them is not an entry, or means something else than "revoked".
    """
    numbers = Collector((end - begin) // ENTRY_BYTES)
    harmless: set[bytes] = set()
    for place, (number, extensions) in enumerate(_entries(data, begin, end), 1):
        numbers.add(number)
        if extensions not in harmless:
            _require_harmless(extensions)
            if len(harmless) < EXTENSIONS_KNOWN:
                harmless.add(extensions)
        if place % SLICE_ENTRIES == 0:
            pause()
    return SerialNumbers(numbers.buckets, numbers.count)


def _entries(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Go through serial numbers and what stands behind the dates. It runs 100,000 times, so it calls nothing."""
    while at < end:
        # SEQUENCE, INTEGER and a time, each with a length of one byte; long entries do not take this way.
        if at + 4 > end or data[at] != der.SEQUENCE:
            raise Unusable("has an entry that is not DER")
        content = at + 2
        stop = content + data[at + 1]
        if data[at + 1] >= _LONG_FORM:
            long = der.element(data, at, end)
            content, stop = long.content, long.end
        date = content + 2 + data[content + 1]
        if stop > end or date + 2 > stop or data[content] != der.INTEGER or not 0 < date - content - 2 <= MAX_BYTES:
            raise Unusable("has an entry that is not DER")
        extensions = date + 2 + data[date + 1]
        if data[date] not in _TIMES or extensions > stop or extensions - date - 2 < _TIME_BYTES:
            raise Unusable("has an entry without a date")
        if stop - extensions > EXTENSIONS_BYTES:
            raise Unusable(f"has an entry with more than {EXTENSIONS_BYTES:,} bytes of extensions")
        number = data[content + 2 : date]
        if number[0] in _FILLING and len(number) > 1 and (number[0] ^ number[1]) < _SIGN:
            raise Unusable("has a serial number that is not DER")  # it would be found under another name
        yield number, data[extensions:stop]
        at = stop


def _require_harmless(extensions: bytes) -> None:
    """Refuse what is not understood and must be, and what makes an entry speak of another CA, or of a removal."""
    if not extensions:
        return
    outer = der.element(extensions, 0, len(extensions))
    if outer.tag != der.SEQUENCE or outer.end != len(extensions):
        raise Unusable("has an entry with extensions that are not DER")
    for place, extension in enumerate(der.elements(extensions, outer.content, outer.end)):
        if place == EXTENSIONS:
            raise Unusable(f"has an entry with more than {EXTENSIONS} extensions")
        identifier, is_critical, value = _extension(extensions, extension)
        if identifier == _CERTIFICATE_ISSUER:
            raise Unusable("is an indirect CRL: an entry names another CA")
        if identifier == _REASON_CODE:
            if value not in _REASONS:
                raise Unusable("has an entry with a reason that a complete CRL cannot have")
        elif is_critical and identifier != _INVALIDITY_DATE:
            raise Unusable("has an entry with a critical extension that is not understood")


def _extension(data: bytes, extension: der.Element) -> tuple[bytes, bool, bytes]:
    """Take identifier, criticality and value out of an extension (RFC 5280 §4.1.2.9)."""
    parts = [*islice(der.elements(data, extension.content, extension.end), _EXTENSION_PARTS)]
    contents = [data[part.content : part.end] for part in parts]
    match [part.tag for part in parts]:
        case [der.OBJECT_IDENTIFIER, der.OCTET_STRING]:
            return contents[0], False, contents[1]
        case [der.OBJECT_IDENTIFIER, der.BOOLEAN, der.OCTET_STRING]:
            return contents[0], contents[1] != _FALSE, contents[2]
        case _:
            raise Unusable("has an entry with an extension that is not DER")
