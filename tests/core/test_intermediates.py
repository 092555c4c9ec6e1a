"""Which intermediates help to build a path, what they may cost, and what the operator reads where none is found."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtls_middleware._core import chain as chains
from mtls_middleware._core import signatures
from mtls_middleware._core.certificate import PresentedChain, parse_chain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.trust import CUSTOM_DEPTH, AuthorityTrust
from mtls_middleware.testing import ClientCertificate, KeyKind
from mtls_middleware.testing.signing import PrivateKey, authority_builder, generate, key_identifier, name_of, sign
from tests.core.certs import (
    DAY,
    NOW,
    SECOND,
    custom,
    digicert,
    genesys,
    good_client,
    new_ca,
    pin,
    presented,
    reason,
    regional_ca,
    with_unknown_key,
)


def test_a_callers_intermediate_does_not_help_under_a_regional_root() -> None:
    client = regional_ca().intermediate().client()
    assert reason(client, genesys(regional_ca())) is Reason.ISSUER_UNTRUSTED


def test_not_even_an_expired_leaf_below_an_intermediate_is_the_regional_roots() -> None:
    client = regional_ca().intermediate().client(expired=True)
    assert reason(client, genesys(regional_ca())) is Reason.ISSUER_UNTRUSTED


def test_a_callers_intermediates_help_a_custom_caller() -> None:
    client = regional_ca().intermediate("one").intermediate("two").client()
    assert reason(client, custom(regional_ca())) is None


def test_their_order_does_not_matter() -> None:
    client = regional_ca().intermediate("one").intermediate("two").client()
    chain = presented(client, *reversed(client.chain), regional_ca().certificate)
    assert reason(chain, custom(regional_ca())) is None


def test_a_path_is_no_longer_than_max_chain() -> None:
    client = regional_ca().intermediate("one").intermediate("two").client()
    assert reason(client, custom(regional_ca(), max_chain=2)) is Reason.ISSUER_UNTRUSTED


def test_a_configured_intermediate_stands_in_for_a_chain_that_did_not_come() -> None:
    client = regional_ca().intermediate().client()
    trust = digicert(regional_ca(), pins=[pin(client)], intermediates=client.chain)
    assert reason(parse_chain([client.der]), trust) is None


def test_a_weak_key_that_the_path_does_not_need_is_passed_over() -> None:
    weak = new_ca().client(key=KeyKind.RSA1024).certificate
    assert reason(presented(good_client(), weak), custom(regional_ca())) is None


def test_a_key_of_an_unknown_kind_that_the_path_does_not_need_is_passed_over() -> None:
    odd = x509.load_der_x509_certificate(with_unknown_key(new_ca().certificate))
    assert reason(presented(good_client(), odd), custom(regional_ca())) is None


@pytest.mark.parametrize("life", [(NOW, NOW + DAY), (NOW - DAY, NOW)], ids=["its first second", "its last second"])
def test_an_intermediate_helps_in_its_first_and_last_second(life: tuple[datetime, datetime]) -> None:
    begins, ends = life
    intermediate = regional_ca().intermediate(not_before=begins, not_after=ends)
    assert reason(intermediate.client(), custom(regional_ca())) is None
    for now in (begins - SECOND, ends + SECOND):
        assert reason(intermediate.client(), custom(regional_ca()), now) is Reason.ISSUER_UNTRUSTED


def test_a_weak_key_in_the_path_is_refused() -> None:
    client = regional_ca().intermediate(key=KeyKind.SECP256K1).client()
    assert reason(presented(client, *client.chain), custom(regional_ca())) is Reason.ISSUER_UNTRUSTED


def test_an_intermediate_that_is_no_ca_signs_nobody() -> None:
    signer = regional_ca().client()
    rogue = new_ca("X")
    rogue.private_key, rogue.certificate = signer.private_key, signer.certificate
    assert reason(presented(rogue.client(), signer.certificate), custom(regional_ca())) is Reason.ISSUER_UNTRUSTED


BELOW: Mapping[str, tuple[Mapping[str, bool], Reason]] = {
    "expired": ({"expired": True}, Reason.CERTIFICATE_EXPIRED),
    "for servers": ({"server_only": True}, Reason.PURPOSE_MISMATCH),
}


@pytest.mark.parametrize(("options", "expected"), BELOW.values(), ids=BELOW.keys())
def test_a_leaf_is_ours_below_intermediates_too(options: Mapping[str, bool], expected: Reason) -> None:
    lower = regional_ca().intermediate("one").intermediate("two")
    client = lower.client(**options)  # type: ignore[arg-type] # a table of keywords
    assert reason(client, custom(regional_ca())) is expected


@pytest.mark.parametrize(("options", "expected"), BELOW.values(), ids=BELOW.keys())
def test_a_leaf_whose_intermediates_lead_nowhere_is_a_strangers(options: Mapping[str, bool], expected: Reason) -> None:
    ca = new_ca("X")
    client = ca.intermediate("one").client(**options)  # type: ignore[arg-type] # a table of keywords
    assert reason(client, custom(ca)) is expected
    assert reason(client, custom(regional_ca())) is Reason.ISSUER_UNTRUSTED


def _in_the_name_of_the_anchor(number: int) -> list[x509.Certificate]:
    """Return CAs that say that the anchor signed them; a namesake of it did."""
    return [new_ca().intermediate("one").certificate for _ in range(number)]


@pytest.mark.parametrize("expired", [False, True])
def test_signatures_that_fail_are_tried_a_bounded_number_of_times(
    *, expired: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[x509.Certificate] = []
    try_one = signatures._is_signed_by

    def counting(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        tried.append(certificate)
        return try_one(certificate, issuer)

    monkeypatch.setattr(signatures, "_is_signed_by", counting)
    stranger = new_ca().intermediate("one").client(expired=expired)
    for number in (4, 127):
        chain = presented(stranger, *_in_the_name_of_the_anchor(number))
        assert reason(chain, custom(regional_ca(), max_chain=128)) is Reason.ISSUER_UNTRUSTED
        assert len(tried) == min(number, signatures.FAILURES)
        tried.clear()


def test_what_was_found_before_too_many_signatures_failed_counts() -> None:
    namesakes = [new_ca().certificate for _ in range(signatures.FAILURES)]
    chain = presented(good_client(), *namesakes)
    assert signatures.vouched_for(chain.leaf, chain.intermediates, [regional_ca().certificate]) == ()
    assert signatures.vouched_for(chain.intermediates[0], chain.intermediates, [regional_ca().certificate]) is None


@pytest.mark.parametrize(("options", "expected"), [({}, None), ({"expired": True}, Reason.CERTIFICATE_EXPIRED)])
def test_a_path_is_found_behind_namesakes(options: Mapping[str, bool], expected: Reason | None) -> None:
    intermediate = regional_ca().intermediate("one")
    client = intermediate.client(**options)  # type: ignore[arg-type] # a table of keywords
    others = [
        *_in_the_name_of_the_anchor(5),
        *(regional_ca().intermediate("one").certificate for _ in range(5)),
        new_ca().certificate,
    ]
    trust = custom(new_ca(), regional_ca(), new_ca(), max_chain=20)
    assert reason(presented(client, *others, intermediate.certificate), trust) is expected
    assert reason(presented(client, intermediate.certificate, *others), trust) is expected


def test_a_path_of_128_certificates_is_found_in_any_order() -> None:
    lowest = regional_ca()
    for number in range(126):
        lowest = lowest.intermediate(f"CA {number}")
    client = lowest.client()
    chain = presented(client, *reversed(client.chain))
    assert len(chain.intermediates) == 126
    valid = [regional_ca().certificate]
    assert len(signatures.vouched_for(chain.leaf, chain.intermediates, valid) or ()) == 126


def test_a_copy_of_a_ca_that_another_one_signed_is_no_help() -> None:
    """Its key is good, so the leaf's signature is, too; its constraints are the caller's."""
    intermediate = regional_ca().intermediate("one")
    client = intermediate.client()
    forger = new_ca("Forger")
    forged = sign(
        authority_builder(intermediate.certificate.subject, intermediate.private_key, NOW - DAY, NOW + DAY)
        .issuer_name(forger.certificate.subject)
        .add_extension(key_identifier(forger.private_key), critical=False),
        forger.private_key,
    )
    chain = presented(client, forged, forger.certificate, intermediate.certificate)
    anchors = [regional_ca().certificate]
    assert signatures.vouched_for(chain.leaf, chain.intermediates, anchors) == (intermediate.certificate,)
    assert reason(chain, custom(regional_ca())) is None


def test_an_expired_copy_of_an_intermediate_is_passed_over() -> None:
    old = regional_ca().intermediate(not_before=NOW - 30 * DAY, not_after=NOW - DAY)
    new = old.renewed(same_key=True, not_before=NOW - DAY)
    for first, second in ((old, new), (new, old)):
        chain = parse_chain([new.client().der, first.der, second.der])
        assert reason(chain, custom(regional_ca())) is None


def test_cas_that_sign_each_other_cost_no_more_than_a_chain_that_leads_nowhere() -> None:
    """Two CAs with two certificates each cost 24 ms, and one that signs itself 51 ms: all orders were tried."""
    names = ("A", "B", "A", "B")
    straight = min(_seconds(_signed_by_the_next(("A", "B", "C", "D"))) for _ in range(5))
    crossed = min(_seconds(_signed_by_the_next(names)) for _ in range(5))
    itself = min(_seconds(_signed_by_the_next(("A",) * 4)) for _ in range(5))
    assert max(crossed, itself) < 4 * straight


@pytest.mark.parametrize("max_chain", [5, 9, 64, 128])
@pytest.mark.parametrize("number", [3, 4, 5])
def test_the_one_good_chain_is_found_beside_cas_that_all_sign_each_other(number: int, max_chain: int) -> None:
    """Searched to the depth of MTLS_MAX_CHAIN=128, 21 of the 81 cases of BetterTLS were refused."""
    names = [name_of(f"CA {index}") for index in range(number)]
    keys = [generate(KeyKind.P256) for _ in names]
    root = new_ca()

    def certified(subject: int, issuer: x509.Name, key: PrivateKey, *, is_good: bool = True) -> x509.Certificate:
        builder = authority_builder(names[subject], keys[subject], NOW - DAY, NOW + DAY).issuer_name(issuer)
        if not is_good:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return sign(builder.add_extension(key_identifier(key), critical=False), key)

    chain = [
        certified(one, root.certificate.subject, root.private_key, is_good=one == number - 1) for one in range(number)
    ]
    chain += [certified(one, names[other], keys[other]) for one, other in permutations(range(number), 2)]
    ca = new_ca()
    ca.private_key, ca.certificate = keys[0], chain[0]
    for order in (chain, chain[::-1], chain[number:] + chain[:number]):
        assert reason(presented(ca.client(), *order), custom(root, max_chain=max_chain)) is None


def test_a_chain_has_at_most_eight_intermediates() -> None:
    lowest = regional_ca()
    for index in range(CUSTOM_DEPTH):
        lowest = lowest.intermediate(f"CA {index}")
    assert reason(lowest.client(), custom(regional_ca(), max_chain=128)) is None
    assert reason(lowest.intermediate().client(), custom(regional_ca(), max_chain=128)) is Reason.ISSUER_UNTRUSTED


def _signed_by_the_next(names: Sequence[str]) -> PresentedChain:
    """Return a leaf of the first CA, and a certificate for each: signed by the next one, the last by the first."""
    keys = {name: generate(KeyKind.P384) for name in names}
    order = list(keys)
    certificates = []
    for name in names:
        issuer = order[(order.index(name) + 1) % len(order)]
        builder = authority_builder(name_of(name), keys[name], NOW - DAY, NOW + DAY).issuer_name(name_of(issuer))
        certificates.append(sign(builder.add_extension(key_identifier(keys[issuer]), critical=False), keys[issuer]))
    ca = new_ca(names[0])
    ca.private_key, ca.certificate = keys[names[0]], certificates[0]
    return presented(ca.client(), *certificates)


def _seconds(chain: PresentedChain) -> float:
    trust = custom(regional_ca())
    begin = time.thread_time()
    with pytest.raises(RejectionError, match="issuer_untrusted"):
        chains.verify(chain, trust, NOW)
    return time.thread_time() - begin


# ------------------------------------------------------------------------------------------- what the operator reads


def _detail(client: ClientCertificate, trust: AuthorityTrust, *others: x509.Certificate) -> str:
    with pytest.raises(RejectionError) as refused:
        chains.verify(presented(client, *others), trust, NOW)
    return refused.value.detail


def test_the_detail_says_which_anchor_ended() -> None:
    ca = new_ca(not_before=NOW - 30 * DAY, not_after=NOW - DAY)
    assert "root.pem is valid from" in _detail(ca.client(), genesys(ca))


def test_the_detail_says_that_an_intermediate_is_missing() -> None:
    client = regional_ca().intermediate().client()
    with pytest.raises(RejectionError, match="no intermediate came with it"):
        chains.verify(parse_chain([client.der]), custom(regional_ca()), NOW)


def test_the_detail_names_the_authority_of_which_there_is_no_anchor() -> None:
    assert "genesys" in _detail(good_client(), genesys())
