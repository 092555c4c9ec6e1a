"""Fail on a skipped end-to-end test, on a missing package, and on coverage below the line; print what did not run."""

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

CORE = 100.0
"""Per cent of lines and branches of the core."""
OVERALL = 95.0
END_TO_END = "tests.e2e."
MISSING_PACKAGE = "could not import"
"""What `pytest.importorskip` says: the groups and extras of the test command should have brought the package."""


def main(tests: Path, coverage: Path, newer: Path) -> int:
    """Return the exit status.

    Args:
        tests: what the test command reported.
        coverage: of the same run.
        newer: what the tests with newer proxies reported, if these could be had.
    """
    failures = [*skipped(tests), *uncovered(coverage)]
    if newer.exists():
        failures += skipped(newer)
    else:
        print("NOT RUN: the tests with newer proxies")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def skipped(tests: Path) -> Iterator[str]:
    """Print what was skipped and why, and yield what should have run."""
    end_to_end = 0
    for case in ET.parse(tests).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        # A module skipped as a whole has no class name, its own name in the test's place, and its reason in the text.
        where = f"{case.get('classname')}::{case.get('name')}".removeprefix("::")
        end_to_end += where.startswith(END_TO_END)
        mark = case.find("skipped")
        if mark is None:
            continue
        reason = (mark.text or "") if mark.get("message") == "collection skipped" else mark.get("message", "")
        print(f"skipped: {where}: {reason}")
        if where.startswith(END_TO_END):
            yield f"an end-to-end test was skipped: {where}"
        elif MISSING_PACKAGE in reason:
            yield f"a test was skipped for want of a package: {where}"
    if not end_to_end:
        yield "no end-to-end test was collected"


def uncovered(coverage: Path) -> Iterator[str]:
    """Print what no test ran, and yield what is below its line."""
    files = json.loads(coverage.read_text(encoding="utf-8"))["files"]
    everything = {name: file["summary"] for name, file in files.items()}
    core = {name: summary for name, summary in everything.items() if name.startswith("mtls_middleware/_core/")}
    for name, summary in sorted(everything.items()):
        if summary["percent_covered"] < 100:
            missing = files[name]["missing_lines"] + [tuple(branch) for branch in files[name]["missing_branches"]]
            print(f"{summary['percent_covered']:6.1f} %  {name}: {missing}")
    for title, summaries, line in (("_core", core, CORE), ("all", everything, OVERALL)):
        covered = percent(summaries)
        print(f"{title}: {covered:.2f} % of lines and branches are covered")
        if covered < line:
            yield f"coverage of {title} is below {line} %"


def percent(summaries: dict[str, dict[str, float]]) -> float:
    """Return the part of statements and branches that ran, in per cent."""
    ran = sum(summary["covered_lines"] + summary["covered_branches"] for summary in summaries.values())
    there = sum(summary["num_statements"] + summary["num_branches"] for summary in summaries.values())
    return 100 * ran / there


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
