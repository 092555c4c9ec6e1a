"""What was decided, what the state of trust means, and what to do next."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware.advice import ADVICE
from mtls_middleware.display import counted, sentence
from mtls_middleware.observing.events import ACCEPTED
from mtls_middleware.observing.shared_counts import Counts, Extent
from mtls_middleware.observing.status import Status, TrustState

SOON_DAYS = 90
"""A root is renewed by hand, with a change request."""

NEVER_LET_THROUGH = {Reason.INTERNAL_ERROR}
"""Refused in report mode too."""


class Urgency(StrEnum):
    """The kind of a step, the most urgent first."""

    PROBLEM = "problem"
    SOON = "ends soon"
    WARNING = "warning"
    REFUSALS = "refusals"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A problem, and what to do about it.

    Attributes:
        urgency: of what kind.
        matter: one sentence.
        cure: what to do; empty where the matter says it.
    """

    urgency: Urgency
    matter: str
    cure: str

    @property
    def is_urgent(self) -> bool:
        """Return whether trust is in danger; refusals and notes may be as they should."""
        return self.urgency in {Urgency.PROBLEM, Urgency.SOON, Urgency.WARNING}


FILE = "Fix the named file. A change is noticed within seconds, without a restart."
API = "Check the OAuth client's id, secret and permission, and that this machine can reach the API. Known pins stay."
LIST = "Let this machine reach the address, or fetch the CRL by hand and put it into a folder that MTLS_CRL_URLS names."
STATE = "Give MTLS_STATE a folder that only the application's user may write to: chmod 700."
LEFT_OUT = "Fix or remove what is named. What was left out does not count; all other trust is in force."
UNAVAILABLE = (
    "Check the clock (date -u) and the expiries below, and add the next root or pin, keeping the old one. With "
    "MTLS_REVOCATION=require a fresh CRL is needed, too."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """How often calls were refused for one reason, and how often they would have been."""

    reason: Reason
    refused: int
    would_be_refused: int

    @property
    def total(self) -> int:
        """Return how often the reason was told."""
        return self.refused + self.would_be_refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions on protected paths.

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

    scope: Extent
    since: datetime | None
    written_at: datetime | None
    processes: int
    accepted: int
    refused: int
    would_be_refused: int
    by_reason: tuple[Refusals, ...]


def steps_of(status: Status, decisions: Decisions, unread: Iterable[str] = ()) -> tuple[NextStep, ...]:
    """Return what to do, the most urgent first.

    Args:
        status: of the guard.
        decisions: of all processes.
        unread: counts that could not be read, one sentence each.
    """
    return (
        *_problems(status),
        *_soon(status),
        *_warnings(status),
        *(NextStep(urgency=Urgency.NOTE, matter=sentence(text), cure="Trust is not affected.") for text in unread),
        *_mode(status, decisions),
        *(_refusals(row) for row in decisions.by_reason),
    )


def _problems(status: Status) -> Iterator[NextStep]:
    of_apis = {api.error for api in status.apis if api.error}
    of_crls = {one.error for one in status.lists if one.error}
    for problem in status.problems:
        if problem in of_apis:
            cure = API
        elif any(error in problem for error in of_crls):
            cure = LIST
        else:
            cure = FILE
        yield NextStep(urgency=Urgency.PROBLEM, matter=sentence(problem), cure=cure)
    for region in status.regions:
        if not region.available:
            matter = sentence(f"no caller of {region.name} can be accepted now")
            yield NextStep(urgency=Urgency.PROBLEM, matter=matter, cure=UNAVAILABLE)


def _soon(status: Status) -> Iterator[NextStep]:
    for ending in status.coming:
        if ending.days <= SOON_DAYS:
            yield NextStep(urgency=Urgency.SOON, matter=sentence(ending.text), cure="")


def _warnings(status: Status) -> Iterator[NextStep]:
    for warning in status.warnings:
        cure = STATE if warning.startswith("state in ") else LEFT_OUT
        yield NextStep(urgency=Urgency.WARNING, matter=sentence(warning), cure=cure)


def _mode(status: Status, decisions: Decisions) -> Iterator[NextStep]:
    if status.mode != Mode.REPORT or status.life is TrustState.MISSING:  # until everything is loaded, calls are refused
        return
    if decisions.scope is Extent.NOTHING:
        cure = "See the metrics or the log of the application: this process does not know what would have been refused."
    elif decisions.would_be_refused:
        cure = "Go through the reasons below. When only strangers are left, set MTLS_MODE=enforce and restart."
    elif decisions.accepted:
        cure = "No call would have been refused so far: MTLS_MODE=enforce would change nothing for these callers."
    else:
        cure = "Wait until your data actions have called: no call was judged yet."
    yield NextStep(urgency=Urgency.NOTE, matter="report mode refuses no calls", cure=cure)


def _refusals(row: Refusals) -> NextStep:
    parts = []
    if row.refused:
        parts.append(f"{counted(row.refused, 'call')} refused")
    if row.would_be_refused:
        parts.append(f"{counted(row.would_be_refused, 'call')} would have been refused")
    return NextStep(urgency=Urgency.REFUSALS, matter=f"{row.reason}: {', '.join(parts)}", cure=ADVICE[row.reason].fix)


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


def headline(status: Status) -> str:
    """Return what the state of trust means to callers."""
    match status.life:
        case TrustState.MISSING:
            return "No trust is loaded yet: every call to a protected path is refused."
        case TrustState.EXPIRED:
            refused = "would be refused" if status.mode == Mode.REPORT else "is refused"
            return f"No root or pin is valid now: every call to a protected path {refused}."
        case TrustState.STALE:
            return "The last refresh failed. Callers are judged by the last good trust, which is still valid."
        case TrustState.FRESH:
            return _of_regions(status)
        case unknown:
            assert_never(unknown)


def _of_regions(status: Status) -> str:
    names = [region.name for region in status.regions]
    out = [region.name for region in status.regions if not region.available]
    if out:
        return f"Trust is up to date, but no caller of {_listed(out)} can be accepted now."
    return f"Trust is up to date. Callers of {_listed(names)} can be accepted."


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
