"""The product's own verdict on a certificate: a guard is asked, and nothing is judged here."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.decision import Accepted, Decision, Rejected, RevocationState
from mtls_middleware.guard import Guard
from mtls_middleware.reporting import Status
from mtls_middleware.settings import Settings

_ABOUT_CERTIFICATES = (
    "REGIONS",
    "AUTHORITIES",
    "TRUST",
    "CERT_NAMES",
    "PINS",
    "GENESYS_CLIENT_ID",
    "GENESYS_CLIENT_SECRET",
    "GENESYS_CLIENT_SECRET_FILE",
    "REVOCATION",
    "CRL_URLS",
    "CRL_NETWORKS",
    "STATE",
    "STATE_SECRET",
    "STATE_SECRET_FILE",
    "MAX_HEADER_BYTES",
    "MAX_CHAIN",
)
"""What a verdict on a certificate depends on; the rest is about requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold a verdict.

    Attributes:
        decision: the guard's.
        unknown: why nothing is known of its revocation; empty where something is, or nobody asks.
        status: the trust by which it was judged.
    """

    decision: Decision
    unknown: str
    status: Status


def judge(ders: Sequence[bytes], environ: Mapping[str, str], now: datetime, *, refresh: bool) -> Judged:
    """Show certificates to a guard as a TLS server would.

    Args:
        ders: the leaf first.
        environ: settings; those that are about requests are left out.
        now: the time of the verdict, aware, UTC.
        refresh: ask the certificates API and the places of lists first.

    Raises:
        ConfigurationError: the settings cannot be used.
    """
    ours = {f"MTLS_{name}": environ[f"MTLS_{name}"] for name in _ABOUT_CERTIFICATES if f"MTLS_{name}" in environ}
    guard = Guard.silent(Settings.from_env(ours), clock=lambda: now)
    guard.load()
    connection = _connection(ders)
    decision = guard.decide(connection)  # it also learns where lists are
    if refresh:
        guard.refresh()
        decision = guard.decide(connection)
    return Judged(decision=decision, unknown=_why_unknown(decision, connection, ours, now), status=guard.status())


def _why_unknown(decision: Decision, connection: Connection, ours: Mapping[str, str], now: datetime) -> str:
    """Ask once more, as if lists were required: then the guard says what is missing."""
    if not isinstance(decision, Accepted) or decision.revocation is not RevocationState.UNKNOWN:
        return ""
    strict = Guard.silent(Settings.from_env({**ours, "MTLS_REVOCATION": "require"}), clock=lambda: now)
    strict.load()
    answer = strict.decide(connection)
    return answer.detail if isinstance(answer, Rejected) else ""


def _connection(ders: Sequence[bytes]) -> Connection:
    chain = tuple(_pem(der) for der in ders)
    return Connection(
        interface=Interface.ASGI,
        path="/",
        raw_path=b"/",
        root_path="",
        headers=(),
        client=None,
        tls={"client_cert_chain": chain},
    )


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"
