"""What went wrong elsewhere, through every adapter: the lessons that no other file here is about.

A request case runs through HTTP, WebSocket and WSGI, and all must say the same (`call`).
"""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from mtls_middleware import Guard
from mtls_middleware.testing import RegionalCA, tls_extension
from mtls_middleware.testing.encodings import b64_der, b64_der_list, byte_sequences, pem_spaces, url_pem, xfcc_element
from mtls_middleware.testing.signing import KeyKind
from tests.adapters.cases import Case, call
from tests.adapters.site import (
    DAY,
    NGINX,
    NOW,
    SECRET_HEADER,
    Site,
    big_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

GOOD = next(client for client in iter(regional_ca().client, None) if "+" in client.pem and "/" in client.pem)
"""A right certificate that has what encodings get wrong: one in sixty has no ``+``."""
OTHER_NAME = "dataactions.prod-euw1.eu-west-1.mypurecloud.com"


def source(name: str) -> dict[str, str]:
    return {**NGINX, "MTLS_SOURCE": name}


def from_proxy(*headers: tuple[str, str]) -> Case:
    return Case(headers=(*headers, SECRET_HEADER))


class TestResumption:
    """Lesson 8: a resumed session brings the leaf alone."""

    @pytest.fixture
    def lower(self) -> RegionalCA:
        return regional_ca().intermediate("Lower CA")

    def test_lesson_8_a_lost_intermediate_is_named_as_the_likely_reason(
        self, site: Site, lower: RegionalCA, caplog: pytest.LogCaptureFixture
    ) -> None:
        guard = self._custom(site, str(site.root))
        client = lower.client(names=["caller.example.com"])
        assert call(guard, over_tls(client)).verdict == "accepted"
        resumed = Case(tls={**tls_extension(client), "client_cert_chain": [client.pem]})
        assert call(guard, resumed).verdict == "issuer_untrusted"
        assert "a resumed TLS session does not bring any" in caplog.text

    def test_lesson_8_an_intermediate_that_is_configured_is_never_lost(self, site: Site, lower: RegionalCA) -> None:
        path = site.folder / "lower.pem"
        path.write_text(lower.pem, encoding="ascii")
        client = lower.client(names=["caller.example.com"])
        resumed = Case(tls={**tls_extension(client), "client_cert_chain": [client.pem]})
        assert call(self._custom(site, str(path)), resumed).verdict == "accepted"

    def _custom(self, site: Site, anchor: str) -> Guard:
        site.environ()
        names = "custom=caller.example.com"
        trust = f"us-east-1={site.root},custom={anchor}"
        return site.guard(authorities="genesys,custom", trust=trust, cert_names=names)


class TestNothingOfOneServesAnother:
    """Lesson 11: the bytes presented are the key, and nothing less."""

    def test_lesson_11_the_same_key_and_subject_under_another_name(self, site: Site) -> None:
        guard = site.guard()
        twin = regional_ca().client(
            names=[OTHER_NAME], public_key_of=GOOD, serial_number=GOOD.certificate.serial_number
        )
        verdicts = [call(guard, over_tls(client)).verdict for client in (GOOD, twin, GOOD)]
        assert verdicts == ["accepted", "region_mismatch", "accepted"]

    def test_lesson_11_the_same_leaf_behind_another(self, site: Site) -> None:
        guard = site.guard()
        assert call(guard, over_tls(GOOD)).verdict == "accepted"
        stranger = stranger_ca().client()
        case = Case(tls={**tls_extension(None), "client_cert_chain": [stranger.pem, GOOD.pem]})
        assert call(guard, case).verdict == "issuer_untrusted"

    def test_lesson_11_one_identity_does_not_become_another_s(self, site: Site) -> None:
        guard = site.guard()
        clients = [regional_ca().client() for _ in range(2)]
        outcomes = [call(guard, over_tls(client)) for client in (*clients, *clients)]
        seen = [outcome.identity.fingerprint_sha256 for outcome in outcomes if outcome.identity]
        assert seen == [client.fingerprint_sha256 for client in clients] * 2


def test_lesson_13_a_server_s_certificate_is_no_client_s(site: Site) -> None:
    client = regional_ca().client(server_only=True)
    assert call(site.guard(), over_tls(client)).verdict == "purpose_mismatch"
    assert call(site.guard(NGINX), through_nginx(client)).verdict == "purpose_mismatch"


_STRANGER = stranger_ca().client()

XFCC = {
    "a SAN that adds a pair": xfcc_element(_STRANGER, pairs=[("URI", f'x;Cert="{url_pem(GOOD)}"')]),
    "a SAN that adds an element": xfcc_element(_STRANGER, pairs=[("DNS", f"x,{xfcc_element(GOOD)}")]),
    "two elements": f"{xfcc_element(GOOD)},{xfcc_element(GOOD)}",
    "the hash of another": xfcc_element(GOOD, hash_sha256=_STRANGER.fingerprint_sha256),
    "no certificate": xfcc_element(GOOD, with_certificate=False, with_chain=False),
    "a hash alone": f"Hash={GOOD.fingerprint_sha256}",
    "names alone": f'By=spiffe://a;Subject="CN=x";URI=x;DNS={GOOD.certificate.subject.rfc4514_string()}',
    "an open quote": f'{xfcc_element(GOOD)};Subject="CN=x',
    "a key twice": f"{xfcc_element(GOOD)};Hash={GOOD.fingerprint_sha256}",
    "a chain of another": f'{xfcc_element(GOOD, with_chain=False)};Chain="{url_pem(_STRANGER)}"',
}


@pytest.mark.parametrize("value", XFCC.values(), ids=XFCC)
def test_lesson_14_whatever_is_injected_into_xfcc(site: Site, value: str) -> None:
    case = from_proxy(("X-Forwarded-Client-Cert", value))
    assert call(site.guard(source("envoy")), case).verdict == "certificate_malformed"


def test_lesson_14_names_in_xfcc_are_nobody_s_identity(site: Site) -> None:
    pairs = [("Subject", f'"{GOOD.certificate.subject.rfc4514_string()}"'), ("DNS", regional_ca().cert_name)]
    case = from_proxy(("X-Forwarded-Client-Cert", xfcc_element(_STRANGER, pairs=pairs)))
    assert call(site.guard(source("envoy")), case).verdict == "issuer_untrusted"


LIES = [
    *(("nginx", "X-SSL-Client-Verify", says) for says in ("NONE", "FAILED", "FAILED:certificate has expired", "", "0")),
    *(("nginx", "X-SSL-Client-Verify", says) for says in ("success", "SUCCESS:", "SUCCESS,SUCCESS", "(null)")),
    *(("apache", "X-SSL-Client-Verify", says) for says in ("GENEROUS", "NONE", "FAILED:self-signed", "(null)")),
    *(("haproxy", "X-SSL-Client-Verify", says) for says in ("1", "20", "00", "", "SUCCESS")),
    *(("haproxy", "X-SSL-Client-Used", says) for says in ("0", "", "true", "01")),
    *(("cloudflare", "Cf-Cert-Presented", says) for says in ("false", "", "True")),
    *(("cloudflare", "Cf-Cert-Verified", says) for says in ("false", "", "SUCCESS")),
    *(("cloudflare", "Cf-Cert-Revoked", says) for says in ("true", "", "False")),
    *(("cloudfront", "CloudFront-Viewer-Cert-Present", says) for says in ("0", "", "true")),
    *(("gcp", "X-Client-Cert-Present", says) for says in ("false", "", "1")),
    *(("gcp", "X-Client-Cert-Chain-Verified", says) for says in ("false", "", "SUCCESS")),
    ("gcp", "X-Client-Cert-Error", "client_cert_chain_max_name_constraints_exceeded"),
    ("azure-application-gateway", "X-Client-Cert-Verification", "FAILED:x"),
    ("ingress-nginx", "ssl-client-verify", "NONE"),
]
"""Source, marker, and what it says when the proxy's verification did not succeed."""

SENT = {
    "nginx": [("X-SSL-Client-Cert", url_pem(GOOD)), ("X-SSL-Client-Verify", "SUCCESS")],
    "ingress-nginx": [("ssl-client-cert", url_pem(GOOD)), ("ssl-client-verify", "SUCCESS")],
    "apache": [("X-SSL-Client-Cert", pem_spaces(GOOD)), ("X-SSL-Client-Verify", "SUCCESS")],
    "haproxy": [("X-SSL-Client-Cert", b64_der(GOOD)), ("X-SSL-Client-Used", "1"), ("X-SSL-Client-Verify", "0")],
    "cloudflare": [
        ("Cf-Client-Cert-Der-Base64", b64_der(GOOD)),
        ("Cf-Cert-Presented", "true"),
        ("Cf-Cert-Verified", "true"),
        ("Cf-Cert-Revoked", "false"),
    ],
    "cloudfront": [("CloudFront-Viewer-Cert-Pem", url_pem(GOOD)), ("CloudFront-Viewer-Cert-Present", "1")],
    "gcp": [
        ("X-Client-Cert-Leaf", byte_sequences(GOOD)),
        ("X-Client-Cert-Present", "true"),
        ("X-Client-Cert-Chain-Verified", "true"),
    ],
    "azure-application-gateway": [
        ("X-Client-Cert", url_pem(GOOD)),
        ("X-Client-Cert-Verification", "SUCCESS"),
    ],
}
"""What each proxy with a marker sends when it is content."""


@pytest.mark.parametrize(("proxy", "marker", "says"), LIES, ids=["-".join(lie) for lie in LIES])
def test_lesson_17_a_marker_that_does_not_say_success(site: Site, proxy: str, marker: str, says: str) -> None:
    case = from_proxy(*SENT[proxy])
    assert call(site.guard(source(proxy)), case).verdict == "accepted"
    assert call(site.guard(source(proxy)), case.changed(marker, says)).verdict == "proxy_verification_failed"


def test_lesson_17_haproxy_says_0_without_a_certificate_too(site: Site) -> None:
    headers = (("X-SSL-Client-Cert", ""), ("X-SSL-Client-Used", "0"), ("X-SSL-Client-Verify", "0"))
    assert call(site.guard(source("haproxy")), from_proxy(*headers)).verdict == "certificate_missing"


UNVERIFIED = {
    "azure-app-service": ("X-ARR-ClientCert", b64_der(_STRANGER)),
    "azure-container-apps": ("X-Forwarded-Client-Cert", xfcc_element(_STRANGER)),
    "aws-alb-passthrough": ("X-Amzn-Mtls-Clientcert", url_pem(_STRANGER)),
    "traefik": ("X-Forwarded-Tls-Client-Cert", b64_der_list(_STRANGER)),
    "caddy": ("X-SSL-Client-Cert", b64_der(_STRANGER)),
}
"""Modes in which a proxy passes on what it has not verified."""


@pytest.mark.parametrize("name", UNVERIFIED)
def test_lesson_18_what_no_proxy_verified_is_verified_here(site: Site, name: str) -> None:
    assert call(site.guard(source(name)), from_proxy(UNVERIFIED[name])).verdict == "issuer_untrusted"


class TestBounds:
    """Lesson 22: limits come before any work, and the answer gives nothing away."""

    def test_lesson_22_too_many_bytes(self, site: Site) -> None:
        for guard, case in (
            (site.guard(max_header_bytes="4096"), over_tls(big_client())),
            (site.guard(NGINX, max_header_bytes="4096"), through_nginx(big_client())),
        ):
            assert call(guard, case).verdict == "certificate_too_large"

    def test_lesson_22_too_many_certificates(self, site: Site) -> None:
        listed = b64_der_list(*[GOOD] * 6)
        assert call(site.guard(), Case(tls={"client_cert_chain": [GOOD.pem] * 6})).verdict == "certificate_too_large"
        case = from_proxy(("X-Forwarded-Tls-Client-Cert", listed))
        assert call(site.guard(source("traefik")), case).verdict == "certificate_too_large"

    @pytest.mark.parametrize("key", [KeyKind.RSA1024, KeyKind.ED25519, KeyKind.SECP256K1])
    def test_lesson_22_a_key_that_nobody_uses(self, site: Site, key: KeyKind) -> None:
        assert call(site.guard(), over_tls(regional_ca().client(key=key))).verdict == "issuer_untrusted"

    @pytest.mark.parametrize(
        "text",
        [
            "-----BEGIN CERTIFICATE-----" * 500,
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            GOOD.pem.replace("CERTIFICATE", "X509 CRL"),
            f"junk {GOOD.pem}",
            f"{GOOD.pem} junk",
        ],
        ids=["nested", "empty", "another-label", "before", "behind"],
    )
    def test_lesson_22_23_junk_is_malformed_and_never_anonymous(self, site: Site, text: str) -> None:
        outcome = call(site.guard(), Case(tls={"client_cert_chain": [text]}))
        assert outcome.verdict == "certificate_malformed"
        assert "BEGIN" not in outcome.body.decode()
        through = from_proxy(("X-SSL-Client-Cert", quote(text, safe="")), ("X-SSL-Client-Verify", "SUCCESS"))
        assert call(site.guard(NGINX), through).verdict == "certificate_malformed"

    def test_lesson_22_a_refusal_does_not_echo_what_was_sent(self, site: Site) -> None:
        case = from_proxy(("X-SSL-Client-Cert", "<script>"), ("X-SSL-Client-Verify", "<b>"))
        assert not re.search(r"script|<b>", call(site.guard(NGINX), case).body.decode())


DECODED = {
    "nginx's": (url_pem(GOOD), "accepted"),
    "lower case": (re.sub("%..", lambda code: code[0].lower(), url_pem(GOOD)), "accepted"),
    "a plus as itself": (quote(GOOD.pem, safe="+/="), "accepted"),
    "white space behind": (url_pem(GOOD) + " \t", "accepted"),
    "white space before": ("  " + url_pem(GOOD), "accepted"),
    "encoded twice": (quote(url_pem(GOOD), safe=""), "certificate_malformed"),
    "a blank for each plus": (quote(GOOD.pem.replace("+", " "), safe="+/="), "certificate_malformed"),
    "a line of the alphabet for URLs": (quote(GOOD.pem.replace("/", "_")), "certificate_malformed"),
}


@pytest.mark.parametrize(("value", "verdict"), DECODED.values(), ids=DECODED)
def test_lesson_27_decoding_is_strict(site: Site, value: str, verdict: str) -> None:
    case = from_proxy(("X-SSL-Client-Cert", value), ("X-SSL-Client-Verify", "SUCCESS"))
    assert call(site.guard(NGINX), case).verdict == verdict


class TestEachRequest:
    """Lesson 30: a kept-alive connection or a resumed session is no verdict."""

    def test_lesson_30_a_certificate_that_ends_meanwhile(self, site: Site) -> None:
        client = regional_ca().client(not_after=NOW + DAY)
        guard = site.guard()
        assert call(guard, over_tls(client)).verdict == "accepted"
        site.clock.now = NOW + DAY + timedelta(seconds=1)
        assert call(guard, over_tls(client)).verdict == "certificate_expired"

    def test_lesson_30_a_root_that_is_removed_meanwhile(self, site: Site) -> None:
        guard = site.guard()
        assert call(guard, over_tls(GOOD)).verdict == "accepted"
        site.root.write_text(stranger_ca().pem, encoding="ascii")
        guard.refresh()
        assert call(guard, over_tls(GOOD)).verdict == "issuer_untrusted"


def test_lesson_36_the_old_root_has_ended_while_its_file_holds_the_new_one_too(site: Site) -> None:
    ended = RegionalCA("us-east-1", now=NOW, not_before=NOW - 2 * DAY, not_after=NOW - DAY)
    site.root.write_text(ended.pem + regional_ca().pem, encoding="ascii")
    assert call(site.guard(), over_tls(GOOD)).verdict == "accepted"
