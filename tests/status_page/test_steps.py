"""What to do next: something for each thing that is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mtls_middleware import Reason, Status
from mtls_middleware._trust.crl.known import LOWER_NUMBER
from mtls_middleware._trust.crl.views import fix_of
from mtls_middleware.advice import ADVICE, advice_for
from mtls_middleware.display import headed
from mtls_middleware.observing.events import Decided
from mtls_middleware.observing.fleet import Extent, Fleet, Liveness
from mtls_middleware.observing.status import APIStatus, CRLStatus, TrustState
from mtls_middleware.status_page import steps as texts
from mtls_middleware.status_page.decisions import decisions_of
from mtls_middleware.status_page.steps import NextStep, Urgency, steps_of
from mtls_middleware.status_page.workers import combined, process_count
from tests.status_page.scenes import (
    ACCEPTED,
    MISSING,
    NOW,
    STRANGER,
    ca,
    counted,
    loaded,
    reported,
    with_worker,
    worker,
)


@pytest.fixture
def status(tmp_path: Path) -> Status:
    return loaded(tmp_path).status()


def advice(reason: Reason) -> str:
    return advice_for(reason, ["genesys"], has_client=False).fix


def told(
    status: Status, numbers: dict[Decided, int] | None = None, scope: Extent = Extent.MACHINE
) -> tuple[NextStep, ...]:
    return steps(status, counted(numbers, scope=scope))


def steps(status: Status, fleet: Fleet) -> tuple[NextStep, ...]:
    fleet = with_worker(status, fleet)
    return steps_of(combined(status, fleet, NOW), fleet, decisions_of(fleet, NOW), NOW)


def test_nothing_is_to_be_done_where_nothing_is_wrong(status: Status) -> None:
    assert told(status, {ACCEPTED: 5}) == ()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_that_occurred_is_a_step(status: Status, reason: Reason) -> None:
    (step,) = told(status, {Decided(reason, "none", "none", "enforce", cached=False): 3})

    assert step == NextStep(urgency=Urgency.REFUSALS, matter=f"{reason}: 3 calls refused", cure=advice(reason))


HOUR = timedelta(hours=1)
MOMENTS: Mapping[str, tuple[datetime | None, datetime | None, bool]] = {
    "nothing is known": (None, None, True),
    "refused just now": (NOW - HOUR, None, True),
    "refused hours ago": (NOW - 23 * HOUR, None, True),
    "refused days ago": (NOW - 25 * HOUR, None, False),
    "other trust since": (NOW - 2 * HOUR, NOW - HOUR, False),
    "other trust at that time": (NOW - HOUR, NOW - HOUR, True),
    "refused since there is other trust": (NOW - HOUR, NOW - 2 * HOUR, True),
    "other trust, by a clock that is fast": (NOW - HOUR, NOW + HOUR, True),
}


@pytest.mark.parametrize(("last", "changed", "is_shown"), MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("reason", [Reason.NOT_PINNED, Reason.ISSUER_UNTRUSTED, Reason.TRUST_UNAVAILABLE])
def test_refusals_that_other_trust_ended_ask_for_nothing(
    status: Status, reason: Reason, last: datetime | None, changed: datetime | None, is_shown: bool
) -> None:
    decided = {Decided(reason, "none", "none", "enforce", cached=False): 3}
    fleet = counted(decided, last_by_reason={} if last is None else {str(reason): last})
    found = steps(replace(status, changed_at=changed), fleet)

    assert [step.matter for step in found] == [f"{reason}: 3 calls refused"] * is_shown
    assert decisions_of(fleet, NOW).by_reason[0].refused == 3


@pytest.mark.parametrize(("changed", "number"), [(None, 1), (NOW - timedelta(minutes=1), 0)])
def test_calls_do_not_fail_any_more_once_there_is_trust(status: Status, changed: datetime | None, number: int) -> None:
    decided = {Decided("trust_unavailable", "none", "none", "enforce", cached=False): 3}
    fleet = counted(decided, last_by_reason={"trust_unavailable": NOW - timedelta(minutes=2)})
    found = steps(replace(status, changed_at=changed), fleet)

    assert len([step for step in found if "whoever called" in step.matter]) == number


def test_other_refusals_are_shown_however_old_they_are(status: Status) -> None:
    fleet = counted({MISSING: 1}, last_by_reason={MISSING.reason: NOW - 50 * HOUR})
    assert len(steps(replace(status, changed_at=NOW - HOUR), fleet)) == 1


REASONS_OF_ROOTS = [Reason.ISSUER_UNTRUSTED, Reason.TRUST_UNAVAILABLE, Reason.REGION_MISMATCH]


@pytest.mark.parametrize("reason", REASONS_OF_ROOTS)
@pytest.mark.parametrize("authorities", [["digicert"], ["custom"], ["digicert", "custom"]], ids=str)
def test_no_advice_sends_for_the_root_of_a_region_that_is_not_used(reason: Reason, authorities: list[str]) -> None:
    assert "download" not in advice_for(reason, authorities, has_client=False).fix
    assert advice_for(reason, ["genesys", *authorities], has_client=False) == ADVICE[reason]
    assert advice_for(reason, [], has_client=False) == ADVICE[reason]


@pytest.mark.parametrize("has_client", [True, False])
def test_advice_on_pins_knows_whether_there_are_credentials(has_client: bool) -> None:
    fix = advice_for(Reason.NOT_PINNED, ["digicert"], has_client=has_client).fix
    assert ("whether the certificates API answers" in fix) is has_client
    assert ("add the new one to MTLS_PINS" in fix) is not has_client


def test_both_modes_of_a_reason_are_one_step(status: Status) -> None:
    (step,) = told(status, {MISSING: 1, MISSING._replace(mode="enforce"): 2})

    assert step.matter == "certificate_missing: 2 calls refused, 1 call would have been refused"


API_STATUS = APIStatus(region="us-east-1", certificates=0, last_success=None, next_poll=NOW, error="the API is silent")
LIST_STATUS = CRLStatus(
    origin="http://crl.example",
    number=None,
    entries=0,
    this_update=None,
    next_update=None,
    last_success=None,
    error="is no list",
    is_learned=True,
)


@pytest.mark.parametrize(
    ("problem", "cure"),
    [
        ("the API is silent", texts.API),
        ("CRL http://crl.example: is no list", f"{headed(fix_of('http://crl.example', ''))}."),
        ("MTLS_TRUST a.pem: is broken", texts.FILE),
    ],
    ids=["API", "list", "file"],
)
def test_each_problem_has_the_cure_of_its_source(status: Status, problem: str, cure: str) -> None:
    (step,) = told(replace(status, problems=(problem,), apis=(API_STATUS,), lists=(LIST_STATUS,)))

    assert (step.urgency, step.matter, step.cure) == (Urgency.PROBLEM, problem, cure)


@pytest.mark.parametrize(
    ("origin", "error", "cure"),
    [
        ("/etc/a.crl", "/etc/a.crl: its issuer is not trusted", "Put the CA's current CRL there."),
        ("http://crl.example", "http://crl.example: cannot be fetched: refused", "Let this machine reach that address"),
        ("http://crl.example", "http://crl.example: answers with status 404", "See that the CA's current CRL"),
        ("http://crl.example", "http://crl.example: bears the name of a CA that", "See that the CA's current CRL"),
        ("/etc/a.crl", f"/etc/a.crl: {LOWER_NUMBER}", "If the CA was restored from a backup"),
    ],
    ids=["file", "unreached", "no CRL", "another CA", "number"],
)
def test_a_crl_has_the_cure_of_its_origin(status: Status, origin: str, error: str, cure: str) -> None:
    lists = (LIST_STATUS, replace(LIST_STATUS, origin=origin, error=error))
    (step,) = told(replace(status, problems=(f"CRL {error}; none is known from there",), lists=lists))

    assert step.cure.startswith(cure)


AWAY = "state in redis://127.0.0.1:1 cannot be used: it cannot be reached"


@pytest.mark.parametrize(
    ("warning", "cure"),
    [
        ("state in /var/x cannot be written: No space left", texts.STATE),
        (AWAY, texts.ENGINE),
        ("a.txt: it is ignored", texts.LEFT_OUT),
    ],
    ids=["folder", "engine", "file"],
)
def test_each_warning_has_a_cure(status: Status, warning: str, cure: str) -> None:
    (step,) = told(replace(status, warnings=(warning,)))

    assert (step.urgency, step.cure) == (Urgency.WARNING, cure)


@pytest.mark.parametrize("others", [(), (AWAY,), (f"{AWAY}, in other words",)], ids=["reader", "both", "words"])
def test_state_that_does_not_work_is_told_once(status: Status, others: tuple[str, ...]) -> None:
    (step,) = steps(replace(status, warnings=others), replace(counted(), problems=(AWAY,)))

    assert (step.urgency, step.cure) == (Urgency.WARNING, texts.ENGINE)


@pytest.mark.parametrize(("problems", "cure"), [((), texts.NOBODY_RUNS), ((AWAY,), texts.UNREAD)], ids=["none", "away"])
def test_where_reports_cannot_be_read_nobody_need_start_anything(
    status: Status, problems: tuple[str, ...], cure: str
) -> None:
    fleet = replace(counted(), problems=problems)
    (step, *_) = steps_of(combined(status, fleet, NOW), fleet, decisions_of(fleet, NOW), NOW)

    assert (step.matter, step.cure) == ("no running process reports here", cure)


def test_what_ends_soon_says_what_to_do(tmp_path: Path) -> None:
    (step,) = told(loaded(tmp_path, root=ca(valid=timedelta(days=80))).status())

    assert step.urgency is Urgency.SOON
    assert "download US-East-1.zip" in step.matter


def test_counts_that_cannot_be_read_are_told(status: Status) -> None:
    (step,) = steps(status, replace(counted(), problems=("counts are damaged",)))

    assert (step.urgency, step.matter) == (Urgency.NOTE, "counts are damaged")


def test_containers_of_one_host_name_are_told_apart_where_each_has_number_1(status: Status) -> None:
    first = worker(status, host="app", pid=1, started_at=NOW - timedelta(hours=1))
    second = replace(first, started_at=NOW - timedelta(minutes=30))
    hanging = replace(counted(None, first), workers=(reported(first), reported(second, Liveness.SILENT)))

    assert process_count([first, second]) == 2
    assert process_count([first, replace(first, source="envoy")]) == 1
    assert [step.matter.partition(" runs")[0] for step in steps(status, hanging)] == ["process 1 on app"]


@pytest.mark.parametrize(
    ("numbers", "scope", "words"),
    [
        ({MISSING: 1}, Extent.MACHINE, "set MTLS_MODE=enforce"),
        ({ACCEPTED: 1}, Extent.MACHINE, "would change nothing"),
        ({}, Extent.MACHINE, "no call was judged yet"),
        ({}, Extent.NOTHING, "does not know what would have been refused"),
    ],
    ids=["refusals", "none", "no calls", "unknown"],
)
def test_report_mode_says_when_to_enforce(
    status: Status, numbers: dict[Decided, int], scope: Extent, words: str
) -> None:
    step = told(replace(status, mode="report"), numbers, scope)[-1 if scope is Extent.NOTHING else 0]

    assert step.urgency is Urgency.NOTE
    assert words in step.cure


def test_before_trust_is_loaded_report_mode_is_not_spoken_of(status: Status) -> None:
    urgencies = [step.urgency for step in told(replace(status, mode="report", life=TrustState.MISSING, regions=()))]

    assert urgencies == [Urgency.PROBLEM]


@pytest.mark.parametrize(
    ("mode", "words"), [("enforce", "calls were refused"), ("report", "calls would have been refused")]
)
def test_in_report_mode_nobody_was_refused(status: Status, mode: str, words: str) -> None:
    fleet = counted(last_by_reason={str(Reason.TRUST_UNAVAILABLE): NOW})

    told = [step.matter for step in steps(replace(status, mode=mode), fleet)]

    assert f"{words} in the last 15 minutes, whoever called: trust_unavailable" in told


def test_the_most_urgent_comes_first(status: Status) -> None:
    everything = replace(status, mode="report", problems=("p",), warnings=("w",))

    urgencies = [step.urgency for step in told(everything, {STRANGER: 1})]

    assert urgencies == [Urgency.PROBLEM, Urgency.WARNING, Urgency.NOTE, Urgency.REFUSALS]
    assert [step.is_urgent for step in told(everything, {STRANGER: 1})] == [True, True, False, False]
