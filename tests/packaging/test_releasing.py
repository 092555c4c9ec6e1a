"""The release as it is described is the release as the gate runs it."""

import re

import pytest

from tests.packaging.conftest import GATE, ROOT, Script

PAGE = ROOT / "docs" / "releasing.md"
LEAVES_THE_MACHINE = re.compile(r"\b(?:upload|push)\b")


def test_every_step_but_the_upload_is_run(script: Script) -> None:
    releasing = script("releasing")
    written = re.findall(r"^## \d\. (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert [title for title, _ in releasing.sections(PAGE)] == [title for title in written if title != "Publish"]


def test_every_command_of_the_page_is_in_a_step(script: Script) -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert [commands for _, commands in script("releasing").steps(text)] == re.findall(
        r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )


def test_nothing_that_is_run_leaves_the_machine(script: Script) -> None:
    steps = dict(script("releasing").steps(PAGE.read_text(encoding="utf-8")))

    assert [title for title, commands in steps.items() if LEAVES_THE_MACHINE.search(commands)] == ["Publish"]


@pytest.mark.parametrize("name", ["releasing.py", "extras.py", "sbom.py", "units.py", "report.py"])
def test_the_gate_runs_the_script(name: str) -> None:
    assert f".ci/{name}" in (GATE / "run").read_text(encoding="utf-8")
