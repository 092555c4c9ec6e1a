"""What running and new processes do while an engine is stopped, loads, lost its primary or evicts; and two releases."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mtls_middleware._io import redis_entries, redis_store
from mtls_middleware._io.redis_store import EngineStore
from mtls_middleware._io.store import Kind
from tests.io.engines import Running, engine_store, free_port, look, needs_engine, running
from tests.slow import mostly_slow

pytestmark = needs_engine

NOW = datetime.now(UTC).replace(microsecond=0)
A, B = "http://crl.example/a.crl", "http://crl.example/b.crl"
SECONDS = 60.0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


@pytest.fixture
def process(stack: ExitStack) -> Callable[..., EngineStore]:
    """Return what opens the store of one more process."""

    def opened(engine: Running, **options: Any) -> EngineStore:
        one = engine_store(engine.engine, **options)
        stack.callback(one.close)
        return one

    return opened


Open = Callable[..., EngineStore]


def kept(store: EngineStore) -> dict[str, bytes]:
    """Return what is kept beside an engine that answers."""
    return kept_here(look(store))


def kept_here(store: EngineStore) -> dict[str, bytes]:
    return {entry.key: entry.read() for entry in store.entries(Kind.CRL)}


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def goes_on_alone(store: EngineStore, key: str) -> None:
    """Do what a process does that asks for itself."""
    with store.refreshing() as is_mine:
        assert is_mine, store.problems
        store.put(Kind.CRL, key, b"asked for itself", NOW)
    assert kept_here(store)[key] == b"asked for itself"
    assert store.problems


@mostly_slow("how", ["stopped", "killed"], kept=["killed"])
def test_all_go_on_without_it_and_share_again_after(process: Open, how: str) -> None:
    with running() as engine:
        first, second = process(engine), process(engine)
        first.put(Kind.CRL, A, b"a list", NOW)
        assert kept(second) == {A: b"a list"}
        assert engine.process is not None
        if how == "stopped":
            engine.process.send_signal(signal.SIGSTOP)
        else:
            engine.stop()
        goes_on_alone(first, B)
        second.view()
        assert kept_here(second) == {A: b"a list"}
        assert [line.startswith(f"state in {engine.url} cannot be ") for line in second.problems] == [True]
        new = process(engine)
        goes_on_alone(new, A)

        if how == "stopped":
            engine.process.send_signal(signal.SIGCONT)
        else:
            engine.start()
        for store in (first, second, new):
            wait_until(lambda one=store: kept(one) is not None and not one.problems)  # type: ignore[misc] # mypy#15459
        wait_until(lambda: kept(first).keys() == kept(second).keys() == kept(new).keys() == {A, B})
        assert kept(process(engine)).keys() == {A, B}


def test_one_that_loads_its_data_is_none_until_it_has_them(process: Open) -> None:
    with running() as engine, engine.admin() as admin:
        process(engine).put(Kind.CRL, A, b"a list", NOW)
        admin.config_set("rdbcompression", "no")
        admin.eval("for key = 1, ARGV[1] do redis.call('SET', 'another:' .. key, ARGV[2]) end", 0, "20000", "x" * 100)
        admin.save()
        engine.stop()
        engine.arguments = ("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")
        engine.start()  # it loads for 100 s, unless it is told otherwise
        store = process(engine)
        goes_on_alone(store, B)
        assert "loading" in "".join(store.problems).lower()

        admin.config_set("key-load-delay", "0")
        wait_until(lambda: kept(store).keys() == {A, B} and not store.problems)
        assert kept(process(engine)).keys() == {A, B}


def test_a_replica_that_lost_its_primary_and_serves_nothing_is_none(process: Open) -> None:
    with running("--replicaof", "127.0.0.1", str(free_port()), "--replica-serve-stale-data", "no") as replica:
        store = process(replica)
        goes_on_alone(store, A)
        assert "replica-serve-stale-data" in "".join(store.problems)

        with replica.admin() as admin:
            admin.execute_command("REPLICAOF", "NO", "ONE")
        wait_until(lambda: kept(store) == {A: b"asked for itself"} and not store.problems)
        assert kept(process(replica)) == {A: b"asked for itself"}


def test_a_replica_is_read_and_each_asks_for_itself(process: Open) -> None:
    with (
        running("--repl-diskless-sync-delay", "0") as primary,
        running("--replicaof", "127.0.0.1", str(primary.port)) as replica,
    ):
        process(primary).put(Kind.CRL, A, b"a list", NOW)
        with replica.admin() as admin:
            wait_until(lambda: admin.dbsize() > 0)
        new = process(replica)

        assert kept(new) == {A: b"a list"}
        goes_on_alone(new, B)
        assert kept(process(primary)) == {A: b"a list"}


def test_what_is_evicted_is_put_back_by_whoever_has_more(process: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "RESEED_SECONDS", 0.5)  # it may be evicted again at once
    more = {A: os.urandom(200_000), B: os.urandom(200_000)}
    with running("--maxmemory-policy", "allkeys-lru") as engine, engine.admin() as admin:
        less_known, better_known = process(engine), process(engine)
        less_known.put(Kind.CRL, A, more[A], NOW)
        assert kept(better_known) == {A: more[A]}
        better_known.put(Kind.CRL, B, more[B], NOW)
        (state,) = admin.scan_iter("*:state")
        admin.config_set("maxmemory", str(admin.info("memory")["used_memory"] + 500_000))
        for number in range(5_000):
            if not admin.exists(state):
                break
            admin.set(f"another:{number}", os.urandom(20_000))
        assert admin.info("stats")["evicted_keys"]
        assert not admin.exists(state)

        newcomer = process(engine)  # the others have everything by themselves
        wait_until(lambda: [kept(one) for one in (less_known, better_known, newcomer)] == [more] * 3)
        assert less_known.problems == better_known.problems == ()


def test_under_pressure_without_end_all_go_on(process: Open) -> None:
    """The state is evicted again and again, or never: who runs has it, and who comes asks for itself at worst."""
    content = os.urandom(200_000)
    with running("--maxmemory-policy", "allkeys-lru") as engine, engine.admin() as admin:
        store = process(engine)
        store.put(Kind.CRL, A, content, NOW)
        admin.config_set("maxmemory", str(admin.info("memory")["used_memory"] + 500_000))
        for number in range(300):
            admin.set(f"another:{number}", os.urandom(20_000))
            assert kept(store) == {A: content}
            assert kept(process(engine)) in ({A: content}, {}) if number % 30 == 0 else True
        assert admin.info("stats")["evicted_keys"]


# --- two releases side by side ----------------------------------------------------------------------------------------


def test_what_another_release_wrote_is_passed_over_and_left_alone(
    process: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running() as engine, engine.admin() as admin:
        ours, newer = process(engine), process(engine)
        with monkeypatch.context() as patch:
            patch.setattr(redis_entries, "VERSION", redis_entries.VERSION + 1)
            newer.put(Kind.CRL, A, b"of a newer release", NOW)
        (state,) = admin.scan_iter("*:state")
        before: dict[bytes, bytes] = dict(admin.execute_command("HGETALL", state))
        admin.hset(state, "h:novel:00", b"of a kind that is not known here")
        assert kept(ours) == {}
        assert "cannot be read: an entry " in "".join(ours.problems)
        with ours.refreshing() as is_mine:
            assert is_mine
            ours.put(Kind.CRL, B, b"ours", NOW)

        assert kept(process(engine)) == {B: b"ours"}
        after: dict[bytes, bytes] = dict(admin.execute_command("HGETALL", state))
    assert {name: after[name] for name in before if name not in {b"v", b"f"}} == {
        name: value for name, value in before.items() if name not in {b"v", b"f"}
    }


def test_two_releases_that_write_the_same_entry_do_not_do_so_in_turn(
    process: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running() as engine, engine.admin() as admin:
        stores = {version: process(engine) for version in (redis_entries.VERSION, redis_entries.VERSION + 1)}
        seen = list[object]()
        for turn in range(10):
            for version, store in stores.items():
                monkeypatch.setattr(redis_entries, "VERSION", version)
                if turn == 0:
                    store.put(Kind.CRL, A, b"version %d" % version, NOW + timedelta(seconds=version))
                assert kept(store) == {A: b"version %d" % version}
            (state,) = admin.scan_iter("*:state")
            seen.append(admin.hget(state, "v"))

    assert len(set(seen[3:])) == 1
