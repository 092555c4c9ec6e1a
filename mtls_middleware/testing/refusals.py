"""For each reason of a refusal: how a caller brings it about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509

from mtls_middleware._core.decision import Reason
from mtls_middleware.identity import Authority
from mtls_middleware.settings import Settings

if TYPE_CHECKING:
    from mtls_middleware.testing.client import MTLSTestClient

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
