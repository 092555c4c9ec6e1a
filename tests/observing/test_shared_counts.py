"""Counts that processes share through the state folder: exact, bounded, and never believed."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtls_middleware._core.decision import Reason
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind
from mtls_middleware.observing import shared_counts
from mtls_middleware.observing.events import Decided
from mtls_middleware.observing.shared_counts import (
    ALIVE_SECONDS,
    LARGEST,
    MAX_COUNTS_BYTES,
    SHARE_SECONDS,
    SLOTS,
    Extent,
    SharedCounts,
    SlotCounts,
    read_counts,
    summed,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MISSING = Decided("certificate_missing", "none", "none", "report", cached=False)
EXPIRED = Decided("certificate_expired", "none", "none", "enforce", cached=False)
ACCEPTED = Decided("accepted", "us-east-1", "genesys", "enforce", cached=True)


class Process:
    """Play one process: what it counts, its time, and what it shares."""

    def __init__(self, folder: Path, *, now: datetime = NOW) -> None:
        self.counted: Counter[Decided] = Counter()
        self.seconds = 0.0
        self.now = now
        self.shared = SharedCounts(
            lambda: store(folder), lambda: dict(self.counted), clock=lambda: self.now, seconds=lambda: self.seconds
        )
        self.shared.begin()

    def count(self, decided: Decided, number: int) -> None:
        self.counted[decided] += number

    def share(self, *, flush: bool = False) -> None:
        self.shared.share(flush=flush)


def store(folder: Path) -> FolderStore:
    return FolderStore(folder / "state", purpose="tallies")


def numbers(folder: Path) -> dict[Decided, int]:
    return dict(read_counts(store(folder), NOW).numbers)


def entries(folder: Path) -> list[str]:
    return sorted(entry.key for entry in store(folder).entries(Kind.TALLY))


def test_what_two_processes_count_is_summed(tmp_path: Path) -> None:
    one, other = Process(tmp_path), Process(tmp_path)
    one.count(MISSING, 3)
    other.count(MISSING, 4)
    other.count(ACCEPTED, 5)

    one.share()
    other.share()

    assert numbers(tmp_path) == {MISSING: 7, ACCEPTED: 5}


def test_each_process_has_a_place_of_its_own(tmp_path: Path) -> None:
    one, other = Process(tmp_path), Process(tmp_path)
    one.share()
    other.share()

    assert entries(tmp_path) == ["process-00", "process-01"]


def test_the_next_process_counts_on_in_the_place_that_is_free(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.count(MISSING, 3)
    first.shared.leave()
    second = Process(tmp_path)
    second.count(MISSING, 4)
    second.share()

    assert numbers(tmp_path) == {MISSING: 7}
    assert entries(tmp_path) == ["process-00"]


def test_who_left_and_goes_on_is_not_counted_twice(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.count(MISSING, 3)
    process.shared.leave()
    process.count(MISSING, 1)
    process.shared.leave()

    assert numbers(tmp_path) == {MISSING: 4}


def test_a_place_is_free_when_nobody_holds_its_counts(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.count(MISSING, 3)
    process.share()
    del process
    gc.collect()
    next_one = Process(tmp_path)
    next_one.share()

    assert entries(tmp_path) == ["process-00"]


def test_a_killed_process_leaves_its_place_and_what_it_wrote(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom tests.observing.test_shared_counts import Process, MISSING\n"
        "process = Process(pathlib.Path(sys.argv[1]))\nprocess.count(MISSING, 3)\nprocess.share()\n"
        "process.count(MISSING, 100)\nprint('written', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    process = Process(tmp_path)
    process.count(MISSING, 4)
    process.share()

    assert numbers(tmp_path) == {MISSING: 7}
    assert entries(tmp_path) == ["process-00"]


def test_a_process_that_ends_by_itself_writes_everything(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom tests.observing.test_shared_counts import Process, MISSING\n"
        "process = Process(pathlib.Path(sys.argv[1]))\nprocess.count(MISSING, 3)\nprocess.share()\n"
        "process.count(MISSING, 100)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)

    assert numbers(tmp_path) == {MISSING: 103}


def test_at_the_end_of_the_interpreter_everybody_writes(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.share()
    process.count(MISSING, 1)
    shared_counts._share_last()

    assert numbers(tmp_path) == {MISSING: 1}


def test_who_has_no_place_leaves_none(tmp_path: Path) -> None:
    SharedCounts(lambda: store(tmp_path), dict, clock=lambda: NOW).leave()

    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_child_counts_from_nothing_in_a_place_of_its_own(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\nfrom tests.observing.test_shared_counts import Process, MISSING\n"
        "process = Process(pathlib.Path(sys.argv[1]))\nprocess.count(MISSING, 10)\nprocess.share()\n"
        "child = os.fork()\nprocess.count(MISSING, 1)\nprocess.share(flush=True)\n"
        "if child: os.waitpid(child, 0)\nelse: os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)

    assert numbers(tmp_path) == {MISSING: 12}
    assert entries(tmp_path) == ["process-00", "process-01"]


def test_a_fork_behind_the_interpreters_back_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(tmp_path)
    process.count(MISSING, 10)
    process.share()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    process.share(flush=True)

    assert numbers(tmp_path) == {MISSING: 10}


def test_numbers_are_written_at_times_only(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.share()
    process.count(MISSING, 1)
    process.seconds = SHARE_SECONDS - 1
    process.share()
    early = numbers(tmp_path)
    process.seconds = SHARE_SECONDS
    process.share()

    assert (early, numbers(tmp_path)) == ({}, {MISSING: 1})


@pytest.mark.parametrize(
    ("seconds", "is_written"), [(SHARE_SECONDS, False), (ALIVE_SECONDS, True)], ids=["soon", "later"]
)
def test_numbers_that_did_not_change_are_written_as_a_sign_of_life(
    tmp_path: Path, seconds: float, is_written: bool
) -> None:
    process = Process(tmp_path)
    process.share()
    process.now, process.seconds = NOW + timedelta(seconds=seconds), seconds
    process.share()

    assert (read_counts(store(tmp_path), NOW).written_at == process.now) is is_written


def test_nothing_is_written_before_it_begins(tmp_path: Path) -> None:
    counted = SharedCounts(lambda: store(tmp_path), lambda: {MISSING: 1}, clock=lambda: NOW)
    counted.share(flush=True)

    assert not (tmp_path / "state").exists()
    assert counted.counts().scope is Extent.MACHINE


def test_who_asks_sees_its_own_numbers_of_this_moment(tmp_path: Path) -> None:
    one, other = Process(tmp_path), Process(tmp_path)
    other.count(MISSING, 2)
    other.share()
    one.share()
    one.count(MISSING, 3)

    assert one.shared.counts().numbers == {MISSING: 5}


def test_it_tells_since_when_and_by_how_many(tmp_path: Path) -> None:
    old, new = Process(tmp_path, now=NOW - timedelta(days=2)), Process(tmp_path)
    old.share()
    new.share()

    counts = read_counts(store(tmp_path), NOW)

    assert (counts.since, counts.written_at, counts.processes) == (NOW - timedelta(days=2), NOW, 1)


@pytest.mark.parametrize(("writes", "scope"), [(True, Extent.PROCESS), (False, Extent.NOTHING)], ids=["guard", "page"])
def test_without_a_folder_only_a_guard_that_judges_knows(writes: bool, scope: Extent) -> None:
    alone = SharedCounts(None, lambda: {MISSING: 1}, clock=lambda: NOW)
    if writes:
        alone.begin()
    alone.share(flush=True)

    assert (alone.counts().scope, alone.counts().processes) == (scope, int(writes))


def test_who_finds_no_free_place_shares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "_SLOTS", ("process-00",))
    one, other = Process(tmp_path), Process(tmp_path)
    one.count(MISSING, 1)
    other.count(MISSING, 2)
    one.share()
    other.share()

    assert numbers(tmp_path) == {MISSING: 1}


def test_a_refused_place_is_asked_for_again(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.count(MISSING, 1)
    with store(tmp_path).refreshing():
        process.share()
        busy = numbers(tmp_path)
    process.seconds = SHARE_SECONDS
    process.share()

    assert (busy, numbers(tmp_path)) == ({}, {MISSING: 1})


def test_a_folder_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    process = Process(tmp_path)
    process.count(MISSING, 1)
    process.share(flush=True)

    assert not process.shared.counts().numbers
    assert process.shared.counts().problems


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    Process(tmp_path).share()
    paths = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]

    assert paths
    assert [path for path in paths if path.stat().st_mode & 0o077 != 0] == []


def test_news_of_counts_are_no_news_of_trust(tmp_path: Path) -> None:
    trust = FolderStore(tmp_path / "state", purpose="trust")
    before = trust.view()
    Process(tmp_path).share()

    assert trust.view() == before


def told(**changes: object) -> bytes:
    return json.dumps({"version": 1, "since": NOW.isoformat(), "numbers": [[*MISSING, 3]], **changes}).encode()


BAD = {
    "nothing": b"",
    "no JSON": b"\xff",
    "a list": b"[]",
    "another version": told(version=2),
    "a version that is no number": told(version=True),
    "no version": json.dumps({"since": NOW.isoformat(), "numbers": []}).encode(),
    "no beginning": told(since=None),
    "a beginning that is no time": told(since="yesterday"),
    "a beginning without a zone": told(since="2026-11-23T12:00:00"),
    "a beginning out of all time": told(since="0001-01-01T00:00:00+14:00"),
    "numbers that are no list": told(numbers={}),
    "a row that is no list": told(numbers=["x"]),
    "a short row": told(numbers=[["accepted", 1]]),
    "a reason that is markup": told(numbers=[["<script>", "none", "none", "report", False, 1]]),
    "a region that nobody knows": told(numbers=[["accepted", "mars-1", "genesys", "report", False, 1]]),
    "an authority that nobody knows": told(numbers=[["accepted", "us-east-1", "me", "report", False, 1]]),
    "a mode that nobody knows": told(numbers=[["accepted", "us-east-1", "genesys", "off", False, 1]]),
    "cached that is a number": told(numbers=[["accepted", "us-east-1", "genesys", "report", 1, 1]]),
    "a negative number": told(numbers=[[*MISSING, -1]]),
    "a number without end": told(numbers=[[*MISSING, LARGEST + 1]]),
    "a number that is a truth": told(numbers=[[*MISSING, True]]),
    "a fraction": told(numbers=[[*MISSING, 1.5]]),
    "the same row twice": told(numbers=[[*MISSING, 1], [*MISSING, 1]]),
    "too long": told(numbers=[], padding=" " * MAX_COUNTS_BYTES),
    "nested too deeply": b'{"numbers":' + b"[" * 60_000,
    "a number of thousands of digits": told().replace(b"3]", b"3" * 9_999 + b"]"),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_tally_counts_as_nothing_and_is_told(tmp_path: Path, content: bytes) -> None:
    store(tmp_path).put(Kind.TALLY, "process-03", content, NOW)
    process = Process(tmp_path)
    process.count(EXPIRED, 2)
    process.share()

    counts = read_counts(store(tmp_path), NOW)

    assert counts.numbers == {EXPIRED: 2}
    assert counts.problems == ("counts of 1 process are damaged, or of another version",)


def test_a_damaged_place_is_begun_anew(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.TALLY, "process-00", b"{}", NOW)
    process = Process(tmp_path)
    process.count(EXPIRED, 2)
    process.share()

    assert read_counts(store(tmp_path), NOW).problems == ()
    assert numbers(tmp_path) == {EXPIRED: 2}


def test_an_entry_of_another_name_is_none_of_ours(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.TALLY, "process-1000", told(), NOW)

    assert numbers(tmp_path) == {}


def test_sums_stay_within_their_bounds() -> None:
    assert summed({MISSING: LARGEST}, {MISSING: LARGEST}, {EXPIRED: 0}) == {MISSING: LARGEST}


@given(content=st.binary(max_size=2_000) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["version", "since", "numbers", "x"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_a_tally_or_none(content: bytes) -> None:
    written = SlotCounts.from_bytes(content)

    assert written is None or SlotCounts.from_bytes(written.to_bytes()) == written


@given(content=st.binary(max_size=300))
@settings(max_examples=50)
def test_any_bytes_in_a_file_raise_nothing(content: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        process = Process(folder)
        process.share()
        process.shared.leave()
        (path,) = (folder / "state").glob("*/tally/*")
        path.write_bytes(content)
        process.count(MISSING, 1)

        read_counts(store(folder), NOW)
        process.share(flush=True)

        assert numbers(folder) == {MISSING: 1}


@given(
    counted=st.dictionaries(
        st.builds(
            Decided,
            st.sampled_from(["accepted", *map(str, Reason)]),
            st.sampled_from(["none", "us-east-1", "eu-west-1"]),
            st.sampled_from(["none", "genesys", "custom"]),
            st.sampled_from(["enforce", "report"]),
            cached=st.booleans(),
        ),
        st.integers(1, LARGEST),
    )
)
def test_what_is_written_comes_back(counted: dict[Decided, int]) -> None:
    written = SlotCounts(since=NOW, numbers=counted)

    assert SlotCounts.from_bytes(written.to_bytes()) == written


def test_every_series_fits() -> None:
    rows = {
        Decided(reason, "us-gov-west-1", "digicert", mode, cached=cached): LARGEST
        for reason in ("accepted", *map(str, Reason))
        for mode in ("enforce", "report")
        for cached in (True, False)
    }

    assert len(SlotCounts(since=NOW, numbers=rows).to_bytes()) * 4 < MAX_COUNTS_BYTES
    assert SLOTS == 64
