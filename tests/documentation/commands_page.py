"""docs/reference/commands.md: every verb with its help, its arguments and its options, as its function takes them."""

import inspect
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from typer import Typer
from typer.models import ArgumentInfo, OptionInfo

from mtls_middleware.cli.app import app
from tests.documentation import tables
from tests.documentation.tables import code

HEAD = """\
# Commands: reference

Generated from the code by `python -m tests.documentation.reference`; do not edit it. `mtls-middleware VERB --help`
shows the same. Install the command line with `pip install 'mtls-middleware[cli]'`; if a command needs more, it prints
the command that installs it. The exit status is 2 for a wrong command line and for wrong settings.

"""

_WORDS = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Hold an argument or an option of a verb."""

    name: str
    kind: type | None
    default: Any
    info: ArgumentInfo | OptionInfo

    @property
    def is_option(self) -> bool:
        return isinstance(self.info, OptionInfo)

    @property
    def written(self) -> str:
        """Return how it is typed."""
        declarations = (self.info.default, *(self.info.param_decls or ()))  # the first of Annotated stands as default
        declared = [one for one in declarations if isinstance(one, str) and one.startswith("-")]
        names = ", ".join(declared or ["--" + self.name.replace("_", "-")])
        return names if self.kind is bool else f"{names} {self.placeholder}"

    @property
    def placeholder(self) -> str:
        if isinstance(self.kind, type) and issubclass(self.kind, StrEnum):
            return "|".join(self.kind)
        word = _WORDS.get(self.kind, "TEXT") if self.is_option and self.kind else self.name.upper()
        name = self.info.metavar or word
        return name if self.is_option or self.default is inspect.Parameter.empty else f"[{name}]"

    @property
    def default_text(self) -> str:
        if self.default in {None, "", inspect.Parameter.empty} or self.kind is bool:
            return ""
        return str(self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Hold a verb."""

    name: str
    help: str
    parameters: tuple[Parameter, ...]


def verbs() -> Iterator[Verb]:
    """Return every verb, in the order of the help; those of a group behind the others."""
    yield from _verbs(app)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from _verbs(group.typer_instance, f"{group.name} ")


def _verbs(group: Typer, prefix: str = "") -> Iterator[Verb]:
    for command in group.registered_commands:
        function: Any = command.callback
        yield Verb(
            name=prefix + (command.name or function.__name__.replace("_", "-")),
            help=inspect.cleandoc(command.help or function.__doc__ or ""),
            parameters=tuple(_parameters(function)),
        )


def text() -> str:
    """Return the page."""
    found = list(verbs())
    index = [(f"[`{verb.name}`](#{verb.name.replace(' ', '-')})", _first_sentence(verb.help)) for verb in found]
    return HEAD + tables.table(("command", "what it does"), index) + "".join(map(_section, found))


def _section(verb: Verb) -> str:
    arguments = [one for one in verb.parameters if not one.is_option]
    options = [one for one in verb.parameters if one.is_option]
    usage = ["mtls-middleware", verb.name, *(one.placeholder for one in arguments), *(["[OPTIONS]"] if options else [])]
    parts = [f"\n## {verb.name}\n\n```text\n{' '.join(usage)}\n```\n\n{verb.help}\n"]
    if arguments:
        rows = [(code(one.placeholder.strip("[]")), one.info.help or "") for one in arguments]
        parts.append("\n" + tables.table(("argument", "meaning"), rows))
    if options:
        rows_of_options = [
            (code(one.written), code(one.default_text), code(one.info.envvar or ""), one.info.help or "")
            for one in options
        ]
        parts.append("\n" + tables.table(("option", "default", "environment", "meaning"), rows_of_options))
    return "".join(parts)


def _parameters(function: Any) -> Iterator[Parameter]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints[name]
        if typing.get_origin(hint) is not Annotated:
            hint = next(one for one in typing.get_args(hint) if typing.get_origin(one) is Annotated)
        kind, *facts = typing.get_args(hint)
        (info,) = [fact for fact in facts if isinstance(fact, ArgumentInfo | OptionInfo)]
        yield Parameter(name=name, kind=_plain(kind), default=parameter.default, info=info)


def _plain(kind: Any) -> type | None:
    """Return the type of one value: of ``X | None`` and ``list[X]`` that is X."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is list:
        return _plain(next(one for one in typing.get_args(kind) if one is not type(None)))
    return kind if isinstance(kind, type) else None


def _first_sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".:")
