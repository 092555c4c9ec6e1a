"""Refreshes happen when a file changed or the time has come, one at a time, and nothing ends them but `close`."""

import gc
import logging
import os
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from weakref import WeakSet

import pytest

from mtls_middleware._io import forks
from mtls_middleware._trust.refresher import HURRY_SECONDS, POLL_JITTER, POLL_SECONDS, Refresher

LIMIT = 20.0
"""Seconds after which a wait for another thread has failed."""


class World:
    """Stand for clock, files and trust: nothing in it moves by itself."""

    def __init__(self) -> None:
        self.now = 100.0
        self.changed = False
        self.failure: BaseException | None = None
        self.refreshed = 0
        self.asked = 0
        self.waits: list[float] = []

    def refresh(self) -> None:
        self.refreshed += 1
        self.changed = False
        if self.failure is not None:
            raise self.failure

    def ask(self) -> bool:
        self.asked += 1
        return self.changed


_BEFORE: set[threading.Thread] = set()
"""Threads of guards that other tests of this process left behind: they are nobody's business here."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know nothing of the guards of other tests: neither here nor in a child do their threads count."""
    monkeypatch.setattr(forks, "_followers", WeakSet())
    _BEFORE.clear()
    _BEFORE.update(threading.enumerate())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def refresher(world: World) -> Iterator[Refresher]:
    """Plan as `start` does, but leave the ticks to the test."""
    refresher = Refresher(world.refresh, world.ask, 60, lambda: 2.0, clock=lambda: world.now, draw=lambda _, high: high)
    refresher._plan()
    yield refresher
    refresher.close()


class TestTick:
    """What the thread does each time it wakes."""

    def test_nothing_happens_while_nothing_changes(self, world: World, refresher: Refresher) -> None:
        assert refresher.tick() == 2
        assert (world.asked, world.refreshed) == (1, 0)

    def test_a_change_is_refreshed_at_once(self, world: World, refresher: Refresher) -> None:
        world.changed = True
        refresher.tick()
        assert world.refreshed == 1

    def test_the_interval_with_its_jitter_is_refreshed(self, world: World, refresher: Refresher) -> None:
        world.now += 65.9
        refresher.tick()
        assert world.refreshed == 0
        world.now += 0.2
        refresher.tick()
        assert world.refreshed == 1

    def test_the_interval_begins_anew_with_each_refresh(self, world: World, refresher: Refresher) -> None:
        world.now += 60
        refresher.refresh_now()
        world.now += 60
        refresher.tick()
        assert world.refreshed == 1

    def test_it_wakes_in_time_for_a_refresh(self, world: World, refresher: Refresher) -> None:
        world.now += 65
        assert refresher.tick() == pytest.approx(1)

    def test_processes_that_began_together_ask_at_different_times(self, world: World) -> None:
        waits = [Refresher(world.refresh, world.ask, 60, clock=lambda: world.now) for _ in range(20)]
        for one in waits:
            one._plan()

        asked_again = {one.tick() for one in waits}

        assert len(asked_again) > 10
        assert POLL_JITTER[0] * POLL_SECONDS <= min(asked_again) <= max(asked_again) <= POLL_SECONDS

    def test_it_hurries_as_long_as_it_is_told_to(self, world: World) -> None:
        polls = [POLL_SECONDS, HURRY_SECONDS]
        hurrying = Refresher(
            world.refresh, world.ask, 60, polls.pop, clock=lambda: world.now, draw=lambda _, high: high
        )
        hurrying._plan()

        assert [hurrying.tick(), hurrying.tick()] == [HURRY_SECONDS, POLL_SECONDS]

    def test_the_jitter_is_a_tenth(self, world: World) -> None:
        drawn: list[tuple[float, float]] = []

        def draw(low: float, high: float) -> float:
            drawn.append((low, high))
            return low

        Refresher(world.refresh, world.ask, 60, draw=draw)._plan()
        assert drawn == [(0.9, 1.1)]

    @pytest.mark.parametrize("failure", [OSError("disk"), BaseException("panic"), SystemExit(1)])
    def test_a_failure_is_logged_and_goes_no_further(
        self, failure: BaseException, world: World, refresher: Refresher, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.changed, world.failure = True, failure
        refresher.tick()
        assert [(record.name, record.levelno) for record in caplog.records] == [
            ("mtls_middleware.trust", logging.ERROR)
        ]

    def test_a_failure_to_ask_is_logged_too(self, refresher: Refresher, caplog: pytest.LogCaptureFixture) -> None:
        refresher._changed = lambda: 1 // 0 == 0
        assert refresher.tick() == 2
        assert len(caplog.records) == 1

    def test_the_same_failure_is_logged_once(
        self, world: World, refresher: Refresher, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.failure = OSError("disk")
        for _ in range(3):
            world.changed = True
            refresher.tick()
        assert (world.refreshed, len(caplog.records)) == (3, 1)

    def test_a_failure_after_success_is_logged_again(
        self, world: World, refresher: Refresher, caplog: pytest.LogCaptureFixture
    ) -> None:
        for failure in (OSError("disk"), None, OSError("disk")):
            world.changed, world.failure = True, failure
            refresher.tick()
        failed = "trust could not be refreshed; the last good trust stays"
        assert caplog.messages == [failed, "trust is refreshed again", failed]
        assert {record.levelname for record in caplog.records} == {"ERROR"}

    def test_a_failed_refresh_waits_for_its_time_again(self, world: World, refresher: Refresher) -> None:
        world.failure = OSError("disk")
        world.now += 100
        refresher.tick()
        refresher.tick()
        assert world.refreshed == 1


def test_a_caller_who_refreshes_hears_of_the_failure(world: World, refresher: Refresher) -> None:
    world.failure = OSError("disk")
    with pytest.raises(OSError, match="disk"):
        refresher.refresh_now()
    world.failure = None
    refresher.refresh_now()
    assert world.refreshed == 2


def test_refreshes_never_run_at_the_same_time() -> None:
    entered, leave, inside, most = threading.Semaphore(0), threading.Event(), [0], [0]

    def refresh() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        entered.release()
        leave.wait(LIMIT)
        inside[0] -= 1

    refresher = Refresher(refresh, lambda: False, 60)
    callers = [threading.Thread(target=refresher.refresh_now) for _ in range(4)]
    for caller in callers:
        caller.start()
    assert entered.acquire(timeout=LIMIT)
    assert not entered.acquire(blocking=False)
    leave.set()
    for caller in callers:
        caller.join(LIMIT)
    assert most == [1]


class Wakes:
    """Replace waiting: the thread goes on when the test says so."""

    def __init__(self) -> None:
        self.asleep = threading.Semaphore(0)
        self.seconds: list[float] = []
        self._wake = threading.Semaphore(0)
        self._waits_really = False

    def __call__(self, stop: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        self.asleep.release()
        assert self._wake.acquire(timeout=LIMIT)
        return stop.wait(seconds) if self._waits_really else stop.is_set()

    def wake(self) -> None:
        """Let the sleeping thread go on."""
        assert self.asleep.acquire(timeout=LIMIT)
        self._wake.release()

    def let_go(self) -> None:
        """Wait until the thread sleeps, and make it wait for its event from now on."""
        assert self.asleep.acquire(timeout=LIMIT)
        self._waits_really = True
        self._wake.release()


class TestThread:
    """A daemon thread ticks from `start` to `close`."""

    def test_nothing_runs_before_the_start(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        assert not refresher.is_running
        assert not threads()
        refresher.close()

    def test_it_ticks_until_it_is_closed(self, world: World) -> None:
        wakes = Wakes()
        refresher = Refresher(world.refresh, world.ask, 60, wait=wakes, draw=lambda _, high: high)
        world.changed = True
        refresher.start()
        wakes.wake()
        wakes.wake()
        wakes.let_go()
        assert (world.refreshed, world.asked) == (1, 2)
        assert wakes.seconds == [0, 2, 2]
        refresher.close()
        assert not threads()

    def test_a_failure_does_not_end_it(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        wakes = Wakes()
        refresher = Refresher(world.refresh, world.ask, 60, wait=wakes)
        world.changed, world.failure = True, BaseException("panic")
        refresher.start()
        wakes.wake()
        wakes.wake()
        wakes.let_go()
        assert (world.asked, len(caplog.records)) == (2, 1)
        refresher.close()

    def test_start_twice_begins_one_thread(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        refresher.start()
        refresher.start()
        assert len(threads()) == 1
        assert threads()[0].daemon
        refresher.close()

    def test_close_ends_a_long_wait_at_once(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 86_400, poll=lambda: 86_400)
        refresher.start()
        refresher.close()
        assert not threads()

    def test_close_twice_and_before_the_start_is_nothing(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        refresher.close()
        refresher.start()
        refresher.close()
        refresher.close()
        assert not refresher.is_running

    def test_it_starts_again_after_close(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        refresher.start()
        refresher.close()
        refresher.start()
        assert len(threads()) == 1
        refresher.close()
        assert not threads()

    def test_a_refresh_may_close_it(self) -> None:
        closed = threading.Event()

        def close() -> None:
            closing.close()
            closed.set()

        closing = Refresher(close, lambda: True, 60)
        closing.start()
        assert closed.wait(LIMIT)
        assert not closing.is_running

    def test_one_that_nobody_holds_ends(self, world: World) -> None:
        wakes = Wakes()
        refresher = Refresher(world.refresh, world.ask, 60, wait=wakes)
        refresher.start()
        (thread,) = threads()
        gone = weakref.ref(refresher)
        del refresher
        gc.collect()
        assert gone() is None
        wakes.wake()
        thread.join(LIMIT)
        assert not thread.is_alive()

    def test_it_keeps_no_process_alive(self) -> None:
        program = (
            "from mtls_middleware._trust.refresher import HURRY_SECONDS, POLL_JITTER, POLL_SECONDS, Refresher\n"
            "refresher = Refresher(lambda: None, lambda: False, 3600, poll=lambda: 3600)\n"
            "refresher.start()\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=LIMIT)


class TestFork:
    """A child has neither the thread nor those who hold the locks; it goes on all the same."""

    def test_a_running_one_runs_in_the_child(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        refresher.start()
        assert in_child(lambda: len(threads()) == 1 and ticks(refresher))
        assert len(threads()) == 1
        refresher.close()

    def test_start_in_the_child_begins_no_second(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        refresher.start()
        assert in_child(lambda: starts(refresher) == 1)
        refresher.close()

    @pytest.mark.parametrize("closed", [False, True], ids=["never-started", "closed"])
    def test_one_that_did_not_run_does_not_run_in_the_child_before_its_start(
        self,
        closed: bool,
        world: World,
    ) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        if closed:
            refresher.start()
            refresher.close()
        assert in_child(lambda: not threads() and starts(refresher) == 1)

    def test_a_refresh_under_way_in_the_parent_does_not_block_the_child(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forks, "FORK_SECONDS", 0.1)  # it waits for nothing but its event
        entered, leave, parent = threading.Event(), threading.Event(), os.getpid()

        def refresh() -> None:
            if os.getpid() == parent:
                entered.set()
                leave.wait(LIMIT)

        refresher = Refresher(refresh, lambda: True, 60)
        refresher.start()
        assert entered.wait(LIMIT)
        assert in_child(lambda: refreshes(refresher))
        leave.set()
        refresher.close()

    def test_one_that_nobody_holds_is_forgotten(self, world: World) -> None:
        refresher = Refresher(world.refresh, world.ask, 60)
        gone = weakref.ref(refresher)
        del refresher
        gc.collect()
        assert gone() is None


def threads() -> list[threading.Thread]:
    """Return the threads of the refreshers of this test."""
    return [one for one in threading.enumerate() if one.name == "mtls-middleware-trust" and one not in _BEFORE]


def ticks(refresher: Refresher) -> bool:
    asked = threading.Event()

    def ask() -> bool:
        asked.set()
        return False

    refresher._changed = ask
    refresher.close()
    refresher.start()
    return asked.wait(LIMIT)


def starts(refresher: Refresher) -> int:
    refresher.start()
    return len(threads())


def refreshes(refresher: Refresher) -> bool:
    refresher.refresh_now()
    return True


def in_child(claim: Callable[[], bool]) -> bool:
    """Fork, and return whether the claim holds in the child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if claim() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_applications_random_numbers_are_left_alone() -> None:
    before = random.getstate()
    refresher = Refresher(refresh=lambda: None, changed=lambda: True, interval=10.0)
    for _ in range(3):
        refresher.tick()

    assert random.getstate() == before
