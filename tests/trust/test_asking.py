"""Sources are asked side by side; none delays another, a fork, or the next refresh."""

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from mtls_middleware._core.decision import Reason
from mtls_middleware._io import forks
from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import undisturbed, waiting
from mtls_middleware._io.http import LATEST_END, within
from mtls_middleware._trust import asking
from mtls_middleware._trust.asking import Asker, NotInTimeError, Question
from mtls_middleware._trust.crl.revocations import Revocations
from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware._trust.gathering import Gatherer
from mtls_middleware.testing import RegionalCA
from tests.core.certs import NOW, genesys
from tests.trust.crl.doubles import Bench, Host

PATIENCE = 20.0
"""Seconds after which a test fails that waits for what must come."""

CA = RegionalCA(now=NOW)
ADDRESSES = [f"http://crl.example/{number}.crl" for number in range(4)]


def question(ask: Callable[[], object], seconds: float = PATIENCE) -> Question:
    return Question(ask, seconds)


def wait(event: threading.Event) -> bool:
    """Wait as the HTTP client does: a fork does not wait for it."""
    with waiting():
        return event.wait(PATIENCE)


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Yield what ends all that hangs."""
    end = threading.Event()
    yield end
    end.set()


def test_all_are_asked_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE)

    def meet() -> int:
        with waiting():
            return meeting.wait()

    assert set(Asker().ask({"a": question(meet), "b": question(meet)}).values()) == {0, 1}


def test_three_silent_hosts_do_not_delay_a_fourth() -> None:
    fourth = threading.Event()
    contents = {address: CA.crl(number=number) for number, address in enumerate(ADDRESSES)}

    class Hosts(Host):
        def __call__(self, address: str) -> bytes:
            if address == ADDRESSES[3]:
                fourth.set()
            elif not wait(fourth):  # silent until the fourth was asked
                raise InputError("the fourth was not asked")
            return contents[address]

    bench = Bench(genesys(CA), host=Hosts(), origins=tuple(ADDRESSES))
    bench.refresh()

    assert bench.revocations.problems == ()


def test_what_one_raises_keeps_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise ValueError("no")

    found = Asker().ask({"a": question(fail), "b": question(lambda: "yes")})

    assert isinstance(found["a"], ValueError)
    assert found["b"] == "yes"
    assert caplog.messages == ["a source of trust could not be asked"]


def test_a_panic_is_a_failure_too(caplog: pytest.LogCaptureFixture) -> None:
    class Panic(BaseException):
        """As cryptography raises it."""

    def panic() -> None:
        raise Panic("in Rust")

    found = Asker().ask({"a": question(panic), "b": question(lambda: 1)})

    assert (repr(found["a"]), found["b"]) == ("RuntimeError(\"Panic('in Rust')\")", 1)
    assert caplog.messages == ["a source of trust could not be asked"]


def test_a_failure_of_the_network_is_not_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    found = Asker().ask({"a": question(partial(Host(), ADDRESSES[0]))})

    assert isinstance(found["a"], InputError)
    assert caplog.messages == []


class TestHanging:
    """One that does not come back is a failure, and is left alone while it hangs."""

    def test_it_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch, end: threading.Event) -> None:
        monkeypatch.setattr(asking, "GRACE", 0.0)

        found = Asker().ask({"a": question(partial(wait, end), 0.05), "b": question(lambda: 1)})

        assert isinstance(found["a"], NotInTimeError)
        assert found["b"] == 1

    def test_it_is_asked_again_only_after_it_ended(self, monkeypatch: pytest.MonkeyPatch, end: threading.Event) -> None:
        monkeypatch.setattr(asking, "GRACE", 0.0)
        calls: Iterator[Callable[[], object]] = iter([partial(wait, end), lambda: "late"])
        asker, asked = Asker(), list[int]()

        def ask() -> object:
            asked.append(1)
            return next(calls)()

        first = asker.ask({"a": question(ask, 0.05)})["a"]
        (thread,) = asker._late.values()
        second = asker.ask({"a": question(ask)})["a"]
        before = len(asked)
        end.set()
        thread.join(PATIENCE)
        third = asker.ask({"a": question(ask)})["a"]

        assert isinstance(first, NotInTimeError)
        assert isinstance(second, NotInTimeError)
        assert (before, len(asked), third) == (1, 2, "late")

    def test_its_crl_stays_and_the_next_question_is_planned(
        self, monkeypatch: pytest.MonkeyPatch, end: threading.Event
    ) -> None:
        client = CA.client()
        bench = Bench(genesys(CA), host=Host({ADDRESSES[0]: CA.crl([client])}), origins=(ADDRESSES[0],))
        bench.refresh()
        monkeypatch.setattr(asking, "GRACE", 0.0)
        monkeypatch.setattr("mtls_middleware._trust.crl.revocations.CRL_SECONDS", 0.05)
        bench.revocations._fetch = lambda _: wait(end)  # type: ignore[assignment,return-value] # it never comes back
        bench.refresh(force=True)

        assert bench.verdict(client) is Reason.CERTIFICATE_REVOKED
        (problem,) = bench.revocations.problems
        assert "cannot be fetched: no answer in time" in problem
        assert bench.due.total_seconds() > 0


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_order_of_the_answers_changes_nothing(order: tuple[int, ...]) -> None:
    """Three hosts have CRLs of one CA, each newer than the one before; they answer in turn."""
    turns = [threading.Event() for _ in range(4)]
    turns[0].set()
    crls = [CA.crl(number=number) for number in (1, 2, 3)]

    class Hosts(Host):
        def __call__(self, address: str) -> bytes:
            place = order.index(ADDRESSES.index(address))
            assert wait(turns[place])
            turns[place + 1].set()
            return crls[ADDRESSES.index(address)]

    bench = Bench(genesys(CA), host=Hosts(), origins=tuple(ADDRESSES[:3]))
    bench.refresh()

    assert [view.held.number for view in bench.revocations.views if view.held] == [1, 2, 3]
    assert [one.number for one in bench.revocations.crls([bench.trust]).crls] == [3]
    assert bench.revocations.problems == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
class TestForks:
    def test_a_fork_does_not_wait_for_the_network(
        self,
        monkeypatch: pytest.MonkeyPatch,
        end: threading.Event,
        tmp_path: Path,
        sources: Callable[..., TrustSources],
    ) -> None:
        """The refresher waits for its sources, a source for the network, and a fork for neither."""
        monkeypatch.setattr(forks, "FORK_SECONDS", PATIENCE)
        silent = threading.Event()

        def fetch(_: str) -> bytes:
            silent.set()
            wait(end)
            return CA.crl()

        gatherer = Gatherer(
            sources(CA.write(tmp_path / "US-East-1.pem")),
            store=Bench(genesys(CA)).memory,
            revocations=Revocations(origins=ADDRESSES[:1], fetch=fetch),
        )
        gatherer.load(NOW)

        def refresh() -> None:
            with undisturbed():
                gatherer.refresh(NOW, lambda: NOW)

        thread = threading.Thread(target=refresh, daemon=True)
        thread.start()
        assert silent.wait(PATIENCE)
        child = os.fork()
        if child == 0:  # its parent's threads are not here: it asks the source itself
            end.set()
            os._exit(len(gatherer.refresh(NOW, lambda: NOW, force=True).problems))
        still_silent = thread.is_alive()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        end.set()
        thread.join(PATIENCE)

        assert (still_silent, status, thread.is_alive()) == (True, 0, False)

    def test_a_fork_waits_for_work_but_not_for_the_network(self) -> None:
        def works() -> bool:
            return threading.get_ident() in forks._work.threads

        def ask() -> tuple[bool, bool, bool]:
            before = works()
            with waiting():
                meanwhile = works()
            return before, meanwhile, works()

        assert Asker().ask({"a": question(ask)}) == {"a": (True, False, True)}

    def test_a_fork_behind_the_back_of_the_interpreter_is_one_too(
        self, monkeypatch: pytest.MonkeyPatch, end: threading.Event
    ) -> None:
        monkeypatch.setattr(asking, "GRACE", 0.0)
        asker = Asker()
        asker.ask({"a": question(partial(wait, end), 0.05)})
        asker.after_fork()

        assert asker.ask({"a": question(lambda: 7)}) == {"a": 7}

    def test_a_child_does_not_wait_for_a_thread_of_its_parent(
        self, monkeypatch: pytest.MonkeyPatch, end: threading.Event
    ) -> None:
        monkeypatch.setattr(asking, "GRACE", 0.0)
        asker = Asker()
        asker.ask({"a": question(partial(wait, end), 0.05)})
        child = os.fork()
        if child == 0:
            os._exit(asker.ask({"a": question(lambda: 7)})["a"])  # type: ignore[arg-type] # else it fails
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


class TestBounds:
    """Every question has its own bound, within that of everything."""

    def bound(self) -> float:
        found = LATEST_END.get()
        assert found is not None
        return found

    def test_a_thread_has_the_bound_of_its_question(self) -> None:
        asker = Asker(seconds=50)
        found = asker.ask(
            {"a": question(self.bound, 10), "b": question(self.bound, 100), "c": question(self.bound, 20)}
        )

        assert sorted(found, key=lambda key: float(str(found[key]))) == ["a", "c", "b"]
        assert 25 < float(str(found["b"])) - float(str(found["c"])) < 35

    def test_the_total_bound_counts_in_every_thread(self) -> None:
        with within(5):
            outer = self.bound()
            found = Asker().ask({"a": question(self.bound, 100)})

        assert found == {"a": outer}

    def test_without_threads_they_are_asked_in_turn_within_the_total(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forks, "why_no_thread", lambda: "a function that is frozen between calls")
        threads: list[threading.Thread] = []

        def ask() -> float:
            threads.append(threading.current_thread())
            return self.bound()

        with within(5):
            outer = self.bound()
            found = Asker().ask({"a": question(ask), "b": question(ask)})

        assert found == {"a": outer, "b": outer}
        assert set(threads) == {threading.current_thread()}

    def test_where_no_more_threads_can_be_started_it_is_asked_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)

        assert Asker().ask({"a": question(lambda: 1)}) == {"a": 1}

    def test_an_inner_bound_never_extends_the_outer_one(self) -> None:
        with within(5):
            outer = self.bound()
            with within(100):
                assert self.bound() == outer


def test_how_many_are_left_is_shown() -> None:
    left: list[int] = []
    Asker(left=left.append).ask({"a": question(lambda: 1), "b": question(lambda: 2)})

    assert left == [2, 1]
