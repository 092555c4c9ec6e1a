"""Twenty processes publish to a real engine, lose answers, pause and are killed: their counts are exact."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mtls_middleware._io.redis_board import EngineBoard
from tests.io.board_writers import ENDED_SECONDS, board_of, client_of
from tests.io.engines import needs_engine, running

pytestmark = [needs_engine, pytest.mark.slow]

PROCESSES = 20
SECONDS = 120.0
NAME = "counts"


@contextmanager
def writers(port: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.io.board_writers", str(port), NAME, str(PROCESSES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        yield process


def shown(port: int) -> int:
    client = client_of(port)
    try:
        return sum(int(posted.content or b"0") for posted in board_of(client, NAME).reports())
    finally:
        client.close()


def fold_all_others(keeper: EngineBoard) -> None:
    """Publish until all others have become part of the past: the sum and the own report are left."""
    end = time.monotonic() + SECONDS
    while len(list(keeper.reports())) > 2:
        assert time.monotonic() < end
        keeper.publish(b"0", datetime.now(UTC))
        keeper.folded()
        time.sleep(0.05)


def test_counts_of_twenty_processes_are_exact() -> None:
    counted, paused = dict[int, int](), list[int]()
    with running() as engine, ExitStack() as stack:
        client = client_of(engine.port)
        stack.callback(client.close)
        keeper = board_of(client, NAME, ended_seconds=ENDED_SECONDS)
        keeper.join()
        with writers(engine.port) as process:
            for line in process.stdout or ():
                word, pid, *number = line.split()
                if word == "counted":
                    counted[int(pid)] = int(number[0])
                else:
                    paused.append(int(pid))
                if len(counted) + len(paused) == PROCESSES and paused:
                    fold_all_others(keeper)
                    for one in paused:
                        os.kill(one, signal.SIGCONT)
                    came_back, paused = len(paused), []
        assert (len(counted), process.wait(SECONDS), came_back) == (PROCESSES, 0, PROCESSES // 5)
        assert shown(engine.port) == sum(counted.values()) > 0

        fold_all_others(keeper)
        assert shown(engine.port) == sum(counted.values())
