"""What docs/try-it.md says, held against what the verbs take and write."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_group

from mtls_middleware.cli.app import app
from mtls_middleware.cli.dev_ca import CALLERS, IGNORED, TABLE_HEAD, contents
from tests.claims import runs_through

PAGE = (Path(__file__).parents[2] / "docs" / "try-it.md").read_text(encoding="utf-8")
VERBS = get_group(app).commands


@pytest.mark.parametrize("command", re.findall(r"^\$ mtls-middleware (.*)$", PAGE, re.MULTILINE))
def test_each_command_is_one_that_it_takes(command: str) -> None:
    verb, *arguments = shlex.split(command)

    runs_through(VERBS[verb].make_context, verb, arguments)


@pytest.mark.parametrize("verb", ["call", "dev-ca"])
def test_each_option_is_documented(verb: str) -> None:
    options = {name for parameter in VERBS[verb].params for name in parameter.opts if name.startswith("--")}

    assert options <= set(re.findall(r"--[a-z][a-z-]*", PAGE))


def test_each_caller_is_documented() -> None:
    assert "\n".join([TABLE_HEAD, *(caller.row for caller in CALLERS)]) in PAGE


def test_each_file_is_documented() -> None:
    named = set(re.findall(r"`([\w.]+)`", PAGE.partition("In one terminal")[0]))
    callers = {f"{caller.name}.{suffix}" for caller in CALLERS for suffix in ("pem", "key")}

    written = {item.name for item in contents(Path("/dev"), "us-east-1")}
    assert written - callers - {IGNORED} <= named
