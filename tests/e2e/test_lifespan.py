"""Lesson 34: a server must not serve an application whose configuration is wrong, and must say why."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.e2e.asgi_servers import ENVIRONMENT
from tests.e2e.asgi_servers import SERVERS as ADAPTED
from tests.e2e.callers import TIMEOUT
from tests.e2e.conftest import Start
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

WRONG = {"MTLS_REGIONS": "us-east-11,nowhere"}


@pytest.mark.parametrize("server", SERVERS)
def test_lesson_34_a_wrong_configuration_ends_the_server_with_the_whole_message(server: str) -> None:
    port = str(free_port())

    output = output_of("-m", *(argument.format(host=HOST, port=port) for argument in SERVERS[server]))

    assert "MTLS_REGIONS: 'us-east-11' is no region; did you mean 'us-east-1'?" in output
    assert "MTLS_REGIONS: 'nowhere' is no region" in output


@pytest.mark.matrix(table="servers", row="{server}", column="wrong configuration", gives="ends")
@pytest.mark.parametrize("server", [name for name in ADAPTED if name != "daphne"])
def test_lesson_34_a_wrong_configuration_ends_each_server_with_our_adapter(server: str) -> None:
    _, *argv = ADAPTED[server].argv("lazy:app", free_port())

    output = output_of(*argv)

    assert "MTLS_REGIONS: 'us-east-11' is no region; did you mean 'us-east-1'?" in output


@pytest.mark.matrix(table="servers", row="granian", column="wrong configuration", gives="ends")
def test_lesson_34_a_wrong_configuration_ends_granian() -> None:
    output = output_of("-m", "granian", "lazy:app", "--interface", "asgi", "--host", HOST, "--port", str(free_port()))

    assert "MTLS_REGIONS: 'us-east-11' is no region; did you mean 'us-east-1'?" in output


@pytest.mark.matrix(table="servers", row="daphne", column="wrong configuration", gives="503 for every call")
def test_lesson_34_daphne_which_has_no_lifespan_serves_nobody(start: Start) -> None:
    port = free_port()
    start(ADAPTED["daphne"].argv("lazy:app", port), port=port, env={**ENVIRONMENT, **WRONG})

    with pytest.raises(HTTPError) as refusal:
        urlopen(f"http://{HOST}:{port}/", timeout=TIMEOUT)

    with refusal.value as answer:
        assert (answer.status, json.loads(answer.read())["reason"]) == (503, "trust_unavailable")


def output_of(*arguments: str | Path) -> str:
    """Return what a server writes until it ends."""
    environment = {"PYTHONPATH": f"{ROOT}:{FOLDER}", "PATH": "/usr/bin:/bin", **WRONG}

    # hypercorn ends with status 0; what counts is that it ends.
    ended = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=END_SECONDS,
        check=False,
    )

    return ended.stdout.decode()
