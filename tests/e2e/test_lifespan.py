"""Lesson 34: a server must not serve an application whose configuration is wrong, and must say why."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import HOST, ROOT, free_port

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parent

SERVERS: dict[str, list[str]] = {
    "uvicorn": ["uvicorn", "lazy:app", "--port", "{port}"],
    "hypercorn": ["hypercorn", "lazy:app", "--bind", "{host}:{port}"],
    "gunicorn-asgi": ["gunicorn", "lazy:app", "--worker-class", "asgi", "--bind", "{host}:{port}"],
    "gunicorn-wsgi": ["gunicorn", "protected:wsgi()", "--bind", "{host}:{port}"],
}

END_SECONDS = 60


@pytest.mark.parametrize("server", SERVERS)
def test_lesson_34_a_wrong_configuration_ends_the_server_with_the_whole_message(server: str) -> None:
    port = str(free_port())
    argv = [argument.format(host=HOST, port=port) for argument in SERVERS[server]]
    environment = {"PYTHONPATH": f"{ROOT}:{FOLDER}", "PATH": "/usr/bin:/bin", "MTLS_REGIONS": "us-east-11,nowhere"}

    # hypercorn ends with status 0; what counts is that it ends.
    ended = subprocess.run(
        [sys.executable, "-m", *argv],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=END_SECONDS,
        check=False,
    )

    output = ended.stdout.decode()
    assert "MTLS_REGIONS: 'us-east-11' is no region; did you mean 'us-east-1'?" in output
    assert "MTLS_REGIONS: 'nowhere' is no region" in output
