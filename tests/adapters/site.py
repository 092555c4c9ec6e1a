"""A guarded site: settings from the environment, roots in files, a clock that stands still."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509

from mtls_middleware import Guard, Settings
from mtls_middleware.observing.events import Event, Hook
from mtls_middleware.observing.logging import log
from mtls_middleware.testing import ClientCertificate, RegionalCA, nginx, tls_extension
from tests.adapters.cases import Case

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)

SECRET = "correct-horse-battery-staple"
CALLER_SECRET = "a-secret-of-the-integration"
ORGANIZATION = "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"
SECRET_HEADER = ("X-MTLS-Proxy-Secret", SECRET)

TLS: Mapping[str, str] = {}
NGINX = {"MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}
NGINX_PEER = {"MTLS_SOURCE": "nginx", "MTLS_TRUSTED_PROXIES": "10.0.0.5"}
NGINX_BOTH = {**NGINX, **NGINX_PEER}


@dataclass(slots=True)
class Clock:
    """Tell the time that a test set."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class Recorder(Hook):
    """A hook that keeps every event."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)


class Hearing(Recorder):
    """A hook that keeps every event, and logs it."""

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)
        log(event)


@dataclass(slots=True)
class Site:
    """Make guards whose trust lies in one folder."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    hearing: Hearing = field(default_factory=Hearing)
    guards: list[Guard] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "US-East-1.pem"

    def environ(self, environ: Mapping[str, str] = TLS) -> dict[str, str]:
        if not self.root.exists():
            regional_ca().write(self.root)
        base = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(self.root)}
        return {**base, "MTLS_REVOCATION": "off", "MTLS_STATE": "off", **environ}

    def settings(self, environ: Mapping[str, str] = TLS) -> Settings:
        return Settings.from_env(self.environ(environ))

    def new_guard(self, environ: Mapping[str, str] = TLS) -> Guard:
        guard = Guard(self.settings(environ), clock=self.clock, hooks=(self.hearing,))
        self.guards.append(guard)
        return guard

    def guard(self, environ: Mapping[str, str] = TLS, /, **more: str) -> Guard:
        """Return a guard that was started; `more` are variables in lower case without their prefix."""
        named = {f"MTLS_{name.upper()}": value for name, value in more.items()}
        guard = self.new_guard({**environ, **named})
        guard.start()
        return guard

    def close(self) -> None:
        for guard in self.guards:
            guard.close()


@cache
def regional_ca() -> RegionalCA:
    """Return the root of us-east-1."""
    return RegionalCA("us-east-1", now=NOW)


@cache
def stranger_ca() -> RegionalCA:
    """Return a root with the same subject, of somebody else."""
    return RegionalCA("us-east-1", subject=regional_ca().certificate.subject, now=NOW)


@cache
def good_client() -> ClientCertificate:
    return regional_ca().client()


@cache
def big_client() -> ClientCertificate:
    """Return a client that every check accepts, but for its size."""
    return regional_ca().client(other_sans=[x509.DNSName(f"name-{place}.example.com") for place in range(300)])


def over_tls(client: ClientCertificate | None, **more: Any) -> Case:
    return Case(tls=tls_extension(client), **more)


def through_nginx(client: ClientCertificate | None, *, secret: str | None = SECRET, **more: Any) -> Case:
    """Return a request as nginx passes it on, with the secret unless it is None."""
    headers = (*nginx(client), *((("X-MTLS-Proxy-Secret", secret),) if secret is not None else ()))
    return Case(headers=headers, **more)
