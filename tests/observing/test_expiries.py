"""What will end, and when it is warned of: 180, 90 and 30 days before, to the second."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, TrustSnapshot, build_trust
from mtls_middleware.identity import Authority
from mtls_middleware.observing.expiry import WARNING_DAYS, ExpiryKind, expirations
from mtls_middleware.renewals import download_of
from mtls_middleware.testing import RegionalCA
from tests.trust.genesys.region import DAY, NOW

SECOND = timedelta(seconds=1)
REGION = Binding(Authority.GENESYS, "us-east-1")
CUSTOM = Binding(Authority.CUSTOM)
DIGICERT = Binding(Authority.DIGICERT)


def trust(binding: Binding, ends: Iterable[datetime] = (), pins: Iterable[Pin] = ()) -> AuthorityTrust:
    return build_trust(
        binding.authority,
        anchors=[
            Anchor(certificate=RegionalCA(now=NOW, not_after=end).certificate, binding=binding, origin="a test")
            for end in ends
        ],
        names={} if binding == DIGICERT else {binding: frozenset({"caller.example"})},
        intermediates=(),
        pins=pins,
        max_chain=5,
    )


def snapshot(*trusts: AuthorityTrust) -> TrustSnapshot:
    return TrustSnapshot(version=1, built_at=NOW, trusts=trusts)


def pin(number: int, *, begins: datetime | None = NOW - DAY, ends: datetime | None = NOW + 300 * DAY) -> Pin:
    return Pin(
        fingerprint_sha256=f"{number:064x}", region="us-east-1", not_before=begins, not_after=ends, origin="a test"
    )


def test_without_trust_nothing_ends() -> None:
    assert expirations(None, NOW) == ()
    assert expirations(snapshot(trust(REGION), trust(CUSTOM), trust(DIGICERT)), NOW) == ()


@pytest.mark.parametrize("days", WARNING_DAYS)
@pytest.mark.parametrize("kind", ExpiryKind)
def test_a_warning_is_due_at_its_day_exactly_and_not_a_second_before(kind: ExpiryKind, days: int) -> None:
    end = NOW + 365 * DAY
    found = snapshot(trust(REGION, [end]) if kind is ExpiryKind.ANCHOR else trust(DIGICERT, pins=[pin(1, ends=end)]))

    thresholds = [
        expirations(found, at)[0].threshold
        for at in (end - days * DAY - SECOND, end - days * DAY, end - (days - 1) * DAY)
    ]

    assert thresholds == [next((more for more in WARNING_DAYS if more > days), None), days, days]


@pytest.mark.parametrize(
    ("left", "days", "said"),
    [
        (41 * DAY, 41, "expires in 41 days, on 2027-01-03"),
        (DAY - SECOND, 0, "expires in 0 days, on 2026-11-24"),
        (timedelta(), 0, "expires in 0 days, on 2026-11-23"),
        (-SECOND, -1, "expired on 2026-11-23"),
        (-DAY, -1, "expired on 2026-11-22"),
    ],
    ids=["later", "today", "now", "just ended", "ended"],
)
def test_it_says_when(left: timedelta, days: int, said: str) -> None:
    (expiry,) = expirations(snapshot(trust(REGION, [NOW + left])), NOW)

    assert expiry.days == days
    assert said in expiry.text


def test_the_last_root_of_a_region_counts() -> None:
    (expiry,) = expirations(snapshot(trust(REGION, [NOW + 10 * DAY, NOW + 400 * DAY])), NOW)

    assert (expiry.at, expiry.threshold) == (NOW + 400 * DAY, None)


@pytest.mark.parametrize(
    ("binding", "cure"),
    [
        (REGION, "download US-East-1.zip"),
        (CUSTOM, "add the next root as custom=PATH"),
        (DIGICERT, "update mtls-middleware, or add the new DigiCert root as digicert=PATH"),
    ],
    ids=str,
)
def test_it_says_what_to_do(binding: Binding, cure: str) -> None:
    (expiry,) = expirations(snapshot(trust(binding, [NOW + DAY])), NOW)

    assert cure in expiry.text
    assert expiry.region == str(binding)


def test_what_ends_first_stands_first() -> None:
    found = expirations(snapshot(trust(REGION, [NOW + 3 * DAY]), trust(DIGICERT, [NOW + 2 * DAY], [pin(1)])), NOW)

    assert [(one.kind, one.region) for one in found] == [
        ("anchor", "digicert"),
        ("anchor", "us-east-1"),
        ("pin", "us-east-1"),
    ]


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ([pin(1)], "pin of us-east-1 expires in 300 days, on 2027-09-19, no upcoming certificate known yet"),
        ([pin(1, ends=NOW + DAY), pin(2, begins=NOW + DAY)], "the last pin of us-east-1 expires in 300 days"),
        ([pin(1, begins=NOW + DAY)], "pin of us-east-1 expires in 300 days, on 2027-09-19: "),
    ],
    ids=["current", "current and upcoming", "upcoming"],
)
def test_pins_are_told_with_what_is_known_to_come(pins: list[Pin], said: str) -> None:
    (expiry,) = expirations(snapshot(trust(DIGICERT, pins=pins)), NOW)

    assert expiry.text.startswith(said)
    assert expiry.at == NOW + 300 * DAY


@pytest.mark.parametrize("others", [[], [pin(1)]], ids=["alone", "beside another"])
def test_nobody_knows_when_a_bare_fingerprint_ends(others: list[Pin]) -> None:
    assert expirations(snapshot(trust(DIGICERT, pins=[pin(2, begins=None, ends=None), *others])), NOW) == ()


@pytest.mark.parametrize(
    ("region", "called"),
    [("us-east-1", "US-East-1.zip"), ("mypurecloud.ie", "EU-West-1.zip"), ("somewhere", "the zip of somewhere")],
)
def test_the_download_is_called_as_in_the_portal(region: str, called: str) -> None:
    assert download_of(region) == called
