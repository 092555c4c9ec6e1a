"""A fork waits while trust is worked on: a child would inherit locks of others that nobody in it ever gives back."""

import os
import threading

import pytest

from mtls_middleware._io import forks
from mtls_middleware._io.forks import undisturbed, waiting
from mtls_middleware._trust.refresher import Refresher

LIMIT = 20.0


class Worker:
    """Work on a thread aside until it may end, and wait in the middle of it when it is told to."""

    def __init__(self, *, waits: bool) -> None:
        self.is_at_it = threading.Event()
        self.go_on = threading.Event()
        self.done = False
        self._waits = waits
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()
        assert self.is_at_it.wait(LIMIT)

    def _work(self) -> None:
        with undisturbed():
            if self._waits:
                with waiting():
                    self._stay()
            else:
                self._stay()
            self.done = True

    def _stay(self) -> None:
        self.is_at_it.set()
        self.go_on.wait(LIMIT)


def fork() -> int:
    """Fork a child that tells by its status whether it can work, and return the status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with undisturbed(), waiting():
                status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_fork_waits_for_the_work_to_end() -> None:
    worker = Worker(waits=False)
    forked: list[tuple[int, bool]] = []
    forking = threading.Thread(target=lambda: forked.append((fork(), worker.done)))
    forking.start()
    forking.join(0.2)
    before = list(forked)
    worker.go_on.set()
    forking.join(LIMIT)

    assert (before, forked) == ([], [(0, True)])


def test_a_fork_does_not_wait_for_the_network() -> None:
    worker = Worker(waits=True)
    status = fork()
    was_done = worker.done
    worker.go_on.set()
    worker.thread.join(LIMIT)

    assert (status, was_done, worker.done) == (0, False, True)


def test_who_works_may_fork() -> None:
    with undisturbed():
        assert fork() == 0
    assert fork() == 0


def test_a_fork_waits_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "FORK_SECONDS", 0.05)
    worker = Worker(waits=False)
    status = fork()
    worker.go_on.set()
    worker.thread.join(LIMIT)

    assert (status, worker.done) == (0, True)
    assert fork() == 0


def test_waiting_elsewhere_changes_nothing() -> None:
    with waiting(), waiting():
        assert fork() == 0


def test_lesson_no_worker_is_forked_in_the_middle_of_a_refresh() -> None:
    entered, leave = threading.Event(), threading.Event()
    refreshed: list[str] = []

    def refresh() -> None:
        entered.set()
        leave.wait(LIMIT)
        refreshed.append("whole")

    refresher = Refresher(refresh, lambda: False, 3600)
    thread = threading.Thread(target=refresher.refresh_now)
    thread.start()
    assert entered.wait(LIMIT)
    threading.Timer(0.05, leave.set).start()
    child = os.fork()
    if child == 0:
        os._exit(0 if refreshed == ["whole"] else 1)
    thread.join(LIMIT)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
