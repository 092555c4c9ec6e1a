"""The verb ``trust``: what is in force, what can be asked, and what proxies read."""

import json
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware.testing import RegionalCA
from tests.cli.trusting import Region, problem

NOW = datetime.now(UTC)


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


def test_what_is_in_force_is_shown(region: Region) -> None:
    region.revoke(region.ca.client())
    ended = region.run("trust", "show")

    assert ended.exit_code == 0
    assert ended.stdout.startswith("fresh: trust is in force\n\nus-east-1 (genesys)\n")
    for shown in (
        "dataactions.prod.us-east-1",
        "CN=Genesys Cloud us-east-1 Root CA",
        "number 1, 1 entries",
        "expires in",
    ):
        assert shown in ended.stdout


def test_scripts_get_the_same(region: Region) -> None:
    shown = json.loads(region.run("trust", "show", "--json").stdout)

    (one,) = shown["regions"]
    assert (shown["life"], one["name"], one["available"]) == ("fresh", "us-east-1", True)
    assert one["anchors"][0]["fingerprint_sha256"] == fingerprint(region.ca.der)
    assert shown["coming"][0]["days"] == one["anchors"][0]["days_left"]


def test_callers_that_cannot_be_accepted_are_told_by_the_exit_status(region: Region) -> None:
    ended = region.run("trust", "show", MTLS_REVOCATION="require")

    assert ended.exit_code == 1
    assert "us-east-1 (genesys): its callers cannot be accepted now" in ended.stdout


def test_a_root_that_ended_is_told_as_at_a_start(region: Region) -> None:
    old = RegionalCA("us-east-1", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    old.write(Path(region.environ["MTLS_TRUST"]))

    assert "us-east-1 has no anchor that is valid now" in problem(region.run("trust", "show"))


def test_pins_are_shown_with_what_is_known_of_them(region: Region) -> None:
    ca = RegionalCA("digicert", cert_name="client.digicert.test")
    root, pinned = ca.write(region.folder / "digicert.pem"), region.pem(ca.client())
    ended = region.run(
        "trust", "show", MTLS_AUTHORITIES="digicert", MTLS_TRUST=f"digicert={root}",
        MTLS_PINS=f"us-east-1={pinned},us-east-1={'ab' * 32}",
    )  # fmt: skip

    assert "pin   abababababababab, end not known" in ended.stdout
    assert ended.stdout.count("pin   ") == 2


def test_a_certificate_cannot_write_on_the_terminal(region: Region) -> None:
    ca = RegionalCA("us-east-1", subject=x509.Name.from_rfc4514_string("CN=[red]\x1b[31mroot"))
    ca.write(Path(region.environ["MTLS_TRUST"]))
    ended = region.run("trust", "show")

    assert r"CN=[red]\x1b[31mroot" in ended.stdout


def test_a_source_that_fails_is_told_by_the_exit_status(region: Region) -> None:
    region.environ["MTLS_CRL_URLS"] = "http://127.0.0.1:9/none.crl"
    region.environ["MTLS_CRL_NETWORKS"] = "127.0.0.1"
    ended = region.run("trust", "refresh")

    assert ended.exit_code == 1
    assert ended.stdout.startswith("stale: the last refresh failed; the last good trust serves on")
    assert "http://127.0.0.1:9/none.crl: none came" in ended.stdout


def test_a_refresh_that_succeeds_says_what_is_in_force(region: Region) -> None:
    region.revoke()

    assert region.run("trust", "refresh").exit_code == 0
    assert json.loads(region.run("trust", "refresh", "--json").stdout)["lists"][0]["number"] == 1


def test_wrong_settings_are_told(region: Region) -> None:
    assert "MTLS_TRUST" in problem(region.run("trust", "show", MTLS_TRUST="/nowhere"))


@pytest.mark.parametrize("form", ["pem", "nginx", "aws-alb"])
def test_what_is_exported_is_what_tls_verifies_by(region: Region, form: str) -> None:
    exported = region.run("trust", "export", "--format", form).stdout

    context = ssl.create_default_context(cadata=exported)
    assert [x509.load_der_x509_certificate(der) for der in context.get_ca_certs(binary_form=True)][-1:] == [
        region.ca.certificate
    ]
    assert exported.startswith("-----BEGIN" if form == "aws-alb" else "# us-east-1: CN=")


def test_ended_roots_are_left_out_of_an_export(region: Region) -> None:
    old = RegionalCA("us-east-1", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    Path(region.environ["MTLS_TRUST"]).write_text(old.pem + region.ca.pem, encoding="ascii")

    assert x509.load_pem_x509_certificates(region.run("trust", "export").stdout.encode()) == [region.ca.certificate]


def test_a_file_is_replaced_as_a_whole(region: Region) -> None:
    output, crl = region.folder / "bundle.pem", region.folder / "bundle.crl"
    output.write_text("old", encoding="ascii")
    listed = region.revoke(region.ca.client())
    before = {path.name for path in region.folder.iterdir()}
    ended = region.run("trust", "export", "--output", str(output), "--crl", str(crl))

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert x509.load_pem_x509_certificate(output.read_bytes()) == region.ca.certificate
    assert x509.load_pem_x509_crl(crl.read_bytes()) == x509.load_der_x509_crl(listed.read_bytes())
    assert stat.S_IMODE(output.stat().st_mode) == 0o644
    assert {path.name for path in region.folder.iterdir()} == before | {"bundle.crl"}


def test_lists_that_are_not_known_yet_are_told(region: Region) -> None:
    ended = region.run("trust", "export", "--crl", str(region.folder / "x.crl"))

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "trust refresh asks for them" in ended.stderr


@pytest.mark.parametrize("place", ["nowhere/x.pem", "."])
def test_what_cannot_be_written_is_told(region: Region, place: str) -> None:
    ended = region.run("trust", "export", "--output", str(region.folder / place))

    assert ended.exit_code == 2
    assert "cannot be written" in ended.stderr
    assert not list(region.folder.glob("tmp*"))


def test_an_unknown_form_is_told_with_those_there_are(region: Region) -> None:
    ended = region.run("trust", "export", "--format", "jks")

    assert ended.exit_code == 2
    assert "pem, nginx, aws-alb" in ended.stderr
