"""The pages of the documentation as data: headings, links, fences, tables and commands."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

PROGRAM = "mtls-middleware"

_PROMPT = "$ "
_COMMAND = re.compile(rf"(?<![\w/.'-]){PROGRAM} (?P<arguments>(?:--)?[a-z].*)")
_SHELL = ("sh", "console", "bash")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_ROW = re.compile(r"^\s*\|.*\|\s*$")
_DELIMITER = re.compile(r"^\s*\|(?:\s*:?-+:?\s*\|)+\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Hold a heading: its depth from 1, its text, and the anchor that GitHub makes of it."""

    depth: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Hold a block of code: the first word behind its backticks, and what stands in it."""

    language: str
    content: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold the number of cells of each row of a table, the head's first, as they are written."""

    line: int
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Hold a page. `name` is its path from the root of the project."""

    name: str
    text: str
    tokens: tuple[Token, ...]

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @property
    def headings(self) -> tuple[Heading, ...]:
        found: list[Heading] = []
        for token, content in zip(self.tokens, self.tokens[1:], strict=False):
            if token.type == "heading_open":
                text = _plain(content)
                twins = sum(_anchor(one.text) == _anchor(text) for one in found)
                anchor = _anchor(text) + (f"-{twins}" if twins else "")
                found.append(Heading(depth=int(token.tag[1]), text=text, anchor=anchor))
        return tuple(found)

    @property
    def fences(self) -> tuple[Fence, ...]:
        return tuple(
            Fence(language=token.info.partition(" ")[0], content=token.content, line=token.map[0] + 1)
            for token in self.tokens
            if token.type == "fence" and token.map
        )

    @property
    def links(self) -> tuple[str, ...]:
        """Return the targets of links and pictures."""
        inside = [child for token in self.tokens for child in token.children or ()]
        return tuple(
            str(child.attrs["href" if child.type == "link_open" else "src"])
            for child in inside
            if child.type in {"link_open", "image"}
        )

    @property
    def code_spans(self) -> tuple[str, ...]:
        inside = [child for token in self.tokens for child in token.children or ()]
        return tuple(child.content for child in inside if child.type == "code_inline")

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(_tables(self.text.splitlines(), [(one.line - 1, one) for one in self.fences]))

    @property
    def commands(self) -> tuple[str, ...]:
        """Return each command line of ours that is shown to be run, without the name of the program."""
        return _commands(line for fence in self.fences if fence.language in _SHELL for line in _joined(fence.content))

    @property
    def mentioned_commands(self) -> tuple[str, ...]:
        """Return each one that stands in a sentence, perhaps without its arguments."""
        return _commands(span for span in self.code_spans if span.startswith(PROGRAM))


@cache
def page(name: str) -> Page:
    """Return one page."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return Page(name=name, text=text, tokens=tuple(MarkdownIt("commonmark").enable("table").parse(text)))


def names() -> tuple[str, ...]:
    """Return every page: what stands at the root, and all of docs/."""
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in pages))


def _commands(lines: Iterable[str]) -> tuple[str, ...]:
    found = (_COMMAND.search(line.removeprefix(_PROMPT)) for line in lines)
    return tuple(_ended(one["arguments"]) for one in found if one is not None)


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def _anchor(text: str) -> str:
    """Return what GitHub makes of a heading."""
    return _NOT_IN_ANCHORS.sub("", text.strip().lower()).replace(" ", "-")


def _tables(lines: list[str], fences: list[tuple[int, Fence]]) -> Iterator[Table]:
    """Find tables by their delimiter rows; CommonMark itself would silently cut a row, or fill it up."""
    code = {number for begin, fence in fences for number in range(begin, begin + fence.content.count("\n") + 2)}
    for number, line in enumerate(lines):
        if number in code or not _DELIMITER.match(line):
            continue
        rows = [lines[number - 1], line]
        for row in lines[number + 1 :]:
            if not row.strip():
                break
            rows.append(row)
        yield Table(line=number, cells=tuple(_cells(row) for row in rows))


def _cells(row: str) -> int:
    """Count cells as GitHub does: a bar in code counts, too, unless it is escaped."""
    return len(re.findall(r"(?<!\\)\|", row.strip())) - 1 if _ROW.match(row) else 0


def _joined(content: str) -> list[str]:
    """Return lines, each with those that a backslash carries on."""
    return re.sub(r"\\\n\s*", "", content).splitlines()


def _ended(arguments: str) -> str:
    """Cut off what the shell, and not the program, reads."""
    return re.split(r"\s(?:[|&;]|\d?>|#|&&)", arguments, maxsplit=1)[0].strip()
