"""Where a verb writes: in colour and as wide as the terminal, or plain where nobody looks at one."""

from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where nobody looks at a terminal: a script sees the same everywhere."""


def console_for(console: Console | None = None, width: int = PLAIN_WIDTH) -> Console:
    """Return a console for people.

    Args:
        console: of a test; standard output by default.
        width: columns where it is no terminal.
    """
    console = console or Console()
    return console if console.is_terminal else Console(file=console.file, width=width, color_system=None)
