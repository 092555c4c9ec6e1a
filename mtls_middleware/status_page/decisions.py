"""What was decided, by reason: what was refused, and what would have been if report mode had not let it through."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware.observing.events import ACCEPTED
from mtls_middleware.observing.shared_counts import Counts, Scope

NEVER_LET_THROUGH = {Reason.INTERNAL_ERROR}
"""Refused in report mode too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Hold how often calls were refused for one reason, and how often they would have been."""

    reason: Reason
    refused: int
    would_be_refused: int

    @property
    def total(self) -> int:
        """Return how often the reason was told."""
        return self.refused + self.would_be_refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Hold what was decided on protected paths.

    Attributes:
        scope: whose decisions.
        since: when the first process began to count, UTC.
        written_at: when a process last wrote its numbers, UTC.
        processes: how many counted within the last minutes.
        accepted: calls that were.
        refused: calls that were.
        would_be_refused: calls that report mode let through.
        by_reason: those reasons that occurred, the most frequent first.
    """

    scope: Scope
    since: datetime | None
    written_at: datetime | None
    processes: int
    accepted: int
    refused: int
    would_be_refused: int
    by_reason: tuple[Refusals, ...]


def decisions_of(counts: Counts) -> Decisions:
    """Return the numbers that an operator looks at."""
    accepted, refused, reported = 0, Counter[Reason](), Counter[Reason]()
    for decided, number in counts.numbers.items():
        if decided.reason == ACCEPTED:
            accepted += number
            continue
        reason = Reason(decided.reason)
        is_let_through = decided.mode == Mode.REPORT and reason not in NEVER_LET_THROUGH
        (reported if is_let_through else refused)[reason] += number
    rows = [
        Refusals(reason=reason, refused=refused[reason], would_be_refused=reported[reason])
        for reason in Reason
        if refused[reason] or reported[reason]
    ]
    return Decisions(
        scope=counts.scope,
        since=counts.since,
        written_at=counts.written_at,
        processes=counts.processes,
        accepted=accepted,
        refused=refused.total(),
        would_be_refused=reported.total(),
        by_reason=tuple(sorted(rows, key=lambda row: -row.total)),
    )
