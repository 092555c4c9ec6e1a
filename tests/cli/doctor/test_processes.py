"""What doctor says of the running processes."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import Guard, Settings
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind
from mtls_middleware.cli.doctor.finding import Check, Grade, conclusion
from mtls_middleware.composition import board_of
from mtls_middleware.guard import utc_now
from mtls_middleware.observing.events import Decided, DecisionCounts
from mtls_middleware.observing.history import History, Recorder
from mtls_middleware.observing.report import report_of
from mtls_middleware.observing.reporting import Reporting
from tests.adapters.cases import http
from tests.adapters.site import good_client, over_tls
from tests.cli.doctor.deployment import Deployment, those
from tests.observing.test_reporting import WORKER

NONE: DecisionCounts = {}
STRANGER = Decided("issuer_untrusted", "none", "none", "enforce", cached=False)
ACCEPTED = Decided("accepted", "us-east-1", "genesys", "enforce", cached=False)
EARLIER = utc_now() - timedelta(minutes=2)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, offline=True)


def running(deployment: Deployment, counted: DecisionCounts = NONE, **changed: Any) -> Reporting:
    """Return a process that has reported."""
    worker = replace(WORKER, built_at=EARLIER, **changed)
    settings = Settings.from_env(deployment.environ)
    reporting = Reporting(board_of(settings), Recorder(decisions=lambda: counted), lambda: worker, clock=utc_now)
    reporting.begin()
    reporting.publish(flush=True)
    return reporting


def seen(deployment: Deployment, check: Check, grade: Grade) -> list[str]:
    return [finding.seen for finding in those(deployment.examine(), check, grade)]


@pytest.mark.parametrize(
    ("state", "grade", "told"),
    [(None, Grade.OK, "no running process reports here"), ("off", Grade.NOT_CHECKED, "MTLS_STATE is off")],
    ids=["folder", "off"],
)
def test_where_none_reports_that_is_no_fault(
    deployment: Deployment, state: str | None, grade: Grade, told: str
) -> None:
    deployment.environ |= {} if state is None else {"MTLS_STATE": state}
    (found,) = seen(deployment, Check.PROCESSES_ALIVE, grade)

    assert told in found


def test_where_none_can_report_that_is_not_said_to_be_right(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_given: False)

    (found,) = seen(deployment, Check.PROCESSES_ALIVE, Grade.NOT_CHECKED)
    (why,) = seen(deployment, Check.PROCESSES_ALIVE, Grade.WARNING)

    assert found == "no process that runs can be seen: see the next line"
    assert why.endswith("cannot be written: Permission denied")


def test_they_are_shown_by_their_trust(deployment: Deployment) -> None:
    members = [running(deployment, pid=number, host=f"web-{number % 2}") for number in range(3)]
    members.append(running(deployment, pid=9, trust_fingerprint="cd" * 8, trust=("root of us-east-1: cd",)))
    (found,) = seen(deployment, Check.PROCESSES_ALIVE, Grade.OK)
    (difference,) = seen(deployment, Check.PROCESSES_SAME, Grade.WARNING)
    for member in members:
        member.leave()

    assert found == f"3 processes on 2 hosts: trust {'ab' * 8}; 1 process on 1 host: trust {'cd' * 8}"
    assert "1 of 4 processes: 9 on web-1 has other trust than the rest" in difference


def test_a_problem_is_told_with_the_processes_that_have_it(deployment: Deployment) -> None:
    members = [running(deployment), running(deployment, pid=5, problems=("certificates API of us-east-1: server: …",))]
    (problem,) = seen(deployment, Check.PROCESSES_PROBLEM, Grade.WARNING)
    for member in members:
        member.leave()

    assert problem == "certificates API of us-east-1: server: … (1 of 2 processes: 5 on web-1)"


@pytest.mark.parametrize(
    ("counted", "fails"), [({STRANGER: 3}, True), ({STRANGER: 3, ACCEPTED: 1}, False), ({}, False)], ids=str
)
def test_calls_that_fail_are_told_as_status_tells_them(
    deployment: Deployment, *, counted: DecisionCounts, fails: bool
) -> None:
    member = running(deployment, counted)
    told = seen(deployment, Check.PROCESSES_CALLS, Grade.WARNING)
    last = conclusion(deployment.examine())
    member.leave()

    assert told == ["no call was accepted in the last 15 minutes, and 3 failed"] * fails
    assert ("Calls fail now" in last) is fails


def test_where_calls_fail_the_last_refusal_has_a_reason(deployment: Deployment) -> None:
    del deployment.environ["MTLS_CRL_URLS"]  # a guard that is started would ask for it
    with Guard.from_settings(Settings.from_env(deployment.environ)) as guard:
        assert http(guard, over_tls(good_client())).status == 403
        guard.fleet()  # it reports
        (told,) = seen(deployment, Check.PROCESSES_CALLS, Grade.WARNING)

    assert told.endswith("; the last refusal: issuer_untrusted")


@pytest.mark.parametrize(
    ("applications", "grade"),
    [
        ((), Grade.WARNING),
        (("mtls-middleware main:app", "mtls_middleware main:app"), Grade.OK),
        (("daphne main:app",), Grade.OK),
        (("uvicorn main:app",), Grade.WARNING),
        (("gunicorn main:app",), Grade.WARNING),
        (("mtls-middleware main:app", "uvicorn main:app"), Grade.WARNING),
    ],
    ids=["unknown", "serve", "daphne", "uvicorn", "gunicorn", "several"],
)
def test_uvicorns_parser_is_warned_of_only_where_it_may_run(
    deployment: Deployment, applications: tuple[str, ...], grade: Grade
) -> None:
    deployment.behind("nginx")
    deployment.packages["httptools"] = "1"
    members = [running(deployment, pid=pid, application=name) for pid, name in enumerate(applications, 1)]
    found = deployment.examine()
    for member in members:
        member.leave()

    assert [one.severity for one in found if one.check is Check.SERVER_TRAILERS] == [grade]


def test_one_that_was_killed_is_told(deployment: Deployment) -> None:
    store = FolderStore(Path(deployment.environ["MTLS_STATE"]), purpose="tallies,us-east-1,/,genesys")
    store.put(Kind.TALLY, "process-03", report_of(History(), WORKER), utc_now())
    (found,) = seen(deployment, Check.PROCESSES_ALIVE, Grade.WARNING)

    assert "process 4242 on web-1 ended without closing" in found
