"""Report mode end to end: who would be refused reaches the application, and the log says why."""

import re
import sys
from pathlib import Path

import pytest

from mtls_middleware.proxy_config import TABLE, Parameters, render
from mtls_middleware.testing import ClientCertificate
from tests.documentation.pages import page
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, ROOT, Server, free_port
from tests.e2e.test_proxies import ENDED, FOLDER, NAME, PROXIES, SECRET, Deployment
from tests.e2e.test_serve import call, command, environment
from tests.slow import mostly_slow

pytestmark = pytest.mark.e2e

ROWS = {
    name.lower(): (there, instead, expired.strip())
    for name, there, instead, expired in re.findall(
        r"^\| (\w+) \| `(.+?)` \| `(.+?)`(?:, added below it)? \| (.+?) \|$", page("docs/rollout.md").text, re.MULTILINE
    )
}
"""Of each proxy: what the printed configuration has, what stands there in report mode, and what becomes of an expired
certificate."""

ADDED = {"envoy": "{there}\n                  {instead}"}


def clients(pki: PKI) -> dict[str, ClientCertificate | None]:
    return {
        "issuer_untrusted": pki.stranger.client(),
        "certificate_expired": pki.region.client(expired=True),
        "purpose_mismatch": pki.region.client(server_only=True),
        "certificate_missing": None,
    }


@mostly_slow("loop", ["uvloop", "asyncio"], kept=["uvloop"])
def test_serve_lets_everybody_through_the_handshake(loop: str, start: Start, pki: PKI) -> None:
    port = free_port()
    variables = environment(pki.trust, MTLS_MODE="report", MTLS_STATE="off")
    server = start(command(pki, port, "--loop", loop), env=variables, port=port)

    assert call(port, pki.caller(pki.region.client()))[1]["region"] == "us-east-1"
    for reason, client in clients(pki).items():
        assert call(port, pki.caller(client))[1]["region"] is None
        (line,) = re.findall(rf"would refuse reason={reason} .*", server.log)
        assert client is None or client.fingerprint_sha256 in line
    assert "refused in the TLS handshake" not in server.log


@mostly_slow("how", ["missing", "expired"], kept=["missing"])
def test_serve_starts_without_usable_trust(how: str, start: Start, pki: PKI, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    if how == "expired":
        now = pki.region.now
        span = pki.region.certificate.not_valid_after_utc - pki.region.certificate.not_valid_before_utc
        root.write_text(pki.region.renewed(not_before=now - span, not_after=now - span / 2).pem, encoding="ascii")
    port = free_port()
    variables = environment(root, MTLS_MODE="report", MTLS_STATE="off")
    server = start(command(pki, port), env=variables, port=port)

    assert call(port, pki.caller(pki.region.client()))[1]["region"] is None
    assert "would refuse reason=trust_unavailable" in server.log
    assert "serves without trust" in server.log


def deployed(name: str, there: str, instead: str, start: Start, pki: PKI, folder: Path) -> tuple[Deployment, Server]:
    proxy = PROXIES[name]
    program = proxy.program
    if program is None:
        pytest.skip(f"{name} is not installed")
    port, behind = free_port(), free_port()
    certificate = folder / "server-with-key.pem"
    certificate.write_bytes(pki.certificate.read_bytes() + pki.key.read_bytes())
    parameters = Parameters(
        server_name=NAME,
        address=HOST,
        port=port,
        certificate=str(certificate),
        private_key=str(pki.key),
        trust=str(pki.trust),
        application=f"{HOST}:{behind}",
        secret=SECRET,
        crl=None,
    )
    pattern = r"\s+".join(map(re.escape, there.split()))
    written = ADDED.get(name, "{instead}").format(there=there, instead=instead)
    text, changes = re.subn(pattern, written, render(name, parameters))
    assert changes == 1
    configuration = folder / TABLE[name].file
    configuration.write_text(text, encoding="utf-8")
    http_class = "mtls_middleware.servers.uvicorn:HttpToolsProtocol"
    variables = {
        "MTLS_REGIONS": "us-east-1",
        "MTLS_TRUST": str(pki.trust),
        "MTLS_SOURCE": TABLE[name].source,
        "MTLS_TRUSTED_PROXIES": HOST,
        "MTLS_PROXY_SECRET": SECRET,
        "PYTHONPATH": f"{ROOT}:{FOLDER}",
        "MTLS_MODE": "report",
        "MTLS_STATE": "off",
    }
    argv = [sys.executable, "-m", "uvicorn", "--http", http_class, "--port", str(behind), "protected:asgi"]
    application = start(argv, env=variables, port=behind)
    start([program, *proxy.command(folder, configuration)], env=proxy.environment(folder), port=port)
    return Deployment(proxy=proxy, source=TABLE[name].source, port=port, behind=behind, pki=pki), application


@mostly_slow("name", ROWS, kept=["nginx"])
def test_a_proxy_lets_strangers_through_by_the_line_of_the_page(
    name: str, start: Start, pki: PKI, tmp_path: Path
) -> None:
    there, instead, of_expired = ROWS[name]
    deployment, application = deployed(name, there, instead, start, pki, tmp_path)

    assert deployment.call(pki.region.client()) == "us-east-1"
    assert deployment.call(pki.stranger.client()) == "None"
    outcome = deployment.call(pki.region.client(expired=True))

    assert re.search(r"would refuse reason=(proxy_verification_failed|issuer_untrusted) ", application.log)
    assert outcome == {"let through": "None", "400": 400, "handshake fails": ENDED}[of_expired]


def test_each_proxy_that_is_run_has_a_line() -> None:
    assert ROWS.keys() == PROXIES.keys()
