"""Whether a thread can live: not on AWS Lambda, and not in uWSGI without threads."""

import subprocess
import sys
from types import ModuleType

import pytest

from mtls_middleware._io import forks


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stand for the module that uWSGI makes."""
    server = ModuleType("uwsgi")
    server.__dict__["opt"] = {}
    monkeypatch.setitem(sys.modules, "uwsgi", server)
    return server


def test_nothing_keeps_threads_from_running_here() -> None:
    assert forks.why_no_thread({}) is None


@pytest.mark.parametrize("name", ["a-function", "x"])
def test_lambda_freezes_the_process(name: str) -> None:
    assert "Lambda" in (forks.why_no_thread({forks.LAMBDA: name}) or "")


def test_an_empty_name_is_no_lambda() -> None:
    assert forks.why_no_thread({forks.LAMBDA: ""}) is None


@pytest.mark.parametrize(
    ("options", "can_run"),
    [
        ({}, False),
        ({"enable-threads": b""}, False),
        ({"threads": b""}, False),
        ({"enable-threads": True}, True),
        ({"enable-threads": b"true"}, True),
        ({"threads": b"2"}, True),
        ({"processes": b"4"}, False),
    ],
    ids=["none", "no threads", "zero threads", "enabled", "enabled as text", "threads", "processes"],
)
def test_uwsgi_runs_threads_where_it_was_told_to(uwsgi: ModuleType, options: dict[str, object], can_run: bool) -> None:
    uwsgi.__dict__["opt"] = options

    assert (forks.why_no_thread({}) is None) == can_run


def test_without_uwsgi_there_is_none_to_ask() -> None:
    code = "from mtls_middleware._io.forks import why_no_thread; print(why_no_thread({}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout == "None\n"
