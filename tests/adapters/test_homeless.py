"""A user without a home folder, as in a container that runs as any number: it starts, and keeps nothing."""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtls_middleware import Guard, Settings
from mtls_middleware.cli.doctor.finding import Check, Grade
from mtls_middleware.cli.doctor.state import check_state
from tests.adapters.cases import http
from tests.adapters.site import Site, good_client, over_tls, regional_ca

WARNING = "nothing is kept over a restart, because this user has no home folder: set MTLS_STATE"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> pwd.struct_passwd:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def settings_without_state(site: Site) -> Settings:
    environ = site.environ()
    del environ["MTLS_STATE"]
    return Settings.from_env(environ)


@pytest.mark.usefixtures("homeless")
def test_calls_are_judged_and_one_warning_says_what_to_set(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard.from_settings(settings_without_state(site), clock=site.clock)
    site.guards.append(guard)
    guard.start()
    guard.refresh()

    assert http(guard, over_tls(good_client())).verdict == "accepted"
    assert [message for message in caplog.messages if "kept" in message] == [WARNING]
    assert WARNING in guard.status().warnings


def test_where_files_have_no_owners_nothing_is_kept_by_default(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "geteuid")  # as on Windows
    guard = Guard.from_settings(settings_without_state(site), clock=site.clock)
    site.guards.append(guard)
    guard.start()
    guard.refresh()

    assert guard.settings.state is None
    assert http(guard, over_tls(good_client())).verdict == "accepted"
    assert [message for message in caplog.messages if "kept" in message] == []


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("state", ["off", "folder"])
def test_with_the_setting_nobody_asks_for_a_home(site: Site, caplog: pytest.LogCaptureFixture, state: str) -> None:
    folder = str(site.folder / "state") if state == "folder" else state
    guard = site.guard({"MTLS_STATE": folder})

    assert guard.settings.lacks_state_folder is False
    assert (guard.settings.state is None) == (state == "off")
    assert WARNING not in (*caplog.messages, *guard.status().warnings)


@pytest.mark.usefixtures("homeless")
def test_settings_stay_homeless_when_others_change_and_not_when_the_state_does(site: Site) -> None:
    settings = settings_without_state(site)

    assert settings.replace(max_chain=3).lacks_state_folder
    assert not settings.replace(state="off").lacks_state_folder


@pytest.mark.usefixtures("homeless")
def test_doctor_says_it(site: Site) -> None:
    (finding,) = check_state(settings_without_state(site), None)

    assert (finding.check, finding.severity) == (Check.STATE_FOLDER, Grade.WARNING)
    assert finding.seen.startswith("this user has no home folder, and MTLS_STATE is not set: ")


_PROGRAM = """
import os, sys
from mtls_middleware import Guard, Settings

def start(**more):
    given = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": sys.argv[1], "MTLS_REVOCATION": "off", **more}
    with Guard.from_settings(Settings.from_env(given)) as guard:
        return guard.status()

start(MTLS_STATE="off")  # everything is imported while this user can read it
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
print(start().life, *start().warnings, sep="\\n")
print(*start(MTLS_STATE="off").warnings)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without an account")
def test_a_real_user_without_account_and_environment_starts() -> None:
    accounts = {account.pw_uid for account in pwd.getpwall()}
    stranger = next(number for number in range(54_321, 65_000) if number not in accounts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = regional_ca().write(folder / "US-East-1.pem")
        root.chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(root), str(stranger)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={},
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["fresh", WARNING, ""]
    assert done.stderr.count(WARNING) == 2
