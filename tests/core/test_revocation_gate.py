"""What the gate makes of revocation: modes, order, the life of verdicts, and what it hands on to be learned."""

from collections.abc import Callable, Mapping
from datetime import datetime

import pytest

from mtls_middleware._core.boundary import Boundary
from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.decision import Accepted, Decision, Reason, Rejected, RevocationState
from mtls_middleware._core.gate import Gate
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.response import refusal
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._core.sources.tls import TLSSource
from mtls_middleware._core.trust import AuthorityTrust, TrustSnapshot
from mtls_middleware.testing import ClientCertificate
from tests.core.certs import NOW, SECOND, custom, genesys, good_client, new_ca, regional_ca
from tests.core.crls import HOUR, crl, lists
from tests.core.requests import request

REQUIRE, CHECK, OFF = RevocationMode.REQUIRE, RevocationMode.CHECK, RevocationMode.OFF

ANYBODY, OTHERS_ONLY = CallerPolicy(), CallerPolicy(organization_ids=frozenset({"x"}))


def gate(mode: RevocationMode, callers: CallerPolicy) -> Gate:
    return Gate(
        source=TLSSource(),
        boundary=Boundary(),
        protection=Protection(protected=("/",)),
        max_header_bytes=32_768,
        max_chain=5,
        callers=callers,
        revocation=mode,
    )


def snapshot(*signed: bytes, trust: AuthorityTrust | None = None) -> TrustSnapshot:
    known = lists(*signed, issuers=[regional_ca()])
    return TrustSnapshot(version=1, built_at=NOW, trusts=(trust or genesys(regional_ca()),), crls=known)


def decide(
    mode: RevocationMode,
    held: TrustSnapshot,
    client: ClientCertificate | None = None,
    now: datetime = NOW,
    callers: CallerPolicy = ANYBODY,
) -> Decision:
    tls = {"client_cert_chain": (client or good_client()).pems}
    return gate(mode, callers).decide(request(tls=tls), held, now)


def outcome(decision: Decision) -> Reason | RevocationState:
    return decision.revocation if isinstance(decision, Accepted) else decision.reason


LISTS = {
    "fresh": [crl(regional_ca())],
    "stale": [crl(regional_ca(), ends=NOW - SECOND)],
    "none": [],
    "revoked": [crl(regional_ca(), [good_client()])],
    "revoked, stale": [crl(regional_ca(), [good_client()], ends=NOW - SECOND)],
}
GOOD, UNKNOWN = RevocationState.GOOD, RevocationState.UNKNOWN
TABLE = [
    (REQUIRE, "fresh", GOOD),
    (REQUIRE, "stale", Reason.REVOCATION_UNKNOWN),
    (REQUIRE, "none", Reason.REVOCATION_UNKNOWN),
    (REQUIRE, "revoked", Reason.CERTIFICATE_REVOKED),
    (REQUIRE, "revoked, stale", Reason.CERTIFICATE_REVOKED),
    (CHECK, "fresh", GOOD),
    (CHECK, "stale", UNKNOWN),
    (CHECK, "none", UNKNOWN),
    (CHECK, "revoked", Reason.CERTIFICATE_REVOKED),
    (CHECK, "revoked, stale", Reason.CERTIFICATE_REVOKED),
    *((OFF, name, RevocationState.OFF) for name in LISTS),
]


@pytest.mark.parametrize(("mode", "name", "expected"), TABLE)
def test_each_mode_makes_its_own_of_what_is_known(mode: RevocationMode, name: str, expected: object) -> None:
    assert outcome(decide(mode, snapshot(*LISTS[name]))) is expected


def test_the_refusal_for_want_of_a_list_is_temporary() -> None:
    rejected = decide(REQUIRE, snapshot())
    assert isinstance(rejected, Rejected)
    answer = refusal(rejected.reason, None)
    assert answer.status == 503
    assert b"retry-after" in dict(answer.headers)


def test_a_cached_verdict_says_again_what_is_known() -> None:
    held = snapshot()
    first, second = decide(CHECK, held), decide(CHECK, held)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (first.cached, second.cached) == (False, True)
    assert first.revocation is second.revocation is UNKNOWN


def test_a_verdict_ends_with_its_list() -> None:
    held = snapshot(crl(regional_ca(), ends=NOW + HOUR))
    first = decide(REQUIRE, held)
    assert isinstance(first, Accepted)
    assert first.not_after == NOW + HOUR
    assert outcome(decide(REQUIRE, held, now=NOW + HOUR)) is GOOD
    assert outcome(decide(REQUIRE, held, now=NOW + HOUR + SECOND)) is Reason.REVOCATION_UNKNOWN


def test_a_verdict_ends_when_a_list_that_came_early_revokes() -> None:
    held = snapshot(crl(regional_ca()), crl(regional_ca(), [good_client()], number=2, begins=NOW + HOUR))
    assert outcome(decide(CHECK, held)) is GOOD
    assert outcome(decide(CHECK, held, now=NOW + HOUR + SECOND)) is Reason.CERTIFICATE_REVOKED


def test_a_verdict_without_a_list_ends_when_a_list_that_came_early_revokes() -> None:
    held = snapshot(crl(regional_ca(), [good_client()], begins=NOW + HOUR))
    assert outcome(decide(CHECK, held)) is UNKNOWN
    assert outcome(decide(CHECK, held, now=NOW + HOUR + SECOND)) is Reason.CERTIFICATE_REVOKED


def test_an_acceptance_hands_on_its_chain_cached_or_not() -> None:
    held = snapshot()
    first, second = decide(CHECK, held), decide(CHECK, held)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (first.cached, second.cached) == (False, True)
    assert first.chain == second.chain == (good_client().certificate, regional_ca().certificate)


def test_a_refusal_that_lacks_only_a_list_hands_on_its_chain() -> None:
    rejected = decide(REQUIRE, snapshot())
    assert isinstance(rejected, Rejected)
    assert rejected.chain == (good_client().certificate, regional_ca().certificate)
    assert rejected.evidence is not None


WITHOUT_CHAIN: Mapping[str, tuple[Callable[[], ClientCertificate], CallerPolicy]] = {
    "a stranger": (lambda: new_ca().client(), ANYBODY),
    "expired": (lambda: regional_ca().client(expired=True), ANYBODY),
    "another organisation": (good_client, OTHERS_ONLY),
}


@pytest.mark.parametrize(("make", "callers"), WITHOUT_CHAIN.values(), ids=WITHOUT_CHAIN.keys())
def test_a_refusal_before_or_after_verification_hands_on_a_chain(
    make: Callable[[], ClientCertificate], callers: CallerPolicy
) -> None:
    rejected = decide(CHECK, snapshot(), make(), callers=callers)
    assert isinstance(rejected, Rejected)
    assert rejected.chain == ()


def test_a_revoked_certificate_hands_on_its_chain() -> None:
    rejected = decide(CHECK, snapshot(*LISTS["revoked"]))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.chain) == (
        Reason.CERTIFICATE_REVOKED,
        (good_client().certificate, regional_ca().certificate),
    )


def test_a_wrong_name_hands_on_its_chain() -> None:
    client = regional_ca().client(names="other.example")
    rejected = decide(CHECK, snapshot(), client)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.chain) == (
        Reason.REGION_MISMATCH,
        (client.certificate, regional_ca().certificate),
    )


def test_the_wrong_name_is_told_before_revocation() -> None:
    client = regional_ca().client(names="other.example")
    assert outcome(decide(REQUIRE, snapshot(crl(regional_ca(), [client])), client)) is Reason.REGION_MISMATCH


def test_revocation_is_told_before_the_organisation() -> None:
    for mode, signed, expected in [
        (CHECK, LISTS["revoked"], Reason.CERTIFICATE_REVOKED),
        (REQUIRE, [], Reason.REVOCATION_UNKNOWN),
    ]:
        assert outcome(decide(mode, snapshot(*signed), callers=OTHERS_ONLY)) is expected


def test_a_callers_own_intermediate_signs_lists_too() -> None:
    lower = regional_ca().intermediate()
    client = lower.client()
    trust = custom(regional_ca())
    good = snapshot(crl(lower), crl(regional_ca()), trust=trust)
    bad = snapshot(crl(lower, [client]), crl(regional_ca()), trust=trust)
    assert outcome(decide(REQUIRE, good, client)) is GOOD
    assert outcome(decide(REQUIRE, bad, client)) is Reason.CERTIFICATE_REVOKED


def test_a_new_snapshot_forgets_what_an_old_one_accepted() -> None:
    assert outcome(decide(CHECK, snapshot())) is UNKNOWN
    assert outcome(decide(CHECK, snapshot(*LISTS["revoked"]))) is Reason.CERTIFICATE_REVOKED


def test_a_snapshot_has_no_lists_unless_told() -> None:
    held = TrustSnapshot(version=1, built_at=NOW, trusts=())
    assert isinstance(held.crls, CRLSet)
    assert held.crls.crls == ()


def test_the_path_of_a_decision_stays_out_of_its_text() -> None:
    assert "path" not in repr(decide(CHECK, snapshot()))
    assert "path" not in repr(decide(REQUIRE, snapshot()))
