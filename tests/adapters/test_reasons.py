"""Every reason: its status, its headers, its body, and its place in the order."""

import gc
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any
from weakref import ref

import pytest
from cryptography import x509

from mtls_middleware import Reason, Rejected
from mtls_middleware._core.response import refusal
from mtls_middleware._core.scope import connection_of
from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA, tls_extension
from mtls_middleware.testing.encodings import byte_sequences, url_pem
from tests.adapters.cases import Case, Outcome, asgi_outcome, call, http, http_scope
from tests.adapters.site import (
    CALLER_SECRET,
    DAY,
    NGINX_BOTH,
    NOW,
    ORGANIZATION,
    SECRET,
    SECRET_HEADER,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)
from tests.core.test_response import STATUS

STRICT = {
    **NGINX_BOTH,
    "MTLS_ORGANIZATION_IDS": ORGANIZATION,
    "MTLS_CALLER_SECRET": CALLER_SECRET,
}


@cache
def _digicert() -> RegionalCA:
    return RegionalCA("digicert", now=NOW)


@dataclass(slots=True)
class Attempt:
    """Hold a call that everything accepts, until a fault is built into it."""

    site: Site
    certificate: dict[str, Any]
    ca: RegionalCA
    headers: dict[str, str]
    client: Any
    sends_certificate: bool = True

    def outcome(self, environ: Mapping[str, str] = STRICT) -> Outcome:
        return call(self.site.guard(environ), self.case())

    def case(self, path: str = "/actions/lookup") -> Case:
        """Return the call, for a guard that has started."""
        if "trust_unavailable" in self.headers:
            del self.headers["trust_unavailable"]
            self.site.clock.now = NOW + 4000 * DAY
        if self.sends_certificate:
            self.headers["X-SSL-Client-Cert"] = url_pem(self.ca.client(**self.certificate))
        return Case(path=path, headers=tuple(self.headers.items()), client=self.client)


def _good(site: Site) -> Attempt:
    return Attempt(
        site=site,
        certificate={},
        ca=regional_ca(),
        headers={
            "X-SSL-Client-Verify": "SUCCESS",
            "X-MTLS-Proxy-Secret": SECRET,
            "ININ-Organization-Id": ORGANIZATION,
            "X-Caller-Secret": CALLER_SECRET,
        },
        client=("10.0.0.5", 40000),
    )


def _trust_unavailable(attempt: Attempt) -> None:
    attempt.headers["trust_unavailable"] = ""


def _wrong_secret(attempt: Attempt) -> None:
    attempt.headers["X-MTLS-Proxy-Secret"] = "guessed"


def _wrong_peer(attempt: Attempt) -> None:
    attempt.client = ("6.6.6.6", 1)


def _too_large(attempt: Attempt) -> None:
    attempt.certificate["other_sans"] = [x509.DNSName(f"name-{place}.example.com") for place in range(1500)]


def _missing(attempt: Attempt) -> None:
    attempt.sends_certificate = False


def _proxy_complains(attempt: Attempt) -> None:
    attempt.headers["X-SSL-Client-Verify"] = "FAILED:certificate has expired"


def _malformed(attempt: Attempt) -> None:
    attempt.certificate["serial_number"] = 0


def _stranger(attempt: Attempt) -> None:
    attempt.ca = stranger_ca()


def _weak_key(attempt: Attempt) -> None:
    attempt.certificate["key"] = KeyKind.SECP256K1


def _expired(attempt: Attempt) -> None:
    attempt.certificate["expired"] = True


def _not_yet_valid(attempt: Attempt) -> None:
    attempt.certificate["not_yet_valid"] = True


def _for_servers(attempt: Attempt) -> None:
    attempt.certificate["server_only"] = True


def _of_a_ca(attempt: Attempt) -> None:
    attempt.certificate["is_ca"] = True


def _other_region(attempt: Attempt) -> None:
    attempt.certificate["names"] = ["dataactions.prod-euw1.eu-west-1.mypurecloud.com"]


def _other_organization(attempt: Attempt) -> None:
    attempt.headers["ININ-Organization-Id"] = ORGANIZATION.replace("0", "1")


def _no_caller_secret(attempt: Attempt) -> None:
    del attempt.headers["X-Caller-Secret"]


FAULTS: Mapping[str, tuple[str, Callable[[Attempt], None]]] = {
    "no-trust": ("trust_unavailable", _trust_unavailable),
    "wrong-secret": ("source_untrusted", _wrong_secret),
    "wrong-peer": ("source_untrusted", _wrong_peer),
    "too-large": ("certificate_too_large", _too_large),
    "missing": ("certificate_missing", _missing),
    "proxy-complains": ("proxy_verification_failed", _proxy_complains),
    "malformed": ("certificate_malformed", _malformed),
    "stranger": ("issuer_untrusted", _stranger),
    "weak-key": ("issuer_untrusted", _weak_key),
    "expired": ("certificate_expired", _expired),
    "not-yet-valid": ("certificate_not_yet_valid", _not_yet_valid),
    "for-servers": ("purpose_mismatch", _for_servers),
    "of-a-ca": ("purpose_mismatch", _of_a_ca),
    "other-region": ("region_mismatch", _other_region),
    "other-organization": ("organization_mismatch", _other_organization),
    "no-caller-secret": ("caller_secret_mismatch", _no_caller_secret),
}

IN_ONE_CERTIFICATE = {
    "too-large",
    "malformed",
    "stranger",
    "weak-key",
    "expired",
    "not-yet-valid",
    "for-servers",
    "of-a-ca",
    "other-region",
}


def _possible(one: str, other: str) -> bool:
    if "missing" in {one, other}:  # what stands in a certificate that did not come is not wrong
        return not {one, other} & IN_ONE_CERTIFICATE
    return {one, other} != {"expired", "not-yet-valid"}


def test_the_strict_site_accepts_the_good_call(site: Site) -> None:
    outcome = _good(site).outcome()
    assert outcome.verdict == "accepted"
    assert outcome.seen == {"inin-organization-id"}
    assert outcome.identity is not None
    assert outcome.identity.organization_id == ORGANIZATION


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_reason(site: Site, fault: str) -> None:
    reason, build_in = FAULTS[fault]
    attempt = _good(site)
    build_in(attempt)
    outcome = attempt.outcome()
    assert (outcome.verdict, outcome.status, outcome.reached) == (reason, STATUS[reason][0], False)


@pytest.mark.parametrize(("one", "other"), [pair for pair in combinations(FAULTS, 2) if _possible(*pair)])
def test_of_two_faults_the_earlier_reason_is_told(site: Site, one: str, other: str) -> None:
    attempt = _good(site)
    for fault in (other, one):
        FAULTS[fault][1](attempt)
    order = list(STATUS)
    assert attempt.outcome().verdict == min(FAULTS[one][0], FAULTS[other][0], key=order.index)


class Named(str):
    """A text of which one can tell when it is gone."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_of_a_refused_call_waits_for_the_garbage_collector(site: Site, fault: str) -> None:
    attempt = _good(site)
    FAULTS[fault][1](attempt)
    guard = site.guard(STRICT)
    path = Named("/actions/lookup")
    gone = ref(path)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        refused = guard.decide(connection_of(http_scope(attempt.case(path))))
        del path
        guard.decide(connection_of(http_scope(Case())))  # the last one is kept for the status
        site.hearing.events.clear()
        assert (isinstance(refused, Rejected), gone()) == (True, None)
    finally:
        if was_enabled:
            gc.enable()


def test_the_reasons_are_those_of_the_contract_in_its_order() -> None:
    assert [str(reason) for reason in Reason] == list(STATUS)
    assert [reason.order for reason in Reason] == list(range(len(STATUS)))


@pytest.mark.parametrize("reason", Reason)
def test_the_answer_says_no_more_than_it_must(reason: Reason) -> None:
    status, title = STATUS[reason]
    answer = refusal(reason, None)
    assert answer.status == status
    assert json.loads(answer.body) == {"status": status, "title": title, "reason": str(reason)}
    headers = dict(answer.headers)
    assert headers.pop(b"content-length") == str(len(answer.body)).encode()
    assert headers.pop(b"content-type") == b"application/problem+json"
    assert headers.pop(b"cache-control") == b"no-store"
    retry = headers.pop(b"retry-after", None)
    assert (retry is not None) == (status == 503)
    assert retry is None or int(retry) > 0
    assert headers == {}


@pytest.mark.parametrize("fault", ["no-trust", "too-large", "missing", "stranger"])
def test_the_answer_is_the_same_on_the_wire(site: Site, fault: str) -> None:
    attempt = _good(site)
    FAULTS[fault][1](attempt)
    outcome = attempt.outcome()
    answer = refusal(Reason(FAULTS[fault][0]), None)
    assert outcome.body == answer.body
    assert outcome.headers == {name.decode(): value.decode() for name, value in answer.headers}


CORRELATED = "ININ-Correlation-Id"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        pytest.param(["3f0a-1B"], "3f0a-1B", id="good"),
        pytest.param(["x" * 64], "x" * 64, id="64"),
        pytest.param(["x" * 65], None, id="65"),
        pytest.param([""], None, id="empty"),
        pytest.param(["a b"], None, id="blank"),
        pytest.param(["a_b"], None, id="underscore"),
        pytest.param(["<b>"], None, id="markup"),
        pytest.param(['a"b'], None, id="quote"),
        pytest.param(["a\u00e9"], None, id="accent"),
        pytest.param(["a\n"], None, id="newline"),
        pytest.param(["٣"], None, id="arabic-digit"),
        pytest.param(["bad one", "good-one"], "good-one", id="the-first-good-one"),
        pytest.param(["one", "two"], "one", id="repeated"),
    ],
)
def test_the_correlation_id_comes_back_only_if_it_is_well_formed(site: Site, sent: list[str], told: str | None) -> None:
    raw = [value.encode("utf-8").decode("latin-1") for value in sent]
    outcome = call(site.guard(), over_tls(None).with_headers(*((CORRELATED, value) for value in raw)))
    expected = {"status": 403, "title": "Forbidden", "reason": "certificate_missing"}
    assert json.loads(outcome.body) == (expected if told is None else {**expected, "correlationId": told})


class TestSizes:
    def test_bytes_are_counted_before_decoding(self, site: Site) -> None:
        case = through_nginx(good_client()).changed("X-SSL-Client-Cert", "%41" * 400)
        assert call(site.guard(NGINX_BOTH, max_header_bytes="1199"), case).verdict == "certificate_too_large"
        assert call(site.guard(NGINX_BOTH, max_header_bytes="1200"), case).verdict == "certificate_malformed"

    def test_certificate_and_chain_count_together(self, site: Site) -> None:
        headers = (("Client-Cert", "x" * 700), ("Client-Cert-Chain", "x" * 700), SECRET_HEADER)
        guard = site.guard(NGINX_BOTH, source="rfc9440", max_header_bytes="1399")
        assert call(guard, Case(headers=headers)).verdict == "certificate_too_large"

    def test_a_chain_without_a_certificate_counts_too(self, site: Site) -> None:
        case = Case(headers=(("Client-Cert-Chain", "x" * 40000), SECRET_HEADER))
        assert call(site.guard(NGINX_BOTH, source="rfc9440"), case).verdict == "certificate_too_large"

    def test_a_small_chain_without_a_certificate_is_none(self, site: Site) -> None:
        case = Case(headers=(("Client-Cert-Chain", byte_sequences(good_client())), SECRET_HEADER))
        assert call(site.guard(NGINX_BOTH, source="rfc9440"), case).verdict == "certificate_missing"

    @pytest.mark.parametrize(("certificates", "verdict"), [(5, "accepted"), (6, "certificate_too_large")])
    def test_certificates_are_counted_with_the_leaf(self, site: Site, certificates: int, verdict: str) -> None:
        chain = list(good_client().pems) + [stranger_ca().pem] * (certificates - 1)
        assert call(site.guard(), Case(tls={**tls_extension(None), "client_cert_chain": chain})).verdict == verdict

    def test_a_bad_one_among_too_many_does_not_hide_their_number(self, site: Site) -> None:
        chain = [good_client().pem, "junk", *[stranger_ca().pem] * 9]
        case = Case(tls={**tls_extension(None), "client_cert_chain": chain})
        assert call(site.guard(), case).verdict == "certificate_too_large"

    def test_the_server_s_complaint_does_not_hide_their_number(self, site: Site) -> None:
        chain = [good_client().pem, *[stranger_ca().pem] * 9]
        case = Case(tls={**tls_extension(None, error="expired"), "client_cert_chain": chain})
        assert call(site.guard(), case).verdict == "certificate_too_large"


class TestTheServersComplaint:
    """``client_cert_error`` of the TLS extension (lesson 26)."""

    def test_it_refuses(self, site: Site) -> None:
        case = Case(tls=tls_extension(good_client(), error="certificate has expired"))
        assert call(site.guard(), case).verdict == "proxy_verification_failed"

    def test_it_refuses_a_certificate_that_was_accepted_before(self, site: Site) -> None:
        guard = site.guard()
        assert call(guard, over_tls(good_client())).verdict == "accepted"
        assert call(guard, Case(tls=tls_extension(good_client(), error="x"))).verdict == "proxy_verification_failed"

    @pytest.mark.parametrize("error", ["", None])
    def test_none_is_none(self, site: Site, error: str | None) -> None:
        assert call(site.guard(), Case(tls=tls_extension(good_client(), error=error))).verdict == "accepted"

    def test_without_a_certificate_there_is_nothing_to_complain_of(self, site: Site) -> None:
        assert call(site.guard(), Case(tls=tls_extension(None, error="x"))).verdict == "certificate_missing"

    @pytest.mark.parametrize("chain", [["junk"], [7], [{}]], ids=repr)
    def test_it_comes_before_what_cannot_be_read(self, site: Site, chain: object) -> None:
        case = Case(tls={**tls_extension(None, error="x"), "client_cert_chain": chain})
        assert call(site.guard(), case).verdict == "proxy_verification_failed"


class TestCallers:
    @pytest.mark.parametrize(
        ("sent", "verdict"),
        [
            pytest.param([ORGANIZATION], "accepted", id="right"),
            pytest.param([ORGANIZATION.upper()], "accepted", id="case"),
            pytest.param([f" {ORGANIZATION}\t"], "accepted", id="blanks-around"),
            pytest.param([], "organization_mismatch", id="none"),
            pytest.param([""], "organization_mismatch", id="empty"),
            pytest.param([ORGANIZATION] * 2, "organization_mismatch", id="twice"),
            pytest.param([f"{ORGANIZATION},{ORGANIZATION}"], "organization_mismatch", id="list"),
            pytest.param(["{" + ORGANIZATION + "}"], "organization_mismatch", id="braces"),
            pytest.param([ORGANIZATION.replace("-", "")], "organization_mismatch", id="no-hyphens"),
            pytest.param([f"urn:uuid:{ORGANIZATION}"], "organization_mismatch", id="urn"),
            pytest.param(["\xff" * 3000], "organization_mismatch", id="junk"),
        ],
    )
    def test_the_organization(self, site: Site, sent: list[str], verdict: str) -> None:
        guard = site.guard(organization_ids=ORGANIZATION)
        case = over_tls(good_client()).with_headers(*(("ININ-Organization-Id", value) for value in sent))
        assert call(guard, case).verdict == verdict

    @pytest.mark.parametrize(
        "sent",
        [[], [""], ["wrong"], [CALLER_SECRET] * 2, [CALLER_SECRET, "wrong"], [CALLER_SECRET.upper()], ["\xff" * 30]],
        ids=repr,
    )
    def test_a_wrong_or_missing_caller_secret(self, site: Site, sent: list[str]) -> None:
        guard = site.guard(caller_secret=CALLER_SECRET)
        case = over_tls(good_client()).with_headers(*(("X-Caller-Secret", value) for value in sent))
        assert call(guard, case).verdict == "caller_secret_mismatch"

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("ININ_Organization_Id", ORGANIZATION, "organization_mismatch"),
            ("X_Caller_Secret", CALLER_SECRET, "caller_secret_mismatch"),
        ],
    )
    def test_a_twin_has_the_reason_of_its_header(self, site: Site, name: str, value: str, reason: str) -> None:
        attempt = _good(site)
        certificate = ("X-SSL-Client-Cert", url_pem(good_client()))
        case = Case(headers=(*attempt.headers.items(), certificate, (name, value)))
        assert http(site.guard(STRICT), case).verdict == reason

    def test_the_caller_secret_is_hidden_from_the_application(self, site: Site) -> None:
        guard = site.guard(caller_secret=CALLER_SECRET, exempt="/health")
        for path in ("/actions", "/health"):
            case = over_tls(good_client(), path=path).with_headers(("X-Caller-Secret", CALLER_SECRET))
            assert call(guard, case).seen == frozenset()

    def test_a_verdict_that_is_cached_proves_nothing_of_the_next_caller(self, site: Site) -> None:
        guard = site.guard(caller_secret=CALLER_SECRET)
        good = over_tls(good_client()).with_headers(("X-Caller-Secret", CALLER_SECRET))
        assert [call(guard, case).verdict for case in (good, over_tls(good_client()), good)] == [
            "accepted",
            "caller_secret_mismatch",
            "accepted",
        ]


class TestDigicert:
    """The pin is the identity: strangers' certificates have the same issuer."""

    def _guard(self, site: Site, *pinned: ClientCertificate) -> Any:
        root = site.folder / "digicert-root.pem"
        _digicert().write(root)
        return site.guard(
            authorities="digicert",
            trust=f"digicert={root}",
            pins=",".join(client.fingerprint_sha256 for client in pinned),
        )

    def test_a_pinned_client_is_the_region_s(self, site: Site) -> None:
        client = _digicert().client()
        outcome = call(self._guard(site, client), over_tls(client))
        assert outcome.identity is not None
        assert (outcome.identity.region, outcome.identity.authority) == ("us-east-1", "digicert")

    def test_lesson_10_the_same_key_with_a_new_name_is_another_certificate(self, site: Site) -> None:
        pinned = _digicert().client()
        forged = _digicert().client(names=["other.example.com"], public_key_of=pinned)
        assert call(self._guard(site, pinned), over_tls(forged)).verdict == "not_pinned"

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"server_only": True}, "purpose_mismatch"),
            ({"expired": True}, "certificate_expired"),
            ({"not_yet_valid": True}, "certificate_not_yet_valid"),
            ({"serial_number": 0}, "certificate_malformed"),
            ({"key": KeyKind.RSA1024}, "issuer_untrusted"),
        ],
    )
    def test_of_two_faults_the_earlier_is_told(self, site: Site, options: dict[str, Any], reason: str) -> None:
        guard = self._guard(site, _digicert().client())
        assert call(guard, over_tls(_digicert().client(**options))).verdict == reason

    def test_not_pinned_comes_before_the_organization(self, site: Site) -> None:
        root = site.folder / "digicert-root.pem"
        _digicert().write(root)
        guard = site.guard(
            authorities="digicert",
            trust=f"digicert={root}",
            pins=_digicert().client().fingerprint_sha256,
            organization_ids=ORGANIZATION,
        )
        assert call(guard, over_tls(_digicert().client())).verdict == "not_pinned"


class TestUnforeseen:
    @pytest.mark.parametrize("path", [None, 7, b"/actions"], ids=repr)
    def test_a_path_that_is_no_text_is_refused(self, site: Site, path: Any) -> None:
        scope = {**http_scope(over_tls(good_client())), "path": path, "raw_path": None}
        outcome = asgi_outcome(site.guard(exempt="/health"), scope)
        assert (outcome.status, outcome.verdict) == (500, "internal_error")

    def test_a_clock_that_fails_lets_nobody_in(self, site: Site) -> None:
        guard = site.guard()

        def broken() -> Any:
            raise RuntimeError("no time")

        guard._clock = broken
        outcome = call(guard, over_tls(good_client()))
        assert (outcome.status, outcome.verdict) == (500, "internal_error")

    def test_a_clock_without_a_zone_lets_nobody_in(self, site: Site) -> None:
        guard = site.guard()
        site.clock.now = NOW.replace(tzinfo=None)
        assert call(guard, over_tls(good_client())).verdict == "internal_error"


def test_the_peer_of_a_good_call_may_change(site: Site) -> None:
    guard = site.guard(NGINX_BOTH, trusted_proxies="10.0.0.0/24")
    for host in ("10.0.0.1", "10.0.0.2"):
        assert call(guard, replace(through_nginx(good_client()), client=(host, 1))).verdict == "accepted"
