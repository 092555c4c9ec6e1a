"""The command ``explain``: the product's own verdict, with the step where it ended."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware.cli.app import app
from mtls_middleware.cli.explain.steps import QUESTIONS as ASKED
from mtls_middleware.cli.options import ExplainOptions
from mtls_middleware.testing import ClientCertificate, RegionalCA
from mtls_middleware.testing.leaves import AS_USUAL, Unchanged
from tests.cli.trusting import Region, only, problem

QUESTIONS = [question.text for question in ASKED]
TRUST, SIZE, READABLE, ISSUER, TIME, PURPOSE, WHOSE, REVOKED = QUESTIONS

DER, PKCS8, OPEN = Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
LOCKED = RegionalCA("us-east-1").client().private_key.private_bytes(DER, PKCS8, BestAvailableEncryption(b"secret"))
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
NOW = datetime.now(UTC)


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
    client = region.ca.client()
    shown = region.run("explain", region.pem(client))

    assert shown.exit_code == 0
    assert shown.stdout.endswith("Accepted, as region us-east-1.\n")
    for evidence in (
        f"SHA-256       {fingerprint(client.der)}",
        "signed by CN=Genesys Cloud us-east-1 Root CA",
        f"SHA-256 {fingerprint(region.ca.der)}",
        f"a root of us-east-1, from MTLS_TRUST {region.environ['MTLS_TRUST']}",
        "days left",
        "extended key usage clientAuth",
        f"it has {region.ca.cert_name} as DNS name",
        f"CRL 1 from {region.environ['MTLS_CRL_URLS']}, until ",
        f"has no {client.certificate.serial_number:x}",
    ):
        assert evidence in shown.stdout


FAILURES: Mapping[str, tuple[Make, str]] = {
    "expired": (REFUSALS["certificate_expired"][0], ": ended 1 day ago"),
    "not yet": (REFUSALS["certificate_not_yet_valid"][0], ": begins in "),
    "for servers": (REFUSALS["purpose_mismatch"][0], "extended key usage serverAuth"),
    "a CA": (lambda region: region.ca.client(is_ca=True), "a CA"),
    "another name": (REFUSALS["region_mismatch"][0], "it has other.example.com as DNS name"),
    "no name": (lambda region: region.ca.client(names=()), "it has no DNS name"),
    "a stranger": (REFUSALS["issuer_untrusted"][0], "us-east-1 trusts CN=Genesys Cloud us-east-1 Root CA"),
    "on a list": (revoked, "is on CRL 1 from "),
}


@pytest.mark.parametrize(("make", "seen"), FAILURES.values(), ids=FAILURES)
def test_a_step_that_failed_shows_what_was_seen(region: Region, make: Make, seen: str) -> None:
    told = json.loads(region.run("explain", region.pem(make(region)), "--json").stdout)

    (failed,) = [step for step in told["steps"] if step["outcome"] == "FAILED"]
    assert any(seen in line for line in failed["seen"])


@pytest.mark.parametrize("reason", ["region_mismatch", "not_pinned", "certificate_revoked", "revocation_unknown"])
def test_a_refusal_behind_the_root_shows_the_path_to_it(region: Region, reason: str) -> None:
    told = json.loads(region.run("explain", region.pem(REFUSALS[reason][0](region)), "--json").stdout)

    assert (told["reason"], told["path"][-1]["fingerprint_sha256"]) == (reason, fingerprint(region.ca.der))


@pytest.mark.parametrize(("mode", "outcome"), [("check", "note"), ("off", "ok")])
def test_what_is_not_known_of_revocation_is_noted(region: Region, mode: str, outcome: str) -> None:
    told = json.loads(region.run("explain", region.pem(region.ca.client()), "--json", MTLS_REVOCATION=mode).stdout)

    assert (told["accepted"], told["steps"][-1]["outcome"]) == (True, outcome)
    assert any("no CRL of" in line for line in told["steps"][-1]["seen"]) == (mode == "check")


def test_a_custom_caller_has_no_region(region: Region) -> None:
    environ = {"MTLS_AUTHORITIES": "custom", "MTLS_TRUST": f"custom={region.environ['MTLS_TRUST']}"}
    environ["MTLS_CERT_NAMES"] = f"custom={region.ca.cert_name}"
    client = region.ca.intermediate().client()
    shown = region.run("explain", region.pem(client), **environ)

    assert shown.stdout.endswith("Accepted, as custom.\n")
    assert shown.stdout.count("signed by CN=") == 2
    assert "with it came CN=" in shown.stdout


@pytest.mark.parametrize(
    ("names", "whose"), [(AS_USUAL, "Accepted, as region us-east-1."), ("partner.example", "Accepted, as custom.")]
)
def test_each_authority_is_asked(region: Region, names: str | Unchanged, whose: str) -> None:
    partner = RegionalCA("us-east-1")
    root = partner.write(region.folder / "partner.pem")
    region.environ |= {
        "MTLS_AUTHORITIES": "genesys,custom",
        "MTLS_TRUST": f"us-east-1={region.environ['MTLS_TRUST']},custom={root}",
        "MTLS_CERT_NAMES": "custom=partner.example",
    }
    ca = region.ca if names is AS_USUAL else partner
    shown = region.run("explain", region.pem(ca.client(names=names)))

    assert shown.stdout.endswith(f"{whose}\n")
    assert fingerprint(ca.der) in shown.stdout


def test_a_pinned_caller_is_shown_with_its_pin(region: Region) -> None:
    unpinned(region)
    path = region.pem(region.ca.client())
    shown = region.run("explain", path, MTLS_PINS=f"us-east-1={path}")

    assert shown.exit_code == 0
    assert f"pinned for us-east-1, by MTLS_PINS {path}" in shown.stdout


USES: Mapping[str, tuple[Make, str]] = {
    "nothing said": (lambda region: region.ca.client(extended_key_usage=None), "no extended key usage, so any"),
    "no key usage": (lambda region: region.ca.client(key_usage=None), "extended key usage clientAuth and serverAuth\n"),
    "unknown": (
        lambda region: region.ca.client(extended_key_usage=[CLIENT_AUTH, x509.ObjectIdentifier("1.2.3.4")]),
        "extended key usage 1.2.3.4 and clientAuth",
    ),
}


@pytest.mark.parametrize(("make", "said"), USES.values(), ids=USES)
def test_uses_are_shown_as_they_stand(region: Region, make: Make, said: str) -> None:
    assert said in region.run("explain", region.pem(make(region))).stdout


def test_a_name_in_the_cn_is_said_to_be_there(region: Region) -> None:
    client = region.ca.client(names=None, common_names=region.ca.cert_name)

    assert f"it has {region.ca.cert_name} as CN only" in region.run("explain", region.pem(client)).stdout


def test_a_thousand_names_are_a_few_lines(region: Region) -> None:
    client = region.ca.client(names=[f"n{number}.example.com" for number in range(1_000)])
    shown = region.run("explain", region.pem(client)).stdout

    assert "and 976 lines more" in shown
    assert len(shown) < 8_000


def test_what_the_gate_did_not_foresee_is_told(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtls_middleware._core.policy.identify", lambda *_: 1 / 0)
    shown = region.run("explain", region.pem(region.ca.client()))

    assert shown.exit_code == 1
    assert "because       ZeroDivisionError('division by zero')" in shown.stdout
    assert "  ok  " not in shown.stdout


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
    assert ExplainOptions(source="-", at=text).moment == datetime(2027, 3, 1, tzinfo=UTC)


def test_a_refresh_asks_first(region: Region) -> None:
    region.environ |= {"MTLS_CRL_URLS": "http://127.0.0.1:9/none.crl", "MTLS_CRL_NETWORKS": "127.0.0.1"}

    shown = region.run("explain", region.pem(region.ca.client()), "--refresh")

    assert shown.exit_code == 0
    assert "note          " in shown.stdout
    assert "http://127.0.0.1:9/none.crl" in shown.stdout


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
    "a key in DER": (RegionalCA("us-east-1").client().private_key.private_bytes(DER, PKCS8, OPEN), "is a private key"),
    "a key with a password": (LOCKED, "is a private key"),
    "a zip": (b"PK\x03\x04", "is a zip"),
    "no certificate in DER": (b"\x30\x03\x02\x01\x05", "cannot be read"),
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


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        ("nginx", "%zz", "certificate_malformed"),
        ("envoy", "Hash=00", "certificate_malformed"),
        ("haproxy", "", "certificate_missing"),
        ("rfc9440", ":AAAA:", "certificate_malformed"),
        ("nginx", "A" * 40_000, "certificate_too_large"),
    ],
)
def test_a_bad_header_is_refused_as_the_application_does(region: Region, header: str, value: str, reason: str) -> None:
    with only(region.environ):
        ended = CliRunner().invoke(app, ["explain", "-", "--header", header, "--json"], input=f"{value}\n")

    assert (ended.exit_code, json.loads(ended.stdout)["reason"]) == (1, reason)


def test_two_certificates_where_the_proxy_sends_one_are_malformed(region: Region) -> None:
    value = quote(region.ca.client().pem + region.ca.pem, safe="")
    with only(region.environ):
        told = [CliRunner().invoke(app, ["explain", "-", "--header", one], input=value).stdout for one in ALB]

    assert ["two certificates where one belongs" in text for text in told] == [True, False]


ALB = ("aws-alb", "aws-alb-passthrough")


def test_the_configured_header_needs_no_word(region: Region) -> None:
    region.environ |= {"MTLS_SOURCE": "custom", "MTLS_HEADER": "X-Cert", "MTLS_HEADER_ENCODING": "b64-der"}
    path = region.folder / "header.txt"
    path.write_bytes(base64.b64encode(region.ca.client().der) + b"\n")
    shown = region.run("explain", str(path))

    assert shown.exit_code == 0
    assert shown.stdout.endswith("note          read as the header of MTLS_SOURCE=custom\n")
    assert region.run("explain", str(path), "--header", "custom").exit_code == 0


def test_what_is_neither_certificate_nor_configured_header_is_no_verdict(region: Region) -> None:
    path = region.folder / "x"
    path.write_text("hello", encoding="ascii")
    ended = region.run("explain", str(path), MTLS_SOURCE="nginx")

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{path}: holds no PEM certificate; if a proxy wrote it into a header, use --header")


def test_a_certificate_that_cannot_be_read_is_malformed(region: Region) -> None:
    path = region.folder / "x.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n", encoding="ascii")
    told = json.loads(region.run("explain", str(path), "--json").stdout)

    assert (told["reason"], told["certificate"], told["steps"][2]["outcome"]) == (
        "certificate_malformed",
        None,
        "FAILED",
    )
    assert "certificate_malformed" in region.run("explain", str(path)).stdout


@pytest.mark.parametrize(("at", "reason"), [(-1, None), (5, None), (9, "trust_unavailable")])
def test_roots_are_those_of_now_at_a_later_time(region: Region, at: int, reason: str | None) -> None:
    ca = RegionalCA("us-east-1", not_before=NOW - timedelta(days=3), not_after=NOW + timedelta(days=8))
    ca.write(Path(region.environ["MTLS_TRUST"]))
    client = ca.client(not_before=NOW - timedelta(days=3))  # the next day may begin before this line
    moment = f"{NOW + timedelta(days=at):%Y-%m-%d}"
    told = json.loads(region.run("explain", region.pem(client), "--json", "--at", moment).stdout)

    assert told["reason"] == reason


def test_roots_that_ended_count_at_an_earlier_time(region: Region) -> None:
    ca = RegionalCA("us-east-1", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=3))
    ca.write(Path(region.environ["MTLS_TRUST"]))
    client = ca.client(not_before=NOW - timedelta(days=8))

    assert "has no anchor that is valid now" in problem(region.run("explain", region.pem(client)))
    assert region.run("explain", region.pem(client), "--at", f"{NOW - timedelta(days=5):%Y-%m-%d}").exit_code == 0


def test_what_ended_is_told_where_trust_is_gone(region: Region) -> None:
    shown = region.run("explain", region.pem(region.ca.client()), "--at", "2090-01-01").stdout

    assert "  FAILED      is there valid trust?\n              nothing of what is trusted is valid now" in shown
    assert "Refused with 503 Service Unavailable: trust_unavailable." in shown


def test_report_mode_is_said_beside_a_refusal(region: Region) -> None:
    path = region.pem(region.ca.client(expired=True))

    assert "only logs this refusal" in region.run("explain", path, MTLS_MODE="report").stdout
    assert "only logs this refusal" not in region.run("explain", path).stdout


def test_a_certificate_cannot_write_on_the_terminal(region: Region) -> None:
    client = region.ca.client(subject=x509.Name.from_rfc4514_string("CN=[red]\x1b[31mroot"))
    shown = region.run("explain", region.pem(client))

    assert r"CN=[red]\x1b[31mroot" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize(("option", "value"), [("--header", "iis"), ("--at", "tomorrow")])
def test_a_wrong_option_is_told(region: Region, option: str, value: str) -> None:
    assert region.run("explain", region.pem(region.ca.client()), option, value).exit_code == 2


@pytest.mark.parametrize(
    ("authorities", "said"),
    [
        ("digicert", "see https://mtls-middleware.readthedocs.io/digicert/"),
        ("custom", "add the CA's current one as custom=PATH"),
    ],
)
def test_advice_sends_for_no_root_of_a_region_that_is_not_used(region: Region, authorities: str, said: str) -> None:
    pinned = {"MTLS_PINS": f"us-east-1={region.pem(region.ca.client())}"} if authorities == "digicert" else {}
    root = f"{authorities}={region.ca.write(region.folder / 'any.pem')}"
    region.environ |= {"MTLS_AUTHORITIES": authorities, "MTLS_TRUST": root, "MTLS_CERT_NAMES": region.ca.cert_name}
    if authorities == "digicert":
        del region.environ["MTLS_CERT_NAMES"]
    shown = region.run("explain", region.pem(region.ca.client()), "--json", "--at", "2090-01-01", **pinned)
    told = json.loads(shown.stdout)

    assert told["reason"] == "trust_unavailable"
    assert said in told["cure"]
    assert "download" not in told["cure"]


def test_a_root_that_is_valid_is_not_blamed_for_a_missing_crl(region: Region) -> None:
    shown = region.run("explain", region.pem(without_list(region))).stdout

    assert "us-east-1 (genesys): 1 root, but no CRL is fresh, and MTLS_REVOCATION=require" in shown
