"""Several are asked at once, and nobody waits for one that does not come back."""

import threading

import pytest

from mtls_middleware.cli.doctor import network
from mtls_middleware.cli.doctor.network import NotInTimeError, ask_all


def test_all_are_asked_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)

    assert set(ask_all({"a": meeting.wait, "b": meeting.wait}).values()) == {0, 1}


def test_what_one_raises_keeps_no_other() -> None:
    def fail() -> str:
        raise ValueError("no")

    told = ask_all({"a": fail, "b": lambda: "yes"})

    assert isinstance(told["a"], ValueError)
    assert told["b"] == "yes"


def test_nobody_waits_for_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "GRACE", 0.0)
    end = threading.Event()

    told = ask_all({"a": end.wait}, seconds=0.05)

    end.set()
    assert isinstance(told["a"], NotInTimeError)
