"""What docs/explain.md says, held against what the verbs take."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group

from mtls_middleware.cli.app import app
from mtls_middleware.cli.explain.steps import _STEPS

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
VERBS = get_group(app).commands


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """Return the verb, or the verb of a verb, and what is left."""
    verb: Any = VERBS[words[0]]
    rest = words[1:]
    while hasattr(verb, "commands"):
        verb, rest = verb.commands[rest[0]], rest[1:]
    return verb, rest


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?:\$ |`)mtls-middleware ([^`\n]+)", PAGE))))
def test_each_command_is_one_that_it_takes(command: str) -> None:
    verb, arguments = leaf(shlex.split(command))

    verb.make_context(verb.name, arguments)


@pytest.mark.parametrize(
    "words", [["explain"], ["trust", "show"], ["trust", "refresh"], ["trust", "export"], ["regions"]]
)
def test_each_option_is_documented(words: list[str]) -> None:
    verb, _ = leaf(words)
    options = {name for parameter in verb.params for name in parameter.opts if name.startswith("--")}

    assert options <= set(re.findall(r"--[a-z][a-z-]*", PAGE))


def test_the_steps_are_those_that_it_takes() -> None:
    shown = re.findall(r"^  (?:ok|FAILED|not reached) +(.*\?)$", PAGE, re.MULTILINE)

    assert shown == [question for question, _, _ in _STEPS]
