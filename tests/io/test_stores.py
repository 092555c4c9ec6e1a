"""What every store promises: a folder, memory, and an engine over either of them."""

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.memory import MemoryStore
from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind, Store
from tests.io.engines import Running, engine_store, needs_engine, running

NOW = datetime.now(UTC).replace(microsecond=0)
A = "http://crl.example/a.crl"
KEY = b"a-secret-of-the-state"

Open = Callable[[], Store]


@pytest.fixture(scope="module")
def engine() -> Iterator[Running]:
    with running() as one:
        yield one


KINDS = [
    "memory",
    "folder",
    pytest.param("engine over memory", marks=needs_engine),
    pytest.param("engine over a folder", marks=needs_engine),
    pytest.param("engine over a folder of each", marks=needs_engine),
]


@pytest.fixture(params=KINDS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return what opens the store once more, as another process does; memory is no other's."""
    opened: list[Store] = []
    memory, name = MemoryStore(), uuid.uuid4().hex
    if "engine" in request.param:
        request.getfixturevalue("patient")

    def another() -> Store:
        folder = tmp_path / ("state" if "each" not in request.param else str(len(opened)))
        if request.param == "memory":
            found: Store = memory
        elif request.param == "folder":
            found = FolderStore(folder, purpose="p", keys=[KEY])
        else:
            local = MemoryStore() if "memory" in request.param else FolderStore(folder, purpose="p", keys=[KEY])
            found = engine_store(request.getfixturevalue("engine").engine, local=local, name=name)
        opened.append(found)
        views: list[object] = [None]
        while views[-2:] != [found.view()] * 2:  # one brings what it has time for
            views.append(found.view())
        return found

    yield another
    for one in opened:
        one.close()


def kept(store: Store, kind: Kind = Kind.CRL) -> dict[str, Entry]:
    return {entry.key: entry for entry in store.entries(kind)}


@pytest.mark.parametrize("kind", [Kind.CRL, Kind.CERTIFICATE, Kind.API])
@pytest.mark.parametrize("content", [b"", b"a list", bytes(300_000)], ids=["nothing", "short", "long"])
def test_what_was_put_comes_back_to_all(opener: Open, kind: Kind, content: bytes) -> None:
    store, other = opener(), opener()
    before = other.view()
    store.put(kind, A, content, NOW)

    assert other.view() != before
    for one in (store, other, opener()):
        (entry,) = one.entries(kind)
        assert (entry.key, entry.read(), entry.at) == (A, content, NOW)
        assert (entry.digest, entry.is_empty) == (hashlib.sha256(content).digest(), not content)
        assert one.problems == ()


def test_the_newer_one_takes_the_place_of_the_older(opener: Open) -> None:
    store, other = opener(), opener()
    for age, content in ((9, b"old"), (5, b"newer"), (1, b"newest")):
        store.put(Kind.CRL, A, content, NOW - timedelta(seconds=age))
        other.view()

        assert {key: entry.read() for key, entry in kept(other).items()} == {A: content}


def test_kinds_are_kept_apart(opener: Open) -> None:
    opener().put(Kind.CRL, A, b"a list", NOW)

    assert kept(opener(), Kind.CERTIFICATE) == {}


def test_there_is_an_end_of_entries(opener: Open) -> None:
    store = opener()
    for index in range(MAX_ENTRIES + 5):
        store.put(Kind.CRL, f"{A}/{index}", b"a list", NOW + timedelta(seconds=index))

    assert len(kept(store)) == MAX_ENTRIES
    assert len(kept(opener())) == MAX_ENTRIES
    assert f"{A}/{MAX_ENTRIES + 4}" in kept(opener())


def test_one_asks_at_a_time_and_the_other_is_woken(opener: Open) -> None:
    store, other = opener(), opener()
    with store.refreshing() as first, other.refreshing() as second:
        assert (first, second) == (True, store is other)  # memory is no other's
        waiting = other.view()
        assert waiting == other.view()
    woken = other.view()
    assert (woken != waiting) is (store is not other)
    assert woken == other.view()
    with other.refreshing() as after:
        assert after is True


def test_an_end_between_the_refusal_and_the_first_view_wakes_the_other_too(opener: Open) -> None:
    store, other = opener(), opener()
    with contextlib.ExitStack() as ends:
        ends.enter_context(store.refreshing())
        with other.refreshing() as second:
            ends.close()
            seen = other.view()
    assert second is (store is other)
    assert (other.view() != seen) is (store is not other)


def test_what_is_closed_can_be_used_again(opener: Open) -> None:
    store = opener()
    store.put(Kind.CRL, A, b"a list", NOW)
    store.close()
    store.view()
    store.put(Kind.CRL, A, b"another", NOW + timedelta(seconds=1))

    assert kept(store)[A].read() == b"another"
