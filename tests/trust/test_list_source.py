"""When a place is asked again: as the operator wants it, well before its list ends, and sooner after a failure."""

from datetime import timedelta

import pytest

from mtls_middleware._trust.crl import parse_list
from mtls_middleware._trust.list_source import RETRY_SECONDS, ListSource
from mtls_middleware.testing import RegionalCA
from tests.core.certs import NOW
from tests.trust.revocation_doubles import A

CA = RegionalCA(now=NOW)
DAY = timedelta(days=1)


def source() -> ListSource:
    return ListSource(places=(A,), due=NOW, draw=lambda _low, _high: 1.0)


@pytest.mark.parametrize(
    ("interval", "life", "seconds"),
    [
        (3600, 7 * DAY, 3600),
        (86_400, DAY, 43_200),
        (3600, timedelta(seconds=10), RETRY_SECONDS),
        (3600, -DAY, RETRY_SECONDS),
        (20, 7 * DAY, 20),
        (1, 7 * DAY, 1),
        (1, -DAY, 1),
    ],
    ids=["as usual", "half of its life", "about to end", "ended", "often", "each second", "each second, ended"],
)
def test_lesson_a_list_is_asked_for_as_often_as_the_operator_wants(
    interval: float, life: timedelta, seconds: float
) -> None:
    one = source()
    one.succeeded(parse_list(CA.crl(next_update=NOW + life), A), NOW, interval)

    assert one.due - NOW == timedelta(seconds=seconds)


@pytest.mark.parametrize(("interval", "seconds"), [(3600, [30, 60, 120]), (1, [1, 1, 1])])
def test_after_a_failure_it_is_asked_sooner_and_never_later_than_usual(interval: float, seconds: list[float]) -> None:
    one, waits = source(), []
    for _ in seconds:
        one.failed("no connection", NOW, interval)
        waits.append((one.due - NOW).total_seconds())

    assert waits == seconds


@pytest.mark.parametrize("back", [timedelta(seconds=1), 3650 * DAY], ids=str)
def test_a_clock_that_goes_back_behind_the_plan_makes_it_due(back: timedelta) -> None:
    one = source()
    one.failed("no connection", NOW, 3600)

    assert (one.is_due(NOW), one.is_due(NOW - back)) == (False, True)
