"""What docs/proxies.md says, held against the configurations and what was run."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtls_middleware.cli.app import app
from mtls_middleware.proxy_config import TABLE, Parameters, render

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "proxies.md").read_text(encoding="utf-8")
MATRIX = (DOCS / "matrix.md").read_text(encoding="utf-8")
RUN = [name for name, template in TABLE.items() if template.run and template.part_of is None]

SECTION = PAGE[PAGE.index("## What each configuration does") :].partition("\n## ")[0]
ROWS = {
    row[0].partition(",")[0].strip(" `"): [cell.strip() for cell in row[1:]]
    for row in (line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("| `"))
}


def test_each_configuration_that_is_run_has_a_row() -> None:
    assert list(ROWS) == RUN


@pytest.mark.parametrize("name", RUN)
def test_a_row_says_what_the_configuration_does(name: str) -> None:
    source, _, _, crl = ROWS[name]

    assert source == f"`{TABLE[name].source}`"
    assert (crl == "`--with-crl`") == TABLE[name].takes_crl


@pytest.mark.parametrize("command", re.findall(r"^mtls-middleware proxy-config .*$", PAGE, re.MULTILINE))
def test_each_command_prints_a_configuration(command: str) -> None:
    done = CliRunner().invoke(app, shlex.split(command.partition(" > ")[0])[1:])

    assert done.exit_code == 0
    assert "nginx" in done.stdout


@pytest.mark.parametrize("name", RUN)
def test_the_version_that_was_run_stands_in_the_first_line(name: str) -> None:
    versions = re.search(rf"\b{name} ([\d., ]+)", MATRIX.splitlines()[-1])
    first = render(name, Parameters()).splitlines()[0]

    assert versions is not None
    assert first.startswith("# Run against ")
    assert versions[1].split(",")[0].strip(" .") in first
