"""From bytes to a CRL (RFC 5280 §5), or to the reason why it cannot be used. Nothing is half understood."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from mtls_middleware._core.certificate import UNREADABLE
from mtls_middleware._core.crl import CRL, CRLScope, CRLSignature, Limit
from mtls_middleware._core.serials import SerialNumbers
from mtls_middleware._core.signatures import HASHES
from mtls_middleware._io.fetch import CRL_BYTES
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import Pause, rest
from mtls_middleware._trust.crl import der
from mtls_middleware._trust.crl.der import content_of
from mtls_middleware._trust.crl.entries import read_entries
from mtls_middleware.display import displayed

_INDIRECT = b"indirect "

HEAD_BYTES = 65_536
"""Bytes of a CRL without its entries; there are about 600."""

_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)
_PARTS = 4
"""Of a CRL: signed part, algorithm, signature, and one to notice more."""

_FIELDS = 8
"""Of the signed part: version, algorithm, issuer, two dates, entries, extensions, and one to notice more."""


def _believe_all(_: CRL) -> None:
    """Check no signature."""


def parse_crl(data: bytes, origin: str, *, pause: Pause = rest, believe: Callable[[CRL], None] = _believe_all) -> CRL:
    """Read one CRL, DER or PEM. Whether it is true, only `believe` looks at.

    Args:
        data: a whole file or answer.
        origin: address or file, for messages.
        pause: called between slices of work.
        believe: is shown the CRL before its entries are read, with a signature that covers them; it raises
            `InputError` where they are not worth reading.

    Raises:
        InputError: it is no CRL, or one that this package does not understand in full.
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
    read = read_entries(
        encoded,
        layout.entries_begin,
        layout.entries_end,
        pause,
        issuer=found.issuer,
        is_indirect=found.limit is Limit.INDIRECT,
    )
    if read.names_others and found.limit is not Limit.INDIRECT:  # its distribution point does not say so
        found = replace(found, limit=Limit.INDIRECT, variant=_INDIRECT + found.variant)
    return replace(found, serial_numbers=read.serial_numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The positions of the parts of a CRL.

    Attributes:
        signed_begin: of the signed part.
        signed_end: of the signed part.
        entries_begin: of the first entry.
        entries_end: of the last entry.
        head: a CRL like this one without any entry; its signature fits no longer.
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
    dates = [index for index, field in enumerate(fields) if field.tag in _TIMES]
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


def _read(head: x509.CertificateRevocationList, data: bytes, layout: _Layout, origin: str) -> CRL:
    """Read everything but the entries."""
    if len(head):
        raise InputError("has its entries twice")
    said = _extensions(head.extensions)
    authority, point = said.authority, said.point
    limit = _limit(said)
    return CRL(
        fingerprint_sha256=hashlib.sha256(data).hexdigest(),
        issuer=head.issuer,
        authority_key_identifier=authority.key_identifier if authority is not None else None,
        authority_serial_number=authority.authority_cert_serial_number if authority is not None else None,
        number=said.number,
        this_update=head.last_update_utc,
        next_update=head.next_update_utc,
        addresses=_addresses(point) if point is not None else None,
        scope=_scope(point) if point is not None else CRLScope.ALL,
        limit=limit,
        variant=_variant(said) if limit else b"",
        serial_numbers=SerialNumbers.of(),
        signature=_signature(head, memoryview(data)[layout.signed_begin : layout.signed_end]),
        origin=origin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extensions:
    """The extensions of a CRL that are understood (RFC 5280 §5.2); None where it has no such one."""

    number: int | None = None
    authority: x509.AuthorityKeyIdentifier | None = None
    point: x509.IssuingDistributionPoint | None = None
    delta: x509.DeltaCRLIndicator | None = None


def _extensions(extensions: x509.Extensions) -> _Extensions:
    """Read what is understood; refuse what is not, and is critical."""
    found = _Extensions()
    for extension in extensions:
        match extension.value:
            case x509.CRLNumber(crl_number=number):
                found = replace(found, number=number)
            case x509.AuthorityKeyIdentifier() as authority:
                found = replace(found, authority=authority)
            case x509.IssuingDistributionPoint() as point:
                found = replace(found, point=point)
            case x509.DeltaCRLIndicator() as delta:
                found = replace(found, delta=delta)
            case _ if extension.critical:
                raise InputError(f"has a critical extension that is not understood ({extension.oid.dotted_string})")
            case _:
                pass
    return found


def _addresses(point: x509.IssuingDistributionPoint) -> frozenset[str] | None:
    """Return the addresses that a CRL is bound to, which may be none; None where it covers all certificates."""
    if point.full_name is None:
        return None if point.relative_name is None else frozenset()
    return frozenset(name.value for name in point.full_name if isinstance(name, x509.UniformResourceIdentifier))


def _limit(said: _Extensions) -> Limit:
    """Return why it can only revoke (RFC 5280 §5.2.4, §5.2.5, §6.3.3)."""
    point = said.point
    if point is not None and point.indirect_crl:
        return Limit.INDIRECT
    if said.delta is not None:
        return Limit.DELTA
    if point is None:
        return Limit.NONE
    if point.only_some_reasons:
        return Limit.REASONS
    if point.only_contains_attribute_certs:
        return Limit.ATTRIBUTES
    if point.relative_name is not None:
        return Limit.RELATIVE_NAME
    return Limit.OTHER_NAME if point.full_name is not None and not _addresses(point) else Limit.NONE


def _variant(said: _Extensions) -> bytes:
    """Return what distinguishes a limited CRL: its distribution point as it is written, and the number of its base."""
    return b"".join(part.public_bytes() for part in (said.point, said.delta) if part is not None)


def _scope(point: x509.IssuingDistributionPoint) -> CRLScope:
    if point.only_contains_user_certs:
        return CRLScope.CALLERS
    return CRLScope.AUTHORITIES if point.only_contains_ca_certs else CRLScope.ALL


def _signature(head: x509.CertificateRevocationList, signed: memoryview) -> CRLSignature:
    algorithm = head.signature_hash_algorithm
    scheme = head.signature_algorithm_parameters
    if algorithm is None or algorithm.name not in HASHES or scheme is None:
        raise InputError(f"is signed with a weak or unusual algorithm ({head.signature_algorithm_oid.dotted_string})")
    return CRLSignature(
        scheme=scheme,
        digest=hashlib.new(algorithm.name, signed).digest(),
        algorithm=Prehashed(algorithm),
        value=head.signature,
    )
