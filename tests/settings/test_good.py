"""What good environments become."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware._core.gate import Mode
from mtls_middleware._core.revocation import RevocationMode
from mtls_middleware._core.sources.presets import PRESETS, Encoding, Marker
from mtls_middleware._core.trust import Binding, Bound
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.identity import Authority
from mtls_middleware.regions import table
from mtls_middleware.settings import Settings
from mtls_middleware.settings.keywords import VARIABLES

SECRET = "correct-horse-battery"  # long enough, and nobody's
PIN = "0123456789abcdef" * 4
ONE_REGION = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": "/trust/US-East-1.zip"}
TWO_REGIONS = {"MTLS_REGIONS": "us-east-1,eu-west-1", "MTLS_TRUST": "/trust"}
CUSTOM = {"MTLS_AUTHORITIES": "custom", "MTLS_TRUST": "/trust/ca.pem", "MTLS_CERT_NAMES": "caller.example.com"}
DIGICERT = {"MTLS_AUTHORITIES": "digicert", "MTLS_REGIONS": "us-east-1", "MTLS_PINS": PIN}
NGINX = {**ONE_REGION, "MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}
CUSTOM_SOURCE = {**NGINX, "MTLS_SOURCE": "custom", "MTLS_HEADER": "X-Cert", "MTLS_HEADER_ENCODING": "b64-der"}
US = Binding(Authority.GENESYS, "us-east-1")
EU = Binding(Authority.GENESYS, "eu-west-1")


def test_the_defaults() -> None:
    settings = Settings.from_env(ONE_REGION)
    assert settings.authorities == (Authority.GENESYS,)
    assert (settings.source, settings.header_names, settings.xfcc_elements) == ("tls", None, 1)
    assert (settings.protect, settings.exempt) == (("/",), ())
    assert (settings.mode, settings.revocation) == (Mode.ENFORCE, RevocationMode.CHECK)
    assert (settings.refresh_seconds, settings.max_header_bytes, settings.max_chain) == (3600, 32768, 5)
    assert settings.max_chunked_body_bytes == 10_485_760
    assert settings.organization_header == "ININ-Organization-Id"
    assert settings.proxy_secret is settings.caller_secret is None
    assert not settings.proxy_drops_underscores


NAMES = {
    "Caller.Example.com": "caller.example.com",
    "spiffe://example.org/billing": "spiffe://example.org/billing",
    "spiffe://example.org": "spiffe://example.org",
    "spiffe://a_b-c.example/ns/Prod/sa/x.y_z-1": "spiffe://a_b-c.example/ns/Prod/sa/x.y_z-1",
    "https://Example.org/Caller?x=1": "https://Example.org/Caller?x=1",
    "urn:uuid:0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90": "urn:uuid:0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90",
}


@pytest.mark.parametrize("prefix", ["", "custom="])
@pytest.mark.parametrize(("written", "name"), NAMES.items())
def test_a_custom_caller_has_a_dns_name_or_a_uri(prefix: str, written: str, name: str) -> None:
    settings = Settings.from_env({**CUSTOM, "MTLS_CERT_NAMES": f"{prefix}{written}"})
    assert settings.cert_names == {Binding(Authority.CUSTOM): frozenset({name})}


@pytest.mark.parametrize("region", table(), ids=lambda region: region.aws_region)
def test_every_region_is_found_by_each_spelling(region: Any) -> None:
    for spelling in filter(None, (region.aws_region, region.domain, region.zip_label)):
        environ = {"MTLS_REGIONS": spelling.upper(), "MTLS_TRUST": "/t", "MTLS_CERT_NAMES": "own.example.com"}
        assert Settings.from_env(environ).regions == (region.aws_region,)


def test_regions_keep_their_order_and_stand_once() -> None:
    environ = {**TWO_REGIONS, "MTLS_REGIONS": "eu-west-1, us-east-1, mypurecloud.ie,"}
    assert Settings.from_env(environ).regions == ("eu-west-1", "us-east-1")


def test_an_authority_named_twice_stands_once() -> None:
    assert Settings.from_env({**ONE_REGION, "MTLS_AUTHORITIES": "genesys,Genesys"}).authorities == (Authority.GENESYS,)


@pytest.mark.parametrize(
    ("environ", "trust", "expected"),
    [
        pytest.param(ONE_REGION, "/t", Bound(None, Path("/t")), id="one-region"),
        pytest.param(ONE_REGION, "MyPureCloud.com=/t", Bound(US, Path("/t")), id="login-domain"),
        pytest.param(ONE_REGION, "US-East-1 = t", Bound(US, Path("t")), id="zip-label-and-blanks"),
        pytest.param(ONE_REGION, "/a=b", Bound(None, Path("/a=b")), id="equals-sign-in-a-path"),
        pytest.param(ONE_REGION, "./a=b", Bound(None, Path("a=b")), id="equals-sign-in-a-relative-path"),
        pytest.param(ONE_REGION, "us-east-1=/a=b", Bound(US, Path("/a=b")), id="prefix-and-equals-sign"),
        pytest.param(TWO_REGIONS, "/t", Bound(None, Path("/t")), id="two-regions"),
        pytest.param(CUSTOM, "custom=/t", Bound(Binding(Authority.CUSTOM), Path("/t")), id="custom"),
        pytest.param(DIGICERT, "/t", Bound(None, Path("/t")), id="only-digicert"),
    ],
)
def test_trust_is_bound(environ: dict[str, str], trust: str, expected: Bound[Path]) -> None:
    assert Settings.from_env({**environ, "MTLS_TRUST": trust}).trust == (expected,)


def test_names_are_those_of_the_table_unless_the_operator_replaces_them() -> None:
    settings = Settings.from_env({**TWO_REGIONS, "MTLS_CERT_NAMES": "eu-west-1=New.Example.com"})
    assert settings.cert_names == {
        US: frozenset({"dataactions.prod.us-east-1.mypurecloud.com"}),
        EU: frozenset({"new.example.com"}),
    }


def test_names_cannot_be_changed_afterwards() -> None:
    with pytest.raises(TypeError):
        Settings.from_env(ONE_REGION).cert_names[US] = frozenset()  # type: ignore[index]  # this is the claim


@pytest.mark.parametrize("written", [PIN, PIN.upper(), ":".join(PIN[i : i + 2] for i in range(0, 64, 2))])
def test_a_pin_is_hex_as_any_tool_prints_it(written: str) -> None:
    expected = Bound(Binding(Authority.DIGICERT, "us-east-1"), PIN)
    assert Settings.from_env({**DIGICERT, "MTLS_PINS": written}).pins == (expected,)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_taken_as_it_is(name: str) -> None:
    assert Settings.from_env({**NGINX, "MTLS_SOURCE": name}).header_names == PRESETS[name]


def test_a_preset_lends_the_missing_half_of_its_only_marker() -> None:
    header_names = Settings.from_env({**NGINX, "MTLS_VERIFY_VALUE": "OK"}).header_names
    assert header_names is not None
    assert header_names.markers == (Marker(header="X-SSL-Client-Verify", value="OK"),)


def test_a_marker_replaces_all_of_a_preset() -> None:
    header_names = Settings.from_env(
        {**NGINX, "MTLS_SOURCE": "haproxy", "MTLS_VERIFY_HEADER": "X-Ok", "MTLS_VERIFY_VALUE": "1"}
    ).header_names
    assert header_names is not None
    assert header_names.markers == (Marker(header="X-Ok", value="1"),)


@pytest.mark.parametrize("encoding", Encoding)
def test_the_custom_header_holds_the_chain_in_two_encodings_only(encoding: Encoding) -> None:
    header_names = Settings.from_env({**CUSTOM_SOURCE, "MTLS_HEADER_ENCODING": encoding}).header_names
    assert header_names is not None
    assert header_names.bundled is (encoding in {Encoding.XFCC, Encoding.B64_DER_LIST})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("10.0.0.0/8", "10.0.0.0/8", id="v4"),
        pytest.param("::1", "::1/128", id="v6"),
        pytest.param("::ffff:10.1.0.0/112", "10.1.0.0/16", id="v4-mapped"),
    ],
)
def test_trusted_proxies_are_networks(written: str, expected: str) -> None:
    settings = Settings.from_env({**ONE_REGION, "MTLS_TRUSTED_PROXIES": f"{written}, unix"})
    assert settings.trusted_proxies == (ip_network(expected),)
    assert settings.trusts_unix_socket


def test_what_kubernetes_injects_for_a_service_called_mtls_is_ignored() -> None:
    injected = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTPS", "PORT", "PORT_443_TCP", "PORT_443_TCP_ADDR")

    settings = Settings.from_env({**ONE_REGION, **{f"MTLS_{name}": "x" for name in injected}})

    assert settings == Settings.from_env(ONE_REGION)


def test_no_variable_looks_like_what_kubernetes_injects() -> None:
    # A name that were ignored would be a setting that silently has no effect.
    for name in VARIABLES:
        with pytest.raises(ConfigurationError, match=f"MTLS_{name}: "):
            Settings.from_env({f"MTLS_{name}": " , "})


@pytest.mark.parametrize(
    ("keywords", "environ"),
    [
        pytest.param({"regions": ["us-east-1"], "trust": Path("/t")}, {"REGIONS": "us-east-1", "TRUST": "/t"}, id="l"),
        pytest.param(
            {"regions": "us-east-1", "trust": "/t", "max_chain": 9, "proxy_drops_underscores": True},
            {"REGIONS": "us-east-1", "TRUST": "/t", "MAX_CHAIN": "9", "PROXY_DROPS_UNDERSCORES": "yes"},
            id="numbers-and-switches",
        ),
        pytest.param(
            {"regions": "us-east-1", "trust": "/t", "mode": Mode.REPORT, "proxy_secret": (SECRET, SECRET[::-1])},
            {"REGIONS": "us-east-1", "TRUST": "/t", "MODE": "report", "PROXY_SECRET": f"{SECRET},{SECRET[::-1]}"},
            id="enums-and-secrets",
        ),
        pytest.param(
            {"regions": "us-east-1", "trust": "/t", "exempt": None}, {"REGIONS": "us-east-1", "TRUST": "/t"}, id="none"
        ),
    ],
)
def test_keywords_say_the_same_as_the_environment(keywords: dict[str, Any], environ: dict[str, str]) -> None:
    assert Settings(**keywords) == Settings.from_env({f"MTLS_{name}": value for name, value in environ.items()})


def test_a_path_given_in_a_list_may_hold_a_comma() -> None:
    assert Settings(regions="us-east-1", trust=[Path("/a,b")]).trust == (Bound(None, Path("/a,b")),)
