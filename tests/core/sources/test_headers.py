"""A certificate in headers: how "none" looks, what a marker must say, and every encoding."""

import base64

import pytest

from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.connection import Fields, collect
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.sources.headers import HeaderSource
from mtls_middleware._core.sources.presented import Presented
from mtls_middleware._core.sources.presets import PRESETS, Encoding, HeaderNames, Marker
from tests.core.certs import good_client, regional_ca
from tests.core.encoders import ENCODERS, xfcc
from tests.core.requests import request

LIMIT = 3
LEAF = good_client().der
OTHER = regional_ca().der
DERS = (LEAF, OTHER)


def _source(name: str) -> HeaderSource:
    return HeaderSource(name=name, header_names=PRESETS[name])


def _fields(source: HeaderSource, headers: dict[str, bytes]) -> Fields:
    return collect(request(*((name.encode(), value) for name, value in headers.items())), source.header_names.headers)


def _read(source: HeaderSource, headers: dict[str, bytes]) -> Presented | None:
    return source.read(request(), _fields(source, headers), LIMIT)


NONE = [
    b"",
    b'""',
    b"(null)",
    b"-",
    b"::",
    b"  ",
    b"{http.request.tls.client.certificate_der_base64}",
    b":{http.request.tls.client.certificate_der_base64}:",
    b"{http.request.tls.client.certificate_pem}",
]


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_none_is_none_in_every_proxys_words(value: bytes) -> None:
    assert _read(_source("nginx"), {"X-SSL-Client-Cert": value}) is None


def test_an_absent_header_is_none() -> None:
    assert _read(_source("nginx"), {"X-SSL-Client-Verify": b"SUCCESS"}) is None


def test_a_chain_without_a_leaf_is_none() -> None:
    assert _read(_source("rfc9440"), {"Client-Cert-Chain": b":QUJD:"}) is None


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_none_for_a_chain_is_no_chain(value: bytes) -> None:
    source = _source("haproxy")
    presented = _read(source, {"X-SSL-Client-Cert": base64.b64encode(LEAF), "X-SSL-Client-Chain-DER": value})
    assert presented is not None
    assert source.decode(presented, LIMIT) == (LEAF,)


@pytest.mark.parametrize(
    "value",
    [b"null", b"None", b"NONE", b"0", b"{}", b"{http.request}", b":", b"()", b"X{http.request.tls.client"],
    ids=repr,
)
def test_anything_else_is_presented_and_malformed(value: bytes) -> None:
    source = _source("caddy")
    presented = _read(source, {"X-SSL-Client-Cert": value})
    assert presented is not None
    with pytest.raises(RejectionError) as refused:
        parse_chain(source.decode(presented, LIMIT))
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_all_parts_count_for_the_size() -> None:
    headers = {"X-SSL-Client-Cert": b"a" * 10, "X-SSL-Client-Cert-Chain-0": b"b" * 5, "X-SSL-Client-Cert-Chain-3": b"c"}
    presented = _read(_source("apache"), headers)
    assert presented is not None
    assert (presented.parts, presented.size) == ((b"a" * 10, b"b" * 5, b"", b"", b"c"), 16)


# -------------------------------------------------------------------------------------------------------- encodings

ENCODINGS = [encoding for encoding in Encoding if encoding is not Encoding.XFCC]


def _shaped(encoding: Encoding, *, bundled: bool = False, chain: bool = False) -> HeaderSource:
    header_names = HeaderNames(
        certificate="X-Cert", encoding=encoding, chain=("X-Chain-0", "X-Chain-1") if chain else (), bundled=bundled
    )
    return HeaderSource(name="custom", header_names=header_names)


def _parts(*values: str) -> Presented:
    return Presented(parts=tuple(value.encode() for value in values))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("bundled", [False, True])
def test_one_certificate_is_read(encoding: Encoding, *, bundled: bool) -> None:
    assert _shaped(encoding, bundled=bundled).decode(_parts(ENCODERS[encoding]([LEAF])), LIMIT) == (LEAF,)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_bundle_is_read_leaf_first(encoding: Encoding) -> None:
    assert _shaped(encoding, bundled=True).decode(_parts(ENCODERS[encoding](DERS)), LIMIT) == DERS


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_chain_header_is_read_after_the_leaf(encoding: Encoding) -> None:
    source = _shaped(encoding, chain=True)
    assert source.decode(_parts(ENCODERS[encoding]([LEAF]), ENCODERS[encoding](DERS), ""), LIMIT) == (LEAF, *DERS)


@pytest.mark.parametrize("encoding", [one for one in ENCODINGS if one is not Encoding.B64_DER])
def test_two_certificates_where_one_belongs_are_malformed(encoding: Encoding) -> None:
    with pytest.raises(RejectionError) as refused:
        _shaped(encoding).decode(_parts(ENCODERS[encoding](DERS)), LIMIT)
    assert refused.value.reason is Reason.CERTIFICATE_MALFORMED


def test_two_ders_where_one_belongs_stay_one_unreadable_certificate() -> None:
    assert _shaped(Encoding.B64_DER).decode(_parts(ENCODERS[Encoding.B64_DER](DERS)), LIMIT) == (LEAF + OTHER,)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_leaf_and_chain_together_are_no_more_than_one_too_many(encoding: Encoding) -> None:
    source = _shaped(encoding, chain=True)
    values = (ENCODERS[encoding]([LEAF]), ENCODERS[encoding](DERS), "never looked at")
    assert len(source.decode(_parts(*values), 2)) == 3


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_one_too_many_is_noticed_in_the_last_chain_header(encoding: Encoding) -> None:
    source = _shaped(encoding, chain=True)
    values = (ENCODERS[encoding]([LEAF]), ENCODERS[encoding](DERS), ENCODERS[encoding]([OTHER]))
    assert len(source.decode(_parts(*values), LIMIT)) == LIMIT + 1


def test_xfcc_holds_everything_itself() -> None:
    source = _shaped(Encoding.XFCC, bundled=True)
    ders = source.decode(_parts(xfcc(DERS)), LIMIT)
    assert (len(ders), ders[0]) == (2, LEAF)


def test_the_number_of_xfcc_elements_is_that_of_the_settings() -> None:
    element = xfcc(DERS)
    source = HeaderSource(name="envoy", header_names=PRESETS["envoy"], xfcc_elements=2)
    assert source.decode(_parts(f"{element},{element}"), LIMIT)[0] == LEAF


# ---------------------------------------------------------------------------------------------------------- markers

CONTENT: dict[str, dict[str, bytes]] = {
    "nginx": {"X-SSL-Client-Verify": b"SUCCESS"},
    "haproxy": {"X-SSL-Client-Used": b"1", "X-SSL-Client-Verify": b"0"},
    "cloudfront": {"CloudFront-Viewer-Cert-Present": b"1"},
    "gcp": {"X-Client-Cert-Present": b"true", "X-Client-Cert-Chain-Verified": b"true", "X-Client-Cert-Error": b""},
    "azure-application-gateway": {"X-Client-Cert-Verification": b"SUCCESS"},
    "cloudflare": {"Cf-Cert-Presented": b"true", "Cf-Cert-Verified": b"true", "Cf-Cert-Revoked": b"false"},
    "caddy": {},
}


def _complaint(name: str, headers: dict[str, bytes]) -> str | None:
    source = _source(name)
    return source.upstream_failure(request(), _fields(source, headers))


@pytest.mark.parametrize("name", CONTENT)
def test_a_proxy_that_says_success_is_content(name: str) -> None:
    assert _complaint(name, CONTENT[name]) is None


def test_googles_error_may_be_absent() -> None:
    headers = {name: value for name, value in CONTENT["gcp"].items() if name != "X-Client-Cert-Error"}
    assert _complaint("gcp", headers) is None


def test_a_marker_behind_one_that_may_be_absent_counts() -> None:
    markers = (Marker(header="X-Error", value="", always_set=False), Marker(header="X-Verify", value="1"))
    source = HeaderSource(
        name="custom", header_names=HeaderNames(certificate="X-Cert", encoding=Encoding.B64_DER, markers=markers)
    )
    assert source.upstream_failure(request(), _fields(source, {})) is not None


LIES = [
    ("nginx", "X-SSL-Client-Verify", b"success"),
    ("nginx", "X-SSL-Client-Verify", b"NONE"),
    ("nginx", "X-SSL-Client-Verify", b"FAILED"),
    ("nginx", "X-SSL-Client-Verify", b"FAILED:expired"),
    ("nginx", "X-SSL-Client-Verify", b"GENEROUS"),
    ("nginx", "X-SSL-Client-Verify", b"SUCCESS,SUCCESS"),
    ("nginx", "X-SSL-Client-Verify", b"SUCCESS SUCCESS"),
    ("nginx", "X-SSL-Client-Verify", b"NONE, SUCCESS"),
    ("nginx", "X-SSL-Client-Verify", b"(null)"),
    ("nginx", "X-SSL-Client-Verify", b""),
    ("nginx", "X-SSL-Client-Verify", b"SUCCESS\0"),
    ("haproxy", "X-SSL-Client-Used", b"0"),
    ("haproxy", "X-SSL-Client-Used", b""),
    ("haproxy", "X-SSL-Client-Verify", b"20"),
    ("haproxy", "X-SSL-Client-Verify", b"00"),
    ("haproxy", "X-SSL-Client-Verify", b""),
    ("cloudfront", "CloudFront-Viewer-Cert-Present", b"0"),
    ("gcp", "X-Client-Cert-Present", b"false"),
    ("gcp", "X-Client-Cert-Present", b"True"),
    ("gcp", "X-Client-Cert-Chain-Verified", b"false"),
    ("gcp", "X-Client-Cert-Error", b"client_cert_validation_failed"),
    ("gcp", "X-Client-Cert-Error", b"-"),
    ("azure-application-gateway", "X-Client-Cert-Verification", b"FAILED:x"),
    ("cloudflare", "Cf-Cert-Presented", b"false"),
    ("cloudflare", "Cf-Cert-Verified", b"false"),
    ("cloudflare", "Cf-Cert-Revoked", b"true"),
    ("cloudflare", "Cf-Cert-Revoked", b""),
]


@pytest.mark.parametrize(("name", "header", "value"), LIES)
def test_anything_but_success_is_a_complaint(name: str, header: str, value: bytes) -> None:
    complaint = _complaint(name, {**CONTENT[name], header: value})
    assert complaint is not None
    assert complaint.startswith(header)


@pytest.mark.parametrize(
    ("name", "header"),
    [(name, header) for name, headers in CONTENT.items() for header in headers if header != "X-Client-Cert-Error"],
)
def test_a_marker_that_is_absent_is_a_complaint(name: str, header: str) -> None:
    headers = {other: value for other, value in CONTENT[name].items() if other != header}
    assert "absent" in (_complaint(name, headers) or "")


@pytest.mark.parametrize(
    ("name", "header"), [(name, header) for name, headers in CONTENT.items() for header in headers]
)
def test_a_marker_that_came_twice_is_a_complaint(name: str, header: str) -> None:
    source = _source(name)
    headers = [(other.encode(), value) for other, value in CONTENT[name].items()]
    fields = collect(request(*headers, (header.encode(), CONTENT[name][header])), source.header_names.headers)
    assert source.upstream_failure(request(), fields) is not None


def test_a_complaint_says_what_came() -> None:
    assert "'FAILED:expired'" in (_complaint("nginx", {"X-SSL-Client-Verify": b"FAILED:expired"}) or "")
    assert "is 'empty'" in (_complaint("nginx", {"X-SSL-Client-Verify": b""}) or "")
    assert "must be 'empty', but is 'x'" in (_complaint("gcp", {**CONTENT["gcp"], "X-Client-Cert-Error": b"x"}) or "")


def test_a_header_whose_own_name_has_an_underscore_is_not_its_own_twin() -> None:
    header_names = HeaderNames(certificate="SSL_CLIENT_CERT", encoding=Encoding.B64_DER)
    connection = request((b"ssl_client_cert", b"x"))
    assert collect(connection, header_names.headers)["SSL_CLIENT_CERT"].single == b"x"


@pytest.mark.parametrize("encoding", [Encoding.B64_DER, Encoding.RFC9440, Encoding.URL_PEM])
def test_of_leaf_and_chain_together_no_more_than_one_too_many_are_read(encoding: Encoding) -> None:
    names = HeaderNames(certificate="X-Cert", encoding=encoding, chain=("X-Chain-0", "X-Chain-1"))
    leaf, chain = (ENCODERS[encoding](ders).encode() for ders in ([LEAF], [OTHER] * 50))
    ders = HeaderSource(name="custom", header_names=names).decode(Presented(parts=(leaf, chain, chain)), LIMIT)
    assert ders == (LEAF, *[OTHER] * LIMIT)


@pytest.mark.parametrize(
    ("values", "said"),
    [((), "absent"), ((b"",), "empty"), ((b"NONE",), "NONE"), ((b"SUCCESS", b"SUCCESS"), "SUCCESS, SUCCESS")],
)
def test_a_marker_that_does_not_say_success_is_quoted(values: tuple[bytes, ...], said: str) -> None:
    source = _source("nginx")
    headers = [(b"X-SSL-Client-Verify", value) for value in values]
    fields = collect(request(*headers), source.header_names.headers)
    failure = source.upstream_failure(request(), fields)
    assert failure == f"X-SSL-Client-Verify must be 'SUCCESS', but is '{said}'"


def test_what_one_source_decoded_says_nothing_about_another() -> None:
    shape = HeaderNames(certificate="X-Cert", encoding=Encoding.B64_DER, bundled=True)
    presented = Presented(parts=(base64.b64encode(LEAF + OTHER),))
    one, other = HeaderSource(name="a", header_names=shape), HeaderSource(name="a", header_names=PRESETS["nginx"])

    for _ in range(2):
        assert one.decode(presented, LIMIT) == DERS
        assert len(one.decode(presented, 0)) == 1
        with pytest.raises(RejectionError):
            other.decode(presented, LIMIT)
