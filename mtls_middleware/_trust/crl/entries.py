"""The entries of a CRL (RFC 5280 §5.3): the serial numbers of what its own CA revoked."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cryptography import x509

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._core.serials import MAX_BYTES, Collector, SerialNumbers
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import Pause
from mtls_middleware._trust.crl import der

SLICE_ENTRIES = 512
"""Entries that are read at a time; they take about a millisecond."""

ENTRY_BYTES = 40
"""Of a usual entry; a wrong guess costs memory only."""

EXTENSIONS_BYTES = 4_096
"""Of one entry, all together: a reason, a date and the name of a CA take 400."""

EXTENSIONS = 16
"""Of one entry; RFC 5280 §5.3 has three. Of names in one extension, too; a CA has one."""

EXTENSIONS_KNOWN = 256
"""Different extensions whose meaning is remembered; nearly all entries have one of ten reasons."""

_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)
_TIME_BYTES = 11
"""Of the shortest time that anybody writes, ``YYMMDDhhmmZ``: so an entry has 18 bytes, and a CRL a million entries."""

_EXTENSION_PARTS = 4
"""Identifier, criticality, value, and one to notice more."""

_LONG_FORM = 0x80
_FILLING = b"\x00\xff"
_SIGN = 0x80

_REASON_CODE = bytes.fromhex("551d15")
_INVALIDITY_DATE = bytes.fromhex("551d18")
_CERTIFICATE_ISSUER = bytes.fromhex("551d1d")
_FALSE = b"\0"
_REASONS = frozenset(bytes([der.ENUMERATED, 1, code]) for code in range(11))
_REMOVE_FROM_CRL = bytes([der.ENUMERATED, 1, 8])

_DIRECTORY_NAME = 0xA4
_UNSIGNED = (
    der.encode(der.SEQUENCE, bytes.fromhex("06082a8648ce3d040302")),
    der.encode(der.UTC_TIME, b"260101000000Z"),
    der.encode(der.BIT_STRING, b"\0"),
)
"""Algorithm, date and signature around a name, so that cryptography reads it as the issuer of a CRL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What the entries of a CRL revoke.

    Attributes:
        serial_numbers: of certificates of the CRL's own CA.
        names_others: whether other CAs' certificates are named, too.
    """

    serial_numbers: SerialNumbers
    names_others: bool


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the extensions of an entry change.

    Attributes:
        is_removal: it revokes nothing: ``removeFromCRL``.
        is_own: whether the CRL's own CA issued the certificate; None where the entry does not say.
    """

    is_removal: bool = False
    is_own: bool | None = None


def read_entries(
    data: bytes, begin: int, end: int, pause: Pause, *, issuer: x509.Name, is_indirect: bool = False
) -> Entries:
    """Read the entries between two offsets.

    An entry revokes whatever its date and its reason are. ``removeFromCRL`` revokes nothing, and undoes nothing that
    another CRL says.

    Args:
        data: the whole CRL.
        begin: of the first entry.
        end: of the last entry.
        pause: called between slices of work.
        issuer: of the CRL.
        is_indirect: an entry without an issuer has the issuer of the entry before it (RFC 5280 §5.3.3); in other CRLs,
            that of the CRL.

    Raises:
        InputError: one of them is not an entry, or has a critical extension that is not understood.
    """
    numbers = Collector((end - begin) // ENTRY_BYTES)
    known = {b"": _Meaning()}
    is_own, names_others = True, False
    for count, (number, extensions) in enumerate(_entries(data, begin, end), 1):
        meaning = known.get(extensions)
        if meaning is None:
            meaning = _meaning(extensions, issuer)
            if len(known) < EXTENSIONS_KNOWN:
                known[extensions] = meaning
        if meaning.is_own is not None:
            is_own = meaning.is_own
        elif not is_indirect:
            is_own = True
        if not is_own:
            names_others = True
        elif not meaning.is_removal:
            numbers.add(number)
        if count % SLICE_ENTRIES == 0:
            pause()
    return Entries(serial_numbers=SerialNumbers(numbers.buckets, numbers.count), names_others=names_others)


def _entries(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield serial numbers and what comes after the dates. It runs 100,000 times, so it calls nothing."""
    while at < end:
        # SEQUENCE, INTEGER and a time, each with a length of one byte; long entries do not take this way.
        if at + 4 > end or data[at] != der.SEQUENCE:
            raise InputError("has an entry that is not DER")
        content = at + 2
        stop = content + data[at + 1]
        if data[at + 1] >= _LONG_FORM:
            long = der.element(data, at, end)
            content, stop = long.content, long.end
        date = content + 2 + data[content + 1]
        if stop > end or date + 2 > stop or data[content] != der.INTEGER or not 0 < date - content - 2 <= MAX_BYTES:
            raise InputError("has an entry that is not DER")
        extensions = date + 2 + data[date + 1]
        if data[date] not in _TIMES or extensions > stop or extensions - date - 2 < _TIME_BYTES:
            raise InputError("has an entry without a date")
        if stop - extensions > EXTENSIONS_BYTES:
            raise InputError(f"has an entry with more than {EXTENSIONS_BYTES:,} bytes of extensions")
        number = data[content + 2 : date]
        if number[0] in _FILLING and len(number) > 1 and (number[0] ^ number[1]) < _SIGN:
            raise InputError("has a serial number that is not DER")  # it would be found under another name
        yield number, data[extensions:stop]
        at = stop


def _meaning(extensions: bytes, issuer: x509.Name) -> _Meaning:
    """Read the extensions of one entry; refuse what is not understood, and is critical."""
    outer = der.element(extensions, 0, len(extensions))
    if outer.tag != der.SEQUENCE or outer.end != len(extensions):
        raise InputError("has an entry with extensions that are not DER")
    reasons: set[bytes] = set()
    is_own: bool | None = None
    for index, extension in enumerate(der.elements(extensions, outer.content, outer.end)):
        if index == EXTENSIONS:
            raise InputError(f"has an entry with more than {EXTENSIONS} extensions")
        identifier, is_critical, value = _extension(extensions, extension)
        if identifier == _CERTIFICATE_ISSUER:
            is_own = bool(is_own) or _is_issuer(value, issuer)
        elif identifier == _REASON_CODE and (value in _REASONS or not is_critical):
            reasons.add(value)
        elif is_critical and identifier != _INVALIDITY_DATE:
            raise InputError("has an entry with a critical extension that is not understood")
    return _Meaning(is_removal=reasons == {_REMOVE_FROM_CRL}, is_own=is_own)


def _extension(data: bytes, extension: der.Element) -> tuple[bytes, bool, bytes]:
    """Return identifier, criticality and value of an extension (RFC 5280 §4.1.2.9)."""
    parts = [*islice(der.elements(data, extension.content, extension.end), _EXTENSION_PARTS)]
    contents = [data[part.content : part.end] for part in parts]
    match [part.tag for part in parts]:
        case [der.OBJECT_IDENTIFIER, der.OCTET_STRING]:
            return contents[0], False, contents[1]
        case [der.OBJECT_IDENTIFIER, der.BOOLEAN, der.OCTET_STRING]:
            return contents[0], contents[1] != _FALSE, contents[2]
        case _:
            raise InputError("has an entry with an extension that is not DER")


def _is_issuer(names: bytes, issuer: x509.Name) -> bool:
    """Return whether one of these GeneralNames is the issuer of the CRL (RFC 5280 §5.3.3, compared as §7.1 says)."""
    outer = der.element(names, 0, len(names))
    if outer.tag != der.SEQUENCE or outer.end != len(names):
        raise InputError("has an entry whose issuer cannot be read")
    wanted = _comparable(issuer)
    for index, name in enumerate(der.elements(names, outer.content, outer.end)):
        if index == EXTENSIONS:
            raise InputError(f"has an entry with more than {EXTENSIONS} names of its issuer")
        if name.tag == _DIRECTORY_NAME and _comparable(_name(names[name.content : name.end])) == wanted:
            return True
    return False


def _name(encoded: bytes) -> x509.Name:
    algorithm, date, signature = _UNSIGNED
    signed = der.encode(der.SEQUENCE, algorithm + encoded + date)
    try:
        return x509.load_der_x509_crl(der.encode(der.SEQUENCE, signed + algorithm + signature)).issuer
    except UNREADABLE as error:
        raise InputError("has an entry whose issuer cannot be read") from error


def _comparable(name: x509.Name) -> list[frozenset[tuple[x509.ObjectIdentifier, str]]]:
    """Return a name without what makes no difference: case, and blanks at the ends and in a row."""
    return [frozenset((one.oid, " ".join(str(one.value).casefold().split())) for one in part) for part in name.rdns]
