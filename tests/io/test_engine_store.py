"""State in a real engine: what one process puts comes to all, and what anybody else puts there loosens nothing."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtls_middleware._io import redis_store
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.redis_entries import CONTENT_BYTES, HEADER_BYTES, Header, entry_of, name_of
from mtls_middleware._io.redis_store import EngineStore
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import Kind
from tests.io.engines import Running, engine_store, needs_engine, running

pytestmark = [needs_engine, pytest.mark.usefixtures("patient")]

NOW = datetime.now(UTC).replace(microsecond=0)
A, B = "http://crl.example/a.crl", "http://crl.example/b.crl"
OLD, NEW = b"an-old-secret-of-ours", b"a-new-secret-of-ours!"
LONG = os.urandom(250_000)  # four slices: a view brings one at least, and `kept` looks five times


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with running() as one:
        yield one


@pytest.fixture
def engine(shared: Running) -> Running:
    with shared.admin() as admin:
        admin.flushall()
    return shared


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


class Fleet:
    """Open stores, and close all of them."""

    def __init__(self, engine: Running, stack: ExitStack) -> None:
        self.engine, self.stack = engine, stack

    def __call__(self, **options: Any) -> EngineStore:
        one = engine_store(self.engine.engine, **options)
        self.stack.callback(one.close)
        return one


@pytest.fixture
def fleet(engine: Running, stack: ExitStack) -> Fleet:
    return Fleet(engine, stack)


def kept(store: EngineStore, kind: Kind = Kind.CRL) -> dict[str, bytes]:
    """Return what is kept once several views in turn bring nothing new: one brings what it has time for."""
    views: list[object] = [None]
    while len(views) < 6 or len(set(views[-5:])) > 1:
        views.append(store.view())
    return {entry.key: entry.read() for entry in store.entries(kind)}


def key_of(running: Running, end: str) -> bytes:
    with running.admin() as admin:
        (found,) = admin.scan_iter(f"*{end}")
        return bytes(found)


@pytest.mark.parametrize("lost", ["everything", "the state"])
def test_what_the_engine_loses_is_put_back_by_whoever_has_it(fleet: Fleet, lost: str) -> None:
    one, other = fleet(), fleet()
    one.put(Kind.CRL, A, b"a list", NOW)
    other.put(Kind.CRL, B, LONG, NOW)
    assert kept(one) == kept(other) == {A: b"a list", B: LONG}
    with fleet.engine.admin() as admin:
        if lost == "everything":
            admin.flushall()
        else:
            admin.delete(key_of(fleet.engine, ":state"))
    one.view()

    assert kept(fleet()) == {A: b"a list", B: LONG}
    assert kept(other) == {A: b"a list", B: LONG}
    assert one.problems == other.problems == ()


def test_lesson_what_is_lost_before_anybody_looks_is_put_back_too(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "RESEED_SECONDS", 0.0)
    store = fleet()
    for number in range(3):
        store.put(Kind.CRL, A, b"a list", NOW + timedelta(seconds=number))
        with fleet.engine.admin() as admin:
            for _ in range(2):  # what was put, and what was put back
                admin.delete(key_of(fleet.engine, ":state"))
                store.view()
        assert kept(fleet()) == {A: b"a list"}


def test_lesson_what_was_lost_while_it_was_read_is_read_once_it_is_back(fleet: Fleet) -> None:
    store, other = fleet(), fleet()
    store.put(Kind.CRL, A, b"a list", NOW)
    with fleet.engine.admin() as admin:
        state = key_of(fleet.engine, ":state")
        assert admin.hdel(state, f"c:{name_of(Kind.CRL, A)}:0")
        assert (kept(store), kept(other)) == ({A: b"a list"}, {})
        admin.delete(state)

    assert kept(store) == kept(other) == {A: b"a list"}


def test_what_could_not_be_written_is_put_there_later(fleet: Fleet) -> None:
    store = fleet()
    with fleet.engine.admin() as admin:
        admin.config_set("maxmemory", "1")
        store.put(Kind.CRL, A, b"a list", NOW)
        assert "cannot be written: its memory is full: " in "".join(store.problems)
        admin.config_set("maxmemory", "0")
    store.view()

    assert kept(fleet()) == {A: b"a list"}
    assert store.problems == ()


def test_a_leader_that_slept_does_not_overwrite_what_the_next_one_found(fleet: Fleet) -> None:
    slow, fast = fleet(), fleet()
    with slow.refreshing() as first:
        slow.view()
        with fleet.engine.admin() as admin:
            admin.delete(key_of(fleet.engine, ":lease"))  # it slept for longer than the lease
        with fast.refreshing() as second:
            fast.view()
            fast.put(Kind.CRL, A, b"found later", NOW)
        slow.put(Kind.CRL, A, b"found before", NOW - timedelta(seconds=1))

    assert (first, second) == (True, True)
    assert kept(fleet()) == {A: b"found later"}


def test_nobody_releases_the_lease_of_another(fleet: Fleet) -> None:
    slow, fast, third = fleet(), fleet(), fleet()
    with ExitStack() as second:
        with slow.refreshing():
            with fleet.engine.admin() as admin:
                admin.delete(key_of(fleet.engine, ":lease"))
            assert second.enter_context(fast.refreshing())
        with third.refreshing() as is_mine:
            assert not is_mine


def test_a_process_that_was_turned_away_is_woken_when_the_lease_is_gone(fleet: Fleet) -> None:
    leader, other = fleet(), fleet()
    with leader.refreshing():
        with other.refreshing() as is_mine:
            assert not is_mine
        before = other.view()
        assert other.view() == before
    assert other.view() != before


def test_a_process_that_was_turned_away_is_woken_when_the_engine_goes(stack: ExitStack) -> None:
    with running() as engine:
        fleet = Fleet(engine, stack)
        leader, other = fleet(), fleet()
        with leader.refreshing():
            with other.refreshing() as is_mine:
                assert not is_mine
            before = other.view()
            engine.stop()
            assert other.view() != before
            with other.refreshing() as is_mine:
                assert is_mine  # nobody can say who asks, so this machine does


def test_a_store_that_only_looks_writes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet().put(Kind.CRL, A, b"a list", NOW)
    version = fleet().view()
    folder = FolderStore(tmp_path / "state", purpose="p")
    looking = fleet(local=folder, reads_only=True)
    looking.put(Kind.CRL, B, b"another", NOW)
    with looking.refreshing() as is_mine:
        assert not is_mine

    assert kept(looking) == {A: b"a list", B: b"another"}
    assert list(tmp_path.iterdir()) == []
    assert (kept(fleet()), fleet().view()) == ({A: b"a list"}, version)


def test_a_folder_that_cannot_be_written_leaves_memory(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    store = fleet(local=FolderStore(tmp_path / "state", purpose="p"))
    fleet().put(Kind.CRL, A, b"a list", NOW)
    store.put(Kind.CRL, B, b"another", NOW)

    assert kept(store) == {A: b"a list", B: b"another"}
    assert "is not a folder" in "".join(store.problems)


def test_one_process_of_a_machine_fetches_a_long_list(fleet: Fleet, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first, second = (fleet(local=FolderStore(folder, purpose="p")) for _ in range(2))
    fleet().put(Kind.CRL, A, LONG, NOW)
    lock = FolderStore(folder, purpose="p").lock("fetch")
    lock.take()
    assert kept(first) == kept(second) == {}
    lock.release()

    assert kept(first) == kept(second) == {A: LONG}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off_harms_nobody(fleet: Fleet, hours: int) -> None:
    wrong = NOW + timedelta(hours=hours)
    off, right = fleet(clock=lambda: wrong), fleet(clock=lambda: NOW)
    off.put(Kind.CRL, A, b"a list", wrong)
    assert kept(right) == ({} if hours > 0 else {A: b"a list"})
    right.put(Kind.CRL, A, b"a newer list", NOW)

    for _ in range(5):
        off.view()
        right.view()
    assert kept(right) == {A: b"a newer list"}


@pytest.mark.parametrize("seconds", [-30, 30, 290])
def test_a_clock_that_is_a_little_off_changes_nothing(fleet: Fleet, seconds: int) -> None:
    fleet(clock=lambda: NOW).put(Kind.CRL, A, b"a list", NOW)

    assert kept(fleet(clock=lambda: NOW - timedelta(seconds=seconds))) == {A: b"a list"}


def test_a_secret_is_rotated_in_three_steps(fleet: Fleet) -> None:
    before = fleet(secrets=[OLD])
    before.put(Kind.API, "us-east-1", b"an answer", NOW)
    between = fleet(secrets=[NEW, OLD])
    assert kept(between, Kind.API) == {"us-east-1": b"an answer"}
    assert kept(fleet(secrets=[NEW]), Kind.API) == {"us-east-1": b"an answer"}
    assert kept(before, Kind.API) == {"us-east-1": b"an answer"}


@pytest.mark.parametrize("other", [{"name": "staging"}, {"secrets": [NEW]}])
def test_two_deployments_do_not_meet(fleet: Fleet, other: dict[str, Any]) -> None:
    one, another = fleet(), fleet(**other)
    one.put(Kind.CRL, A, b"a list", NOW)
    with one.refreshing() as first, another.refreshing() as second:
        assert (first, second) == (True, True)

    assert kept(another) == {}
    assert another.problems == ()


# --- what is not believed -----------------------------------------------------------------------------------------

SEAL = Seal(b"a-secret-of-the-state", name="checkout", purpose="us-east-1,/,genesys")
PLACES = [(Kind.CRL, A), (Kind.CRL, B), (Kind.API, "us-east-1")]


def authentic() -> list[tuple[Kind, str, bytes, datetime]]:
    """Return what was written with the secret at some time: each entry twice, and one far ahead of our clock."""
    found = [
        (kind, key, f"{kind} {key} {age}".encode() * 9, NOW - timedelta(days=age))
        for kind, key in PLACES
        for age in (0, 9)
    ]
    return [*found, (Kind.CRL, A, b"from the future", NOW + timedelta(minutes=6))]


fields = st.sampled_from(
    [
        f"{part}:{entry_of(kind, key, b'', NOW)[0].name}{end}"
        for part, end in (("h", ""), ("t", ""), ("c", ":0"), ("c", ":1"))
        for kind, key in PLACES
    ]
    + ["v", "f", "e", "h:crl:0", "h:member:00", "junk"]
)
WHOLE = [entry_of(*one) for one in authentic()]
values = st.one_of(
    st.sampled_from([header.write(SEAL) for header, _ in WHOLE]),
    st.sampled_from([part for _, parts in WHOLE for part in parts]),
    st.sampled_from([header.write(Seal(NEW, name="checkout", purpose="p")) for header, _ in WHOLE]),
    st.sampled_from([header.write(SEAL)[:cut] for header, _ in WHOLE for cut in (10, 64, 65, 100)]),
    st.sampled_from([b"", b"0", b"9" * 30, b"-1", b"{}", bytes(HEADER_BYTES + 1), bytes(1024 * 1024 + 1)]),
    st.binary(max_size=200),
)
OTHERS = (
    Seal(NEW, name="checkout", purpose="us-east-1,/,genesys"),
    Seal(b"a-secret-of-the-state", name="staging", purpose="us-east-1,/,genesys"),
)
FORGED = [entry_of(kind, key, b"forged", NOW) for kind, key in PLACES]
pairs = st.one_of(
    st.tuples(  # somebody who has not this secret
        st.sampled_from(FORGED),
        st.sampled_from(
            [
                *(seal.sealed for seal in OTHERS),
                lambda _, content: b"0" * 64 + content,
                lambda _, content: SEAL.sealed("elsewhere", content),
            ]
        ),
        st.none(),
    ),
    st.tuples(st.sampled_from(WHOLE), st.just(SEAL.sealed), st.sampled_from(PLACES)),  # put in another's place
    st.tuples(st.sampled_from(WHOLE), st.just(SEAL.sealed), st.none()),  # put there again
)


def lying(header: Header, parts: list[bytes], sealed: Callable[[str, bytes], bytes], name: str) -> dict[str, bytes]:
    """Return the fields of an entry that claims to be the one of this name."""
    claim = header.write(SEAL)[64:]
    return {f"h:{name}": sealed(header.name, claim), **{f"c:{name}:{index}": part for index, part in enumerate(parts)}}


@given(
    written=st.dictionaries(fields, values, max_size=6),
    entries=st.lists(pairs, max_size=3),
    flips=st.lists(st.integers(0, 10**6), max_size=3),
)
@settings(max_examples=150)
def test_nothing_comes_out_that_was_not_written_with_the_secret(
    shared: Running, written: dict[str, bytes], entries: list[Any], flips: list[int]
) -> None:
    for (header, parts), sealed, place in entries:
        written |= lying(header, parts, sealed, header.name if place is None else name_of(*place))
    good = {(kind, key, content, at) for kind, key, content, at in authentic() if at <= NOW + timedelta(minutes=5)}
    with shared.admin() as admin, ExitStack() as stack:
        admin.flushall()
        fleet = Fleet(shared, stack)
        writer = fleet(clock=lambda: NOW)
        for kind, key in PLACES:
            writer.put(kind, key, f"{kind} {key} 0".encode() * 9, NOW)
        state = key_of(shared, ":state")
        everything: dict[bytes, bytes] = dict(admin.execute_command("HGETALL", state))
        for flip in flips:
            name = sorted(everything)[flip % len(everything)]
            flipped = bytearray(everything[name])
            flipped[flip % len(flipped)] ^= 1 << flip % 8
            admin.hset(state, name.decode(), bytes(flipped))
        for field, value in written.items():
            admin.hset(state, field, value)
        reader = fleet(clock=lambda: NOW)
        reader.view()

        found = {(kind, entry.key, entry.read(), entry.at) for kind in Kind for entry in reader.entries(kind)}
        assert found <= good
        reader.put(Kind.CRL, A, b"asked for itself", NOW + timedelta(seconds=1))
        assert (Kind.CRL, A, b"asked for itself") in {
            (kind, entry.key, entry.read()) for kind in Kind for entry in reader.entries(kind)
        }


def test_a_content_that_inflates_without_end_is_passed_over(fleet: Fleet) -> None:
    header, (part,) = entry_of(Kind.CRL, A, bytes(CONTENT_BYTES), NOW)
    fleet().put(Kind.CRL, A, bytes(100_000), NOW)
    with fleet.engine.admin() as admin:
        admin.hset(key_of(fleet.engine, ":state"), f"c:{header.name}:0", part)
    store = fleet()

    assert kept(store) == {}
    assert "cannot be read: an entry is damaged" in "".join(store.problems)


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_during_a_call_has_a_connection_of_its_own(fleet: Fleet) -> None:
    store, stop = fleet(), threading.Event()
    store.put(Kind.CRL, A, b"a list", NOW)

    def look() -> None:
        while not stop.is_set():
            store.view()

    thread = threading.Thread(target=look)
    thread.start()
    children = []
    try:
        for number in range(20):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    store.put(Kind.CRL, f"{B}/{number}", b"of a child", NOW)
                    status = 0 if A in kept(store) and store.problems == () else 2
                finally:
                    os._exit(status)
            children.append(child)
    finally:
        stop.set()
        thread.join()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 20
    assert len(kept(store)) == 21
    assert store.problems == ()


def test_the_library_is_loaded_only_where_an_engine_is_named(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom mtls_middleware import Guard, Settings\nfrom mtls_middleware.testing import RegionalCA\n"
        "from pathlib import Path\nca = RegionalCA('us-east-1')\n"
        "with Guard.from_settings(Settings(regions='us-east-1', trust=ca.write(Path(sys.argv[1])), revocation='off',"
        " state=sys.argv[2], **({'state_secret': 'a-secret-of-the-state'} if '://' in sys.argv[2] else {}))):\n"
        "    print('redis' in sys.modules)\n"
    )
    for state, is_loaded in ((str(tmp_path / "state"), False), ("off", False), ("redis://127.0.0.1:9,off", True)):
        done = subprocess.run([sys.executable, "-c", code, tmp_path, state], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(is_loaded)
