"""Each command ends with its own exit status, without a traceback, however its output ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtls_middleware.cli.dev_ca import run_dev_ca
from tests.cli.test_main import ROOT, run
from tests.slow import mostly_slow

FULL = Path("/dev/full")

COMMANDS: dict[str, tuple[list[str], int]] = {
    "regions": (["regions"], 0),
    "proxy-config": (["proxy-config", "nginx"], 0),
    "doctor": (["doctor", "--offline"], 1),
    "call": (["call", "http://no..name/"], 1),
    "json": (["doctor", "--offline", "--json"], 1),
    "help": (["call", "--help"], 0),
    "version": (["--version"], 0),
    "demo": (["demo"], 0),
    "attack": (["doctor", "--url", "https://localhost:1/", "--source", "nginx"], 2),
    "explain": (["explain", "{folder}/good.pem"], 0),
    "dev-ca": (["dev-ca", "{folder}", "--force"], 0),
    "status": (["status"], 2),
    "status --ready": (["status", "--ready"], 2),
    "trust show": (["trust", "show"], 2),
    "trust refresh": (["trust", "refresh"], 0),
    "trust export": (["trust", "export"], 0),
}
"""With the exit status of each, where nothing is configured; those that name or need a trust have one of their own."""

CONFIGURED = {"explain", "dev-ca", "status", "status --ready", "trust show", "trust refresh", "trust export"}

each_command = mostly_slow("command", COMMANDS, kept=["regions", "doctor", "help", "status"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ending") / "dev"
    assert run_dev_ca(made, region="us-east-1", force=False) == 0
    return made


def in_folder(command: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the arguments of a command, and its environment."""
    arguments = [argument.format(folder=folder) for argument in COMMANDS[command][0]]
    lines = (folder / "dev.env").read_text("ascii").splitlines() if command in CONFIGURED else []
    return arguments, dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def ended(arguments: list[str], stdout: int, **environment: str) -> subprocess.CompletedProcess[bytes]:
    variables = {name: text for name, text in os.environ.items() if not name.startswith("MTLS_")}
    return subprocess.run(
        [sys.executable, "-m", "mtls_middleware", *arguments],
        env={**variables, "PYTHONPATH": str(ROOT), **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


@each_command
def test_a_closed_pipe_changes_no_exit_status(command: str, folder: Path) -> None:
    arguments, environment = in_folder(command, folder)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb"):
        told = ended(arguments, writing, **environment)

    assert told.returncode == COMMANDS[command][1]
    assert b"Traceback" not in told.stderr
    assert b"BrokenPipe" not in told.stderr


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
@each_command
def test_a_full_disk_is_a_sentence(command: str, folder: Path) -> None:
    arguments, environment = in_folder(command, folder)
    with FULL.open("wb") as full:
        told = ended(arguments, full.fileno(), **environment)

    assert told.returncode == 2
    assert told.stderr.splitlines()[-1] == b"the output cannot be written: No space left on device"
    assert b"Traceback" not in told.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@each_command
def test_any_encoding_can_show_everything(command: str, folder: Path, encoding: str) -> None:
    arguments, environment = in_folder(command, folder)
    told = ended(arguments, subprocess.PIPE, PYTHONIOENCODING=encoding, **environment)

    assert told.returncode == COMMANDS[command][1]
    assert b"Traceback" not in told.stderr
    told.stdout.decode(encoding)


def test_an_arrow_is_still_an_arrow_in_ascii() -> None:
    assert b"-> " in ended(["doctor", "--offline"], subprocess.PIPE, PYTHONIOENCODING="ascii").stdout


def test_an_interrupt_ends_the_import_of_an_application(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "slow_service.py").write_text("print('importing', flush=True)\nimport time\ntime.sleep(60)\n")
    _, environment = in_folder("status", folder)
    tls: list[str | Path] = [
        "--ssl-certfile",
        folder / "server.pem",
        "--ssl-keyfile",
        folder / "server.key",
        "--app-dir",
        tmp_path,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mtls_middleware", "serve", "slow_service:app", *tls],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert (process.returncode, b"Traceback" in errors) == (128 + signal.SIGINT, False)


LOADED = """
import sys
before = set(sys.modules)
import mtls_middleware.__main__
print(*sorted(set(sys.modules) - before))
"""


def test_nothing_is_imported_before_an_interrupt_is_no_traceback() -> None:
    """What Python itself imports as it starts is out of reach."""
    told = subprocess.run(
        [sys.executable, "-S", "-c", LOADED], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == ["mtls_middleware", "mtls_middleware.__main__"]


EARLY = """
import os, signal, sys
from mtls_middleware.__main__ import main
{early}
sys.argv = ["mtls-middleware", "regions"]
main()
"""

IMPORTING = """
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""

BEGINNING = """
import mtls_middleware.cli.app as app
app.open_streams = lambda: os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize("early", [IMPORTING, BEGINNING], ids=["importing", "beginning"])
def test_an_early_interrupt_is_no_traceback(early: str) -> None:
    told = run(code=EARLY.format(early=early))

    assert (told.returncode, told.stderr) == (128 + signal.SIGINT, "")


INTERRUPTED = """
import os, signal, sys
from mtls_middleware.cli import app
import mtls_middleware.cli.regions as regions
regions.run_regions = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["mtls-middleware", "regions"]
app.run()
"""


def test_an_interrupt_is_no_traceback() -> None:
    told = run(code=INTERRUPTED)

    assert (told.returncode, "Traceback" in told.stderr) == (128 + signal.SIGINT, False)


@pytest.mark.parametrize("arguments", [["-h"], ["call", "-h"], ["trust", "show", "-h"]])
def test_help_is_asked_for_in_two_ways(arguments: list[str]) -> None:
    assert run(*arguments).stdout == run(*arguments[:-1], "--help").stdout


def test_the_version_is_shown() -> None:
    assert run("--version").stdout.startswith("mtls-middleware 0.")
