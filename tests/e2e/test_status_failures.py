"""What operators see of failures, with several workers of each server: `status` says it, and says when it is over."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.testing import RegionalCA
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, free_port
from tests.e2e.test_status_page import call, environment, serving

__all__ = ["environment"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SOON = 40.0


def uvicorn(pki: PKI, port: int) -> list[str]:
    tls = ["--ssl-certfile", str(pki.certificate), "--ssl-keyfile", str(pki.key)]
    asks = ["--ssl-ca-certs", str(pki.trust), "--ssl-cert-reqs", "1"]
    command = [sys.executable, "-m", "uvicorn", "example_app.main:app", "--workers", "2", "--port", str(port)]
    return [*command, "--http", "mtls_middleware.servers.uvicorn:HttpToolsProtocol", *tls, *asks]


def gunicorn(pki: PKI, port: int) -> list[str]:
    tls = ["--certfile", str(pki.certificate), "--keyfile", str(pki.key)]
    asks = ["--ca-certs", str(pki.trust), "--cert-reqs", "1"]
    worker = ["--worker-class", "mtls_middleware.servers.gunicorn.UvicornWorker", "--workers", "2"]
    return [sys.executable, "-m", "gunicorn", "example_app.main:app", "--bind", f"{HOST}:{port}", *worker, *tls, *asks]


class Operator:
    """Ask `status` until something holds, or for some time."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {**os.environ, **environment}

    def status(self) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "mtls_middleware", "status", "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def sees(self, holds: Callable[[dict[str, Any]], object]) -> tuple[int, dict[str, Any]]:
        deadline = time.monotonic() + SOON
        while True:
            code, told = self.status()
            if holds(told) or time.monotonic() > deadline:
                return code, told
            time.sleep(0.5)


def matters(told: dict[str, Any]) -> str:
    return "\n".join(step["matter"] for step in told["steps"])


@pytest.mark.parametrize("command", [serving, uvicorn, gunicorn], ids=["serve", "uvicorn", "gunicorn"])
def test_each_failure_is_seen_and_so_is_its_end(
    start: Start, pki: PKI, environment: dict[str, str], command: Callable[[PKI, int], list[str]]
) -> None:
    environment = {**environment, "MTLS_MODE": "enforce", "MTLS_REGIONS": "us-east-1"}
    environment["MTLS_TRUST"] = environment["MTLS_TRUST"].partition(",")[0]
    operator, port = Operator(environment), free_port()
    server = start(command(pki, port), env=environment, port=port)
    code, told = operator.sees(lambda told: told["decisions"]["processes"] == 2)
    assert (code, matters(told)) == (0, "")

    # 1. Every call is refused: by the gate.
    assert call(port, pki) == 403
    code, told = operator.sees(lambda told: told["decisions"]["refused"] == 1)
    assert code == 1
    assert "no call was accepted in the last 15 minutes, and 1 failed" in matters(told)
    assert call(port, pki, pki.region.client()) == 200
    code, told = operator.sees(lambda told: told["decisions"]["accepted"] == 1)
    assert (code, told["decisions"]["by_region"]) == (0, [{"region": "us-east-1", "accepted": 1}])

    # 2. A file of trust breaks in all workers, and is good again.
    trust = Path(environment["MTLS_TRUST"]) / "US-East-1.pem"
    good = trust.read_bytes()
    trust.write_text("broken")
    code, told = operator.sees(lambda told: [one["life"] for one in told["workers"]] == ["stale"] * 2)
    assert (code, told["life"]) == (1, "stale")
    assert "US-East-1.pem" in matters(told)
    trust.write_bytes(good)
    code, told = operator.sees(lambda told: told["life"] == "fresh")
    assert (code, told["life"]) == (0, "fresh")

    # 3. All processes are killed.
    children = [int(one["name"].split()[0]) for one in told["workers"]]
    server.process.kill()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    code, told = operator.sees(lambda told: not told["decisions"]["processes"])
    assert code == 2
    assert "no running process reports here" in matters(told)
    assert "ended without closing: it was killed, or crashed" in matters(told)


def test_a_wrong_root_with_serve_is_seen_with_the_name_of_the_caller(
    start: Start, pki: PKI, environment: dict[str, str]
) -> None:
    operator, port = Operator(environment), free_port()
    server = start(serving(pki, port), env={**environment, "MTLS_MODE": "enforce"}, port=port)
    renewed = RegionalCA("us-east-1").client()
    with pytest.raises(OSError, match=r".*"):
        call(port, pki, renewed)

    code, told = operator.sees(lambda told: told["decisions"]["handshakes"])

    assert (code, told["decisions"]["handshakes"]) == (1, [{"reason": "issuer_untrusted", "number": 1}])
    assert "1 of them in the TLS handshake" in matters(told)
    assert "a refused caller bears the name of us-east-1" in matters(told)
    assert told["decisions"]["last_handshake"]["fingerprint"] == renewed.fingerprint_sha256
    assert re.search("^ERROR.* a refused caller bears the name of us-east-1", server.log, re.MULTILINE)
