"""Which of several CRLs of one CA counts: every small combination of numbers, dates, limits and parts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import combinations_with_replacement, product

import pytest

from mtls_middleware._core.crl import CRL, CRLScope, Limit
from mtls_middleware._core.revocation import _in_force
from tests.core.certs import DAY, NOW, regional_ca
from tests.core.crls import HOUR, WEEK, crl, parsed

ONE = parsed(crl(regional_ca()))
NUMBERS = (None, 1, 2)
DATES = tuple(NOW - WEEK + days * DAY for days in range(3))
HERE, THERE = frozenset({"http://crl.example/here"}), frozenset({"http://crl.example/there"})

Kind = tuple[int | None, datetime]


def issued(index: int, number: int | None, at: datetime, **changes: object) -> CRL:
    """Return a CRL that differs from all others, with this number and date."""
    return replace(ONE, fingerprint_sha256=f"{index:064x}", number=number, this_update=at, **changes)  # type: ignore[arg-type]  # each names fields of a CRL


def latest(kinds: Sequence[Kind]) -> set[int]:
    """Return the indexes of the newest: numbers order those that have one, dates the others, and the two kinds."""
    numbered = {index: (kind[0], kind[1]) for index, kind in enumerate(kinds) if kind[0] is not None}
    dated = {index: kind[1] for index, kind in enumerate(kinds) if kind[0] is None}
    first = {index for index, kind in numbered.items() if not any(other > kind for other in numbered.values())}
    second = {index for index, kind in dated.items() if not any(other > kind for other in dated.values())}
    if not first or not second:
        return first | second
    ours, theirs = kinds[min(first)][1], kinds[min(second)][1]
    return (first if ours >= theirs else set()) | (second if theirs >= ours else set())


def test_of_one_part_the_newest_counts() -> None:
    wrong = []
    for length in (1, 2, 3):
        for kinds in combinations_with_replacement(tuple(product(NUMBERS, DATES)), length):
            crls = [issued(index, *kind) for index, kind in enumerate(kinds)]
            if {crls.index(one) for one in _in_force(crls)} != latest(kinds):
                wrong.append(kinds)
    assert wrong == []


def pairs() -> Iterator[tuple[CRL, CRL]]:
    limits = (Limit.NONE, Limit.DELTA, Limit.REASONS)
    for first, second, same_address, same_scope in product(limits, limits, (True, False), (True, False)):
        for numbers, dates in product(product(NUMBERS, NUMBERS), product(DATES[:2], DATES[:2])):
            own = issued(1, numbers[0], dates[0], limit=first, addresses=HERE)
            yield (
                own,
                issued(
                    2,
                    numbers[1],
                    dates[1],
                    limit=second,
                    addresses=HERE if same_address else THERE,
                    scope=CRLScope.ALL if same_scope else CRLScope.CALLERS,
                ),
            )


def test_a_newer_complete_one_makes_a_limited_one_of_the_same_certificates_void() -> None:
    for one, other in pairs():
        is_newer = one.this_update > other.this_update
        if other.limit is Limit.DELTA and None not in (one.number, other.number):
            is_newer = (one.number or 0) >= (other.number or 0)
        same = one.addresses == other.addresses and one.scope is other.scope
        expected = same and one.limit is Limit.NONE and other.limit is not Limit.NONE and is_newer
        assert one.supersedes(other) is expected, (one, other)


def test_a_void_one_is_not_in_force_and_everything_else_is() -> None:
    for one, other in pairs():
        if other.limit is not Limit.NONE:
            other = replace(other, variant=b"limited")  # noqa: PLW2901 - a part of its own
            expected = {one} if one.supersedes(other) else {one, other}
            assert set(_in_force([one, other])) == expected, (one, other)


@pytest.mark.parametrize("limit", [limit for limit in Limit if limit])
def test_a_limited_one_covers_nothing_and_confirms_nothing(limit: Limit) -> None:
    limited = replace(ONE, limit=limit)
    certificate = regional_ca().client().certificate
    assert ONE.covers(certificate, is_ca=False)
    assert ONE.confirms(NOW)
    assert not limited.covers(certificate, is_ca=False)
    assert not limited.confirms(NOW)


def test_the_seconds_in_which_one_is_fresh() -> None:
    second = replace(ONE, this_update=NOW, next_update=NOW + HOUR)
    moments = (NOW - DAY, NOW, NOW + HOUR / 2, NOW + HOUR, NOW + DAY)
    assert [second.is_fresh(moment) for moment in moments] == [False, True, True, True, False]
    assert not replace(ONE, next_update=None).is_fresh(NOW)


def test_its_title_is_its_number_or_else_its_date() -> None:
    assert issued(1, 7, NOW).title == "CRL 7"
    assert issued(1, None, NOW).title == "the CRL of 2026-11-23 00:00:00Z"
