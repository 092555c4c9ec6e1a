"""What settings with an engine make of a guard: its store, its board, and what stops the start."""

import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mtls_middleware import ConfigurationError, Guard, Settings
from mtls_middleware._io.board import LocalBoard
from mtls_middleware._io.redis_board import EngineBoard
from mtls_middleware._io.redis_store import EngineStore
from mtls_middleware._io.store import Kind, NoStore
from mtls_middleware.cli.status import readiness
from mtls_middleware.composition import Secrets, board_of, store_of
from mtls_middleware.installation import install_command
from mtls_middleware.status_page.view import Conclusion
from mtls_middleware.testing import RegionalCA
from tests.io.engines import Running, needs_engine, running

SECRET = "a-secret-of-the-state"
PASSWORD = "hunter2-of-the-engine"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def engine() -> Iterator[Running]:
    with running("--requirepass", PASSWORD) as one:
        yield one


def settings(folder: Path, state: str, **more: str) -> Settings:
    root = RegionalCA("us-east-1").write(folder)
    return Settings(
        **{"regions": "us-east-1", "trust": root, "revocation": "off", "state": state, "state_secret": SECRET, **more}  # type: ignore[arg-type] # texts
    )


@needs_engine
def test_two_guards_see_each_other_and_count_together(tmp_path: Path, engine: Running) -> None:
    wanted = settings(tmp_path, f"{engine.url},off", state_password=PASSWORD, state_name="together")
    with Guard.from_settings(wanted) as one, Guard.from_settings(wanted) as other:
        one.refresh()
        other.refresh()
        fleet = other.fleet()
        assert len(fleet.alive) == 2
        assert fleet.problems == ()
        refreshes = sum(fleet.history.refreshes.values())
        assert refreshes >= 2
        assert one.status().warnings == other.status().warnings == ()
    after = Guard.silent(wanted).fleet()

    assert after.alive == ()
    assert sum(after.history.refreshes.values()) >= refreshes


@needs_engine
@pytest.mark.parametrize("has_folder", [True, False])
def test_a_probe_of_a_machine_does_not_fail_with_the_engine(tmp_path: Path, *, has_folder: bool) -> None:
    folder = str(tmp_path / "state") if has_folder else "off"
    with running() as one:
        wanted = settings(tmp_path, f"{one.url},{folder}")
        with Guard.from_settings(wanted) as guard:
            guard.refresh()
            assert readiness(Guard.silent(wanted).fleet())[0] is Conclusion.GOOD
            before = sum(guard.fleet().history.refreshes.values())
            one.stop()
            guard.refresh()
            alone = Guard.silent(wanted).fleet()
            verdict, text = readiness(alone)
            assert "".join(alone.problems).startswith(f"state in {one.url} cannot be used")

            one.start()
            end = time.monotonic() + 60
            while not (again := Guard.silent(wanted).fleet()).alive and time.monotonic() < end:
                guard.fleet()
                time.sleep(0.1)

    if has_folder:
        assert verdict is Conclusion.GOOD, text
        assert sum(alone.history.refreshes.values()) >= before
    else:
        assert verdict is Conclusion.UNKNOWN
    assert (len(again.alive), again.problems) == (1, ())


@needs_engine
def test_a_guard_that_was_closed_leaves_no_connection_and_no_lease(tmp_path: Path, engine: Running) -> None:
    wanted = settings(tmp_path, f"{engine.url},off", state_password=PASSWORD, state_name="closed")
    with engine.admin(password=PASSWORD) as admin:
        with Guard.from_settings(wanted) as guard:
            guard.refresh()
            assert len(admin.client_list()) > 1
        end = time.monotonic() + 30
        while len(admin.client_list()) > 1 and time.monotonic() < end:
            time.sleep(0.02)

        assert len(admin.client_list()) == 1
        assert list(admin.scan_iter("closed:*:lease")) == []


@needs_engine
def test_a_password_is_read_again_and_never_shown(tmp_path: Path, engine: Running) -> None:
    file = tmp_path / "password"
    file.write_text("wrong-and-secret\n")
    wanted = settings(tmp_path, f"{engine.url},off", state_password_file=str(file))
    store = store_of(wanted, Secrets.read(wanted, []))
    store.view()
    assert "cannot be used" in "".join(store.problems)
    assert "wrong-and-secret" not in "".join(store.problems)
    store.close()

    file.write_text(f"{PASSWORD}\n")
    again = store_of(wanted, Secrets.read(wanted, []))
    again.view()
    assert again.problems == ()
    again.close()


@needs_engine
def test_a_password_in_the_address_is_masked_in_the_status(tmp_path: Path, engine: Running) -> None:
    url = engine.url.replace("://", f"://:{PASSWORD[::-1]}@")
    with Guard.from_settings(settings(tmp_path, f"{url},off")) as guard:
        shown = "".join((*guard.status().warnings, repr(guard.settings)))

    assert f"state in {engine.url} cannot be used" in shown
    assert PASSWORD[::-1] not in shown


def test_the_folder_beside_an_engine_is_the_local_level(tmp_path: Path) -> None:
    wanted = settings(tmp_path, f"redis://127.0.0.1:1,{tmp_path / 'state'}")
    secrets = Secrets.read(wanted, [])
    store = store_of(wanted, secrets)
    assert isinstance(store, EngineStore)
    store.put(Kind.API, "us-east-1", b"an answer", NOW)

    alone = wanted.replace(state=str(tmp_path / "state"))
    assert [entry.read() for entry in store_of(alone, secrets).entries(Kind.API)] == [b"an answer"]
    assert isinstance((board_of(wanted) or pytest.fail)(), LocalBoard)
    assert isinstance((board_of(wanted.replace(state="redis://127.0.0.1:1,off")) or pytest.fail)(), EngineBoard)


def test_a_secret_that_cannot_be_read_stops_the_start_and_writes_nothing(tmp_path: Path) -> None:
    wanted = settings(tmp_path, "redis://127.0.0.1:1,off").replace(state_secret_file=str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="MTLS_STATE_SECRET_FILE: "), Guard.from_settings(wanted):
        pass
    assert isinstance(store_of(wanted, Secrets.read(wanted, [])), NoStore)
    assert (board_of(wanted) or pytest.fail)().join() is None


def test_a_missing_library_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mtls_middleware._io.redis_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    guard = Guard.from_settings(settings(tmp_path, "redis://u:hunter2@h,off"))
    needed = re.escape(f"MTLS_STATE: redis://h needs {install_command('redis')}")
    with pytest.raises(ConfigurationError, match=needed), guard:
        pass
