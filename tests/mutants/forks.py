"""Children of this process, each with a change of its own: they begin with everything imported."""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NoReturn, TypeVar

MOST_BYTES = 8 * 2**30
"""A change may let something grow for ever."""

SURVIVED, KILLED, UNFIT = 0, 1, 3
"""How a child ends."""

Work = TypeVar("Work")


def each(
    works: Iterable[Work], act: Callable[[Work], int], jobs: int, *, loud: bool = False
) -> Iterator[tuple[Work, int]]:
    """Let a child do each piece of work, `jobs` at a time; yield it with the child's status, or minus a signal."""
    running: dict[int, Work] = {}
    try:
        for work in works:
            while len(running) >= jobs:
                yield _ended(running)
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                _live(act, work, loud=loud)
            running[child] = work
        while running:
            yield _ended(running)
    finally:  # who ends this process ends them, too
        for child in running:
            os.kill(child, signal.SIGTERM)


def _live(act: Callable[[Work], int], work: Work, *, loud: bool) -> NoReturn:
    status = KILLED
    try:
        os.setpgid(0, 0)
        if not loud:
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
            resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        status = act(work)
    except BaseException:  # noqa: BLE001 - the parent learns of it by the status
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _ended(running: dict[int, Work]) -> tuple[Work, int]:
    child, status = os.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what the child left behind
    return running.pop(child), os.waitstatus_to_exitcode(status)
