"""The verb ``explain``: the product's own verdict, with the step where it ended."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from typer.testing import CliRunner

from mtls_middleware.cli.app import app
from mtls_middleware.cli.explain.steps import _STEPS
from mtls_middleware.cli.explain.verb import moment
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.cli.trusting import Region, only, problem

QUESTIONS = [question for question, _, _ in _STEPS]
SIZE, READABLE, ISSUER, TIME, PURPOSE, WHOSE, REVOKED = QUESTIONS


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


Make = Callable[[Region], ClientCertificate]


def revoked(region: Region) -> ClientCertificate:
    client = region.ca.client()
    region.revoke(client)
    return client


def without_list(region: Region) -> ClientCertificate:
    region.environ["MTLS_REVOCATION"] = "require"
    return region.ca.client()


def long(region: Region) -> ClientCertificate:
    region.environ["MTLS_MAX_CHAIN"] = "1"
    return region.ca.intermediate().client()


def unpinned(region: Region) -> ClientCertificate:
    root = region.ca.write(region.folder / "digicert.pem")
    region.environ |= {
        "MTLS_AUTHORITIES": "digicert",
        "MTLS_TRUST": f"digicert={root}",
        "MTLS_PINS": f"us-east-1={'ab' * 32}",
    }
    return region.ca.client()


REFUSALS: Mapping[str, tuple[Make, str]] = {
    "certificate_too_large": (long, SIZE),
    "issuer_untrusted": (lambda _: RegionalCA("us-east-1").client(), ISSUER),
    "certificate_expired": (lambda region: region.ca.client(expired=True), TIME),
    "certificate_not_yet_valid": (lambda region: region.ca.client(not_yet_valid=True), TIME),
    "purpose_mismatch": (lambda region: region.ca.client(server_only=True), PURPOSE),
    "region_mismatch": (lambda region: region.ca.client(names="other.example.com"), WHOSE),
    "not_pinned": (unpinned, WHOSE),
    "certificate_revoked": (revoked, REVOKED),
    "revocation_unknown": (without_list, REVOKED),
}


@pytest.mark.parametrize(("reason", "make", "question"), [(name, *row) for name, row in REFUSALS.items()], ids=REFUSALS)
def test_a_refusal_is_told_at_its_step(region: Region, reason: str, make: Make, question: str) -> None:
    path = region.pem(make(region))
    told = json.loads(region.run("explain", path, "--json").stdout)

    outcomes = [step["outcome"] for step in told["steps"]]
    failed = QUESTIONS.index(question)
    assert (told["accepted"], told["reason"]) == (False, reason)
    assert [step["question"] for step in told["steps"]] == QUESTIONS
    assert outcomes == ["ok"] * failed + ["FAILED"] + ["not reached"] * (len(QUESTIONS) - failed - 1)
    assert told["steps"][failed]["seen"]
    shown = region.run("explain", path)
    assert shown.exit_code == 1
    assert f"Refused with {told['status']} " in shown.stdout


def test_an_acceptance_shows_the_evidence(region: Region) -> None:
    region.revoke(region.ca.client())
    shown = region.run("explain", region.pem(region.ca.client()))

    assert shown.exit_code == 0
    assert shown.stdout.endswith("Accepted, as region us-east-1.\n")
    for evidence in ("signed by CN=Genesys Cloud us-east-1 Root CA", "days left", "a fresh list does not name it"):
        assert evidence in shown.stdout


@pytest.mark.parametrize(("mode", "outcome"), [("check", "note"), ("off", "ok")])
def test_what_is_not_known_of_revocation_is_noted(region: Region, mode: str, outcome: str) -> None:
    told = json.loads(region.run("explain", region.pem(region.ca.client()), "--json", MTLS_REVOCATION=mode).stdout)

    assert (told["accepted"], told["steps"][-1]["outcome"]) == (True, outcome)
    assert ("no revocation list of" in told["steps"][-1]["seen"]) == (mode == "check")


def test_a_custom_caller_has_no_region(region: Region) -> None:
    environ = {"MTLS_AUTHORITIES": "custom", "MTLS_TRUST": f"custom={region.environ['MTLS_TRUST']}"}
    environ["MTLS_CERT_NAMES"] = f"custom={region.ca.cert_name}"
    client = region.ca.intermediate().client()
    shown = region.run("explain", region.pem(client), **environ)

    assert shown.stdout.endswith("Accepted, as custom.\n")
    assert "which is signed by" in shown.stdout


def test_settings_about_requests_do_not_matter(region: Region) -> None:
    about_requests = {"MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": "x" * 16, "MTLS_CALLER_SECRET": "y" * 16}
    about_requests |= {"MTLS_ORGANIZATION_IDS": "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90", "MTLS_EXEMPT": "/health"}

    assert region.run("explain", region.pem(region.ca.client()), **about_requests).exit_code == 0


def test_everything_can_be_said_on_the_command_line(region: Region) -> None:
    options = ["--region", "us-east-1", "--trust", region.environ["MTLS_TRUST"], "--authority", "genesys"]
    path = region.pem(region.ca.client())
    with only({"MTLS_STATE": "off"}):
        assert CliRunner().invoke(app, ["explain", path, *options]).exit_code == 0


def test_the_time_can_be_chosen(region: Region) -> None:
    client = region.ca.client()
    after = client.certificate.not_valid_after_utc.date().replace(year=client.certificate.not_valid_after_utc.year + 1)

    assert "certificate_expired" in region.run("explain", region.pem(client), "--at", f"{after}").stdout


@pytest.mark.parametrize("text", ["2027-03-01", "2027-03-01T00:00:00Z", "2027-03-01T01:00:00+01:00"])
def test_a_time_without_zone_is_utc(text: str) -> None:
    assert moment(text) == datetime(2027, 3, 1, tzinfo=UTC)


def test_a_refresh_asks_first(region: Region) -> None:
    region.environ |= {"MTLS_CRL_URLS": "http://127.0.0.1:9/none.crl", "MTLS_CRL_NETWORKS": "127.0.0.1"}

    assert region.run("explain", region.pem(region.ca.client()), "--refresh").exit_code == 0


def test_der_is_read_too(region: Region) -> None:
    path = region.folder / "client.der"
    path.write_bytes(region.ca.client().der)

    assert region.run("explain", str(path)).exit_code == 0


@pytest.mark.parametrize("header", ["nginx", "url-pem"])
def test_a_headers_value_is_read_as_the_application_does(region: Region, header: str) -> None:
    value = quote(region.ca.client().pem, safe="")
    with only(region.environ):
        ended = CliRunner().invoke(app, ["explain", "-", "--header", header], input=f"{value}\n")

    assert ended.exit_code == 0


UNREADABLE: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "holds no PEM certificate"),
    "a key": (b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "is a private key"),
    "cut off": (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "no END line"),
    "too long": (b"x" * 2_000_000, "longer than any certificate chain"),
}


@pytest.mark.parametrize(("content", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_certificate_is_told(region: Region, content: bytes, said: str) -> None:
    path = region.folder / "x"
    path.write_bytes(content)
    ended = region.run("explain", str(path))

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_what_cannot_be_opened_is_told(region: Region, place: str) -> None:
    assert region.run("explain", str(region.folder / place)).exit_code == 2


def test_a_header_that_cannot_be_decoded_is_told(region: Region) -> None:
    with only(region.environ):
        ended = CliRunner().invoke(app, ["explain", "-", "--header", "nginx"], input="%zz")

    assert (ended.exit_code, ended.stderr) == (2, "-: broken percent-encoding\n")


def test_der_that_is_no_certificate_is_malformed(region: Region) -> None:
    path = region.folder / "x.der"
    path.write_bytes(b"\x30\x03\x02\x01\x05")
    told = json.loads(region.run("explain", str(path), "--json").stdout)

    assert (told["reason"], told["certificate"], told["steps"][1]["outcome"]) == (
        "certificate_malformed",
        None,
        "FAILED",
    )
    assert "certificate_malformed" in region.run("explain", str(path)).stdout


def test_without_trust_there_is_no_verdict(region: Region) -> None:
    ca = RegionalCA("us-east-1", not_after=datetime(2026, 12, 1, tzinfo=UTC), now=datetime(2026, 11, 20, tzinfo=UTC))
    ca.write(Path(region.environ["MTLS_TRUST"]))
    told = json.loads(region.run("explain", region.pem(region.ca.client()), "--json", "--at", "2026-11-21").stdout)
    assert told["reason"] == "issuer_untrusted"

    assert "2026-12-01" in problem(region.run("explain", region.pem(region.ca.client()), "--at", "2026-12-02"))


def test_a_certificate_cannot_write_on_the_terminal(region: Region) -> None:
    client = region.ca.client(subject=x509.Name.from_rfc4514_string("CN=[red]\x1b[31mroot"))
    shown = region.run("explain", region.pem(client))

    assert r"CN=[red]\x1b[31mroot" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize(("option", "value"), [("--header", "iis"), ("--at", "tomorrow")])
def test_a_wrong_option_is_told(region: Region, option: str, value: str) -> None:
    assert region.run("explain", region.pem(region.ca.client()), option, value).exit_code == 2
