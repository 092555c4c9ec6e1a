"""``mtls-middleware serve`` as operators start it: TLS, several workers, and a trust store that follows the files."""

import http.client
import json
import os
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parent

SOON = 15.0
"""Seconds in which a changed file must have been noticed."""


def environment(trust: Path, **more: str) -> dict[str, str]:
    return {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(trust),
        "MTLS_EXEMPT": "/health",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{FOLDER}",
        **more,
    }


def command(pki: PKI, port: int, *options: str) -> list[str]:
    files = ["--ssl-certfile", str(pki.certificate), "--ssl-keyfile", str(pki.key)]
    return [sys.executable, "-m", "mtls_middleware", "serve", "protected:asgi", "--port", str(port), *files, *options]


def call(
    port: int, context: ssl.SSLContext, path: str = "/actions", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def is_let_in(port: int, pki: PKI, client: ClientCertificate) -> bool:
    try:
        return call(port, pki.caller(client))[0] == 200
    except (ssl.SSLError, ConnectionError):
        return False


def becomes(expected: bool, port: int, pki: PKI, client: ClientCertificate) -> bool:
    """Return whether a caller is let in, or not, soon."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if is_let_in(port, pki, client) is expected:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--http", "h11", "--loop", "asyncio")], ids=str)
def test_the_region_is_let_in_and_nobody_else(options: tuple[str, ...], start: Start, pki: PKI) -> None:
    port = free_port()
    server = start(command(pki, port, *options), env=environment(pki.trust), port=port)
    spoofed = dict(nginx(pki.region.client()))

    assert call(port, pki.caller(pki.region.client()))[1]["region"] == "us-east-1"
    assert call(port, pki.caller())[1]["reason"] == "certificate_missing"
    assert call(port, pki.caller(), headers=spoofed)[1]["reason"] == "certificate_missing"
    assert call(port, pki.caller(), "/health")[0] == 200
    assert not is_let_in(port, pki, pki.stranger.client())
    assert "unable to get local issuer certificate" in server.log


def test_new_roots_are_trusted_at_once_and_removed_ones_no_more(start: Start, pki: PKI, tmp_path: Path) -> None:
    old, new = RegionalCA("us-east-1"), RegionalCA("us-east-1")
    trust = tmp_path / "trust.pem"
    trust.write_text(old.pem, encoding="ascii")
    port = free_port()
    start(command(pki, port), env=environment(trust), port=port)
    assert is_let_in(port, pki, old.client())
    assert not is_let_in(port, pki, new.client())

    trust.write_text(old.pem + new.pem, encoding="ascii")
    assert becomes(True, port, pki, new.client())
    assert is_let_in(port, pki, old.client())

    trust.write_text(new.pem, encoding="ascii")
    assert becomes(False, port, pki, old.client())
    assert is_let_in(port, pki, new.client())


def test_lesson_9_a_bad_new_file_keeps_the_old_trust(start: Start, pki: PKI, tmp_path: Path) -> None:
    trust = pki.region.write(tmp_path)
    port = free_port()
    server = start(command(pki, port), env=environment(trust), port=port)

    trust.write_text("garbage", encoding="ascii")
    deadline = time.monotonic() + SOON
    while "the last good one stays" not in server.log and time.monotonic() < deadline:
        time.sleep(0.1)

    assert "the last good one stays" in server.log
    assert is_let_in(port, pki, pki.region.client())
