"""The options of ``doctor``, and what they make of the environment."""

import json
from pathlib import Path

import pytest

from mtls_middleware._core.sources.presets import Encoding, Marker
from mtls_middleware.cli.attack.forgery import known_sources
from mtls_middleware.cli.doctor.doctor import make_plan, run_doctor
from mtls_middleware.cli.options import DoctorOptions
from mtls_middleware.errors import MTLSError
from mtls_middleware.testing import RegionalCA
from tests.cli.test_main import run

URL = "https://actions.example.com/actions"
NOWHERE = "http://no..name/actions"
"""What cannot be looked up, without a network too."""


def test_without_url_the_environment_is_examined() -> None:
    ended = run("doctor", "--offline")

    assert ended.returncode == 1
    assert "MTLS_REGIONS: is required" in ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "options",
    [
        DoctorOptions(url=None, source="nginx"),
        DoctorOptions(url=None, all_sources=True),
        DoctorOptions(url=None, direct="http://x"),
    ],
    ids=["source", "all-sources", "direct"],
)
def test_options_of_an_attack_need_a_url(options: DoctorOptions) -> None:
    with pytest.raises(MTLSError, match="needs --url URL"):
        run_doctor(options, {})


def test_an_attack_is_never_offline() -> None:
    with pytest.raises(MTLSError, match="--offline goes without --url"):
        run_doctor(DoctorOptions(url=URL, offline=True), {})


def test_the_command_tells_a_deployment_that_is_down() -> None:
    ended = run("doctor", "--url", NOWHERE, "--source", "nginx")

    assert ended.returncode == 2
    assert "Nothing can be told: there is no answer: cannot be reached" in ended.stdout


def test_a_mistake_on_the_command_line_is_told_without_a_traceback() -> None:
    ended = run("doctor", "--url", "nonsense")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("--url 'nonsense' is not a URL")


def test_for_a_script_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_doctor(DoctorOptions(url=NOWHERE, as_json=True, timeout=1), {"MTLS_SOURCE": "nginx"}) == 2

    assert json.loads(capsys.readouterr().out)["requests"][0]["failure"].startswith("cannot be reached")


def test_for_a_person_it_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_doctor(DoctorOptions(url=NOWHERE, timeout=1), {}) == 2

    assert "the forged headers are sent" in capsys.readouterr().out


def test_the_source_is_that_of_the_environment() -> None:
    environ = {
        "MTLS_SOURCE": "Envoy",
        "MTLS_XFCC_ELEMENTS": "2",
        "MTLS_PROXY_SECRET_HEADER": "X-Secret",
        "MTLS_REGIONS": "us-east-1",
        "MTLS_PORT": "tcp://10.0.0.1:80",
    }

    plan = make_plan(DoctorOptions(url=URL), URL, environ)

    assert [(source.name, source.elements) for source in plan.sources] == [("envoy", 2)]
    assert plan.secret_header == "X-Secret"


def test_what_the_environment_overrides_is_forged() -> None:
    environ = {
        "MTLS_SOURCE": "custom",
        "MTLS_HEADER": "X-Ours",
        "MTLS_HEADER_ENCODING": "b64-der",
        "MTLS_VERIFY_HEADER": "X-Ok",
        "MTLS_VERIFY_VALUE": "yes",
    }

    (source,) = make_plan(DoctorOptions(url=URL), URL, environ).sources

    assert (source.header_names.certificate, source.header_names.encoding) == ("X-Ours", Encoding.B64_DER)
    assert source.header_names.markers == (Marker(header="X-Ok", value="yes"),)


def test_an_option_goes_before_the_environment() -> None:
    environ = {"MTLS_SOURCE": "custom", "MTLS_HEADER": "X-Ours", "MTLS_HEADER_ENCODING": "b64-der"}

    (source,) = make_plan(DoctorOptions(url=URL, source="caddy"), URL, environ).sources

    assert source.header_names.certificate == "X-SSL-Client-Cert"


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (DoctorOptions(url=URL), {}),
        (DoctorOptions(url=URL, source="tls"), {}),
        (DoctorOptions(url=URL), {"MTLS_SOURCE": "aws-api-gateway"}),
        (DoctorOptions(url=URL, all_sources=True), {"MTLS_SOURCE": "nginx"}),
    ],
    ids=["no source", "tls", "no header", "asked for"],
)
def test_where_no_single_header_is_read_those_of_all_sources_are_forged(
    options: DoctorOptions, environ: dict[str, str]
) -> None:
    assert make_plan(options, URL, environ).sources == known_sources()


def test_a_pinned_certificate_is_the_genuine_one(tmp_path: Path, region: RegionalCA) -> None:
    client = region.client()
    certificate, _ = client.write(tmp_path)

    plan = make_plan(DoctorOptions(url=URL), URL, {"MTLS_PINS": f"us-east-1={'0' * 64}, us-east-1={certificate}"})

    assert (plan.certificate, plan.origin) == (client.certificate, f"{certificate} (MTLS_PINS)")


def test_a_given_certificate_goes_before_a_pinned_one(tmp_path: Path, region: RegionalCA) -> None:
    pinned, given = region.client(), region.client()
    pinned_path, _ = pinned.write(tmp_path, "pinned")
    given_path, _ = given.write(tmp_path, "given")

    plan = make_plan(DoctorOptions(url=URL, certificate=given_path), URL, {"MTLS_PINS": str(pinned_path)})

    assert plan.certificate == given.certificate


def test_an_own_certificate_gets_a_context_of_its_own(tmp_path: Path, region: RegionalCA) -> None:
    certificate, key = region.client().write(tmp_path)

    plan = make_plan(DoctorOptions(url=URL, client_certificate=certificate, client_key=key), URL, {})

    assert plan.own is not None
    assert plan.own is not plan.context


def test_it_connects_where_it_is_told() -> None:
    plan = make_plan(DoctorOptions(url=URL, connect="[::1]:8443", direct="http://10.0.0.9:8000"), URL, {})

    assert (plan.target.address, plan.target.host) == (("::1", 8443), "actions.example.com")
    assert plan.direct is not None
    assert (plan.direct.authority, plan.direct.path) == ("10.0.0.9:8000", "/actions")


WRONG: dict[str, tuple[dict[str, object], dict[str, str], str]] = {
    "direct": ({"direct": "10.0.0.9"}, {}, "--direct '10.0.0.9' is not a URL"),
    "connect": ({"connect": "10.0.0.9"}, {}, "write HOST:PORT"),
    "connect port": ({"connect": "10.0.0.9:²"}, {}, "write HOST:PORT"),
    "method": ({"method": "GET / HTTP/1.1\r\nX: y"}, {}, "is no method of HTTP"),
    "source": ({"source": "squid"}, {}, "MTLS_SOURCE: 'squid' must be one of"),
    "environment": ({}, {"MTLS_SOURCE": "custom"}, "MTLS_HEADER: is required"),
    "elements": ({}, {"MTLS_SOURCE": "envoy", "MTLS_XFCC_ELEMENTS": "0"}, "MTLS_XFCC_ELEMENTS"),
    "certificate": ({"certificate": Path("/nonexistent")}, {}, "/nonexistent: No such file"),
    "server CA": ({"server_ca": Path("/nonexistent")}, {}, "--server-ca /nonexistent"),
    "client certificate": ({"client_certificate": Path("/nonexistent")}, {}, "--client-certificate /nonexistent"),
    "key alone": ({"client_key": Path("/nonexistent")}, {}, "--client-key needs --client-certificate"),
}


@pytest.mark.parametrize(("options", "environ", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_before_anything_is_sent(
    options: dict[str, object], environ: dict[str, str], told: str
) -> None:
    with pytest.raises(MTLSError) as failure:
        make_plan(DoctorOptions(url=URL, **options), URL, environ)  # type: ignore[arg-type]  # a table of options

    assert told in str(failure.value)


def test_an_encrypted_key_is_told_and_nobody_is_asked(tmp_path: Path, region: RegionalCA) -> None:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - beside its only user
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    client = region.client()
    certificate, key = client.write(tmp_path)
    key.write_bytes(
        client.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )

    with pytest.raises(MTLSError, match="is encrypted"):
        make_plan(DoctorOptions(url=URL, client_certificate=certificate, client_key=key), URL, {})
