"""From bytes to a CRL (RFC 5280 §5), or to the reason why it cannot be used. Nothing is half understood."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._core.crl import MAX_BYTES, Collector, ListSignature, RevocationList, Scope, SerialNumbers
from mtls_middleware._core.signatures import HASHES
from mtls_middleware._io.fetch import CRL_BYTES
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import Pause, rest
from mtls_middleware._trust.crl import der
from mtls_middleware._trust.crl.der import content_of
from mtls_middleware.display import displayed

HEAD_BYTES = 65_536
"""Bytes of a list without its entries; there are about 600."""

_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)
_PARTS = 4
"""Of a list: signed part, algorithm, signature, and one to notice more."""

_FIELDS = 8
"""Of the signed part: version, algorithm, issuer, two dates, entries, extensions, and one to notice more."""

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


def _believe_all(_: RevocationList) -> None:
    """Look at no signature."""


def parse_list(
    data: bytes, origin: str, *, pause: Pause = rest, believe: Callable[[RevocationList], None] = _believe_all
) -> RevocationList:
    """Read one list, DER or PEM. Whether it is true, only `believe` looks at.

    Args:
        data: a whole file or answer.
        origin: address or file, for messages.
        pause: called between slices of work.
        believe: is shown the list before its entries are read, with a signature that covers them; it raises
            `InputError` where they are not worth reading.

    Raises:
        Unusable: it is no list, or one that this package does not understand in full.
    """
    if len(data) > CRL_BYTES:
        raise InputError(f"is larger than {CRL_BYTES:,} bytes")
    encoded = content_of(data, pause)
    layout = _layout(encoded)
    try:
        found = _read(x509.load_der_x509_crl(layout.head), encoded, layout, origin)
    except UNREADABLE as error:
        raise InputError(f"is a CRL that cannot be read ({displayed(str(error))})") from error
    believe(found)
    return replace(found, serial_numbers=read_serial_numbers(encoded, layout.entries_begin, layout.entries_end, pause))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Say where the parts of a list stand.

    Attributes:
        signed_begin: of the signed part.
        signed_end: of the signed part.
        entries_begin: of the first entry.
        entries_end: of the last entry.
        head: a list like this one without any entry; its signature fits no longer.
    """

    signed_begin: int
    signed_end: int
    entries_begin: int
    entries_end: int
    head: bytes


def _layout(data: bytes) -> _Layout:
    """Find the entries: the SEQUENCE that stands behind the dates (RFC 5280 §5.1)."""
    outer = der.element(data, 0, len(data))
    if outer.tag != der.SEQUENCE or outer.end != len(data):
        raise InputError("is not one CRL in DER")
    parts = [*islice(der.elements(data, outer.content, outer.end), _PARTS)]
    if [part.tag for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise InputError("is DER, but not a CRL")
    signed, algorithm, signature = parts
    fields = [*islice(der.elements(data, signed.content, signed.end), _FIELDS)]
    dates = [place for place, field in enumerate(fields) if field.tag in _TIMES]
    if not dates:
        raise InputError("is DER, but not a CRL")
    entries = next((field for field in fields[dates[-1] + 1 :][:1] if field.tag == der.SEQUENCE), None)
    begin, end = (entries.begin, entries.end) if entries else (signed.end, signed.end)
    if len(data) - (end - begin) > HEAD_BYTES:
        raise InputError(f"has more than {HEAD_BYTES:,} bytes beside its entries")
    if data[algorithm.begin : algorithm.end] not in (data[field.begin : field.end] for field in fields[:2]):
        raise InputError("names two different signature algorithms")
    if data[signature.content : signature.content + 1] != b"\0":  # a signature is whole octets
        raise InputError("has a signature that is not whole octets")
    head = data[signed.content : begin] + data[end : signed.end]
    return _Layout(
        signed_begin=signed.begin,
        signed_end=signed.end,
        entries_begin=entries.content if entries else end,
        entries_end=end,
        head=der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, head) + data[algorithm.begin : signature.end]),
    )


def _read(head: x509.CertificateRevocationList, data: bytes, layout: _Layout, origin: str) -> RevocationList:
    """Read everything but the entries."""
    if len(head):
        raise InputError("has its entries twice")
    if head.next_update_utc is None:
        raise InputError("has no nextUpdate")
    if head.next_update_utc < head.last_update_utc:
        raise InputError("ends before it begins")
    number, authority, point = _extensions(head.extensions)
    return RevocationList(
        fingerprint_sha256=hashlib.sha256(data).hexdigest(),
        issuer=head.issuer,
        authority_key_identifier=authority.key_identifier if authority is not None else None,
        authority_serial_number=authority.authority_cert_serial_number if authority is not None else None,
        number=number,
        this_update=head.last_update_utc,
        next_update=head.next_update_utc,
        addresses=_addresses(point) if point is not None else None,
        scope=_scope(point) if point is not None else Scope.ALL,
        serial_numbers=SerialNumbers.of(),
        signature=_signature(head, memoryview(data)[layout.signed_begin : layout.signed_end]),
        origin=origin,
    )


def _extensions(
    extensions: x509.Extensions,
) -> tuple[int, x509.AuthorityKeyIdentifier | None, x509.IssuingDistributionPoint | None]:
    """Return number, key identifier and distribution point; refuse what is not understood and must be."""
    number: int | None = None
    authority: x509.AuthorityKeyIdentifier | None = None
    point: x509.IssuingDistributionPoint | None = None
    for extension in extensions:
        match extension.value:
            case x509.CRLNumber(crl_number=number) if not extension.critical:
                pass
            case x509.AuthorityKeyIdentifier() as authority:
                pass
            case x509.IssuingDistributionPoint() as point:
                pass
            case x509.DeltaCRLIndicator():
                raise InputError("is a delta CRL")
            case _ if extension.critical:
                raise InputError(f"has a critical extension that is not understood ({extension.oid.dotted_string})")
            case _:
                pass
    if number is None:
        raise InputError("has no CRL number")
    return number, authority, point


def _addresses(point: x509.IssuingDistributionPoint) -> frozenset[str] | None:
    """Return the addresses that a list is bound to; None where it tells of all of its CA's certificates."""
    if point.indirect_crl:
        raise InputError("is an indirect CRL")
    if point.only_some_reasons:
        raise InputError("covers only some reasons")
    if point.relative_name is not None:
        raise InputError("is bound to a relative name")
    if point.full_name is None:
        return None
    addresses = frozenset(name.value for name in point.full_name if isinstance(name, x509.UniformResourceIdentifier))
    if not addresses:
        raise InputError("is bound to a name that is not an address")
    return addresses


def _scope(point: x509.IssuingDistributionPoint) -> Scope:
    if point.only_contains_attribute_certs:
        raise InputError("covers only attribute certificates")
    if point.only_contains_user_certs:
        return Scope.CALLERS
    return Scope.AUTHORITIES if point.only_contains_ca_certs else Scope.ALL


def _signature(head: x509.CertificateRevocationList, signed: memoryview) -> ListSignature:
    algorithm = head.signature_hash_algorithm
    scheme = head.signature_algorithm_parameters
    if algorithm is None or algorithm.name not in HASHES or scheme is None:
        raise InputError(f"is signed with a weak or unusual algorithm ({head.signature_algorithm_oid.dotted_string})")
    return ListSignature(
        scheme=scheme,
        digest=hashlib.new(algorithm.name, signed).digest(),
        algorithm=Prehashed(algorithm),
        value=head.signature,
    )


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


def _require_harmless(extensions: bytes) -> None:
    """Refuse what is not understood and must be, and what makes an entry speak of another CA, or of a removal."""
    if not extensions:
        return
    outer = der.element(extensions, 0, len(extensions))
    if outer.tag != der.SEQUENCE or outer.end != len(extensions):
        raise InputError("has an entry with extensions that are not DER")
    for place, extension in enumerate(der.elements(extensions, outer.content, outer.end)):
        if place == EXTENSIONS:
            raise InputError(f"has an entry with more than {EXTENSIONS} extensions")
        identifier, is_critical, value = _extension(extensions, extension)
        if identifier == _CERTIFICATE_ISSUER:
            raise InputError("is an indirect CRL: an entry names another CA")
        if identifier == _REASON_CODE:
            if value not in _REASONS:
                raise InputError("has an entry with a reason that a complete CRL cannot have")
        elif is_critical and identifier != _INVALIDITY_DATE:
            raise InputError("has an entry with a critical extension that is not understood")


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
            raise InputError("has an entry with an extension that is not DER")
