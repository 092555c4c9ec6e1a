"""A sound deployment to be examined, and the network around it, in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

from mtls_middleware._io.http import Response
from mtls_middleware.cli.doctor.examination import World, examine
from mtls_middleware.cli.doctor.finding import Check, Finding, Grade
from mtls_middleware.guard import utc_now
from mtls_middleware.testing import GenesysAPI, RegionalCA
from tests.trust.sessions import answer_of, sessions

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

    def examine(self, progress: Callable[[str], None] = lambda _: None) -> tuple[Finding, ...]:
        world = World(
            environ=self.environ,
            clock=self.clock,
            offline=self.offline,
            open_session=sessions(self._answer),
            version_of=self.packages.get,
            user=self.user,
        )
        return examine(world, progress)

    def _answer(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Response:
        self.asked.append(f"{method} {url}")
        if method == "HEAD":
            date = {} if self.fast is None else {"date": format_datetime(utc_now() - self.fast, usegmt=True)}
            return Response(status=200, headers=date, body=b"")
        if url in self.lists:
            return Response(status=200, headers={}, body=self.lists[url])
        if (urlsplit(url).hostname or "").endswith("mypurecloud.com"):
            return answer_of(self.api)(method, url, headers, content)
        return Response(status=404, headers={}, body=b"")


def those(findings: tuple[Finding, ...], check: Check, severity: Grade) -> list[Finding]:
    return [finding for finding in findings if (finding.check, finding.severity) == (check, severity)]
