"""A source that fails is asked by one process of all: its failure is shared, and one process's own is not."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.store import Kind
from mtls_middleware._trust.attempts import Attempts
from mtls_middleware._trust.schedule import AFTER_A_START, AFTER_ANOTHER, FIRST_RETRY, LONGEST_RETRY, Attempt, Schedule
from tests.io.engines import needs_engine, running
from tests.trust.crl.doubles import A, Memory
from tests.trust.genesys.region import NOW
from tests.trust.pods import SECOND, Pod, World, run

PODS = 10
OUTAGE = 75
"""Seconds."""


def fleet(world: World, folder: Path, count: int = PODS) -> list[Pod]:
    return [Pod(world, folder, number=number) for number in range(count)]


@pytest.mark.parametrize("status", [503, 429], ids=str)
def test_ten_processes_ask_no_more_than_one_while_a_source_fails(tmp_path: Path, status: int) -> None:
    alone, together = World(status=status), World(status=status)
    for name, world, count in (("alone", alone, 1), ("together", together, PODS)):
        (tmp_path / name).mkdir()
        run(world, fleet(world, tmp_path / name, count), seconds=OUTAGE)

    # Retries are drawn at half to all of 30 and 60 seconds, so one may have three attempts, and another two.
    assert alone.requests["crl"] >= 2
    assert together.requests["crl"] <= alone.requests["crl"] + 1
    assert together.requests["api"] <= alone.requests["api"] + 1


@needs_engine
@pytest.mark.usefixtures("patient")
def test_through_an_engine_they_share_failures_and_answers_alike(tmp_path: Path) -> None:
    world = World(status=503)
    with running() as engine:
        state, secret = f"{engine.url},off", "a-secret-of-the-state"
        pods = [Pod(world, tmp_path, number=number, state=state, state_secret=secret) for number in range(4)]
        run(world, pods, seconds=14)
        during, problems = world.requests.copy(), {pod.problems for pod in pods}
        world.status = None
        run(world, pods, seconds=30)

    assert (during, len(problems)) == ({"api": 1, "crl": 1}, 1)
    assert world.requests - during == {"api": 4, "crl": 1}
    assert [pod.number for pod in pods if pod.problems or not pod.has_pin] == []


def test_all_of_them_tell_the_problem_and_its_end(tmp_path: Path) -> None:
    world = World(status=503)
    pods = fleet(world, tmp_path)
    run(world, pods, seconds=5)
    during = {pod.problems for pod in pods}
    world.status = None
    run(world, pods, seconds=45)

    assert len(during) == 1
    assert [problem.partition(": ")[0] for problem in next(iter(during))] == [
        "certificates API of us-east-1",
        f"CRL {A}",
    ]
    assert {pod.problems for pod in pods} == {()}
    assert [pod.number for pod in pods if not pod.has_pin] == []


def test_a_process_that_starts_in_an_outage_waits_as_the_others_do(tmp_path: Path) -> None:
    world = World(status=503)
    pods = fleet(world, tmp_path, 2)
    run(world, pods, seconds=3)
    asked = world.requests.total()
    late = Pod(world, tmp_path, number=2)
    late.tick()

    assert world.requests.total() == asked
    assert late.problems == pods[0].problems


def test_a_process_without_a_network_silences_no_other(tmp_path: Path) -> None:
    world = World(unreachable={0})
    cut_off, other = fleet(world, tmp_path, 2)
    cut_off.tick()
    asked = world.requests.total()
    other.tick()
    too_soon = world.requests.total() - asked
    world.now += AFTER_ANOTHER
    other.tick()

    assert (too_soon, other.has_pin, other.problems) == (0, True, ())
    assert cut_off.problems
    cut_off.tick()
    assert (cut_off.has_pin, cut_off.problems) == (True, ())  # by what the other has found


@pytest.mark.parametrize("interval", [1, 5, 30, 3600])
def test_lesson_a_process_without_a_network_that_asks_often_silences_no_other(interval: int) -> None:
    """Two other schedules, and one that fails at each of its turns; who looks first is another each time."""
    now, step, order = NOW, interval * SECOND / 20, random.Random(4711)
    cut_off, *others = (Schedule(interval=interval * SECOND, now=now) for _ in range(3))
    asked = set[int]()
    for one in others:
        one.succeeded(now)
    while len(asked) < len(others) and now < NOW + 3 * interval * SECOND + 4 * AFTER_ANOTHER:
        for number, one in order.sample(list(enumerate(others)), len(others)):
            if one.is_due(now):
                asked.add(number)
                one.succeeded(now)
        if cut_off.is_due(now):
            failed = cut_off.failed(now, "no network")
            for one in others:
                one.follow(failed)
        now += step

    assert asked == {0, 1}


def test_where_the_network_is_down_for_all_they_try_one_by_one(tmp_path: Path) -> None:
    world = World(unreachable=set(range(PODS)))
    run(world, fleet(world, tmp_path), seconds=OUTAGE)

    assert 3 <= world.requests["crl"] <= 1 + OUTAGE // AFTER_ANOTHER.total_seconds()


# --- one schedule, and what another process wrote ---------------------------------------------------------------------


def schedule(interval: timedelta = timedelta(hours=1), *, is_new: bool = False) -> Schedule:
    one = Schedule(interval=interval, now=NOW, draw=lambda _low, high: high)
    if not is_new:
        one.succeeded(NOW - timedelta(days=2))
    return one


def attempt(**changed: object) -> Attempt:
    usual = {"at": NOW, "text": "it is down", "failures": 3, "wait": 120 * SECOND}
    return Attempt(**{**usual, **changed})  # type: ignore[arg-type] # a test's own


def test_the_back_off_goes_on_where_the_other_process_was() -> None:
    one = schedule()
    followed = one.follow(attempt())
    due = one.due - NOW
    one.failed(one.due)

    assert (followed, due) == (True, 120 * SECOND)
    assert one.due - NOW == due + 8 * FIRST_RETRY


def test_the_same_attempt_is_followed_once() -> None:
    one, seen = schedule(), attempt()
    one.follow(seen)
    one.succeeded(NOW + SECOND)
    due = one.due

    assert (one.follow(seen), one.due) == (False, due)


@pytest.mark.parametrize(
    ("told", "interval", "wait"),
    [
        (attempt(wait=timedelta(days=9)), timedelta(days=1), LONGEST_RETRY),
        (attempt(wait=timedelta(days=9)), 5 * SECOND, 5 * SECOND),
        (attempt(wait=SECOND, pause=timedelta(days=9)), timedelta(days=1), LONGEST_RETRY),
        (attempt(wait=SECOND, pause=60 * SECOND), 5 * SECOND, 60 * SECOND),
        (attempt(wait=None), timedelta(days=1), AFTER_ANOTHER),
    ],
    ids=["too long", "longer than usual", "a pause that is too long", "a pause", "another's own failure"],
)
def test_nobody_can_silence_a_source_for_long(told: Attempt, interval: timedelta, wait: timedelta) -> None:
    one = schedule(interval)
    one.follow(told)

    assert not one.is_due(NOW + wait - SECOND / 10)
    assert one.is_due(NOW + wait)


def test_a_process_that_starts_asks_once_within_a_minute_because_somebody_may_have_restarted_it() -> None:
    one = schedule(is_new=True)
    one.follow(attempt(wait=timedelta(minutes=50), failures=9))
    before, after = one.is_due(NOW + AFTER_A_START - SECOND), one.is_due(NOW + AFTER_A_START)
    one.failed(NOW + AFTER_A_START)

    assert (before, after) == (False, True)
    assert one.due - NOW - AFTER_A_START == LONGEST_RETRY


def test_without_a_pin_a_source_is_asked_sooner_but_never_in_its_pause() -> None:
    one, other = schedule(), schedule()
    one.follow(attempt(wait=timedelta(minutes=30)))
    other.follow(attempt(wait=timedelta(minutes=30), pause=timedelta(minutes=20)))
    minute = timedelta(minutes=1)

    assert one.is_due(NOW + minute, at_most=minute)
    assert not other.is_due(NOW + 20 * minute - SECOND, at_most=minute)
    assert other.is_due(NOW + 20 * minute, at_most=minute)


def test_what_one_process_writes_another_reads() -> None:
    store = Memory()
    written = attempt(pause=7 * SECOND)
    Attempts(store).failed("a", written)
    other = Attempts(store)
    other.recall(NOW)
    found = other.of("a")
    other.succeeded("a", NOW)
    third = Attempts(store)
    third.recall(NOW)

    assert (found, third.of("a")) == (written, None)
    assert [entry.is_empty for entry in store.entries(Kind.ATTEMPT)] == [True]


def test_the_success_of_what_did_not_fail_is_not_written() -> None:
    store = Memory()
    Attempts(store).succeeded("a", NOW)

    assert list(store.entries(Kind.ATTEMPT)) == []


def recalled(content: bytes, at: datetime = NOW) -> Attempt | None:
    store = Memory()
    store.put(Kind.ATTEMPT, "a", content, at)
    attempts = Attempts(store)
    attempts.recall(NOW)
    return attempts.of("a")


GOOD = {"version": 1, "text": "it is down", "failures": 1, "wait": 30.0, "pause": 0.0}


CHANGED: dict[str, dict[str, object]] = {
    "another version": {"version": 2},
    "no text": {"text": None},
    "no failure": {"failures": 0},
    "a failure that is no number": {"failures": True},
    "a wait that is over": {"wait": -1},
    "a wait that is text": {"wait": "30"},
    "a wait for years": {"wait": 1e9},
    "no pause": {"pause": None},
    "a pause that is no number": {"pause": True},
    "too long": {"text": "x" * 9_000},
}
BAD = {name: json.dumps({**GOOD, **changed}).encode() for name, changed in CHANGED.items()}
BAD |= {"empty": b"", "junk": b"junk", "nothing in it": b"{}"}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_attempt_delays_nobody(content: bytes) -> None:
    assert recalled(content) is None
    assert recalled(json.dumps(GOOD).encode()) is not None


@given(
    content=st.binary(max_size=300)
    | st.fixed_dictionaries(
        {name: st.just(value) | st.none() | st.integers() | st.floats() | st.text() for name, value in GOOD.items()}
    ).map(lambda value: json.dumps(value).encode()),
    ahead=st.integers(-(10**6), 10**6),
)
def test_whatever_is_written_there_delays_a_question_by_an_hour_at_most(content: bytes, ahead: int) -> None:
    one = schedule()
    one.follow(recalled(content, NOW + ahead * SECOND))

    assert one.is_due(NOW + LONGEST_RETRY)
