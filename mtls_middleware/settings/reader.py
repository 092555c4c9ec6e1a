"""Takes values by name, and collects everything that is wrong with them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import TypeVar

from mtls_middleware.display import displayed
from mtls_middleware.settings.variables import VARIABLES, is_injected, nearest

Value = str | int | PurePath | Iterable["str | int | PurePath"] | None
"""What a keyword takes: the text of the environment, or what reads better in code."""

Parsed = TypeVar("Parsed")


class Reader:
    """Hold the operator's values, and the problems found so far."""

    def __init__(self, values: Mapping[str, str], prefix: str) -> None:
        self.prefix = prefix
        self.problems: list[str] = []
        self._values: dict[str, str] = {}
        for name, text in values.items():
            if name not in VARIABLES:
                self._complain_of_unknown(name)
            elif not text.strip(" \t\r\n,"):
                self.say(name, "is set, but empty: give it a value, or remove it")
            else:
                self._values[name] = text.strip()

    def is_set(self, name: str) -> bool:
        """Return whether the operator gave a value."""
        return name in self._values

    def text(self, name: str) -> str:
        """Return the value, or the default."""
        return self._values.get(name, VARIABLES[name].default)

    def items(self, name: str) -> tuple[str, ...]:
        """Return the entries of a list, each once."""
        entries = (entry.strip() for entry in self.text(name).split(","))
        return tuple(dict.fromkeys(entry for entry in entries if entry))

    def one(self, name: str, parser: Callable[[str], Parsed]) -> Parsed | None:
        """Return the parsed value; None where there is none, or a bad one."""
        text = self.text(name)
        return self.parsed(name, text, parser) if text else None

    def each(self, name: str, parser: Callable[[str], Parsed]) -> tuple[Parsed, ...]:
        """Return the parsed entries, without the bad ones."""
        found = (self.parsed(name, entry, parser) for entry in self.items(name))
        return tuple(entry for entry in found if entry is not None)

    def parsed(self, name: str, text: str, parser: Callable[[str], Parsed]) -> Parsed | None:
        """Return what the parser makes of a text, or None and a problem that names it."""
        try:
            return parser(text)
        except ValueError as error:
            shown = "" if VARIABLES[name].secret else f"'{displayed(text)}' "
            self.say(name, f"{shown}{error}")
            return None

    def say(self, name: str, what: str) -> None:
        """Add a problem."""
        self.problems.append(f"{self.prefix}{name}: {what}")

    def _complain_of_unknown(self, name: str) -> None:
        if not is_injected(name):
            close = nearest(name)
            hint = f"; did you mean {self.prefix}{close}?" if close else ""
            self.say(displayed(name), f"there is no such setting{hint}")


def as_text(value: Value) -> str:
    """Return what would stand in the environment for a value given in code."""
    match value:
        case str():
            return str(value)
        case bool():
            return "yes" if value else "no"
        case int() | PurePath():
            return str(value)
        case _:
            return ",".join(as_text(entry) for entry in value or ())
