"""Real servers as processes: started, waited for, always ended, and their output kept."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import gettempdir
from typing import BinaryIO

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]

START_SECONDS = 60.0
STOP_SECONDS = 5.0
_LOOK_EVERY = 0.02

FIRST_PORT, LAST_PORT, PORTS = 10_000, 32_000, 500
"""Of servers, and how many of them a process has to itself."""

REFUSED_BY_BROWSERS = 10_080
"""The only one of these ports that browsers do not connect to (Fetch standard, port blocking)."""

_KEPT: list[BinaryIO] = []
"""Open until the process ends, and with it its lock."""

Ready = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Hold a server that runs.

    Attributes:
        process: its own; workers are its children.
        output: what it writes, stdout and stderr.
    """

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def log(self) -> str:
        """Return what it has written so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")


class ServerFailedError(Exception):
    """Say that a server did not start, with its output."""


@contextmanager
def run_server(
    argv: Sequence[str | Path],
    *,
    output: Path,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
    ready: Ready | None = None,
) -> Iterator[Server]:
    """Run a server until the block ends. pytest shows its output if the test fails.

    Args:
        argv: the program and its arguments.
        output: file for its output.
        env: variables beside those of this process.
        port: on loopback; the server is ready when it accepts connections there.
        ready: returns whether the server is ready; instead of a port.
    """
    if ready is None:
        if port is None:
            raise ValueError("either a port or a readiness check is needed")
        ready = accepts(port)
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})}
    with output.open("ab") as file:
        process = subprocess.Popen(
            [str(argument) for argument in argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
    server = Server(process=process, output=output)
    try:
        _wait_until(ready, server)
        yield server
    finally:
        _stop(process)
        print(f"--- output of {argv[0]} ---\n{server.log}")  # noqa: T201 - pytest shows it where the test failed


def version_of(program: str) -> str:
    """Return the version that a program tells, whichever way it wants to be asked."""
    for option in ("version", "-v", "--version"):
        told = subprocess.run([program, option], capture_output=True, text=True, check=False, timeout=30)
        if found := re.search(r"\d+\.\d+\.\d+", told.stdout + told.stderr):
            return found[0]
    raise AssertionError(f"{program} tells no version")


def free_port() -> int:
    """Return a port on loopback that nobody listens on, and that no other process of tests will be given."""
    while (port := next(_ports())) == REFUSED_BY_BROWSERS or not _is_free(port):
        pass
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@cache
def _ports() -> Iterator[int]:
    """Return the ports of this process, again and again.

    They lie below those that Linux gives to connections, in a block that no other process of this machine has locked.
    So no port is taken between the moment when a test asks for it and the moment when its server listens.
    """
    for block in range(FIRST_PORT, LAST_PORT, PORTS):
        lock = Path(gettempdir(), f"mtls-middleware-tests-{os.getuid()}-ports-{block}").open("ab")  # noqa: SIM115
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
        else:
            _KEPT.append(lock)
            return cycle(range(block, block + PORTS))
    raise AssertionError("every block of ports is locked by another process")


def accepts(port: int) -> Ready:
    """Return a check that a TCP port on loopback accepts connections."""

    def ready() -> bool:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            return False
        return True

    return ready


def accepts_unix(path: Path) -> Ready:
    """Return a check that a unix socket accepts connections."""

    def ready() -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(path)) == 0

    return ready


def _wait_until(ready: Ready, server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        try:
            status = server.process.wait(timeout=_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise ServerFailedError(f"not ready after {START_SECONDS} s:\n{server.log}") from None
        else:
            raise ServerFailedError(f"ended with status {status}:\n{server.log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)  # a test may have stopped it
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: the server and its workers, nobody else
        process.wait(timeout=STOP_SECONDS)
