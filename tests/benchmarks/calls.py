"""Data action calls as they reach the middleware, over TLS and through a proxy."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mtls_middleware import Guard, Settings
from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA, tls_extension

SECRET = "a-secret-of-32-characters-really"
ORGANIZATION = "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"
HOST = "actions.example.com"

COMMON = (
    (b"host", HOST.encode()),
    (b"user-agent", b"PureCloud-Data-Actions"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"content-type", b"application/json"),
    (b"content-length", b"2"),
    (b"inin-correlation-id", b"8f14e45f-ceea-467a-9575-2b0d2f3f7c1d"),
)
CALLER = ((b"x-caller-secret", SECRET.encode()), (b"inin-organization-id", ORGANIZATION.encode()))

PROXY = {"MTLS_SOURCE": "nginx", "MTLS_PROXY_SECRET": SECRET}
EVERYTHING = {
    **PROXY,
    "MTLS_TRUSTED_PROXIES": "10.0.0.0/24",
    "MTLS_CALLER_SECRET": SECRET,
    "MTLS_ORGANIZATION_IDS": ORGANIZATION,
    "MTLS_PROTECT": "/actions",
    "MTLS_EXEMPT": "/actions/health",
    "MTLS_REVOCATION": "require",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Describe a call, and the configuration that accepts it.

    Attributes:
        environ: settings, beside those for trust.
        headers: what the server hands over.
        tls: the TLS extension; None behind a proxy.
    """

    environ: Mapping[str, str]
    headers: tuple[tuple[bytes, bytes], ...]
    tls: Mapping[str, Any] | None = None

    def scope(self) -> dict[str, Any]:
        """Return a scope in which nothing is the same object as in another: servers make each anew."""
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("10.0.0.5", 47110),
            "scheme": "https",
            "method": "POST",
            "root_path": "",
            "path": "/actions/lookup",
            "raw_path": b"/actions/lookup",
            "query_string": b"",
            "headers": [(_anew(name), _anew(value)) for name, value in self.headers],
            "state": {},
        }
        if self.tls is not None:
            chain = tuple(_anew(pem.encode()).decode() for pem in self.tls["client_cert_chain"])
            scope["extensions"] = {"tls": {**self.tls, "client_cert_chain": chain}}
        return scope


@dataclass(slots=True)
class Site:
    """Hold a region whose callers are judged, with its files.

    Attributes:
        folder: for its files.
        ca: root of the region.
        client: a right certificate.
    """

    folder: Path
    ca: RegionalCA = field(default_factory=lambda: RegionalCA("us-east-1"))
    client: ClientCertificate = field(init=False)

    def __post_init__(self) -> None:
        """Write the root and a revocation list."""
        self.client = self.ca.client(key=KeyKind.RSA2048)
        self.ca.write(self.folder / "US-East-1.pem")
        (self.folder / "list.crl").write_bytes(self.ca.crl())

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return all settings."""
        base = {"MTLS_REGIONS": "us-east-1", "MTLS_TRUST": str(self.folder / "US-East-1.pem"), "MTLS_STATE": "off"}
        return {**base, "MTLS_CRL_URLS": str(self.folder / "list.crl"), **more}

    def calls(self) -> dict[str, Call]:
        """Return the calls that are timed, by what stands in the tables."""
        forwarded = ((b"x-forwarded-for", b"192.0.2.7"),)
        return {
            "TLS, default settings": Call(environ={}, headers=COMMON, tls=tls_extension(self.client)),
            "header, default settings": Call(environ=PROXY, headers=COMMON + self.through_proxy(self.client)),
            "header, everything on": Call(
                environ=EVERYTHING, headers=COMMON + self.through_proxy(self.client) + CALLER + forwarded
            ),
        }

    @contextmanager
    def guard(self, more: Mapping[str, str]) -> Iterator[Guard]:
        """Return a guard that has started."""
        guard = Guard.from_settings(Settings.from_env(self.environ(more)))
        guard.start()
        try:
            yield guard
        finally:
            guard.close()

    @staticmethod
    def through_proxy(client: ClientCertificate) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that a proxy adds; intermediates stand behind the leaf."""
        certificates = quote(client.chain_pem, safe="").encode()
        verified = (b"x-ssl-client-verify", b"SUCCESS")
        return ((b"x-ssl-client-cert", certificates), verified, (b"x-mtls-proxy-secret", SECRET.encode()))


def clients(ca: RegionalCA, number: int) -> list[ClientCertificate]:
    """Return certificates with one RSA-2048 key, which differ in their serial numbers."""
    first = ca.client(key=KeyKind.RSA2048)
    return [first, *(ca.client(public_key_of=first) for _ in range(number - 1))]


def _anew(value: bytes) -> bytes:
    return bytes(bytearray(value))
