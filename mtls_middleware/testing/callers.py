"""A caller in tests, good or as one of the reasons has it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography import x509

from mtls_middleware import regions
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, TLS
from mtls_middleware.identity import Authority
from mtls_middleware.settings import SecretSetting, Settings
from mtls_middleware.testing.arrival import Arrival
from mtls_middleware.testing.ca import RegionalCA
from mtls_middleware.testing.leaves import ClientCertificate
from mtls_middleware.testing.presentation import present

REVOKED_SERIAL = 0x5EEDED
"""The serial number in the CRL of the fixtures."""

PEER_PORT = 50000

PROXY_SECRET = "a secret of the testing kit"  # noqa: S105 - it opens nothing

_WITHOUT_HEADERS = (TLS, AWS_API_GATEWAY)
_BOUNDARY = ("MTLS_PROXY_SECRET", "MTLS_PROXY_SECRET_FILE", "MTLS_TRUSTED_PROXIES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and what stands between.

    Attributes:
        certificate: None for a caller without.
        source: through which it comes.
        complaint: the server or proxy says that its own verification failed.
        proxy_secret: what the proxy adds; None for none.
        organization_id: what the caller names; None for none.
        caller_secret: what the integration adds; None for none.
        peer: address of the direct peer; None on a unix socket.
    """

    certificate: ClientCertificate | None
    source: str
    complaint: bool = False
    proxy_secret: str | None = field(default=None, repr=False)
    organization_id: str | None = None
    caller_secret: str | None = field(default=None, repr=False)
    peer: str | None = "127.0.0.1"


def accepted_caller(settings: Settings | None, certificate: ClientCertificate) -> Caller:
    """Return a caller that these settings accept."""
    if settings is None:
        return Caller(certificate=certificate, source=TLS)
    peer: str | None = "127.0.0.1"
    if settings.trusted_proxies:
        peer = str(settings.trusted_proxies[0].network_address)
    elif settings.trusts_unix_socket:
        peer = None
    return Caller(
        certificate=certificate,
        source=settings.source,
        proxy_secret=_first(settings.proxy_secret),
        organization_id=min(settings.organization_ids, default=None),
        caller_secret=_first(settings.caller_secret),
        peer=peer,
    )


def signed(
    ca: RegionalCA,
    *,
    stranger: bool = False,
    wrong_purpose: bool = False,
    wrong_region: bool = False,
    revoked: bool = False,
    **keywords: Any,  # noqa: ANN401 - those of `RegionalCA.client`
) -> ClientCertificate:
    """Return a new certificate; for the arguments see `MTLSTestClient.with_certificate`."""
    if wrong_purpose:
        keywords["server_only"] = True
    if wrong_region:
        keywords["names"] = keywords["common_names"] = _other_name(ca)
    if revoked:
        keywords["serial_number"] = REVOKED_SERIAL
    return (_stranger(ca) if stranger else ca).client(**keywords)


def arrival(caller: Caller, settings: Settings | None) -> Arrival:
    """Return how calls of this caller arrive at an application with these settings."""
    own = settings if settings is not None and settings.source == caller.source else None
    presentation = present(
        caller.source,
        caller.certificate,
        header_names=own.header_names if own else None,
        complaint=caller.complaint,
        xfcc_elements=own.xfcc_elements if own else 1,
    )
    added = (
        (_header(settings.caller_secret if settings else None, "X-Caller-Secret"), caller.caller_secret),
        (settings.organization_header if settings else "ININ-Organization-Id", caller.organization_id),
    )
    proxy_header = _header(settings.proxy_secret if settings else None, "X-MTLS-Proxy-Secret")
    return Arrival(
        presentation=presentation,
        secrets=((proxy_header, caller.proxy_secret),) if caller.proxy_secret is not None else (),
        caller=tuple((name, value) for name, value in added if value is not None),
        peer=(caller.peer, PEER_PORT) if caller.peer is not None else None,
    )


def environment(ca: RegionalCA, folder: Path, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return settings that accept the clients of a CA.

    Args:
        ca: the root that is trusted.
        folder: where its certificate and its CRL are written.
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
    """Write root and CRL once, so that their paths, and what is in them, stay the same for all tests of a CA."""
    own = folder / f"{ca.certificate.serial_number:x}"
    own.mkdir(exist_ok=True)
    revoked = own / "revoked.crl"
    if not revoked.exists():
        ca.write(own)
        revoked.write_bytes(ca.crl([REVOKED_SERIAL]))
    (root,) = own.glob("*.pem")
    return root, revoked


def _first(secret: SecretSetting | None) -> str | None:
    return secret.read().values[0].decode("ascii") if secret is not None else None


def _header(secret: SecretSetting | None, default: str) -> str:
    return secret.header if secret is not None else default


def _stranger(ca: RegionalCA) -> RegionalCA:
    return RegionalCA(ca.region, cert_name=ca.cert_name, subject=ca.certificate.subject, now=ca.now)


def _other_name(ca: RegionalCA) -> str:
    """Return the name of the clients of another region."""
    return next(region.cert_name for region in regions.table() if region.cert_name not in {None, ca.cert_name})


Change = Callable[[Caller, RegionalCA], Caller]

GUESSED = "guessed"

SOMEBODY = "00000000-0000-4000-8000-00000000dead"
"""An organisation that nobody configures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a caller is refused for a reason.

    Attributes:
        change: returns that caller, from one that is accepted, and the CA that its application trusts.
        needs: the settings without which it cannot be; empty for none.
        possible: whether the settings are such.
    """

    change: Change
    needs: str = ""
    possible: Callable[[Settings], bool] = lambda _: True


def _many_names() -> list[x509.GeneralName]:
    return [x509.DNSName(f"name-{index}.example.com") for index in range(1500)]


def _with(**keywords: Any) -> Change:  # noqa: ANN401 - those of `signed`
    return lambda caller, ca: replace(caller, certificate=signed(ca, **keywords))


RECIPES: Mapping[Reason, Recipe] = MappingProxyType(
    {
        Reason.SOURCE_UNTRUSTED: Recipe(
            change=lambda caller, _: replace(caller, proxy_secret=GUESSED, peer="192.0.2.66"),
            needs="a source that reads headers, such as MTLS_SOURCE=nginx",
            possible=lambda settings: settings.header_names is not None,
        ),
        Reason.CERTIFICATE_TOO_LARGE: Recipe(change=_with(other_sans=_many_names())),
        Reason.CERTIFICATE_MISSING: Recipe(change=lambda caller, _: replace(caller, certificate=None)),
        Reason.PROXY_VERIFICATION_FAILED: Recipe(
            change=lambda caller, _: replace(caller, complaint=True),
            needs="a source with a marker, such as MTLS_SOURCE=nginx, or tls",
            possible=lambda settings: (
                settings.source == "tls" or bool(settings.header_names and settings.header_names.markers)
            ),
        ),
        Reason.CERTIFICATE_MALFORMED: Recipe(change=_with(serial_number=0)),
        Reason.ISSUER_UNTRUSTED: Recipe(change=_with(stranger=True)),
        Reason.CERTIFICATE_EXPIRED: Recipe(change=_with(expired=True)),
        Reason.CERTIFICATE_NOT_YET_VALID: Recipe(change=_with(not_yet_valid=True)),
        Reason.PURPOSE_MISMATCH: Recipe(change=_with(wrong_purpose=True)),
        Reason.REGION_MISMATCH: Recipe(
            change=_with(wrong_region=True),
            needs="MTLS_AUTHORITIES=genesys, or custom",
            possible=lambda settings: Authority.DIGICERT not in settings.authorities,
        ),
        Reason.NOT_PINNED: Recipe(
            change=_with(),
            needs="MTLS_AUTHORITIES=digicert, MTLS_TRUST=digicert=… and MTLS_PINS",
            possible=lambda settings: settings.authorities == (Authority.DIGICERT,),
        ),
        Reason.CERTIFICATE_REVOKED: Recipe(
            change=_with(revoked=True),
            needs="MTLS_CRL_URLS with the CRL of the fixtures",
            possible=lambda settings: bool(settings.crl_urls) and settings.revocation != "off",
        ),
        Reason.REVOCATION_UNKNOWN: Recipe(
            change=_with(),
            needs="MTLS_REVOCATION=require, and no MTLS_CRL_URLS",
            possible=lambda settings: not settings.crl_urls and settings.revocation == "require",
        ),
        Reason.ORGANIZATION_MISMATCH: Recipe(
            change=lambda caller, _: replace(caller, organization_id=SOMEBODY),
            needs="MTLS_ORGANIZATION_IDS",
            possible=lambda settings: bool(settings.organization_ids),
        ),
        Reason.CALLER_SECRET_MISMATCH: Recipe(
            change=lambda caller, _: replace(caller, caller_secret=GUESSED),
            needs="MTLS_CALLER_SECRET",
            possible=lambda settings: settings.caller_secret is not None,
        ),
    }
)
"""Every reason but two: ``trust_unavailable`` is the operator's doing, and nothing known causes ``internal_error``."""


def change_for(reason: Reason, settings: Settings | None) -> Change:
    """Return what makes a caller that is refused for this reason.

    Raises:
        ValueError: no caller can bring it about, or not under these settings.
    """
    recipe = RECIPES.get(reason)
    if recipe is None:
        raise ValueError(f"no caller can bring about {reason}: {_ELSEWHERE[reason]}")
    if recipe.needs and (settings is None or not recipe.possible(settings)):
        raise ValueError(f"{reason} needs {recipe.needs}: give them as environ={{…}}")
    return recipe.change


_ELSEWHERE = {
    Reason.TRUST_UNAVAILABLE: "give the middleware a Guard whose clock goes past the end of the root",
    Reason.INTERNAL_ERROR: "nothing that is known leads to it",
}
