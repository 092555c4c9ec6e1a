"""What docs/fleets.md says, held against what the code does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_group

from mtls_middleware import Guard, Settings
from mtls_middleware._io.redis_client import FIRST_PAUSE, LONGEST_PAUSE
from mtls_middleware._io.redis_connections import CONNECTIONS
from mtls_middleware._io.redis_lease import LEASE_SECONDS
from mtls_middleware._io.store import CLOCKS_DIFFER, MAX_ENTRIES
from mtls_middleware._trust.refresher import HURRY_SECONDS, POLL_SECONDS
from mtls_middleware._trust.schedule import AFTER_ANOTHER
from mtls_middleware.cli.app import app
from mtls_middleware.engine import Engine
from mtls_middleware.testing import RegionalCA
from tests.claims import runs_through
from tests.e2e.crl_host import run_crl_host
from tests.io.test_engine_failures import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "fleets.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def root() -> RegionalCA:
    return RegionalCA("us-east-1")


def test_the_settings_are_accepted(tmp_path: Path, root: RegionalCA) -> None:
    text = fences("ini")[0].replace("/run/secrets", str(tmp_path))
    for name in ("valkey", "mtls-state"):
        (tmp_path / name).write_text("a-secret-of-the-fleet\n", encoding="ascii")
    environ = dict(line.split("=", 1) for line in text.splitlines())
    found = Settings.from_env({"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(root.write(tmp_path)), **environ})

    assert isinstance(found.state, Engine)
    assert (found.state.hosts, found.state.tls, found.state.user) == ((("valkey.internal", 6379),), True, "mtls")
    assert f" ~{found.state_name}:* " in fences("text")[0]


def test_the_rights_are_those_that_real_engines_were_given() -> None:
    (line,) = fences("text")

    assert line.strip() == f"ACL SETUSER mtls on >PASSWORD {RULES}"


def test_each_command_is_one_that_there_is() -> None:
    commands = get_group(app).commands
    (console,) = fences("console")
    named = [line.split() for line in console.splitlines()]

    assert [words[1] for words in named] == ["mtls-middleware"] * len(named)
    for words in named:
        runs_through(commands[words[2]].make_context, words[2], words[3:])


@pytest.mark.parametrize(
    "sentence",
    [
        f"every {POLL_SECONDS:.0f} seconds, with jitter",
        f"a lease of {LEASE_SECONDS:.0f} seconds",
        f"the others wait {AFTER_ANOTHER.total_seconds():.0f} seconds, and try",
        f"A process has {CONNECTIONS} connections",
        f"{MAX_ENTRIES} entries of a kind, 20 MB for a CRL",
    ],
)
def test_each_number_is_that_of_the_code(sentence: str) -> None:
    assert sentence in TEXT


def test_an_engine_that_was_away_is_used_again_when_the_page_says() -> None:
    assert "up to twice that time later, but about two minutes at most" in TEXT
    away = 0.0
    for failures in range(12):
        longest = 2 * min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures)  # drawn up to twice as long
        assert longest <= min(2 * away + 2 * FIRST_PAUSE, 120)
        away += longest / 2
    assert away > 2 * 120


def test_numbers_that_are_words_are_those_of_the_code() -> None:
    assert (HURRY_SECONDS, CLOCKS_DIFFER.total_seconds()) == (0.25, 300)
    assert "every quarter of a second" in TEXT
    assert "Clocks may differ by five minutes" in TEXT


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_what_the_job_fetches_is_used(tmp_path: Path, root: RegionalCA) -> None:
    (manifest,) = map(yaml.safe_load, fences("yaml"))
    (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    folder = tmp_path / "crls"
    folder.mkdir()
    with run_crl_host() as host:
        host.answers["/ca.crl"] = root.crl(number=7)
        environ = {"CRL_URL": host.address("/ca.crl"), "FOLDER": str(folder)}
        assert {one["name"] for one in container["env"]} == set(environ)
        for _ in range(2):  # the second time it replaces what is there
            subprocess.run(container["command"], env={"PATH": "/usr/bin:/bin", **environ}, check=True, timeout=60)
    setting = fences("ini")[1].strip().replace("/etc/mtls/crls", str(folder)).partition("=")[2]
    guard = Guard.silent(Settings(regions="us-east-1", trust=root.write(tmp_path), state="off", crl_urls=setting))
    guard.load()

    assert guard.snapshot is not None
    assert [one.number for one in guard.snapshot.crls.crls] == [7]
    assert guard.status().problems == ()
