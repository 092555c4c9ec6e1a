"""When a source is asked again: as the operator wants it, well before what it gave expires, sooner after a failure."""

from datetime import timedelta

import pytest

from mtls_middleware._trust.schedule import FIRST_RETRY, JITTER, LONGEST_RETRY, RETRY_JITTER, Schedule
from tests.core.certs import NOW

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def schedule(interval: timedelta = HOUR) -> Schedule:
    return Schedule(interval=interval, now=NOW, draw=lambda _low, _high: 1.0)


def test_a_new_source_is_due_at_once() -> None:
    assert schedule().is_due(NOW)


@pytest.mark.parametrize(
    ("interval", "life", "wait"),
    [
        (HOUR, None, HOUR),
        (HOUR, 7 * DAY, HOUR),
        (DAY, DAY, DAY / 2),
        (HOUR, 10 * SECOND, FIRST_RETRY),
        (HOUR, -DAY, FIRST_RETRY),
        (20 * SECOND, 7 * DAY, 20 * SECOND),
        (SECOND, 7 * DAY, SECOND),
        (SECOND, -DAY, SECOND),
    ],
    ids=["no end", "as usual", "half of its life", "about to end", "ended", "often", "each second", "each, ended"],
)
def test_lesson_a_source_is_asked_as_often_as_the_operator_wants(
    interval: timedelta, life: timedelta | None, wait: timedelta
) -> None:
    one = schedule(interval)
    one.succeeded(NOW, expires=None if life is None else NOW + life)

    assert one.due - NOW == wait
    assert not one.is_due(NOW + wait - SECOND / 10)
    assert one.is_due(NOW + wait)


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        (HOUR, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (DAY, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (100 * SECOND, [30, 60, 100, 100]),
        (SECOND, [1, 1, 1]),
    ],
    ids=["usual", "each day", "often", "each second"],
)
def test_after_failures_it_is_asked_sooner_and_never_later_than_usual(
    interval: timedelta, seconds: list[float]
) -> None:
    one, waits = schedule(interval), []
    for _ in seconds:
        one.failed(NOW)
        waits.append((one.due - NOW).total_seconds())

    assert waits == seconds


def test_a_thousand_failures_do_not_overflow() -> None:
    one = schedule()
    for _ in range(1_000):
        one.failed(NOW)

    assert one.due - NOW == LONGEST_RETRY


def test_a_success_ends_the_back_off() -> None:
    one = schedule()
    one.failed(NOW)
    one.failed(NOW)
    one.succeeded(NOW)
    one.failed(NOW)

    assert one.due - NOW == FIRST_RETRY


@pytest.mark.parametrize(
    ("not_before", "wait"),
    [(HOUR, HOUR), (SECOND, FIRST_RETRY), (-DAY, FIRST_RETRY)],
    ids=["later than usual", "sooner", "past"],
)
def test_a_pause_that_the_source_asked_for_is_kept(not_before: timedelta, wait: timedelta) -> None:
    one = schedule()
    one.failed(NOW, not_before=NOW + not_before)

    assert one.due - NOW == wait


@pytest.mark.parametrize("back", [SECOND, DAY, 3650 * DAY], ids=str)
@pytest.mark.parametrize("plan", [Schedule.failed, Schedule.succeeded])
def test_a_clock_that_goes_back_behind_the_plan_makes_it_due(plan: object, back: timedelta) -> None:
    one = schedule()
    assert callable(plan)
    plan(one, NOW)

    assert (one.is_due(NOW), one.is_due(NOW - back)) == (False, True)


def test_times_are_drawn_so_that_workers_do_not_ask_together() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    one = Schedule(interval=HOUR, now=NOW, draw=draw)
    one.succeeded(NOW)
    waits = [one.due - NOW]
    one.failed(NOW)
    waits.append(one.due - NOW)

    assert drawn == [JITTER, RETRY_JITTER]
    assert waits == [JITTER[0] * HOUR, RETRY_JITTER[0] * FIRST_RETRY]


@pytest.mark.parametrize(
    ("not_before", "wait"),
    [(None, SECOND), (5 * SECOND, 5 * SECOND), (2 * HOUR, 2 * HOUR)],
    ids=["no pause", "a short pause", "a long pause"],
)
@pytest.mark.parametrize("failures", [3, 12])
def test_it_can_be_asked_sooner_than_planned_but_never_in_a_pause(
    failures: int, not_before: timedelta | None, wait: timedelta
) -> None:
    one = schedule()
    for _ in range(failures):
        one.failed(NOW, not_before=None if not_before is None else NOW + not_before)

    assert not one.is_due(NOW + wait - SECOND / 10, at_most=SECOND)
    assert one.is_due(NOW + wait, at_most=SECOND)
    assert one.is_due(NOW + wait, at_most=DAY) is one.is_due(NOW + wait)
