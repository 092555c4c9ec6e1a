"""The command ``trust``: what is in force, what can be asked, and what proxies read."""

import json
import os
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware.cli.app import app
from mtls_middleware.guard import Guard
from mtls_middleware.settings import Settings
from mtls_middleware.testing import RegionalCA
from tests.cli.trusting import Region, only, problem

NOW = datetime.now(UTC)
UP_TO_DATE = "Trust is up to date. Callers of us-east-1 can be accepted."


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


@contextmanager
def running(region: Region) -> Iterator[Guard]:
    """Let a process run that has this trust, and reports it."""
    region.environ["MTLS_STATE"] = str(region.folder / "state")
    with only(region.environ), Guard.from_settings(Settings.from_env()) as guard:
        guard.refresh()
        yield guard


def test_without_a_running_process_it_cannot_tell(region: Region) -> None:
    ended = region.run("trust", "show")

    assert ended.exit_code == 2
    assert "no running process reports here; the files and the state folder give: fresh" in ended.stdout


def test_a_process_that_has_other_trust_is_told_of(region: Region) -> None:
    path = Path(region.environ["MTLS_TRUST"])
    with running(region):
        region.ca.renewed().write(path)
        ended = region.run("trust", "show")
        shown = json.loads(region.run("trust", "show", "--json").stdout)

    assert ended.exit_code == 1
    assert "is not what the running processes trust" in ended.stdout
    assert (shown["processes"]["running"], len(shown["processes"]["others"])) == (1, 1)


@pytest.mark.parametrize("have_noticed", [True, False])
def test_a_file_that_cannot_be_used_hides_no_trust_of_the_processes(region: Region, have_noticed: bool) -> None:
    root = fingerprint(region.ca.der)[:16]
    with running(region) as guard:
        Path(region.environ["MTLS_TRUST"]).write_text("junk", encoding="ascii")
        if have_noticed:
            guard.refresh()
        ended = region.run("trust", "show")
        shown = json.loads(region.run("trust", "show", "--json").stdout)

    assert ended.exit_code == 1
    assert ended.stdout.startswith("stale: The last refresh" if have_noticed else "fresh: Trust is up to date")
    assert f"trust, as the processes report it\n  name of us-east-1: {region.ca.cert_name}\n" in ended.stdout
    assert f"  root of us-east-1: {root}\n" in ended.stdout
    assert f"root of us-east-1: {root}" in shown["processes"]["trust"]
    assert ended.stdout.count("holds no certificate") == len(shown["problems"]) == 1


def test_what_is_in_force_is_shown(region: Region) -> None:
    region.revoke(region.ca.client())
    with running(region):
        ended = region.run("trust", "show")

    assert ended.exit_code == 0
    assert ended.stdout.startswith(f"fresh: {UP_TO_DATE}\nin 1 running process\n\nus-east-1 (genesys)\n")
    for shown in (
        "dataactions.prod.us-east-1",
        "CN=Genesys Cloud us-east-1 Root CA",
        "number 1, 1 entry",
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
    region.environ["MTLS_REVOCATION"] = "require"
    with running(region):
        ended = region.run("trust", "show")

    assert ended.exit_code == 1
    assert "us-east-1 (genesys): its callers cannot be accepted now, because no " in ended.stdout


def test_a_root_that_ended_is_told_as_at_a_start(region: Region) -> None:
    old = RegionalCA("us-east-1", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    old.write(Path(region.environ["MTLS_TRUST"]))

    ended = region.run("trust", "show")

    assert ended.exit_code == 2
    assert "problems\n  us-east-1 has no anchor that is valid now" in ended.stdout


def test_pins_are_shown_with_what_is_known_of_them(region: Region) -> None:
    ca = RegionalCA("digicert", cert_name="client.digicert.test")
    root, pinned = ca.write(region.folder / "digicert.pem"), region.pem(ca.client())
    ended = region.run(
        "trust", "show", MTLS_AUTHORITIES="digicert", MTLS_TRUST=f"digicert={root}",
        MTLS_PINS=f"us-east-1={pinned},us-east-1={'ab' * 32}",
    )  # fmt: skip

    assert "pin   abababababababab, expiry not known" in ended.stdout
    assert ended.stdout.count("pin   ") == 2


DIGICERT = {
    "MTLS_AUTHORITIES": "digicert",
    "MTLS_PINS": f"us-east-1={'ab' * 32}",
    "MTLS_GENESYS_CLIENT_ID": "us-east-1=0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90",
    "MTLS_GENESYS_CLIENT_SECRET": "us-east-1=a-secret-of-an-oauth-client",
}


def test_what_the_certificates_api_told_is_shown(region: Region) -> None:
    del region.environ["MTLS_TRUST"]
    assert "certificates API\n  us-east-1: 0 certificates known\n" in region.run("trust", "show", **DIGICERT).stdout


def test_scripts_get_pins_and_apis(region: Region) -> None:
    del region.environ["MTLS_TRUST"]
    shown = json.loads(region.run("trust", "show", "--json", **DIGICERT).stdout)

    assert shown["regions"][0]["pins"][0] == {
        "fingerprint_sha256": "ab" * 32, "not_before": None, "not_after": None, "days_left": None,
        "origin": shown["regions"][0]["pins"][0]["origin"],
    }  # fmt: skip
    assert shown["apis"][0]["certificates"] == 0


def test_a_list_that_never_came_is_shown(region: Region) -> None:
    region.environ["MTLS_CRL_URLS"] = "http://127.0.0.1:9/none.crl"

    assert "http://127.0.0.1:9/none.crl: none loaded" in region.run("trust", "show").stdout


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
    assert ended.stdout.startswith(
        "stale: The last refresh failed. Callers are judged by the last good trust, which is still valid."
    )
    assert "what failed\n  CRL http://127.0.0.1:9/none.crl: cannot be fetched" in ended.stdout


def test_a_refresh_that_brings_nothing_says_so(region: Region) -> None:
    region.revoke()
    ended = region.run("trust", "refresh", MTLS_STATE=str(region.folder / "state"))

    assert (ended.exit_code, ended.stdout) == (0, f"fresh: {UP_TO_DATE}\n\nwhat changed\n  nothing\n")


def test_a_refresh_says_what_it_brought(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Guard.load

    def load_and_publish(guard: Guard) -> None:
        load(guard)
        Path(region.environ["MTLS_TRUST"]).write_text(renewed.pem, encoding="ascii")
        region.revoke(region.ca.client(), region.ca.client())

    renewed = region.ca.renewed()
    region.revoke()
    monkeypatch.setattr(Guard, "load", load_and_publish)
    changed = json.loads(region.run("trust", "refresh", "--json").stdout)["changed"]

    assert [line[:20] for line in changed] == ["us-east-1: new root ", "us-east-1: gone is r"]


def test_what_is_not_kept_is_told(region: Region) -> None:
    assert "not kept\n  there is no state folder" in region.run("trust", "refresh").stdout


def test_state_that_cannot_be_written_is_told(region: Region) -> None:
    (region.folder / "state").touch()
    ended = region.run("trust", "refresh", MTLS_STATE=str(region.folder / "state"))

    assert "it is not a folder" in ended.stdout


def test_a_region_that_is_not_served_is_told(region: Region) -> None:
    ended = region.run("trust", "refresh", MTLS_REVOCATION="require")

    assert ended.exit_code == 1
    assert "not served\n  us-east-1 (genesys): its callers cannot be accepted now, because no " in ended.stdout


def test_wrong_settings_are_told(region: Region) -> None:
    assert "MTLS_REGIONS: 'us-east-11'" in problem(region.run("trust", "show", MTLS_REGIONS="us-east-11"))


@pytest.mark.parametrize("form", ["pem", "nginx", "aws-alb"])
def test_what_is_exported_is_what_tls_verifies_by(region: Region, form: str) -> None:
    exported = region.run("trust", "export", "--format", form).stdout

    context = ssl.create_default_context(cadata=exported)
    assert [x509.load_der_x509_certificate(der) for der in context.get_ca_certs(binary_form=True)][-1:] == [
        region.ca.certificate
    ]
    heads = {
        "pem": "# us-east-1: CN=",
        "nginx": "# From mtls-middleware trust export. In nginx: ",
        "aws-alb": "-----BEGIN",
    }
    assert exported.startswith(heads[form])
    assert ("# us-east-1: CN=" in exported) == (form != "aws-alb")


def test_ended_roots_are_left_out_of_an_export(region: Region) -> None:
    old = RegionalCA("us-east-1", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    Path(region.environ["MTLS_TRUST"]).write_text(old.pem + region.ca.pem, encoding="ascii")

    assert x509.load_pem_x509_certificates(region.run("trust", "export").stdout.encode()) == [region.ca.certificate]


def test_a_file_is_replaced_as_a_whole(region: Region) -> None:
    output, crl = region.folder / "bundle.pem", region.folder / "bundle.crl"
    output.write_text(RegionalCA("us-east-1").pem, encoding="ascii")
    listed = region.revoke(region.ca.client())
    before = {path.name for path in region.folder.iterdir()}
    ended = region.run("trust", "export", "--output", str(output), "--crl", str(crl))

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert x509.load_pem_x509_certificate(output.read_bytes()) == region.ca.certificate
    assert x509.load_pem_x509_crl(crl.read_bytes()) == x509.load_der_x509_crl(listed.read_bytes())
    assert stat.S_IMODE(output.stat().st_mode) == 0o644
    assert {path.name for path in region.folder.iterdir()} == before | {"bundle.crl"}


OTHERS = {
    "text": "do not lose me",
    "a key": RegionalCA("us-east-1").client().key_pem,
    "a key beside a certificate": RegionalCA("us-east-1").pem + RegionalCA("us-east-1").client().key_pem,
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_a_file_with_something_else_is_not_replaced(region: Region, content: str) -> None:
    output, first = region.folder / "bundle.crl", region.folder / "bundle.pem"
    output.write_text(content, encoding="ascii")
    region.revoke(region.ca.client())
    arguments = ("trust", "export", "--output", str(first), "--crl", str(output))
    ended = region.run(*arguments)

    assert (ended.exit_code, output.read_text(encoding="ascii"), first.exists()) == (2, content, False)
    assert "use another name, or --force" in ended.stderr
    assert region.run(*arguments, "--force").exit_code == 0
    assert output.read_text(encoding="ascii").startswith("-----BEGIN X509 CRL")


def test_a_link_and_permissions_stay(region: Region) -> None:
    output, link = region.folder / "bundle.pem", region.folder / "link.pem"
    output.touch()
    output.chmod(0o640)
    link.symlink_to(output)

    assert region.run("trust", "export", "--output", str(link)).exit_code == 0
    assert link.is_symlink()
    assert x509.load_pem_x509_certificate(output.read_bytes()) == region.ca.certificate
    assert stat.S_IMODE(output.stat().st_mode) == 0o640


def test_a_pipe_is_written_to(region: Region) -> None:
    pipe = region.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ended = region.run("trust", "export", "--output", str(pipe))
        written = os.read(reader, 65_536)
    finally:
        os.close(reader)

    assert ended.exit_code == 0
    assert x509.load_pem_x509_certificate(written) == region.ca.certificate
    assert pipe.is_fifo()


def test_digicert_is_exported_with_configured_intermediates(region: Region) -> None:
    ca = RegionalCA("digicert", cert_name="client.digicert.test")
    between = ca.intermediate()
    chain = region.folder / "digicert.pem"
    chain.write_text(ca.pem + between.pem, encoding="ascii")
    exported = region.run(
        "trust", "export", MTLS_AUTHORITIES="digicert", MTLS_TRUST=f"digicert={chain}",
        MTLS_PINS=f"us-east-1={'ab' * 32}",
    ).stdout  # fmt: skip

    assert ca.certificate in x509.load_pem_x509_certificates(exported.encode())
    assert between.certificate in x509.load_pem_x509_certificates(exported.encode())
    assert "# intermediate CN=" in exported


def test_lists_that_are_not_known_yet_are_told(region: Region) -> None:
    ended = region.run("trust", "export", "--crl", str(region.folder / "x.crl"))

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "run mtls-middleware trust refresh" in ended.stderr


@pytest.mark.parametrize("place", ["nowhere/x.pem", "."])
def test_what_cannot_be_written_is_told(region: Region, place: str) -> None:
    ended = region.run("trust", "export", "--output", str(region.folder / place))

    assert ended.exit_code == 2
    assert "cannot be written" in ended.stderr
    assert not list(region.folder.glob("tmp*"))


def test_where_nothing_is_in_force_nothing_is_written(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "snapshot", None)
    ended = region.run("trust", "export", "--output", str(region.folder / "x.pem"))

    assert (ended.exit_code, (region.folder / "x.pem").exists()) == (1, False)


def test_a_failure_on_the_way_leaves_the_old_file(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    output = region.folder / "x.pem"
    output.write_text(region.ca.pem, encoding="ascii")

    def full(_: int) -> None:
        raise OSError("the disk is full")

    before = sorted(region.folder.iterdir())
    monkeypatch.setattr(os, "fsync", full)

    assert region.run("trust", "export", "--format", "nginx", "--output", str(output)).exit_code == 2
    assert output.read_text(encoding="ascii") == region.ca.pem
    assert sorted(region.folder.iterdir()) == before


def test_an_unknown_form_is_told_with_those_there_are(region: Region) -> None:
    ended = region.run("trust", "export", "--format", "jks")

    assert ended.exit_code == 2
    assert "pem, nginx, aws-alb" in ended.stderr


# --- trust forget-crl ---------------------------------------------------------------------------------------------


def _restored(region: Region) -> tuple[Path, dict[str, str]]:
    """Read a CRL, and put one into its place that is newer, with a lower number; return its file, and settings."""
    path = region.revoke(region.ca.client())
    path.write_bytes(region.ca.crl([region.ca.client()], number=7, this_update=NOW - timedelta(hours=2)))
    more = {"MTLS_STATE": str(region.folder / "state")}
    assert region.run("trust", "refresh", **more).exit_code == 0
    path.write_bytes(region.ca.crl(number=3, this_update=NOW - timedelta(hours=1)))
    return path, more


def test_a_number_that_goes_back_is_told_with_what_to_do(region: Region) -> None:
    path, more = _restored(region)
    ended = region.run("trust", "refresh", **more)

    assert ended.exit_code == 1
    assert f"run: mtls-middleware trust forget-crl {path}" in ended.stdout


def test_a_crl_is_forgotten_and_the_lower_number_accepted(region: Region) -> None:
    path, more = _restored(region)
    ended = region.run("trust", "forget-crl", str(path), **more)

    assert (ended.exit_code, ended.stdout.splitlines()[0]) == (0, f"forgotten: the CRL from {path}")
    refreshed = region.run("trust", "refresh", **more)
    assert refreshed.exit_code == 0
    assert "number 3, 0 entries" in region.run("trust", "show", **more).stdout


def test_what_is_kept_is_listed_where_another_crl_is_to_be_forgotten(region: Region) -> None:
    path, more = _restored(region)
    ended = region.run("trust", "forget-crl", "http://crl.example/x.crl", **more)

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr == f"No CRL is kept from http://crl.example/x.crl; kept is: {path}\n"


def test_without_state_there_is_nothing_to_forget(region: Region) -> None:
    ended = region.run("trust", "forget-crl", "http://crl.example/x.crl")

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "restart the application's workers" in ended.stderr


def test_a_state_that_cannot_be_used_is_told(region: Region) -> None:
    state = region.folder / "state"
    state.write_text("a file", encoding="ascii")
    ended = region.run("trust", "forget-crl", "http://crl.example/x.crl", MTLS_STATE=str(state))

    assert ended.exit_code == 1
    assert "cannot be" in ended.stderr


HINT = "\n  - no variable of the application is set here: run this command where the application runs"


@pytest.mark.parametrize(
    "command",
    ["status", "status --ready", "trust show", "trust refresh", "trust export", "explain {}"],
)
def test_without_the_environment_of_the_application_each_command_says_where_to_run_it(
    region: Region, command: str
) -> None:
    given = command.format(region.pem(region.ca.client())).split()
    with only({}):
        told = problem(CliRunner().invoke(app, given))
        assert told.count(HINT) == 1
        assert told.endswith("`set -a; . ./app.env; set +a`")

    assert HINT not in problem(region.run(*given, MTLS_REGIONS="us-east-11"))
