"""A CRL that its CA signed revokes what it names; to confirm that a certificate is good it needs more.

The tables have one row for each kind of CRL, and for each pair of an older and a newer one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import permutations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._core.crl import CRL
from mtls_middleware._core.decision import Reason, RevocationState
from mtls_middleware._core.revocation import _in_force, check
from tests.core.certs import DAY, NOW, SECOND, new_ca, regional_ca
from tests.core.crls import HOUR, Revoked, crl, edited, entry, lists, parsed
from tests.core.test_revocation import A, B, at, chain_of, found, verdict

GOOD, UNKNOWN, REVOKED = RevocationState.GOOD, RevocationState.UNKNOWN, Reason.CERTIFICATE_REVOKED
CA = regional_ca()
CLIENT = at(A)
DELTA = [(x509.DeltaCRLIndicator(1), True)]
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
SOME = {"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])}
OWN = (x509.CertificateIssuer([x509.DirectoryName(CA.certificate.subject)]), True)
OTHERS = (x509.CertificateIssuer([x509.DirectoryName(new_ca("X").certificate.subject)]), True)
REMOVED = (x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)
HELD = (x509.CRLReason(x509.ReasonFlags.certificate_hold), False)

Make = Callable[[Sequence[Revoked]], bytes]


def version_1(revoked: Sequence[Revoked]) -> bytes:
    return edited(CA, crl(CA, revoked), lambda fields: fields[1:-1])


def without_end(revoked: Sequence[Revoked]) -> bytes:
    return edited(CA, crl(CA, revoked), lambda fields: [*fields[:4], *fields[5:]])


BARS: Mapping[str, tuple[Make, object]] = {
    "complete": (lambda names: crl(CA, names), GOOD),
    "for the address of the certificate": (lambda names: crl(CA, names, addresses=[A]), GOOD),
    "for end entities": (lambda names: crl(CA, names, point={"only_contains_user_certs": True}), GOOD),
    "without a number": (lambda names: crl(CA, names, number=None), GOOD),
    "without a number and key identifier": (lambda names: crl(CA, names, number=None, identifier=False), GOOD),
    "with a critical number": (lambda names: crl(CA, names, critical_number=True), GOOD),
    "version 1": (version_1, GOOD),
    "with an entry that names the CA itself": (lambda names: crl(CA, [entry(7, OWN), *names]), GOOD),
    "with an entry that removes": (lambda names: crl(CA, [entry(7, REMOVED), *names]), GOOD),
    "stale": (lambda names: crl(CA, names, ends=NOW - SECOND), UNKNOWN),
    "without nextUpdate": (without_end, UNKNOWN),
    "that ends before it begins": (
        lambda names: edited(CA, crl(CA, names), lambda f: [*f[:3], _time(NOW - DAY), _time(NOW - DAY - HOUR), *f[5:]]),
        UNKNOWN,
    ),
    "for another address": (lambda names: crl(CA, names, addresses=[B]), UNKNOWN),
    "for CAs": (lambda names: crl(CA, names, point={"only_contains_ca_certs": True}), UNKNOWN),
    "for attribute certificates": (
        lambda names: crl(CA, names, point={"only_contains_attribute_certs": True}),
        UNKNOWN,
    ),
    "for some reasons": (lambda names: crl(CA, names, point=SOME), UNKNOWN),
    "delta": (lambda names: crl(CA, names, extensions=DELTA), UNKNOWN),
    "delta for the address": (lambda names: crl(CA, names, addresses=[A], extensions=DELTA), UNKNOWN),
    "indirect": (lambda names: crl(CA, names, point={"indirect_crl": True}), UNKNOWN),
    "indirect, of several CAs": (
        lambda names: crl(CA, [*names, entry(7, OTHERS)], point={"indirect_crl": True}),
        UNKNOWN,
    ),
    "with an entry of another CA": (lambda names: crl(CA, [entry(7, OTHERS), *names]), UNKNOWN),
}


def _time(moment: object) -> bytes:
    return b"\x17\x0d" + f"{moment:%y%m%d%H%M%S}Z".encode()


@pytest.mark.parametrize(("make", "_"), BARS.values(), ids=BARS.keys())
def test_whatever_the_ca_signed_revokes_what_it_names(make: Make, _: object) -> None:
    assert found(make([CLIENT]), client=CLIENT) is REVOKED
    assert found(make([CLIENT]), crl(CA), client=CLIENT) in {REVOKED, found(crl(CA), client=CLIENT)}


@pytest.mark.parametrize(("make", "confirms"), BARS.values(), ids=BARS.keys())
def test_only_what_is_complete_and_fresh_confirms(make: Make, confirms: object) -> None:
    assert found(make([7]), client=CLIENT) is confirms


NEVER: Mapping[str, Make] = {
    "with a critical extension": lambda names: crl(CA, names, extensions=[(UNKNOWN_EXTENSION, True)]),
    "with a critical extension in another entry": lambda names: crl(CA, [*names, entry(7, (UNKNOWN_EXTENSION, True))]),
}


@pytest.mark.parametrize("make", NEVER.values(), ids=NEVER.keys())
def test_what_is_not_understood_is_not_read_at_all(make: Make) -> None:
    with pytest.raises(Exception, match="critical extension that is not understood"):
        parsed(make([CLIENT]))


def test_the_entry_of_another_ca_revokes_nothing_of_this_one() -> None:
    named = entry(CLIENT, OTHERS)
    assert found(crl(CA, [named]), client=CLIENT) is UNKNOWN
    assert found(crl(CA, [named], point={"indirect_crl": True}), client=CLIENT) is UNKNOWN
    assert found(crl(CA, [named]), crl(CA, number=2), client=CLIENT) is GOOD


# --- which CRL replaces which -------------------------------------------------------------------------------------

# (older, naming the client; newer, not naming it; what both together say)
REPLACED: Mapping[str, tuple[Callable[[], bytes], Callable[[], bytes], object]] = {
    "by number": (lambda: crl(CA, [CLIENT]), lambda: crl(CA, number=2), GOOD),
    "by number, although its date is earlier": (
        lambda: crl(CA, [CLIENT]),
        lambda: crl(CA, number=2, begins=NOW - DAY),
        GOOD,
    ),
    "not by a lower number": (lambda: crl(CA, [CLIENT], number=2), lambda: crl(CA, begins=NOW), REVOKED),
    "by date, without numbers": (
        lambda: crl(CA, [CLIENT], number=None, begins=NOW - DAY),
        lambda: crl(CA, number=None),
        GOOD,
    ),
    "by date, where a number came later": (
        lambda: crl(CA, [CLIENT], number=None, begins=NOW - DAY),
        lambda: crl(CA),
        GOOD,
    ),
    "by date, where a number is gone": (
        lambda: crl(CA, [CLIENT], begins=NOW - DAY),
        lambda: crl(CA, number=None),
        GOOD,
    ),
    "not without numbers at the same time": (
        lambda: crl(CA, [CLIENT], number=None),
        lambda: crl(CA, [7], number=None),
        REVOKED,
    ),
    "not with the same number and time": (lambda: crl(CA, [CLIENT]), lambda: crl(CA, [7]), REVOKED),
    "version 1 by version 2": (
        lambda: edited(CA, crl(CA, [CLIENT], begins=NOW - DAY), lambda fields: fields[1:-1]),
        lambda: crl(CA),
        GOOD,
    ),
    "by a stale one": (
        lambda: crl(CA, [CLIENT], begins=NOW - DAY),
        lambda: crl(CA, number=2, ends=NOW - SECOND),
        UNKNOWN,
    ),
    "not by one whose time is to come": (
        lambda: crl(CA, [CLIENT]),
        lambda: crl(CA, number=2, begins=NOW + SECOND),
        REVOKED,
    ),
    "not by a delta": (lambda: crl(CA, [CLIENT]), lambda: crl(CA, number=2, begins=NOW, extensions=DELTA), REVOKED),
    "not by a delta that removes it": (
        lambda: crl(CA, [entry(CLIENT, HELD)]),
        lambda: crl(CA, [entry(CLIENT, REMOVED)], number=2, begins=NOW, extensions=DELTA),
        REVOKED,
    ),
    "not by some reasons": (lambda: crl(CA, [CLIENT]), lambda: crl(CA, number=2, begins=NOW, point=SOME), REVOKED),
    "not by an indirect one": (
        lambda: crl(CA, [CLIENT]),
        lambda: crl(CA, number=2, begins=NOW, point={"indirect_crl": True}),
        REVOKED,
    ),
    "not by one that names other CAs": (
        lambda: crl(CA, [CLIENT]),
        lambda: crl(CA, [entry(7, OTHERS)], number=2, begins=NOW),
        REVOKED,
    ),
    "not by another address": (
        lambda: crl(CA, [CLIENT], addresses=[A]),
        lambda: crl(CA, number=2, begins=NOW, addresses=[B]),
        REVOKED,
    ),
    "not a part by a complete one": (
        lambda: crl(CA, [CLIENT], addresses=[A]),
        lambda: crl(CA, number=2, begins=NOW),
        REVOKED,
    ),
    "not by CAs only": (
        lambda: crl(CA, [CLIENT]),
        lambda: crl(CA, number=2, begins=NOW, point={"only_contains_ca_certs": True}),
        REVOKED,
    ),
    "a delta by a complete one of its number": (
        lambda: crl(CA, [CLIENT], number=2, extensions=DELTA),
        lambda: crl(CA, number=2),
        GOOD,
    ),
    "not a delta by its base": (
        lambda: crl(CA, [CLIENT], number=2, extensions=DELTA),
        lambda: crl(CA, begins=NOW),
        REVOKED,
    ),
    "a delta by a newer one of the same base": (
        lambda: crl(CA, [CLIENT], number=2, extensions=DELTA),
        lambda: crl(CA, number=3, extensions=DELTA),
        UNKNOWN,
    ),
    "not a delta by one of another base": (
        lambda: crl(CA, [CLIENT], number=2, extensions=DELTA),
        lambda: crl(CA, number=4, extensions=[(x509.DeltaCRLIndicator(3), True)]),
        REVOKED,
    ),
    "a delta without a number by date": (
        lambda: crl(CA, [CLIENT], number=None, extensions=DELTA),
        lambda: crl(CA, begins=NOW),
        GOOD,
    ),
    "some reasons by all": (lambda: crl(CA, [CLIENT], number=9, point=SOME), lambda: crl(CA, begins=NOW), GOOD),
    "not some reasons by others": (
        lambda: crl(CA, [CLIENT], point=SOME),
        lambda: crl(CA, number=2, point={"only_some_reasons": frozenset([x509.ReasonFlags.superseded])}),
        REVOKED,
    ),
    "an indirect one by a direct one": (
        lambda: crl(CA, [CLIENT], point={"indirect_crl": True}),
        lambda: crl(CA, begins=NOW),
        GOOD,
    ),
    "not a limited one at the same time": (lambda: crl(CA, [CLIENT], point=SOME), lambda: crl(CA, number=2), REVOKED),
}


@pytest.mark.parametrize(("older", "newer", "expected"), REPLACED.values(), ids=REPLACED.keys())
def test_which_crl_replaces_which(older: Callable[[], bytes], newer: Callable[[], bytes], expected: object) -> None:
    old, new = older(), newer()
    assert found(old, new, client=CLIENT) is expected
    assert found(new, old, client=CLIENT) is expected


KINDS: Sequence[Callable[..., bytes]] = (
    lambda names, **when: crl(CA, names, **when),
    lambda names, **when: crl(CA, names, extensions=DELTA, **when),
    lambda names, **when: crl(CA, names, point=SOME, **when),
    lambda names, **when: crl(CA, names, addresses=[A], **when),
)
ISSUED = st.tuples(st.sampled_from(range(len(KINDS))), st.none() | st.integers(1, 3), st.integers(0, 3), st.booleans())
_MADE: dict[tuple[int, int | None, int, bool], CRL] = {}


def _made(kind: int, number: int | None, hours: int, names: bool) -> CRL:
    key = kind, number, hours, names
    if key not in _MADE:
        begins = NOW - timedelta(hours=hours)
        _MADE[key] = parsed(KINDS[kind]([CLIENT] if names else [], number=number, begins=begins))
    return _MADE[key]


@given(st.lists(ISSUED, min_size=1, max_size=4))
def test_some_crl_of_each_part_is_in_force_whatever_the_order(issued: list[tuple[int, int | None, int, bool]]) -> None:
    crls = [_made(*one) for one in issued]
    in_force = set(_in_force(crls))
    assert [order for order in permutations(crls) if set(_in_force(order)) != in_force] == []
    assert {one.part for one in crls if not one.limit} <= {one.part for one in in_force}


@given(st.lists(ISSUED, min_size=1, max_size=3))
def test_what_only_revokes_never_makes_anything_good(issued: list[tuple[int, int | None, int, bool]]) -> None:
    chain = chain_of(CLIENT)
    crls = [_made(*one) for one in issued]
    complete = [one for one in crls if not one.limit]
    known, alone = lists(), lists()
    known = type(known)(crls, [CA.certificate])
    alone = type(alone)(complete, [CA.certificate])
    if verdict(chain, alone) is not GOOD:
        assert verdict(chain, known) is not GOOD


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (without_end, "has no nextUpdate, so it cannot confirm that a certificate is good"),
        (
            lambda names: crl(CA, names, extensions=DELTA),
            "is a delta CRL, so it cannot confirm that a certificate is good",
        ),
    ],
    ids=["without nextUpdate", "delta"],
)
def test_an_operator_reads_why_a_crl_confirms_nothing(make: Make, words: str) -> None:
    assert words in check(chain_of(CLIENT), lists(make([])), NOW).why
