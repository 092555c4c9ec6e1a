"""All sources together: each keeps its own last good, one worker of a machine asks, and no worker waits for ever."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.trust import Binding
from mtls_middleware._io.forks import waiting
from mtls_middleware._io.store import Kind
from mtls_middleware._trust.crl.revocations import Revocations
from mtls_middleware._trust.files.loading import TrustSources
from mtls_middleware._trust.gathering import LEADER_TIMEOUT, Gatherer
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate, listed
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware.errors import TrustError
from mtls_middleware.identity import Authority
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.trust.crl.doubles import A, Host, Memory
from tests.trust.genesys.region import DAY, NOW

ROOT = RegionalCA(now=NOW)
OTHER = RegionalCA(subject=ROOT.certificate.subject, now=NOW)
SECOND = timedelta(seconds=1)


@dataclass
class Machine(Memory):
    """Stand for a store, and for another worker that may hold its lock."""

    taken: bool = False
    was_refused: bool = False
    seen: int = 0
    problems: tuple[str, ...] = ()

    def put(self, kind: object, key: str, content: bytes, at: datetime) -> None:
        super().put(kind, key, content, at)  # type: ignore[arg-type] # as the base class says
        self.seen += 1

    def view(self) -> tuple[int, bool]:
        return self.seen, self.was_refused and self.taken

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        self.was_refused = self.taken
        yield not self.taken


@dataclass
class API:
    """Answer what a test says, or fail."""

    listed: list[ClientCertificate] = field(default_factory=list)
    failure: str = ""
    asked: int = 0
    meet: Callable[[object], None] = lambda _: None

    def poll(self) -> APIResponse:
        self.asked += 1
        self.meet(self)
        if self.failure:
            raise GenesysFailure(FailureReason.SERVER, self.failure, "wait")
        return APIResponse(region="us-east-1", certificates=tuple(map(_listed, self.listed)))


def _listed(client: ClientCertificate) -> ListedCertificate:
    return listed(Authority.GENESYS, CertificateStatus.CURRENT, (client.certificate,))


@dataclass
class Worker:
    """A gatherer with all sources, and its time."""

    gatherer: Gatherer
    file: Path
    store: Machine
    api: API
    host: Host
    now: datetime = NOW

    def refresh(self, *, force: bool = False) -> tuple[str, ...]:
        return self.gatherer.refresh(self.now, lambda: self.now, force=force).problems

    def asked(self) -> tuple[int, int]:
        return self.api.asked, len(self.host.asked)


@pytest.fixture
def worker(tmp_path: Path, sources: Callable[..., TrustSources]) -> Worker:
    file = ROOT.write(tmp_path / "US-East-1.pem")
    store, api, host = Machine(), API(), Host({A: ROOT.crl()})
    source = APISource("us-east-1", api, store, interval=3600, now=NOW, draw=lambda _, high: high)
    revocations = Revocations(origins=[A], fetch=host, store=store, draw=lambda _, __: 1.0)
    names = {Binding(Authority.GENESYS, "us-east-1"): frozenset({ROOT.cert_name})}
    gatherer = Gatherer(sources(file, names=names), store=store, apis=[source], revocations=revocations)
    gatherer.load(NOW)
    return Worker(gatherer, file, store, api, host)


def test_loading_asks_nobody(worker: Worker) -> None:
    assert worker.asked() == (0, 0)
    assert worker.gatherer.has_changed(NOW)


def test_a_refresh_asks_all_once(worker: Worker) -> None:
    for _ in range(3):
        assert worker.refresh() == ()

    assert worker.asked() == (1, 1)
    assert not worker.gatherer.has_changed(NOW)


def test_everything_is_asked_on_demand(worker: Worker) -> None:
    worker.refresh()
    worker.refresh(force=True)

    assert worker.asked() == (2, 2)


def test_on_demand_it_is_asked_whoever_else_asks(worker: Worker) -> None:
    worker.store.taken = True
    worker.refresh(force=True)

    assert worker.asked() == (1, 1)


def test_the_api_and_a_crl_host_are_asked_side_by_side(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Barrier(2, timeout=20)

    def meet(_: object) -> None:
        with waiting():
            meeting.wait()

    monkeypatch.setattr(worker.api, "meet", meet)
    monkeypatch.setattr(worker.host, "meet", meet)

    assert (worker.refresh(), worker.asked()) == ((), (1, 1))


def test_each_failure_is_told_and_takes_nothing_away(worker: Worker) -> None:
    worker.refresh()
    worker.api.failure, worker.host.lists[A] = "down", None
    worker.file.write_bytes(b"junk")

    kept = worker.gatherer.refresh(NOW, lambda: NOW, force=True)

    assert [problem.partition(": ")[0] for problem in kept.problems] == [
        f"MTLS_TRUST {worker.file}",
        "certificates API of us-east-1",
        f"CRL {A}",
    ]
    assert [len(trust.anchors) for trust in kept.trusts] == [1]
    assert len(kept.crls) == 1


def test_a_file_that_is_mended_is_told_of_no_more(worker: Worker) -> None:
    worker.file.write_bytes(b"junk")
    before = worker.refresh()
    ROOT.write(worker.file)

    assert (len(before), worker.refresh()) == (1, ())


def test_a_bad_file_is_read_again_only_when_it_changes(worker: Worker) -> None:
    worker.refresh()
    worker.file.write_bytes(b"junk")
    before = worker.gatherer.has_changed(NOW)
    worker.refresh()

    assert (before, worker.gatherer.has_changed(NOW)) == (True, False)


def test_a_crl_file_that_changes_is_news(tmp_path: Path, sources: Callable[..., TrustSources]) -> None:
    file = tmp_path / "region.crl"
    file.write_bytes(ROOT.crl())
    revocations = Revocations(origins=(str(file),), fetch=lambda _: b"", store=Machine(), interval=3600)
    gatherer = Gatherer(sources(ROOT.write(tmp_path / "US-East-1.pem")), store=Machine(), revocations=revocations)
    gatherer.load(NOW)
    before = gatherer.has_changed(NOW)
    file.write_bytes(ROOT.crl(number=2))
    changed = gatherer.has_changed(NOW)
    gatherer.refresh(NOW, lambda: NOW)

    assert (before, changed, gatherer.has_changed(NOW)) == (False, True, False)
    assert [status.number for status in gatherer.crl_statuses] == [2]


def test_a_crl_file_is_no_news_for_the_other_workers(tmp_path: Path, sources: Callable[..., TrustSources]) -> None:
    file, root, machine = tmp_path / "region.crl", ROOT.write(tmp_path / "US-East-1.pem"), Machine()
    file.write_bytes(ROOT.crl())
    workers = [
        Gatherer(
            sources(root),
            store=machine,
            revocations=Revocations(origins=(str(file),), fetch=lambda _: b"", store=machine, interval=3600),
        )
        for _ in range(3)
    ]
    for worker in workers:
        worker.load(NOW)
    refreshes = 0
    for _ in range(10):
        for worker in workers:
            if worker.has_changed(NOW):
                worker.refresh(NOW, lambda: NOW)
                refreshes += 1

    assert refreshes <= 2 * len(workers)
    kept = [entry.digest for entry in machine.entries(Kind.CRL)]
    machine.kept.clear()  # somebody emptied the folder
    workers[0].refresh(NOW, lambda: NOW)
    assert [entry.digest for entry in machine.entries(Kind.CRL)] == kept


def test_what_was_never_loaded_cannot_be_refreshed(tmp_path: Path, sources: Callable[..., TrustSources]) -> None:
    gatherer = Gatherer(sources(tmp_path / "missing.pem"), store=Machine())

    with pytest.raises(TrustError):
        gatherer.refresh(NOW, lambda: NOW)


def test_without_revocation_nothing_is_learned(tmp_path: Path, sources: Callable[..., TrustSources]) -> None:
    gatherer = Gatherer(sources(ROOT.write(tmp_path / "US-East-1.pem")), store=Machine())
    gatherer.load(NOW)
    gatherer.learn((ROOT.client(crl_url=A).certificate, ROOT.certificate))
    kept = gatherer.refresh(NOW, lambda: NOW)

    assert (gatherer.crl_views, len(kept.crls)) == ((), len(CRLSet()))
    assert not gatherer.has_changed(NOW)


class TestWorkers:
    """Of several workers of a machine one asks."""

    def test_the_others_leave_the_network_to_it(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()

        assert worker.asked() == (0, 0)
        assert not worker.gatherer.has_changed(NOW)

    def test_they_look_again_once_it_has_ended(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()
        waiting = worker.gatherer.has_changed(NOW + LEADER_TIMEOUT - SECOND)
        worker.store.taken = False
        is_free = worker.gatherer.has_changed(NOW + SECOND)
        worker.refresh()

        assert (waiting, is_free, worker.asked()) == (False, True, (1, 1))

    def test_they_look_again_while_it_seems_stuck(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()

        assert worker.gatherer.has_changed(NOW + LEADER_TIMEOUT)

    def test_they_look_again_at_once_where_it_found_something(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()
        worker.store.seen += 1

        assert worker.gatherer.has_changed(NOW)

    def test_a_clock_that_goes_back_makes_nobody_wait(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()

        assert worker.gatherer.has_changed(NOW - DAY)

    def test_one_that_is_stuck_is_not_waited_for(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()
        worker.now += LEADER_TIMEOUT - SECOND
        worker.refresh()
        before = worker.asked()
        worker.now += SECOND
        worker.refresh()

        assert (before, worker.asked()) == ((0, 0), (1, 1))

    def test_one_that_finds_something_is_not_stuck(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()
        worker.now += LEADER_TIMEOUT
        worker.store.seen += 1
        worker.refresh()

        assert worker.asked() == (0, 0)

    def test_patience_begins_again_where_the_clock_goes_back(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()
        worker.now -= DAY
        worker.refresh()
        worker.now += LEADER_TIMEOUT
        worker.refresh()

        assert worker.asked() == (1, 1)

    def test_patience_begins_again_after_a_turn_of_ones_own(self, worker: Worker) -> None:
        worker.store.taken = True
        worker.refresh()
        worker.store.taken = False
        worker.refresh()
        worker.store.taken = True
        worker.now += 2 * LEADER_TIMEOUT
        worker.refresh(force=False)

        assert worker.asked() == (1, 1)

    def test_what_it_wrote_itself_is_no_news(self, worker: Worker) -> None:
        worker.refresh()

        assert worker.store.seen
        assert not worker.gatherer.has_changed(NOW)


class TestRenewedRoot:
    """The certificates API tells of a root that is not configured."""

    @pytest.mark.parametrize(
        ("client", "told"),
        [
            (ROOT.client(), ()),
            (ROOT.client(not_yet_valid=True), ()),
            (OTHER.client(), ("us-east-1",)),
            (OTHER.client(not_yet_valid=True), ("us-east-1",)),
            (ROOT.client(names="other.example"), ("us-east-1",)),
        ],
        ids=["the right one", "the right one, soon", "another", "another, soon", "another name"],
    )
    def test_it_is_told(self, worker: Worker, client: ClientCertificate, told: tuple[str, ...]) -> None:
        worker.api.listed = [client]

        assert worker.gatherer.refresh(NOW, lambda: NOW).renewed == told

    def test_its_leaf_teaches_the_address_of_its_list(self, worker: Worker) -> None:
        address = "http://crl.example/learned.crl"
        worker.host.lists[A] = None  # else the operator's list tells of it
        worker.api.listed = [ROOT.client(crl_url=address)]
        worker.refresh()

        assert address in worker.host.asked
