"""The commands of docs/servers.md, run as they stand there."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.e2e.asgi_servers import ENVIRONMENT, require
from tests.e2e.callers import PKI, get
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, free_port

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [fence.strip() for fence in FENCES]


def named(command: str) -> str:
    (adapter,) = re.findall(r"mtls_middleware\.servers\.([\w.:]+)", command)
    return str(adapter)


def as_run(command: str, port: int, pki: PKI) -> list[str]:
    """Return the command with files, ports and the application of this test in the places of the reader's."""
    places = {
        "main:app": "protected:asgi",
        "server.pem": str(pki.certificate),
        "server.key": str(pki.key),
        "US-East-1.pem": str(pki.trust),
        "0.0.0.0": HOST,
        "8443": str(port),
        "8080": str(free_port()),
    }
    for reader, ours in places.items():
        assert reader in command or reader == "8080"
        command = re.sub(rf"(?<!\w){re.escape(reader)}(?!\w)", ours, command)
    program, *arguments = shlex.split(command)
    return [sys.executable, *arguments] if program == "python" else [sys.executable, "-m", program, *arguments]


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_each_command_of_the_page_tells_the_certificate(
    start: Start, pki: PKI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    require(named(command))
    monkeypatch.chdir(tmp_path)
    port = free_port()
    settings = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(pki.trust)}
    start(as_run(command, port, pki), port=port, env={**ENVIRONMENT, **settings})

    assert get(port, pki.caller(pki.region.client()))["region"] == "us-east-1"
    assert get(port, pki.caller())["reason"] == "certificate_missing"


def test_the_page_has_a_command_for_each_adapter() -> None:
    adapters = {path.stem for path in (ROOT / "mtls_middleware" / "servers").glob("*.py")}

    assert {named(fence).split(".")[0].split(":")[0] for fence in FENCES} <= adapters
    assert len(FENCES) == 7
