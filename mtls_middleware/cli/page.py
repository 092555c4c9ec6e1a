"""What every command prints with: colours and the terminal's width, or plain text where it is no terminal."""

import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

PLAIN_WIDTH = 120
"""Columns where the output is no terminal: a script gets the same everywhere."""

MIN_WIDTH = 20
"""Columns of a text beside its label, however narrow the terminal is."""

SILENT_SECONDS = 1.0
"""Before progress is shown: what takes less needs none."""

JSON_VERSION = 1
"""Of all shapes; a field that goes or changes its meaning makes it 2, a new one does not."""

Progress = Callable[[str], None]


def console_for(console: Console | None = None, width: int = PLAIN_WIDTH) -> Console:
    """Return a console for people."""
    console = console or Console()
    return console if console.is_terminal else Console(file=console.file, width=width, color_system=None)


def line(console: Console, text: str | Text = "", style: str = "") -> None:
    """Print one line, never wrapped: it may be copied. Texts are data, never markup."""
    console.print(text if isinstance(text, Text) else Text(text, style=style), soft_wrap=True)


def heading(console: Console, text: str, style: str = "bold") -> None:
    """Print an empty line and a heading."""
    line(console)
    line(console, text, style)


def wrapped(console: Console, text: str, style: str = "", *, label: str | Text = "") -> None:
    """Print a text, broken between words only: paths, addresses and commands will be copied.

    Args:
        console: where to.
        text: one paragraph.
        style: of the text.
        label: before the first line, in the same style or its own; the others are indented by its length.
    """
    width = max(console.width - len(label), MIN_WIDTH)
    for part in textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False) or [""]:
        has_style = isinstance(label, Text)
        line(console, Text.assemble(label, (part, style)) if has_style else Text(f"{label}{part}", style=style))
        label = " " * len(label)


def table(
    console: Console, columns: Sequence[str | Column], rows: Iterable[Sequence[str | Text]], *, title: str = ""
) -> None:
    """Print a table with a frame. Long cells are folded, nothing is cut off."""
    found = Table(
        *(Column(column, overflow="fold") if isinstance(column, str) else column for column in columns),
        title=title or None,
        title_justify="left",
        title_style="",
        box=box.ROUNDED if console.is_terminal else box.ASCII2,
    )
    for row in rows:
        found.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console.print(found)


def print_json(value: Mapping[str, object]) -> None:
    """Print a value for a script, after the version of its shape, which docs/reference/json.md has."""
    sys.stdout.write(json.dumps({"version": JSON_VERSION, **value}, indent=2) + "\n")


@contextmanager
def waiting(text: str, *, console: Console | None = None, seconds: float = SILENT_SECONDS) -> Iterator[Progress]:
    """Show on a terminal what is waited for while the body runs; yield what changes the text.

    Args:
        text: what is waited for.
        console: of a test; standard error by default.
        seconds: before it is shown.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    status = console.status(Text(text), spinner="dots" if console.encoding.startswith("utf") else "line")
    timer = Timer(seconds, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda now: status.update(Text(now))
    finally:
        timer.cancel()
        timer.join()  # it has shown the text by now, or never will
        status.stop()
