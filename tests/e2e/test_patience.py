"""Who waits for an answer longer than proxies and servers do by themselves gets it: docs/timeouts.md."""

import http.client
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import ROOT, free_port
from tests.e2e.proxies import NAME, PROXIES, run_proxy
from tests.e2e.wsgi_programs import Site, documented

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parent
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{FOLDER}"}
SECONDS = 32
"""Envoy by itself waits for 15 s, and gunicorn for 30 s."""


@pytest.mark.slow
def test_data_actions_get_an_answer_that_takes_long(start: Start, pki: PKI, tmp_path: Path) -> None:
    behind = free_port()
    start([sys.executable, "-m", "uvicorn", "patient:asgi", "--port", str(behind)], env=ENVIRONMENT, port=behind)
    ports = {}
    for name in [name for name, one in PROXIES.items() if one.program]:
        (folder := tmp_path / name).mkdir()
        ports[name], _ = run_proxy(name, start, pki, folder, behind)
    ports["gunicorn"] = _gunicorn(start, pki, tmp_path)

    def call(name: str) -> tuple[int, bytes]:
        context = pki.caller(pki.region.client())
        connection = http.client.HTTPSConnection(NAME, ports[name], timeout=2 * SECONDS, context=context)
        try:
            connection.request("GET", f"/actions?{SECONDS}")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(ports)) as callers:
        answers = dict(zip(ports, callers.map(call, ports), strict=True))

    assert answers == dict.fromkeys(ports, (200, b"at last"))


def _gunicorn(start: Start, pki: PKI, folder: Path) -> int:
    port = free_port()
    line = documented("gunicorn", Site(start=start, pki=pki, folder=folder), port).split()
    start([sys.executable, "-m", *line[:-1], "-k", "sync", "patient:wsgi"], env=ENVIRONMENT, port=port)
    return port
