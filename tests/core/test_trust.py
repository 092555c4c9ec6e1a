"""What is trusted at one moment, and whether anybody at all can be accepted at it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import AuthorityTrust, Binding, TrustSnapshot, build_trust
from mtls_middleware.identity import Authority
from tests.core.certs import (
    CUSTOM,
    DAY,
    GENESYS,
    NOW,
    REGION,
    SECOND,
    anchor,
    custom,
    digicert,
    genesys,
    good_client,
    new_ca,
    pin,
    regional_ca,
)

ENDED = new_ca(not_before=NOW - 30 * DAY, not_after=NOW - DAY)
TO_COME = new_ca(not_before=NOW + DAY, not_after=NOW + 30 * DAY)


def _snapshot(*trusts: AuthorityTrust) -> TrustSnapshot:
    return TrustSnapshot(version=1, built_at=NOW, trusts=trusts)


def _pin(not_before: datetime | None = None, not_after: datetime | None = None) -> Pin:
    return Pin(fingerprint_sha256="0" * 64, region=REGION, not_before=not_before, not_after=not_after, origin="x")


@pytest.mark.parametrize(
    ("now", "valid"),
    [
        pytest.param(NOW - SECOND, False, id="before"),
        pytest.param(NOW, True, id="first second"),
        pytest.param(NOW + DAY, True, id="last second"),
        pytest.param(NOW + DAY + SECOND, False, id="after"),
    ],
)
def test_an_anchor_is_valid_in_its_life(now: datetime, *, valid: bool) -> None:
    assert anchor(new_ca(not_before=NOW, not_after=NOW + DAY)).is_valid(now) is valid


def test_an_anchor_is_recognised_by_its_der() -> None:
    assert anchor(regional_ca()).fingerprint_sha256 == fingerprint(regional_ca().der)


@pytest.mark.parametrize(
    ("one", "valid"),
    [
        pytest.param(_pin(), True, id="only the fingerprint is known"),
        pytest.param(_pin(NOW, NOW), True, id="in its life"),
        pytest.param(_pin(NOW + SECOND, None), False, id="before it"),
        pytest.param(_pin(None, NOW - SECOND), False, id="after it"),
    ],
)
def test_a_pin_is_valid_in_the_life_of_its_certificate(one: Pin, *, valid: bool) -> None:
    assert one.is_valid(NOW) is valid


AVAILABLE = {
    "an anchor": (genesys(regional_ca()), True),
    "no anchor": (genesys(), False),
    "an anchor that ended": (genesys(ENDED), False),
    "an anchor to come": (genesys(TO_COME), False),
    "the old and the new": (genesys(ENDED, regional_ca(), TO_COME), True),
    "digicert with a pin": (digicert(regional_ca(), pins=[pin(good_client())]), True),
    "digicert without a pin": (digicert(regional_ca()), False),
    "digicert with a pin that ended": (digicert(regional_ca(), pins=[_pin(None, NOW - DAY)]), False),
    "digicert without an anchor": (digicert(pins=[pin(good_client())]), False),
}


@pytest.mark.parametrize(("trust", "available"), AVAILABLE.values(), ids=AVAILABLE.keys())
def test_an_authority_is_available_if_any_caller_could_be_accepted(trust: AuthorityTrust, *, available: bool) -> None:
    assert trust.is_available(NOW) is available


@pytest.mark.parametrize(("trust", "available"), AVAILABLE.values(), ids=AVAILABLE.keys())
def test_a_snapshot_is_available_if_one_authority_is(trust: AuthorityTrust, *, available: bool) -> None:
    assert _snapshot(genesys(), trust).is_available(NOW) is available


def test_an_empty_snapshot_is_not_available() -> None:
    assert not _snapshot().is_available(NOW)


def test_an_unknown_root_is_bound_to_nothing() -> None:
    assert genesys(regional_ca()).bindings(new_ca().certificate) == frozenset()


def test_a_root_is_bound_to_all_that_its_key_is_bound_to() -> None:
    ireland = Binding(Authority.GENESYS, "eu-west-1")
    renewed = regional_ca().renewed(same_key=True)
    trust = build_trust(
        Authority.GENESYS, anchors=[anchor(regional_ca()), anchor(renewed, ireland)], names={}, max_chain=5
    )
    assert trust.bindings(regional_ca().certificate) == {GENESYS, ireland}


def test_a_root_of_another_subject_is_another_root_even_with_the_same_key() -> None:
    other = new_ca("Another")
    other.private_key = regional_ca().private_key
    namesake = other.renewed(same_key=True)
    assert genesys(regional_ca()).bindings(namesake.certificate) == frozenset()


def test_a_snapshot_lists_the_anchors_and_pins_of_every_authority() -> None:
    one, two = genesys(regional_ca()), digicert(new_ca(), pins=[pin(good_client())])
    assert _snapshot(one, two).anchors == one.anchors + two.anchors
    assert _snapshot(one, two).pins == (pin(good_client()),)


@pytest.mark.parametrize(
    ("trust", "takes"),
    [
        pytest.param(genesys(regional_ca()), False, id="genesys"),
        pytest.param(digicert(regional_ca()), True, id="digicert"),
        pytest.param(custom(regional_ca()), True, id="custom"),
    ],
)
def test_only_a_regional_root_takes_no_intermediates_of_callers(trust: AuthorityTrust, *, takes: bool) -> None:
    assert trust.takes_intermediates is takes


def test_each_snapshot_starts_with_an_empty_cache() -> None:
    assert _snapshot().verdicts is not _snapshot().verdicts
    assert len(_snapshot().verdicts) == 0


@pytest.mark.parametrize(
    ("binding", "prefix"), [(GENESYS, "us-east-1"), (CUSTOM, "custom"), (Binding(Authority.DIGICERT), "digicert")]
)
def test_a_binding_reads_as_the_prefix_in_the_settings(binding: Binding, prefix: str) -> None:
    assert str(binding) == prefix


def test_where_nothing_is_valid_it_is_said_what_there_is() -> None:
    ended = new_ca(not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    old = replace(pin(good_client()), not_before=NOW - 9 * DAY, not_after=NOW - SECOND)
    trusts = [genesys(ended), digicert(ended), digicert(regional_ca(), pins=[old])]

    assert _snapshot(*trusts).why_unavailable(NOW) == (
        "nothing of what is trusted is valid now: no client certificate is pinned yet; "
        f"the pin from pin.pem is valid from {NOW - 9 * DAY} to {NOW - SECOND} only; "
        + "; ".join([f"the anchor from root.pem is valid from {NOW - 9 * DAY} to {NOW - DAY} only"] * 2)
    )
    assert _snapshot().why_unavailable(NOW) == "nothing of what is trusted is valid now: there is no anchor"


@pytest.mark.parametrize(
    ("changed", "can_pass", "ends"),
    [
        ({}, True, None),
        ({"not_after": NOW + DAY}, True, NOW + DAY),
        ({"not_after": NOW + DAY, "chain_ends": NOW}, True, NOW),
        ({"not_after": NOW + DAY, "chain_ends": NOW - SECOND}, False, NOW - SECOND),
        ({"not_after": NOW, "chain_ends": NOW + DAY}, True, NOW),
        ({"not_before": NOW + SECOND}, False, None),
        ({"flaw": "it is a CA's certificate"}, False, None),
    ],
    ids=["bare", "valid", "its chain ends now", "its chain has ended", "it ends first", "to come", "flawed"],
)
def test_whether_a_pin_can_pass_and_until_when(changed: dict[str, Any], can_pass: bool, ends: datetime | None) -> None:
    changed_pin = replace(pin(good_client()), **changed)
    assert (changed_pin.can_pass(NOW), changed_pin.ends) == (can_pass, ends)
