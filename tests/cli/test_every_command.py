"""What holds for each command: help in two ways and in 80 columns, defaults in it, and no secret in its options."""

import re

import pytest
from typer.testing import CliRunner

from mtls_middleware.cli.app import app
from tests.documentation.commands_page import Verb, verbs

WIDTH = 80

each_command = pytest.mark.parametrize("verb", list(verbs()), ids=lambda verb: verb.name)


def shown(verb: Verb, flag: str) -> str:
    ended = CliRunner().invoke(app, [*verb.name.split(), flag], env={"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": ""})
    assert ended.exit_code == 0
    return ended.stdout


@each_command
def test_help_is_the_same_in_both_ways_and_fits(verb: Verb) -> None:
    text = shown(verb, "-h")

    assert text == shown(verb, "--help")
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []


@each_command
def test_help_shows_each_option_with_its_default(verb: Verb) -> None:
    text = re.sub(r"[\s│|]+", "", shown(verb, "-h"))

    for one in verb.parameters:
        if one.is_option:
            assert one.written.split()[0] in text
        if one.is_option and one.default_text:
            assert f"[default:{one.default_text.replace(' ', '')}" in text


@each_command
def test_no_secret_has_to_be_an_argument(verb: Verb) -> None:
    """Arguments are in the list of processes, and in the history of the shell."""
    secret = [one for one in verb.parameters if re.search("secret|password|token", one.name)]
    headers = [one for one in verb.parameters if one.name in {"header", "data"} and verb.name == "call"]

    assert [one.name for one in secret if not (one.info.envvar or "MTLS_PROXY_SECRET" in (one.info.help or ""))] == []
    assert [one.name for one in headers if "@FILE" not in (one.info.help or "")] == []


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout
