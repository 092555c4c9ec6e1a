"""Every request gets the same answer through every adapter."""

import pytest

from mtls_middleware._core.sources.presets import CUSTOM, PRESETS, Encoding, HeaderNames, Marker
from mtls_middleware.testing import ClientCertificate, present, tls_extension
from tests.adapters.cases import Case, call
from tests.adapters.site import (
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


OWN = {
    "MTLS_HEADER": "X-Mine",
    "MTLS_HEADER_ENCODING": "b64-pem",
    "MTLS_VERIFY_HEADER": "X-Mine-Says",
    "MTLS_VERIFY_VALUE": "yes",
}

SOURCES = [*PRESETS, CUSTOM]


def _environ(source: str) -> dict[str, str]:
    return {**NGINX, "MTLS_SOURCE": source, **(OWN if source == "custom" else {})}


def _presented(source: str, client: ClientCertificate) -> tuple[tuple[str, str], ...]:
    markers = (Marker(header="X-Mine-Says", value="yes"),)
    own = HeaderNames(certificate="X-Mine", encoding=Encoding.B64_PEM, markers=markers)
    return present(source, client, header_names=own if source == CUSTOM else None).headers


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
        header_names = site.settings(_environ(source)).header_names
        assert header_names is not None
        for marker in header_names.markers:
            stripped = Case(headers=headers).without(marker.header.lower())
            expected = "proxy_verification_failed" if marker.always_set else "accepted"
            assert call(guard, stripped).verdict == expected

    def test_lesson_4_a_marker_that_came_twice_says_nothing(self, site: Site, source: str) -> None:
        guard = site.guard(_environ(source))
        headers = (*_presented(source, good_client()), SECRET_HEADER)
        header_names = site.settings(_environ(source)).header_names
        assert header_names is not None
        for marker in header_names.markers:
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
