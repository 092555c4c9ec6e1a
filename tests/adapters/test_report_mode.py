"""Report mode lets refusals through, with open eyes: it judges, logs, counts, and says so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import ConfigurationError
from mtls_middleware.observing.events import CallRejected, Notice
from mtls_middleware.testing import tls_extension
from tests.adapters.cases import Case, asgi_outcome, call, http_scope
from tests.adapters.site import (
    DAY,
    NGINX,
    NOW,
    ORGANIZATION,
    Site,
    big_client,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

REFUSED: dict[str, tuple[dict[str, str], Case]] = {
    "source_untrusted": (NGINX, through_nginx(good_client(), secret=None)),
    "certificate_too_large": ({"MTLS_MAX_HEADER_BYTES": "1024"}, over_tls(big_client())),
    "certificate_missing": ({}, over_tls(None)),
    "proxy_verification_failed": ({}, Case(tls=tls_extension(good_client(), error="expired"))),
    "certificate_malformed": ({}, Case(tls={"client_cert_chain": ["x"]})),
    "issuer_untrusted": ({}, over_tls(stranger_ca().client())),
    "certificate_expired": ({}, over_tls(regional_ca().client(expired=True))),
    "certificate_not_yet_valid": ({}, over_tls(regional_ca().client(not_yet_valid=True))),
    "purpose_mismatch": ({}, over_tls(regional_ca().client(server_only=True))),
    "region_mismatch": ({}, over_tls(regional_ca().client(names=["other.example.com"]))),
    "organization_mismatch": ({"MTLS_ORGANIZATION_IDS": ORGANIZATION}, over_tls(good_client())),
    "caller_secret_mismatch": ({"MTLS_CALLER_SECRET": "x" * 16}, over_tls(good_client())),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_every_refusal_is_let_through_without_an_identity(
    site: Site, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ, case = REFUSED[reason]
    assert call(site.guard(environ), case).verdict == reason
    caplog.clear()
    guard = site.guard(environ, mode="report")
    outcome = call(guard, case.with_headers(("Accept", "*/*")))
    assert (outcome.verdict, outcome.seen, outcome.status) == ("passed", {"accept"} | _visible(case), 200)
    assert guard.status().decisions == {reason: 3}
    lines = [line for line in caplog.messages if line.startswith("would refuse ")]
    assert len(lines) == 3
    assert [line for line in lines if f"reason={reason} " not in line] == []


def _visible(case: Case) -> set[str]:
    return {name.lower() for name, _ in case.headers if not name.startswith("X-")}


def test_trust_that_ended_is_let_through(site: Site) -> None:
    guard = site.guard(mode="report")
    site.clock.now = NOW + 4000 * DAY
    assert call(guard, over_tls(good_client())).verdict == "passed"
    assert guard.status().decisions == {"trust_unavailable": 3}


def test_an_internal_error_is_refused_all_the_same(site: Site) -> None:
    scope: dict[str, Any] = {**http_scope(over_tls(good_client())), "path": None, "raw_path": None}
    guard = site.guard(mode="report", exempt="/health")
    assert asgi_outcome(guard, scope).verdict == "internal_error"
    site.clock.now = NOW.replace(tzinfo=None)
    assert call(guard, over_tls(good_client())).verdict == "internal_error"


def test_the_good_call_is_accepted(site: Site) -> None:
    assert call(site.guard(mode="report"), over_tls(good_client())).verdict == "accepted"


def test_a_refused_call_has_no_user(site: Site) -> None:
    outcome = call(site.guard(mode="report"), over_tls(stranger_ca().client()))
    assert outcome.identity is None


def test_a_response_that_was_let_through_may_be_stored_as_the_application_wants(site: Site) -> None:
    assert call(site.guard(mode="report"), over_tls(None)).headers == {}


def _notices(site: Site) -> list[str]:
    return [event.text for event in site.hearing.events if isinstance(event, Notice) and "MTLS_MODE" in event.text]


def test_it_says_so_once_a_minute(site: Site) -> None:
    guard = site.guard(mode="report")
    for seconds, said in ((0, 1), (59, 1), (60, 2), (61, 2), (119, 2), (121, 3)):
        site.clock.now = NOW + timedelta(seconds=seconds)
        call(guard, over_tls(None))
        assert len(_notices(site)) == said


def test_it_says_so_even_if_nobody_had_to_be_refused(site: Site) -> None:
    call(site.guard(mode="report"), over_tls(good_client()))
    assert len(_notices(site)) == 1


@pytest.mark.parametrize("case", [over_tls(None), over_tls(good_client())], ids=["refused", "accepted"])
def test_enforce_says_nothing(site: Site, case: Case) -> None:
    call(site.guard(), case)
    assert _notices(site) == []


def test_exempt_paths_are_no_reason_to_say_so(site: Site) -> None:
    guard = site.guard(mode="report", exempt="/health")
    call(guard, over_tls(None, path="/health"))
    assert _notices(site) == []
    assert not [event for event in site.hearing.events if isinstance(event, CallRejected)]
    assert guard.status().decisions == {}


def test_the_status_tells_the_mode(site: Site) -> None:
    assert site.guard(mode="report").status().mode == "report"


def test_a_stranger_behind_a_proxy_passes_without_his_headers(site: Site) -> None:
    case = replace(through_nginx(good_client()), client=("6.6.6.6", 1)).with_headers(("Accept", "*/*"))
    outcome = call(site.guard(NGINX, mode="report", trusted_proxies="10.0.0.5"), case)
    assert (outcome.verdict, outcome.seen) == ("passed", {"accept"})


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "garbage": lambda root: root.write_text("garbage", encoding="ascii"),
    "a leaf": lambda root: root.write_text(good_client().pem, encoding="ascii"),
    "expired": lambda root: root.write_text(
        regional_ca().renewed(not_before=NOW - 9 * DAY, not_after=NOW - DAY).pem, encoding="ascii"
    ),
}


@pytest.mark.parametrize("how", UNUSABLE)
def test_it_starts_without_usable_trust_and_accepts_nobody(
    site: Site, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    enforcing, reporting = site.new_guard(), site.new_guard({"MTLS_MODE": "report"})
    good = site.root.read_text(encoding="ascii")
    UNUSABLE[how](site.root)

    with pytest.raises(ConfigurationError):
        enforcing.start()
    reporting.start()
    outcome = call(reporting, over_tls(good_client()))

    assert (outcome.verdict, outcome.identity) == ("passed", None)
    assert reporting.status().decisions == {"trust_unavailable": 3}
    assert reporting.status().problems
    assert len([line for line in caplog.messages if "serves without trust" in line]) == 1

    site.root.write_text(good, encoding="ascii")
    reporting.refresh()

    assert call(reporting, over_tls(good_client())).verdict == "accepted"
    assert reporting.status().problems == ()


def test_who_only_looks_is_told_what_is_wrong_in_report_mode_too(site: Site) -> None:
    guard = site.new_guard({"MTLS_MODE": "report"})
    site.root.unlink()

    with pytest.raises(ConfigurationError):
        guard.load()


def test_a_secret_that_cannot_be_read_stops_the_start_in_report_mode_too(site: Site) -> None:
    missing = {"MTLS_MODE": "report", "MTLS_CALLER_SECRET_FILE": str(site.folder / "missing")}

    with pytest.raises(ConfigurationError):
        site.new_guard(missing).start()
