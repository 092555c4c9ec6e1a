"""Which bytes are a CRL, what is read from them, and what is refused rather than ignored."""

import base64
import textwrap
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.crl import CRLScope, Limit
from mtls_middleware._io import forks
from mtls_middleware._io.fetch import CRL_BYTES
from mtls_middleware._io.files import InputError
from mtls_middleware._trust.crl import der
from mtls_middleware._trust.crl import der as crl_der
from mtls_middleware._trust.crl import entries as entries_of
from mtls_middleware._trust.crl.entries import EXTENSIONS_KNOWN, SLICE_ENTRIES
from mtls_middleware._trust.crl.parsing import HEAD_BYTES, parse_crl
from mtls_middleware.testing import KeyKind, RegionalCA
from mtls_middleware.testing.signing import name_of
from tests.core.certs import NOW, good_client, new_ca, regional_ca
from tests.core.crls import HOUR, WEEK, crl, edited, entry, parsed, with_entries
from tests.core.mutation import mutated

A = "http://crl.example/a.crl"
CA = regional_ca()
Make = Callable[[], bytes]

INVALID_SINCE = x509.InvalidityDate(NOW.replace(tzinfo=None))
SUPERSEDED = (x509.CRLReason(x509.ReasonFlags.superseded), False)
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


def unusable(data: bytes) -> str:
    """Return why these bytes are refused."""
    with pytest.raises(InputError) as caught:
        parsed(data)
    return str(caught.value)


# --- what is read -------------------------------------------------------------------------------------------------


def test_what_it_says_of_itself_is_read() -> None:
    found = parsed(crl(CA, [7, good_client()], number=12, begins=NOW - HOUR, ends=NOW + WEEK), "here")
    assert found.issuer == CA.certificate.subject
    assert (found.number, found.this_update, found.next_update) == (12, NOW - HOUR, NOW + WEEK)
    assert (found.addresses, found.scope, found.origin) == (None, CRLScope.ALL, "here")
    assert len(found.serial_numbers) == 2
    assert 7 in found.serial_numbers
    assert good_client().certificate.serial_number in found.serial_numbers


def test_its_bytes_identify_it() -> None:
    signed = crl(CA, [7])
    assert parsed(signed, "here") == parsed(signed, "there")
    assert parsed(signed).fingerprint_sha256 == hashes_of(signed)
    assert parsed(signed) != parsed(crl(CA, [8]))
    assert len({parsed(signed), parsed(signed)}) == 1


def hashes_of(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


def test_the_key_identifier_is_read() -> None:
    own = CA.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert parsed(crl(CA)).authority_key_identifier == own
    assert parsed(crl(CA, identifier=False)).authority_key_identifier is None


GOOD: Mapping[str, Make] = {
    "complete": lambda: crl(CA),
    "with a large number": lambda: crl(CA, number=2**159),
    "part, critical": lambda: crl(CA, addresses=[A]),
    "part, not critical": lambda: crl(CA, addresses=[A], critical_point=False),
    "part with two addresses": lambda: crl(CA, addresses=[A, "http://crl4.example/a.crl"]),
    "part with an address and a name": lambda: crl(
        CA, point={"full_name": [x509.DirectoryName(name_of("X")), x509.UniformResourceIdentifier(A)]}
    ),
    "of callers": lambda: crl(CA, addresses=[A], point={"only_contains_user_certs": True}),
    "of authorities": lambda: crl(CA, point={"only_contains_ca_certs": True}),
    "with an invalidity date": lambda: crl(CA, [entry(7, (INVALID_SINCE, False), SUPERSEDED)]),
    "with a critical invalidity date": lambda: crl(CA, [entry(7, (INVALID_SINCE, True), SUPERSEDED)]),
    "with an extension that says it is not critical": lambda: with_entries(
        CA, _entry(b"\1", _extension("2a0304", b"", critical=b"\1\1\0"))
    ),
    "with an unknown extension": lambda: crl(CA, extensions=[(UNKNOWN_EXTENSION, False)]),
    "with an unknown extension in an entry": lambda: crl(CA, [entry(7, (UNKNOWN_EXTENSION, False))]),
    "with a pointer to deltas": lambda: crl(CA, extensions=[(_freshest(), False)]),
    "with the address of its issuer": lambda: crl(CA, extensions=[(_access(), False)]),
    "with a critical key identifier": lambda: crl(CA, identifier=False, extensions=[(_identifier(), True)]),
    "with an empty list of entries": lambda: with_entries(CA, b""),
    "with a number of 100 bytes": lambda: with_entries(CA, _entry(b"\1" * 100)),
    "with a negative number": lambda: with_entries(CA, _entry(b"\xff")),
    "with a reason that is not used": lambda: with_entries(CA, _entry(b"\1", _extension("551d15", b"\x0a\1\7"))),
    "with a date of another century": lambda: with_entries(CA, _entry(b"\1", date=b"\x18\x0f20500101000000Z")),
    "with a long entry": lambda: with_entries(CA, _entry(b"\1", _extension("2a0304", b"x" * 300))),
    "P-384": lambda: crl(RegionalCA(key=KeyKind.P384, now=NOW), hash_algorithm=hashes.SHA384()),
}


def _freshest() -> x509.FreshestCRL:
    names = [x509.UniformResourceIdentifier(A)]
    return x509.FreshestCRL([x509.DistributionPoint(names, relative_name=None, reasons=None, crl_issuer=None)])


def _access() -> x509.AuthorityInformationAccess:
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(A))
    return x509.AuthorityInformationAccess([access])


def _identifier() -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.private_key.public_key())


def _extension(identifier: str, value: bytes, *, critical: bytes = b"") -> bytes:
    parts = (
        der.encode(der.OBJECT_IDENTIFIER, bytes.fromhex(identifier)) + critical + der.encode(der.OCTET_STRING, value)
    )
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, parts))


def _entry(number: bytes, extensions: bytes = b"", date: bytes = b"\x17\x0d261101000000Z") -> bytes:
    return der.encode(der.SEQUENCE, der.encode(der.INTEGER, number) + date + extensions)


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_it_is_read(make: Make) -> None:
    assert parsed(make()).number


def test_the_addresses_that_it_is_bound_to_are_read() -> None:
    assert parsed(GOOD["part with an address and a name"]()).addresses == frozenset({A})
    assert parsed(GOOD["part with two addresses"]()).addresses == frozenset({A, "http://crl4.example/a.crl"})


@pytest.mark.parametrize(
    ("name", "scope"), [("of callers", CRLScope.CALLERS), ("of authorities", CRLScope.AUTHORITIES)]
)
def test_the_kind_of_certificates_that_it_tells_of_is_read(name: str, scope: CRLScope) -> None:
    assert parsed(GOOD[name]()).scope is scope


@pytest.mark.parametrize("name", ["with a number of 100 bytes", "with a reason that is not used", "with a long entry"])
def test_what_is_odd_about_an_entry_does_not_keep_it_from_revoking(name: str) -> None:
    number = int.from_bytes(b"\1" * 100, "big") if "100" in name else 1
    assert number in parsed(GOOD[name]()).serial_numbers


def test_cryptography_reads_the_same_numbers() -> None:
    numbers = [1, 127, 128, 255, 256, 2**63, 2**64, 2**158]
    reason = (x509.CRLReason(x509.ReasonFlags.key_compromise), False)
    signed = crl(CA, [entry(number, *([reason] if number % 2 else [])) for number in numbers])
    found = parsed(signed)
    assert [one.serial_number for one in x509.load_der_x509_crl(signed)] == numbers
    assert [number for number in numbers if number not in found.serial_numbers] == []
    assert len(found.serial_numbers) == len(numbers)


def test_many_entries_are_read_in_slices() -> None:
    rests: list[None] = []
    numbers = range(1, 3 * SLICE_ENTRIES + 2)
    found = parse_crl(crl(CA, numbers), "x", pause=lambda: rests.append(None))
    assert len(rests) == 3
    assert len(found.serial_numbers) == len(numbers)
    assert [number for number in numbers if number not in found.serial_numbers] == []


def test_by_default_it_rests_between_slices() -> None:
    assert parse_crl(crl(CA, range(1, SLICE_ENTRIES + 1)), "x").number == 1
    assert forks.REST_SECONDS > 0


def test_many_different_extensions_are_each_looked_at() -> None:
    many = [_entry(b"\1", _extension("2a0304", number.to_bytes(2, "big"))) for number in range(EXTENSIONS_KNOWN + 9)]
    bad = _entry(b"\2", _extension("2a0304", b"", critical=b"\1\1\xff"))
    assert len(parsed(with_entries(CA, b"".join(many))).serial_numbers) == len(many)
    assert "critical extension" in unusable(with_entries(CA, b"".join([*many, bad])))


# --- what is refused ----------------------------------------------------------------------------------------------


def _dropped(*indices: int) -> Make:
    return lambda: edited(
        CA, crl(CA), lambda fields: [field for index, field in enumerate(fields) if index not in indices]
    )


def _mismatched() -> bytes:
    sha512 = bytes.fromhex("300a06082a8648ce3d040304")
    return edited(CA, crl(CA), lambda fields: [fields[0], sha512, *fields[2:]])


def _sha1() -> bytes:
    sha1 = bytes.fromhex("300906072a8648ce3d0401")
    return edited(CA, crl(CA), lambda fields: [fields[0], sha1, *fields[2:]], sha1)


REFUSED: Mapping[str, tuple[Make, str]] = {
    "a critical extension": (lambda: crl(CA, extensions=[(UNKNOWN_EXTENSION, True)]), "not understood (1.2.3.4)"),
    "a critical pointer to deltas": (lambda: crl(CA, extensions=[(_freshest(), True)]), "not understood (2.5.29.46)"),
    "a critical extension in an entry": (
        lambda: crl(CA, [1, entry(7, (UNKNOWN_EXTENSION, True))]),
        "an entry with a critical extension",
    ),
    "SHA-224": (lambda: crl(CA, hash_algorithm=hashes.SHA224()), "weak or unusual algorithm (1.2.840.10045.4.3.1)"),
    "SHA-1": (_sha1, "weak or unusual algorithm (1.2.840.10045.4.1)"),
    "Ed25519": (lambda: crl(RegionalCA(key=KeyKind.ED25519, now=NOW)), "weak or unusual algorithm (1.3.101.112)"),
    "a critical reason that is garbled": (
        lambda: with_entries(CA, _entry(b"\7", _extension("551d15", b"\1", critical=b"\1\1\xff"))),
        "an entry with a critical extension",
    ),
    "an entry of an issuer that is no name": (
        lambda: with_entries(CA, _entry(b"\7", _extension("551d1d", b"\x30\4\xa4\2\5\0"))),
        "an entry whose issuer cannot be read",
    ),
    "an entry of an issuer that is no sequence": (
        lambda: with_entries(CA, _entry(b"\7", _extension("551d1d", b"\5\0"))),
        "an entry whose issuer cannot be read",
    ),
    "an entry with many issuers": (
        lambda: with_entries(
            CA, _entry(b"\7", _extension("551d1d", der.encode(der.SEQUENCE, b"\x82\1a" * (entries_of.EXTENSIONS + 1))))
        ),
        "an entry with more than 16 names of its issuer",
    ),
    "two algorithms": (_mismatched, "two different signature algorithms"),
    "version 3": (lambda: edited(CA, crl(CA), lambda f: [b"\2\1\2", *f[1:]]), "cannot be read"),
    "entries twice": (lambda: edited(CA, crl(CA, [7]), lambda f: [*f[:6], *f[5:]]), "entries twice"),
    "entries behind the extensions": (
        lambda: edited(CA, crl(CA, [7]), lambda f: [*f[:5], f[6], f[5]]),
        "cannot be read",
    ),
    "no issuer": (_dropped(2), "cannot be read"),
    "no dates": (_dropped(3, 4), "not a CRL"),
    "nothing signed": (_dropped(0, 1, 2, 3, 4, 5), "not a CRL"),
    "an extension twice": (
        lambda: edited(CA, crl(CA), lambda f: [*f[:-1], _doubled(f[-1])]),
        "cannot be read (Duplicate",
    ),
    "a certificate": (lambda: CA.der, "not a CRL"),
    "a number": (lambda: b"\2\1\1", "neither DER nor PEM"),
    "a short sequence": (lambda: b"\x30\x03\2\1\1", "not a CRL"),
    "something behind it": (lambda: crl(CA) + b"\0", "not one CRL"),
    "cut off": (lambda: crl(CA)[:-1], "cut off"),
    "only a tag": (lambda: b"\x30", "cut off"),
    "only a length": (lambda: b"\x30\x84\xff", "not DER"),
    "an endless length": (lambda: b"\x30\x80\0\0", "not DER"),
    "a long way to write a length": (lambda: b"\x30\x81\x03\2\1\1", "not DER"),
    "a length with a zero in front": (lambda: b"\x30\x82\0\x80" + bytes(0x80), "not DER"),
    "a length of five bytes": (lambda: b"\x30\x85\1\0\0\0\0", "not DER"),
    "too large": (lambda: bytes(CRL_BYTES + 1), "is larger than 20,971,520 bytes"),
    "too much beside the entries": (
        lambda: crl(
            CA, extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(HEAD_BYTES)), False)]
        ),
        "65,536 bytes beside its entries",
    ),
    "empty": (lambda: b"", "is empty"),
    "blank": (lambda: b" \r\n", "is empty"),
    "a web page": (lambda: b"\n<!DOCTYPE html><title>Log in</title>", "is a web page"),
    "gzip": (lambda: b"\x1f\x8b\x08\0", "is compressed"),
    "text": (lambda: b"not found", "neither DER nor PEM"),
}


def _of(name: x509.Name) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificateIssuer([x509.DirectoryName(name)]), True


def _removed(revoked: int) -> x509.RevokedCertificate:
    return entry(revoked, (x509.CRLReason(x509.ReasonFlags.remove_from_crl), False))


OTHER = name_of("X")
INDIRECT = {"indirect_crl": True}
DELTA = [(x509.DeltaCRLIndicator(1), True)]
SOME = {"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])}
RELATIVE = {"relative_name": x509.RelativeDistinguishedName(list(OTHER)[:1])}

ONLY_REVOKES: Mapping[str, tuple[Make, Limit]] = {
    "delta": (lambda: crl(CA, [7], extensions=DELTA), Limit.DELTA),
    "delta, not critical": (lambda: crl(CA, [7], extensions=[(x509.DeltaCRLIndicator(1), False)]), Limit.DELTA),
    "delta of an address": (lambda: crl(CA, [7], addresses=[A], extensions=DELTA), Limit.DELTA),
    "indirect": (lambda: crl(CA, [7], addresses=[A], point=INDIRECT), Limit.INDIRECT),
    "indirect delta": (lambda: crl(CA, [7], point=INDIRECT, extensions=DELTA), Limit.INDIRECT),
    "some reasons": (lambda: crl(CA, [7], addresses=[A], point=SOME), Limit.REASONS),
    "attribute certificates": (
        lambda: crl(CA, [7], point={"only_contains_attribute_certs": True}),
        Limit.ATTRIBUTES,
    ),
    "a relative name": (lambda: crl(CA, [7], point=RELATIVE), Limit.RELATIVE_NAME),
    "a name that is not an address": (
        lambda: crl(CA, [7], point={"full_name": [x509.DirectoryName(OTHER)]}),
        Limit.OTHER_NAME,
    ),
    "an entry of another CA": (lambda: crl(CA, [7, entry(8, _of(OTHER))]), Limit.INDIRECT),
    "an entry of another CA, not critical": (
        lambda: crl(CA, [7, entry(8, (_of(OTHER)[0], False))]),
        Limit.INDIRECT,
    ),
}


@pytest.mark.parametrize(("make", "limit"), ONLY_REVOKES.values(), ids=ONLY_REVOKES.keys())
def test_what_is_not_complete_is_read_and_can_only_revoke(make: Make, limit: Limit) -> None:
    found = parsed(make())
    assert (found.limit, found.variant != b"") == (limit, True)
    assert 7 in found.serial_numbers
    assert 8 not in found.serial_numbers
    assert found.is_fresh(NOW)
    assert not found.confirms(NOW)
    assert not found.covers(CA.client(crl_url=A).certificate, is_ca=False)


ODD: Mapping[str, Make] = {
    "no number": lambda: crl(CA, [7], number=None),
    "a critical number": lambda: crl(CA, [7], critical_number=True),
    "version 1": lambda: edited(CA, crl(CA, [7]), lambda fields: fields[1:6]),
    "an entry of its own CA": lambda: crl(CA, [entry(7, _of(CA.certificate.subject))]),
    "an entry of its own CA, written in another way": lambda: crl(
        CA, [entry(7, _of(_shouted(CA.certificate.subject)))]
    ),
    "an entry of several names": lambda: crl(
        CA,
        [
            entry(
                7,
                (
                    x509.CertificateIssuer(
                        [x509.DNSName("x"), *map(x509.DirectoryName, (OTHER, CA.certificate.subject))]
                    ),
                    True,
                ),
            )
        ],
    ),
    "an entry that removes": lambda: crl(CA, [7, _removed(8)]),
    "an entry that removes what another one revokes": lambda: crl(CA, [7, _removed(7)]),
    "a garbled reason": lambda: with_entries(CA, _entry(b"\7", _extension("551d15", b"\1"))),
    "a reason that does not exist": lambda: with_entries(CA, _entry(b"\7", _extension("551d15", b"\x0a\1\x63"))),
    "two reasons": lambda: with_entries(CA, _entry(b"\7", der.encode(der.SEQUENCE, _reason(8) + _reason(1)))),
}


def _reason(code: int) -> bytes:
    whole = _extension("551d15", bytes([der.ENUMERATED, 1, code]))
    outer = der.element(whole, 0, len(whole))
    return whole[outer.content : outer.end]


def _shout(value: str) -> str:
    return f" {value.swapcase()}  " if len(value) > 2 else value.swapcase()  # a country has two letters


def _shouted(name: x509.Name) -> x509.Name:
    return x509.Name([x509.NameAttribute(one.oid, _shout(str(one.value)), _validate=False) for one in name])


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_what_is_odd_revokes_and_confirms(make: Make) -> None:
    found = parsed(make())
    assert 7 in found.serial_numbers
    assert 8 not in found.serial_numbers
    assert found.confirms(NOW)


def test_what_is_removed_only_is_not_revoked() -> None:
    assert 7 not in parsed(crl(CA, [_removed(7)])).serial_numbers
    assert 7 not in parsed(crl(CA, [_removed(7)], extensions=DELTA)).serial_numbers


NEVER_FRESH: Mapping[str, Make] = {
    "no next update": lambda: edited(CA, crl(CA, [7]), lambda fields: [*fields[:4], *fields[5:]]),
    "no next update, version 1": lambda: edited(CA, crl(CA, [7]), lambda fields: [*fields[1:4], fields[5]]),
    "ends before it begins": lambda: edited(CA, crl(CA, [7]), lambda f: [*f[:3], f[4], f[3], *f[5:]]),
}


@pytest.mark.parametrize("make", NEVER_FRESH.values(), ids=NEVER_FRESH.keys())
@pytest.mark.parametrize("at", [NOW - WEEK, NOW - HOUR, NOW, NOW + WEEK, NOW + 9 * WEEK])
def test_what_has_no_time_in_which_it_is_fresh_can_only_revoke(make: Make, at: datetime) -> None:
    found = parsed(make())
    assert 7 in found.serial_numbers
    assert not found.confirms(at)


INDIRECT_ENTRIES: Mapping[str, tuple[list[x509.Name | None], list[int]]] = {
    "without any issuer": ([None, None], [1, 2]),
    "behind another CA's": ([None, OTHER, None], [1]),
    "behind one of its own": ([OTHER, CA.certificate.subject, None], [2, 3]),
    "other CAs only": ([OTHER, None, name_of("Y"), None], []),
}


@pytest.mark.parametrize(("issuers", "own"), INDIRECT_ENTRIES.values(), ids=INDIRECT_ENTRIES.keys())
def test_an_entry_of_an_indirect_crl_has_the_issuer_of_the_one_before(
    issuers: list[x509.Name | None], own: list[int]
) -> None:
    made = [entry(number, *([] if name is None else [_of(name)])) for number, name in enumerate(issuers, 1)]
    found = parsed(crl(CA, made, point=INDIRECT))
    assert [number for number in range(1, len(made) + 1) if number in found.serial_numbers] == own
    assert len(found.serial_numbers) == len(own)


def test_an_entry_of_another_crl_has_the_issuer_of_the_crl() -> None:
    found = parsed(crl(CA, [1, entry(2, _of(OTHER)), 3]))
    assert [number for number in (1, 2, 3) if number in found.serial_numbers] == [1, 3]


def test_many_different_issuers_are_each_read() -> None:
    many = [entry(number + 10, _of(name_of(f"CA {number}"))) for number in range(EXTENSIONS_KNOWN + 9)]
    found = parsed(crl(CA, [*many, entry(7, _of(CA.certificate.subject)), 8], point=INDIRECT))
    assert len(found.serial_numbers) == 2


def _doubled(extensions: bytes) -> bytes:
    """Repeat the first extension of a list: [0] { SEQUENCE OF }."""
    outer = der.element(extensions, 0, len(extensions))
    inner = der.element(extensions, outer.content, outer.end)
    first = der.element(extensions, inner.content, inner.end)
    again = extensions[first.begin : first.end] + extensions[inner.content : inner.end]
    return der.encode(outer.tag, der.encode(der.SEQUENCE, again))


@pytest.mark.parametrize(("make", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_rather_than_half_understood(make: Make, why: str) -> None:
    assert why in unusable(make())


ENTRIES = {
    "no sequence": b"\2\1\1",
    "cut off": b"\x30",
    "a length beyond the end": b"\x30\x20\2\1\1",
    "a long length beyond the end": b"\x30\x82\1\0\2\1\1",
    "empty": b"\x30\0",
    "no number": der.encode(der.SEQUENCE, b"\x17\x0d261101000000Z"),
    "an empty number": der.encode(der.SEQUENCE, b"\2\0\x17\x0d261101000000Z"),
    "a number of 200 bytes": _entry(b"\1" * 200),
    "a number with a zero in front": _entry(b"\0\1"),
    "a negative number with ones in front": _entry(b"\xff\xff"),
    "no date": der.encode(der.SEQUENCE, b"\2\1\1"),
    "another thing than a date": _entry(b"\1", date=b"\x16\x0d261101000000Z"),
    "a date beyond the end": _entry(b"\1", date=b"\x17\x2d261101000000Z"),
    "extensions that are none": _entry(b"\1", b"\2\1\1"),
    "extensions cut off": _entry(b"\1", b"\x30\5\x30"),
    "something behind the extensions": _entry(b"\1", _extension("2a0304", b"") + b"\5\0"),
    "an extension without value": _entry(b"\1", bytes.fromhex("3007300506032a0304")),
    "an extension that is empty": _entry(b"\1", bytes.fromhex("30023000")),
    "an extension with more": _entry(b"\1", bytes.fromhex("300d300b06032a03040101ff04000500")),
}


@pytest.mark.parametrize("entries", ENTRIES.values(), ids=ENTRIES.keys())
def test_entries_that_are_not_der_spoil_the_list(entries: bytes) -> None:
    assert unusable(with_entries(CA, _entry(b"\5") + entries))


# --- PEM ----------------------------------------------------------------------------------------------------------


def pem(signed: bytes, label: str = "X509 CRL") -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(signed).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def test_pem_says_the_same_as_der() -> None:
    signed = crl(CA, [7])
    assert parsed(pem(signed)) == parsed(signed)


def test_text_around_pem_is_passed_over() -> None:
    signed = crl(CA, [7])
    assert parsed(b"Certificate Revocation List (CRL):\n" + pem(signed).replace(b"\n", b"\r\n") + b"done") == parsed(
        signed
    )


def test_long_pem_is_decoded_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crl_der, "SLICE_BYTES", 50)
    signed = crl(CA, range(1, 20))
    rests: list[None] = []
    assert crl_der.content_of(pem(signed), lambda: rests.append(None)) == signed
    assert len(rests) > 10


PEMS: Mapping[str, tuple[Make, str]] = {
    "two": (lambda: pem(crl(CA)) * 2, "more than one"),
    "a certificate": (CA.pem.encode, "no X509 CRL"),
    "a certificate beside it": (lambda: pem(crl(CA)) + CA.pem.encode(), "more than one"),
    "no end": (lambda: pem(crl(CA))[:-30], "no END line"),
    "no base64": (lambda: pem(crl(CA)).replace(b"M", b"*"), "not valid base64"),
    "half a quantum": (lambda: b"-----BEGIN X509 CRL-----\nMII\n-----END X509 CRL-----", "not valid base64"),
    "nothing": (lambda: pem(b""), "cut off"),
    "no DER": (lambda: pem(b"\2\1\1"), "not one CRL"),
}


@pytest.mark.parametrize(("make", "why"), PEMS.values(), ids=PEMS.keys())
def test_pem_that_is_not_one_list_is_refused(make: Make, why: str) -> None:
    assert why in unusable(make())


@pytest.mark.parametrize("body", ["MII=MIIBMIIBMIIB", "MII=    MIIB", "MIIBMII=M"])
def test_something_behind_the_end_of_base64_is_refused(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"-----BEGIN X509 CRL-----{body}-----END X509 CRL-----".encode()
    assert "not valid base64" in unusable(text)
    monkeypatch.setattr(crl_der, "SLICE_BYTES", 4)
    assert "not valid base64" in unusable(text)


@pytest.mark.parametrize("size", range(1, 20))
def test_slices_of_any_size_decode_alike(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = crl(CA, [7])
    monkeypatch.setattr(crl_der, "SLICE_BYTES", size)
    for extra in range(4):
        assert crl_der.content_of(pem(signed + bytes(extra)), lambda: None) == signed + bytes(extra)


# --- anything -----------------------------------------------------------------------------------------------------


def holds_or_refuses(data: bytes) -> None:
    try:
        found = parsed(data)
    except InputError:
        return
    assert found.is_signed_by(CA.certificate) in {True, False}
    assert found.covers(good_client().certificate, is_ca=False) in {True, False}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_unusable(data: bytes) -> None:
    holds_or_refuses(data)
    holds_or_refuses(b"\x30" + data)
    holds_or_refuses(b"-----BEGIN X509 CRL-----" + data + b"-----END X509 CRL-----")


SEED = crl(CA, [entry(7, (x509.CRLReason(x509.ReasonFlags.key_compromise), False)), 8], addresses=[A])


@given(mutated([SEED, pem(SEED)]))
def test_any_change_to_a_list_makes_another_list_or_nothing(data: bytes) -> None:
    holds_or_refuses(data)


@given(st.data())
def test_no_change_to_a_list_is_signed(data: st.DataObject) -> None:
    signed = SEED
    index = data.draw(st.integers(0, len(signed) - 1))
    changed = signed[:index] + bytes([signed[index] ^ data.draw(st.integers(1, 255))]) + signed[index + 1 :]
    try:
        found = parsed(changed)
    except InputError:
        return
    assert not found.is_signed_by(CA.certificate)


@pytest.mark.parametrize("unused", range(1, 8))
def test_lesson_a_signature_has_no_unused_bits(unused: int) -> None:
    signature = x509.load_der_x509_crl(SEED).signature
    begin = SEED.rindex(signature) - 1
    assert SEED[begin] == 0
    with pytest.raises(InputError, match="whole octets"):
        parsed(SEED[:begin] + bytes([unused]) + SEED[begin + 1 :])


@given(st.binary(max_size=60))
def test_any_bytes_as_entries_are_entries_or_unusable(entries: bytes) -> None:
    holds_or_refuses(with_entries(CA, entries))


# --- lists of others ----------------------------------------------------------------------------------------------

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.mark.parametrize(
    ("name", "signer", "fresh"),
    [
        pytest.param("region.crl.pem", True, True, id="good"),
        pytest.param("region-stale.crl.pem", True, False, id="stale"),
        pytest.param("region-forged.crl.pem", False, True, id="forged"),
    ],
)
def test_the_lists_of_openssl_are_judged(name: str, *, signer: bool, fresh: bool) -> None:
    found = parsed((VECTORS / "crls" / name).read_bytes())
    root = x509.load_pem_x509_certificate((VECTORS / "pki" / "region-root.pem").read_bytes())
    assert found.is_signed_by(root) is signer
    assert found.is_fresh(NOW) is fresh


def test_pem_and_der_of_a_builder_are_read() -> None:
    made = x509.load_der_x509_crl(new_ca().crl([7]))
    assert parsed(made.public_bytes(Encoding.PEM)) == parsed(made.public_bytes(Encoding.DER))
