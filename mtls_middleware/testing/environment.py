"""The settings under which the fixtures run an application: offline, with a CA of their own."""

from collections.abc import Mapping
from pathlib import Path

from mtls_middleware import regions
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, TLS
from mtls_middleware.testing.authority import RegionalCA
from mtls_middleware.testing.client import REVOKED_SERIAL

PREFIX = "MTLS_"

PROXY_SECRET = "a secret of the testing kit"  # noqa: S105 - it opens nothing

_WITHOUT_HEADERS = (TLS, AWS_API_GATEWAY)
_BOUNDARY = ("MTLS_PROXY_SECRET", "MTLS_PROXY_SECRET_FILE", "MTLS_TRUSTED_PROXIES")


def environment(ca: RegionalCA, folder: Path, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return settings that accept the clients of a CA.

    Args:
        ca: the root that is trusted.
        folder: where its certificate and its revocation list are written.
        changes: settings besides; None takes one away.
    """
    changes = changes or {}
    root, revoked = _written(ca, folder)
    settings: dict[str, str | None] = {
        "MTLS_REGIONS": ca.region,
        "MTLS_TRUST": str(root),
        "MTLS_CRL_URLS": str(revoked),
        "MTLS_STATE": "off",
    }
    known = regions.find(ca.region)
    if known is None or known.cert_name != ca.cert_name:
        settings["MTLS_CERT_NAMES"] = ca.cert_name
    if (changes.get("MTLS_SOURCE") or TLS) not in _WITHOUT_HEADERS and not any(map(changes.get, _BOUNDARY)):
        settings["MTLS_PROXY_SECRET"] = PROXY_SECRET
    return {name: value for name, value in {**settings, **changes}.items() if value is not None}


def _written(ca: RegionalCA, folder: Path) -> tuple[Path, Path]:
    """Write root and list once, so that their paths, and what is in them, stay the same for all tests of a CA."""
    own = folder / f"{ca.certificate.serial_number:x}"
    own.mkdir(exist_ok=True)
    revoked = own / "revoked.crl"
    if not revoked.exists():
        ca.write(own)
        revoked.write_bytes(ca.crl([REVOKED_SERIAL]))
    (root,) = own.glob("*.pem")
    return root, revoked
