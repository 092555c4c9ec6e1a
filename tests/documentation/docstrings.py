"""Docstrings of the google convention as data and as Markdown."""

import inspect
import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):(.*)$")
_ENTRY = re.compile(r"^(\*{0,2}\w+): (.*)$")


@dataclass(slots=True)
class Docstring:
    """Hold a docstring: its sentences, and the entries of each section."""

    summary: str = ""
    sections: dict[str, dict[str, str]] = field(default_factory=dict)

    def entries(self, section: str) -> dict[str, str]:
        return self.sections.get(section, {})


def parsed(text: str | None) -> Docstring:
    """Return the parts of a docstring, as Markdown."""
    found = Docstring()
    lines: list[str] = []
    section = ""
    for line in inspect.cleandoc(text or "").splitlines():
        head = _SECTION.match(line)
        if head:
            section = head[1]
            found.sections[section] = {"": head[2].strip()} if head[2].strip() else {}
        elif not section:
            lines.append(line)
        elif line and not line.startswith(" "):
            section = ""
            lines += ["", line]
        else:
            _add(found.sections[section], line)
    found.summary = markdown("\n".join(lines).strip())
    for entries in found.sections.values():
        for name, words in entries.items():
            entries[name] = markdown(words)
    return found


def markdown(text: str) -> str:
    """Write code as Markdown does."""
    return text.replace("``", "`")


def one_line(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _add(entries: dict[str, str], line: str) -> None:
    entry = _ENTRY.match(line[4:])
    if entry:
        entries[entry[1]] = entry[2]
    elif line.strip():
        last = next(reversed(entries), "")
        entries[last] = f"{entries.get(last, '')} {line.strip()}".strip()
