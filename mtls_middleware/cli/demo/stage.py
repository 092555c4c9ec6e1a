"""What the demo plays on: authorities, callers, two servers, and the hop that stands for a proxy."""

import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mtls_middleware.cli.demo.embedded import HOST, serving
from mtls_middleware.cli.demo.service import Service
from mtls_middleware.guard import Guard
from mtls_middleware.servers.context import server_context, trust_of
from mtls_middleware.settings import Settings
from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx

REGION = "us-east-1"
OTHER_REGION = "eu-west-1"
SECRET_HEADER = "X-MTLS-Proxy-Secret"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Hold what runs.

    Attributes:
        clients: certificates by the name of who presents them.
        tls: base URL of the server that ends TLS itself.
        http: base URL of the server behind the hop.
        services: both apps, by base URL.
        folder: for the files of callers; gone when the demo ends.
    """

    clients: Mapping[str, ClientCertificate]
    tls: str
    http: str
    services: Mapping[str, Service]
    folder: Path
    _server_ca: RegionalCA
    _secret: str

    def caller_context(self, client: ClientCertificate | None) -> ssl.SSLContext:
        """Return the TLS context of a caller with this certificate, or with none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._server_ca.der)
        if client is not None:
            context.load_cert_chain(*client.write(self.folder, client.fingerprint_sha256))
        return context

    def over_the_hop(self, client: ClientCertificate | None, headers: Mapping[str, str]) -> dict[str, str]:
        """Do to a caller's headers what a proxy does: remove its own, and set them anew.

        This hop verifies nothing and vouches for every certificate, so that the refusals are the gate's own.
        """
        ours = {name.lower() for name, _ in (*nginx(next(iter(self.clients.values()))), (SECRET_HEADER, ""))}
        passed = {name: value for name, value in headers.items() if name.lower() not in ours}
        return passed | dict(nginx(client)) | {SECRET_HEADER: self._secret}


@contextmanager
def staged() -> Iterator[Stage]:
    """Make authorities and certificates, start both servers, and clear everything away again."""
    with TemporaryDirectory(prefix="mtls-middleware-demo-") as name, ExitStack() as running:
        folder = Path(name)
        region, stranger, server_ca = RegionalCA(REGION), RegionalCA(REGION), RegionalCA("the demo's servers")
        trust = region.write(folder)
        secret = secrets.token_urlsafe(24)
        tls_guard = _guard(running, Settings(regions=REGION, trust=trust, exempt="/health", state="off"))
        http_guard = _guard(
            running,
            Settings(
                regions=REGION,
                trust=trust,
                exempt="/health",
                state="off",
                source="nginx",
                trusted_proxies=HOST,
                proxy_secret=secret,
            ),
        )
        certificate, key = server_ca.server().write(folder, "server")
        context = server_context(trust_of(tls_guard), certificate=certificate, private_key=key)
        over_tls, behind_hop = Service(tls_guard), Service(http_guard)
        tls = f"https://{HOST}:{running.enter_context(serving(over_tls.app, context))}"
        http = f"http://{HOST}:{running.enter_context(serving(behind_hop.app))}"
        yield Stage(
            clients={
                "good": region.client(),
                "stranger": stranger.client(),
                "expired": region.client(expired=True),
                "other region": region.client(names=[RegionalCA(OTHER_REGION).cert_name]),
                "server only": region.client(server_only=True),
            },
            tls=tls,
            http=http,
            services={tls: over_tls, http: behind_hop},
            folder=folder,
            _server_ca=server_ca,
            _secret=secret,
        )


def _guard(running: ExitStack, settings: Settings) -> Guard:
    guard = Guard.from_settings(settings)
    guard.start()
    running.callback(guard.close)
    return guard
