"""A flood writes a bounded number of lines, and what was held back is counted to the last one."""

from threading import Thread
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware.observing.logging import BURST, HeldBack, Limiter


def test_a_burst_is_written_whole() -> None:
    limiter = Limiter()

    assert [limiter.admits(0.0) for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_after_a_burst_a_token_comes_back_only_when_its_time_has_come() -> None:
    limiter = Limiter(burst=2, per_second=0.5)
    assert [limiter.admits(0.0), limiter.admits(1.0), limiter.admits(3.9)] == [True, True, False]
    assert [limiter.admits(4.0), limiter.admits(4.9), limiter.admits(5.0)] == [True, False, True]


def test_nothing_is_told_where_nothing_was_held_back() -> None:
    limiter = Limiter()
    limiter.admits(0.0)

    assert limiter.held_back(100.0, flush=True) is None


def test_what_was_held_back_is_told_once_and_after_a_while() -> None:
    limiter = Limiter(burst=1, per_second=0.01, summary_seconds=10.0)
    admitted = [limiter.admits(second) for second in (0.0, 1.0, 2.0)]

    assert admitted == [True, False, False]
    assert limiter.held_back(10.9) is None
    assert limiter.held_back(11.0) == HeldBack(2, 10.0)
    assert limiter.held_back(100.0) is None


def test_each_summary_counts_from_its_own_first() -> None:
    limiter = Limiter(burst=1, per_second=0.0001)
    limiter.admits(0.0)
    for _ in range(3):
        limiter.admits(1.0)
    first = limiter.held_back(20.0)
    limiter.admits(50.0)

    assert (first, limiter.held_back(60.0)) == (HeldBack(3, 19.0), HeldBack(1, 10.0))


def test_at_the_end_it_is_told_at_once() -> None:
    limiter = Limiter(burst=1)
    limiter.admits(0.0)
    limiter.admits(0.0)

    assert limiter.held_back(0.5, flush=True) == HeldBack(1, 0.5)


def test_of_two_threads_one_tells() -> None:
    limiter = Limiter(burst=1)
    limiter.admits(0.0)
    limiter.admits(0.0)

    with limiter._telling:
        assert limiter.held_back(99.0) is None
    assert limiter.held_back(99.0) == HeldBack(1, 99.0)


def test_where_another_thread_has_just_told_there_is_nothing_to_tell() -> None:
    limiter = Limiter()
    limiter._since.append(0.0)  # a thread noted the time after its line was told

    assert limiter.held_back(99.0) is None


def test_a_line_is_held_back_while_other_threads_hold_all_tokens() -> None:
    limiter = Limiter(burst=1)
    token = limiter._tokens.popleft()

    assert not limiter.admits(0.0)
    limiter._tokens.append(token)
    assert limiter.held_back(0.0, flush=True) == HeldBack(1, 0.0)


Step = tuple[Literal["call", "tell", "flush"], float]


@given(steps=st.lists(st.tuples(st.sampled_from(["call", "tell", "flush"]), st.floats(0.0, 30.0)), max_size=200))
def test_written_and_told_are_all(steps: list[Step]) -> None:
    limiter = Limiter(burst=3, per_second=0.5)
    now, calls, written, told = 0.0, 0, 0, 0
    for step, seconds in [*steps, ("flush", 0.0)]:
        now += seconds
        if step == "call":
            calls += 1
            written += limiter.admits(now)
        elif (held_back := limiter.held_back(now, flush=step == "flush")) is not None:
            assert held_back.number > 0
            told += held_back.number

    assert written + told == calls
    assert written <= 3 + now * 0.5


@pytest.mark.parametrize("tells", [True, False], ids=["while-others-tell", "told-at-the-end"])
def test_threads_lose_nothing_and_write_no_more(tells: bool) -> None:
    limiter = Limiter(burst=5)
    written: list[int] = []
    told: list[int] = []

    def work() -> None:
        written.append(sum(limiter.admits(0.0) for _ in range(3000)))
        if tells and (held_back := limiter.held_back(0.0, flush=True)):
            told.append(held_back.number)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if held_back := limiter.held_back(0.0, flush=True):
        told.append(held_back.number)

    assert sum(written) <= 5
    assert sum(written) + sum(told) == 8 * 3000
