"""Several engines: one that fails over by Sentinel, and a cluster."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from mtls_middleware._io.store import Kind
from mtls_middleware.engine import Engine
from tests.io.engines import engine_store, free_port, needs_engine, running

pytestmark = [needs_engine, pytest.mark.slow]

NOW = datetime.now(UTC).replace(microsecond=0)
A, B = "http://crl.example/a.crl", "http://crl.example/b.crl"
SECONDS = 60.0


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_sentinel_fails_over() -> None:
    with ExitStack() as stack:
        primary = stack.enter_context(running())
        replica = stack.enter_context(running("--replicaof", "127.0.0.1", str(primary.port)))
        sentinel = stack.enter_context(
            running(
                sentinel=f"sentinel monitor main 127.0.0.1 {primary.port} 1\n"
                "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
            )
        )
        watch = stack.enter_context(sentinel.admin())
        wait_until(lambda: b"slave" in bytes(str(watch.execute_command("SENTINEL", "REPLICAS", "main")), "utf-8"))
        engine = Engine(hosts=(("127.0.0.1", sentinel.port),), service="main", shown="redis+sentinel://here/main")
        one, other = engine_store(engine), engine_store(engine)
        stack.callback(one.close)
        stack.callback(other.close)
        one.put(Kind.CRL, A, b"a list", NOW)
        other.view()
        assert [entry.read() for entry in other.entries(Kind.CRL)] == [b"a list"]
        assert one.problems == other.problems == ()
        admin = stack.enter_context(replica.admin())
        wait_until(lambda: admin.dbsize() > 0)

        primary.stop()
        one.put(Kind.CRL, B, b"another", NOW)
        wait_until(lambda: one.view() is not None and not one.problems)
        wait_until(lambda: other.view() is not None and len(list(other.entries(Kind.CRL))) == 2)

    assert {entry.key: entry.read() for entry in other.entries(Kind.CRL)} == {A: b"a list", B: b"another"}


def test_a_cluster_has_all_keys_in_one_slot() -> None:
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running("--cluster-enabled", "yes", "--cluster-port", str(free_port())))
            for _ in range(2)
        ]
        admins = [stack.enter_context(node.admin()) for node in nodes]
        for admin, slots in zip(admins, ((0, 8191), (8192, 16383)), strict=True):
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        bus = nodes[1].arguments[-1]
        admins[0].execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, bus)
        wait_until(lambda: all("cluster_state:ok" in str(admin.execute_command("CLUSTER", "INFO")) for admin in admins))
        engine = Engine(hosts=(("127.0.0.1", nodes[0].port),), is_cluster=True, shown="redis+cluster://here")
        one, other = engine_store(engine), engine_store(engine)
        stack.callback(one.close)
        stack.callback(other.close)
        with one.refreshing() as first, other.refreshing() as second:
            assert (first, second) == (True, False), (one.problems, other.problems)
            one.put(Kind.CRL, A, bytes(3_000_000), NOW)
        other.view()
        assert [entry.read() for entry in other.entries(Kind.CRL)] == [bytes(3_000_000)]
        assert one.problems == other.problems == ()

        shown = list[str]()
        for node in nodes:
            plain = engine_store(node.engine)
            stack.callback(plain.close)
            plain.view()
            shown += plain.problems
    assert [one for one in shown if "write +cluster behind the scheme, as in redis+cluster://" in one] == shown != []
