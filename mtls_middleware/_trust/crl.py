"""From bytes to a revocation list (RFC 5280 §5), or to the reason why it will not do. Nothing is half understood.

Reading a long list must not hold up the threads that serve requests. So its entries are cut out and walked through in
slices, with rests in between; cryptography, which would keep the interpreter for as long as it takes, reads the rest.
What is signed is hashed where the interpreter is let go.

Anybody on the way may have written the bytes. So no step makes more objects than a bound says, whatever stands there,
and the signature can be checked before the entries are read: see `believe`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._core.crl import ListSignature, RevocationList, Scope, SerialNumbers
from mtls_middleware._core.signatures import HASHES
from mtls_middleware._trust import der
from mtls_middleware._trust.crl_entries import read_serial_numbers
from mtls_middleware._trust.crl_pem import content_of
from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.slices import Pause, rest
from mtls_middleware.display import displayed

CRL_BYTES = 20 * 1_048_576
"""Bytes of one list; 100,000 entries take 4 to 5 million."""

HEAD_BYTES = 65_536
"""Bytes of a list without its entries; there are about 600."""

_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)
_PARTS = 4
"""Of a list: signed part, algorithm, signature, and one to notice more."""

_FIELDS = 8
"""Of the signed part: version, algorithm, issuer, two dates, entries, extensions, and one to notice more."""


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
        believe: is shown the list before its entries are read, with a signature that covers them; it raises `Unusable`
            where they are not worth reading.

    Raises:
        Unusable: it is no list, or one that this package does not understand in full.
    """
    if len(data) > CRL_BYTES:
        raise Unusable(f"is larger than {CRL_BYTES:,} bytes")
    encoded = content_of(data, pause)
    layout = _layout(encoded)
    try:
        found = _read(x509.load_der_x509_crl(layout.head), encoded, layout, origin)
    except UNREADABLE as error:
        raise Unusable(f"is a CRL that cannot be read ({displayed(str(error))})") from error
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
        raise Unusable("is not one CRL in DER")
    parts = [*islice(der.elements(data, outer.content, outer.end), _PARTS)]
    if [part.tag for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise Unusable("is DER, but not a CRL")
    signed, algorithm, signature = parts
    fields = [*islice(der.elements(data, signed.content, signed.end), _FIELDS)]
    dates = [place for place, field in enumerate(fields) if field.tag in _TIMES]
    if not dates:
        raise Unusable("is DER, but not a CRL")
    entries = next((field for field in fields[dates[-1] + 1 :][:1] if field.tag == der.SEQUENCE), None)
    begin, end = (entries.begin, entries.end) if entries else (signed.end, signed.end)
    if len(data) - (end - begin) > HEAD_BYTES:
        raise Unusable(f"has more than {HEAD_BYTES:,} bytes beside its entries")
    if data[algorithm.begin : algorithm.end] not in (data[field.begin : field.end] for field in fields[:2]):
        raise Unusable("names two different signature algorithms")
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
        raise Unusable("has its entries twice")
    if head.next_update_utc is None:
        raise Unusable("has no nextUpdate")
    if head.next_update_utc < head.last_update_utc:
        raise Unusable("ends before it begins")
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
                raise Unusable("is a delta CRL")
            case _ if extension.critical:
                raise Unusable(f"has a critical extension that is not understood ({extension.oid.dotted_string})")
            case _:
                pass
    if number is None:
        raise Unusable("has no CRL number")
    return number, authority, point


def _addresses(point: x509.IssuingDistributionPoint) -> frozenset[str] | None:
    """Return the addresses that a list is bound to; None where it tells of all of its CA's certificates."""
    if point.indirect_crl:
        raise Unusable("is an indirect CRL")
    if point.only_some_reasons:
        raise Unusable("covers only some reasons")
    if point.relative_name is not None:
        raise Unusable("is bound to a relative name")
    if point.full_name is None:
        return None
    addresses = frozenset(name.value for name in point.full_name if isinstance(name, x509.UniformResourceIdentifier))
    if not addresses:
        raise Unusable("is bound to a name that is not an address")
    return addresses


def _scope(point: x509.IssuingDistributionPoint) -> Scope:
    if point.only_contains_attribute_certs:
        raise Unusable("covers only attribute certificates")
    if point.only_contains_user_certs:
        return Scope.CALLERS
    return Scope.AUTHORITIES if point.only_contains_ca_certs else Scope.ALL


def _signature(head: x509.CertificateRevocationList, signed: memoryview) -> ListSignature:
    algorithm = head.signature_hash_algorithm
    scheme = head.signature_algorithm_parameters
    if algorithm is None or algorithm.name not in HASHES or scheme is None:
        raise Unusable(f"is signed with a weak or unusual algorithm ({head.signature_algorithm_oid.dotted_string})")
    return ListSignature(
        scheme=scheme,
        digest=hashlib.new(algorithm.name, signed).digest(),
        algorithm=Prehashed(algorithm),
        value=head.signature,
    )
