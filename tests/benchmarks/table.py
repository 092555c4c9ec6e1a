"""What a benchmark found: a table, with the words that belong around it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold the outcome of one benchmark.

    Attributes:
        title: a heading.
        text: what was measured, and how it is to be read; Markdown.
        head: names of the columns.
        rows: cells as they are shown.
        after: what stands below the table, such as a picture; Markdown.
    """

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    after: str = ""

    def markdown(self) -> str:
        """Return the section of a page."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [_line(row, widths) for row in (self.head, *self.rows)]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        parts = (f"## {self.title}", self.text, "\n".join(lines), self.after)
        return "\n\n".join(filter(None, parts)) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
