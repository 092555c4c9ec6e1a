"""The command ``regions``: the table as it is."""

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mtls_middleware.cli.app import app
from mtls_middleware.cli.regions import _facts, run_regions
from mtls_middleware.regions import Certainty, table


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["regions", *arguments])
    assert ended.exit_code == 0
    return ended.stdout


@pytest.mark.parametrize("region", table(), ids=lambda region: region.aws_region)
def test_each_region_has_a_line_with_all_that_is_known(region: object) -> None:
    known = next(one for one in table() if one is region)
    line = next(line for line in run().splitlines() if line.startswith(f"{known.aws_region} "))

    assert line.split() == [
        known.aws_region, known.domain, known.zip_label or "-", str(known.certainty), known.cert_name or "-"
    ]  # fmt: skip


def test_on_a_narrow_terminal_names_have_a_line_of_their_own() -> None:
    written = io.StringIO()
    run_regions(None, as_json=False, console=Console(file=written, width=80, force_terminal=True, color_system=None))
    lines = written.getvalue().splitlines()

    assert [line for line in lines[: 2 * len(table())] if len(line) > 80] == []
    assert f"  {table()[0].cert_name}" in lines


@pytest.mark.parametrize("certainty", Certainty)
def test_each_certainty_is_explained(certainty: Certainty) -> None:
    assert any(line.startswith(f"{certainty} ") for line in run().splitlines())


@pytest.mark.parametrize("name", ["eu-west-1", "mypurecloud.ie", "EU-West-1", "MYPURECLOUD.IE"])
def test_one_region_is_found_by_each_of_its_names(name: str) -> None:
    shown = dict(line.split(maxsplit=1) for line in run(name).splitlines())

    assert (shown["aws_region"], shown["download"]) == ("eu-west-1", "EU-West-1.zip")


def test_what_is_not_known_is_a_dash() -> None:
    unnamed = next(region for region in table() if region.cert_name is None)

    assert "certificate_name       -" in run(unnamed.aws_region)


def test_scripts_get_the_same() -> None:
    assert json.loads(run("--json")) == {"version": 1, "regions": [_facts(region) for region in table()]}
    (one,) = json.loads(run("us-east-1", "--json"))["regions"]
    assert one["certificate_name"] == "dataactions.prod.us-east-1.mypurecloud.com"


@pytest.mark.parametrize(
    ("name", "said"),
    [("mypurecloud.i", "did you mean 'mypurecloud.ie'?"), ("[red]x", "'[red]x'."), ("\x1b[31m", r"'\x1b[31m'")],
)
def test_an_unknown_region_is_told_with_the_nearest(name: str, said: str) -> None:
    ended = CliRunner().invoke(app, ["regions", name])

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr
