"""granian, which hands no client certificate over and shares dicts between requests."""

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from mtls_middleware.testing import nginx
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port
from tests.e2e.websocket import open_websocket

pytestmark = [pytest.mark.e2e, pytest.mark.matrix(table="servers", row="granian", packages=["granian"])]

FOLDER = Path(__file__).parent
SECRET = "a-secret-of-the-proxy-0123456789"


def command(app: str, port: int, *options: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "granian", app, "--interface", "asgi", "--host", HOST, "--port", str(port), *options]


def environment(pki: PKI, **more: str) -> dict[str, str]:
    settings = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust), "MTLS_EXEMPT": "/open"}
    return {"PYTHONPATH": f"{ROOT}:{FOLDER}", **settings, **more}


def tls(pki: PKI, folder: Path) -> list[str | Path]:
    key = load_pem_private_key(pki.key.read_bytes(), None)
    path = folder / "key-for-granian.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ["--ssl-certificate", pki.certificate, "--ssl-keyfile", path, "--ssl-ca", pki.trust, "--ssl-client-verify"]


def call(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    connection.timeout = TIMEOUT
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.matrix(column="certificate", gives="certificate_missing")
def test_a_verified_caller_counts_as_one_without_certificate_and_the_log_says_why_once(
    start: Start, pki: PKI, tmp_path: Path
) -> None:
    port = free_port()
    server = start(command("protected:asgi", port, *tls(pki, tmp_path)), port=port, env=environment(pki))
    context = pki.caller(pki.region.client())

    answers = [call(http.client.HTTPSConnection(HOST, port, context=context), "/actions") for _ in range(3)]

    assert [(status, body["reason"]) for status, body in answers] == [(403, "certificate_missing")] * 3
    assert server.log.count("does not hand over") == 1


@pytest.mark.matrix(column="header source")
def test_lesson_28_behind_a_proxy_no_caller_is_taken_for_the_one_before(start: Start, pki: PKI) -> None:
    port = free_port()
    settings = environment(pki, MTLS_SOURCE="nginx", MTLS_PROXY_SECRET=SECRET)
    start(command("protected:asgi", port), port=port, env=settings)
    by_the_proxy = {"X-MTLS-Proxy-Secret": SECRET}
    known, nobody = dict(nginx(pki.region.client())), dict(nginx(None))

    answers = [
        call(http.client.HTTPConnection(HOST, port), "/actions", {**by_the_proxy, **headers})
        for headers in (known, nobody, known, nobody)
    ]

    assert [status for status, _ in answers] == [200, 403, 200, 403]
    assert {body["reason"] for status, body in answers if status == 403} == {"certificate_missing"}


@pytest.mark.matrix(column="header source")
@pytest.mark.parametrize(
    ("app", "left"),
    [
        pytest.param("scribbling:scribbling", "/open/first", id="granian shares its dicts"),
        pytest.param("scribbling:protected", None, id="and the middleware gives copies"),
    ],
)
def test_lesson_28_what_an_application_writes_is_not_seen_by_the_next_request(
    start: Start, pki: PKI, app: str, left: str | None
) -> None:
    port = free_port()
    start(command(app, port), port=port, env=environment(pki))

    call(http.client.HTTPConnection(HOST, port), "/open/first")
    _, seen = call(http.client.HTTPConnection(HOST, port), "/open/second")

    assert seen == {"left": left, "tls": left and {"client_cert_chain": [left]}}


@pytest.mark.matrix(column="WebSocket", gives="certificate_missing")
def test_lesson_28_what_a_websocket_writes_is_not_seen_by_the_next_one(start: Start, pki: PKI) -> None:
    port = free_port()
    start(command("scribbling:protected", port), port=port, env=environment(pki))

    seen = [json.loads(open_websocket(port, None, path).text) for path in ("/open/first", "/open/second")]

    assert seen == [{"left": None, "tls": None}] * 2
