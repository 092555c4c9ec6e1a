"""What an operator reads of a refused caller, word for word: each part of it says what to do."""

from dataclasses import replace

import pytest
from cryptography import x509

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.certificate import PresentedChain
from mtls_middleware._core.decision import RejectionError
from mtls_middleware._core.trust import AuthorityTrust, Binding, TrustSnapshot, build_trust
from mtls_middleware.identity import Authority
from tests.core.certs import (
    DAY,
    NOW,
    anchor,
    custom,
    digicert,
    genesys,
    new_ca,
    pin,
    presented,
    regional_ca,
)

EAST, WEST = Binding(Authority.GENESYS, "us-east-1"), Binding(Authority.GENESYS, "us-west-2")


def regional(**names: str) -> AuthorityTrust:
    """Trust one root for regions and their names, in a world that knows the names of two regions."""
    bindings = {"east": EAST, "west": WEST}
    return build_trust(
        Authority.GENESYS,
        anchors=[anchor(regional_ca(), bindings[region]) for region in names],
        names={bindings[region]: frozenset(name.split()) for region, name in names.items()},
        known_names={"east.example": "us-east-1", "west.example": "us-west-2"},
        max_chain=5,
    )


def spiffe(*names: str) -> AuthorityTrust:
    return custom(regional_ca(), names=names)


MISMATCHES = {
    "one name": (
        regional(east="east.example"),
        ["new.example"],
        "MTLS_CERT_NAMES=us-east-1=new.example would accept it; the name of us-east-1 is east.example",
    ),
    "two names": (
        regional(east="east.example"),
        ["b.example", "a.example"],
        (
            "MTLS_CERT_NAMES=us-east-1=a.example would accept it (1 other names in it); "
            "the name of us-east-1 is east.example"
        ),
    ),
    "three names": (
        regional(east="east.example"),
        ["b.example", "a.example", "c.example"],
        (
            "MTLS_CERT_NAMES=us-east-1=a.example would accept it (2 other names in it); "
            "the name of us-east-1 is east.example"
        ),
    ),
    "two regions": (
        regional(west="west.example", east="east.example"),
        ["new.example"],
        (
            "MTLS_CERT_NAMES=us-east-1=new.example or MTLS_CERT_NAMES=us-west-2=new.example would accept it; "
            "the name of us-east-1 and us-west-2 is east.example or west.example"
        ),
    ),
    "the name of another region": (
        regional(east="east.example"),
        ["west.example", "a.example"],
        (
            "west.example is the name of us-west-2, but the root that signed it is bound to us-east-1 in MTLS_TRUST: "
            "if that is the root of us-west-2, bind it so"
        ),
    ),
    "the known name of a region that has another one here": (
        regional(east="other.example"),
        ["east.example"],
        "MTLS_CERT_NAMES=us-east-1=east.example would accept it; the name of us-east-1 is other.example",
    ),
    "the known name of one of two regions": (
        regional(east="other.example", west="another.example"),
        ["west.example"],
        (
            "MTLS_CERT_NAMES=us-east-1=west.example or MTLS_CERT_NAMES=us-west-2=west.example would accept it; "
            "the name of us-east-1 and us-west-2 is another.example or other.example"
        ),
    ),
    "no name": (regional(east=""), [], "it has no DNS name; the name of us-east-1 is not known"),
    "no name for custom": (spiffe("a.example"), [], "it has no DNS name; the name of custom is a.example"),
}


@pytest.mark.parametrize(("trust", "names", "detail"), MISMATCHES.values(), ids=MISMATCHES)
def test_a_name_that_does_not_belong_to_the_anchor(trust: AuthorityTrust, names: list[str], detail: str) -> None:
    bindings = trust.bindings(regional_ca().certificate)
    assert policy._mismatch(frozenset(names), bindings, trust, ()) == detail


@pytest.mark.parametrize(
    ("trust", "uris", "said"),
    [
        (spiffe("a.example"), ("spiffe://a", "spiffe://b"), ", and several URIs, which name nobody"),
        (spiffe("a.example"), ("spiffe://a",), ""),
        (regional(east="a.example"), ("spiffe://a", "spiffe://b"), ""),
    ],
)
def test_several_uris_name_nobody_for_custom(trust: AuthorityTrust, uris: tuple[str, ...], said: str) -> None:
    bindings = trust.bindings(regional_ca().certificate)
    detail = policy._mismatch(frozenset(), bindings, trust, uris)
    assert detail.startswith(f"it has no DNS name{said}; the name of ")


# ------------------------------------------------------------------------------------------------------------- chains


def refused(chain: PresentedChain, trust: AuthorityTrust) -> str:
    with pytest.raises(RejectionError) as error:
        chains.verify(chain, trust, NOW)
    return error.value.detail


NO_CHAIN = "no certificate chain to an anchor of {}: "
RESUMED = "its issuer is unknown, and no intermediate came with it (a resumed TLS session does not bring any)"


def test_a_stranger_of_custom_may_lack_an_intermediate() -> None:
    assert refused(presented(new_ca("Stranger").client()), custom(regional_ca())) == NO_CHAIN.format("custom") + RESUMED


def test_a_stranger_of_a_region_cannot_lack_one() -> None:
    stranger = new_ca("Stranger")
    detail = refused(presented(stranger.client()), genesys(regional_ca()))
    assert detail == NO_CHAIN.format("genesys") + f"no root here is named {_name_of(stranger.certificate)}"


def test_what_a_stranger_of_a_region_brings_changes_nothing() -> None:
    stranger, other = new_ca("Stranger"), new_ca("Other")
    detail = refused(presented(stranger.client(), other.certificate), genesys(regional_ca()))
    assert detail == NO_CHAIN.format("genesys") + f"no root here is named {_name_of(stranger.certificate)}"


def test_a_stranger_with_intermediates_is_told_nothing_of_resumption() -> None:
    stranger = new_ca("Stranger").intermediate("Between")
    assert refused(presented(stranger.client()), custom(regional_ca())) == "no anchor of custom signed it"


def test_a_namesake_of_the_root_is_told() -> None:
    namesake = new_ca("Regional Root")
    name = _name_of(regional_ca().certificate)
    for trust in (genesys(regional_ca()), custom(regional_ca())):
        detail = refused(presented(namesake.client()), trust)
        said = f"a CA named {name} is known here, but did not sign it: another one has the same name"
        assert detail == NO_CHAIN.format(trust.authority) + said


def test_a_namesake_of_a_configured_intermediate_is_told() -> None:
    ours, theirs = (ca.intermediate("Between") for ca in (regional_ca(), new_ca("Other")))
    detail = refused(
        presented(theirs.client(), regional_ca().certificate), digicert(regional_ca(), intermediates=[ours.certificate])
    )
    assert detail == "no anchor of digicert signed it"
    alone = replace(presented(theirs.client()), intermediates=())
    detail = refused(alone, digicert(regional_ca(), intermediates=[ours.certificate]))
    assert "is known here, but did not sign it: another one has the same name" in detail


def test_an_anchor_that_ended_is_named_with_its_life() -> None:
    ended = new_ca("Ended", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    detail = refused(presented(ended.client()), custom(ended, regional_ca()))
    life = f"{NOW - 9 * DAY} to {NOW - DAY}"
    assert detail == NO_CHAIN.format("custom") + f"the anchor from root.pem is valid from {life} only"


def test_an_anchor_that_ended_is_named_only_to_its_own_callers() -> None:
    ended = new_ca("Ended", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    stranger = new_ca("Stranger")
    assert refused(presented(stranger.client()), custom(ended, regional_ca())) == NO_CHAIN.format("custom") + RESUMED


def test_what_the_verifier_says_is_kept_where_the_ca_is_known() -> None:
    leaf = regional_ca().client(serial_number=2**200)
    detail = refused(presented(leaf), genesys(regional_ca()))
    assert detail.startswith(NO_CHAIN.format("genesys") + "its CA is known here, but the verifier says: ")
    assert "candidates exhausted" not in detail


def _name_of(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


# -------------------------------------------------------------------------------------------------------- nothing valid


def snapshot(*trusts: AuthorityTrust) -> TrustSnapshot:
    return TrustSnapshot(version=1, built_at=NOW, trusts=trusts)


UNAVAILABLE = "nothing of what is trusted is valid now: "


def test_why_nobody_could_be_accepted() -> None:
    ended = new_ca("Ended", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    anchor_ended = f"the anchor from root.pem is valid from {NOW - 9 * DAY} to {NOW - DAY} only"
    assert snapshot().why_unavailable(NOW) == UNAVAILABLE + "there is no anchor"
    assert snapshot(genesys(ended)).why_unavailable(NOW) == UNAVAILABLE + anchor_ended
    assert (
        snapshot(genesys(ended), custom(ended)).why_unavailable(NOW) == f"{UNAVAILABLE}{anchor_ended}; {anchor_ended}"
    )
    assert snapshot(digicert(regional_ca())).why_unavailable(NOW) == UNAVAILABLE + "no client certificate is pinned yet"
    pinned = digicert(ended, pins=[pin(regional_ca().client())])
    assert snapshot(pinned).why_unavailable(NOW) == UNAVAILABLE + anchor_ended
