"""The table of presets, held against a second one, written from what the proxies were seen to send."""

import pytest

from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presets import NAMES, PRESETS, Encoding, HeaderNames, Marker

Row = tuple[str, str, tuple[str, ...], dict[str, str]]

FILE = "tests/core/sources/test_presets.py"

SUCCESS = "SUCCESS"

CONTRACT: dict[str, Row] = {
    "nginx": ("X-SSL-Client-Cert", "url-pem", (), {"X-SSL-Client-Verify": SUCCESS}),
    "ingress-nginx": ("ssl-client-cert", "url-pem", (), {"ssl-client-verify": SUCCESS}),
    "apache": (
        "X-SSL-Client-Cert",
        "pem-spaces",
        tuple(f"X-SSL-Client-Cert-Chain-{number}" for number in range(4)),
        {"X-SSL-Client-Verify": SUCCESS},
    ),
    "haproxy": (
        "X-SSL-Client-Cert",
        "b64-der",
        ("X-SSL-Client-Chain-DER",),
        {"X-SSL-Client-Used": "1", "X-SSL-Client-Verify": "0"},
    ),
    "envoy": ("X-Forwarded-Client-Cert", "xfcc", (), {}),
    "azure-container-apps": ("X-Forwarded-Client-Cert", "xfcc", (), {}),
    "traefik": ("X-Forwarded-Tls-Client-Cert", "b64-der-list", (), {}),
    "caddy": ("X-SSL-Client-Cert", "b64-der", (), {}),
    "kong": ("X-Client-Cert", "url-pem", (), {}),
    "aws-alb": ("X-Amzn-Mtls-Clientcert-Leaf", "url-pem", (), {}),
    "aws-alb-passthrough": ("X-Amzn-Mtls-Clientcert", "url-pem", (), {}),
    "cloudfront": ("CloudFront-Viewer-Cert-Pem", "url-pem", (), {"CloudFront-Viewer-Cert-Present": "1"}),
    "gcp": (
        "X-Client-Cert-Leaf",
        "rfc9440",
        ("X-Client-Cert-Chain",),
        {"X-Client-Cert-Present": "true", "X-Client-Cert-Chain-Verified": "true", "X-Client-Cert-Error": ""},
    ),
    "azure-app-service": ("X-ARR-ClientCert", "b64-der", (), {}),
    "azure-application-gateway": ("X-Client-Cert", "url-pem", (), {"X-Client-Cert-Verification": SUCCESS}),
    "cloudflare": (
        "Cf-Client-Cert-Der-Base64",
        "b64-der",
        (),
        {"Cf-Cert-Presented": "true", "Cf-Cert-Verified": "true", "Cf-Cert-Revoked": "false"},
    ),
    "cloud-foundry": ("X-Forwarded-Client-Cert", "b64-der", ("X-Forwarded-Client-Chain",), {}),
    "rfc9440": ("Client-Cert", "rfc9440", ("Client-Cert-Chain",), {}),
}

BUNDLED = {"envoy", "azure-container-apps", "traefik", "aws-alb-passthrough"}
"""Proxies that write the chain into the header of the certificate."""


def _row(header_names: HeaderNames) -> Row:
    markers = {marker.header: marker.value for marker in header_names.markers}
    return header_names.certificate, str(header_names.encoding), header_names.chain, markers


def test_each_preset_is_in_both_tables() -> None:
    assert {*PRESETS} ^ {*CONTRACT} == set(), f"add it to PRESETS in presets.py and to CONTRACT in {FILE}"


@pytest.mark.parametrize("name", CONTRACT)
def test_a_preset_is_that_of_the_contract(name: str) -> None:
    assert _row(PRESETS[name]) == CONTRACT[name], f"presets.py and CONTRACT in {FILE} differ: which one is wrong?"


def test_the_sources_are_the_presets_and_three_more() -> None:
    assert set(NAMES) == {"tls", "aws-api-gateway", "custom", *PRESETS}


def test_the_header_holds_the_chain_where_the_contract_says_in_it() -> None:
    bundled = {name for name, names in PRESETS.items() if names.bundled}
    assert bundled == BUNDLED, f"if the chain is in the certificate's header, add the proxy to BUNDLED in {FILE}"


def test_only_googles_error_may_be_absent() -> None:
    optional = {marker.header for names in PRESETS.values() for marker in names.markers if not marker.always_set}
    assert optional == {"X-Client-Cert-Error"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_makes_a_source_of_headers(name: str) -> None:
    source = source_of(name, PRESETS[name], 1)
    assert source == HeaderSource(name=name, header_names=PRESETS[name], xfcc_elements=1)


def test_a_source_names_every_header_that_it_reads() -> None:
    assert PRESETS["haproxy"].headers == {
        "X-SSL-Client-Cert",
        "X-SSL-Client-Chain-DER",
        "X-SSL-Client-Used",
        "X-SSL-Client-Verify",
    }


@pytest.mark.parametrize(
    ("markers", "has"),
    [
        pytest.param((), False, id="none"),
        pytest.param((Marker(header="X", value="", always_set=False),), False, id="one that may be absent"),
        pytest.param((Marker(header="X", value="1"),), True, id="one that is always set"),
    ],
)
def test_a_marker_counts_if_the_proxy_always_sets_it(markers: tuple[Marker, ...], *, has: bool) -> None:
    assert HeaderNames(certificate="X-Cert", encoding=Encoding.B64_DER, markers=markers).has_marker is has
