"""The section of docs/conformance.md on mutation testing, from stored results."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.sections import paragraph
from tests.documentation.tables import table
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.results import STORED

_Z = 2.24
"""Of the normal distribution: two intervals at 97.5 % each hold together at 95 %."""


def mutants() -> Iterator[str]:
    """Yield the score of mutation testing, from the stored results."""
    yield "## Mutation testing\n"
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    scores = [_Score(f"`{module}`", **one) for module, one in stored["modules"].items() if one["mutants"]]
    whole = _Score(
        "all",
        date=max(one.date for one in scores),
        mutants=sum(one.mutants for one in scores),
        survivors=[key for one in scores for key in one.survivors],
        not_run=sum(one.not_run for one in scores),
    )
    yield paragraph(
        "The other way round: does a test fail when one thing in `_core` changes? Conditions are turned, bounds moved, "
        "statements and arguments left out, constants and operators changed; texts for people, types and decorators "
        f"stay as they are. Of {whole.mutants:,} changes, {whole.mutants - whole.not_run:,} are decided: tests of "
        f"`tests/core` and `tests/adapters` find {whole.found:,}, {whole.equivalent} have no effect that anybody could "
        f"see (`tests/mutants/equivalent.py` has the reasons), and {len(whole.left)} survive: {whole.percent} of those "
        "with an effect are found."
    )
    if whole.not_run:
        yield paragraph(_bound(whole, stored["samples"]))
    yield paragraph(
        f"These are the results of {whole.date} (`tests/mutants/results.json`). A run takes hours, so CI does not "
        "repeat it: it holds this section to the stored results. `nox -s mutants` runs it, or goes on where it was "
        "stopped; `python -m tests.conformance --corpora` writes this section."
    )
    rows = [
        (one.name, *map(str, (one.mutants, one.found, one.equivalent, len(one.left), one.not_run)), one.percent)
        for one in (*scores, whole)
    ]
    yield table(("module", "changes", "found", "without effect", "survive", "not decided", "of the decided"), rows)
    if whole.left:
        yield "These survive:\n"
        yield table(("module", "in", "change"), [_told(key) for key in whole.left])


def _bound(whole: "_Score", samples: Mapping[str, Any]) -> str:
    """Return what the changes that were drawn at random say of those that are not decided."""
    parts = [_Sample(kind, **one) for kind, one in samples.items() if one["of"]]
    told = ", ".join(f"{one.found} of {one.run} {one.kind} (of {one.of:,})" for one in parts)
    # What was known before the samples were drawn is counted; of the rest, the lower bound.
    known = whole.found - sum(one.found for one in parts)
    effective = whole.mutants - whole.equivalent
    least = (known + sum(one.least for one in parts)) / effective
    return (
        f"{whole.not_run:,} are not decided, and what is decided is no fair sample of them: whole modules came first. "
        f"Those that were left then were tried in a random order. Tests found {told}; what survived got tests since, "
        f"which do not count here. So, with 95 % confidence, tests find **at least {100 * least:.1f} %** of all "
        "changes that have an effect."
    )


def _told(key: str) -> tuple[str, str, str]:
    module, _, rest = key.partition(" ")
    scope, _, change = rest.partition(": ")
    return f"`{module}`", f"`{scope}`", f"`{change}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Changes that were drawn at random from those of one kind."""

    kind: str = field(kw_only=False)
    of: int
    run: int
    survivors: list[str]

    @property
    def found(self) -> int:
        return self.run - len(self.survivors)

    @property
    def least(self) -> float:
        """Return how many of all there are at least found, by Wilson's interval; none where nothing was drawn."""
        if not self.run:
            return 0
        rate, part = self.found / self.run, _Z**2 / self.run
        spread = _Z * math.sqrt(rate * (1 - rate) / self.run + part / self.run / 4)
        return self.of * (rate + part / 2 - spread) / (1 + part)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Score:
    """The results of one module, or of all."""

    name: str = field(kw_only=False)
    date: str
    mutants: int
    survivors: list[str]
    not_run: int

    @property
    def found(self) -> int:
        return self.mutants - self.not_run - len(self.survivors)

    @property
    def left(self) -> list[str]:
        return [key for key in self.survivors if key not in EQUIVALENT]

    @property
    def equivalent(self) -> int:
        return len(self.survivors) - len(self.left)

    @property
    def percent(self) -> str:
        tested = self.found + len(self.left)
        return f"{100 * self.found / tested:.1f} %" if tested else ""
