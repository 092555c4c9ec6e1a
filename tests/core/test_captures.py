"""What real proxies sent is read and judged as the contract says."""

import pytest

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.decision import Accepted, Decision, Reason, RejectionError
from mtls_middleware._core.sources.presented import Presented
from tests.core.captures import NOW, Capture, captures, snapshot

CHAIN_LIMIT = 5

INJECTED = "the certificate's own names inject a second Cert, or a second element"
TWO_ELEMENTS = "a caller's own element came before the proxy's"
NO_CERT = "Envoy was not told to send the certificate"
OLD_TRAEFIK = "before 2.9.4 Traefik percent-encoded the list; that is not the format of the preset"
EDGE_ONLY = "a proxy inside replaced the caller's element with that of the proxy at the edge"

MALFORMED = {
    "envoy-any-sanitizeset-none-rsa": NO_CERT,
    "envoy-any-sanitizeset-subjectdnsuri-rsa": NO_CERT,
    "envoy-any-sanitizeset-xfcc-dns": INJECTED,
    "envoy-any-sanitizeset-xfcc-uri": INJECTED,
    "envoy-any-sanitizeset-xfcc-uri-selfsigned": INJECTED,
    "envoy-hop-edge-appendforward-ec-forged": TWO_ELEMENTS,
    "envoy-hop-edge-sanitizeset-none": "without a client certificate there is one element, the edge's own",
    "envoy-optional-alwaysforward-none-forged": "its Hash is not that of its Cert",
    "envoy-optional-appendforward-ec-forged": TWO_ELEMENTS,
    "envoy-optional-appendforward-ec-forged-open-quote": TWO_ELEMENTS,
    "envoy-optional-forwardonly-ec-forged": "its Hash is not that of its Cert",
    "envoy-spoof-optional-alwaysforward-none-twice": "it is no XFCC at all",
    "envoy-spoof-optional-appendforward-rsa-twice": TWO_ELEMENTS,
    "envoy-spoof-optional-custom-none-same-name": "SPOOF-1 is no certificate",
    "nginx-spoof-optional-inherit-none-verify-spoof": "SPOOF-1 is no certificate, whatever the marker says",
    "apache-spoof-optional-add-rsa-same-name": "RequestHeader add put SPOOF-1 before the certificate",
    "traefik-v2.9.3--big4": OLD_TRAEFIK,
    "traefik-v2.9.3--inter": OLD_TRAEFIK,
    "traefik-v2.9.3--inter-full": OLD_TRAEFIK,
    "traefik-v2.9.3--rsa": OLD_TRAEFIK,
    "traefik-v2.9.3--unknown": OLD_TRAEFIK,
}
"""Captures with a certificate in them that is not read, and why."""

READ_ALL_THE_SAME = {
    "apache-any-b64-rsa": "the capture's own decoder did not know base64 of PEM",
    "envoy-hop-edge-sanitizeset-inter": "the caller's element is the first of two, as MTLS_XFCC_ELEMENTS=2 says",
    "envoy-hop-edge-sanitizeset-rsa": "the caller's element is the first of two, as MTLS_XFCC_ELEMENTS=2 says",
}
"""Captures that another decoder could not read, or misread, and why they can be."""

CHAIN_LOST = {
    "apache-any-inter-resumed-tls13": "a resumed session has no chain",
    "haproxy-any-rfc9440-inter-resumed-tls13": "a resumed session has no chain",
    "envoy-any-sanitizeset-cert-inter": "Envoy was told to send Cert alone",
}

PROXY_SAYS_NO = {
    "apache-any-pemspace-selfsigned": "FAILED:…",
    "apache-any-pemspace-unknown": "FAILED:…",
    "cloudflare-managed-big4": "the transform that adds the markers was off",
    "cloudflare-managed-inter": "the transform that adds the markers was off",
    "cloudflare-managed-inter-full": "the transform that adds the markers was off",
    "cloudflare-managed-rsa": "the transform that adds the markers was off",
    "cloudflare-managed-unknown": "the transform that adds the markers was off",
    "gcp-lb-allow-invalid-unknown": "verified is false",
    "haproxy-any-derb64-expired": "10",
    "haproxy-any-derb64-selfsigned": "18",
    "haproxy-any-derb64-unknown": "21",
    "haproxy-any-derb64-unknown-resumed-tls13": "21",
    "haproxy-any-derb64-wrongeku": "26",
    "haproxy-crlany-derb64-revoked": "23",
    "ingress-nginx-unknown": "FAILED:…",
    "nginx-any-escaped-inter-noint": "FAILED:…",
    "nginx-any-escaped-selfsigned": "FAILED:…",
    "nginx-any-escaped-unknown": "FAILED:…",
    "nginx-anynoca-escaped-rsa": "FAILED:…",
}
"""Honest captures with a certificate that the proxy did not verify."""

SPLIT = {
    "rfc9440-strict-big4-split-lines": "RFC 9440 lets a chain take several lines; here no header may come twice",
    "rfc9440-strict-inter-full-split-lines": "the same",
}

SPOOFS = {
    Reason.SOURCE_UNTRUSTED: (
        "apache-spoof-optional-pemspace-none-combo-all",
        "apache-spoof-optional-pemspace-none-underscore",
        "apache-spoof-optional-pemspace-rsa-combo-hopbyhop-underscore",
        "apache-spoof-optional-pemspace-rsa-underscore",
        "apache-spoof-optional-rfc9440-none-underscore",
        "caddy-spoof-optional-add-none-twice",
        "caddy-spoof-optional-add-rsa-same-name",
        "caddy-spoof-optional-derb64-none-underscore",
        "envoy-spoof-optional-sanitizeset-none-underscore",
        "envoy-spoof-optional-sanitizeset-rsa-underscore",
        "haproxy-spoof-optional-addheader-none-twice",
        "haproxy-spoof-optional-addheader-rsa-same-name",
        "haproxy-spoof-optional-derb64-none-underscore",
        "haproxy-spoof-optional-derb64-rsa-underscore",
        "haproxy-spoof-optional-naive-none-twice",
        "haproxy-spoof-optional-rfc9440-none-underscore",
        "nginx-spoof-optional-escaped-us-none-underscore",
        "nginx-spoof-optional-escaped-us-none-verify-underscore",
        "nginx-spoof-optional-escaped-us-rsa-underscore-mixed",
        "nginx-spoof-optional-inherit-rsa-twice",
    ),
    Reason.CERTIFICATE_MISSING: (
        "haproxy-spoof-optional-derb64-none-trailer",
        "haproxy-spoof-optional-rfc9440-none-h2-trailer",
        "haproxy-spoof-optional-rfc9440-none-trailer",
    ),
    Reason.PROXY_VERIFICATION_FAILED: (
        "apache-spoof-optional-add-none-twice",
        "haproxy-spoof-optional-naive-none-same-name",
    ),
    Reason.CERTIFICATE_MALFORMED: (
        "apache-spoof-optional-add-rsa-same-name",
        "envoy-spoof-optional-alwaysforward-none-twice",
        "envoy-spoof-optional-appendforward-rsa-twice",
        "envoy-spoof-optional-custom-none-same-name",
        "nginx-spoof-optional-inherit-none-verify-spoof",
    ),
}
"""Captures that the proxy let through, and that must not be believed."""

STRANGERS = ("big4", "hop", "inter", "inter-full", "inter-junk", "selfsigned", "unknown")
"""Clients whose certificate the regional root did not sign directly."""


def _named(predicate: str) -> list[Capture]:
    return [capture for capture in captures() if capture.expect.startswith(predicate)]


def _read(capture: Capture) -> Presented | None:
    return capture.source().read(capture.connection(), capture.fields(), CHAIN_LIMIT)


def _decide(capture: Capture) -> Decision:
    return capture.gate().decide(capture.connection(), snapshot(), NOW)


def _reason(capture: Capture) -> Reason | None:
    decision = _decide(capture)
    return None if isinstance(decision, Accepted) else decision.reason


READABLE = [
    capture
    for capture in captures()
    if (capture.expect == "certificate" and capture.id not in MALFORMED) or capture.id in READ_ALL_THE_SAME
]


@pytest.mark.parametrize("capture", READABLE, ids=lambda capture: capture.id)
def test_the_leaf_is_the_one_that_the_tls_client_sent(capture: Capture) -> None:
    presented = _read(capture)
    assert presented is not None
    assert capture.source().decode(presented, CHAIN_LIMIT)[0] == capture.leaf


@pytest.mark.parametrize(
    "capture",
    [
        capture
        for capture in READABLE
        if capture.carries_chain and capture.id not in CHAIN_LOST and capture.id not in SPLIT
    ],
    ids=lambda capture: capture.id,
)
def test_the_chain_is_the_one_that_the_tls_client_sent(capture: Capture) -> None:
    presented = _read(capture)
    assert presented is not None
    assert capture.source().decode(presented, CHAIN_LIMIT)[1:] == capture.chain


@pytest.mark.parametrize("capture", _named("no-certificate"), ids=lambda capture: capture.id)
def test_no_certificate_is_none_in_every_proxys_words(capture: Capture) -> None:
    assert _read(capture) is None


@pytest.mark.parametrize(
    "capture", [capture for capture in captures() if capture.id in MALFORMED], ids=lambda capture: capture.id
)
def test_what_is_ambiguous_is_malformed(capture: Capture) -> None:
    presented = _read(capture)
    assert presented is not None
    with pytest.raises(RejectionError) as refused:
        capture.source().decode(presented, CHAIN_LIMIT)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize(
    "capture",
    [capture for capture in READABLE if not capture.is_spoof],
    ids=lambda capture: capture.id,
)
def test_a_marker_complains_where_the_proxy_did_not_verify(capture: Capture) -> None:
    complaint = capture.source().upstream_failure(capture.connection(), capture.fields())
    assert (complaint is not None) == (capture.id in PROXY_SAYS_NO)


@pytest.mark.parametrize("capture", captures(), ids=lambda capture: capture.id)
def test_nobody_is_accepted_but_the_tls_client(capture: Capture) -> None:
    decision = _decide(capture)
    if isinstance(decision, Accepted):
        assert capture.leaf is not None
        assert decision.identity.fingerprint_sha256 == fingerprint(capture.leaf)


@pytest.mark.parametrize(
    "capture",
    [capture for capture in READABLE if not capture.is_spoof and capture.id not in {*PROXY_SAYS_NO, *SPLIT}],
    ids=lambda capture: capture.id,
)
def test_an_honest_client_gets_the_verdict_on_its_certificate(capture: Capture) -> None:
    if capture.client in STRANGERS:
        assert _reason(capture) is Reason.ISSUER_UNTRUSTED
    elif capture.client == "expired":
        assert _reason(capture) is Reason.CERTIFICATE_EXPIRED
    else:
        assert _reason(capture) is None


@pytest.mark.parametrize(
    "capture", [capture for capture in captures() if capture.id in PROXY_SAYS_NO], ids=lambda capture: capture.id
)
def test_what_the_proxy_did_not_verify_is_refused_before_it_is_verified_here(capture: Capture) -> None:
    assert _reason(capture) is Reason.PROXY_VERIFICATION_FAILED


@pytest.mark.parametrize(
    "capture", [capture for capture in captures() if capture.id in SPLIT], ids=lambda capture: capture.id
)
def test_a_chain_in_several_lines_is_refused(capture: Capture) -> None:
    assert _reason(capture) is Reason.SOURCE_UNTRUSTED


@pytest.mark.parametrize("capture", _named("must not be believed"), ids=lambda capture: capture.id)
def test_a_spoof_that_the_proxy_let_through_is_refused(capture: Capture) -> None:
    assert _reason(capture) in {reason for reason, ids in SPOOFS.items() if capture.id in ids}


def test_an_element_of_the_edge_proxy_is_not_taken_for_the_caller() -> None:
    (capture,) = (capture for capture in captures() if capture.id == "envoy-hop-edge-innerset-rsa")
    assert _reason(capture) is Reason.ISSUER_UNTRUSTED, EDGE_ONLY


def test_every_exception_belongs_to_a_capture() -> None:
    ids = {capture.id for capture in captures()}
    spoofs = {id_ for group in SPOOFS.values() for id_ in group}
    assert {*MALFORMED, *READ_ALL_THE_SAME, *CHAIN_LOST, *PROXY_SAYS_NO, *SPLIT, *spoofs} <= ids
