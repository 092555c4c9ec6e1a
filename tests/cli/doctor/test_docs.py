"""What docs/doctor.md says, held against what doctor does."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_group

from mtls_middleware.cli.app import app
from mtls_middleware.cli.attack.attacks import DIRECT, HEADERS, HTTP2, OVER_HTTP2, WEBSOCKET
from mtls_middleware.cli.attack.findings import CLEAN, FOUND, UNTOLD
from mtls_middleware.cli.attack.paths import path_attacks
from mtls_middleware.cli.attack.verdict import AttackResult
from mtls_middleware.cli.doctor.finding import Check
from mtls_middleware.cli.ending import INTERRUPTED
from tests.claims import runs_through

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
DOCTOR = get_group(app).commands["doctor"]


def column(beginning: str) -> list[str]:
    """Return the first cells of the table whose head begins so."""
    table = PAGE[PAGE.index(f"| {beginning} |") :].partition("\n\n")[0]
    return [row.split("|")[1].strip() for row in table.splitlines()[2:]]


def test_each_attack_is_documented_in_its_order() -> None:
    attacks = (*HEADERS, WEBSOCKET, *path_attacks("/actions/lookup"), HTTP2, *OVER_HTTP2, *DIRECT)

    attacks_only = PAGE[PAGE.index("## The attacks") :]
    documented = re.findall(r"^\| `([\w.-]+)` \| ([^|]*) \|$", attacks_only, re.MULTILINE)

    assert documented == [(attack.name, attack.title) for attack in attacks]


def test_each_check_is_documented_in_its_order() -> None:
    assert [cell.strip("`") for cell in column("check")] == list(map(str, Check))


def test_each_verdict_is_documented() -> None:
    assert {cell.strip("`") for cell in column("verdict")} == set(map(str, AttackResult))


def test_each_exit_status_is_documented() -> None:
    assert list(map(int, filter(None, column("exit status")))) == [CLEAN, FOUND, UNTOLD, INTERRUPTED]


@pytest.mark.parametrize("command", re.findall(r"^\$ mtls-middleware doctor ?(.*)$", PAGE, re.MULTILINE))
def test_each_command_is_one_that_it_takes(command: str) -> None:
    runs_through(DOCTOR.make_context, "doctor", shlex.split(command))


def test_each_option_is_documented() -> None:
    options = {name for parameter in DOCTOR.params for name in parameter.opts}

    assert options <= set(re.findall(r"--[a-z][a-z-]*", PAGE))
