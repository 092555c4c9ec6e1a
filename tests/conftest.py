"""What all tests share: property tests that repeat, the record for docs/matrix.md, and logging that is restored."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
from hypothesis import Phase, settings

from tests.e2e import matrix

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=100)
settings.register_profile("short", settings.get_profile("repeatable"), max_examples=10)
"""For what was tried at length elsewhere: ``--hypothesis-profile=short``."""
settings.register_profile("once", settings.get_profile("short"), phases=[Phase.explicit, Phase.generate])
"""For who only asks whether a test fails, as the mutants do: nothing is made smaller."""
settings.load_profile("repeatable")

PATIENCE_SECONDS = 30.0

OURS = "mtls_middleware"
"""The logger of the package, and the beginning of the names of those below it."""

NEW_LOGGER: tuple[int, list[logging.Handler], bool, bool] = (logging.NOTSET, [], True, False)


def pytest_configure(config: pytest.Config) -> None:
    matrix.configure(config)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell does this to what it runs in the background; our servers would inherit it, and never be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return the workers of ``-n auto``, more than cores: tests with real servers wait most of the time."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + min(cores, 4)


@pytest.fixture(autouse=True)
def no_handshake_was_refused() -> None:
    """Count refused handshakes from nothing in each test: they are those of the process, before any guard."""
    counts = sys.modules.get("mtls_middleware.observing.handshake_counts")
    if counts is not None:
        counts.HANDSHAKES.after_fork()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a real engine more time than a call has: a busy machine may need that second for itself."""
    for module in ("client", "connections", "state", "store", "troubles"):
        monkeypatch.setattr(f"{OURS}._io.redis_{module}.CALL_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(f"{OURS}._io.redis_client.EngineClient.call.__kwdefaults__", {"seconds": PATIENCE_SECONDS})


@pytest.fixture(autouse=True)
def no_guard_goes_on() -> Iterator[None]:
    """End the threads of guards that a test started and left: they would log into the tests that follow."""
    before = WeakSet(_running())
    yield
    for refresher in _running():
        if refresher not in before:
            refresher.close()


def _running() -> list[Any]:
    forks, trust = (sys.modules.get(f"{OURS}.{name}") for name in ("_io.forks", "_trust.refresher"))
    if forks is None or trust is None:
        return []
    return [one for one in tuple(forks._followers) if isinstance(one, trust.Refresher) and one.is_running]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a framework or an example does to the logging of the whole process, for all tests that follow."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    ours = {logger: (logger.level, logger.handlers[:], logger.propagate, logger.disabled) for logger in _our_loggers()}
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    for logger in _our_loggers():
        level, logger.handlers[:], logger.propagate, logger.disabled = ours.get(
            logger, (logging.NOTSET, [], True, False)
        )
        logger.setLevel(level)


def _our_loggers() -> list[logging.Logger]:
    loggers = logging.getLogger().manager.loggerDict
    return [one for name, one in loggers.items() if name.startswith(OURS) and isinstance(one, logging.Logger)]
