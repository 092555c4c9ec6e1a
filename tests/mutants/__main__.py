"""Change `_core` in one place after another, and see whether a test fails.

    python -m tests.mutants                       # all modules: an hour and more; goes on where it was stopped
    python -m tests.mutants chain.py sources/xfcc.py
    python -m tests.mutants --list chain.py       # what would be changed
    python -m tests.mutants --survivors           # once there are tests for them

Survivors, and what was found before a function changed or by tests that are gone, are tried again each time; remove
build/mutants to begin anew. The results go into tests/mutants/results.json.
"""

import argparse
import ast
import gc
import hashlib
import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import forks, running, swapping
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.results import Results
from tests.mutants.running import CORE, OPTIONS, ROOT, Coverage

BUILD = ROOT / "build" / "mutants"
TESTS = ("tests/core", "tests/adapters")

REMEMBERED = 20
"""Tests that found mutants last: they are tried first, for neighbours are found by the same."""


WARM = (
    "cryptography.x509.verification",
    "cryptography.hazmat.primitives.serialization.pkcs12",
    "hypothesis.strategies",
)
"""What takes long to import, and is no part of the package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Mutation testing of `_core`.")
    parser.add_argument("modules", nargs="*", help="files below _core; all without")
    parser.add_argument("--list", action="store_true", help="print the changes, and run nothing")
    parser.add_argument("--survivors", action="store_true", help="try only what survived before")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then, and write down what is known")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    options = parser.parse_args(arguments)
    modules = options.modules or sorted(path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py"))
    trees = {module: ast.parse((CORE / module).read_text(encoding="utf-8")) for module in modules}
    mutants = [mutant for module in modules for mutant in mutants_of(module, trees[module])]
    if options.list:
        _say(*(f"{mutant.line:4} {mutant.key}" for mutant in mutants), f"{len(mutants)} mutants")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    shutil.rmtree(BUILD / "tmp", ignore_errors=True)
    (BUILD / "tmp").mkdir(parents=True)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(BUILD / "tmp")  # other runs of pytest clear away what is old in /tmp
    measured = _measured()
    results = Results(BUILD / "results.jsonl", {mutant.key: _around(mutant) for mutant in mutants})
    results.begin(measured.seconds.keys())
    _say(f"{len(mutants)} mutants, {len(results.pending(mutants))} to be run")
    untried = [one for one in results.pending(mutants) if one.key not in results.survived]
    sampled = None if options.survivors else () if options.modules else untried
    tried = [one for one in mutants if not options.survivors or one.key in results.survived]
    one = _Run(trees=trees, results=results, measured=measured, jobs=options.jobs)
    one.end = time.monotonic() + 60 * options.minutes / 2
    _in_pytest(lambda session: one.swap_each(session, tried), TESTS)
    results.read()
    one.end += 60 * options.minutes / 2
    _in_pytest(lambda session: one.fresh_each(session, tried), TESTS[:1], collects=False)
    results.read()
    results.write(mutants, sampled)
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


# ------------------------------------------------------------------------------------------------------------ coverage


def _measured() -> Coverage:
    """Return what each test runs; it is measured anew where the package's core, or the test's own file, changed."""
    core = _digest(*CORE.rglob("*.py"))
    files = {
        path.relative_to(ROOT).as_posix(): core + _digest(path)
        for folder in TESTS
        for path in sorted((ROOT / folder).rglob("test_*.py"))
    }
    kept, fresh = BUILD / "coverage.json", BUILD / "coverage-new.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {"files": {}, "coverage": {}}
    known = {file for file, digest in files.items() if found["files"].get(file) == digest}
    measured = _read(found["coverage"]).only(known)
    if missing := [file for file in files if file not in known]:
        collector = running.collector()
        _in_pytest(lambda session: _keep(running.measure(session.items, collector), fresh), missing, collector.start)
        measured.add(_read(json.loads(fresh.read_text(encoding="utf-8"))))
        kept.write_text(json.dumps({"files": files, "coverage": _written(measured)}), encoding="utf-8")
    if measured.failed:
        _say("these fail without any change, and are left out:", *measured.failed)
    return measured


def _around(mutant: Mutant) -> str:
    """Return a digest of the function, or of the module where it is in none."""
    _, begin, end = mutant.function or ("", 1, None)
    return hashlib.sha256("".join(_lines(CORE / mutant.module)[begin - 1 : end]).encode()).hexdigest()[:16]


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


def _keep(measured: Coverage, path: Path) -> int:
    path.write_text(json.dumps(_written(measured)), encoding="utf-8")
    return 0


def _written(measured: Coverage) -> dict[str, Any]:
    return {
        "seconds": measured.seconds,
        "tests": measured.tests,
        "early": measured.early,
        "failed": measured.failed,
    }


def _read(found: dict[str, Any]) -> Coverage:
    return Coverage(
        seconds=found.get("seconds", {}),
        tests={
            module: {int(line): tests for line, tests in lines.items()}
            for module, lines in found.get("tests", {}).items()
        },
        early=found.get("early", {}),
        failed=found.get("failed", []),
    )


# ---------------------------------------------------------------------------------------------------- inside of pytest


class _Instead:
    """Stands in for pytest's loop over the tests, or also for its search for them."""

    def __init__(self, act: Callable[[pytest.Session], int], *, collects: bool) -> None:
        self._act, self._collects = act, collects
        self.status = forks.KILLED

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        if self._collects:
            return None
        self.status = self._act(session)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self._collects:
            self.status = self._act(session)
        return True


def _in_pytest(
    act: Callable[[pytest.Session], int],
    paths: Sequence[str],
    before: Callable[[], None] = lambda: None,
    *,
    collects: bool = True,
) -> None:
    """Let a child of this process, which never imports the package, start pytest, collect the tests, and act."""

    def live(_: None) -> int:
        before()
        instead = _Instead(act, collects=collects)
        pytest.main([*OPTIONS, *paths], plugins=[instead])
        return instead.status

    for _, status in forks.each([None], live, 1, loud=True):
        if status != 0:
            raise RuntimeError(f"the tests cannot be collected: {status}")


# ------------------------------------------------------------------------------------------------------------- mutants


@dataclass(slots=True)
class _Run:
    """One run of mutants."""

    trees: dict[str, ast.Module]
    results: Results
    measured: Coverage
    jobs: int
    end: float = math.inf
    found: list[str] = field(default_factory=list)

    def swap_each(self, session: pytest.Session, mutants: Sequence[Mutant]) -> int:
        """Run the mutants inside of functions, each in a child that has all tests."""
        functions = swapping.functions_of_the_core()
        by_id = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()  # else a collection in a child would copy all of its memory

        def live(mutant: Mutant) -> int:
            if not swapping.swap(mutant, self.trees[mutant.module], functions):
                return forks.UNFIT
            return self._run(mutant, by_id)

        within = [mutant for mutant in self.results.pending(mutants) if mutant.function]
        for mutant, status in forks.each(self._in_time(within), live, self.jobs):
            if status != forks.UNFIT and (status != forks.SURVIVED or not self.measured.is_run_early(mutant)):
                self._note(mutant, status)
        return 0

    def fresh_each(self, session: pytest.Session, mutants: Sequence[Mutant]) -> int:
        """Run the mutants whose change must be there when the module is imported, each in a child without the package.

        It collects the file of the likeliest test, then those of all others.
        """
        for name in WARM:
            import_module(name)

        def live(mutant: Mutant) -> int:
            swapping.install(mutant, self.trees[mutant.module])
            first, *others = dict.fromkeys(test.partition("::")[0] for test in self._chosen(mutant))
            for paths in filter(None, ([first], others)):
                items = session.perform_collect(paths)
                status = self._run(mutant, {item.nodeid: item for item in items})
                if status != forks.SURVIVED or session.testsfailed:  # then a file could not be imported
                    return forks.KILLED
            return forks.SURVIVED

        needed = sorted(self.results.pending(mutants), key=lambda mutant: mutant.function is not None)
        for mutant, status in forks.each(self._in_time(needed), live, self.jobs):
            self._note(mutant, status)
        return 0

    def _in_time(self, mutants: Iterable[Mutant]) -> Iterator[Mutant]:
        return takewhile(lambda _: time.monotonic() < self.end, mutants)

    def _run(self, mutant: Mutant, by_id: dict[str, pytest.Item]) -> int:
        tests = self._chosen(mutant)
        status, test = running.run([by_id[test] for test in tests if test in by_id], self.measured.seconds)
        self.results.killer(mutant, test)
        return status

    def _chosen(self, mutant: Mutant) -> list[str]:
        finder = self.results.finders.get(mutant.key)
        return self.measured.chosen(mutant, [finder, *self.found] if finder else self.found)

    def _note(self, mutant: Mutant, status: int) -> None:
        test = self.results.add(mutant, status)
        if test:
            self.found[:] = [test, *(one for one in self.found if one != test)][:REMEMBERED]
        outcome = "survived" if status == forks.SURVIVED else "killed"
        _say(f"{time.strftime('%H:%M:%S')} {outcome:8} {mutant.line:4} {mutant.key}")


if __name__ == "__main__":
    sys.exit(main())
