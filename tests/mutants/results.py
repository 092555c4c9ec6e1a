"""What became of each mutant: kept while it runs, and written down at the end."""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.mutants.forks import SURVIVED
from tests.mutants.operators import Mutant

STORED = Path(__file__).parent / "results.json"
"""By module: the day of the last run, how many mutants, those that no test found, and how many were not run yet."""

_WITHOUT_TEST = "it ended with "
"""What stands for a test where the process of a mutant could not import it, or ran for ever."""


@dataclass(slots=True)
class Results:
    """What is known of mutants, in a file to which each outcome is added.

    Attributes:
        path: of that file.
        digests: of the code around each mutant as it is, by key; what was found before it changed is void.
        outcomes: the name of the test that found it by the mutant's key; empty for one that survived.
        finders: tests that found it in any earlier run, which are tried first.
        survived: keys of those that survived an earlier run, and are tried again.
    """

    path: Path
    digests: Mapping[str, str]
    outcomes: dict[str, str] = field(default_factory=dict)
    finders: dict[str, str] = field(default_factory=dict)
    survived: set[str] = field(default_factory=set)

    def begin(self, tests: Container[str]) -> None:
        """Read what earlier runs found. What survived is tried again: there may be a new test, or one is gone."""
        self.read()
        self.survived = {key for key, test in self.outcomes.items() if not test}
        self.outcomes = {
            key: test for key, test in self.outcomes.items() if test in tests or test.startswith(_WITHOUT_TEST)
        }

    def read(self) -> None:
        """Read what children added meanwhile."""
        if self.path.exists():
            for key, test, digest in map(json.loads, self.path.read_text(encoding="utf-8").splitlines()):
                if test:
                    self.finders[key] = test
                if digest == self.digests.get(key):
                    self.outcomes[key] = test

    def pending(self, mutants: Iterable[Mutant]) -> list[Mutant]:
        """Return those of which nothing is known, in a random order; at the end, those that are tried again."""
        found = [mutant for mutant in mutants if mutant.key not in self.outcomes]
        random.Random(0).shuffle(found)  # so what is decided when it stops is a fair sample
        return sorted(found, key=lambda mutant: mutant.key in self.survived)

    def killer(self, mutant: Mutant, test: str) -> None:
        """Leave the name of the test that failed, for the parent of this process."""
        self._note(mutant).write_text(test, encoding="utf-8")

    def add(self, mutant: Mutant, status: int) -> str:
        """Keep an outcome; return the test that failed, where there is one to tell."""
        note = self._note(mutant)
        test = note.read_text(encoding="utf-8") if note.exists() else ""
        note.unlink(missing_ok=True)
        outcome = "" if status == SURVIVED else test or f"{_WITHOUT_TEST}{status}"
        self.outcomes[mutant.key] = outcome
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([mutant.key, outcome, self.digests[mutant.key]]) + "\n")
        return test

    def write(self, mutants: Sequence[Mutant], sampled: Sequence[Mutant] | None = ()) -> None:
        """Write down the results of these mutants' modules; those of others stay as they are.

        Args:
            mutants: of whole modules.
            sampled: those of which nothing was known when a run of all modules began; what is stored of them without.
        """
        before = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {"modules": {}, "samples": {}}
        stored = before["modules"]
        by_module: defaultdict[str, list[Mutant]] = defaultdict(list)
        for mutant in mutants:
            by_module[mutant.module].append(mutant)
        for module, found in by_module.items():
            stored[module] = {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "mutants": len(found),
                "survivors": [mutant.key for mutant in found if self.outcomes.get(mutant.key) == ""],
                "not_run": len(self.pending(found)),
            }
        samples = before["samples"]
        if sampled is not None:
            samples = {
                "inside of functions": self._sample([mutant for mutant in sampled if mutant.function]),
                "at import": self._sample([mutant for mutant in sampled if not mutant.function]),
            }
        written = {"modules": dict(sorted(stored.items())), "samples": samples}
        STORED.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")

    def _sample(self, mutants: Sequence[Mutant]) -> dict[str, object]:
        run = [mutant.key for mutant in mutants if mutant.key in self.outcomes]
        return {"of": len(mutants), "run": len(run), "survivors": [key for key in run if not self.outcomes[key]]}

    def _note(self, mutant: Mutant) -> Path:
        return self.path.with_name(hashlib.sha256(mutant.key.encode()).hexdigest()[:24] + ".killer")
