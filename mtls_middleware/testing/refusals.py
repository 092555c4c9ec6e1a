"""For each reason of a refusal, how a caller brings it about: a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from cryptography import x509

from mtls_middleware._core.decision import Reason
from mtls_middleware.identity import Authority
from mtls_middleware.settings import Settings
from mtls_middleware.testing.ca import RegionalCA
from mtls_middleware.testing.callers import Caller, signed

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
