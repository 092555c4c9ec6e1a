"""Time things in turns, so that whatever else the machine does meets all of them alike."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Work = Callable[[], object]
"""Does a batch; its time is that of the whole batch."""


def in_turns(rounds: int, prepare: Callable[[], Mapping[str, Work]]) -> dict[str, list[float]]:
    """Return for each name the seconds of CPU time of this thread that each round took.

    Args:
        rounds: how many.
        prepare: makes what one round does, outside of the time; it is done in an order of chance.
    """
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        works = list(prepare().items())
        random.shuffle(works)
        for name, work in works:
            begin = time.thread_time()
            work()
            seconds.setdefault(name, []).append(time.thread_time() - begin)
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float], less: Sequence[float] | None = None) -> float:
    """Return the median over the rounds of `above` / `below`, each without `less`."""
    bases = less if less is not None else [0.0] * len(above)
    return statistics.median((a - base) / (b - base) for a, b, base in zip(above, below, bases, strict=True))


def drive(app: Any, scopes: Sequence[Any], send: Any) -> None:
    """Run an ASGI application that waits for nothing, without an event loop."""
    for scope in scopes:
        try:
            app(scope, None, send).send(None)
        except StopIteration:
            continue
        raise RuntimeError("the application waited for something")
