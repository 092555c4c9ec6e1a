"""Roots and pins that expire, are renewed, come or go: what happened, and what to do about it."""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Binding
from mtls_middleware.identity import Authority
from mtls_middleware.regions import find


def download_of(region: str) -> str:
    """Return the file name of the download of a region's root."""
    known = find(region)
    return f"{known.zip_label}.zip" if known is not None and known.zip_label else f"the zip of {region}"


def new_root(region: str) -> str:
    """Return how to add the renewed root of a region."""
    return f"download {download_of(region)}, and put the new root beside the old one in MTLS_TRUST"


def next_root(binding: Binding) -> str:
    """Return what to do before the last root of a binding expires."""
    match binding.authority:
        case Authority.GENESYS:
            return new_root(str(binding))
        case Authority.DIGICERT:
            return "update mtls-middleware, or add the new DigiCert root as digicert=PATH to MTLS_TRUST"
        case Authority.CUSTOM:
            return "add the next root as custom=PATH to MTLS_TRUST"
        case _:
            assert_never(binding.authority)


def next_pin(region: str, *, from_api: bool) -> str:
    """Return what to do before the last pin of a region expires.

    Args:
        region: AWS region name.
        from_api: whether there are credentials for the certificates API.
    """
    if from_api:
        return (
            "the next one is pinned by itself when the certificates API lists it, at 90 days; if none has come by 60 "
            "days, see in Genesys Cloud which certificate authority the integration uses"
        )
    return f"add {region}=PATH of the next client certificate to MTLS_PINS, which Genesys Cloud lists at 90 days"


def pin_came(pin: Pin, now: datetime) -> str:
    """Return what to log if a certificate is pinned that was not."""
    begins = f", and counts from {pin.not_before:%Y-%m-%d} on" if pin.not_before and pin.not_before > now else ""
    ends = f" until {pin.not_after:%Y-%m-%d}" if pin.not_after else ""
    return f"a client certificate of {pin.region} is pinned now{begins}{ends}: {pin.fingerprint_sha256}, {pin.origin}"


def pin_went(pin: Pin, now: datetime) -> str:
    """Return what to log if a certificate is pinned no more."""
    expired = pin.not_after is not None and pin.not_after < now
    why = f"it expired on {pin.not_after:%Y-%m-%d}" if expired else "it is not listed or configured any more"
    return (
        f"a client certificate of {pin.region} is pinned no more, because {why}: {pin.fingerprint_sha256}, {pin.origin}"
    )


def no_digicert_listed(region: str, since: str) -> str:
    """Return what to log if the certificates API lists no certificate of DigiCert any more.

    Args:
        region: AWS region name.
        since: the day from which on it did not.
    """
    return (
        f"the certificates API of {region} lists no DigiCert certificate since {since}. If it stays so, the "
        "integration uses another certificate authority, or Genesys ends this mode: set "
        f"MTLS_AUTHORITIES=genesys,digicert with {download_of(region)} in MTLS_TRUST, then choose Genesys Cloud in the "
        "integration. Known pins stay until they expire"
    )


def unsigned_in_api(region: str) -> str:
    """Return how a renewed root shows in the certificates API."""
    return f"the certificates API lists a client certificate of {region} that no root in MTLS_TRUST signed"


def root_renewed(region: str) -> str:
    """Return what to log if the certificates API lists what no root signed."""
    return f"{unsigned_in_api(region)}: Genesys renewed the root, or it is the wrong one. To fix it, {new_root(region)}"


def caller_of_other_region(region: str, configured: Iterable[str]) -> str:
    """Return what to log if a caller that no root signed has the name of a region that is not configured."""
    return (
        f"a refused caller bears the name of {region}, and MTLS_REGIONS is {' and '.join(configured)}. If your "
        f"organisation is in {region}, set MTLS_REGIONS={region} and name its root in MTLS_TRUST: {download_of(region)}"
    )


def root_perhaps_renewed(region: str) -> str:
    """Return what to log if a caller has the name of a region, but no root signed its certificate."""
    return (
        f"a refused caller bears the name of {region}, and no root in MTLS_TRUST signed its certificate. If data "
        f"actions fail, Genesys renewed the root, or it is the wrong one: {new_root(region)}. If they do not, somebody "
        "tries a certificate of their own"
    )
