"""A test client whose calls come with a certificate, good or bad, through any source.

For each reason of a refusal it knows how a caller brings it about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cryptography import x509

from mtls_middleware import regions
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY, TLS
from mtls_middleware.identity import Authority
from mtls_middleware.settings import SecretSetting, Settings
from mtls_middleware.testing.ca import RegionalCA
from mtls_middleware.testing.frameworks import client_of, load
from mtls_middleware.testing.leaves import AS_USUAL, ClientCertificate, Unchanged
from mtls_middleware.testing.presentation import Arrival, present

REVOKED_SERIAL = 0x5EEDED
"""What the fixtures' revocation list names."""

PEER_PORT = 50000

PREFIX = "MTLS_"

PROXY_SECRET = "a secret of the testing kit"  # noqa: S105 - it opens nothing

_WITHOUT_HEADERS = (TLS, AWS_API_GATEWAY)
_BOUNDARY = ("MTLS_PROXY_SECRET", "MTLS_PROXY_SECRET_FILE", "MTLS_TRUSTED_PROXIES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Hold who calls, and what stands between.

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


class MTLSTestClient:
    """Call an application as Genesys Cloud does, in memory: a client of Starlette, Flask, Django or httpx2, with more.

    All that the framework's own client has, this one has too: ``get``, ``post``, ``websocket_connect`` and so on. A
    method that changes the caller returns another client, and leaves this one as it is.

    Attributes:
        app: the application.
        ca: signs the certificates.
        caller: who calls.
        client: the framework's own client.
    """

    def __init__(
        self,
        app: object,
        ca: RegionalCA | None = None,
        *,
        settings: Settings | None = None,
        certificate: ClientCertificate | None = None,
        **options: Any,  # noqa: ANN401 - the framework's
    ) -> None:
        """Make a client with a good certificate.

        Args:
            app: the application, a factory without parameters, or the name of either: ``"my_service.main:app"``.
            ca: which the application's settings trust; a new one where it is None.
            settings: of the application, which tell the source, its secrets and the organisation; where they are None,
                calls come by TLS.
            certificate: of the caller; one that `ca` signs where it is None.
            options: for the framework's own client.
        """
        self.app = load(app)
        self.ca = ca or RegionalCA()
        self._settings = settings
        self._options = options
        self.caller: Caller = _usual(settings, certificate or self.ca.client())
        self.client: Any = client_of(self.app, _arrival(self.caller, settings), **options)

    def with_certificate(
        self,
        certificate: ClientCertificate | None = None,
        *,
        stranger: bool = False,
        wrong_purpose: bool = False,
        wrong_region: bool = False,
        revoked: bool = False,
        **keywords: Any,  # noqa: ANN401 - those of `RegionalCA.client`
    ) -> Self:
        """Return a client with another certificate.

        Args:
            certificate: this one; else `ca` signs a new one, as the keywords say.
            stranger: a CA of the same name signs it, whose key nobody trusts.
            wrong_purpose: it is for servers only.
            wrong_region: its name is that of another region.
            revoked: its serial number stands in the revocation list of the fixtures.
            keywords: those of `RegionalCA.client`, such as ``expired=True``.

        Raises:
            ValueError: a certificate, and keywords for another.
        """
        chosen = [stranger, wrong_purpose, wrong_region, revoked, *keywords]
        if certificate is not None and any(chosen):
            raise ValueError("give a certificate, or keywords for a new one, but not both")
        if wrong_purpose:
            keywords["server_only"] = True
        if wrong_region:
            keywords["names"] = keywords["common_names"] = _other_name(self.ca)
        if revoked:
            keywords["serial_number"] = REVOKED_SERIAL
        signer = _stranger(self.ca) if stranger else self.ca
        return self._with(certificate=certificate or signer.client(**keywords))

    def without_certificate(self) -> Self:
        """Return a client that presents none."""
        return self._with(certificate=None)

    def through(self, source: str, *, secret: str | Unchanged | None = AS_USUAL) -> Self:
        """Return a client whose calls come as this source hands them over.

        Args:
            source: a value of ``MTLS_SOURCE``; which one is believed is said by the application's settings.
            secret: what the proxy adds, instead of the one in the settings; None for none.
        """
        proxy_secret = self.caller.proxy_secret if isinstance(secret, Unchanged) else secret
        return self._with(source=source, proxy_secret=proxy_secret)

    def unverified(self) -> Self:
        """Return a client of whose certificate the server, or the proxy, says that it failed verification."""
        return self._with(complaint=True)

    def from_peer(self, address: str | None) -> Self:
        """Return a client whose direct peer has this address; None for a unix socket."""
        return self._with(peer=address)

    def from_organization(self, organization_id: str | None) -> Self:
        """Return a client of another organisation; None for one that names none."""
        return self._with(organization_id=organization_id)

    def with_caller_secret(self, secret: str | None) -> Self:
        """Return a client that sends another caller secret; None for none."""
        return self._with(caller_secret=secret)

    def refused_as(self, reason: Reason | str) -> Self:
        """Return a client whose calls are refused for this reason.

        Raises:
            ValueError: no caller can bring it about, or not under the settings of the application.
        """
        return change_for(Reason(reason), self._settings)(self)

    def __enter__(self) -> Self:
        """Start the application's lifespan, where the framework's client does; clients made from here on share it."""
        self.client.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        self.client.__exit__(*error)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the framework's client has
        """Return what the framework's client has under this name."""
        if name.startswith("_") or name == "client":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.client, name)

    def __repr__(self) -> str:
        """Show who calls."""
        return f"<{type(self).__name__} {self.caller!r}>"

    def _with(self, **changes: Any) -> Self:  # noqa: ANN401 - the fields of `Caller`
        other = copy(self)
        other.caller = replace(self.caller, **changes)
        other.client = client_of(self.app, _arrival(other.caller, self._settings), beside=self.client, **self._options)
        return other


def _arrival(caller: Caller, settings: Settings | None) -> Arrival:
    own = settings if settings is not None and settings.source == caller.source else None
    presentation = present(
        caller.source,
        caller.certificate,
        shape=own.shape if own else None,
        complaint=caller.complaint,
        xfcc_elements=own.xfcc_elements if own else 1,
    )
    told = (
        (_header(settings.caller_secret if settings else None, "X-Caller-Secret"), caller.caller_secret),
        (settings.organization_header if settings else "ININ-Organization-Id", caller.organization_id),
    )
    proxy_header = _header(settings.proxy_secret if settings else None, "X-MTLS-Proxy-Secret")
    return Arrival(
        presentation=presentation,
        secrets=((proxy_header, caller.proxy_secret),) if caller.proxy_secret is not None else (),
        caller=tuple((name, value) for name, value in told if value is not None),
        peer=(caller.peer, PEER_PORT) if caller.peer is not None else None,
    )


def _usual(settings: Settings | None, certificate: ClientCertificate) -> Caller:
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


def _first(secret: SecretSetting | None) -> str | None:
    return secret.read().values[0].decode("ascii") if secret is not None else None


def _header(secret: SecretSetting | None, default: str) -> str:
    return secret.header if secret is not None else default


def _stranger(ca: RegionalCA) -> RegionalCA:
    return RegionalCA(ca.region, cert_name=ca.cert_name, subject=ca.certificate.subject, now=ca.now)


def _other_name(ca: RegionalCA) -> str:
    """Return the name of the clients of another region."""
    return next(region.cert_name for region in regions.table() if region.cert_name not in {None, ca.cert_name})


if TYPE_CHECKING:
    Client = TypeVar("Client", bound=MTLSTestClient)


GUESSED = "guessed"

SOMEBODY = "00000000-0000-4000-8000-00000000dead"
"""An organisation that nobody configures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Say how a caller is refused for a reason.

    Attributes:
        change: makes that caller of one that is accepted.
        needs: the settings without which it cannot be; empty for none.
        possible: whether the settings are such.
    """

    change: Callable[[MTLSTestClient], MTLSTestClient]
    needs: str = ""
    possible: Callable[[Settings], bool] = lambda _: True


RECIPES: Mapping[Reason, Recipe] = MappingProxyType(
    {
        Reason.SOURCE_UNTRUSTED: Recipe(
            change=lambda client: client.through(client.caller.source, secret=GUESSED).from_peer("192.0.2.66"),
            needs="a source that reads headers, such as MTLS_SOURCE=nginx",
            possible=lambda settings: settings.shape is not None,
        ),
        Reason.CERTIFICATE_TOO_LARGE: Recipe(change=lambda client: client.with_certificate(other_sans=_many_names())),
        Reason.CERTIFICATE_MISSING: Recipe(change=lambda client: client.without_certificate()),
        Reason.PROXY_VERIFICATION_FAILED: Recipe(
            change=lambda client: client.unverified(),
            needs="a source with a marker, such as MTLS_SOURCE=nginx, or tls",
            possible=lambda settings: settings.source == "tls" or bool(settings.shape and settings.shape.markers),
        ),
        Reason.CERTIFICATE_MALFORMED: Recipe(change=lambda client: client.with_certificate(serial_number=0)),
        Reason.ISSUER_UNTRUSTED: Recipe(change=lambda client: client.with_certificate(stranger=True)),
        Reason.CERTIFICATE_EXPIRED: Recipe(change=lambda client: client.with_certificate(expired=True)),
        Reason.CERTIFICATE_NOT_YET_VALID: Recipe(change=lambda client: client.with_certificate(not_yet_valid=True)),
        Reason.PURPOSE_MISMATCH: Recipe(change=lambda client: client.with_certificate(wrong_purpose=True)),
        Reason.REGION_MISMATCH: Recipe(
            change=lambda client: client.with_certificate(wrong_region=True),
            needs="MTLS_AUTHORITIES=genesys, or custom",
            possible=lambda settings: Authority.DIGICERT not in settings.authorities,
        ),
        Reason.NOT_PINNED: Recipe(
            change=lambda client: client.with_certificate(),
            needs="MTLS_AUTHORITIES=digicert, MTLS_TRUST=digicert=… and MTLS_PINS",
            possible=lambda settings: settings.authorities == (Authority.DIGICERT,),
        ),
        Reason.CERTIFICATE_REVOKED: Recipe(
            change=lambda client: client.with_certificate(revoked=True),
            needs="MTLS_CRL_URLS with the revocation list of the fixtures",
            possible=lambda settings: bool(settings.crl_urls) and settings.revocation != "off",
        ),
        Reason.REVOCATION_UNKNOWN: Recipe(
            change=lambda client: client.with_certificate(),
            needs="MTLS_REVOCATION=require, and no MTLS_CRL_URLS",
            possible=lambda settings: not settings.crl_urls and settings.revocation == "require",
        ),
        Reason.ORGANIZATION_MISMATCH: Recipe(
            change=lambda client: client.from_organization(SOMEBODY),
            needs="MTLS_ORGANIZATION_IDS",
            possible=lambda settings: bool(settings.organization_ids),
        ),
        Reason.CALLER_SECRET_MISMATCH: Recipe(
            change=lambda client: client.with_caller_secret(GUESSED),
            needs="MTLS_CALLER_SECRET",
            possible=lambda settings: settings.caller_secret is not None,
        ),
    }
)
"""Every reason but two: ``trust_unavailable`` is the operator's doing, and nothing known causes ``internal_error``."""


def change_for(reason: Reason, settings: Settings | None) -> Callable[[Client], Client]:
    """Return what makes a caller that is refused for this reason.

    Raises:
        ValueError: no caller can bring it about, or not under these settings.
    """
    recipe = RECIPES.get(reason)
    if recipe is None:
        raise ValueError(f"no caller can bring about {reason}: {_ELSEWHERE[reason]}")
    if recipe.needs and (settings is None or not recipe.possible(settings)):
        raise ValueError(f"{reason} needs {recipe.needs}: give them as environ={{…}}")
    return recipe.change  # type: ignore[return-value]  # a recipe returns a client of the class that it was given


_ELSEWHERE = {
    Reason.TRUST_UNAVAILABLE: "give the middleware a Guard whose clock goes past the end of the root",
    Reason.INTERNAL_ERROR: "nothing that is known leads to it",
}


def _many_names() -> list[x509.GeneralName]:
    return [x509.DNSName(f"name-{place}.example.com") for place in range(1500)]


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
