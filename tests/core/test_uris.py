"""A ``custom`` caller may be named by the only URI of its certificate, such as a SPIFFE ID: exactly, and as a URI."""

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from hashlib import sha256

import pytest
from cryptography import x509

from mtls_middleware._core import chain, policy
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.trust import AuthorityTrust
from mtls_middleware.testing import ClientCertificate
from tests.core.certs import NAME, NOW, custom, digicert, genesys, good_client, pin, presented, reason, regional_ca

ID = "spiffe://example.org/billing"


def client(uris: Sequence[str] = (ID,), dns_names: Sequence[str] | None = None) -> ClientCertificate:
    return regional_ca().client(names=dns_names, other_sans=[x509.UniformResourceIdentifier(uri) for uri in uris])


def trust(*names: str) -> AuthorityTrust:
    return custom(regional_ca(), names=names or (ID,))


GOOD: Mapping[str, tuple[Sequence[str], Sequence[str] | None]] = {
    "the URI alone": ([ID], None),
    "DNS names beside it": ([ID], ["x.example", NAME]),
}
BAD: Mapping[str, tuple[Sequence[str], Sequence[str] | None]] = {
    "no URI": ([], [NAME]),
    "another": ([f"{ID}2"], None),
    "a path below": ([f"{ID}/x"], None),
    "a path above": (["spiffe://example.org"], None),
    "a slash at its end": ([f"{ID}/"], None),
    "another case": ([ID.upper()], None),
    "another case in the scheme": ([ID.replace("spiffe", "SPIFFE")], None),
    "another trust domain": ([ID.replace("org", "com")], None),
    "a port": ([ID.replace("org", "org:443")], None),
    "a query": ([f"{ID}?x"], None),
    "percent-encoded": ([ID.replace("b", "%62")], None),
    "a NUL": ([f"{ID}\0"], None),
    "two": ([ID, "spiffe://example.org/other"], None),
    "the same twice": ([ID, ID], None),
    "another one first": (["https://example.org", ID], None),
    "a DNS name that looks like it": ([], [ID]),
    "a DNS name that looks like it, beside another URI": (["https://example.org"], [ID]),
}


@pytest.mark.parametrize(("uris", "dns_names"), GOOD.values(), ids=GOOD)
def test_the_only_uri_names_a_custom_caller(uris: Sequence[str], dns_names: Sequence[str] | None) -> None:
    assert reason(client(uris, dns_names), trust()) is None


@pytest.mark.parametrize(("uris", "dns_names"), BAD.values(), ids=BAD)
def test_nothing_else_does(uris: Sequence[str], dns_names: Sequence[str] | None) -> None:
    assert reason(client(uris, dns_names), trust()) is Reason.REGION_MISMATCH


def test_a_uri_that_looks_like_a_dns_name_is_none() -> None:
    assert reason(client([NAME]), trust(NAME)) is Reason.REGION_MISMATCH


def test_a_dns_name_counts_beside_any_uris() -> None:
    assert reason(client([ID, "spiffe://example.org/other"], [NAME]), trust(NAME)) is None


def test_a_uri_names_nobody_under_a_regional_root() -> None:
    assert reason(client(), genesys(regional_ca(), names=(ID,))) is Reason.REGION_MISMATCH


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        ([f"{ID}2"], f"MTLS_CERT_NAMES=custom={ID}2 would accept it"),
        ([ID, ID], "several URIs, which name nobody"),
        ([], "it has no DNS name; "),
    ],
)
def test_the_detail_says_what_was_seen(uris: Sequence[str], expected: str) -> None:
    verified = chain.verify(presented(client(uris, ["a:b"])), trust(), NOW)
    with pytest.raises(RejectionError) as refused:
        policy.identify(verified, trust(), "tls")
    assert expected in refused.value.detail


def test_the_identity_has_every_uri_and_the_thumbprint_of_rfc_8705() -> None:
    pinned = client([ID, "https://example.org/"])
    asked = digicert(regional_ca(), pins=[pin(pinned)])
    identity = policy.identify(chain.verify(presented(pinned), asked, NOW), asked, "tls")

    assert identity.uris == (ID, "https://example.org/")
    assert urlsafe_b64decode(identity.x5t_s256 + "=") == sha256(pinned.der).digest()
    assert "=" not in identity.x5t_s256
    assert policy.identify(chain.verify(presented(good_client()), trust(NAME), NOW), trust(NAME), "tls").uris == ()
