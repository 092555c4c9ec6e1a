"""The demo: it must tell the truth, also when things go wrong."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from mtls_middleware._core.decision import Accepted
from mtls_middleware._core.gate import Gate
from mtls_middleware.cli.demo.demo import CALLS, Call, CallResult, EndedAt, Way, run_demo, show

GOOD = CallResult(call=CALLS[0], ended_at=EndedAt.HANDLER, status=200, reason="", code="")


def test_every_call_of_the_demo_ends_as_it_must(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(as_json=False) == 0

    assert f"{len(CALLS)} of {len(CALLS)} calls ended exactly as they must." in capsys.readouterr().out


def test_the_json_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(as_json=True) == 0

    told = json.loads(capsys.readouterr().out)["calls"]
    assert [row["as_it_must"] for row in told] == [True] * len(CALLS)
    assert told[1] == {
        "call": "no certificate",
        "way": "over TLS",
        "ended_at": "gate",
        "status": 403,
        "reason": "certificate_missing",
        "as_it_must": True,
    }


def test_a_gate_that_lets_strangers_in_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decide = Gate.decide
    accepted: list[Accepted] = []

    def careless(*arguments: object) -> object:
        decision = decide(*arguments)  # type: ignore[arg-type]  # passed on as they came
        if isinstance(decision, Accepted):
            accepted.append(decision)
            return decision
        return accepted[0] if accepted else decision

    monkeypatch.setattr(Gate, "decide", careless)

    assert run_demo(as_json=False) == 1
    assert "must end at gate certificate_missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, ended_at=EndedAt.GATE, status=403, reason="internal_error", code="internal_error"),
        CallResult(call=CALLS[2], ended_at=EndedAt.HANDSHAKE, status=None, reason="", code=""),
        CallResult(
            call=CALLS[1], ended_at=EndedAt.GATE, status=403, reason="source_untrusted", code="source_untrusted"
        ),
    ],
    ids=["refused though good", "handshake for another reason", "another reason of the gate"],
)
def test_what_ends_elsewhere_or_for_another_reason_is_wrong(wrong: CallResult) -> None:
    assert not wrong.is_right


def test_a_reason_is_data_and_no_markup() -> None:
    call = Call(title="x", way=Way.TLS, client=None, must=EndedAt.GATE)
    output = StringIO()

    show(
        [CallResult(call=call, ended_at=EndedAt.GATE, status=403, reason="[green]ok[/x]\x1b[2J", code="")],
        Console(file=output),
    )

    assert "[green]ok[/x]\\x1b[2J" in output.getvalue()


def test_nothing_is_cut_where_it_is_piped() -> None:
    output = StringIO()

    show([replace(GOOD, call=call) for call in CALLS], Console(file=output, width=40))

    assert [call for call in CALLS if call.title not in output.getvalue()] == []
