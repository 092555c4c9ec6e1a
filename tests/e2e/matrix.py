"""The tables of ``docs/matrix.md``, made from the outcomes of tests.

A test says which cells it speaks for::

    pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="servers", row="hypercorn", packages=["hypercorn"])]

    @pytest.mark.matrix(column="HTTP/2")
    def test_…

Each mark with a ``column`` is one cell. What it leaves out, it takes from the marks around it: of the class, the
module. ``table`` is one of `TABLES`. ``row`` and ``column`` may name parameters of the test: ``row="uvicorn {http}"``.
A cell says "yes" if all of its tests passed; with ``gives="leaf only"`` it says that instead, and ``gives=CANNOT``
stands on a test which shows that a server cannot. Marks on base classes reach each test below them, so shared tests
are marked one by one. ``packages`` are told with their versions; what is no Python package, by `record_version`.

Run and write, from the folder of the project::

    TEST_MATRIX=results.json pytest tests/e2e
    python -m tests.e2e.matrix results.json            # writes docs/matrix.md
    python -m tests.e2e.matrix --check results.json    # fails where docs/matrix.md says anything else

Several files are one run: of another Python, of newer proxies, or of other modules. Versions are written and not
compared, since they are those of the machine. A test that did not pass, and a skipped one, is named, and the exit
status is 1.
"""

import argparse
import json
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
VARIABLE = "TEST_MATRIX"
"""Names the file for the outcomes. Without the prefix of our settings: servers inherit it."""

PASSED = "passed"
NOT_RUN = "not run"
YES = "yes"
CANNOT = "\N{EN DASH}"

HEAD = f"""\
# What was run

Generated from the results of the end-to-end tests by `python -m tests.e2e.matrix`; do not edit it. "{YES}": every test
of the cell passed. "{CANNOT}": not available, or not applicable. What the results mean for you:
[ASGI servers](servers.md), [WSGI servers](servers-wsgi.md).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold how a table is shown.

    Attributes:
        title: its heading.
        rows: what its first column holds.
        columns: in order; others follow by name.
    """

    title: str
    rows: str
    columns: tuple[str, ...]


TABLES = {
    "servers": Table(
        title="ASGI servers",
        rows="server",
        columns=(
            "certificate",
            "intermediates",
            "no certificate",
            "real peer",
            "resumed TLS 1.2",
            "resumed TLS 1.3",
            "trailers ignored",
            "HTTP/2",
            "HTTP/3",
            "WebSocket",
            "several workers",
            "unix socket",
            "behind the middleware",
            "header source",
            "four RSA-4096 links over TLS",
            "four RSA-4096 links in a header",
            "wrong configuration",
        ),
    ),
    "wsgi": Table(title="WSGI servers", rows="server", columns=("certificate", "intermediates", "no certificate")),
    "proxies": Table(
        title="Proxies, as proxy-config configures them",
        rows="proxy",
        columns=(
            "good",
            "none",
            "stranger, expired",
            "another region",
            "revoked, by --with-crl",
            "forged header",
            "twin",
            "doubled",
            "Connection",
            "trailer",
            "past the proxy",
        ),
    ),
    "chunked asgi": Table(title="A chunked body arrives: ASGI", rows="server", columns=("FastAPI",)),
    "chunked wsgi": Table(title="A chunked body arrives: WSGI", rows="server", columns=("Flask",)),
    "chains": Table(title="A chain of four RSA-4096 links", rows="proxy", columns=()),
}


def record_version(name: str, number: str) -> None:
    """Tell the version of a program that the tests run."""
    _VERSIONS[name] = number


_VERSIONS: dict[str, str] = {}


WORKER_OUTPUT = "matrix"
"""The key under which a worker of pytest-xdist hands over what it recorded."""


class Recorder:
    """Be the plugin: keep the outcome of each test that has a cell, and write them in the end.

    Under pytest-xdist each worker collects every test and runs a part; the process that started them writes the file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcomes: dict[str, str] = {}
        self._cells: dict[str, list[dict[str, str]]] = {}
        self._versions = _VERSIONS

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Find the cells; a test that is never run has not passed."""
        for item in session.items:
            if cells := list(cells_of(item)):
                self._cells[item.nodeid] = cells
                self._outcomes[item.nodeid] = NOT_RUN

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the worst of setup, call and teardown."""
        report = yield
        if item.nodeid in self._cells and self._outcomes[item.nodeid] in {NOT_RUN, PASSED}:
            expected_failure = hasattr(report, "wasxfail")
            self._outcomes[item.nodeid] = "expected to fail" if expected_failure else report.outcome
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker recorded. Of one that crashed nothing is known: its tests were not run."""
        recorded = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, {"tests": [], "versions": {}})
        self._versions.update(recorded["versions"])
        for test in recorded["tests"]:
            self._cells[test["test"]] = test["cells"]
            if self._outcomes.get(test["test"], NOT_RUN) == NOT_RUN:
                self._outcomes[test["test"]] = test["outcome"]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file, or hand over to the process that does."""
        tests = [
            {"test": test, "outcome": self._outcomes[test], "cells": cells}
            for test, cells in sorted(self._cells.items())
        ]
        versions = {"Python": platform.python_version(), **self._versions}
        facts = {"date": str(datetime.now(tz=UTC).date()), "tests": tests, "versions": versions}
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[WORKER_OUTPUT] = facts
        else:
            self._file.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def configure(config: pytest.Config) -> None:
    """Make the mark known, and record if a file is named."""
    config.addinivalue_line("markers", "matrix(table, row, column, gives, packages): a cell of docs/matrix.md")
    if file := os.environ.get(VARIABLE):
        config.pluginmanager.register(Recorder(Path(file).absolute()), "matrix")


def cells_of(item: pytest.Item) -> Iterator[dict[str, str]]:
    """Return the cells that a test speaks for."""
    marks = [mark.kwargs for mark in item.iter_markers("matrix")]  # the closest first
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    for mark in marks:
        for package in mark.get("packages", ()):
            record_version(package, version(package))
        if "column" not in mark:
            continue
        around = [mark, *marks]
        table, row = (next(one[name] for one in around if name in one) for name in ("table", "row"))
        if table not in TABLES:
            raise pytest.UsageError(f"{item.nodeid}: no table {table!r}, only {', '.join(TABLES)}")
        yield {
            "table": table,
            "row": row.format(**parameters),
            "column": mark["column"].format(**parameters),
            "gives": mark.get("gives", YES),
        }


def page(runs: Iterable[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """Return the page, and what is wrong with the runs."""
    problems: list[str] = []
    last = ""
    versions: dict[str, set[str]] = defaultdict(set)
    words: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        last = max(last, run["date"])
        for name, number in run["versions"].items():
            versions[name].add(number)
        for test in run["tests"]:
            if test["outcome"] != PASSED:
                problems.append(f"{test['test']}: {test['outcome']}")
            for cell in test["cells"]:
                word = cell["gives"] if test["outcome"] == PASSED else f"**{test['outcome']}**"
                words[cell["table"]][cell["row"], cell["column"]].add(word)
    for table, cells in words.items():
        for (row, column), said in cells.items():
            if len(said) > 1 and not any(word.startswith("**") for word in said):
                problems.append(f"{table}: {row}, {column}: tests say different things: {', '.join(sorted(said))}")
    tables = [f"\n## {TABLES[name].title}\n\n{_drawn(TABLES[name], words[name])}" for name in TABLES if name in words]
    numbers = [f"{name} {', '.join(sorted(versions[name]))}" for name in sorted(versions, key=str.casefold)]
    return f"{HEAD}{''.join(tables)}\n{VERSIONS} on {last}: {', '.join(numbers)}.\n", problems


VERSIONS = "Versions"


def _drawn(table: Table, cells: Mapping[tuple[str, str], set[str]]) -> str:
    rows = sorted({row for row, _ in cells}, key=str.casefold)
    used = {column for _, column in cells}
    columns = [*(column for column in table.columns if column in used), *sorted(used.difference(table.columns))]
    lines = [[table.rows, *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(", ".join(sorted(cells.get((row, column), {CANNOT}))) for column in columns)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _compared(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(VERSIONS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or compare it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.matrix", description="Make docs/matrix.md.")
    parser.add_argument("results", nargs="+", type=Path, help=f"what a run with {VARIABLE} wrote")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--page", type=Path, default=PAGE, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in options.results]
    text, problems = page(runs)
    there = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
    if not options.check:
        options.page.write_text(text, encoding="utf-8")
    elif _compared(there) != _compared(text):
        problems.append(f"{options.page.name} says anything else than the run, which would be:\n{text}")
    for problem in problems:
        print(problem)  # noqa: T201 - a command line
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
