"""Processes whose clocks differ share what they were told: five minutes ahead count as now, and no more."""

from datetime import timedelta
from pathlib import Path

import pytest

from mtls_middleware._io.store import believed
from tests.trust.genesys.region import NOW
from tests.trust.pods import SECOND, Pod, World, run

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

BELIEVED = {
    "the same": timedelta(),
    "30 s ahead": 30 * SECOND,
    "30 s behind": -30 * SECOND,
    "4:59 ahead": 5 * MINUTE - SECOND,
    "4:59 behind": -5 * MINUTE + SECOND,
    "5:01 behind": -5 * MINUTE - SECOND,
}
NOT_BELIEVED = {"5:01 ahead": 5 * MINUTE + SECOND, "1 h ahead": HOUR}


@pytest.mark.parametrize("offset", BELIEVED.values(), ids=BELIEVED)
def test_what_another_process_was_told_is_not_asked_again(tmp_path: Path, offset: timedelta) -> None:
    world = World()
    Pod(world, tmp_path, number=1, offset=offset).tick()
    asked = world.requests.total()
    world.now += 2 * SECOND
    other = Pod(world, tmp_path)
    for _ in range(10):
        other.tick()
        world.now += 2 * SECOND

    assert asked
    assert (world.requests.total(), other.has_pin, other.problems) == (asked, True, ())


@pytest.mark.parametrize(
    "offset", [*NOT_BELIEVED.values(), -1.2 * HOUR], ids=[*NOT_BELIEVED, "more than the interval behind"]
)
def test_what_claims_to_come_from_the_future_or_is_old_is_asked_again_once(tmp_path: Path, offset: timedelta) -> None:
    world = World()
    Pod(world, tmp_path, number=1, offset=offset).tick()
    asked = world.requests.total()
    other = Pod(world, tmp_path)
    for _ in range(3):
        other.tick()
        world.now += 2 * SECOND

    assert (world.requests.total(), other.has_pin) == (2 * asked, True)


@pytest.mark.parametrize("offset", [30 * SECOND, -30 * SECOND, 4 * MINUTE], ids=str)
def test_two_processes_whose_clocks_differ_ask_as_often_as_one(tmp_path: Path, offset: timedelta) -> None:
    alone, together = World(), World()
    for name, world, offsets in (("alone", alone, [0]), ("together", together, [0, 1])):
        (tmp_path / name).mkdir()
        pods = [Pod(world, tmp_path / name, number=number, offset=number * offset) for number in offsets]
        run(world, pods, seconds=3 * 3_600, step=20)

    assert together.requests["crl"] <= alone.requests["crl"] + 1
    assert together.requests["api"] <= alone.requests["api"] + 4  # one poll


@pytest.mark.parametrize("offset", [30 * SECOND, -30 * SECOND, 4 * MINUTE, -4 * MINUTE], ids=str)
def test_a_failure_is_shared_by_processes_whose_clocks_differ(tmp_path: Path, offset: timedelta) -> None:
    world = World(status=503)
    pods = [Pod(world, tmp_path), Pod(world, tmp_path, number=1, offset=offset)]
    run(world, pods, seconds=14)

    assert world.requests == {"api": 1, "crl": 1}
    assert pods[0].problems == pods[1].problems != ()


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (-HOUR, -HOUR),
        (timedelta(), timedelta()),
        (SECOND, timedelta()),
        (5 * MINUTE, timedelta()),
        (301 * SECOND, None),
    ],
    ids=str,
)
def test_a_time_that_is_a_little_ahead_is_now(ahead: timedelta, told: timedelta | None) -> None:
    assert believed(NOW + ahead, NOW) == (None if told is None else NOW + told)
