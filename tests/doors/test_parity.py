"""Every request gets the same answer through every door."""

from collections.abc import Mapping

import pytest

from mtls_middleware.testing import (
    ClientCertificate,
    tls_extension,
)
from mtls_middleware.testing.presentation import (
    b64_der,
    b64_der_list,
    b64_pem,
    pem_spaces,
    rfc9440_item,
    url_pem,
    xfcc_element,
)
from tests.doors.doors import Case, call
from tests.doors.site import (
    NGINX,
    SECRET,
    SECRET_HEADER,
    TLS,
    Site,
    good_client,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

MARKED = ("X-SSL-Client-Verify", "SUCCESS")


def test_lesson_1_the_good_call_passes_over_tls(site: Site) -> None:
    outcome = call(site.guard(TLS), over_tls(good_client()))
    assert (outcome.verdict, outcome.status) == ("accepted", 200)
    assert outcome.identity is not None
    assert outcome.identity.region == "us-east-1"


def test_the_good_call_passes_through_a_proxy(site: Site) -> None:
    outcome = call(site.guard(NGINX), through_nginx(good_client()))
    assert outcome.identity is not None
    assert outcome.identity.source == "nginx"
    assert outcome.seen == frozenset()


def _presented(source: str, client: ClientCertificate) -> list[tuple[str, str]]:
    used: Mapping[str, list[tuple[str, str]]] = {
        "nginx": [("X-SSL-Client-Cert", url_pem(client)), MARKED],
        "ingress-nginx": [("ssl-client-cert", url_pem(client)), ("ssl-client-verify", "SUCCESS")],
        "apache": [
            ("X-SSL-Client-Cert", pem_spaces(client)),
            *((f"X-SSL-Client-Cert-Chain-{place}", "(null)") for place in range(4)),
            MARKED,
        ],
        "haproxy": [
            ("X-SSL-Client-Cert", b64_der(client)),
            ("X-SSL-Client-Chain-DER", ""),
            ("X-SSL-Client-Used", "1"),
            ("X-SSL-Client-Verify", "0"),
        ],
        "envoy": [("X-Forwarded-Client-Cert", xfcc_element(client))],
        "azure-container-apps": [("X-Forwarded-Client-Cert", xfcc_element(client) + ";")],
        "traefik": [("X-Forwarded-Tls-Client-Cert", b64_der_list([client]))],
        "caddy": [("X-SSL-Client-Cert", b64_der(client))],
        "kong": [("X-Client-Cert", url_pem(client))],
        "aws-alb": [("X-Amzn-Mtls-Clientcert-Leaf", url_pem(client))],
        "aws-alb-passthrough": [("X-Amzn-Mtls-Clientcert", url_pem(client))],
        "cloudfront": [("CloudFront-Viewer-Cert-Pem", url_pem(client)), ("CloudFront-Viewer-Cert-Present", "1")],
        "gcp": [
            ("X-Client-Cert-Leaf", rfc9440_item(client.der)),
            ("X-Client-Cert-Chain", ""),
            ("X-Client-Cert-Present", "true"),
            ("X-Client-Cert-Chain-Verified", "true"),
            ("X-Client-Cert-Error", ""),
        ],
        "azure-app-service": [("X-ARR-ClientCert", b64_der(client))],
        "azure-application-gateway": [
            ("X-Client-Cert", url_pem(client)),
            ("X-Client-Cert-Verification", "SUCCESS"),
        ],
        "cloudflare": [
            ("Cf-Client-Cert-Der-Base64", b64_der(client)),
            ("Cf-Cert-Presented", "true"),
            ("Cf-Cert-Verified", "true"),
            ("Cf-Cert-Revoked", "false"),
        ],
        "cloud-foundry": [("X-Forwarded-Client-Cert", b64_der(client))],
        "rfc9440": [("Client-Cert", rfc9440_item(client.der))],
        "custom": [("X-Mine", b64_pem(client)), ("X-Mine-Says", "yes")],
    }
    return used[source]


SOURCES = [
    "nginx",
    "ingress-nginx",
    "apache",
    "haproxy",
    "envoy",
    "azure-container-apps",
    "traefik",
    "caddy",
    "kong",
    "aws-alb",
    "aws-alb-passthrough",
    "cloudfront",
    "gcp",
    "azure-app-service",
    "azure-application-gateway",
    "cloudflare",
    "cloud-foundry",
    "rfc9440",
    "custom",
]

OWN = {
    "MTLS_HEADER": "X-Mine",
    "MTLS_HEADER_ENCODING": "b64-pem",
    "MTLS_VERIFY_HEADER": "X-Mine-Says",
    "MTLS_VERIFY_VALUE": "yes",
}


def _environ(source: str) -> dict[str, str]:
    return {**NGINX, "MTLS_SOURCE": source, **(OWN if source == "custom" else {})}


@pytest.mark.parametrize("source", SOURCES)
class TestEachSource:
    def test_a_good_client_is_accepted_and_its_headers_are_removed(self, site: Site, source: str) -> None:
        case = Case(headers=(*_presented(source, good_client()), SECRET_HEADER, ("Accept", "*/*")))
        outcome = call(site.guard(_environ(source)), case)
        assert outcome.verdict == "accepted"
        assert outcome.seen == {"accept"}

    def test_a_stranger_s_client_is_refused(self, site: Site, source: str) -> None:
        case = Case(headers=(*_presented(source, stranger_ca().client()), SECRET_HEADER))
        assert call(site.guard(_environ(source)), case).verdict == "issuer_untrusted"

    def test_lesson_1_without_the_secret_it_is_a_header_and_no_more(self, site: Site, source: str) -> None:
        case = Case(headers=tuple(_presented(source, good_client())))
        assert call(site.guard(_environ(source)), case).verdict == "source_untrusted"

    def test_lesson_1_the_headers_are_removed_on_an_exempt_path_too(self, site: Site, source: str) -> None:
        headers = (*_presented(source, good_client()), ("X-MTLS-Proxy-Secret", "guessed-" + SECRET), ("Accept", "*/*"))
        outcome = call(site.guard(_environ(source), exempt="/health"), Case(path="/health", headers=headers))
        assert (outcome.verdict, outcome.seen) == ("passed", {"accept"})

    def test_lesson_2_the_markers_alone_authenticate_nobody(self, site: Site, source: str) -> None:
        _, *others = _presented(source, good_client())
        case = Case(headers=(*others, SECRET_HEADER))
        assert call(site.guard(_environ(source)), case).verdict == "certificate_missing"

    def test_lesson_5_a_marker_that_is_stripped_on_the_way_is_missed(self, site: Site, source: str) -> None:
        guard = site.guard(_environ(source))
        headers = (*_presented(source, good_client()), SECRET_HEADER)
        shape = site.settings(_environ(source)).shape
        assert shape is not None
        for marker in shape.markers:
            stripped = Case(headers=headers).without(marker.header.lower())
            expected = "proxy_verification_failed" if marker.always_set else "accepted"
            assert call(guard, stripped).verdict == expected

    def test_lesson_4_a_marker_that_came_twice_says_nothing(self, site: Site, source: str) -> None:
        guard = site.guard(_environ(source))
        headers = (*_presented(source, good_client()), SECRET_HEADER)
        shape = site.settings(_environ(source)).shape
        assert shape is not None
        for marker in shape.markers:
            doubled = Case(headers=headers).with_headers((marker.header, marker.value or "x"))
            assert call(guard, doubled).verdict == "proxy_verification_failed"

    @pytest.mark.parametrize(
        "nothing", ["", '""', "(null)", "-", "::", "{http.request.tls.client.certificate_der_base64}"]
    )
    def test_every_way_to_say_none_is_none(self, site: Site, source: str, nothing: str) -> None:
        (name, _), *others = _presented(source, good_client())
        case = Case(headers=((name, nothing), *others, SECRET_HEADER))
        assert call(site.guard(_environ(source)), case).verdict == "certificate_missing"

    @pytest.mark.parametrize(
        "junk", ["x", "%", "a%zz", "=", ":", ";", "-----BEGIN CERTIFICATE-----", "\xff\xfe", "A" * 4096]
    )
    def test_junk_is_malformed(self, site: Site, source: str, junk: str) -> None:
        (name, _), *others = _presented(source, good_client())
        case = Case(headers=((name, junk), *others, SECRET_HEADER))
        assert call(site.guard(_environ(source)), case).verdict == "certificate_malformed"


PATHS = (
    "/actions",
    "/actions/",
    "/actions/lookup",
    "/actionsx",
    "/Actions",
    "/health",
    "/health/live",
    "/healthy",
    "/",
    "//actions",
    "/health/../actions",
    "/health//live",
    "/health;x",
    "/health/%2e%2e/actions",
    "/health%2factions",
    "/health%2Factions",
    "/health%5cactions",
    "/health\\..\\actions",
    "/./actions",
    "/%61ctions",
    "/%2561ctions",
    "/open/..;/actions",
    "*",
    "",
)


@pytest.mark.parametrize("protect", ["/", "/actions", "/actions,/health/live"])
@pytest.mark.parametrize("exempt", [None, "/health"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_lesson_24_every_path_is_read_alike(
    site: Site, path: str, protect: str, exempt: str | None, method: str
) -> None:
    more = {"exempt": exempt} if exempt else {}
    outcome = call(site.guard(protect=protect, **more), over_tls(None, path=path, method=method))
    assert outcome.verdict in {"passed", "certificate_missing"}


@pytest.mark.parametrize(
    ("chain", "verdict"),
    [
        pytest.param([], "certificate_missing", id="empty"),
        pytest.param(None, "certificate_missing", id="none"),
        pytest.param([None], "certificate_missing", id="a-none"),
        pytest.param("", "certificate_missing", id="empty-text"),
        pytest.param([""], "certificate_missing", id="an-empty-text"),
        pytest.param(0, "certificate_missing", id="a-number"),
        pytest.param([0], "certificate_malformed", id="numbers"),
        pytest.param([{}], "certificate_malformed", id="dicts"),
        pytest.param(["x"], "certificate_malformed", id="no-pem"),
        pytest.param(["-----BEGIN CERTIFICATE-----\n"], "certificate_malformed", id="cut-off"),
        pytest.param([b"\x30\x82"], "certificate_malformed", id="no-der"),
        pytest.param(["\ud800"], "certificate_malformed", id="surrogate"),
        pytest.param(["x" * 40000], "certificate_too_large", id="too-many-bytes"),
        pytest.param(["x"] * 6, "certificate_too_large", id="too-many-certificates"),
        pytest.param(["x"] * 1_000_000, "certificate_too_large", id="a-million"),
    ],
)
def test_lesson_26_whatever_stands_in_the_tls_extension(site: Site, chain: object, verdict: str) -> None:
    case = Case(tls={**tls_extension(None), "client_cert_chain": chain, "client_cert_name": "CN=somebody"})
    assert call(site.guard(), case).verdict == verdict


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(list, id="list"),
        pytest.param(tuple, id="tuple"),
        pytest.param("".join, id="text"),
        pytest.param(lambda pems: [pem.encode() for pem in pems], id="bytes"),
        pytest.param(lambda _: [good_client().der], id="der"),
    ],
)
def test_lesson_26_a_good_chain_in_any_shape(site: Site, shape: object) -> None:
    assert callable(shape)
    case = Case(tls={**tls_extension(None), "client_cert_chain": shape(good_client().pems)})
    assert call(site.guard(), case).verdict == "accepted"


def test_lesson_7_every_request_is_judged_by_its_own_certificate(site: Site) -> None:
    guard = site.guard()
    verdicts = [call(guard, over_tls(client)).verdict for client in (good_client(), stranger_ca().client(), None)]
    assert verdicts == ["accepted", "issuer_untrusted", "certificate_missing"]


def test_lesson_29_no_certificate_is_none_on_every_protocol(site: Site) -> None:
    case = Case(tls=tls_extension(None), scope={"http_version": "3"}, environ={"SERVER_PROTOCOL": "HTTP/3"})
    assert call(site.guard(), case).verdict == "certificate_missing"


def test_a_client_of_another_region_is_refused(site: Site) -> None:
    client = regional_ca().client(names=["dataactions.prod-euw1.eu-west-1.mypurecloud.com"])
    assert call(site.guard(), over_tls(client)).verdict == "region_mismatch"
