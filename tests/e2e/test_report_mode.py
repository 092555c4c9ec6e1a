"""Report mode end to end: who would be refused reaches the application, and the log says why."""

import re
from pathlib import Path

import pytest

from mtls_middleware.proxy_config import TABLE
from mtls_middleware.testing import ClientCertificate
from tests.documentation.pages import page
from tests.e2e.callers import PKI
from tests.e2e.conftest import Start
from tests.e2e.processes import Server, free_port
from tests.e2e.proxies import ENDED, PROXIES, Deployment, run_application, run_proxy
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
    pattern = r"\s+".join(map(re.escape, there.split()))
    written = ADDED.get(name, "{instead}").format(there=there, instead=instead)

    def in_report_mode(configuration: str) -> str:
        text, changes = re.subn(pattern, written, configuration)
        assert changes == 1
        return text

    behind, application = run_application(name, start, pki, MTLS_MODE="report", MTLS_STATE="off")
    port, _ = run_proxy(name, start, pki, folder, behind, change=in_report_mode)
    return Deployment(source=TABLE[name].source, port=port, behind=behind, pki=pki), application


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
