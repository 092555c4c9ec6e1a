"""The folder in which things outlive a process: whole entries only, its owner's alone, and never an exception."""

import hashlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtls_middleware._io.files import InputError
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind, NoStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PURPOSE = "us-east-1/genesys"
KEY = b"a-secret-of-the-state"
ADDRESS = "http://crl.example/a.crl"


def store(folder: Path, *keys: bytes, purpose: str = PURPOSE) -> FolderStore:
    return FolderStore(folder / "state", purpose=purpose, keys=keys)


def kept(folder: Path, kind: Kind = Kind.CRL, *keys: bytes) -> dict[str, bytes]:
    return {entry.key: content for entry in store(folder, *keys).entries(kind) if (content := read(entry)) is not None}


def read(entry: Entry) -> bytes | None:
    try:
        return entry.read()
    except InputError:
        return None


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@given(key=st.text(max_size=200), content=st.binary(max_size=4096), seconds=st.integers(0, 10**9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_what_was_put_comes_back(tmp_path: Path, key: str, content: bytes, seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    store(tmp_path).put(Kind.CRL, key, content, at)

    found = [entry for entry in store(tmp_path).entries(Kind.CRL) if entry.key == key]

    assert [(entry.read(), entry.at, entry.digest) for entry in found] == [
        (content, at, hashlib.sha256(content).digest())
    ]
    assert [entry.is_empty for entry in found] == [not content]


def test_the_newer_one_takes_the_place_of_the_older(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        store(tmp_path).put(Kind.CRL, ADDRESS, content, NOW)

    assert kept(tmp_path) == {ADDRESS: b"new"}
    assert len(files(tmp_path)) == 1


def test_kinds_and_purposes_are_kept_apart(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, ADDRESS, b"a list", NOW)

    assert kept(tmp_path, Kind.CERTIFICATE) == {}
    assert list(store(tmp_path, purpose="eu-west-1/genesys").entries(Kind.CRL)) == []


def test_everything_is_the_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store(tmp_path).put(Kind.CRL, ADDRESS, b"a list", NOW)
    finally:
        os.umask(old)

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "state", *(tmp_path / "state").rglob("*"))}
    assert modes == {0o700, 0o600}


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    refused = store(tmp_path)
    refused.put(Kind.CRL, ADDRESS, b"a list", NOW)

    assert "a link to one is not followed" in "".join(refused.problems)
    assert files(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 65534, 65534)
    refused = store(tmp_path)
    refused.put(Kind.CRL, ADDRESS, b"a list", NOW)

    assert "belongs to another user" in "".join(refused.problems)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    refused = store(tmp_path)
    refused.put(Kind.CRL, ADDRESS, b"a list", NOW)

    assert refused.problems
    assert list(refused.entries(Kind.CRL)) == []


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_damage_is_passed_over(tmp_path: Path, data: st.DataObject) -> None:
    store(tmp_path, KEY).put(Kind.API, "us-east-1", b"an answer of the API", NOW)
    (file,) = [path for path in files(tmp_path) if path.suffix == ".entry"]
    content = bytearray(file.read_bytes())
    damage = data.draw(st.sampled_from(["flip", "cut", "junk"]))
    if damage == "flip":
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    elif damage == "cut":
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content = bytearray(data.draw(st.binary(max_size=300)))
    file.write_bytes(content)
    damaged = store(tmp_path, KEY)

    assert [read(entry) for entry in damaged.entries(Kind.API)] in ([], [None])
    assert damaged.problems


@pytest.mark.parametrize(
    ("keys", "is_believed"),
    [((KEY,), True), ((b"a-new-secret-0123", KEY), True), ((b"another-secret-01",), False), ((), False)],
    ids=["right", "rotated", "wrong", "none"],
)
def test_an_answer_of_the_api_is_believed_by_its_hmac(
    tmp_path: Path, keys: tuple[bytes, ...], is_believed: bool
) -> None:
    store(tmp_path, KEY).put(Kind.API, "us-east-1", b"an answer", NOW)

    assert bool(kept(tmp_path, Kind.API, *keys)) is is_believed


def test_an_answer_of_the_api_is_not_kept_without_a_key(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.API, "us-east-1", b"an answer", NOW)

    assert files(tmp_path) == []


def test_an_entry_moved_to_another_kind_is_not_read(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, ADDRESS, b"a list", NOW)
    (file,) = files(tmp_path)
    other = file.parent.parent / Kind.CERTIFICATE
    other.mkdir(mode=0o700)
    file.rename(other / file.name)

    assert kept(tmp_path, Kind.CERTIFICATE) == {}


def test_there_is_an_end_of_entries(tmp_path: Path) -> None:
    for index in range(MAX_ENTRIES + 5):
        store(tmp_path).put(Kind.CRL, f"{ADDRESS}/{index}", b"a list", NOW)

    assert len(files(tmp_path)) == MAX_ENTRIES


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, ADDRESS, b"a list", NOW)
    left = files(tmp_path)[0].with_suffix(".4711-left")
    left.write_bytes(b"half a li")
    os.utime(left, (0, 0))

    store(tmp_path).put(Kind.CRL, ADDRESS, b"another", NOW)

    assert not left.exists()


def test_the_view_changes_when_somebody_puts_something(tmp_path: Path) -> None:
    mine, theirs = store(tmp_path), store(tmp_path)
    mine.put(Kind.CRL, ADDRESS, b"a list", NOW)
    before = mine.view()
    theirs.put(Kind.CRL, ADDRESS, b"another", NOW)

    assert mine.view() != before


def test_one_worker_asks_and_another_does_not(tmp_path: Path) -> None:
    with store(tmp_path).refreshing() as first, store(tmp_path).refreshing() as second:
        assert (first, second) == (True, False)
    with store(tmp_path).refreshing() as after:
        assert after is True


def test_the_view_changes_when_the_worker_that_was_in_the_way_has_ended(tmp_path: Path) -> None:
    asking, refused = store(tmp_path), store(tmp_path)
    with asking.refreshing():
        before = refused.view()
        with refused.refreshing() as is_mine:
            views = [refused.view(), refused.view()]
    after = refused.view()

    assert (is_mine, views[0] == views[1], after == before) == (False, True, True)
    assert after != views[0]


FORKING = """
import os, sys
from pathlib import Path
from mtls_middleware._io.folder import FolderStore
store = FolderStore(Path(sys.argv[1]), purpose="p")
ending, end = os.pipe()
with store.refreshing() as first:
    if os.fork() == 0:
        os.close(end)
        os.read(ending, 1)  # lives until its parent has ended
        os._exit(0)
with store.refreshing() as second:
    print(first, second)
"""


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, tmp_path / "state"], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == ["True", "True"]


def test_where_there_is_no_folder_each_asks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    refused = store(tmp_path)

    with refused.refreshing() as is_mine:
        assert is_mine is True
    assert refused.problems


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind
store = FolderStore(Path(sys.argv[1]), purpose="us-east-1/genesys")
print("ready", flush=True)
index = 0
while True:
    index += 1
    store.put(Kind.CRL, "http://crl.example/a.crl", str(index % 10).encode() * 200_000, datetime.now(UTC))
    if index == 1:
        print("wrote", flush=True)
"""


@pytest.mark.parametrize("attempt", range(5))
def test_lesson_a_process_killed_while_it_writes_leaves_a_whole_entry(tmp_path: Path, attempt: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "state"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == [b"ready", b"wrote"]
        for _ in range(attempt * 7):
            assert len(list(store(tmp_path).entries(Kind.CRL))) == 1  # also while it writes
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    reader = store(tmp_path)

    (entry,) = reader.entries(Kind.CRL)

    assert len(set(entry.read())) == 1
    assert len(entry.read()) == 200_000
    assert reader.problems == ()


def test_what_was_replaced_between_listing_and_reading_is_no_problem(tmp_path: Path) -> None:
    mine = store(tmp_path)
    mine.put(Kind.CRL, ADDRESS, b"a list", NOW)
    (listed,) = mine.entries(Kind.CRL)
    store(tmp_path).put(Kind.CRL, ADDRESS, b"another", NOW)

    with pytest.raises(InputError, match="is damaged"):
        listed.read()
    assert mine.problems == ()
    assert [entry.read() for entry in mine.entries(Kind.CRL)] == [b"another"]


def test_listing_reads_no_content(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, ADDRESS, bytes(5_000_000), NOW)
    (file,) = files(tmp_path)
    with file.open("r+b") as whole:
        whole.seek(1_000_000)
        whole.write(b"damage")
    mine = store(tmp_path)

    (listed,) = mine.entries(Kind.CRL)

    assert mine.problems == ()
    assert read(listed) is None
    assert "is damaged" in "".join(mine.problems)


def test_a_full_disk_is_told_and_takes_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from mtls_middleware._io.folder import FolderStore\nfrom mtls_middleware._io.store import Kind\n"
        "store = FolderStore(Path(sys.argv[1]), purpose='p')\n"
        "store.put(Kind.CRL, 'a', b'the old one', datetime.now(UTC))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "store.put(Kind.CRL, 'a', bytes(100_000), datetime.now(UTC))\n"
        "print([entry.read() for entry in store.entries(Kind.CRL)], len(store.problems))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "state"], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[b'the old one'] 1"
    assert len(files(tmp_path)) == 1


def test_no_store_keeps_nothing() -> None:
    nowhere = NoStore()
    nowhere.put(Kind.CRL, ADDRESS, b"a list", NOW)

    with nowhere.refreshing() as is_mine:
        assert is_mine is True
    assert (list(nowhere.entries(Kind.CRL)), nowhere.view(), nowhere.problems) == ([], None, ())
