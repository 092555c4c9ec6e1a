"""The command ``status``: as text, as JSON, and what it hands to uvicorn; the served page is in tests/e2e."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from rich.console import Console
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from mtls_middleware import ConfigurationError, Guard, MTLSError, Settings
from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware.cli.app import app
from mtls_middleware.cli.status import READY, show
from mtls_middleware.cli.status_server import Address, page
from mtls_middleware.installation import install_command
from mtls_middleware.status_page import StatusPage
from mtls_middleware.status_page.view import view_of
from mtls_middleware.testing import RegionalCA
from tests.status_page import scenes

CALL = Connection(
    interface=Interface.ASGI,
    path="/actions",
    raw_path=b"/actions",
    root_path="",
    headers=(),
    client=("127.0.0.1", 40_000),
    transport=None,
    tls={},
    event=None,
    trailers_are_headers=False,
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "trust").mkdir()
    return {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(RegionalCA("us-east-1").write(tmp_path / "trust")),
        "MTLS_STATE": str(tmp_path / "state"),
        "MTLS_REVOCATION": "off",
        "MTLS_MODE": "report",
    }


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[Guard]:
    """Return the guard of another process, which has judged three calls without a certificate."""
    guard = Guard.from_settings(Settings.from_env(environment))
    guard.start()
    for _ in range(3):
        guard.decide(CALL)
    guard.refresh()
    yield guard
    guard.close()


def run(environment: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, ["status", *arguments], env=environment)


@pytest.mark.usefixtures("worker")
def test_it_tells_what_the_workers_counted(environment: dict[str, str]) -> None:
    ended = run(environment)

    assert ended.exit_code == 1
    assert "Trust: fresh. Trust is up to date. Callers of us-east-1 can be accepted." in ended.stdout
    assert "no call was accepted in the last 15 minutes, and 3 failed" in ended.stdout
    assert "0 accepted, 0 refused, 3 would have been refused" in ended.stdout
    assert "certificate_missing: 3 calls would have been refused" in ended.stdout
    assert "a moment ago" in ended.stdout
    assert f"{os.getpid()} on " in ended.stdout
    assert "the last root of us-east-1" in ended.stdout


@pytest.mark.usefixtures("worker")
def test_json_is_what_the_page_gives(environment: dict[str, str]) -> None:
    told = json.loads(run(environment, "--json").stdout)

    (row,) = told["decisions"]["by_reason"]
    assert (row["reason"], row["refused"], row["would_be_refused"]) == ("certificate_missing", 0, 3)
    assert told["decisions"]["processes"] == 1
    assert (told["version"], told["verdict"], told["workers"][0]["liveness"]) == (2, "needs attention", "alive")


def test_where_nobody_runs_it_cannot_tell(environment: dict[str, str]) -> None:
    ended = run(environment)

    assert ended.exit_code == 2
    assert "No running process reports, so it is not known how calls are judged." in ended.stdout
    assert "has written its counts yet" in ended.stdout
    assert "Nothing." not in ended.stdout


def test_without_a_state_folder_it_says_that_nothing_is_known(environment: dict[str, str]) -> None:
    ended = run({**environment, "MTLS_STATE": "off", "MTLS_MODE": "enforce"})

    assert ended.exit_code == 2
    assert "Not known here: MTLS_STATE is off" in ended.stdout
    assert "processes share nothing" in ended.stdout
    assert "Nothing." not in ended.stdout


def test_a_running_process_that_accepts_is_good(environment: dict[str, str]) -> None:
    with Guard.from_settings(Settings.from_env({**environment, "MTLS_MODE": "enforce"})) as guard:
        guard.refresh()
        ended = run(environment)

    assert (ended.exit_code, "Nothing.\n" in ended.stdout) == (0, True)


def test_what_a_worker_knows_is_told_and_not_what_the_command_knows(environment: dict[str, str]) -> None:
    trust = Path(environment["MTLS_TRUST"])
    good = trust.read_bytes()
    with Guard.from_settings(Settings.from_env(environment)) as guard:
        trust.write_text("broken")
        guard.refresh()
        trust.write_bytes(good)
        ended = run(environment)
        ready = run(environment, "--ready")

    assert (ended.exit_code, ready.exit_code) == (1, 0)
    assert "Trust: stale." in ended.stdout
    assert "- problem: MTLS_TRUST" in ended.stdout


def test_ready_is_said_of_trust_and_not_of_proxy_and_callers(environment: dict[str, str]) -> None:
    with Guard.from_settings(Settings.from_env({**environment, "MTLS_MODE": "enforce"})) as guard:
        guard.decide(CALL)
        guard.refresh()
        ready, ended = run(environment, "--ready"), run(environment)

    assert (ready.exit_code, ended.exit_code) == (0, 1)
    assert ready.stdout == (
        "ready: no running process refuses good calls for lack of trust; whether the proxy and the callers are right, "
        "mtls-middleware status says\n"
    )


def test_files_that_only_the_command_cannot_load_change_nothing(environment: dict[str, str]) -> None:
    environment["MTLS_MODE"] = "enforce"
    with Guard.from_settings(Settings.from_env(environment)) as guard:
        guard.refresh()
        ended = run({**environment, "MTLS_TRUST": f"{environment['MTLS_TRUST']}.missing"})

    assert ended.exit_code == 0
    assert "Trust is up to date. Callers can be accepted." in ended.stdout


@pytest.mark.parametrize(
    ("mode", "status", "told"),
    [
        pytest.param("enforce", 1, f"not ready: trust is missing in process {os.getpid()}", id="enforce"),
        # The emergency exit has to work on the day on which the root has expired: probes must not close it.
        pytest.param("report", 0, READY, id="report"),
    ],
)
def test_a_process_without_trust_is_ready_only_if_it_lets_calls_through(
    environment: dict[str, str], mode: str, status: int, told: str
) -> None:
    Path(environment["MTLS_TRUST"]).write_text("broken")
    environment["MTLS_MODE"] = mode
    guard = Guard.from_settings(Settings.from_env(environment))
    with pytest.raises(ConfigurationError) if mode == "enforce" else nullcontext():
        guard.start()
    itself = guard.refresh().is_ready
    ended, ready = run(environment), run(environment, "--ready")
    guard.close()
    alone = run(environment, "--ready")

    assert (ended.exit_code, ready.exit_code, alone.exit_code) == (1, status, 2)
    assert itself == (status == 0)
    assert "Trust: missing" in ended.stdout
    assert ready.stdout.startswith(told)
    assert "not ready: no running process reports here" in alone.stdout


def test_who_is_not_ready_says_what_is_missing(environment: dict[str, str]) -> None:
    environment |= {"MTLS_MODE": "enforce", "MTLS_REVOCATION": "require"}
    with Guard.from_settings(Settings.from_env(environment)) as guard:
        guard.refresh()
        ended = run(environment, "--ready")

    assert ended.exit_code == 1
    assert " ".join(ended.stdout.split()) == (
        f"not ready: trust is expired in process {os.getpid()}: no CRL is fresh, and MTLS_REVOCATION=require"
    )


def test_trust_that_cannot_be_loaded_is_told_with_its_problem(environment: dict[str, str]) -> None:
    Path(environment["MTLS_TRUST"]).write_text("broken")

    ended = run({**environment, "MTLS_MODE": "enforce"})

    assert ended.exit_code == 2
    assert "- problem: MTLS_TRUST" in ended.stdout
    assert "Set here: mode enforce, source tls;" in ended.stdout


@pytest.mark.parametrize("mode", ["enforce", "report"])
def test_it_asks_nobody_where_trust_cannot_be_loaded(environment: dict[str, str], mode: str) -> None:
    Path(environment["MTLS_TRUST"]).write_text("broken")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        crl = f"http://127.0.0.1:{listener.getsockname()[1]}/list.crl"
        run(
            environment
            | {"MTLS_MODE": mode, "MTLS_REVOCATION": "check", "MTLS_CRL_URLS": crl, "MTLS_CRL_NETWORKS": "127.0.0.1"}
        )

        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 1])
def test_who_reads_only_its_beginning_gets_its_exit_status(environment: dict[str, str], lines: int) -> None:
    with Guard.from_settings(Settings.from_env({**environment, "MTLS_MODE": "enforce"})) as guard:
        guard.refresh()
        command = f"set -o pipefail; {sys.executable} -u -m mtls_middleware status | head -{lines}"
        ended = subprocess.run(["bash", "-c", command], env={**os.environ, **environment}, check=False, timeout=100)

    assert ended.returncode == 0


def test_wrong_settings_end_it(environment: dict[str, str]) -> None:
    ended = run({**environment, "MTLS_REGIONS": "us-east-11"})

    assert isinstance(ended.exception, MTLSError)


def test_on_a_terminal_it_is_coloured_and_a_hostile_name_stays_text(tmp_path: Path) -> None:
    guard = Guard.silent(
        Settings(regions="us-east-1", trust=RegionalCA("us-east-1", valid=timedelta(days=9)).write(tmp_path))
    )
    guard.load()
    status = guard.status()
    object.__setattr__(status, "warnings", ("[bold]x[/bold]\x1b[31m",))
    output = StringIO()

    fleet = scenes.counted({}, scenes.worker(status), since=datetime.now(UTC))
    show(view_of(status, fleet, datetime.now(UTC)), Console(file=output, force_terminal=True, width=80))

    assert "[bold]x[/bold]\\x1b[31m" in output.getvalue()
    assert "\x1b[1;33m- ends soon" in output.getvalue()


@pytest.mark.parametrize(
    ("text", "host", "port", "is_loopback", "url"),
    [
        ("127.0.0.1:9443", "127.0.0.1", 9443, True, "http://127.0.0.1:9443/"),
        ("[::1]:9443", "::1", 9443, True, "http://[::1]:9443/"),
        ("localhost:80", "localhost", 80, True, "http://localhost:80/"),
        ("0.0.0.0:9443", "0.0.0.0", 9443, False, "http://0.0.0.0:9443/"),
        ("10.0.0.5:9443", "10.0.0.5", 9443, False, "http://10.0.0.5:9443/"),
        ("operators.example:9443", "operators.example", 9443, False, "http://operators.example:9443/"),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int, is_loopback: bool, url: str) -> None:
    address = Address.parse(text)

    assert (address.host, address.port, address.is_loopback, address.url) == (host, port, is_loopback, url)


@pytest.mark.parametrize(
    "text", ["", "9443", ":9443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "a b:1"]
)
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no address: write 127\.0\.0\.1:9443"):
        Address.parse(text)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what uvicorn would have been started with."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda application, **how: calls.append({"application": application, **how}))
    return calls


@pytest.mark.parametrize(("host", "is_warned"), [("127.0.0.1", False), ("[::1]", False), ("0.0.0.0", True)])
def test_it_warns_where_others_reach_it(
    environment: dict[str, str], started: list[dict[str, Any]], host: str, is_warned: bool
) -> None:
    ended = run(environment, "--listen", f"{host}:9443")

    assert ended.exit_code == 0
    assert ("is not a loopback address" in ended.stderr) is is_warned
    assert f"the status page is on http://{host}:9443/" in ended.stderr
    assert (started[0]["host"], started[0]["port"]) == (host.strip("[]"), 9443)
    assert isinstance(started[0]["application"], StatusPage)


def test_it_serves_while_trust_cannot_be_loaded(environment: dict[str, str], started: list[dict[str, Any]]) -> None:
    Path(environment["MTLS_TRUST"]).write_text("broken")

    run(environment, "--listen", "127.0.0.1:9443")

    told = TestClient(started[0]["application"], base_url="http://127.0.0.1").get("/status.json").json()
    assert (told["life"], told["steps"][0]["urgency"]) == (None, "problem")
    assert any("MTLS_TRUST" in step["matter"] for step in told["steps"])


@pytest.mark.parametrize(
    ("listen", "asked", "status"),
    [
        ("127.0.0.1:9443", "http://127.0.0.1:9443/", 200),
        ("127.0.0.1:9443", "http://localhost:1234/", 200),
        ("[::1]:9443", "http://[::1]:9443/", 200),
        ("127.0.0.1:9443", "http://attacker.example:9443/", 403),
        ("localhost:9443", "http://10.0.0.5:9443/", 403),
        ("0.0.0.0:9443", "http://operators.example:9443/", 200),
    ],
)
def test_a_web_site_with_a_name_of_its_own_reads_nothing(
    environment: dict[str, str], listen: str, asked: str, status: int
) -> None:
    guard = Guard.silent(Settings.from_env(environment))
    guard.load()

    assert TestClient(page(guard, Address.parse(listen))).get(asked).status_code == status


@pytest.mark.parametrize(("module", "extra"), [("jinja2", "status"), ("uvicorn", "serve")])
def test_what_is_missing_is_told_with_its_extra(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "mtls_middleware.cli.status_server", raising=False)

    ended = run(environment, "--listen", "127.0.0.1:9443")

    assert ended.exit_code == 2
    assert install_command(extra) in ended.stderr
