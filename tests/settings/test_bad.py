"""Each mistake is told with the variable's name; nothing else is made up beside it."""

from ipaddress import ip_network
from typing import Any

import pytest

from mtls_middleware.errors import ConfigurationError
from mtls_middleware.settings import Settings

SECRET = "correct-horse-battery"  # long enough, and nobody's
PIN = "0123456789abcdef" * 4
ONE_REGION = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/trust/US-East-1.zip"}
TWO_REGIONS = {"MTLS_REGIONS": "us-east-1,eu-west-1", "MTLS_TRUST": "/trust"}
CUSTOM = {"MTLS_AUTHORITIES": "custom", "MTLS_TRUST": "/trust/ca.pem", "MTLS_CERT_NAMES": "caller.example.com"}
DIGICERT = {"MTLS_AUTHORITIES": "digicert", "MTLS_REGIONS": "us-east-1", "MTLS_PINS": PIN}
NGINX = {**ONE_REGION, "MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}
CUSTOM_SOURCE = {**NGINX, "MTLS_SOURCE": "custom", "MTLS_HEADER": "X-Cert", "MTLS_HEADER_ENCODING": "b64-der"}


def problems_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_env(environ)
    return raised.value.problems


@pytest.mark.parametrize(
    ("base", "name", "text", "says"),
    [
        pytest.param(ONE_REGION, "REGIONS", "us-east-11", "did you mean 'us-east-1'", id="region-misspelt"),
        pytest.param(ONE_REGION, "AUTHORITIES", "genesis", "must be one of genesys, digicert, custom", id="authority"),
        pytest.param(ONE_REGION, "TRUST", "us-east-1=", "nothing behind its prefix", id="prefix-alone"),
        pytest.param(ONE_REGION, "TRUST", "eu-west-1=/t", "add it to MTLS_REGIONS", id="region-not-configured"),
        pytest.param(ONE_REGION, "TRUST", "root=1.pem", "write us-east-1=", id="no-prefix-of-ours"),
        pytest.param(ONE_REGION, "TRUST", "digicert=/t", "not configured", id="authority-not-configured"),
        pytest.param(TWO_REGIONS, "TRUST", "us-east-1=/t", "no entry for eu-west-1", id="a-region-without-root"),
        pytest.param(ONE_REGION, "PINS", PIN, "has no use here", id="pins-without-digicert"),
        pytest.param(ONE_REGION, "CERT_NAMES", "*.example.com", "exact DNS name", id="wildcard"),
        pytest.param(ONE_REGION, "CERT_NAMES", "spiffe://example.org/x", "is a URI", id="uri-of-a-region"),
        *(
            pytest.param(CUSTOM, "CERT_NAMES", uri, "no SPIFFE ID", id=f"spiffe-{number}")
            for number, uri in enumerate(
                (
                    "spiffe:example.org/x",
                    "spiffe://",
                    "spiffe:///x",
                    "spiffe://Example.org/x",
                    "SPIFFE://example.org/x",
                    "spiffe://example.org/",
                    "spiffe://example.org/x/",
                    "spiffe://example.org//x",
                    "spiffe://example.org/./x",
                    "spiffe://example.org/x/..",
                    "spiffe://example.org:443/x",
                    "spiffe://user@example.org/x",
                    "spiffe://example.org/x?y",
                    "spiffe://example.org/x#y",
                    "spiffe://example.org/%78",
                    "spiffe://example.org/*",
                    "spiffe://example.org/ü",
                )
            )
        ),
        pytest.param(CUSTOM, "CERT_NAMES", "https://example.org/*", "exact URI", id="uri-with-wildcard"),
        pytest.param(CUSTOM, "CERT_NAMES", "https://example.org/a b", "exact URI", id="uri-with-blank"),
        pytest.param(CUSTOM, "CERT_NAMES", "caller.example.com:443", "exact URI", id="name-with-port"),
        pytest.param(CUSTOM, "CERT_NAMES", "1:2", "exact URI", id="uri-without-scheme"),
        pytest.param(ONE_REGION, "CERT_NAMES", "10.0.0.1", "exact DNS name", id="address"),
        pytest.param(ONE_REGION, "CERT_NAMES", "a.example.com.", "exact DNS name", id="final-dot"),
        pytest.param(ONE_REGION, "CERT_NAMES", "a_b.example.com", "exact DNS name", id="underscore"),
        pytest.param(TWO_REGIONS, "CERT_NAMES", "a.example.com", "needs a prefix", id="name-for-which-region"),
        pytest.param(ONE_REGION, "SOURCE", "ngnix", "must be one of tls, nginx", id="source"),
        pytest.param(ONE_REGION, "SOURCE", "Ngnix", "; did you mean 'nginx'?", id="source-mistyped"),
        pytest.param(ONE_REGION, "MODE", "reprot", "report; did you mean 'report'?", id="mode-mistyped"),
        pytest.param(ONE_REGION, "SOURCE", "nginx", "proves nothing", id="header-without-boundary"),
        pytest.param(ONE_REGION, "HEADER", "X-Cert", "reads no header", id="tls-with-header"),
        pytest.param(CUSTOM_SOURCE, "CHAIN_HEADER", "x_cert", "choose another", id="one-header-two-roles"),
        pytest.param(
            NGINX, "PROXY_SECRET_HEADER", "X_SSL_Client_Cert", "HEADER too", id="secret-in-certificate-header"
        ),
        pytest.param(NGINX, "HEADER", "Cookie", "meaning of its own", id="certificate-in-cookie"),
        pytest.param(NGINX, "HEADER", "X Cert", "no name of a header", id="no-token"),
        pytest.param(NGINX, "ORGANIZATION_HEADER", "X Org", "no name of a header", id="no-token-for-the-organisation"),
        pytest.param(NGINX, "XFCC_ELEMENTS", "2", "only for the encoding xfcc", id="elements-of-nothing"),
        pytest.param({**NGINX, "MTLS_SOURCE": "envoy"}, "XFCC_ELEMENTS", "17", "1 to 16", id="too-many-elements"),
        pytest.param(
            {**NGINX, "MTLS_SOURCE": "envoy"}, "CHAIN_HEADER", "X-C", "holds the chain itself", id="chain-twice"
        ),
        pytest.param(ONE_REGION, "TRUSTED_PROXIES", "10.0.0.1/8", "did you mean '10.0.0.0/8'", id="host-bits"),
        *(
            pytest.param(ONE_REGION, "TRUSTED_PROXIES", text, "would trust everybody", id=f"everybody-{text}")
            for text in ("*", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "0.0.0.0/0.0.0.0")
        ),
        pytest.param(NGINX, "PROXY_SECRET", "short", "at least 16", id="short-secret"),
        pytest.param(
            NGINX, "PROXY_SECRET", ",".join([SECRET, SECRET + "1", SECRET + "2"]), "3 secrets", id="3-secrets"
        ),
        pytest.param(NGINX, "PROXY_SECRET", "geheim-ä-" * 3, "printable ASCII", id="secret-not-ascii"),
        *(
            pytest.param(ONE_REGION, "PROTECT", text, "must be a path", id=f"path-{text}")
            for text in (
                "actions",
                "/a?b",
                "/a#b",
                "/a/../b",
                "/a//b",
                "/a;b",
                "/a%2fb",
                "/a\\b",
                "/a*",
                "/./a",
                "/a/.",
                "/a/:id",
                "/a$",
                "/a\u200bb",
                "/a\ufffd",
                "/\uff0fa",
            )
        ),
        *(
            pytest.param(ONE_REGION, name, text, f"did you mean '{right}'?", id=f"{name}-{text}")
            for name in ("PROTECT", "EXEMPT")
            for text, right in (
                ("actions", "/actions"),
                ("actions/lookup/", "/actions/lookup"),
                ("/actions/{id}", "/actions"),
                ("/actions/{id:int}", "/actions"),
                ("/actions/<id>", "/actions"),
                ("/actions/<int:id>", "/actions"),
                ("/actions/:id", "/actions"),
                ("/actions/*", "/actions"),
                ("/actions/**", "/actions"),
                ("/actions/[a-z]+", "/actions"),
                ("^/actions$", "/actions"),
                ("/actions(/.*)?", "/actions"),
                ("https://host.example/actions", "/actions"),
                ("/actions?x=1", "/actions"),
                ("/actions;v=1", "/actions"),
                ("//actions/./x", "/actions/x"),
                ("\\actions", "/actions"),
                ("/my%20actions", "/my actions"),
            )
        ),
        *(
            pytest.param(ONE_REGION, "PROTECT", text, f"did you mean '{right}'?", id=f"protect-{text}")
            for text, right in (
                ("/<id>", "/"),
                ("/{id}", "/"),
                ("*", "/"),
                ("/act*", "/"),
                ("/actions{tail}", "/"),
                ("/customers/{id}/orders", "/customers"),
                ("/x/act<id>/:y", "/x"),
            )
        ),
        pytest.param(ONE_REGION, "EXEMPT", "/", "would exempt everything", id="exempt-all"),
        pytest.param(ONE_REGION, "ORGANIZATION_IDS", "0" * 32, "must be a UUID", id="uuid-without-hyphens"),
        *(
            pytest.param(ONE_REGION, name, text, "whole number", id=f"{name}-{text}")
            for name, text in [
                ("REFRESH_SECONDS", "0"),
                ("REFRESH_SECONDS", "86401"),
                ("REFRESH_SECONDS", "1e3"),
                ("REFRESH_SECONDS", "٣"),
                ("MAX_HEADER_BYTES", "1023"),
                ("MAX_HEADER_BYTES", "1048577"),
                ("MAX_CHAIN", "+5"),
                ("MAX_CHAIN", "129"),
                ("MAX_CHUNKED_BODY_BYTES", "1023"),
                ("MAX_CHUNKED_BODY_BYTES", "1073741825"),
            ]
        ),
        pytest.param(ONE_REGION, "MODE", "off", "must be one of enforce, report", id="mode"),
        pytest.param(ONE_REGION, "PROXY_DROPS_UNDERSCORES", "maybe", "must be yes or no", id="switch"),
        pytest.param(ONE_REGION, "REVOCATION", "maybe", "must be one of require, check, off", id="revocation"),
        *(
            pytest.param(ONE_REGION, "CRL_URLS", text, says, id=f"crl-{text}")
            for text, says in [
                ("ldap://a", "must be an http or https address"),
                ("http://user@a/b", "no user"),
                ("http://a:0/b", "port"),
                ("http://a:99999/b", "port"),
            ]
        ),
        pytest.param(ONE_REGION, "CRL_NETWORKS", "0.0.0.0/0", "everybody", id="crl-networks"),
        pytest.param(ONE_REGION, "STATE_SECRET", "short", "at least 16", id="state-secret"),
        pytest.param(ONE_REGION, "MODES", "report", "did you mean MTLS_MODE?", id="unknown-name"),
        pytest.param(ONE_REGION, "TRUST_FILE", "/t", "there is no such setting", id="twin-of-what-is-no-secret"),
    ],
)
def test_one_mistake_is_one_problem(base: dict[str, str], name: str, text: str, says: str) -> None:
    (problem,) = problems_of({**base, f"MTLS_{name}": text})
    assert problem.startswith(f"MTLS_{name}: ")
    assert says in problem


@pytest.mark.parametrize(
    ("environ", "name", "says"),
    [
        pytest.param({}, "REGIONS", "is required", id="nothing-at-all"),
        pytest.param({"MTLS_REGIONS": "us-east-1"}, "TRUST", "is required", id="no-trust"),
        pytest.param({**ONE_REGION, "MTLS_REGIONS": "eusc-de-east-1"}, "CERT_NAMES", "is required", id="name-unknown"),
        pytest.param({"MTLS_AUTHORITIES": "custom", "MTLS_TRUST": "/t"}, "CERT_NAMES", "custom=NAME", id="custom-name"),
        pytest.param({**DIGICERT, "MTLS_PINS": "ab:cd:ef"}, "PINS", "a SHA-256 has 64", id="short-pin-with-colons"),
        pytest.param({**DIGICERT, "MTLS_PINS": "ab" * 20}, "PINS", "a SHA-256 has 64", id="sha-1"),
        pytest.param({**DIGICERT, "MTLS_REGIONS": "us-east-1,eu-west-1"}, "PINS", "needs a prefix", id="pin-for-which"),
        pytest.param({**NGINX, "MTLS_SOURCE": "custom"}, "HEADER", "is required", id="custom-source-header"),
        pytest.param({**NGINX, "MTLS_SOURCE": "custom"}, "HEADER_ENCODING", "is required", id="custom-source-encoding"),
        pytest.param(
            {**CUSTOM_SOURCE, "MTLS_VERIFY_HEADER": "X-Ok"}, "VERIFY_VALUE", "is required", id="half-a-marker"
        ),
        pytest.param({**CUSTOM, "MTLS_REGIONS": "nowhere"}, "REGIONS", "is no region", id="custom-with-a-bad-region"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], name: str, says: str) -> None:
    assert [text for text in problems_of(environ) if text.startswith(f"MTLS_{name}: ") and says in text]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("REGIONS", "us-east-1;eu-west-1"),
        ("REGIONS", "us-east-1 ; eu-west-1,sa-east-1"),
        ("REGIONS", "us-east-1 eu-west-1"),
        ("REGIONS", "us-east-1\neu-west-1"),
        ("AUTHORITIES", "genesys;custom"),
        ("AUTHORITIES", "genesys custom"),
        ("TRUST", "US-East-1.zip;EU-West-1.zip"),
        ("TRUST", "/trust/US-East-1.zip;/trust/EU-West-1.zip"),
        ("TRUST", "us-east-1=a.zip; eu-west-1=b.zip"),
        ("CERT_NAMES", "us-east-1=a.example;us-east-1=b.example"),
        ("PROTECT", "/actions;/lookup"),
        ("EXEMPT", "/health;/ready"),
        ("CRL_URLS", "http://a.example/a.crl;http://b.example/b.crl"),
        ("TRUSTED_PROXIES", "10.0.0.1;10.0.0.2"),
        ("TRUSTED_PROXIES", "10.0.0.1 10.0.0.2"),
        ("ORGANIZATION_IDS", "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90;0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e91"),
    ],
)
def test_another_separator_than_a_comma_is_one_problem_that_says_so(name: str, text: str) -> None:
    told = [problem for problem in problems_of({**ONE_REGION, f"MTLS_{name}": text}) if f"MTLS_{name}: " in problem]

    assert ["separate entries by commas" in problem for problem in told] == [True]


@pytest.mark.parametrize("text", ["http://a.example/a;v=1.crl", "http://a.example/crl?a;b", "/crls/a b.crl"])
def test_an_address_or_a_path_may_hold_another_separator(text: str) -> None:
    assert Settings.from_env({**ONE_REGION, "MTLS_CRL_URLS": text}).crl_urls == (text,)


@pytest.mark.parametrize("region", ["eu-west-3", "ca-west-1", "xyz1.pure.cloud", "nowhere"])
def test_a_region_that_the_table_does_not_know_is_refused_with_the_ways(region: str) -> None:
    (told,) = (problem for problem in problems_of({**ONE_REGION, "MTLS_REGIONS": region}) if "is no region" in problem)

    assert told.startswith(f"MTLS_REGIONS: '{region}' is no region")
    assert "upgrade mtls-middleware, or use MTLS_AUTHORITIES=custom" in told


@pytest.mark.parametrize("text", ["", "  ", ",", " , ,"])
@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "EXEMPT", "ORGANIZATION_IDS", "CALLER_SECRET", "PROTECT"])
def test_set_but_empty_is_a_problem(name: str, text: str) -> None:
    assert [problem for problem in problems_of({**ONE_REGION, f"MTLS_{name}": text}) if "but empty" in problem]


def test_a_secret_and_its_file_are_one_too_many() -> None:
    (problem,) = problems_of({**NGINX, "MTLS_PROXY_SECRET_FILE": "/s"})
    assert problem == "MTLS_PROXY_SECRET: MTLS_PROXY_SECRET_FILE is set too: keep one of them"


def test_every_mistake_is_told_at_once() -> None:
    wrong = {"MODE": "x", "MAX_CHAIN": "x", "SOURCE": "x", "PROTECT": "x", "CALLER_SECRET": "x", "MOOD": "x"}
    told = problems_of({**ONE_REGION, **{f"MTLS_{name}": text for name, text in wrong.items()}})
    assert {problem.partition(":")[0] for problem in told} == {f"MTLS_{name}" for name in wrong}


def test_a_value_is_shown_without_its_control_characters() -> None:
    assert "\x1b" not in "".join(problems_of({**ONE_REGION, "MTLS_CRL_URLS": "ldap://a\x1b[31m"}))


def test_an_empty_prefix_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        Settings.from_env(ONE_REGION, prefix="")


@pytest.mark.parametrize(
    "keywords",
    [
        pytest.param({"moed": "report"}, id="unknown"),
        pytest.param({"trust_port": "x"}, id="looks-like-a-kubernetes-name"),
        pytest.param({"MODE": "report"}, id="upper-case"),
        pytest.param({"max_chain": 5.0}, id="float"),
        pytest.param({"max_chain": True}, id="switch-for-a-number"),
        pytest.param({"mode": object()}, id="object"),
        pytest.param({"proxy_secret": SECRET.encode()}, id="bytes"),
        pytest.param({"trusted_proxies": ip_network("10.0.0.0/8")}, id="network"),
        pytest.param({"trusted_proxies": []}, id="empty-list"),
    ],
)
def test_a_bad_keyword_is_a_configuration_error(keywords: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings(regions="us-east-1", trust="/t", **keywords)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("text", ["/{id}", "*", "/customers/{id}/health", "/heal*", "/health\u200b"])
def test_no_exemption_is_suggested_that_is_wider_than_what_was_meant(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a path") as raised:
        Settings.from_env({**ONE_REGION, "MTLS_EXEMPT": text})

    assert "did you mean" not in str(raised.value)
