"""Change `_core` in one place after another, and see whether a test fails.

    python -m tests.mutants                       # all modules: an hour and more; goes on where it was stopped
    python -m tests.mutants chain.py sources/xfcc.py
    python -m tests.mutants --list chain.py       # what would be changed

Survivors are tried again each time; remove build/mutants to begin anew. The results go into
tests/mutants/results.json.
"""

import argparse
import ast
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path

import pytest

from tests.mutants import forks, running, swapping
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.results import Results
from tests.mutants.running import CORE, OPTIONS, ROOT, Coverage

BUILD = ROOT / "build" / "mutants"
ROUNDS = ((("tests/core",), 40), (("tests/core", "tests/adapters"), None))
"""Tests, and how many are tried for one mutant at most: most mutants are found soon, by tests that run little."""

REMEMBERED = 20
"""Tests that found mutants last: they are tried first, for neighbours are found by the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Mutation testing of `_core`.")
    parser.add_argument("modules", nargs="*", help="files below _core; all without")
    parser.add_argument("--list", action="store_true", help="print the changes, and run nothing")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then, and write down what is known")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    options = parser.parse_args(arguments)
    modules = options.modules or sorted(path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py"))
    trees = {module: ast.parse((CORE / module).read_text(encoding="utf-8")) for module in modules}
    mutants = [mutant for module in modules for mutant in mutants_of(module, trees[module])]
    if options.list:
        _say(*(f"{mutant.line:4} {mutant.key}" for mutant in mutants), f"{len(mutants)} mutants")
        return 0
    BUILD.mkdir(parents=True, exist_ok=True)
    results = Results(BUILD / "results.jsonl")
    end = time.monotonic() + 60 * options.minutes
    for paths, most in ROUNDS:
        results.begin()
        measured = _measured(paths)
        measured.most = most
        _say(f"{len(mutants)} mutants, {len(results.pending(mutants))} to be run with {', '.join(paths)}")
        one = _Round(trees=trees, results=results, measured=measured, jobs=options.jobs, end=end)
        _in_pytest(lambda items, one=one: one.swap_each(items, mutants), paths)  # type: ignore[misc]  # mypy sees no default
        results.read()
        one.fresh_each(mutants)
    results.write(mutants)
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


# ------------------------------------------------------------------------------------------------------------ coverage


def _measured(paths: Sequence[str]) -> Coverage:
    """Return what each test runs, from a file where neither package nor tests changed since."""
    digest = hashlib.sha256()
    for folder in ("mtls_middleware/_core", *paths):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    kept = BUILD / f"coverage-{digest.hexdigest()[:16]}.json"
    if not kept.exists():
        collector = running.collector()
        _in_pytest(lambda items: _keep(running.measure(items, collector), kept), paths, collector.start)
    found = json.loads(kept.read_text(encoding="utf-8"))
    measured = Coverage(
        seconds=found["seconds"],
        tests={module: {int(line): tests for line, tests in lines.items()} for module, lines in found["tests"].items()},
        early=found["early"],
        failed=found["failed"],
    )
    if measured.failed:
        _say("these fail without any change, and are left out:", *measured.failed)
    return measured


def _keep(measured: Coverage, path: Path) -> int:
    path.write_text(json.dumps(asdict(measured)), encoding="utf-8")
    return 0


# ---------------------------------------------------------------------------------------------------- inside of pytest


class _Instead:
    """Stands in for pytest's loop over the tests."""

    def __init__(self, act: Callable[[list[pytest.Item]], int]) -> None:
        self._act = act
        self.status = forks.KILLED

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.status = self._act(session.items)
        return True


def _in_pytest(
    act: Callable[[list[pytest.Item]], int], paths: Sequence[str], before: Callable[[], None] = lambda: None
) -> None:
    """Let a child collect the tests, and act on them: this process never imports the package."""

    def live(_: None) -> int:
        before()
        return _collect(act, paths)

    for _, status in forks.each([None], live, 1, loud=True):
        if status != 0:
            raise RuntimeError(f"the tests cannot be collected: {status}")


def _collect(act: Callable[[list[pytest.Item]], int], paths: Iterable[str]) -> int:
    instead = _Instead(act)
    pytest.main([*OPTIONS, *paths], plugins=[instead])
    return instead.status


# ------------------------------------------------------------------------------------------------------------- mutants


@dataclass(slots=True)
class _Round:
    """One round of mutants, with some of the tests."""

    trees: dict[str, ast.Module]
    results: Results
    measured: Coverage
    jobs: int
    end: float
    found: list[str] = field(default_factory=list)

    def swap_each(self, items: list[pytest.Item], mutants: Sequence[Mutant]) -> int:
        """Run the mutants inside of functions, each in a child that has all tests."""
        functions = swapping.functions_of_the_core()
        by_id = {item.nodeid: item for item in items}

        def live(mutant: Mutant) -> int:
            if not swapping.swap(mutant, self.trees[mutant.module], functions):
                return forks.UNFIT
            return self._run(mutant, by_id)

        for mutant, status in forks.each(self._pending(mutants), live, self.jobs):
            if status != forks.UNFIT and (status != forks.SURVIVED or not self.measured.is_run_early(mutant)):
                self._note(mutant, status)
        return 0

    def fresh_each(self, mutants: Sequence[Mutant]) -> None:
        """Run the mutants whose change must be there when the module is imported."""

        def live(mutant: Mutant) -> int:
            swapping.install(mutant, self.trees[mutant.module])
            paths = dict.fromkeys(test.partition("::")[0] for test in self.measured.chosen(mutant, self.found))
            return _collect(lambda items: self._run(mutant, {item.nodeid: item for item in items}), paths)

        for mutant, status in forks.each(self._pending(mutants), live, self.jobs):
            self._note(mutant, status)

    def _pending(self, mutants: Sequence[Mutant]) -> Iterator[Mutant]:
        return takewhile(lambda _: time.monotonic() < self.end, self.results.pending(mutants))

    def _run(self, mutant: Mutant, by_id: dict[str, pytest.Item]) -> int:
        tests = self.measured.chosen(mutant, self.found)
        status, test = running.run([by_id[test] for test in tests if test in by_id], self.measured.seconds)
        self.results.killer(mutant, test)
        return status

    def _note(self, mutant: Mutant, status: int) -> None:
        test = self.results.add(mutant, status)
        if test:
            self.found[:] = [test, *(one for one in self.found if one != test)][:REMEMBERED]
        outcome = "survived" if status == forks.SURVIVED else "killed"
        _say(f"{time.strftime('%H:%M:%S')} {outcome:8} {mutant.line:4} {mutant.key}")


if __name__ == "__main__":
    sys.exit(main())
