"""More failures, with several workers of each server: `status` and the log name each, and say when it is over."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn as uvicorn_server
from starlette.types import Receive, Scope, Send

from mtls_middleware.testing import ClientCertificate, RegionalCA
from mtls_middleware.testing.genesys_api import GenesysAPI
from tests.documentation.pages import page
from tests.e2e.callers import PKI, TIMEOUT
from tests.e2e.conftest import Start
from tests.e2e.processes import HOST, Server, ServerFailedError, free_port
from tests.e2e.test_status_failures import Operator, gunicorn, matters, uvicorn
from tests.e2e.test_status_page import call, environment, serving
from tests.e2e.tunnel import Tunnel, run_tunnel

__all__ = ["environment"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SOON = 60.0

SERVERS: dict[str, Callable[[PKI, int], list[str]]] = {"serve": serving, "uvicorn": uvicorn, "gunicorn": gunicorn}

each_server = pytest.mark.parametrize("name", SERVERS)


@dataclass
class Site:
    """A server with two workers that an operator watches, by nothing but `status` and its log."""

    server: Server
    operator: Operator
    port: int
    pki: PKI

    def sees(self, life: str, code: int) -> str:
        """Return what `status` says when trust is so in both workers."""
        found, told = self.operator.sees(lambda told: [one["life"] for one in told["workers"]] == [life] * 2)
        assert (found, told["life"]) == (code, life), (told["headline"], matters(told))
        return matters(told)

    def logs(self, line: str, caller: ClientCertificate | None = None, *, runbook: str = "") -> None:
        """Wait for a line of the log that the runbook has; one may call meanwhile: workers tell of their own calls."""
        assert (runbook or line) in page("docs/operations.md").text
        deadline = time.monotonic() + SOON
        while line not in self.server.log and time.monotonic() < deadline:
            if caller is not None:
                call(self.port, self.pki, caller)
            time.sleep(0.2)
        assert line in self.server.log

    def answers(self, expected: int, client: ClientCertificate) -> None:
        deadline = time.monotonic() + SOON
        while (status := call(self.port, self.pki, client)) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        assert status == expected


Run = Callable[..., Site]


@pytest.fixture
def run(start: Start, pki: PKI, environment: dict[str, str]) -> Run:
    def running(name: str, **more: str) -> Site:
        folder = environment["MTLS_TRUST"].partition(",")[0]
        settings = {**environment, "MTLS_MODE": "enforce", "MTLS_REGIONS": "us-east-1", "MTLS_TRUST": folder, **more}
        port = free_port()
        server = start(SERVERS[name](pki, port), env=settings, port=port)
        return Site(server, Operator(settings), port, pki)

    return running


@dataclass
class Platform:
    """The certificates API behind a proxy; both can fail."""

    api: GenesysAPI
    tunnel: Tunnel
    environment: dict[str, str] = field(default_factory=dict)
    is_down: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.is_down:
            await self.api(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


@pytest.fixture
def platform(tmp_path: Path, pki: PKI) -> Iterator[Platform]:
    root = RegionalCA("Public root")
    certificate, key = root.server(["login.mypurecloud.com", "api.mypurecloud.com"]).write(tmp_path, "platform")
    with socket.create_server((HOST, 0)) as listener, run_tunnel(listener.getsockname()[1]) as tunnel:
        made = Platform(GenesysAPI(), tunnel)
        config = uvicorn_server.Config(
            made, ssl_certfile=certificate, ssl_keyfile=str(key), lifespan="off", log_config=None, ws="none"
        )
        running = uvicorn_server.Server(config)
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        made.environment = {
            "HTTPS_PROXY": f"http://{HOST}:{tunnel.port}",
            "SSL_CERT_FILE": str(root.write(tmp_path / "public-root.pem")),
            "MTLS_GENESYS_CLIENT_ID": made.api.client_id,
            "MTLS_GENESYS_CLIENT_SECRET": made.api.client_secret,
            "MTLS_AUTHORITIES": "digicert",
            "MTLS_TRUST": f"digicert={pki.trust}",
            "MTLS_REFRESH_SECONDS": "1",
        }
        yield made
        running.should_exit = True
        thread.join(TIMEOUT)


@pytest.mark.parametrize("outage", ["503", "unreachable"])
@each_server
def test_an_outage_of_the_certificates_api(name: str, outage: str, run: Run, platform: Platform, pki: PKI) -> None:
    client = pki.region.client()
    platform.api.add(client)
    site = run(name, **platform.environment)
    site.sees("fresh", 0)

    platform.is_down = outage == "503"
    platform.tunnel.refusal = b"HTTP/1.1 502 Bad Gateway\r\n\r\n" if outage == "unreachable" else None
    told = site.sees("stale", 1)

    assert {"503": "503", "unreachable": "502"}[outage] in told
    site.logs("trust was not refreshed, the last good one stays: ")
    site.answers(200, client)  # with the pins that are known
    platform.is_down, platform.tunnel.refusal = False, None
    site.sees("fresh", 0)
    site.logs("trust is refreshed again")  # by the worker that asks for all


@each_server
def test_pins_that_expire(name: str, run: Run, pki: PKI, tmp_path: Path) -> None:
    pins, now = tmp_path / "pins.pem", datetime.now(UTC)
    ending = pki.region.client(not_after=now + timedelta(seconds=25))
    pins.write_text(ending.chain_pem, encoding="ascii")
    site = run(name, MTLS_AUTHORITIES="digicert", MTLS_TRUST=f"digicert={pki.trust}", MTLS_PINS=f"us-east-1={pins}")

    told = site.sees("expired", 1)

    assert "us-east-1" in told
    renewed = pki.region.client()
    pins.write_text(renewed.chain_pem, encoding="ascii")
    site.answers(200, renewed)
    site.sees("fresh", 0)


@each_server
def test_a_crl_that_expires_where_one_is_required(name: str, run: Run, pki: PKI, tmp_path: Path) -> None:
    crl, client = tmp_path / "ca.crl", pki.region.client()
    crl.write_bytes(pki.region.crl())
    site = run(name, MTLS_REVOCATION="require", MTLS_CRL_URLS=str(crl))
    site.answers(200, client)
    now = datetime.now(UTC)

    issued, ends = now - timedelta(hours=1), now + timedelta(seconds=10)
    crl.write_bytes(pki.region.crl(number=2, this_update=issued, next_update=ends))
    site.answers(503, client)

    code, told = site.operator.sees(lambda told: told["decisions"]["refused"] > 0)
    assert code == 1
    assert "revocation_unknown" in matters(told)
    assert "expired at" in matters(told)
    crl.write_bytes(pki.region.crl(number=3, this_update=now))
    site.answers(200, client)
    site.logs("are accepted again", client)


@each_server
def test_a_root_that_is_not_valid_yet_as_by_a_wrong_clock(name: str, run: Run, pki: PKI) -> None:
    site = run(name)
    site.sees("fresh", 0)
    trust = Path(site.operator.environment["MTLS_TRUST"]) / "US-East-1.pem"
    good, now = trust.read_bytes(), datetime.now(UTC)
    future = RegionalCA("us-east-1", not_before=now + timedelta(days=1), not_after=now + timedelta(days=900))
    trust.write_text(future.pem, encoding="ascii")

    told = site.sees("stale", 1)

    assert "no anchor that is valid now" in told
    assert "begins at" in told
    site.answers(200, pki.region.client())
    trust.write_bytes(good)
    site.sees("fresh", 0)
    site.logs("trust is refreshed again")


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn"])
def test_a_wrong_root_where_the_server_verifies_by_the_right_one(name: str, run: Run, pki: PKI) -> None:
    site, client = run(name), pki.region.client()
    site.sees("fresh", 0)
    trust = Path(site.operator.environment["MTLS_TRUST"]) / "US-East-1.pem"
    good = trust.read_bytes()
    trust.write_text(RegionalCA("us-east-1").pem, encoding="ascii")
    site.answers(403, client)

    code, told = site.operator.sees(lambda told: told["decisions"]["refused"] > 0)

    assert code == 1, (matters(told), told["headline"], told["decisions"]["accepted"])
    assert "bears the name of us-east-1" in matters(told)
    trust.write_bytes(good)
    site.answers(200, client)
    site.logs("are accepted again", client)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@each_server
def test_a_disk_that_is_full(name: str, run: Run, pki: PKI, small_disk: Path) -> None:
    site = run(name, MTLS_STATE=str(small_disk / "state"))
    site.sees("fresh", 0)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)

    told = site.sees("fresh", 1)

    assert "cannot be written: its disk is full" in told
    site.answers(200, pki.region.client())
    site.logs("its disk is full")
    filler.unlink()
    site.logs("can be written again", runbook="state in … can be … again")
    site.sees("fresh", 0)


def test_a_secret_that_is_not_there(run: Run, pki: PKI, tmp_path: Path) -> None:
    secret = tmp_path / "caller-secret"
    with pytest.raises(ServerFailedError, match="caller-secret"):
        run("serve", MTLS_CALLER_SECRET_FILE=str(secret))
    secret.write_text("a secret of thirty-two characters")
    site = run("serve", MTLS_CALLER_SECRET_FILE=str(secret))

    code, told = site.operator.status()
    assert (code, told["life"]) == (0, "fresh")
    site.answers(403, pki.region.client())
    code, told = site.operator.sees(lambda told: told["decisions"]["refused"] > 0)
    assert code == 1
    assert "caller_secret_mismatch" in matters(told)
