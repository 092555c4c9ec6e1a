"""The name must belong to the anchor's region, or the pin must name it."""

import pytest
from cryptography import x509

from mtls_middleware._core import chain, policy
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.trust import AuthorityTrust, Binding, build_trust
from mtls_middleware.identity import Authority, ClientIdentity
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.core.certs import (
    GENESYS,
    NAME,
    NOW,
    REGION,
    anchor,
    custom,
    digicert,
    genesys,
    good_client,
    new_ca,
    pin,
    presented,
    reason,
    regional_ca,
)

IRELAND = Binding(Authority.GENESYS, "eu-west-1")
IRISH_NAME = "dataactions.prod.eu-west-1.mypurecloud.ie"


def _identity(client: ClientCertificate, trust: AuthorityTrust) -> ClientIdentity:
    return policy.identify(chain.verify(presented(client), trust, NOW), trust, "nginx")


def _two_regions(here: RegionalCA, there: RegionalCA) -> AuthorityTrust:
    return build_trust(
        Authority.GENESYS,
        anchors=[anchor(here, GENESYS), anchor(there, IRELAND)],
        names={GENESYS: frozenset({NAME}), IRELAND: frozenset({IRISH_NAME})},
        max_chain=5,
    )


def test_the_identity_tells_who_called() -> None:
    client = good_client()
    assert _identity(client, genesys(regional_ca())) == ClientIdentity(
        region=REGION,
        authority=Authority.GENESYS,
        dns_names=(NAME,),
        subject=client.certificate.subject.rfc4514_string(),
        issuer=regional_ca().certificate.subject.rfc4514_string(),
        serial_number=client.certificate.serial_number,
        fingerprint_sha256=client.fingerprint_sha256,
        not_before=client.certificate.not_valid_before_utc,
        not_after=client.certificate.not_valid_after_utc,
        organization_id=None,
        source="nginx",
    )


def test_a_custom_caller_has_no_region() -> None:
    identity = _identity(good_client(), custom(regional_ca()))
    assert (identity.authority, identity.region) == (Authority.CUSTOM, None)


@pytest.mark.parametrize(
    ("region", "name", "expected"),
    [
        pytest.param("here", NAME, None, id="the region's name"),
        pytest.param("here", IRISH_NAME, Reason.REGION_MISMATCH, id="another region's name under this root"),
        pytest.param("there", NAME, Reason.REGION_MISMATCH, id="this region's name under another root"),
        pytest.param("there", IRISH_NAME, None, id="the other region's name under its root"),
    ],
)
def test_an_anchor_vouches_only_for_the_region_it_is_bound_to(region: str, name: str, expected: Reason | None) -> None:
    here, there = regional_ca(), new_ca("Regional Root")
    client = (here if region == "here" else there).client(names=[name])
    assert reason(client, _two_regions(here, there)) is expected


def test_the_region_is_that_of_the_anchor() -> None:
    there = new_ca("Regional Root")
    assert _identity(there.client(names=[IRISH_NAME]), _two_regions(regional_ca(), there)).region == "eu-west-1"


def test_a_root_that_is_bound_to_two_regions_tells_them_by_name() -> None:
    trust = _two_regions(regional_ca(), regional_ca())
    assert _identity(regional_ca().client(names=[IRISH_NAME]), trust).region == "eu-west-1"


def test_a_root_that_was_issued_again_with_its_key_vouches_alike() -> None:
    renewed = regional_ca().renewed(same_key=True)
    assert reason(good_client(), genesys(renewed)) is None


def test_a_namesake_of_the_root_with_another_key_vouches_for_nothing() -> None:
    assert reason(good_client(), genesys(regional_ca().renewed())) is Reason.ISSUER_UNTRUSTED


NAMES = {
    "exact": ([NAME], True),
    "upper case": ([NAME.upper()], True),
    "beside others": (["x.example", NAME], True),
    "none": ([], False),
    "another": (["x.example"], False),
    "a suffix": ([f"evil-{NAME}"], False),
    "a subdomain": ([f"a.{NAME}"], False),
    "a prefix": ([f"{NAME}.example"], False),
    "a final dot": ([f"{NAME}."], False),
    "a blank": ([f"{NAME} "], False),
    "NUL": ([f"{NAME}\0.example"], False),
    "a wildcard": (["*.prod.us-east-1.mypurecloud.com"], False),
    "a wildcard for everything": (["*"], False),
    "percent-encoded": ([NAME.replace(".", "%2e")], False),
    "two in one": ([f"{NAME},{NAME}"], False),
}


@pytest.mark.parametrize(("names", "matches"), NAMES.values(), ids=NAMES.keys())
def test_a_dns_name_matches_exactly_without_case(names: list[str], matches: bool) -> None:
    client = regional_ca().client(names=names or None, common_names=[], other_sans=[_EMAIL] if not names else [])
    assert reason(client, genesys(regional_ca())) is (None if matches else Reason.REGION_MISMATCH)


_EMAIL = x509.RFC822Name(f"caller@{NAME}")

OTHER_TYPES: dict[str, x509.GeneralName] = {
    "email": x509.RFC822Name(f"{NAME}@{NAME}"),
    "URI": x509.UniformResourceIdentifier(NAME),
    "otherName": x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x16\x2a" + NAME.encode()),
    "directoryName": x509.DirectoryName(x509.Name([x509.NameAttribute(x509.OID_COMMON_NAME, NAME)])),
    "registeredID": x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
}


@pytest.mark.parametrize("name", OTHER_TYPES.values(), ids=OTHER_TYPES.keys())
def test_only_a_dns_name_matches(name: x509.GeneralName) -> None:
    client = regional_ca().client(names=None, other_sans=[name])
    assert reason(client, genesys(regional_ca())) is Reason.REGION_MISMATCH


COMMON_NAMES = {
    "one": ([NAME], True),
    "one in upper case": ([NAME.upper()], True),
    "none": ([], False),
    "another": (["x.example"], False),
    "two": ([NAME, "x.example"], False),
    "the same twice": ([NAME, NAME.upper()], False),
}


@pytest.mark.parametrize(("common_names", "matches"), COMMON_NAMES.values(), ids=COMMON_NAMES.keys())
def test_the_single_cn_counts_where_there_is_no_san(common_names: list[str], matches: bool) -> None:
    client = regional_ca().client(names=None, common_names=common_names)
    assert reason(client, genesys(regional_ca())) is (None if matches else Reason.REGION_MISMATCH)


def test_the_cn_does_not_count_beside_a_san() -> None:
    client = regional_ca().client(names=None, common_names=[NAME], other_sans=[_EMAIL])
    assert reason(client, genesys(regional_ca())) is Reason.REGION_MISMATCH


def test_the_cn_does_not_count_for_custom() -> None:
    assert reason(regional_ca().client(names=None), custom(regional_ca())) is Reason.REGION_MISMATCH


def test_a_kelvin_sign_is_no_k() -> None:
    """Unicode's lower case of U+212A is ``k``."""
    client = regional_ca().client(names=None, common_names=["\u212a.example"])
    assert reason(client, genesys(regional_ca(), names=["k.example"])) is Reason.REGION_MISMATCH


def _mismatch(client: ClientCertificate, trust: AuthorityTrust) -> str:
    with pytest.raises(RejectionError) as refused:
        policy.identify(chain.verify(presented(client), trust, NOW), trust, "tls")
    return refused.value.detail


def test_a_mismatch_names_the_setting_that_would_accept_it() -> None:
    detail = _mismatch(regional_ca().client(names=["new.example"]), genesys(regional_ca()))
    assert f"MTLS_CERT_NAMES={REGION}=new.example" in detail
    assert NAME in detail


def test_a_mismatch_without_a_name_says_so() -> None:
    detail = _mismatch(regional_ca().client(names=None, other_sans=[_EMAIL]), genesys(regional_ca(), names=[]))
    assert "no DNS name" in detail
    assert "is not known" in detail


# ------------------------------------------------------------------------------------------------------------- pins


def test_a_pin_names_the_region() -> None:
    client = regional_ca().client(names=["whatever.example"])
    identity = _identity(client, digicert(regional_ca(), pins=[pin(client, "ap-southeast-2")]))
    assert (identity.authority, identity.region) == (Authority.DIGICERT, "ap-southeast-2")


def test_a_pinned_certificate_needs_no_name() -> None:
    client = regional_ca().client(names=None)
    assert reason(client, digicert(regional_ca(), pins=[pin(client)])) is None


def test_another_certificate_of_the_same_key_is_not_pinned() -> None:
    other = regional_ca().client(public_key_of=good_client())
    assert reason(other, digicert(regional_ca(), pins=[pin(good_client())])) is Reason.NOT_PINNED


def test_a_pin_is_no_anchor() -> None:
    stranger = new_ca("X").client()
    assert reason(stranger, digicert(regional_ca(), pins=[pin(stranger)])) is Reason.ISSUER_UNTRUSTED


def test_a_pinned_certificate_ends_with_its_life() -> None:
    client = regional_ca().client(expired=True)
    assert reason(client, digicert(regional_ca(), pins=[pin(client)])) is Reason.CERTIFICATE_EXPIRED


def test_who_is_named_by_the_subject_alone_has_no_dns_name() -> None:
    assert _identity(regional_ca().client(names=None), genesys(regional_ca())).dns_names == ()
