"""Reports of a fleet in a real engine: counts are exact, whatever is written twice, killed, or comes back."""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware._io.board import Board, FolderBoard, LocalBoard
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.redis_board import EngineBoard
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient
from mtls_middleware._io.sealing import Seal
from tests.io.engines import Running, needs_engine, running

pytestmark = pytest.mark.usefixtures("patient")

SECRET = b"a-secret-of-the-state"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with running() as one:
        yield one


def total(reports: Sequence[bytes]) -> bytes:
    return str(sum(map(int, reports))).encode()


class LossyClient(EngineClient):
    """Lose the answer of what was done, now and then."""

    lost = False

    def call(self, doing: Doing, act: Callable[[Any], Any], **options: float) -> Any:
        found = super().call(doing, act, **options)
        if self.lost:
            raise AwayError
        return found


class Fleet:
    """Open boards of one deployment, and close their clients."""

    def __init__(self, engine: Running, stack: ExitStack) -> None:
        self.engine, self.stack, self.name = engine, stack, uuid.uuid4().hex

    def client(self) -> LossyClient:
        one = LossyClient(self.engine.engine, lambda: "")
        self.stack.callback(one.close)
        return one

    def seal(self, secret: bytes = SECRET) -> Seal:
        return Seal(secret, name=self.name, purpose="p")

    def __call__(self, client: EngineClient | None = None, secret: bytes = SECRET, **options: Any) -> EngineBoard:
        return EngineBoard(client or self.client(), self.seal(secret), **{"fold": total, "fold_seconds": 0, **options})

    def key(self, end: str) -> bytes:
        with self.engine.admin() as admin:
            (found,) = admin.scan_iter(f"{self.name}:*:{end}")
            return bytes(found)

    def let_time_go_by(self) -> None:
        """Make every report two hours older."""
        with self.engine.admin() as admin:
            for key in admin.scan_iter(f"{self.name}:*:members"):
                for name, whole in dict(admin.execute_command("HGETALL", key)).items():
                    place = f"member {name.decode()}"
                    at, _, rest = self.seal().opened(place, whole).partition(b" ")
                    admin.hset(key, name, self.seal().sealed(place, b"%d %s" % (int(at) - 7200, rest)))

    def sum(self) -> int:
        return sum(int(one.content or b"0") for one in self().reports())


@pytest.fixture
def fleet(shared: Running) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(shared, stack)


@pytest.fixture(params=["folder", *(pytest.param(one, marks=needs_engine) for one in ("engine", "engine and folder"))])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Board]:
    """Return what opens the board once more, as another process does."""

    def machine() -> Board:
        return FolderBoard(FolderStore(tmp_path / "state", purpose="p"))

    if request.param == "folder":
        return machine
    fleet: Fleet = request.getfixturevalue("fleet")
    return fleet if request.param == "engine" else lambda: LocalBoard(fleet(), machine())


def test_what_one_publishes_all_can_read(opener: Callable[[], Board]) -> None:
    now = datetime.now(UTC)
    boards = [opener() for _ in range(3)]
    for number, board in enumerate(boards):
        assert board.join() == b""
        for content in (b"0", str(number).encode()):
            assert board.publish(content, now)
        assert board.folded() is None

    posted = list(opener().reports())
    assert sorted(one.content or b"" for one in posted) == [b"0", b"1", b"2"]
    assert [one for one in posted if one.is_running is False] == []
    assert [one for one in posted if one.at is None or abs(one.at - now) > timedelta(minutes=2)] == []
    assert [board.problems for board in boards] == [()] * 3
    for board in boards:
        board.leave()


def test_what_was_counted_stays_when_processes_leave(opener: Callable[[], Board]) -> None:
    for number in range(1, 5):
        board = opener()
        before = board.join()
        assert before is not None
        assert board.publish(str(int(before or b"0") + number).encode(), NOW)
        board.leave()

    posted = list(opener().reports())
    assert sum(int(one.content or b"0") for one in posted) == 10
    assert len(posted) == 1
    assert posted[0].is_running is False


@needs_engine
class TestPast:
    def test_a_killed_process_is_shown_for_a_while_and_then_counted(self, fleet: Fleet) -> None:
        killed, other = fleet(), fleet()
        for board, content in ((killed, b"5"), (other, b"7")):
            board.join()
            board.publish(content, NOW)
        assert fleet.sum() == 12
        fleet.let_time_go_by()
        assert [one.at for one in fleet().reports() if one.at is not None and one.at > NOW - timedelta(hours=1)] == []

        other.publish(b"8", NOW)

        assert [(one.content, one.at) for one in fleet().reports() if one.at is None] == [(b"5", None)]
        assert fleet.sum() == 13

    def test_a_report_that_was_added_up_and_is_put_back_counts_once(self, fleet: Fleet) -> None:
        gone, other = fleet(), fleet()
        for board, content in ((gone, b"7"), (other, b"0")):
            board.join()
            board.publish(content, NOW)
        key = fleet.key("members")
        with fleet.engine.admin() as admin:
            saved = dict(admin.execute_command("HGETALL", key))
            gone.leave()
            for _ in range(3):
                for name, whole in saved.items():
                    admin.hset(key, name, whole)
                assert fleet.sum() == 7
                other.publish(b"0", NOW)
                assert fleet.sum() == 7

    @pytest.mark.parametrize("forged", [b"1 0 junk", b"junk", b"", b"1 0 " + b"x" * 200_000])
    def test_forged_reports_take_the_place_of_no_other(self, fleet: Fleet, forged: bytes) -> None:
        other = fleet()
        other.join()
        other.publish(b"0", NOW)
        key = fleet.key("members")
        with fleet.engine.admin() as admin:
            for number in range(70):
                admin.hset(key, f"{number:032x}", forged)
            for _ in range(3):
                ended = fleet()
                ended.join()
                ended.publish(b"7", NOW)
                ended.leave()
            assert fleet.sum() == 21
            assert admin.hlen(key) == 1

    def test_one_that_comes_back_is_told_what_was_counted(self, fleet: Fleet) -> None:
        paused, other = fleet(), fleet()
        for board, content in ((paused, b"5"), (other, b"7")):
            board.join()
            board.publish(content, NOW)
        fleet.let_time_go_by()
        other.publish(b"7", NOW)

        assert paused.publish(b"9", NOW) is False
        assert paused.folded() == b"5"
        assert paused.folded() is None
        assert paused.publish(b"4", NOW)
        assert fleet.sum() == 5 + 4 + 7

    def test_what_was_written_without_an_answer_counts_once(self, fleet: Fleet) -> None:
        client = fleet.client()
        paused, other = fleet(client), fleet()
        for board, content in ((paused, b"5"), (other, b"7")):
            board.join()
            board.publish(content, NOW)
        client.lost = True
        assert [paused.publish(content, NOW) for content in (b"6", b"6", b"8")] == [False] * 3
        client.lost = False
        fleet.let_time_go_by()
        other.publish(b"7", NOW)

        assert paused.publish(b"9", NOW) is False
        assert paused.folded() == b"8"

    def test_one_that_writes_while_it_is_added_to_the_past_counts_once(self, fleet: Fleet) -> None:
        paused = fleet()
        paused.join()
        paused.publish(b"5", NOW)
        fleet.let_time_go_by()
        wrote: list[bool] = []

        def interrupted(reports: Sequence[bytes]) -> bytes:
            if not wrote:
                wrote.append(paused.publish(b"6", NOW))
            return total(reports)

        other = fleet(fold=interrupted)
        other.join()
        other.publish(b"7", NOW)

        assert wrote == [True]
        assert fleet.sum() == 6 + 7
        assert paused.publish(b"8", NOW)
        assert fleet.sum() == 8 + 7

    def test_what_another_release_wrote_is_left_to_it(self, fleet: Fleet) -> None:
        newer, other = fleet(), fleet()
        newer.join()
        newer.publish(b"of another release", NOW)
        newer.leave()
        other.join()
        other.publish(b"1", NOW)

        assert b"of another release" in [one.content for one in fleet().reports()]

    @pytest.mark.parametrize("seed", range(3))
    def test_counts_are_exact(self, fleet: Fleet, seed: int) -> None:
        draw = random.Random(seed)

        class Process:
            def __init__(self) -> None:
                self.client = fleet.client()
                self.board = fleet(self.client)
                self.board.join()
                self.told = self.folded = 0

            def publish(self) -> bool:
                for _ in range(2):
                    if self.board.publish(str(self.told - self.folded).encode(), NOW):
                        return True
                    self.folded += int(self.board.folded() or b"0")
                return False

        processes, ended = [Process() for _ in range(8)], 0
        for _ in range(120):
            one = draw.choice(processes)
            one.told += draw.randrange(5)
            match draw.choice(["publish", "publish", "lose", "kill", "leave", "wait"]):
                case "publish":
                    one.publish()
                case "lose":
                    one.client.lost = True
                    one.publish()
                    one.client.lost = False
                case "kill" | "leave" as how:
                    assert one.publish()
                    if how == "leave":
                        one.board.leave()
                    ended += one.told
                    processes[processes.index(one)] = Process()
                case _:
                    fleet.let_time_go_by()
        assert [one for one in processes if not one.publish()] == []

        assert fleet.sum() == ended + sum(one.told for one in processes)


@needs_engine
@pytest.mark.parametrize("how", ["forged", "swapped", "another secret", "another time", "another end", "junk", "past"])
def test_a_report_that_was_not_written_with_the_secret_counts_nothing(fleet: Fleet, how: str) -> None:
    one, other = fleet(), fleet()
    for board, content in ((one, b"5"), (other, b"7")):
        board.join()
        board.publish(content, NOW)
    with fleet.engine.admin() as admin:
        key = fleet.key("members").decode()
        members: dict[bytes, bytes] = dict(admin.execute_command("HGETALL", key))
        (first, one_report), (second, _) = sorted(members.items())
        written = {
            "forged": (first, one_report[:-1] + b"9"),
            "swapped": (second, one_report),
            "another secret": (first, fleet.seal(b"x" * 16).sealed(f"member {first.decode()}", b"1 1 1000")),
            "another time": (first, one_report[:64] + b"%d 1 5" % (time.time() + 60)),
            "another end": (first, one_report.replace(b" 1 ", b" 0 ")),
            "junk": (first, b"1"),
        }
        if how == "past":
            admin.hset(fleet.key("past").decode(), "sum", b"0" * 64 + b"1000")
        else:
            admin.hset(key, *written[how])
    reader = fleet()

    assert sum(int(posted.content or b"0") for posted in reader.reports()) <= 12
    assert reader.problems
    with ExitStack() as stack:
        stack.callback(one.leave)
        assert one.publish(b"6", NOW)


@needs_engine
def test_a_report_that_is_put_back_is_as_old_as_it_was(fleet: Fleet) -> None:
    one = fleet()
    one.join()
    one.publish(b"5", NOW)
    fleet.let_time_go_by()
    key = fleet.key("members").decode()
    with fleet.engine.admin() as admin:
        ((name, old),) = dict(admin.execute_command("HGETALL", key)).items()
        one.publish(b"6", NOW)
        admin.hset(key, name, old)
    (posted,) = fleet().reports()

    assert posted.content == b"5"
    assert posted.at is not None
    assert posted.at < datetime.now(UTC) - timedelta(hours=1)


@needs_engine
def test_without_an_engine_nothing_is_published(fleet: Fleet) -> None:
    with running() as gone:
        pass
    client = EngineClient(gone.engine, lambda: "")
    board = fleet(client)
    board.join()

    assert board.publish(b"5", NOW) is False
    assert board.folded() is None
    board.leave()
    assert list(board.reports()) == []
    assert "cannot be used" in "".join(board.problems)
