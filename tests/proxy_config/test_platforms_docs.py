"""What docs/platforms.md says, held against the configurations."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_group

from mtls_middleware.cli.app import app
from mtls_middleware.proxy_config import TABLE, Parameters, render

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text(encoding="utf-8")
VERBS = get_group(app).commands
SECRET = "a-secret-of-the-proxy"

ROWS = {
    name: [cell.strip() for cell in row[1:]]
    for row in (line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `"))
    for name in re.findall(r"`([\w-]+)`", row[0])
}


def test_each_configuration_that_is_not_run_has_a_row() -> None:
    assert list(ROWS) == [name for name, template in TABLE.items() if not template.run]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_what_the_configuration_does(name: str) -> None:
    source, _, _, secret, crl = ROWS[name]

    assert source == f"`{TABLE[name].source}`"
    assert secret.startswith("added") == (SECRET in render(name, Parameters(secret=SECRET)))
    assert (crl == "`--with-crl`") == TABLE[name].takes_crl


def test_what_verifies_nothing_is_told_by_its_own_text_too() -> None:
    for name, (_, verifies, *_) in ROWS.items():
        unverified = re.search(r"UNVERIFIED|verifies nothing", render(name, Parameters()).split("\n\n")[0])
        assert (verifies == "no") == (unverified is not None), name


@pytest.mark.parametrize("command", re.findall(r"^mtls-middleware .*$", PAGE, re.MULTILINE))
def test_each_command_has_verbs_and_options_that_exist(command: str) -> None:
    _, verb, *words = shlex.split(command.partition(" > ")[0])

    known = {option for parameter in VERBS[verb].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_each_option_that_is_named_exists() -> None:
    known = {
        option for name in ("proxy-config", "doctor") for parameter in VERBS[name].params for option in parameter.opts
    }

    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--no-proxy-headers"} <= known
