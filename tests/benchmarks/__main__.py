"""Measure everything, and print it or write it to ``docs/performance.md``.

From the folder of the project::

    python -m tests.benchmarks            # all of it, ten minutes on a quiet machine
    python -m tests.benchmarks hot cold   # some of it
    python -m tests.benchmarks --write    # all of it, into docs/

Of the whole servers, nginx and Express have their rows where nginx and npm are installed.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks import cold, flood, growth, hot, light, served
from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "performance.md"

PARTS: Mapping[str, Callable[[Path | None], Sequence[Table]]] = {
    "hot": lambda _: [hot.table()],
    "cold": lambda _: [cold.table()],
    "flood": lambda _: [flood.table()],
    "growth": lambda folder: [growth.table(folder)],
    "light": lambda _: [light.table()],
    "served": lambda _: served.tables(),
}

HEAD = """\
# How fast it is

Made by `python -m tests.benchmarks --write`, not written by hand. Everything is a ratio of two things measured in turns
in one run, because times of one machine say nothing about another.

{machine}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="what to measure; everything if none is named")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    chosen = parser.parse_args(arguments)
    folder = DOCS if chosen.write else None
    sections = []
    for name in chosen.part or PARTS:
        with contextlib.redirect_stdout(io.StringIO()):  # servers' output
            tables = PARTS[name](folder)
        sections += [table.markdown() for table in tables]
        sys.stdout.write("\n".join(table.markdown() for table in tables) + "\n")
        sys.stdout.flush()
    if folder is not None:
        page = "\n".join((HEAD.format(machine=describe()), *sections))
        (folder / PAGE).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
