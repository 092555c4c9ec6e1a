"""From settings to the parts that keep trust."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mtls_middleware import Settings
from mtls_middleware._io.folder import FolderStore
from mtls_middleware._io.store import Kind, NoStore
from mtls_middleware._trust.crl.known import CRLStore
from mtls_middleware.composition import Secrets, gatherer_of, trust_sources
from mtls_middleware.testing import RegionalCA
from tests.trust.genesys.region import NOW

SECRET = "a-secret-of-an-oauth-client"
STATE_SECRET = "a-secret-of-the-state-folder"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    root = RegionalCA(now=NOW).write(tmp_path)
    return {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(root), "MTLS_STATE": str(tmp_path / "state")}


def secrets_of(environ: Mapping[str, str]) -> tuple[Secrets, list[str]]:
    problems: list[str] = []
    return Secrets.read(Settings.from_env(environ), problems), problems


CLIENT = {"MTLS_GENESYS_CLIENT_ID": "an-id", "MTLS_GENESYS_CLIENT_SECRET": SECRET}


class TestSecrets:
    """All secrets are read at the start, and every problem is told."""

    def test_none_are_needed(self, environ: dict[str, str]) -> None:
        secrets, problems = secrets_of(environ)

        assert (secrets.proxy, secrets.caller, secrets.state, dict(secrets.clients), problems) == (
            None,
            None,
            (),
            {},
            [],
        )

    def test_the_state_is_keyed_by_the_oauth_secret(self, environ: dict[str, str]) -> None:
        secrets, _ = secrets_of({**environ, **CLIENT})

        assert secrets.state == (SECRET.encode(),)

    def test_or_by_a_secret_of_its_own(self, environ: dict[str, str]) -> None:
        secrets, _ = secrets_of({**environ, **CLIENT, "MTLS_STATE_SECRET": STATE_SECRET})

        assert secrets.state == (STATE_SECRET.encode(),)

    def test_every_problem_is_told(self, environ: dict[str, str], tmp_path: Path) -> None:
        names = ("PROXY", "CALLER", "STATE", "GENESYS_CLIENT")
        missing = {f"MTLS_{name}_SECRET_FILE": str(tmp_path / "missing" / name) for name in names}
        _, problems = secrets_of({**environ, "MTLS_GENESYS_CLIENT_ID": "an-id", **missing})

        assert [name for name in names if any(f"MTLS_{name}_SECRET_FILE" in problem for problem in problems)] == [
            *names
        ]

    def test_none_is_shown(self, environ: dict[str, str]) -> None:
        secrets, _ = secrets_of({**environ, **CLIENT, "MTLS_STATE_SECRET": STATE_SECRET})

        assert SECRET not in repr(secrets)
        assert STATE_SECRET not in repr(secrets)


class TestGatherer:
    """The parts are those that the settings ask for."""

    @pytest.mark.parametrize(("state", "kind"), [("off", NoStore), (None, FolderStore)], ids=["off", "a folder"])
    def test_the_state_is_kept_where_it_is_wanted(
        self, environ: dict[str, str], state: str | None, kind: type[object]
    ) -> None:
        environ |= {"MTLS_STATE": state} if state else {}
        settings = Settings.from_env(environ)
        gatherer = gatherer_of(settings, secrets_of(environ)[0], lambda: NOW, NOW)

        assert type(gatherer._store) is kind

    def test_each_client_asks_its_region(self, environ: dict[str, str]) -> None:
        environ |= {
            "MTLS_REGIONS": "us-east-1,eu-west-1",
            "MTLS_TRUST": f"us-east-1={environ['MTLS_TRUST']},eu-west-1={environ['MTLS_TRUST']}",
            "MTLS_GENESYS_CLIENT_ID": "us-east-1=an-id,eu-west-1=another",
            "MTLS_GENESYS_CLIENT_SECRET": f"us-east-1={SECRET},eu-west-1={SECRET}",
        }
        gatherer = gatherer_of(Settings.from_env(environ), secrets_of(environ)[0], lambda: NOW, NOW)

        assert [api.region for api in gatherer.apis] == ["us-east-1", "eu-west-1"]

    def test_other_regions_or_authorities_have_another_folder(self, environ: dict[str, str], tmp_path: Path) -> None:
        one, other = (
            gatherer_of(Settings.from_env(settings), secrets_of(settings)[0], lambda: NOW, NOW)._store
            for settings in (environ, {**environ, "MTLS_REGIONS": "eu-west-1"})
        )
        one.put(Kind.CRL, "a", b"a list", NOW)

        assert ([entry.key for entry in one.entries(Kind.CRL)], list(other.entries(Kind.CRL))) == (["a"], [])
        assert (tmp_path / "state").is_dir()

    def test_the_order_of_regions_makes_no_other_folder(self, environ: dict[str, str]) -> None:
        trust = f"us-east-1={environ['MTLS_TRUST']},eu-west-1={environ['MTLS_TRUST']}"
        one, other = (
            gatherer_of(Settings.from_env(settings), secrets_of(settings)[0], lambda: NOW, NOW)._store
            for settings in (
                {**environ, "MTLS_TRUST": trust, "MTLS_REGIONS": "us-east-1,eu-west-1"},
                {**environ, "MTLS_TRUST": trust, "MTLS_REGIONS": "eu-west-1,us-east-1"},
            )
        )
        one.put(Kind.CRL, "a", b"a list", NOW)

        assert [entry.key for entry in other.entries(Kind.CRL)] == ["a"]

    def test_pins_of_regions_with_a_client_come_from_elsewhere(self, environ: dict[str, str]) -> None:
        assert trust_sources(Settings.from_env({**environ, **CLIENT})).regions_with_api_pins == {"us-east-1"}


IMPORTS = """
import sys
from datetime import UTC, datetime
from mtls_middleware import Settings
from mtls_middleware.composition import Secrets, gatherer_of
settings = Settings.from_env()
now = datetime.now(UTC)
gatherer = gatherer_of(settings, Secrets.read(settings, []), lambda: now, now)
gatherer.load(now)
before = set(sys.modules)
gatherer.refresh(now, lambda: now)
print(sorted(name for name in set(sys.modules) - before))
print(sum(bool(view.error) for view in gatherer.crl_views), sum(bool(api.problem) for api in gatherer.apis))
"""


def test_lesson_a_refresh_imports_nothing_that_a_fork_could_leave_half_imported(environ: dict[str, str]) -> None:
    nowhere = {"MTLS_CRL_URLS": "http://crl.invalid/a.crl", "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": ""}
    told = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environ, **CLIENT, **nowhere, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert (told.stdout, told.stderr) == ("[]\n1 1\n", "")


NETWORK = "print('httpcore2' in sys.modules)"


@pytest.mark.parametrize(
    ("more", "is_loaded"),
    [
        pytest.param({}, False, id="default settings"),
        pytest.param({"MTLS_CRL_URLS": "{folder}"}, False, id="CRLs in a folder"),
        pytest.param({"MTLS_CRL_URLS": "http://crl.invalid/a.crl"}, True, id="CRLs at an address"),
        pytest.param({"MTLS_CRL_URLS": "http://crl.invalid/a.crl", "MTLS_REVOCATION": "off"}, False, id="off"),
        pytest.param(CLIENT, True, id="certificates API"),
    ],
)
def test_the_http_client_is_loaded_where_there_is_an_address_to_ask(
    environ: dict[str, str], tmp_path: Path, more: dict[str, str], is_loaded: bool
) -> None:
    code = IMPORTS.partition("gatherer.refresh")[0] + NETWORK
    more = {name: value.format(folder=tmp_path) for name, value in more.items()}
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**environ, **more, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert told.stdout.strip() == str(is_loaded)


def test_an_address_that_was_learned_before_the_start_is_one(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[bool] = []
    monkeypatch.setattr("mtls_middleware._trust.gathering.prepare", lambda: prepared.append(True))
    ca = RegionalCA(now=NOW)
    environ["MTLS_TRUST"] = str(ca.write(tmp_path / "root.pem"))
    client = ca.client(crl_url="http://crl.invalid/a.crl")

    for _ in range(2):
        gatherer = gatherer_of(Settings.from_env(environ), secrets_of(environ)[0], lambda: NOW, NOW)
        gatherer.load(NOW)
        CRLStore(gatherer._store).keep_chain([client.certificate, ca.certificate], NOW)

    assert prepared == [True]
