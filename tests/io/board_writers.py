"""Processes that publish what they count to an engine: some lose answers, some pause, and some are killed.

Arguments: port of the engine, name of the deployment, how many processes. Each prints ``counted PID NUMBER`` before it
ends or is killed, and ``paused PID`` before it stops; they go on with SIGCONT.
"""

import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from mtls_middleware._io.redis_board import EngineBoard
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient
from mtls_middleware._io.sealing import Seal
from mtls_middleware.engine import Engine

SECRET = b"a-secret-of-the-state"
ENDED_SECONDS = 1
"""So that those that end, are killed or pause become part of the past while others write."""

WRITES = 25


class LossyClient(EngineClient):
    """Lose the answer of what was done."""

    loses = False

    def call(self, doing: Doing, act: Callable[[Any], Any], **bounds: float) -> Any:
        found = super().call(doing, act, **bounds)
        if self.loses:
            raise AwayError
        return found


def total(reports: Sequence[bytes]) -> bytes:
    return str(sum(map(int, reports))).encode()


def board_of(client: EngineClient, name: str, **options: Any) -> EngineBoard:
    return EngineBoard(client, Seal(SECRET, name=name, purpose="p"), fold=total, fold_seconds=0, **options)


def client_of(port: int) -> LossyClient:
    return LossyClient(Engine(hosts=(("127.0.0.1", port),), shown="redis://here"), lambda: "", draw=lambda *_: 0.0)


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Writer:
    """One process."""

    def __init__(self, port: int, name: str) -> None:
        self.client = client_of(port)
        self.board = board_of(self.client, name, ended_seconds=ENDED_SECONDS)
        self.board.join()
        self.counted = self.folded = 0

    def publish(self) -> None:
        """Write until an answer says that it is written."""
        while not self.board.publish(str(self.counted - self.folded).encode(), datetime.now(UTC)):
            self.folded += int(self.board.folded() or b"0")

    def publish_without_answer(self) -> None:
        """Write, and do not learn whether it is."""
        self.client.loses = True
        self.board.publish(str(self.counted - self.folded).encode(), datetime.now(UTC))
        self.client.loses = False


def work(port: int, name: str, number: int) -> None:
    draw, one = random.Random(number), Writer(port, name)
    pause = draw.randrange(WRITES) if number % 5 == 0 else None
    for turn in range(WRITES):
        one.counted += draw.randrange(5)
        if turn == pause:
            say("paused", os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)
        if draw.random() < 0.3:
            one.publish_without_answer()
        else:
            one.publish()
    one.publish()
    say("counted", os.getpid(), one.counted)
    if number % 3 == 0:
        one.board.leave()
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    port, name, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    children = []
    for index in range(number):
        child = os.fork()
        if child == 0:
            try:
                work(port, name, index)
            finally:
                os._exit(1)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
