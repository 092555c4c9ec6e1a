"""Processes that share trust through a real engine: a partition, an outage of everything, clocks that differ."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.io.engines import Running, needs_engine, running
from tests.slow import mostly_slow
from tests.trust.genesys.region import INTERMEDIATE
from tests.trust.pods import SECOND, Pod, World, run

pytestmark = needs_engine

SECRET = "a-secret-of-the-state"
HOUR = timedelta(hours=1)
BOTH = ("127.0.0.1", "127.0.0.2")
"""Addresses of one engine, one for each side of a partition."""


@pytest.fixture
def engine() -> Iterator[Running]:
    with running("--bind", *BOTH) as one:
        yield one


@pytest.fixture
def pod(tmp_path: Path, engine: Running) -> Callable[..., Pod]:
    def started(world: World, number: int, *, host: str = BOTH[0], offset: timedelta = timedelta()) -> Pod:
        state = f"redis://{host}:{engine.port},off"
        return Pod(world, tmp_path, number=number, offset=offset, state=state, state_secret=SECRET)

    return started


Start = Callable[..., Pod]


def number(pod: Pod) -> int:
    (found,) = pod.trust.crls.crls
    assert found.number is not None
    return found.number


def run_until(world: World, pods: list[Pod], holds: Callable[[], bool]) -> None:
    """Let time go by, of the processes and of their connections to the engine, which are left alone for some of it."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, [pod.problems for pod in pods]
        run(world, pods, seconds=1)
        time.sleep(0.05)


@pytest.mark.usefixtures("patient")
@mostly_slow("newest", ["near", "far"], kept=["far"])
def test_both_sides_of_a_partition_go_on_and_agree_when_it_heals(pod: Start, engine: Running, newest: str) -> None:
    world = World(crl=INTERMEDIATE.crl(number=1))
    near, far = ([pod(world, 2 * side + one, host=host) for one in (0, 1)] for side, host in enumerate(BOTH))
    everybody = [*near, *far]
    run_until(world, everybody, lambda: {len(one.trust.crls.crls) for one in everybody} == {1})
    assert world.requests["crl"] == 1

    with engine.admin() as admin:
        admin.config_set("bind", BOTH[0])
        admin.execute_command("CLIENT", "KILL", "LADDR", f"{BOTH[1]}:{engine.port}")
        world.now += HOUR + 600 * SECOND
        sides = (far, near) if newest == "near" else (near, far)
        for crl_number, side in enumerate(sides, 2):
            world.crl = INTERMEDIATE.crl([world.client] * (crl_number == 3), number=crl_number)
            run(world, side, seconds=5)
            assert {number(one) for one in side} == {crl_number}
        assert world.requests["crl"] >= 3
        assert [one.number for one in near if one.trust.complaints] == []
        assert [one.number for one in far if not one.trust.complaints] == []
        assert [one.number for one in everybody if not one.has_pin] == []

        admin.config_set("bind", " ".join(BOTH))
        asked = world.requests["crl"]
        run_until(world, everybody, lambda: {number(one) for one in everybody} == {3})
        late = pod(world, 4, host=BOTH[1])
        run_until(world, everybody, lambda: not any(one.trust.complaints for one in everybody))
        late.tick()

    assert (number(late), world.requests["crl"]) == (3, asked)


def test_what_an_engine_does_between_two_refreshes_is_told_and_nobody_is_asked(pod: Start, engine: Running) -> None:
    world = World()
    one = pod(world, 0)
    run_until(world, [one], lambda: one.has_pin and not one.problems)
    asked = world.requests.copy()
    told = list[tuple[str, ...]]()
    for act in (engine.stop, engine.start):
        before = one.trust.complaints
        act()
        run_until(world, [one], lambda before=before: one.trust.complaints != before)  # type: ignore[misc] # mypy#15459
        told.append(one.trust.complaints)

    assert (len(told[0]), told[1], world.requests) == (1, (), asked)


def test_without_engine_and_hosts_who_runs_serves_and_who_starts_has_no_trust(pod: Start, engine: Running) -> None:
    world = World()
    runs = pod(world, 0)
    run_until(world, [runs], lambda: runs.has_pin)
    engine.stop()
    world.status = 503
    starts = pod(world, 1)
    run(world, [runs, starts], seconds=10)

    assert (runs.has_pin, len(runs.trust.crls.crls)) == (True, 1)
    assert (starts.has_pin, len(starts.trust.crls.crls)) == (False, 0)


@pytest.mark.parametrize("offset", [299, -299])
def test_clocks_that_are_five_minutes_apart_share_questions_answers_and_failures(pod: Start, offset: int) -> None:
    world, alone = World(status=503), World(status=503)
    pods = [pod(world, 0), pod(world, 1, offset=offset * SECOND)]
    run(world, pods, seconds=14)
    assert world.requests == {"api": 1, "crl": 1}

    world.status = alone.status = None
    world.requests.clear()
    run(world, pods, seconds=2 * 3_600, step=20)

    assert [one.number for one in pods if one.problems or not one.has_pin] == []
    assert world.requests["crl"] <= 4


# --- the page ---------------------------------------------------------------------------------------------------------

TESTS = Path(__file__).parents[1]

ROWS = {
    "refuses connections": (
        "io/test_engine_outages.py::test_all_go_on_without_it_and_share_again_after",
        "e2e/test_fleet.py::test_without_an_engine_each_asks_for_itself",
    ),
    "drops packets": (
        "io/test_engine_outages.py::test_all_go_on_without_it_and_share_again_after",
        "io/test_engine_failures.py::test_an_engine_that_does_not_answer_is_asked_once",
    ),
    "was restarted, and is empty": (
        "io/test_engine_store.py::test_what_the_engine_loses_is_put_back_by_whoever_has_it",
        "e2e/test_fleet.py::test_an_engine_that_restarts_empty_is_filled_by_who_runs",
    ),
    "is full": (
        "io/test_engine_failures.py::test_a_full_one",
        "io/test_engine_store.py::test_what_could_not_be_written_is_put_there_later",
    ),
    "refuses the password or the rights": (
        "io/test_engine_failures.py::test_a_password",
        "io/test_engine_failures.py::test_rights_that_are_too_few",
    ),
    "speaks TLS where you wrote `redis://`, or the other way round": (
        "io/test_engine_failures.py::test_a_plain_port_and_tls_are_told_apart",
    ),
    "answers byte by byte, or not to TLS": ("io/test_engine_bounds.py::test_a_call_over_a_line_that_drips_ends",),
    "is a replica that cannot be written": (
        "io/test_engine_outages.py::test_a_replica_is_read_and_each_asks_for_itself",
    ),
    "loads its data, or has lost its primary": (
        "io/test_engine_outages.py::test_one_that_loads_its_data_is_none_until_it_has_them",
        "io/test_engine_outages.py::test_a_replica_that_lost_its_primary_and_serves_nothing_is_none",
    ),
    "evicts (`allkeys-lru`)": (
        "io/test_engine_outages.py::test_what_is_evicted_is_put_back_by_whoever_has_more",
        "io/test_engine_outages.py::test_under_pressure_without_end_all_go_on",
    ),
    "fails over, by Sentinel": ("io/test_engine_topologies.py::test_sentinel_fails_over",),
    "is cut off from some pods": (
        "trust/test_fleet_failures.py::test_both_sides_of_a_partition_go_on_and_agree_when_it_heals",
    ),
    "is away, and so are API and CRL hosts": (
        "trust/test_fleet_failures.py::test_without_engine_and_hosts_who_runs_serves_and_who_starts_has_no_trust",
        "e2e/test_fleet.py::test_a_folder_beside_it_serves_while_nothing_answers",
    ),
}
"""The rows of the page, and what shows each of them with a real engine."""


def test_every_row_of_the_page_has_a_test() -> None:
    page = (TESTS.parent / "docs" / "fleets.md").read_text(encoding="utf-8")
    table = page.partition("## When something fails")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|-][^|]*) \|", table, re.MULTILINE)
    named = [name.split("::") for names in ROWS.values() for name in names]

    assert rows == ["the engine", *ROWS]
    assert [one for file, one in named if f"def {one}(" not in (TESTS / file).read_text(encoding="utf-8")] == []
