"""The tests of a mutant: chosen by what they run, the fastest first, until one fails."""

import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Self

import coverage
import pytest

from tests.mutants.forks import KILLED, SURVIVED
from tests.mutants.operators import Mutant

ROOT = Path(__file__).parents[2]
CORE = ROOT / "mtls_middleware" / "_core"

OPTIONS = (
    *("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:mtls_middleware", "-p", "no:xdist"),
    *("--timeout=0", "-m", "", "--capture=sys", "--hypothesis-profile=once", "-o", "tmp_path_retention_policy=none"),
    *("-k", "not costs_"),  # what compares times fails by itself where several processes run
)

TIMES, EXTRA_SECONDS = 10, 4
"""A test that takes that much longer than usual, of the processor's time, has found the change."""

MOST = 150
"""Tests that are tried for one mutant, or more where files bear its module's name: what survives so many, which are
about its line first, counts as not found."""

STUCK_SECONDS = 120
"""It waits for what does not come."""


@dataclass(slots=True)
class Coverage:
    """What each test runs of the core.

    Attributes:
        seconds: of each test.
        tests: by module and line.
        early: lines by module that were run before any test, while modules are imported and tests collected.
        failed: tests that fail without any change.
        lines: how many lines of the core each test runs.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    early: dict[str, list[int]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.lines = Counter(test for lines in self.tests.values() for tests in lines.values() for test in tests)

    def chosen(self, mutant: Mutant, first: Iterable[str] = ()) -> list[str]:
        """Return the tests of a line: what found its neighbours, files that bear the name of its module, and others.

        Where no test is known for the line, those of its function count; for what is in no function, the module's.
        """
        lines = self.tests.get(mutant.module, {})
        known = set(lines.get(mutant.line, ())) if mutant.function else set()
        if not known:
            _, begin, end = mutant.function or ("", 0, sys.maxsize)
            known = {test for line, tests in lines.items() if begin <= line <= end for test in tests}
        known.difference_update(self.failed)
        ahead = [test for test in dict.fromkeys(first) if test in known]
        others = self._ordered(known.difference(ahead))
        name = PurePosixPath(mutant.module).stem
        named = [test for test in others if name in PurePosixPath(test.partition("::")[0]).stem]
        return list(dict.fromkeys([*ahead, *named, *others]))[: max(MOST, len(ahead) + len(named))]

    def _ordered(self, tests: Iterable[str]) -> list[str]:
        """Return one case of each test function first, then another one of each: equal tests find the same.

        Tests that run little beside the line come first: they are about it.
        """
        turns: defaultdict[str, int] = defaultdict(int)
        ranked = []
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            function = test.partition("[")[0]
            ranked.append((turns[function], self.lines[test], self.seconds[test], test))
            turns[function] += 1
        return [test for *_, test in sorted(ranked)]

    def only(self, files: Container[str]) -> Self:
        """Return what was measured of the tests in these files."""

        def kept(tests: Iterable[str]) -> list[str]:
            return [test for test in tests if test.partition("::")[0] in files]

        return replace(
            self,
            seconds={test: self.seconds[test] for test in kept(self.seconds)},
            tests={
                module: {line: kept(tests) for line, tests in lines.items()} for module, lines in self.tests.items()
            },
            failed=kept(self.failed),
        )

    def add(self, other: Self) -> None:
        """Take in what was measured of other tests."""
        self.seconds |= other.seconds
        self.failed += other.failed
        for module, lines in other.tests.items():
            ours = self.tests.setdefault(module, {})
            for line, tests in lines.items():
                ours[line] = ours.get(line, []) + tests
        for module, early in other.early.items():
            self.early[module] = sorted({*self.early.get(module, ()), *early})
        self.__post_init__()

    def is_run_early(self, mutant: Mutant) -> bool:
        """Return whether the change may have come too late: its line was run before."""
        return mutant.line in self.early.get(mutant.module, ())


def run(items: Sequence[pytest.Item], seconds: dict[str, float]) -> tuple[int, str]:
    """Run tests until one fails; return the status and the test that failed."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for item, following in zip(items, [*items[1:], None], strict=True):
        signal.setitimer(signal.ITIMER_PROF, TIMES * seconds[item.nodeid] + EXTRA_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, TIMES * seconds[item.nodeid] + STUCK_SECONDS)
        if _failures_of(item, following):
            return KILLED, item.nodeid
    return SURVIVED, ""


class _Failures:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.texts.append(report.longreprtext)


def _failures_of(item: pytest.Item, following: pytest.Item | None) -> list[str]:
    failures = _Failures()
    item.config.pluginmanager.register(failures)
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    finally:
        item.config.pluginmanager.unregister(failures)
    return failures.texts


def collector() -> coverage.Coverage:
    """Return what notes the lines of the core that are run."""
    return coverage.Coverage(data_file=None, config_file=False, include=[f"{CORE}/*"])


def measure(items: Sequence[pytest.Item], collected: coverage.Coverage) -> Coverage:
    """Run all tests once, unchanged, and note which lines of the core each runs."""
    found = Coverage()
    for item, following in zip(items, [*items[1:], None], strict=True):
        collected.switch_context(item.nodeid)
        began = time.monotonic()
        for text in _failures_of(item, following):
            found.failed.append(item.nodeid)
            sys.stderr.write(f"{item.nodeid} fails without any change:\n{text}\n")
        found.seconds[item.nodeid] = time.monotonic() - began
    collected.stop()
    data = collected.get_data()
    for path in data.measured_files():
        lines = data.contexts_by_lineno(path)
        module = Path(path).relative_to(CORE).as_posix()
        found.tests[module] = {line: [one for one in tests if one] for line, tests in lines.items()}
        found.early[module] = [line for line, tests in lines.items() if "" in tests]
    return found
