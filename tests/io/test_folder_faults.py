"""The state folder under fire: killed at each step of each write, wrong clocks, damage that is well-formed."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import pytest

from mtls_middleware._io.entry_lines import LINE_BYTES
from mtls_middleware._io.files import InputError
from mtls_middleware._io.folder import CONTENT_BYTES, KEPT_FOR, FolderStore
from mtls_middleware._io.store import MAX_ENTRIES, Kind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = "http://crl.example/a.crl", "http://crl.example/b.crl"
STEPS = 200
"""Lines of our code in one write; it has fewer."""


def store(folder: Path) -> FolderStore:
    return FolderStore(folder / "state", purpose="us-east-1/genesys")


def kept(folder: Path) -> dict[str, bytes]:
    return {entry.key: entry.read() for entry in store(folder).entries(Kind.CRL)}


def file_of(folder: Path, content: bytes) -> Path:
    (found,) = [path for path in folder.rglob("*.entry") if path.read_bytes().endswith(content)]
    return found


def dies_at(step: int, act: Callable[[], object]) -> bool:
    """Do something in a child that is killed before this line of the state's code; return whether it came so far."""
    child = os.fork()
    if child == 0:
        left = step

        def trace(frame: FrameType, event: str, _: object) -> object:
            nonlocal left
            if not frame.f_code.co_filename.endswith(("_io/folder.py", "_io/private_folder.py")):
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        try:
            sys.settrace(trace)  # type: ignore[arg-type] # typeshed wants a protocol of its own
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    "old",
    [pytest.param(None, id="new", marks=pytest.mark.slow), pytest.param(b"the old one", id="in place of another")],
)
def test_a_process_that_is_killed_at_any_step_of_a_write_leaves_the_old_or_the_new_one(
    tmp_path: Path, old: bytes | None
) -> None:
    if old is not None:
        store(tmp_path).put(Kind.CRL, A, old, NOW)
    died, seen = 0, set()
    for step in range(1, STEPS):
        if not dies_at(step, lambda: store(tmp_path).put(Kind.CRL, A, b"the new one", NOW)):
            break
        died += 1
        reader = store(tmp_path)
        found = [entry.read() for entry in reader.entries(Kind.CRL)]
        seen.update(found)
        assert found in ([], [b"the new one"]) if old is None else found in ([old], [b"the new one"])
        assert reader.problems == ()
        with reader.refreshing() as is_mine:
            assert is_mine  # no lock is left

    assert 20 < died < STEPS - 1
    assert b"the new one" in seen
    assert kept(tmp_path) == {A: b"the new one"}


def test_two_processes_that_write_at_once_leave_a_whole_entry(tmp_path: Path) -> None:
    children = []
    for content in (b"1" * 100_000, b"2" * 100_000):
        child = os.fork()
        if child == 0:
            try:
                for _ in range(40):
                    store(tmp_path).put(Kind.CRL, A, content, NOW)
            finally:
                os._exit(0)
        children.append(child)
    while children:
        found = {}
        reader = store(tmp_path)
        for entry in reader.entries(Kind.CRL):
            with suppress(InputError):  # it was replaced just now; damage would be told
                found[entry.key] = entry.read()
        assert reader.problems == ()
        assert [content for content in found.values() if len(content) != 100_000 or len(set(content)) != 1] == []
        children = [child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)]

    assert [len(content) for content in kept(tmp_path).values()] == [100_000]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "at",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-23T12:00:00", "yesterday", "", 7, None],
    ids=str,
)
def test_lesson_a_time_that_no_calendar_has_is_damage_and_no_crash(tmp_path: Path, at: object) -> None:
    store(tmp_path).put(Kind.CRL, A, b"a list", NOW)
    file = file_of(tmp_path, b"a list")
    line, _, content = file.read_bytes().partition(b"\n")
    file.write_bytes(json.dumps({**json.loads(line), "at": at}).encode() + b"\n" + content)
    reader = store(tmp_path)

    assert list(reader.entries(Kind.CRL)) == []
    assert "does not say when it was written" in reader.problems[0]


def test_what_nobody_put_anew_for_long_is_removed(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, A, b"an old one", NOW)
    long_ago = file_of(tmp_path, b"an old one").stat().st_mtime - KEPT_FOR.total_seconds() - 60
    os.utime(file_of(tmp_path, b"an old one"), (long_ago, long_ago))
    store(tmp_path).put(Kind.CRL, B, b"a new one", NOW)

    assert kept(tmp_path) == {B: b"a new one"}


def test_lesson_a_clock_that_was_ahead_for_a_moment_does_not_make_everything_else_look_old(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, A, b"of the future", NOW)
    future = file_of(tmp_path, b"of the future").stat().st_mtime + timedelta(days=4000).total_seconds()
    os.utime(file_of(tmp_path, b"of the future"), (future, future))
    store(tmp_path).put(Kind.CRL, B, b"of today", NOW)

    assert kept(tmp_path) == {A: b"of the future", B: b"of today"}


def test_what_is_newer_than_the_newest_makes_room_first(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.CRL, A, b"of the future", NOW)
    future = file_of(tmp_path, b"of the future").stat().st_mtime + timedelta(days=4000).total_seconds()
    os.utime(file_of(tmp_path, b"of the future"), (future, future))
    for number in range(MAX_ENTRIES):
        store(tmp_path).put(Kind.CRL, f"{B}/{number}", b"of today", NOW)

    assert A not in kept(tmp_path)
    assert len(kept(tmp_path)) == MAX_ENTRIES


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of its own, of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not _mounts("-t", "tmpfs", "-o", "size=64k", "tmpfs", folder):
        pytest.skip("only root may mount, and not everywhere")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=60)


def _mounts(*arguments: str | Path) -> bool:
    return subprocess.run(["mount", *arguments], check=False, timeout=60, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("content", "spoil"),
    [
        (bytes(200_000), lambda _: True),
        (b"another", lambda disk: _mounts("-o", "remount,ro", disk)),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_nothing_is_told_and_still_read(
    disk: Path, content: bytes, spoil: Callable[[Path], bool]
) -> None:
    store(disk).put(Kind.CRL, A, b"a list", NOW)
    assert spoil(disk)
    other = store(disk)
    other.put(Kind.CRL, A, content, NOW)
    problems = other.problems
    with other.refreshing() as is_mine:
        assert is_mine

    assert kept(disk) == {A: b"a list"}
    assert len(problems) == 1
    assert [path.name for path in disk.rglob("*") if path.is_file() and path.name != "lock"] == [
        file_of(disk, b"a list").name
    ]


def _with_long_line(file: Path) -> None:
    line, _, content = file.read_bytes().partition(b"\n")
    file.write_bytes(json.dumps({**json.loads(line), "more": "x" * LINE_BYTES}).encode() + b"\n" + content)


def _as_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _as_link(file: Path) -> None:
    elsewhere = file.with_suffix(".elsewhere")
    file.rename(elsewhere)
    file.symlink_to(elsewhere)


def _huge(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(CONTENT_BYTES + LINE_BYTES + 1)  # a hole: it takes no room


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a long line": (_with_long_line, "is no entry"),
    "writable by others": (lambda file: file.chmod(0o666), "is not ours alone"),
    "a pipe": (_as_pipe, "is not ours alone"),
    "a link": (_as_link, "ymbolic link"),
    "too large": (_huge, "is too large"),
    "nothing": (lambda file: file.write_bytes(b""), "state in"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_no_entry_is_told_and_the_others_count(tmp_path: Path, fault: str) -> None:
    spoil, told = FAULTS[fault]
    store(tmp_path).put(Kind.CRL, A, b"a list", NOW)
    store(tmp_path).put(Kind.CRL, B, b"another", NOW)
    spoil(file_of(tmp_path, b"a list"))
    reader = store(tmp_path)

    assert [entry.read() for entry in reader.entries(Kind.CRL)] == [b"another"]
    assert told in reader.problems[0]


def test_where_files_cannot_be_locked_each_asks_for_itself_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    one = store(tmp_path)
    with one.refreshing() as is_mine:
        assert is_mine

    assert "No locks available" in one.problems[0]
