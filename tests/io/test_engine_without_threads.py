"""A guard with an engine where no thread can live, as in AWS Lambda, which freezes it between two calls."""

import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from mtls_middleware import Guard, Settings
from mtls_middleware._io import forks
from mtls_middleware._io.redis_lease import EngineLease
from mtls_middleware.testing import RegionalCA
from tests.io.engines import needs_engine, running
from tests.io.fake_engines import serving, through

pytestmark = needs_engine


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    renewing: list[object] = []
    monkeypatch.setenv(forks.LAMBDA, "a-function")
    monkeypatch.setattr(EngineLease, "_renew", lambda *arguments: renewing.append(arguments))
    return renewing


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        regions="us-east-1",
        trust=RegionalCA("us-east-1").write(tmp_path),
        revocation="off",
        state="off",
        state_secret="a-secret-of-the-state",
    )


@pytest.mark.usefixtures("patient")
def test_a_refresh_takes_and_gives_back_the_lease_and_leaves_no_connection(
    frozen: list[object], settings: Settings
) -> None:
    with running() as one, one.admin() as admin, ExitStack() as stack:
        guard = stack.enter_context(Guard.from_settings(settings.replace(state=f"{one.url},off")))
        for _ in range(2):
            assert guard.refresh().warnings == ()
            (state,) = admin.scan_iter("*:state")
            assert int(admin.hget(state, "f") or 0) > 0  # it had the lease
            assert list(admin.scan_iter("*:lease")) == []
            assert admin.hlen(bytes(state).replace(b":state", b":members")) == 1
            end = time.monotonic() + 60
            while len(admin.client_list()) > 1 and time.monotonic() < end:
                time.sleep(0.02)
            assert len(admin.client_list()) == 1  # the one that asks
        assert guard.fleet().problems == ()

    assert frozen == []


@pytest.mark.usefixtures("patient")
def test_a_connection_that_died_in_the_freeze_is_not_missed(frozen: list[object], settings: Settings) -> None:
    dead: set[socket.socket] = set()
    alive: set[socket.socket] = set()

    def send(connection: socket.socket, _: object, content: bytes) -> None:
        alive.add(connection)
        if connection not in dead:
            connection.sendall(content)

    with running() as one, serving(through(one.port, send)) as port:
        with Guard.from_settings(settings.replace(state=f"redis://127.0.0.1:{port},off")) as guard:
            for _ in range(3):
                assert guard.refresh().warnings == ()
                dead |= alive  # what is behind them forgot them, and says nothing
        assert guard.status().warnings == ()
    assert frozen == []


@pytest.mark.parametrize("trouble", ["silent", "gone"])
def test_a_refresh_without_an_answer_works_alone(frozen: list[object], settings: Settings, trouble: str) -> None:
    def silent(_: object, stop: threading.Event) -> None:
        stop.wait()

    with serving(silent) as port:
        address = f"redis://127.0.0.1:{port if trouble == 'silent' else 1},off"
        with Guard.from_settings(settings.replace(state=address)) as guard:
            status = guard.refresh()

    assert guard.snapshot is not None
    assert "cannot be used: it " in "".join(status.warnings)
    assert frozen == []
