"""What the log of a guard says in a flood: some lines, how many more there were, and every other warning."""

import logging
import os
import re
from collections import Counter

import pytest

from mtls_middleware import Guard
from mtls_middleware._core.connection import Connection
from mtls_middleware._core.decision import Disposition, Reason, Rejected
from mtls_middleware._core.scope import connection_of
from mtls_middleware._trust.refresher import Refresher
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.events import CallRejected, EventName, Notice, RefreshFailed, Severity
from mtls_middleware.observing.logging import BURST, SUMMARY_SECONDS, LimitedLog
from mtls_middleware.testing import tls_extension
from tests.adapters.cases import Case, http
from tests.adapters.site import NGINX, good_client, over_tls, stranger_ca, through_nginx
from tests.benchmarks.calls import Call
from tests.observing.conftest import Seconds, Watched

FLOOD = 100_000


def rejection(reason: Reason, disposition: Disposition = Disposition.REFUSED) -> CallRejected:
    rejected = Rejected(reason=reason, detail="x", disposition=disposition)
    return CallRejected(rejected=rejected, source="tls", peer="p", path="/", correlation_id=None)


def told(messages: list[str]) -> Counter[str]:
    """Return how many refusals the log accounts for, by reason: lines, and what summaries say."""
    numbers: Counter[str] = Counter()
    for message in messages:
        if line := re.match(r"(?:refused|would refuse) reason=(\w+) ", message):
            numbers[line[1]] += 1
        elif summary := re.fullmatch(
            r"(\w+): ([\d,]+) more (?:would-be )?refusals? not logged in the last (\d+) s", message
        ):
            numbers[summary[1]] += int(summary[2].replace(",", ""))
    return numbers


def test_a_flood_writes_a_bounded_number_of_lines_and_every_refusal_is_counted(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    guard = watched.guard()
    caplog.clear()
    log = LimitedLog(watched.seconds)
    for number in range(FLOOD):
        watched.seconds.now = number / 1000  # a thousand calls a second
        log(rejection(Reason.CERTIFICATE_MISSING))
    log.summarize(flush=True)
    seconds = FLOOD / 1000
    guard.close()

    assert told(caplog.messages) == {"certificate_missing": FLOOD}
    assert len(caplog.messages) <= BURST + seconds + seconds / SUMMARY_SECONDS + 1


def test_a_flood_of_calls_is_logged_counted_and_measured_alike(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    guard = watched.guard(NGINX)
    caplog.clear()
    cases = [through_nginx(None), through_nginx(stranger_ca().client()), through_nginx(good_client(), secret="wrong")]
    for number in range(600):
        http(guard, cases[number % 3])
    guard.close()

    expected = {"certificate_missing": 200, "issuer_untrusted": 200, "source_untrusted": 200}
    measured = {dict(labels)["reason"]: value for labels, value in watched.collect("mtls.decisions").items()}
    assert told(caplog.messages) == guard.status().decisions == measured == expected
    assert len([message for message in caplog.messages if "refus" in message]) <= 3 * (BURST + 1) + 1


def test_what_only_a_line_shows_is_not_looked_for_where_none_is_written() -> None:
    looks = []

    def forwarded_for(connection: Connection) -> None:
        looks.append(connection)

    announcer = Announcer((LimitedLog(Seconds()),), source="nginx", forwarded_for=forwarded_for)
    connection = connection_of(Call(environ={}, headers=((b"x-mtls-proxy-secret", b"a secret"),)).scope())
    rejected = Rejected(reason=Reason.CERTIFICATE_MISSING, detail="x", disposition=Disposition.REFUSED)
    for _ in range(BURST + 1_000):
        announcer.decision(connection, rejected)

    assert len(looks) == BURST
    assert "a secret" not in repr(announcer.last_rejected())


def test_the_summary_reads_as_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    seconds = Seconds()
    log = LimitedLog(seconds)
    for _ in range(BURST + 12_345):
        log(rejection(Reason.CERTIFICATE_MISSING))
    for _ in range(BURST + 1):
        log(rejection(Reason.REGION_MISMATCH, Disposition.REPORTED))
    caplog.clear()
    seconds.now = 10.0
    log.summarize()

    assert caplog.messages == [
        "certificate_missing: 12,345 more refusals not logged in the last 10 s",
        "region_mismatch: 1 more would-be refusal not logged in the last 10 s",
    ]
    (record, _) = caplog.records
    fields = {name: value for name, value in vars(record).items() if name.startswith("mtls_")}
    assert (record.levelno, fields) == (
        logging.WARNING,
        {
            "mtls_event": "calls_not_logged",
            "mtls_reason": "certificate_missing",
            "mtls_disposition": "refused",
            "mtls_not_logged": 12_345,
            "mtls_seconds": 10,
        },
    )


def test_the_next_refusal_of_any_reason_tells_what_was_held_back(caplog: pytest.LogCaptureFixture) -> None:
    seconds = Seconds()
    log = LimitedLog(seconds)
    for _ in range(BURST + 2):
        log(rejection(Reason.CERTIFICATE_MISSING))
    caplog.clear()
    seconds.now = 30.0
    log(rejection(Reason.NOT_PINNED))

    assert caplog.messages[1:] == ["certificate_missing: 2 more refusals not logged in the last 30 s"]


def test_the_thread_that_keeps_trust_current_tells_when_a_flood_has_ended(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    guard = watched.guard()
    for _ in range(BURST + 4):
        http(guard, over_tls(None))
    caplog.clear()
    watched.seconds.now = 10.0
    guard._trust._refresher.tick()

    assert caplog.messages == ["certificate_missing: 4 more refusals not logged in the last 10 s"]


def test_closing_the_guard_tells_the_rest(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    guard = watched.guard(mode="report")
    for _ in range(BURST + 3):
        http(guard, over_tls(None))
    caplog.clear()
    guard.close()
    guard.close()

    assert caplog.messages == ["certificate_missing: 3 more would-be refusals not logged in the last 1 s"]


def test_a_flood_of_one_reason_hides_no_other_and_no_other_warning(caplog: pytest.LogCaptureFixture) -> None:
    log = LimitedLog(Seconds())
    for _ in range(10 * BURST):
        log(rejection(Reason.CERTIFICATE_MISSING))
    caplog.clear()
    for _ in range(2 * BURST):
        log(Notice(event=EventName.TRUST_EXPIRY, severity=Severity.WARNING, text="root ends"))
        log(RefreshFailed(problems=("no file",)))
    log(rejection(Reason.INTERNAL_ERROR))

    assert Counter(record.levelname for record in caplog.records) == {"WARNING": 2 * BURST + 1, "ERROR": 2 * BURST}
    assert caplog.messages[-1].startswith("refused reason=internal_error")


def test_a_child_leaves_to_its_parent_what_that_held_back(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    guard = watched.guard()
    for _ in range(BURST + 5):
        http(guard, over_tls(None))
    caplog.clear()
    guard.after_fork()
    http(guard, over_tls(None))
    guard.close()

    assert told(caplog.messages) == {"certificate_missing": 1}


def test_the_memory_of_a_flood_is_bounded_by_the_reasons(watched: Watched) -> None:
    log = LimitedLog(watched.seconds)
    for disposition in (Disposition.REFUSED, Disposition.REPORTED):
        for reason in Reason:
            for _ in range(50):
                log(rejection(reason, disposition))

    assert len(log._limiters) == 2 * len(Reason)
    assert [
        limiter for limiter in log._limiters.values() if len(limiter._tokens) != BURST or len(limiter._since) > 1
    ] == []


def test_a_log_that_fails_keeps_trust_current(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Refresher, "start", lambda _: None)  # the thread would tick beside the test
    guard = watched.guard()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(LimitedLog, "summarize", fail)
    os.utime(watched.site.root, (0, 0))

    assert guard._trust.tick()
    assert caplog.messages == ["a hook failed"]


def test_a_guard_from_settings_limits_its_log(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard.from_settings(watched.site.settings(), clock=watched.site.clock)
    watched.site.guards.append(guard)
    guard.start()
    for _ in range(BURST + 30):
        http(guard, Case(tls=tls_extension(None)))
    guard.close()

    assert told(caplog.messages) == {"certificate_missing": BURST + 30}
    assert len([message for message in caplog.messages if message.startswith("refused")]) <= BURST + 5
