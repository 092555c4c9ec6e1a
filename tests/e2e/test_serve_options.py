"""`serve` with settings made in code, behind a path prefix, with logging of its own, and while the code changes."""

import http.client
import json
import ssl
import sys
import time
from pathlib import Path

import pytest

from mtls_middleware.testing import RegionalCA
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SOURCE = Path(__file__).parent / "served.py"

SOON = 30.0
"""Seconds for a restart on a busy machine."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"ecs": {"()": "mtls_middleware.observing.ecs.ECSFormatter"}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "ecs"}},
    "root": {"level": "INFO", "handlers": ["json"]},
}


def text_of(port: int, context: ssl.SSLContext) -> str:
    connection = http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/who")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def says(expected: str, port: int, context: ssl.SSLContext) -> bool:
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        try:
            if text_of(port, context) == expected:
                return True
        except (OSError, http.client.HTTPException):
            pass  # it starts anew
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("option", ["--reload", "--workers=2"])
def test_settings_made_in_code_rule_tls_too_in_every_process(
    option: str, start: Start, pki: PKI, tmp_path: Path
) -> None:
    folder, port, root = tmp_path / "service", free_port(), RegionalCA("us-east-1")
    folder.mkdir()
    module, trust, logs = folder / "served.py", tmp_path / "root.pem", tmp_path / "logs.json"
    module.write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    trust.write_text(root.pem, encoding="ascii")
    logs.write_text(json.dumps(LOGGING), encoding="ascii")
    tls: list[str | Path] = ["--ssl-certfile", pki.certificate, "--ssl-keyfile", pki.key]
    more: list[str | Path] = [
        "--settings",
        "served:settings",
        "--root-path",
        "/api",
        "--log-config",
        logs,
        "--app-dir",
        folder,
    ]
    argv = [sys.executable, "-m", "mtls_middleware", "serve", "served:app", "--port", str(port), *tls, *more, option]
    environment = {"TRUST_OF_THE_TEST": str(trust), "PYTHONPATH": str(ROOT)}

    server = start([*argv, "--port", str(port), *tls, *more], env=environment, port=port)
    caller = pki.caller(root.client())

    assert says("first us-east-1 /api /api/who", port, caller)
    with pytest.raises(OSError, match=r"alert|closed|reset|EOF"):
        text_of(port, pki.caller(pki.stranger.client()))
    lines = [json.loads(line) for line in server.log.splitlines()]
    (refused,) = [line for line in lines if line.get("event.action") == "handshake_refused"]
    assert refused["event.reason"] == "issuer_untrusted"

    if option == "--reload":
        module.write_text(SOURCE.read_text(encoding="utf-8").replace('"first"', '"second"'), encoding="utf-8")
        assert says("second us-east-1 /api /api/who", port, caller)
    renewed = RegionalCA("us-east-1")
    trust.write_text(renewed.pem, encoding="ascii")
    word = "second" if option == "--reload" else "first"
    assert says(f"{word} us-east-1 /api /api/who", port, pki.caller(renewed.client()))
