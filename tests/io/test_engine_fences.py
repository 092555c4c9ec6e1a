"""Numbers in an engine that nobody was given: they keep nothing from being shared, and what is refused is told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from mtls_middleware._io.redis_entries import name_of
from mtls_middleware._io.redis_store import EngineStore
from mtls_middleware._io.store import Kind
from tests.io.engines import Running, engine_store, look, needs_engine, running

pytestmark = [needs_engine, pytest.mark.usefixtures("patient")]

NOW = datetime.now(UTC).replace(microsecond=0)
A = "http://crl.example/a.crl"
MARK = f"t:{name_of(Kind.CRL, A)}"
FORGED = [
    b"1e300",
    b"nan",
    b"-nan",
    b"inf",
    b"-inf",
    b"-1",
    b"-1e300",
    b"8.9e15",
    b"9" * 400,
    b"",
    b"x",
    b"0x7fffffffffff",
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with running() as one:
        yield one


class Fleet:
    """Open stores, and see and change what lies in their engine."""

    def __init__(self, engine: Running, stack: ExitStack) -> None:
        self.engine, self.stack = engine, stack

    def __call__(self) -> EngineStore:
        one = engine_store(self.engine.engine)
        self.stack.callback(one.close)
        return look(one)

    def state(self) -> str:
        with self.engine.admin() as admin:
            (key,) = admin.scan_iter("*:state")
            return bytes(key).decode()

    def set(self, field: str, value: bytes) -> None:
        with self.engine.admin() as admin:
            admin.hset(self.state(), field, value)

    def end_lease(self) -> None:
        with self.engine.admin() as admin:
            (lease,) = admin.scan_iter("*:lease")
            admin.delete(lease)

    def fence(self) -> int:
        with self.engine.admin() as admin:
            return int(admin.hget(self.state(), "f") or 0)

    def kept(self) -> bytes:
        (entry,) = self().entries(Kind.CRL)
        return entry.read()


@pytest.fixture
def fleet(shared: Running) -> Iterator[Fleet]:
    with shared.admin() as admin, ExitStack() as stack:
        admin.flushall()
        yield Fleet(shared, stack)


def lead(store: EngineStore, content: bytes, at: datetime, meanwhile: Callable[[], object] = lambda: None) -> None:
    with store.refreshing() as is_mine:
        assert is_mine
        store.view()
        meanwhile()
        store.put(Kind.CRL, A, content, at)
        store.view()


@pytest.mark.parametrize("forged", FORGED)
def test_a_mark_that_nobody_was_given_stops_no_sharing(fleet: Fleet, forged: bytes) -> None:
    store = fleet()
    lead(store, b"old", NOW - timedelta(seconds=9))
    lead(store, b"new", NOW, lambda: fleet.set(MARK, forged))

    assert fleet.kept() == b"new"
    assert store.problems == ()


def test_a_mark_that_somebody_could_have_been_given_is_told_and_replaced(fleet: Fleet) -> None:
    store = fleet()
    lead(store, b"old", NOW - timedelta(seconds=9))

    def forge() -> None:
        mark = fleet.fence() + 10
        fleet.set("f", str(mark).encode())
        fleet.set(MARK, str(mark).encode())

    lead(store, b"new", NOW, forge)
    assert (
        "cannot be written: 1 of its entries are marked as newer by somebody without MTLS_STATE_SEC"
        in store.problems[0]
    )
    assert fleet.kept() == b"old"
    store.view()

    assert fleet.kept() == b"new"
    assert store.problems == ()


@pytest.mark.parametrize("ahead", [-5, 5])
def test_a_leader_that_slept_is_refused_rightly_whatever_its_clock_says(fleet: Fleet, ahead: int) -> None:
    slow, fast = fleet(), fleet()

    def sleep() -> None:
        fleet.end_lease()
        lead(fast, b"found later", NOW)

    lead(slow, b"found before", NOW + timedelta(seconds=ahead), sleep)
    for _ in range(3):
        slow.view()
        fast.view()

    assert slow.problems == fast.problems == ()
    assert fleet.kept() == b"found later"


def test_a_leader_that_looks_after_it_slept_writes_under_its_own_number_all_the_same(fleet: Fleet) -> None:
    slow, fast = fleet(), fleet()

    def sleep() -> None:
        fleet.end_lease()
        lead(fast, b"found later", NOW)
        slow.view()

    lead(slow, b"found before", NOW + timedelta(seconds=5), sleep)

    assert fleet.kept() == b"found later"


def test_an_epoch_that_somebody_changes_at_each_look_takes_nothing_away(fleet: Fleet) -> None:
    store, other = fleet(), fleet()
    lead(store, b"found", NOW)
    for number in range(20):
        for field in ("e", "v"):
            fleet.set(field, str(number % 3 or "").encode())
        look(store)
        look(other)

    assert [entry.read() for one in (store, other) for entry in one.entries(Kind.CRL)] == [b"found"] * 2
    assert store.problems == other.problems == ()
    lead(other, b"found later", NOW + timedelta(seconds=1))
    assert fleet.kept() == b"found later"
