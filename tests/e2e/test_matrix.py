"""The tables of docs/matrix.md tell what tests found, and nothing better."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import matrix
from tests.e2e.matrix import CANNOT, Recorder, main, page
from tests.e2e.processes import ROOT

pytest_plugins = ["pytester"]


def cell(row: str = "one", column: str = "HTTP/2", **more: str) -> dict[str, str]:
    return {"table": "servers", "row": row, "column": column, "gives": "yes", **more}


def run(*tests: tuple[str, list[dict[str, str]]], python: str = "3.11.7") -> dict[str, Any]:
    named = [{"test": f"test_{n}", "outcome": outcome, "cells": cells} for n, (outcome, cells) in enumerate(tests)]
    return {"date": "2026-11-30", "tests": named, "versions": {"Python": python}}


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| --")][1:]


def test_a_cell_says_yes_if_all_of_its_tests_passed() -> None:
    text, problems = page([run(("passed", [cell()]), ("passed", [cell()]))])

    assert (rows(text), problems) == (["| one | yes |"], [])


@pytest.mark.parametrize("outcome", ["failed", "skipped", "not run", "expected to fail"])
def test_one_test_that_did_not_pass_is_enough(outcome: str) -> None:
    text, problems = page([run(("passed", [cell()]), (outcome, [cell()]))])

    assert f"**{outcome}**" in rows(text)[0]
    assert problems == [f"test_1: {outcome}"]


def test_what_no_test_speaks_for_cannot_be_had() -> None:
    text, _ = page([run(("passed", [cell("one", "HTTP/2")]), ("passed", [cell("other", "WebSocket")]))])

    assert rows(text) == [f"| one | yes | {CANNOT} |", f"| other | {CANNOT} | yes |"]


def test_tests_that_say_different_things_are_a_mistake() -> None:
    _, problems = page([run(("passed", [cell()]), ("passed", [cell(gives=CANNOT)]))])

    assert problems == [f"servers: one, HTTP/2: tests say different things: yes, {CANNOT}"]


def test_several_runs_are_one() -> None:
    text, _ = page([run(("passed", [cell("one")])), run(("passed", [cell("other")]), python="3.13.0")])

    assert rows(text) == ["| one | yes |", "| other | yes |"]
    assert "Versions on 2026-11-30: Python 3.11.7, 3.13.0." in text


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(run(("passed", [cell()]))))
    return path


def test_the_page_that_was_written_is_the_page_that_is_compared(results: Path, tmp_path: Path) -> None:
    where = ["--page", str(tmp_path / "matrix.md")]

    assert [main([str(results), *where, *check]) for check in (["--check"], [], ["--check"])] == [1, 0, 0]


def test_a_page_that_says_more_than_the_run_is_found(results: Path, tmp_path: Path) -> None:
    written = tmp_path / "matrix.md"
    main([str(results), "--page", str(written)])
    written.write_text(written.read_text().replace("| one | yes |\n", "| one | yes |\n| other | yes |\n"))

    assert main([str(results), "--page", str(written), "--check"]) == 1


TESTS = """
import pytest

pytestmark = pytest.mark.matrix(table="servers", row="one, {worker}")

@pytest.mark.matrix(column="HTTP/2")
@pytest.mark.parametrize("worker", ["a", "b"])
def test_passes_or_fails(worker):
    assert worker == "a"

@pytest.mark.matrix(row="other", column="WebSocket", gives="never", packages=["pytest"])
def test_passes():
    pass

def test_speaks_for_no_cell():
    pass

@pytest.mark.matrix(row="other", column="HTTP/2")
def test_fails_in_the_end(request):
    request.addfinalizer(lambda: 1 / 0)

@pytest.mark.matrix(row="other", column="unix socket")
@pytest.mark.xfail
def test_is_expected_to_fail():
    assert False
"""


OUTCOMES = {
    ("one, a", "HTTP/2", "yes"): "passed",
    ("one, b", "HTTP/2", "yes"): "failed",
    ("other", "WebSocket", "never"): "passed",
    ("other", "HTTP/2", "yes"): "failed",
    ("other", "unix socket", "yes"): "expected to fail",
}


def outcomes(facts: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    return {
        (one["row"], one["column"], one["gives"]): test["outcome"] for test in facts["tests"] for one in test["cells"]
    }


def test_the_plugin_writes_what_became_of_each_cell(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "_VERSIONS", {})  # the run around this one has its own
    pytester.makepyfile(TESTS)
    file = pytester.path / "results.json"

    pytester.inline_run("-p", "no:cacheprovider", plugins=[Recorder(file)])

    facts = json.loads(file.read_text())
    assert outcomes(facts) == OUTCOMES
    assert facts["versions"]["pytest"] == pytest.__version__


def test_what_several_workers_saw_is_one_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(TESTS)
    pytester.makeconftest(
        "from tests.e2e import matrix\n\ndef pytest_configure(config):\n    matrix.configure(config)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    file = pytester.path / "results.json"
    monkeypatch.setenv(matrix.VARIABLE, str(file))

    pytester.runpytest_subprocess("-n", "2", "-p", "no:mtls_middleware")

    facts = json.loads(file.read_text())
    assert outcomes(facts) == OUTCOMES
    assert facts["versions"]["pytest"] == pytest.__version__
