"""Long work in slices: threads that serve requests must not wait for the interpreter until all of it is done."""

import time
from collections.abc import Callable

from mtls_middleware._trust.forks import waiting

REST_SECONDS = 0.0005
"""Between two slices: long enough for a thread that waits for the interpreter to take it."""

Pause = Callable[[], None]
"""Rest between two slices of about a millisecond."""


def rest() -> None:
    """Let other threads have the interpreter."""
    with waiting():
        time.sleep(REST_SECONDS)
