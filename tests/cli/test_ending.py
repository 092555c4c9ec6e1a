"""Each command ends with its own exit status, without a traceback, however its output ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import ROOT, run

FULL = Path("/dev/full")

COMMANDS: dict[str, tuple[list[str], int]] = {
    "regions": (["regions"], 0),
    "proxy-config": (["proxy-config", "nginx"], 0),
    "doctor": (["doctor", "--offline"], 1),
    "call": (["call", "http://no..name/"], 1),
    "json": (["doctor", "--offline", "--json"], 1),
    "help": (["call", "--help"], 0),
}
"""With the exit status of each, where nothing is configured."""


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


@pytest.mark.parametrize(("arguments", "status"), COMMANDS.values(), ids=COMMANDS)
def test_a_closed_pipe_changes_no_exit_status(arguments: list[str], status: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb"):
        told = ended(arguments, writing)

    assert told.returncode == status
    assert b"Traceback" not in told.stderr
    assert b"BrokenPipe" not in told.stderr


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [arguments for arguments, _ in COMMANDS.values()], ids=COMMANDS)
def test_a_full_disk_is_a_sentence(arguments: list[str]) -> None:
    with FULL.open("wb") as full:
        told = ended(arguments, full.fileno())

    assert told.returncode == 2
    assert told.stderr.splitlines()[-1] == b"the output cannot be written: No space left on device"
    assert b"Traceback" not in told.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(("arguments", "status"), COMMANDS.values(), ids=COMMANDS)
def test_any_encoding_can_show_everything(arguments: list[str], status: int, encoding: str) -> None:
    told = ended(arguments, subprocess.PIPE, PYTHONIOENCODING=encoding)

    assert told.returncode == status
    assert b"Traceback" not in told.stderr
    told.stdout.decode(encoding)


def test_an_arrow_is_still_an_arrow_in_ascii() -> None:
    assert b"-> " in ended(["doctor", "--offline"], subprocess.PIPE, PYTHONIOENCODING="ascii").stdout


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
