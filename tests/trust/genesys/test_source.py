"""What a region's API has told: asked when it is due, kept when it fails, shared with other processes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from mtls_middleware._io.store import Kind
from mtls_middleware._trust.asking import Asker, NotInTimeError
from mtls_middleware._trust.genesys.client import APIResponse
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate, listed
from mtls_middleware._trust.genesys.source import APISource
from mtls_middleware._trust.schedule import FIRST_RETRY
from mtls_middleware.identity import Authority
from mtls_middleware.testing import ClientCertificate
from tests.trust.crl.doubles import Memory
from tests.trust.genesys.region import DAY, NAME, NOW, digicert

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DOWN = GenesysFailure(FailureReason.SERVER, "it is out of order", "wait")
ONE = digicert()


def listing(
    *clients: ClientCertificate, failure: GenesysFailure | None = None, warnings: tuple[str, ...] = ()
) -> APIResponse:
    return APIResponse(region=NAME, certificates=tuple(map(entry, clients)), failure=failure, warnings=warnings)


def entry(client: ClientCertificate) -> ListedCertificate:
    return listed(Authority.DIGICERT, CertificateStatus.CURRENT, (client.certificate, *client.chain))


def failure(after: timedelta | None = None) -> GenesysFailure:
    failed = GenesysFailure(FailureReason.RATE_LIMIT, "too many requests", "wait")
    failed.not_before = NOW + after if after is not None else None
    return failed


@dataclass
class API:
    answer: APIResponse | GenesysFailure = field(default_factory=lambda: listing(ONE))
    asked: int = 0

    def poll(self) -> APIResponse:
        self.asked += 1
        if isinstance(self.answer, GenesysFailure):
            raise self.answer
        return self.answer


def source(api: API, store: Memory | None = None) -> APISource:
    return APISource(NAME, api, store or Memory(), interval=3600, now=NOW, draw=lambda low, high: high)  # noqa: ARG005


def ask(one: APISource, now: datetime) -> None:
    one.take(Asker().ask({"it": one.question})["it"], now)


def test_it_is_due_at_once_and_then_after_the_interval() -> None:
    one = source(API())
    before = one.schedule.is_due(NOW)
    ask(one, NOW)

    assert (before, one.schedule.is_due(NOW), one.schedule.due - NOW) == (True, False, 1.1 * HOUR)
    assert one.schedule.is_due(one.schedule.due)


def test_an_answer_is_known_and_kept() -> None:
    store = Memory()
    one = source(API(), store)
    ask(one, NOW)

    assert [pin.fingerprint_sha256 for pin in one.known.pins(NOW)] == [ONE.fingerprint_sha256]
    assert (one.problem, one.last_success) == ("", NOW)
    assert [entry.key for entry in store.entries(Kind.API)] == [NAME]


def test_warnings_of_the_last_answer_are_told() -> None:
    api = API(listing(ONE, warnings=("not understood",)))
    one = source(api)
    ask(one, NOW)
    before = one.warnings
    api.answer = listing(ONE)
    ask(one, NOW)

    assert (before, one.warnings) == (("not understood",), ())


@pytest.mark.parametrize(
    ("failed", "due"),
    [
        (failure(), FIRST_RETRY),
        (failure(SECOND), FIRST_RETRY),
        (failure(HOUR), HOUR),
        (failure(-DAY), FIRST_RETRY),
    ],
    ids=["unsaid", "sooner than usual", "later than usual", "past"],
)
def test_after_a_failure_it_waits_as_long_as_was_asked_for(failed: GenesysFailure, due: timedelta) -> None:
    api = API()
    one = source(api)
    ask(one, NOW)
    known, api.answer = one.known, failed
    ask(one, NOW)

    assert one.schedule.due - NOW == due
    assert one.known is known
    assert one.problem == f"certificates API of {NAME}: rate_limit: too many requests: wait"


def test_a_part_of_an_answer_counts_and_its_failure_is_told() -> None:
    one = source(API(listing(ONE, failure=DOWN)))
    ask(one, NOW)

    assert len(one.known.pins(NOW)) == 1
    assert "out of order" in one.problem
    assert one.schedule.due - NOW == FIRST_RETRY


def test_a_good_answer_ends_the_problem() -> None:
    api = API(DOWN)
    one = source(api)
    ask(one, NOW)
    before, api.answer = one.problem, listing(ONE)
    ask(one, NOW)

    assert (bool(before), one.problem) == (True, "")


class TestOtherProcesses:
    """What another process asked need not be asked again."""

    def test_its_answer_is_taken_over_and_the_plan_too(self) -> None:
        store = Memory()
        ask(source(API(), store), NOW)
        api = API(DOWN)
        other = source(api, store)
        ask(other, NOW - DAY)
        other.recall(NOW + SECOND)

        assert len(other.known.pins(NOW)) == 1
        assert (other.problem, other.schedule.is_due(NOW + SECOND), other.schedule.due) == ("", False, NOW + 1.1 * HOUR)
        assert other.last_success is None  # of this process

    def test_an_old_answer_serves_and_is_asked_for_again(self) -> None:
        store = Memory()
        ask(source(API(), store), NOW)
        later = source(API(), store)
        later.recall(NOW + DAY)

        assert len(later.known.pins(NOW + DAY)) == 1
        assert later.schedule.is_due(NOW + DAY)

    def test_what_was_taken_over_is_not_taken_again(self) -> None:
        store = Memory()
        one = source(API(), store)
        ask(one, NOW)
        due, known = one.schedule.due, one.known
        one.recall(NOW + SECOND)

        assert (one.schedule.due, one.known is known) == (due, True)

    @pytest.mark.parametrize(
        ("key", "content"),
        [(NAME, b"junk"), (NAME, b"{}"), ("eu-west-1", None), (NAME, b"")],
        ids=["junk", "another version", "another region", "nothing"],
    )
    def test_what_is_no_answer_is_passed_over(self, key: str, content: bytes | None) -> None:
        store = Memory()
        ask(source(API(), store), NOW)
        (kept,) = store.entries(Kind.API)
        other = Memory()
        other.put(Kind.API, key, kept.read() if content is None else content, NOW)
        one = source(API(), other)
        one.recall(NOW)

        assert (one.known.pins(NOW), one.schedule.is_due(NOW)) == ((), True)

    def test_an_answer_from_the_future_is_not_believed(self) -> None:
        store = Memory()
        ask(source(API(), store), NOW + DAY)
        one = source(API(), store)
        one.recall(NOW)

        assert (one.known.pins(NOW), one.schedule.is_due(NOW)) == ((), True)


def test_what_does_not_come_back_is_a_timeout() -> None:
    one = source(API())
    one.take(NotInTimeError(), NOW)

    assert (one.failure is not None and one.failure.reason, one.answer) == (FailureReason.TIMEOUT, None)
    assert "no answer in time" in one.problem
    assert not one.schedule.is_due(NOW)


def test_an_unforeseen_error_is_a_failure_that_is_to_be_reported() -> None:
    one = source(API())
    one.take(ValueError("a fault of ours"), NOW)

    assert "a fault of ours" in one.problem
    assert "report it" in one.problem
    assert not one.schedule.is_due(NOW)
