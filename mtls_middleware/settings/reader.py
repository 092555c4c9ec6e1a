"""Values by name and prefix, as the operator gave them. Everything that is wrong is collected."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from re import compile as regex
from types import MappingProxyType
from typing import Any, Self, TypeVar

from mtls_middleware.display import displayed
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings.keywords import VARIABLES, is_injected, nearest

Value = str | int | PurePath | Iterable["str | int | PurePath"] | None
"""What a keyword takes: the text of the environment, or what reads better in code."""

Given = str | tuple[str, ...]
"""A text as in the environment, or the entries of a list, which may hold commas."""

Parsed = TypeVar("Parsed")

_SUFFIX = "_FILE"

_CREDENTIALS = regex(r"(?s)://.*@")
"""User and password of an address, perhaps a wrong one: a password that is not escaped may hold anything."""

_SEMICOLON = regex(r";\s*(?:[A-Za-z]+://|\.{0,2}/)|^(?!/|.*://).*;")
"""A semicolon between two entries; an address or a path may have one of its own."""

_BLANKS = regex(r"\S\s+\S")

DEFAULT_PREFIX = "MTLS_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the operator gave, before it was parsed: from it the same settings can be read again.

    Attributes:
        prefix: of the names in messages.
        values: by name without the prefix. Secrets are among them, so they are never shown.
    """

    prefix: str
    values: Mapping[str, Given] = field(repr=False)

    def without(self, names: Iterable[str]) -> Self:
        """Return what is left when these values are replaced; a secret and its file are one value."""
        stems = {name.removesuffix(_SUFFIX) for name in names}
        kept = {name: given for name, given in self.values.items() if name.removesuffix(_SUFFIX) not in stems}
        return type(self)(prefix=self.prefix, values=kept)

    def shown(self) -> str:
        """Return the values as keywords, secrets hidden."""
        return ", ".join(
            f"{name.lower()}={(given if VARIABLES[name].is_shown and not _is_secret(name, given) else '**********')!r}"
            for name, given in self.values.items()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave secrets out of a pickle: who loads it reads them from the environment.

        Raises:
            TypeError: a secret is not in the environment of this process.
        """
        secrets = tuple(name for name, given in self.values.items() if _is_secret(name, given))
        for name in secrets:
            if Reader(self.values, self.prefix).items(name) != _in_environment(self.prefix, name):
                raise TypeError(
                    f"cannot pickle these settings: a pickle must not hold {self.prefix}{name}, and this process does "
                    f"not have it in its environment; put it there, or into a file, as {name.lower()}{_SUFFIX.lower()}"
                )
        values = {name: given for name, given in self.values.items() if name not in secrets}
        return _from_pickle, (self.prefix, values, secrets)


def _is_secret(name: str, given: Given) -> bool:
    texts = (given,) if isinstance(given, str) else given
    return VARIABLES[name].secret or any(_CREDENTIALS.search(text) for text in texts)


def _in_environment(prefix: str, name: str) -> tuple[str, ...]:
    return Reader({name: os.environ.get(f"{prefix}{name}", "")}, prefix).items(name)


def _from_pickle(prefix: str, values: dict[str, Given], secrets: tuple[str, ...]) -> Origin:
    found = {name: _in_environment(prefix, name) for name in secrets}
    if missing := [name for name in secrets if not found[name]]:
        raise ConfigurationError(
            f"{prefix}{name}: is not in the environment of the process that loads these settings, and a pickle holds "
            "no secret"
            for name in missing
        )
    return Origin(prefix=prefix, values={**values, **found})


class Reader:
    """The operator's values, and the problems found so far."""

    def __init__(self, values: Mapping[str, Given], prefix: str) -> None:
        self.prefix = prefix
        self.problems: list[str] = []
        self._values: dict[str, Given] = {}
        for name, given in values.items():
            if name in VARIABLES:
                self._take(name, given)
            elif not is_injected(name):
                self._complain_of_unknown(name)

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Value], origin: Origin) -> Self:
        """Take what was given in code. Kubernetes injects no keyword, so an unknown one is always a problem.

        Args:
            keywords: the values.
            origin: the values that they are added to.
        """
        reader = cls(origin.values, origin.prefix)
        for keyword, value in keywords.items():
            name = keyword.upper()
            if keyword != keyword.lower():
                reader.problems.append(f"{displayed(keyword)}: keywords are written in lower case")
            elif name not in VARIABLES:
                close = nearest(name)
                hint = f"; did you mean {close.lower()}?" if close else ""
                reader.problems.append(f"{displayed(keyword)}: there is no such keyword{hint}")
            elif value is not None:
                try:
                    reader._take(name, as_given(value))
                except TypeError as error:
                    reader.report(name, str(error))
        return reader

    @property
    def origin(self) -> Origin:
        """Return the values, to read them again."""
        return Origin(prefix=self.prefix, values=MappingProxyType(self._values))

    def is_set(self, name: str) -> bool:
        """Return whether the operator gave a value."""
        return name in self._values

    def text(self, name: str) -> str:
        """Return the value, or the default."""
        given = self._values.get(name, VARIABLES[name].default)
        return given if isinstance(given, str) else ",".join(given)

    def items(self, name: str) -> tuple[str, ...]:
        """Return the entries of a list, each once."""
        given = self._values.get(name, VARIABLES[name].default)
        entries = (entry.strip() for entry in (given.split(",") if isinstance(given, str) else given))
        return tuple(dict.fromkeys(entry for entry in entries if entry))

    def one(self, name: str, parser: Callable[[str], Parsed]) -> Parsed | None:
        """Return the parsed value; None where there is none, or a bad one."""
        text = self.text(name)
        return self.parsed(name, text, parser) if text else None

    def each(self, name: str, parser: Callable[[str], Parsed]) -> tuple[Parsed, ...]:
        """Return the parsed entries, without the bad ones."""

        def parse(text: str) -> Parsed:
            try:
                return parser(text)
            except ValueError as error:
                raise ValueError(f"{error}; separate entries by commas" if _BLANKS.search(text) else error) from error

        found = (self.parsed(name, entry, parse) for entry in self.entries(name))
        return tuple(entry for entry in found if entry is not None)

    def entries(self, name: str) -> Iterator[str]:
        """Yield the entries of a list; one that is two with a semicolon between them is a problem."""
        for entry in self.items(name):
            if isinstance(self._values.get(name), str) and _SEMICOLON.search(entry):
                self.report(name, f"{self.shown(name, entry)} is one entry: separate entries by commas")
            else:
                yield entry

    def parsed(self, name: str, text: str, parser: Callable[[str], Parsed]) -> Parsed | None:
        """Return what the parser makes of a text, or None and a problem that names it."""
        try:
            return parser(text)
        except ValueError as error:
            shown = f"{self.shown(name, text)} " if VARIABLES[name].is_shown else ""
            self.report(name, f"{shown}{error}")
            return None

    def shown(self, name: str, text: str) -> str:
        """Return an entry of a value as messages may show it: no secret, and no password of an address."""
        return f"'{displayed(_CREDENTIALS.sub('://…@', text))}'" if VARIABLES[name].is_shown else "an entry"

    def report(self, name: str, what: str) -> None:
        """Add a problem."""
        self.problems.append(f"{self.prefix}{name}: {what}")

    def is_bad(self, *names: str) -> bool:
        """Return whether one of these has a problem, so that what follows from it need not be told too."""
        return any(problem.startswith(f"{self.prefix}{name}: ") for name in names for problem in self.problems)

    def _take(self, name: str, given: Given) -> None:
        texts = (given,) if isinstance(given, str) else given
        if not any(text.strip(" \t\r\n,") for text in texts):
            self.report(name, "is set, but empty: give it a value, or remove it")
        else:
            self._values[name] = given.strip() if isinstance(given, str) else given

    def _complain_of_unknown(self, name: str) -> None:
        close = nearest(name)
        hint = f"; did you mean {self.prefix}{close}?" if close else ""
        self.report(displayed(name), f"there is no such setting{hint}")


def as_given(value: object) -> Given:
    """Return what would stand in the environment for a value given in code.

    Raises:
        TypeError: of another type. The value itself is not told, for it may be a secret.
    """
    if isinstance(value, Mapping):  # which would be read as a list of its keys
        raise TypeError("holds a mapping: give a list, with entries such as 'us-east-1=VALUE'")
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | PurePath):
        return tuple(_as_text(entry) for entry in value)
    return _as_text(value)


def _as_text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | PurePath():
            return str(value)
        case _:
            raise TypeError(f"holds a value of type {type(value).__name__}: give text, a number or a path")
