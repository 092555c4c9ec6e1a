"""What processes publish of themselves: exact, bounded, and never believed."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtls_middleware._core.decision import Reason
from mtls_middleware._io.board import FolderBoard, Posted
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind
from mtls_middleware.observing import reporting
from mtls_middleware.observing.events import Decided
from mtls_middleware.observing.fleet import ALIVE, BEGINS, MOURNED, Extent, Fleet, Liveness, read_fleet
from mtls_middleware.observing.history import History, Recorder
from mtls_middleware.observing.records import LARGEST, decoded, encoded
from mtls_middleware.observing.report import MAX_REPORT_BYTES, VERSION, read_report, report_of
from mtls_middleware.observing.reporting import ALIVE_SECONDS, PUBLISH_SECONDS, Reporting
from mtls_middleware.observing.status import TrustState
from mtls_middleware.observing.worker import Worker
from tests.claims import runs_through

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MISSING = Decided("certificate_missing", "none", "none", "report", cached=False)
EXPIRED = Decided("certificate_expired", "none", "none", "enforce", cached=False)
ACCEPTED = Decided("accepted", "us-east-1", "genesys", "enforce", cached=True)


WORKER = Worker(
    host="web-1",
    pid=4242,
    application="gunicorn main:app",
    software="1.0",
    started_at=NOW,
    life=TrustState.FRESH,
    mode="enforce",
    source="tls",
    trust_version=1,
    trust_fingerprint="ab" * 8,
    trust=("root of us-east-1: ab",),
    built_at=NOW,
    changed_at=None,
    last_refresh=NOW,
    problems=(),
    warnings=(),
    lacks={},
    lists=(),
    apis=(),
    coming=(),
)


class Process:
    """Play one process: what it counts, its time, and what it publishes."""

    def __init__(self, folder: Path, *, now: datetime = NOW, worker: Worker = WORKER) -> None:
        self.counted: Counter[Decided] = Counter()
        self.seconds = 0.0
        self.now = now
        self.worker = worker
        self.reporting = Reporting(
            lambda: board_of(folder),
            Recorder(decisions=lambda: dict(self.counted)),
            lambda: self.worker,
            clock=lambda: self.now,
            seconds=lambda: self.seconds,
        )
        self.reporting.begin()

    def count(self, decided: Decided, number: int) -> None:
        self.counted[decided] += number

    def share(self, *, flush: bool = False) -> None:
        self.reporting.publish(flush=flush)


def store(folder: Path) -> FolderStore:
    return FolderStore(folder / "state", purpose="tallies")


def board_of(folder: Path) -> FolderBoard:
    return FolderBoard(store(folder))


def fleet(folder: Path, now: datetime = NOW) -> Fleet:
    return read_fleet(board_of(folder), now)


def numbers(folder: Path) -> dict[Decided, int]:
    return dict(fleet(folder).history.decisions)


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
    first.reporting.leave()
    second = Process(tmp_path)
    second.count(MISSING, 4)
    second.share()

    assert numbers(tmp_path) == {MISSING: 7}
    assert entries(tmp_path) == ["process-00"]


def test_who_left_and_goes_on_is_not_counted_twice(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.count(MISSING, 3)
    process.reporting.leave()
    process.count(MISSING, 1)
    process.reporting.leave()

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
        "import sys, pathlib\nfrom tests.observing.test_reporting import Process, MISSING\n"
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
        "import sys, pathlib\nfrom tests.observing.test_reporting import Process, MISSING\n"
        "process = Process(pathlib.Path(sys.argv[1]))\nprocess.count(MISSING, 3)\nprocess.share()\n"
        "process.count(MISSING, 100)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)

    assert numbers(tmp_path) == {MISSING: 103}


def test_at_the_end_of_the_interpreter_everybody_writes(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.share()
    process.count(MISSING, 1)
    reporting._leave_last()

    assert numbers(tmp_path) == {MISSING: 1}


def silent(folder: Path) -> Reporting:
    return Reporting(
        lambda: board_of(folder), Recorder(decisions=lambda: {MISSING: 1}), lambda: WORKER, clock=lambda: NOW
    )


def test_who_has_no_place_leaves_none(tmp_path: Path) -> None:
    silent(tmp_path).leave()

    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_child_counts_from_nothing_in_a_place_of_its_own(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\nfrom tests.observing.test_reporting import Process, MISSING\n"
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
    process.seconds = PUBLISH_SECONDS - 1
    process.share()
    early = numbers(tmp_path)
    process.seconds = PUBLISH_SECONDS
    process.share()

    assert (early, numbers(tmp_path)) == ({}, {MISSING: 1})


@pytest.mark.parametrize(
    ("seconds", "is_written"), [(PUBLISH_SECONDS, False), (ALIVE_SECONDS, True)], ids=["soon", "later"]
)
def test_numbers_that_did_not_change_are_written_as_a_sign_of_life(
    tmp_path: Path, seconds: float, is_written: bool
) -> None:
    process = Process(tmp_path)
    process.share()
    process.now, process.seconds = NOW + timedelta(seconds=seconds), seconds
    process.share()

    assert (fleet(tmp_path).written_at == process.now) is is_written


def test_nothing_is_written_before_it_begins(tmp_path: Path) -> None:
    looking = silent(tmp_path)
    looking.publish(flush=True)

    assert not (tmp_path / "state").exists()
    assert looking.fleet().scope is Extent.MACHINE


def test_who_asks_sees_its_own_numbers_of_this_moment(tmp_path: Path) -> None:
    one, other = Process(tmp_path), Process(tmp_path)
    other.count(MISSING, 2)
    other.share()
    one.share()
    one.count(MISSING, 3)

    assert one.reporting.fleet().history.decisions == {MISSING: 5}


def test_it_tells_since_when_and_by_whom(tmp_path: Path) -> None:
    old, new = Process(tmp_path, now=NOW - timedelta(days=2)), Process(tmp_path)
    old.share()
    new.share()

    found = fleet(tmp_path)

    assert (found.history.since, found.written_at) == (NOW - timedelta(days=2), NOW)
    assert [(one.at, one.liveness) for one in found.workers][1] == (NOW, Liveness.ALIVE)
    assert found.alive[0] == WORKER


@pytest.mark.parametrize(("writes", "scope"), [(True, Extent.PROCESS), (False, Extent.NOTHING)], ids=["guard", "page"])
def test_without_a_folder_only_a_guard_that_judges_knows(writes: bool, scope: Extent) -> None:
    alone = Reporting(None, Recorder(decisions=lambda: {MISSING: 1}), lambda: WORKER, clock=lambda: NOW)
    if writes:
        alone.begin()
    alone.publish(flush=True)

    found = alone.fleet()

    assert (found.scope, len(found.alive), dict(found.history.decisions)) == (
        (scope, 1, {MISSING: 1}) if writes else (scope, 0, {})
    )


def test_who_finds_no_free_place_shares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtls_middleware._io.board.SLOTS", ("process-00",))
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
    process.seconds = PUBLISH_SECONDS
    process.share()

    assert (busy, numbers(tmp_path)) == ({}, {MISSING: 1})


def test_a_folder_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    process = Process(tmp_path)
    process.count(MISSING, 1)
    process.share(flush=True)

    assert not process.reporting.fleet().history.decisions
    assert process.reporting.fleet().problems


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


# --- who runs ---------------------------------------------------------------------------------------------------------


def liveness(folder: Path, now: datetime = NOW) -> list[Liveness]:
    return [one.liveness for one in fleet(folder, now).workers]


def test_who_closed_is_no_longer_listed(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.count(MISSING, 3)
    process.share()
    process.reporting.leave()

    assert (liveness(tmp_path), numbers(tmp_path)) == ([], {MISSING: 3})


def test_who_was_killed_is_gone_at_once(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom tests.observing.test_reporting import Process\n"
        "process = Process(pathlib.Path(sys.argv[1]))\nprocess.share()\nprint('written', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        while_it_ran = liveness(tmp_path)
        child.send_signal(signal.SIGKILL)

    assert (while_it_ran, liveness(tmp_path)) == ([Liveness.ALIVE], [Liveness.GONE])
    assert liveness(tmp_path, NOW + MOURNED + timedelta(seconds=1)) == []


def test_who_runs_and_does_not_report_is_silent(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.share()
    lock = next((tmp_path / "state").glob("*/process-00.lock"))
    os.utime(lock, (NOW.timestamp(), NOW.timestamp()))

    seen = [liveness(tmp_path, NOW + after) for after in (ALIVE, ALIVE + timedelta(seconds=1))]

    assert seen == [[Liveness.ALIVE], [Liveness.SILENT]]


def test_who_has_just_begun_and_not_reported_yet_is_not_told_of(tmp_path: Path) -> None:
    joined = board_of(tmp_path)
    assert joined.join() == b""

    now = datetime.now(UTC)

    assert liveness(tmp_path, now) == []
    assert liveness(tmp_path, now + BEGINS + timedelta(seconds=1)) == [Liveness.SILENT]


class Folding:
    """A board that adds to the past what a process has published, which then comes back."""

    problems: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.past: list[bytes] = []
        self.now: bytes | None = None
        self._news: bytes | None = None

    def join(self) -> bytes | None:
        return b""

    def fold(self) -> None:
        """Do as if the process had ended."""
        assert self.now is not None
        self.past.append(self.now)
        self._news, self.now = self.now, None

    def publish(self, content: bytes, at: datetime) -> bool:  # noqa: ARG002 - the protocol's
        if self._news is not None:
            return False
        self.now = content
        return True

    def folded(self) -> bytes | None:
        news, self._news = self._news, None
        return news

    def leave(self) -> None:
        """Do nothing."""

    def reports(self) -> Iterator[Posted]:
        for content in (*self.past, *([self.now] if self.now else [])):
            yield Posted(content=content, at=NOW)


def test_who_seemed_to_have_ended_and_comes_back_is_counted_once() -> None:
    board, counted, seconds = Folding(), Counter[Decided](), iter(range(0, 10_000, 100))
    process = Reporting(
        lambda: board,
        Recorder(decisions=lambda: dict(counted)),
        lambda: WORKER,
        clock=lambda: NOW,
        seconds=lambda: next(seconds),
    )
    process.begin()
    for number in (3, 5, 7, 11):
        counted[MISSING] += number
        process.publish()
        assert read_fleet(board, NOW).history.decisions == counted
        board.fold()
        process.publish()
        assert read_fleet(board, NOW).history.decisions == counted
        assert sum(minute.refused for minute in read_fleet(board, NOW).history.trend) == counted[MISSING]
    process.leave()

    assert read_fleet(board, NOW).history.decisions == {MISSING: 26}
    assert len(board.past) == 4


class AgeOnly:
    """A board that knows of no process whether it runs, as one that several machines share."""

    problems: tuple[str, ...] = ()

    def __init__(self, content: bytes, at: datetime) -> None:
        self.posted = Posted(content=content, at=at)

    def join(self) -> bytes | None:
        return None

    def publish(self, content: bytes, at: datetime) -> bool:
        raise NotImplementedError

    def folded(self) -> None:
        return None

    def leave(self) -> None:
        """Do nothing."""

    def reports(self) -> Iterator[Posted]:
        yield self.posted


@pytest.mark.parametrize(("age", "expected"), [(0, Liveness.ALIVE), (121, Liveness.GONE)])
def test_where_no_lock_tells_the_age_of_a_report_does(age: int, expected: Liveness) -> None:
    board = AgeOnly(report_of(History(), WORKER), NOW - timedelta(seconds=age))

    assert [one.liveness for one in read_fleet(board, NOW).workers] == [expected]


def test_a_clock_that_is_a_little_ahead_makes_nobody_silent() -> None:
    for ahead, expected in ((299, Liveness.ALIVE), (301, Liveness.GONE)):
        board = AgeOnly(report_of(History(), WORKER), NOW + timedelta(seconds=ahead))

        assert [one.liveness for one in read_fleet(board, NOW).workers] == [expected]


def test_a_refresh_that_changes_nothing_is_written_as_counts_are(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.share()
    process.seconds, later = 2.0, NOW + timedelta(seconds=2)
    process.worker = replace(WORKER, last_refresh=later)
    process.share()
    early = fleet(tmp_path).alive[0].last_refresh
    process.seconds = PUBLISH_SECONDS
    process.share()

    assert (early, fleet(tmp_path).alive[0].last_refresh) == (NOW, later)


def test_other_trust_is_written_at_once_and_other_counts_are_not(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.share()
    process.seconds = 2.0
    process.count(MISSING, 1)
    process.share()
    counts_alone = numbers(tmp_path)
    process.worker = replace(WORKER, life=TrustState.STALE, problems=("the API is silent",))
    process.share()

    assert (counts_alone, numbers(tmp_path)) == ({}, {MISSING: 1})
    assert fleet(tmp_path).alive[0].problems == ("the API is silent",)


def test_what_could_not_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(tmp_path)
    process.share()
    process.count(MISSING, 1)
    with monkeypatch.context() as patch:
        patch.setattr("mtls_middleware._io.folder.write_file", full)
        process.share(flush=True)
        problems = process.reporting.problems
    process.seconds = PUBLISH_SECONDS
    process.share()

    assert "cannot be written: No space left on device" in problems[0]
    assert (process.reporting.problems, numbers(tmp_path)) == ((), {MISSING: 1})


def full(_folder: int, _name: str, _content: bytes) -> None:
    raise OSError(28, "No space left on device")


UNWRITABLE = {
    "its disk is full": {"f_bavail": 0},
    "Read-only file system": {"f_flag": os.ST_RDONLY},
    "Permission denied": {},
}


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "to be made"])
@pytest.mark.parametrize(("why", "changes"), UNWRITABLE.items(), ids=UNWRITABLE)
def test_a_folder_that_cannot_be_written_is_told_by_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, changes: dict[str, int], *, is_there: bool
) -> None:
    if is_there:
        Process(tmp_path).share()
    real = os.statvfs

    def statvfs(folder: Path) -> SimpleNamespace:
        found = real(folder)  # it fails where nothing is
        fields = {name: getattr(found, name) for name in ("f_bavail", "f_frsize", "f_flag")}
        return SimpleNamespace(**{**fields, **changes})

    monkeypatch.setattr(os, "statvfs", statvfs)
    if not changes:
        monkeypatch.setattr(os, "access", lambda *_given: False)

    assert fleet(tmp_path).problems == (f"state in {tmp_path / 'state'} cannot be written: {why}",)


def test_a_folder_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    assert fleet(tmp_path / "state" / "below").problems != ()
    assert fleet(tmp_path).problems != ()


# --- what is read -----------------------------------------------------------------------------------------------------


def told(*, history: object = None, worker: object = None, **changes: object) -> bytes:
    known = History(since=NOW, decisions={MISSING: 3})
    report = {
        "version": VERSION,
        "history": {**as_object(known), **(history if isinstance(history, dict) else {})},
        "worker": {**as_object(WORKER), **worker} if isinstance(worker, dict) else worker,
    }
    return json.dumps({**report, **changes}).encode()


def as_object(value: object) -> dict[str, object]:
    found = encoded(value)
    assert isinstance(found, dict)
    return found


def rows(*rows: object) -> bytes:
    return told(history={"decisions": list(rows)})


BAD = {
    "nothing": b"",
    "no JSON": b"\xff",
    "a list": b"[]",
    "another version": told(version=1),
    "no version": b"{}",
    "no history": json.dumps({"version": VERSION, "worker": None}).encode(),
    "a beginning that is no time": told(history={"since": "yesterday"}),
    "a beginning without a zone": told(history={"since": "2026-11-23T12:00:00"}),
    "a beginning out of all time": told(history={"since": "0001-01-01T00:00:00+14:00"}),
    "a field too many": told(history={"more": 1}),
    "numbers that are no list": told(history={"decisions": {"x": 1}}),
    "a row that is no list": rows("x"),
    "an empty row": rows([]),
    "a short row": rows(["accepted", 1]),
    "a reason that is markup": rows(["<script>", "none", "none", "report", False, 1]),
    "a region that nobody knows": rows(["accepted", "mars-1", "genesys", "report", False, 1]),
    "an authority that nobody knows": rows(["accepted", "us-east-1", "me", "report", False, 1]),
    "a mode that nobody knows": rows(["accepted", "us-east-1", "genesys", "off", False, 1]),
    "cached that is a number": rows(["accepted", "us-east-1", "genesys", "report", 1, 1]),
    "a negative number": rows([*MISSING, -1]),
    "a number without end": rows([*MISSING, LARGEST + 1]),
    "a number that is a truth": rows([*MISSING, True]),
    "a fraction": rows([*MISSING, 1.5]),
    "the same row twice": rows([*MISSING, 1], [*MISSING, 1]),
    "a last reason that nobody knows": told(history={"last_by_reason": {"x": NOW.isoformat()}}),
    "a handshake for a reason that nobody knows": told(history={"handshakes": {"x": 1}}),
    "a process without a host": told(worker={"host": None}),
    "a life that nobody knows": told(worker={"life": "happy"}),
    "too long": told(padding=" " * MAX_REPORT_BYTES),
    "nested too deeply": b'{"history":' + b"[" * 60_000,
    "a number of thousands of digits": told().replace(b", 3]", b", " + b"3" * 9_999 + b"]"),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_report_counts_as_nothing_and_is_told(tmp_path: Path, content: bytes) -> None:
    store(tmp_path).put(Kind.TALLY, "process-03", content, NOW)
    process = Process(tmp_path)
    process.count(EXPIRED, 2)
    process.share()

    found = fleet(tmp_path)

    assert found.history.decisions == {EXPIRED: 2}
    assert found.problems == ("reports of 1 process are damaged, or of another version",)


def test_a_damaged_slot_is_begun_anew(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.TALLY, "process-00", b"{}", NOW)
    process = Process(tmp_path)
    process.count(EXPIRED, 2)
    process.share()

    assert fleet(tmp_path).problems == ()
    assert numbers(tmp_path) == {EXPIRED: 2}


def test_an_entry_of_another_name_is_none_of_ours(tmp_path: Path) -> None:
    store(tmp_path).put(Kind.TALLY, "process-1000", told(), NOW)

    assert numbers(tmp_path) == {}


@given(content=st.binary(max_size=2_000) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["version", "history", "since", "x"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_a_report_or_none(content: bytes) -> None:
    try:
        history, worker = read_report(content)
    except ValueError:
        return
    assert read_report(report_of(history, worker)) == (history, worker)


@given(content=st.binary(max_size=300))
@settings(max_examples=30)
def test_any_bytes_in_a_file_raise_nothing(content: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        process = Process(folder)
        process.share()
        process.reporting.leave()
        (path,) = (folder / "state").glob("*/tally/*")
        path.write_bytes(content)
        process.count(MISSING, 1)

        runs_through(fleet, folder)


def test_the_longest_report_fits() -> None:
    reasons = {str(reason): NOW for reason in Reason}
    worker = replace(WORKER, problems=("x" * 256,) * 8, warnings=("x" * 256,) * 8, trust=("x" * 100,) * 64)
    history = History(since=NOW, last_by_reason=reasons)

    assert len(report_of(history, worker)) < MAX_REPORT_BYTES / 3
    assert decoded(Worker, json.loads(json.dumps(encoded(worker)))) == worker
