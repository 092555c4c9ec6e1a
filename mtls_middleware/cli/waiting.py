"""What takes its time says so: on a terminal, after a second, beside the output and never in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console

SECONDS = 1.0
"""Before anything is shown: what is over by then needs no word."""


@contextmanager
def waiting(text: str, *, console: Console | None = None, seconds: float = SECONDS) -> Iterator[None]:
    """Say what is waited for while the body runs.

    Args:
        text: what is waited for.
        console: of a test; standard error by default.
        seconds: before it is shown.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    status = console.status(text)
    timer = Timer(seconds, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # it has shown the text by now, or never will
        status.stop()
