"""``dev-ca``, ``serve`` and ``call``, one after the other, as their pages say."""

import gzip
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware.cli.call.call import run_call
from mtls_middleware.cli.dev_ca import CALLERS, NONE, run_dev_ca
from mtls_middleware.cli.options import CallOptions
from tests.cli.test_main import run
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port

pytestmark = pytest.mark.e2e

DATA = json.dumps({"phone": "+13175550100"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dev") / "dev"
    run_dev_ca(folder, region="us-east-1", force=False)
    return folder


@pytest.fixture(scope="module")
def url(folder: Path, start_for_module: Start) -> str:
    port = free_port()
    lines = (folder / "dev.env").read_text(encoding="ascii").splitlines()
    environ = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    command = [sys.executable, "-m", "mtls_middleware", "serve", "example_app.main:app", "--port", str(port)]
    command += ["--ssl-certfile", str(folder / "server.pem"), "--ssl-keyfile", str(folder / "server.key")]
    start_for_module(command, env={**environ, "PYTHONPATH": f"{ROOT}{os.pathsep}"}, port=port)
    return f"https://localhost:{port}/actions/customer-lookup"


def called(url: str, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    ended = run("call", url, "--dev-ca", str(folder), "--data", DATA, "--json", *options)
    assert "Traceback" not in ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def test_the_good_caller_is_let_in(url: str, folder: Path) -> None:
    status, told = called(url, folder)

    assert (status, told["answer"]["status"]) == (0, 200)
    assert json.loads(told["answer"]["body"])["customer_id"] == "c-1"
    assert told["tls"]["asked_for_certificate"] is True
    assert told["tls"]["alpn"] == "http/1.1"
    assert "localhost" in told["tls"]["server"]["names"]
    assert list(told["seconds"]) == ["DNS", "connect", "TLS", "first byte", "answer"]


@pytest.mark.parametrize(
    ("caller", "reason"),
    [("other-region", "region_mismatch"), ("revoked", "certificate_revoked"), (NONE, "certificate_missing")],
)
def test_the_gate_refuses_with_its_reason(url: str, folder: Path, caller: str, reason: str) -> None:
    status, told = called(url, folder, "--as", caller)

    assert (status, told["answer"]["status"], told["reason"]) == (1, 403, reason)
    assert told["cure"]
    assert json.loads(told["answer"]["body"])["correlationId"] == told["correlationId"]


@pytest.mark.parametrize(
    ("caller", "reasons"),
    [
        ("expired", {"certificate_expired"}),
        ("not-yet-valid", {"certificate_not_yet_valid"}),
        ("server-only", {"purpose_mismatch"}),
        ("stranger", {"issuer_untrusted", None}),  # the alert of a server that hangs up at once may be lost
    ],
)
def test_the_handshake_refuses_and_the_reason_is_found_all_the_same(
    url: str, folder: Path, caller: str, reasons: set[str | None]
) -> None:
    status, told = called(url, folder, "--as", caller)

    assert (status, told["answer"], told["in_handshake"]) == (1, None, True)
    assert told["reason"] in reasons
    assert not next(one.is_verified for one in CALLERS if one.name == caller)


def test_a_chunked_get_without_a_body_works(url: str, folder: Path) -> None:
    health = url.replace("/actions/customer-lookup", "/health")

    status, told = called(health, folder, "--as", NONE, "--method", "GET", "--data", "")

    assert (status, json.loads(told["answer"]["body"])) == (0, {"status": "ok"})


def test_a_server_that_is_not_trusted_is_told(url: str, folder: Path) -> None:
    ended = run("call", url, "--cert", str(folder / "good.pem"), "--key", str(folder / "good.key"))

    assert ended.returncode == 1
    assert "The server's certificate is not trusted" in ended.stdout


def test_what_is_piped_is_plain_and_tells_what_to_do(url: str, folder: Path) -> None:
    ended = run("call", url, "--dev-ca", str(folder), "--as", NONE)

    assert "\x1b" not in ended.stdout
    assert "Refused with 403 Forbidden: certificate_missing." in ended.stdout
    assert "means        The call has no certificate: an ordinary visitor" in ended.stdout
    assert "what to do   For visitors, nothing." in ended.stdout


GZIPPED = gzip.compress(b'{"a": 1}')


@pytest.mark.parametrize(
    ("answer", "conclusion"),
    [
        (b"", "the connection was closed without an answer in HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "the connection was closed without an answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "what came back is not HTTP: HTTPException"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20, "what came back is not HTTP: informational answers without end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, "answered 200 OK"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED, "answered 200 OK"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnone", "answered 200 OK"),
        (b"HTTP/1.1 502 [red]\x1b[2J\r\n\r\n", "answered 502 [red]\\x1b[2J, which is not the middleware's refusal"),
    ],
    ids=["nothing", "ssh", "headers", "interim", "long", "gzip", "no gzip", "hostile"],
)
def test_odd_servers_are_told_and_bounded(answer: bytes, conclusion: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as listener:
        server = threading.Thread(target=_answer_once, args=(listener, answer))
        server.start()
        run_call(CallOptions(url=f"http://{HOST}:{listener.getsockname()[1]}/", timeout=5, as_json=True))
        server.join()

    told = json.loads(capsys.readouterr().out)
    assert told["conclusion"] == conclusion
    assert told["answer"] is None or len(told["answer"]["body"]) <= 65_536


def test_a_server_that_never_answers_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]

        assert run_call(CallOptions(url="http://example.com/", connect=f"{HOST}:{port}", timeout=0.2)) == 1

    assert "No answer in time, at the step: first byte." in capsys.readouterr().out


def test_in_this_process_too(url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_call(CallOptions(url=url, folder=folder, data=DATA)) == 0

    assert "asks for one yes" in capsys.readouterr().out


def _answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65_536)
        connection.sendall(answer)
