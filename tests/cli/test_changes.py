"""What a refresh brought."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mtls_middleware.cli.trust.refresh import changes
from mtls_middleware.guard import Guard
from mtls_middleware.observing.status import APIStatus, CRLStatus, Lack, Status
from mtls_middleware.settings import Settings
from tests.cli.trusting import Region

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LIST = CRLStatus(
    origin="http://crl.example/x.crl",
    number=7,
    entries=1,
    this_update=NOW,
    next_update=NOW,
    last_success=NOW,
    error="",
    is_learned=True,
)
API = APIStatus(region="us-east-1", certificates=2, last_success=NOW, next_poll=NOW, error="")


@pytest.fixture
def status(tmp_path: Path) -> Status:
    region = Region(tmp_path)
    guard = Guard.silent(Settings.from_env(region.environ))
    guard.load()
    return guard.status()


def test_nothing_is_no_line(status: Status) -> None:
    whole = replace(status, lists=(LIST,), apis=(API,))

    assert changes(whole, whole) == ()


def test_a_first_list_is_told(status: Status) -> None:
    empty = replace(LIST, number=None, this_update=None, next_update=None)
    after = replace(status, lists=(LIST,))

    assert changes(status, after) == changes(replace(status, lists=(empty,)), after)
    assert changes(status, after) == ("http://crl.example/x.crl: CRL 7, with 1 entry",)


def test_a_newer_list_is_told(status: Status) -> None:
    newer = replace(LIST, number=8, entries=1_200)

    assert changes(replace(status, lists=(LIST,)), replace(status, lists=(newer,))) == (
        "http://crl.example/x.crl: CRL 8 instead of 7, with 1,200 entries",
    )


def test_a_list_that_did_not_come_is_no_change(status: Status) -> None:
    assert changes(status, replace(status, lists=(replace(LIST, number=None, this_update=None),))) == ()


def test_what_the_api_tells_is_told(status: Status) -> None:
    assert changes(status, replace(status, apis=(API,))) == (
        "certificates API of us-east-1: 2 certificates instead of 0",
    )


@pytest.mark.parametrize(("then", "now", "said"), [(Lack.CRL, None, "can"), (None, Lack.CRL, "cannot")])
def test_a_region_that_comes_or_goes_is_told(status: Status, then: Lack | None, now: Lack | None, said: str) -> None:
    (region,) = status.regions
    before = replace(status, regions=(replace(region, lack=then),))
    after = replace(status, regions=(replace(region, lack=now),))

    assert changes(before, after) == (f"us-east-1: its callers {said} be accepted now",)


def test_two_authorities_of_one_region_are_no_change(status: Status) -> None:
    (region,) = status.regions
    both = replace(status, regions=(region, replace(region, authority="digicert", anchors=(), lack=Lack.PIN)))

    assert changes(both, both) == ()
    assert changes(both, replace(both, regions=(region, replace(both.regions[1], lack=None)))) == (
        "us-east-1 (digicert): its callers can be accepted now",
    )
