"""A sound deployment to be examined, and the network around it, in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2

from mtls_middleware.cli.doctor.own.examination import World, examine
from mtls_middleware.cli.doctor.own.finding import Check, Finding, Severity
from mtls_middleware.guard import utc_now
from mtls_middleware.testing import GenesysAPI, RegionalCA

SECRET = "a secret of sixteen"
CRL_ADDRESS = "http://93.184.216.34/root.crl"
"""Written out, so that nobody looks up a name."""


@dataclass
class Deployment:
    """Hold what is examined; tests break it.

    Attributes:
        folder: of all files.
        region: whose root is trusted.
        environ: of the application.
        api: answers for Genesys.
        lists: by address; others are not found.
        fast: by how much this machine's clock is ahead of the hosts'; None where they tell no time.
        packages: installed servers.
        user: who looks.
        offline: nobody is asked.
    """

    folder: Path
    region: RegionalCA = field(default_factory=RegionalCA)
    environ: dict[str, str] = field(default_factory=dict)
    api: GenesysAPI = field(default_factory=GenesysAPI)
    lists: dict[str, bytes] = field(default_factory=dict)
    fast: timedelta | None = timedelta()
    packages: dict[str, str] = field(default_factory=lambda: {"uvicorn": "0.54.0"})
    user: int = 1000
    offline: bool = False
    clock: Callable[[], datetime] = utc_now
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        self.environ |= {
            "MTLS_REGIONS": "us-east-1",
            "MTLS_TRUST": str(self.trust(self.region)),
            "MTLS_CRL_URLS": CRL_ADDRESS,
            "MTLS_STATE": str(state),
            "MTLS_CALLER_SECRET": SECRET,
        }
        self.lists[CRL_ADDRESS] = self.region.crl()

    def trust(self, *regions: RegionalCA, name: str = "us-east-1.pem") -> Path:
        path = self.folder / name
        path.write_text("".join(region.pem for region in regions), encoding="ascii")
        path.chmod(0o644)
        return path

    def secret(self, mode: int) -> Path:
        path = self.folder / "secret"
        path.write_text(f"{SECRET}\n", encoding="ascii")
        path.chmod(mode)
        return path

    def behind(self, source: str, **more: str) -> None:
        self.environ |= {"MTLS_SOURCE": source, "MTLS_PROXY_SECRET": SECRET, **more}

    def with_client(self, secret: str | None = None) -> None:
        self.environ["MTLS_GENESYS_CLIENT_ID"] = self.api.client_id
        self.environ["MTLS_GENESYS_CLIENT_SECRET"] = secret or self.api.client_secret

    def examine(self, tell: Callable[[str], None] = lambda _: None) -> tuple[Finding, ...]:
        world = World(
            environ=self.environ,
            clock=self.clock,
            offline=self.offline,
            transport=httpx2.MockTransport(self._answer),
            version_of=self.packages.get,
            user=self.user,
        )
        return examine(world, tell)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        address = str(request.url)
        self.asked.append(f"{request.method} {address}")
        if request.method == "HEAD":
            told = {} if self.fast is None else {"date": format_datetime(utc_now() - self.fast, usegmt=True)}
            return httpx2.Response(200, headers=told)
        if address in self.lists:
            return httpx2.Response(200, content=self.lists[address])
        if request.url.host.endswith("mypurecloud.com"):
            return self.api.transport().handle_request(request)
        return httpx2.Response(404)


def those(findings: tuple[Finding, ...], check: Check, severity: Severity) -> list[Finding]:
    return [finding for finding in findings if (finding.check, finding.severity) == (check, severity)]
