"""One poll of the certificates API: complete, in part, or with a failure that says what to do."""

import json
import logging
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.http import FailureKind, HTTPFailure
from mtls_middleware._trust.genesys.client import CERTIFICATES, PAGES, PATH, CertificatesAPI
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure
from mtls_middleware._trust.genesys.listing import CertificateStatus
from mtls_middleware.testing import APIAnswer
from tests.trust.genesys.region import REGION, ROOT, Region, certificates, digicert, entity, genesys, listing

HTML = APIAnswer(headers={"content-type": "text/html; charset=utf-8"}, body=b"<html>Please sign in</html>")
TOKEN = APIAnswer.json({"access_token": "token", "token_type": "bearer", "expires_in": 86400})


@pytest.fixture
def region() -> Region:
    return Region()


def test_everything_that_is_listed_is_found(region: Region) -> None:
    current, upcoming, own = digicert(), digicert(), genesys()
    region.server.add(current, root=ROOT.certificate)
    region.server.add(upcoming, status="Upcoming", root=ROOT.certificate)
    region.server.add(own, authority="Genesys")
    answer = region.poll()
    assert set(certificates(answer)) == {current.certificate, upcoming.certificate, own.certificate}
    assert answer.is_complete


def test_a_poll_asks_for_all_for_current_and_for_upcoming_ones(region: Region) -> None:
    region.poll()
    assert [call.query for call in region.server.calls[1:]] == [
        {"type": "Client"},
        {"status": "Current", "type": "Client"},
        {"status": "Upcoming", "type": "Client"},
    ]


def test_what_only_one_listing_has_counts(region: Region) -> None:
    client = digicert()
    region.server.answer_next(None, None, None, listing(entity(client, status=None)))
    (only,) = region.poll().certificates
    assert (only.leaf, only.status) == (client.certificate, CertificateStatus.UPCOMING)


def test_one_that_is_listed_as_both_is_current(region: Region) -> None:
    client = digicert()
    for status in ("Upcoming", "Current", "Upcoming"):
        region.server.add(client, status=status)
    assert [one.status for one in region.poll().certificates] == [CertificateStatus.CURRENT]


def test_every_page_is_read(region: Region) -> None:
    region.server.page_size = 2
    clients = [digicert() for _ in range(5)]
    for client in clients:
        region.server.add(client)
    assert certificates(region.poll()) == [client.certificate for client in clients]


def test_pages_without_end_end(region: Region) -> None:
    pages = [listing(nextUri=f"{PATH}?pageNumber={number}") for number in range(3 * PAGES)]
    region.server.answer_next(None, *pages, AssertionError("asked too often"))
    assert "its pages do not end" in region.failure().text
    assert len(region.server.calls) == 1 + 3 * PAGES


def test_a_page_that_leads_to_itself_ends(region: Region) -> None:
    region.server.answer_next(None, *[listing(nextUri=f"{PATH}?pageNumber=2")] * 6, AssertionError("asked too often"))
    assert "its pages do not end" in region.failure().text
    assert len(region.server.calls) == 1 + 3 * 2


def test_more_certificates_than_there_can_be_are_refused(region: Region) -> None:
    region.server.answer_next(None, listing(*[entity(digicert())] * (CERTIFICATES + 1)))
    assert "more than 200 certificates" in str(region.poll().failure)


@pytest.mark.parametrize(
    "next_uri",
    [
        "https://evil.example/",
        "//evil.example/",
        f"http://{REGION.api_host}{PATH}",
        f"https://{REGION.api_host}:8443{PATH}",
        f"https://{REGION.api_host}@evil.example/",
        f"https://user@{REGION.api_host}/",
        f"https://{REGION.api_host}.evil.example/",
        "https://[",
        "gopher://host.example/",
        "?" + "a" * 3000,
    ],
)
def test_the_token_goes_to_no_other_host(next_uri: str, region: Region) -> None:
    region.server.answer_next(None, *[listing(nextUri=next_uri)] * 3)
    failure = region.failure()
    assert (failure.reason, len(region.server.calls)) == (FailureReason.ANSWER, 4)
    assert "leads elsewhere" in failure.text


def test_an_absolute_address_of_the_same_host_is_followed(region: Region) -> None:
    region.server.answer_next(None, listing(nextUri=f"https://{REGION.api_host}{PATH}?pageNumber=2"), listing())
    region.poll()
    assert region.server.calls[2].query == {"pageNumber": "2"}


def test_a_token_is_kept(region: Region) -> None:
    region.poll()
    region.poll()
    assert region.paths().count("/oauth/token") == 1


def test_a_token_is_renewed_shortly_before_it_ends(region: Region) -> None:
    region.poll()
    region.clock.advance(region.server.token_life - timedelta(seconds=61))
    region.poll()
    assert region.paths().count("/oauth/token") == 1
    region.clock.advance(timedelta(seconds=1))
    region.poll()
    assert region.paths().count("/oauth/token") == 2


def test_a_token_that_timed_out_unused_is_renewed_once(region: Region) -> None:
    region.server.idle_timeout = timedelta(minutes=15)
    region.poll()
    region.clock.advance(timedelta(minutes=16))
    assert region.poll().is_complete
    assert region.paths().count("/oauth/token") == 2


def test_a_fresh_token_that_is_refused_is_a_failure(region: Region) -> None:
    refused = APIAnswer.json({"code": "bad.credentials"}, status=401)
    region.server.answer_next(TOKEN, refused, TOKEN, refused)
    failure = region.failure()
    assert failure.reason is FailureReason.CREDENTIALS
    assert "api.mypurecloud.com answered 401 (bad.credentials) to a token that login.mypurecloud.com" in failure.text
    assert len(region.server.calls) == 4


def test_a_wrong_secret_says_which_variables_to_check(region: Region) -> None:
    region.api = region.client(region.server.client_id, "another secret")
    assert str(region.failure()) == (
        "login.mypurecloud.com does not accept the OAuth client "
        "(ININ-Correlation-Id 00000000-0000-4000-8000-000000000001): check MTLS_GENESYS_CLIENT_ID and "
        "MTLS_GENESYS_CLIENT_SECRET, and that the organization lives in us-east-1"
    )


def test_a_missing_permission_is_named(region: Region) -> None:
    region.server.permissions.clear()
    failure = region.failure()
    assert failure.reason is FailureReason.PERMISSION
    assert "integrations:actionCertificate:view" in failure.next_step


def test_of_two_secrets_one_suffices(region: Region) -> None:
    region.api = region.client(region.server.client_id, "the old secret", region.server.client_secret)
    assert region.poll().is_complete


def test_a_secret_is_needed() -> None:
    with pytest.raises(ValueError, match="no client secret"):
        CertificatesAPI(REGION, "client")


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        pytest.param(APIAnswer(status=503), FailureReason.SERVER, "answered 503", id="5xx"),
        pytest.param(HTML, FailureReason.INTERCEPTED, "with text/html; charset=utf-8 instead", id="captive portal"),
        pytest.param(APIAnswer(), FailureReason.INTERCEPTED, "with no content type instead", id="no content type"),
        pytest.param(
            APIAnswer(status=302, headers={"location": "https://portal.example/"}),
            FailureReason.INTERCEPTED,
            "points to https://portal.example/; no redirect is followed",
            id="redirect",
        ),
        pytest.param(APIAnswer(status=304), FailureReason.INTERCEPTED, "points to nowhere", id="not modified"),
        pytest.param(
            APIAnswer(status=403, headers={"content-type": "text/html"}, body=b"Blocked"),
            FailureReason.INTERCEPTED,
            "instead of JSON",
            id="blocked by a proxy",
        ),
        pytest.param(
            APIAnswer(headers={"content-type": "application/json"}, body=b"{"), FailureReason.ANSWER, "JSON", id="cut"
        ),
        pytest.param(
            APIAnswer(headers={"content-type": "application/json"}, body=b"[" * 100_000),
            FailureReason.ANSWER,
            "nested too deeply",
            id="deep",
        ),
        pytest.param(APIAnswer.json({"entities": 1}), FailureReason.ANSWER, "are no list", id="wrong type"),
        pytest.param(APIAnswer.json({"nextUri": 1}), FailureReason.ANSWER, "is no text", id="wrong address"),
        pytest.param(APIAnswer.json({}, status=404), FailureReason.ANSWER, "answered 404", id="not found"),
        pytest.param(
            APIAnswer(headers={"content-type": "application/json"}, body=b" " * 1_000_001),
            FailureReason.ANSWER,
            "larger than 1,000,000 bytes",
            id="large",
        ),
    ],
)
def test_a_bad_listing_is_a_failure(answer: APIAnswer, reason: FailureReason, said: str, region: Region) -> None:
    region.server.answer_next(None, *[answer] * 3)
    failure = region.failure()
    assert failure.reason is reason
    assert said in str(failure)
    assert "api.mypurecloud.com" in failure.text


@pytest.mark.parametrize(
    ("error", "reason", "next_step"),
    [
        pytest.param(
            HTTPFailure(FailureKind.TIMEOUT, ""), FailureReason.TIMEOUT, "on port 443, or set HTTPS_PROXY", id="timeout"
        ),
        pytest.param(
            HTTPFailure(FailureKind.UNREACHABLE, ""),
            FailureReason.UNREACHABLE,
            "on port 443, or set HTTPS_PROXY",
            id="down",
        ),
        pytest.param(HTTPFailure(FailureKind.PROXY, ""), FailureReason.PROXY, "HTTPS_PROXY and NO_PROXY", id="proxy"),
        pytest.param(
            HTTPFailure(FailureKind.GARBLED, ""), FailureReason.ANSWER, "whether a proxy changes", id="cut off"
        ),
    ],
)
def test_no_answer_is_a_failure(error: Exception, reason: FailureReason, next_step: str, region: Region) -> None:
    region.server.answer_next(error)
    failure = region.failure()
    assert (failure.reason, failure.correlation_id) == (reason, None)
    assert failure.text.startswith("login.mypurecloud.com gave no answer: ")
    assert next_step in failure.next_step


def test_a_listing_that_fails_leaves_the_others(region: Region) -> None:
    client = digicert()
    region.server.add(client)
    region.server.answer_next(None, APIAnswer(status=500))
    answer = region.poll()
    assert certificates(answer) == [client.certificate]
    assert not answer.is_complete
    assert answer.failure is not None
    assert answer.failure.not_before is None


def test_a_failure_that_the_next_listing_would_meet_too_ends_the_poll(region: Region) -> None:
    region.server.answer_next(None, APIAnswer(status=302))
    region.failure()
    assert len(region.server.calls) == 2


def test_what_is_not_understood_is_told_and_makes_the_answer_incomplete(region: Region) -> None:
    region.server.add(digicert(), authority="Acme")
    answer = region.poll()
    assert answer.warnings == ("api.mypurecloud.com: entry 1 has the unknown signingAuthority acme",)
    assert not answer.is_complete


@pytest.mark.parametrize(
    ("header", "shown"),
    [("abc-123", "abc-123"), ("a" * 65, None), ("a b", None), ("", None)],
    ids=["good", "long", "odd", "empty"],
)
def test_a_failure_carries_a_well_formed_correlation_id(header: str, shown: str | None, region: Region) -> None:
    region.server.answer_next(APIAnswer(status=500, headers={"inin-correlation-id": header}))
    failure = region.failure()
    assert failure.correlation_id == shown
    assert (f"(ININ-Correlation-Id {shown})" in str(failure)) is (shown is not None)


def test_every_answer_is_logged_with_its_correlation_id(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mtls_middleware.trust"):
        region.poll()
    number = "ININ-Correlation-Id 00000000-0000-4000-8000-00000000000"
    assert caplog.messages[:2] == [
        f"POST https://login.mypurecloud.com/oauth/token was answered with 200 ({number}1).",
        f"GET https://api.mypurecloud.com{PATH}?type=Client was answered with 200 ({number}2).",
    ]


def test_what_the_api_says_is_escaped_in_the_log(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    region.server.answer_next(None, listing(nextUri=f"{PATH}?\u202e\u2028"))
    with caplog.at_level(logging.INFO, "mtls_middleware.trust"):
        region.poll()
    assert rf"{PATH}?\u202e\u2028 was answered" in caplog.messages[2]


def test_no_secret_is_logged_or_shown(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0):
        region.poll()
        region.server.permissions.clear()
        failure = region.failure()
        region.api = region.client(region.server.client_id, "a wrong secret")
        refused = region.failure()
    shown = "\n".join([*caplog.messages, *map(repr, (failure, refused, region.api)), str(failure), str(refused)])
    for call in region.server.calls:
        assert call.headers["authorization"].split()[1] not in shown
    assert region.server.client_secret not in shown
    assert "a wrong secret" not in shown


@given(
    answers=st.lists(
        st.builds(
            APIAnswer,
            status=st.sampled_from([200, 200, 200, 204, 301, 400, 401, 403, 404, 429, 500]),
            headers=st.sampled_from(
                [
                    {"content-type": "application/json"},
                    {"content-type": "application/json", "retry-after": "1"},
                    {"content-type": "application/json", "content-encoding": "gzip"},
                    {},
                ]
            ),
            body=st.binary()
            | st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(),
                lambda inner: (
                    st.lists(inner)
                    | st.dictionaries(
                        st.sampled_from(["entities", "nextUri", "certificate", "status", "type", "access_token"]), inner
                    )
                ),
            ).map(lambda value: json.dumps(value).encode()),
        ),
        min_size=1,
        max_size=8,
    ),
    after_token=st.booleans(),
)
def test_whatever_is_answered_there_is_an_answer_or_a_failure(*, answers: list[APIAnswer], after_token: bool) -> None:
    region = Region()
    region.server.answer_next(*[TOKEN] * after_token, *answers)
    with suppress(GenesysFailure):
        assert region.poll().region == "us-east-1"
