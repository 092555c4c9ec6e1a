"""What answers mean: a table."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware import Reason
from mtls_middleware.cli.attack.attacks import DIRECT, HEADERS, ONCE, Attack, Weakness
from mtls_middleware.cli.attack.verdict import AttackResult, Heard, hear, judge
from mtls_middleware.cli.wire.answer import Answer, Failure, NoAnswer
from tests.cli.attack.deployments import refused

MISSING = Heard(status=403, reason=Reason.CERTIFICATE_MISSING)
LET_IN = Heard(status=200)
OWN = Heard(status=403, reason=Reason.REGION_MISMATCH)


def of(weakness: Weakness) -> Attack:
    return next(attack for attack in (*HEADERS, *DIRECT) if attack.weakness is weakness)


@pytest.mark.parametrize(
    "reason", [reason for reason in Reason if reason.order > Reason.PROXY_VERIFICATION_FAILED.order]
)
def test_whatever_is_judged_was_believed(reason: Reason) -> None:
    expected = AttackResult.UNCLEAR if reason is Reason.INTERNAL_ERROR else AttackResult.BELIEVED

    assert judge(ONCE, hear(refused(reason)), MISSING).verdict is expected


CASES: dict[str, tuple[Attack, Heard, Heard, AttackResult]] = {
    "removed": (ONCE, MISSING, MISSING, AttackResult.REFUSED),
    "came through": (ONCE, Heard(status=403, reason=Reason.SOURCE_UNTRUSTED), MISSING, AttackResult.PASSED),
    "marker saved it": (ONCE, Heard(status=403, reason=Reason.PROXY_VERIFICATION_FAILED), MISSING, AttackResult.PASSED),
    "too large": (ONCE, Heard(status=431, reason=Reason.CERTIFICATE_TOO_LARGE), MISSING, AttackResult.BELIEVED),
    "too large for the server": (ONCE, Heard(status=431), MISSING, AttackResult.REFUSED),
    "let in": (ONCE, LET_IN, MISSING, AttackResult.BELIEVED),
    "reached the router": (ONCE, Heard(status=404), MISSING, AttackResult.BELIEVED),
    "wrong method behind the gate": (ONCE, Heard(status=405), MISSING, AttackResult.BELIEVED),
    "bad request": (ONCE, Heard(status=400), MISSING, AttackResult.REFUSED),
    "busy": (ONCE, Heard(status=429), MISSING, AttackResult.UNCLEAR),
    "broken": (ONCE, Heard(status=502), MISSING, AttackResult.UNCLEAR),
    "not implemented": (ONCE, Heard(status=501), MISSING, AttackResult.REFUSED),
    "hung up": (ONCE, Heard(failure=Failure.CLOSED), MISSING, AttackResult.REFUSED),
    "silent": (ONCE, Heard(failure=Failure.TIMEOUT), MISSING, AttackResult.UNCLEAR),
    "no trust": (ONCE, Heard(status=503, reason=Reason.TRUST_UNAVAILABLE), MISSING, AttackResult.UNCLEAR),
    "own certificate replaced": (ONCE, Heard(status=403, reason=Reason.ISSUER_UNTRUSTED), OWN, AttackResult.BELIEVED),
    "own certificate kept": (ONCE, OWN, OWN, AttackResult.REFUSED),
    "own certificate lost": (ONCE, MISSING, OWN, AttackResult.PASSED),
    "own certificate let in as ever": (ONCE, LET_IN, LET_IN, AttackResult.REFUSED),
    "own certificate let in no more": (
        ONCE,
        Heard(status=403, reason=Reason.ISSUER_UNTRUSTED),
        LET_IN,
        AttackResult.BELIEVED,
    ),
    "own certificate, bad request": (ONCE, Heard(status=400), LET_IN, AttackResult.REFUSED),
    "marker dropped": (
        of(Weakness.HOP),
        Heard(status=403, reason=Reason.PROXY_VERIFICATION_FAILED),
        LET_IN,
        AttackResult.PASSED,
    ),
    "chunks": (
        of(Weakness.CHUNKED),
        Heard(status=403, reason=Reason.SOURCE_UNTRUSTED),
        MISSING,
        AttackResult.LOCKS_OUT,
    ),
    "no chunks": (of(Weakness.CHUNKED), Heard(status=411), MISSING, AttackResult.LOCKS_OUT),
    "upgraded": (of(Weakness.WEBSOCKET), Heard(status=101), MISSING, AttackResult.BELIEVED),
    "no upgrade": (of(Weakness.WEBSOCKET), Heard(status=426), MISSING, AttackResult.REFUSED),
    "no upgrade without certificate": (of(Weakness.WEBSOCKET), MISSING, OWN, AttackResult.REFUSED),
    "direct: refused": (DIRECT[0], Heard(status=403, reason=Reason.SOURCE_UNTRUSTED), MISSING, AttackResult.REFUSED),
    "direct: not read": (DIRECT[0], MISSING, MISSING, AttackResult.UNCLEAR),
    "direct: judged": (DIRECT[0], Heard(status=403, reason=Reason.NOT_PINNED), MISSING, AttackResult.BELIEVED),
    "direct: let in": (DIRECT[0], LET_IN, MISSING, AttackResult.BELIEVED),
    "direct: bad request": (DIRECT[0], Heard(status=400), MISSING, AttackResult.REFUSED),
    "direct: broken": (DIRECT[0], Heard(status=500), MISSING, AttackResult.UNCLEAR),
    "direct: no trust": (DIRECT[0], Heard(status=503, reason=Reason.TRUST_UNAVAILABLE), MISSING, AttackResult.UNCLEAR),
    "direct: silent": (DIRECT[0], Heard(failure=Failure.TIMEOUT), MISSING, AttackResult.REFUSED),
    "direct: hung up": (DIRECT[0], Heard(failure=Failure.CLOSED), MISSING, AttackResult.REFUSED),
}


@pytest.mark.parametrize(("attack", "heard", "baseline", "verdict"), CASES.values(), ids=CASES)
def test_an_answer_means(attack: Attack, heard: Heard, baseline: Heard, verdict: AttackResult) -> None:
    assert judge(attack, heard, baseline).verdict is verdict


PATH = Attack(name="x", title="x", weakness=Weakness.PATH, message=ONCE.message)


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [
        (Heard(status=200), AttackResult.BELIEVED),
        (Heard(status=405), AttackResult.BELIEVED),
        (Heard(status=404), AttackResult.REFUSED),
        (Heard(status=301), AttackResult.REFUSED),
        (Heard(status=400), AttackResult.REFUSED),
        (Heard(status=500), AttackResult.UNCLEAR),
        (MISSING, AttackResult.REFUSED),
        (Heard(status=403, reason=Reason.SOURCE_UNTRUSTED), AttackResult.REFUSED),
    ],
)
@pytest.mark.parametrize(
    "baseline", [MISSING, Heard(failure=Failure.DEMANDED, demands=True)], ids=["missing", "demanded"]
)
def test_a_path_means(heard: Heard, verdict: AttackResult, baseline: Heard) -> None:
    assert judge(PATH, heard, baseline).verdict is verdict


def problem(**facts: object) -> Answer:
    return Answer(status=403, headers={"content-type": "application/problem+json"}, body=json.dumps(facts).encode())


NOT_OURS: dict[str, Answer] = {
    "another type": Answer(
        status=403, headers={"content-type": "application/json"}, body=b'{"status":403,"reason":"not_pinned"}'
    ),
    "another status": problem(status=401, reason="not_pinned"),
    "another reason": problem(status=403, reason="nope"),
    "no reason": problem(status=403),
    "a reason that is no text": problem(status=403, reason=["not_pinned"]),
    "a list": Answer(status=403, headers={"content-type": "application/problem+json"}, body=b"[]"),
    "no JSON": Answer(status=403, headers={"content-type": "application/problem+json"}, body=b"<html>"),
    "nested without end": Answer(status=403, headers={"content-type": "application/problem+json"}, body=b"[" * 60_000),
}


@pytest.mark.parametrize("answer", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_no_refusal_of_ours_has_no_reason(answer: Answer) -> None:
    heard = hear(answer)

    assert heard.reason is None
    assert heard.is_refused_by_another


@given(st.binary(), st.integers(100, 999), st.sampled_from(["application/problem+json", ""]))
def test_any_answer_can_be_heard_and_judged(body: bytes, status: int, content_type: str) -> None:
    heard = hear(Answer(status=status, headers={"content-type": content_type}, body=body))

    assert judge(ONCE, heard, MISSING).meaning
    assert heard.words


def test_a_failure_is_told_with_the_words_of_the_system() -> None:
    heard = hear(NoAnswer(failure=Failure.HANDSHAKE, detail="no shared cipher"))

    assert heard.words == "the TLS handshake failed (no shared cipher)"
    assert not heard.is_broken
