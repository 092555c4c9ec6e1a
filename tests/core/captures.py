"""Requests as real proxies sent them to an application, and what reads them. See tests/vectors/README.md."""

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cryptography import x509

from mtls_middleware._core.boundary import Boundary
from mtls_middleware._core.connection import Connection, Fields, Interface, collect
from mtls_middleware._core.gate import Gate
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.sources import source_of
from mtls_middleware._core.sources.presented import Source
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, PRESETS, Encoding, HeaderNames, Marker
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, TrustSnapshot, build_trust
from mtls_middleware.identity import Authority

VECTORS = Path(__file__).parent.parent / "vectors"

NOW = datetime(2026, 11, 23, tzinfo=UTC)
"""When the captures were made."""

REGION = "us-east-1"
NAME = "dataactions.prod.us-east-1.mypurecloud.com"
PROXY = "192.0.2.1"

_ENCODINGS = {
    "pem-url": Encoding.URL_PEM,
    "pem-ws": Encoding.PEM_SPACES,
    "pem-raw": Encoding.PEM_SPACES,
    "pem-b64": Encoding.B64_PEM,
    "der-b64": Encoding.B64_DER,
    "rfc9440": Encoding.RFC9440,
    "xfcc": Encoding.XFCC,
    "traefik": Encoding.B64_DER_LIST,
    "traefik-escaped": Encoding.B64_DER_LIST,
}

_PRESETS = {
    "azure-appservice": "azure-app-service",
    "azure-containerapps": "azure-container-apps",
    "gcp-lb": "gcp",
    "rfc9440-strict": "rfc9440",
}
"""The presets of captures whose proxy has another name than its preset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Hold one request."""

    row: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.row['proxy']}-{self.row['case']}"

    @property
    def expect(self) -> str:
        return str(self.row["expect"])

    @property
    def client(self) -> str:
        """Return which client of tests/vectors/pki held the TLS connection; ``none`` where it had no certificate."""
        return str(self.row["client_case"])

    @property
    def is_spoof(self) -> bool:
        return bool(self.row["family"] == "spoof")

    @property
    def leaf(self) -> bytes | None:
        """Return the DER of the certificate that the TLS client really sent."""
        return base64.b64decode(self.row["leaf_der_b64"]) if self.row.get("leaf_der_b64") else None

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Return what the TLS client really sent beside it."""
        return tuple(map(base64.b64decode, self.row["chain_der_b64"]))

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in self.row.get("upstream_headers_raw", ())
        )

    @property
    def carries_chain(self) -> bool:
        """Return whether the proxy was set up to send what came beside the leaf."""
        captured = self.row.get("format") or {}
        bundled = captured.get("kind") in {"xfcc", "traefik"} or captured.get("cert", "").endswith("Mtls-Clientcert")
        return bundled or "chain" in captured or "chain_n" in captured

    def connection(self, interface: Interface = Interface.ASGI) -> Connection:
        return Connection(
            interface=interface,
            path="/",
            raw_path=b"/",
            root_path="",
            headers=self.headers,
            client=(PROXY, 40000),
            event=self.row.get("event"),
        )

    def source(self) -> Source:
        if "event" in self.row:
            return source_of(AWS_API_GATEWAY, None, 1)
        elements = 2 if self.row["case"].startswith("hop-edge-sanitizeset") else 1
        return source_of("captured", self._shape(), elements)

    def fields(self) -> Fields:
        header_names = self.source().header_names
        return collect(self.connection(), header_names.headers if header_names else frozenset())

    def gate(self) -> Gate:
        """Return a gate that believes the captured proxy."""
        return Gate(
            source=self.source(),
            boundary=Boundary(networks=(ip_network(PROXY),)),
            protection=Protection(),
            callers=CallerPolicy(),
            max_header_bytes=65536,
            max_chain=5,
        )

    def _shape(self) -> HeaderNames:
        captured = self.row["format"]
        encoding = _ENCODINGS[captured["kind"]]
        proxy = self.row["proxy"]
        preset = PRESETS[_PRESETS.get(proxy, proxy)]
        if captured["cert"].endswith("Mtls-Clientcert"):
            preset = PRESETS["aws-alb-passthrough"]
        if captured["cert"].lower() == preset.certificate.lower():
            return replace(preset, encoding=encoding)
        success = "0" if self.row["proxy"] == "haproxy" else "SUCCESS"
        return HeaderNames(
            certificate=captured["cert"],
            encoding=encoding,
            chain=(captured["chain"],) if "chain" in captured else (),
            markers=(Marker(header=captured["verify"], value=success),) if "verify" in captured else (),
        )


@cache
def captures() -> tuple[Capture, ...]:
    """Read every captured request."""
    lines = [line for path in sorted(VECTORS.glob("proxies/*.jsonl")) for line in path.read_text().splitlines()]
    return tuple(Capture(row=json.loads(line)) for line in lines)


@cache
def certificate(name: str) -> x509.Certificate:
    """Read a certificate of tests/vectors/pki."""
    return x509.load_pem_x509_certificate((VECTORS / "pki" / f"{name}.pem").read_bytes())


@cache
def regional_trust() -> AuthorityTrust:
    """Trust the captures' regional root."""
    binding = Binding(Authority.GENESYS, REGION)
    return build_trust(
        Authority.GENESYS,
        anchors=[Anchor(certificate=certificate("region-root"), binding=binding, origin="region-root.pem")],
        names={binding: frozenset({NAME})},
        max_chain=5,
    )


def snapshot(*trusts: AuthorityTrust) -> TrustSnapshot:
    """Return a snapshot with an empty cache; of the regional root where no trust is given."""
    return TrustSnapshot(version=1, built_at=NOW, trusts=trusts or (regional_trust(),))
