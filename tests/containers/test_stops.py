"""A server that is told to end finishes the call in progress, with the options of docs/containers.md."""

import http.client
import json
import re
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
from gunicorn.config import GracefulTimeout  # type: ignore[import-untyped]  # gunicorn ships no types
from hypercorn.config import Config

from mtls_middleware.testing import RegionalCA, present
from tests.e2e.conftest import Start, start
from tests.e2e.processes import HOST, ROOT, Server, accepts, free_port
from tests.slow import mostly_slow

__all__ = ["start"]

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
SOON = 30.0
LOOKUP = json.dumps({"phone": "+13175550100"}).encode()

_BEGINS = re.compile(r"Shutting down|Handling signal: term|\bterminat|\bstopping", re.IGNORECASE)
"""What a server that still holds its port says when it begins to end."""


def commands() -> dict[str, str]:
    """Return the command of each server in the table of the page."""
    section = PAGE.partition("## Stop without losing a call")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|`]+?) \| `([^`]+)` \|", section, re.MULTILINE))


def test_what_servers_do_without_the_option_is_as_the_table_says() -> None:
    rows = re.findall(r"^\| (gunicorn|hypercorn)\b.*\| (\d+) s \|$", PAGE, re.MULTILINE)

    assert rows == [("gunicorn", str(GracefulTimeout.default)), ("hypercorn", f"{Config.graceful_timeout:.0f}")]


@mostly_slow("server", commands(), kept=["mtls-middleware"])
def test_a_call_in_progress_is_finished(server: str, start: Start, tmp_path: Path) -> None:
    ca, port = RegionalCA("us-east-1"), free_port()
    program, *options = shlex.split(commands()[server].replace("8000", str(port)).replace("0.0.0.0", HOST))
    module = "mtls_middleware" if program == "mtls-middleware" else program
    environ = {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(ca.write(tmp_path)),
        "MTLS_REVOCATION": "off",
        "MTLS_STATE": "off",
        "MTLS_SOURCE": "nginx",
        "MTLS_PROXY_SECRET": "a-secret-of-the-proxy-0123456789",
        "PYTHONPATH": str(ROOT),
    }
    running = start([sys.executable, "-m", module, *options], env=environ, port=port)
    connection = half_a_call(port, ca)

    running.process.send_signal(signal.SIGTERM)
    assert begins_to_end(running, port), running.log
    connection.send(LOOKUP[5:])

    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["tier"]) == (200, "gold")
    connection.close()
    running.process.wait(timeout=SOON)


def half_a_call(port: int, ca: RegionalCA) -> http.client.HTTPConnection:
    """Send the head of a call, and some of its body, and return when its server has seen that."""
    connection = http.client.HTTPConnection(HOST, port, timeout=SOON)
    connection.putrequest("POST", "/actions/customer-lookup")
    given = {**dict(present("nginx", ca.client()).headers), "X-MTLS-Proxy-Secret": "a-secret-of-the-proxy-0123456789"}
    for name, value in {**given, "Content-Type": "application/json", "Content-Length": str(len(LOOKUP))}.items():
        connection.putheader(name, value)
    # 100 is sent when the application reads the body: by then it was judged.
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock is not None
    assert connection.sock.recv(1024).startswith(b"HTTP/1.1 100")
    connection.send(LOOKUP[:5])
    return connection


def begins_to_end(running: Server, port: int) -> bool:
    """Wait until a server has understood that it is to end."""
    deadline = time.monotonic() + SOON
    while accepts(port)() and not _BEGINS.search(running.log):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
