"""194 certificate paths of x509-limbo: what differs from its opinion stands here with the reason."""

import pytest

from mtls_middleware._core.decision import Reason
from tests.core.limbo import TEST_VECTORS, Case, cases
from tests.core.limbo_reasons import ACCEPTED_ON_PURPOSE, REFUSED_ON_PURPOSE

pytestmark = [
    pytest.mark.skipif(
        TEST_VECTORS is None,
        reason="x509-limbo is not part of this project: set TEST_VECTORS to the folder that holds limbo/",
    ),
    pytest.mark.filterwarnings("ignore"),  # cryptography warns of what some cases are made of
]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_a_path_is_judged_as_limbo_does_or_for_a_stated_reason(case: Case) -> None:
    if case.id in ACCEPTED_ON_PURPOSE:
        assert case.judge() is None
    elif case.id in REFUSED_ON_PURPOSE:
        assert case.judge() is not None
    else:
        assert (case.judge() is None) == case.should_pass


def test_every_stated_reason_belongs_to_a_case() -> None:
    ids = {case.id: case.should_pass for case in cases()}
    assert [deviation for deviation in ACCEPTED_ON_PURPOSE if ids[deviation]] == []
    assert [deviation for deviation in REFUSED_ON_PURPOSE if not ids[deviation]] == []


@pytest.mark.parametrize(
    ("id_", "reason"),
    [
        pytest.param("rfc5280::eku::ee-wrong-eku", Reason.PURPOSE_MISMATCH, id="purpose"),
        pytest.param("rfc5280::validity::expired-leaf", Reason.CERTIFICATE_EXPIRED, id="expired"),
        pytest.param("webpki::san::mismatch-domain-san", Reason.REGION_MISMATCH, id="name"),
        pytest.param("rfc5280::unknown-critical-extension-ee", Reason.ISSUER_UNTRUSTED, id="extension"),
        pytest.param("crl::revoked-certificate-with-crl", Reason.CERTIFICATE_REVOKED, id="revoked"),
        pytest.param("crl::issuer-missing-crlsign", Reason.REVOCATION_UNKNOWN, id="an issuer without cRLSign"),
    ],
)
def test_a_refusal_has_the_reason_of_the_contract(id_: str, reason: Reason) -> None:
    (case,) = (case for case in cases() if case.id == id_)
    assert case.judge() is reason
