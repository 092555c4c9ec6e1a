"""Fail on a skipped end-to-end test, and on coverage below the line; print every skipped test with its reason."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

CORE = 100.0
"""Per cent of lines and branches of the core."""
OVERALL = 95.0


def main(tests: Path, coverage: Path) -> int:
    """Return the exit status."""
    failures = []
    for case in ET.parse(tests).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        skipped = case.find("skipped")
        if skipped is not None:
            where = f"{case.get('classname')}::{case.get('name')}"
            print(f"skipped: {where}: {skipped.get('message')}")
            if ".e2e." in where:
                failures.append(f"an end-to-end test was skipped: {where}")
    files = json.loads(coverage.read_text(encoding="utf-8"))["files"]
    core = {name: file["summary"] for name, file in files.items() if name.startswith("mtls_middleware/_core/")}
    everything = {name: file["summary"] for name, file in files.items()}
    for name, summary in sorted(everything.items()):
        if summary["percent_covered"] < 100:
            missing = files[name]["missing_lines"] + [tuple(branch) for branch in files[name]["missing_branches"]]
            print(f"{summary['percent_covered']:6.1f} %  {name}: {missing}")
    for title, summaries, line in (("_core", core, CORE), ("all", everything, OVERALL)):
        covered = percent(summaries)
        print(f"{title}: {covered:.2f} % of lines and branches are covered")
        if covered < line:
            failures.append(f"coverage of {title} is below {line} %")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def percent(summaries: dict[str, dict[str, float]]) -> float:
    """Return the part of statements and branches that ran, in per cent."""
    ran = sum(summary["covered_lines"] + summary["covered_branches"] for summary in summaries.values())
    there = sum(summary["num_statements"] + summary["num_branches"] for summary in summaries.values())
    return 100 * ran / there


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
