"""The verdict, step by step: which were passed, which one failed, and which were never reached."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mtls_middleware._core.certificate import PresentedChain
from mtls_middleware._core.decision import Reason, Rejected
from mtls_middleware.cli.explain import evidence
from mtls_middleware.cli.explain.judging import Judged
from mtls_middleware.display import displayed


class Outcome(StrEnum):
    """Say what became of a step."""

    PASSED = "ok"
    FAILED = "FAILED"
    NOTED = "note"
    """Passed, and there is something to know."""
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold one step.

    Attributes:
        question: what was asked.
        outcome: of it.
        seen: the evidence, a line each; first why it failed, in the gate's own words.
    """

    question: str
    outcome: Outcome
    seen: tuple[str, ...]


Seen = Callable[[Judged, PresentedChain], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Describe a step before it is taken.

    Attributes:
        text: what is asked.
        reasons: what it may end with.
        passed: tells what was seen where it is passed.
        failed: tells it where it is not.
    """

    text: str
    reasons: frozenset[Reason]
    passed: Seen
    failed: Seen


QUESTIONS = (
    Question(
        text="is there valid trust?",
        reasons=frozenset({Reason.TRUST_UNAVAILABLE}),
        passed=evidence.trust,
        failed=evidence.nothing,
    ),
    Question(
        text="is it small enough?",
        reasons=frozenset({Reason.CERTIFICATE_TOO_LARGE}),
        passed=evidence.size,
        failed=evidence.nothing,
    ),
    Question(
        text="can it be read?",
        reasons=frozenset({Reason.CERTIFICATE_MISSING, Reason.CERTIFICATE_MALFORMED}),
        passed=evidence.contents,
        failed=evidence.nothing,
    ),
    Question(
        text="does it chain to a trusted root?",
        reasons=frozenset({Reason.ISSUER_UNTRUSTED}),
        passed=evidence.path,
        failed=evidence.roots,
    ),
    Question(
        text="is it valid now?",
        reasons=frozenset({Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_NOT_YET_VALID}),
        passed=evidence.time,
        failed=evidence.time,
    ),
    Question(
        text="is it made for TLS clients?",
        reasons=frozenset({Reason.PURPOSE_MISMATCH}),
        passed=evidence.purpose,
        failed=evidence.purpose,
    ),
    Question(
        text="whose is it?",
        reasons=frozenset({Reason.REGION_MISMATCH, Reason.NOT_PINNED}),
        passed=evidence.owner,
        failed=evidence.names,
    ),
    Question(
        text="is it revoked?",
        reasons=frozenset({Reason.CERTIFICATE_REVOKED, Reason.REVOCATION_UNKNOWN}),
        passed=evidence.revocation,
        failed=evidence.nothing,
    ),
)
"""In the order in which a guard asks."""


def steps_of(judged: Judged) -> tuple[Step, ...]:
    """Return every step, in the order in which a guard takes them."""
    found: list[Step] = []
    refused = judged.decision if isinstance(judged.decision, Rejected) else None
    is_over = refused is not None and all(refused.reason not in question.reasons for question in QUESTIONS)
    for question in QUESTIONS:
        if is_over:
            found.append(Step(question=question.text, outcome=Outcome.NOT_REACHED, seen=()))
        elif refused is not None and refused.reason in question.reasons:
            seen = (displayed(refused.detail), *_seen(question.failed, judged))
            found.append(Step(question=question.text, outcome=Outcome.FAILED, seen=seen))
            is_over = True
        else:
            is_noted = question.passed is evidence.revocation and bool(evidence.doubt(judged))
            outcome = Outcome.NOTED if is_noted else Outcome.PASSED
            found.append(Step(question=question.text, outcome=outcome, seen=_seen(question.passed, judged)))
    return tuple(found)


def _seen(tell: Seen, judged: Judged) -> tuple[str, ...]:
    return () if judged.chain is None else tuple(tell(judged, judged.chain))
