"""Where a command writes: in colour and as wide as the terminal, or plain where nobody looks at one.

What takes time says so, on a terminal, beside the output and never in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where nobody looks at a terminal: a script sees the same everywhere."""

SILENT_SECONDS = 1.0
"""Before anything is shown: what is over by then needs no word."""


def console_for(console: Console | None = None, width: int = PLAIN_WIDTH) -> Console:
    """Return a console for people.

    Args:
        console: of a test; standard output by default.
        width: columns where it is no terminal.
    """
    console = console or Console()
    return console if console.is_terminal else Console(file=console.file, width=width, color_system=None)


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return ``1 entry``, ``2 entries``.

    Args:
        number: how many.
        noun: for one.
        nouns: for more; with an ``s`` behind it where nothing is said.
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


@contextmanager
def waiting(text: str, *, console: Console | None = None, seconds: float = SILENT_SECONDS) -> Iterator[None]:
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
