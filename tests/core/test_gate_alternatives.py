"""A CA may have several certificates, and one of them revoked: a good chain that exists is found, in whatever order."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.decision import Decision, Reason, RevocationState
from mtls_middleware._core.gate import CHAINS_TRIED
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware.testing import RegionalCA
from mtls_middleware.testing.signing import authority_builder, key_identifier, sign
from tests.core.certs import DAY, NOW, custom, regional_ca
from tests.core.crls import crl
from tests.core.requests import request
from tests.core.test_revocation_gate import ANYBODY, CHECK, REQUIRE, gate, outcome, snapshot

ROOT = regional_ca()
LOWER = ROOT.intermediate()
SIBLINGS = [LOWER, *(LOWER.renewed(same_key=True) for _ in range(CHAINS_TRIED - 1))]
CLIENT = LOWER.client()


def decide(
    mode: RevocationMode,
    intermediates: Sequence[x509.Certificate],
    *signed: bytes,
    configured: Sequence[RegionalCA] = (),
) -> Decision:
    chain = [CLIENT.certificate, *intermediates]
    tls = {"client_cert_chain": [one.public_bytes(Encoding.PEM).decode() for one in chain]}
    held = snapshot(*signed, crl(LOWER), trust=custom(ROOT, intermediates=[one.certificate for one in configured]))
    return gate(mode, ANYBODY).decide(request(tls=tls), held, NOW)


def _certificates(number: int) -> list[x509.Certificate]:
    return [one.certificate for one in SIBLINGS[:number]]


@pytest.mark.parametrize("mode", [CHECK, REQUIRE])
@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
def test_one_certificate_of_an_intermediate_is_good(mode: RevocationMode, order: tuple[int, ...]) -> None:
    known = _certificates(3)
    revoked = crl(ROOT, known[:2])
    assert outcome(decide(mode, [known[index] for index in order], revoked)) is RevocationState.GOOD


@pytest.mark.parametrize("mode", [CHECK, REQUIRE])
def test_where_all_are_revoked_the_caller_is(mode: RevocationMode) -> None:
    known = _certificates(3)
    assert outcome(decide(mode, known, crl(ROOT, known))) is Reason.CERTIFICATE_REVOKED


def test_a_configured_intermediate_that_is_revoked_hides_no_good_one() -> None:
    known = _certificates(2)
    decision = decide(CHECK, known[1:], crl(ROOT, known[:1]), configured=SIBLINGS[:1])
    assert outcome(decision) is RevocationState.GOOD


def test_a_revoked_leaf_is_revoked_in_every_chain() -> None:
    decision = decide(CHECK, _certificates(2), crl(ROOT), crl(LOWER, [CLIENT], number=2))
    assert outcome(decision) is Reason.CERTIFICATE_REVOKED


def test_where_nothing_is_known_of_any_it_stays_unknown() -> None:
    assert outcome(decide(REQUIRE, _certificates(2))) is Reason.REVOCATION_UNKNOWN


def test_there_is_an_end_to_the_tries() -> None:
    known = _certificates(CHAINS_TRIED)
    assert outcome(decide(CHECK, known, crl(ROOT, known[:-1]))) is RevocationState.GOOD
    assert outcome(decide(CHECK, known, crl(ROOT, known))) is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
def test_where_a_crl_must_tell_one_that_is_told_of_is_found(order: tuple[int, ...]) -> None:
    here = "http://crl.example/here.crl"
    known = [*_certificates(2), _naming(here)]
    decision = decide(REQUIRE, [known[index] for index in order], crl(ROOT, addresses=[here]))
    assert outcome(decision) is RevocationState.GOOD


def _naming(address: str) -> x509.Certificate:
    """Return a further certificate of the intermediate, which says where its CRL is."""
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(address)], None, None, None)]
    builder = authority_builder(LOWER.certificate.subject, LOWER.private_key, NOW - DAY, NOW + DAY)
    return sign(
        builder.issuer_name(ROOT.certificate.subject)
        .add_extension(key_identifier(ROOT.private_key), critical=False)
        .add_extension(x509.CRLDistributionPoints(points), critical=False),
        ROOT.private_key,
    )
