"""What the state of trust means to callers, and what is missing where none of a region can be accepted."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import assert_never

from mtls_middleware._core.gate import Mode
from mtls_middleware.display import DOCS, displayed, headed
from mtls_middleware.observing.status import Lack, Status, TrustState
from mtls_middleware.status_page.workers import Combined

_LACKS = {
    Lack.ROOT: "no root is valid now",
    Lack.PIN: "no client certificate is pinned yet",
    Lack.VALID_PIN: "no pinned client certificate can pass now",
    Lack.CRL: "no CRL is fresh, and MTLS_REVOCATION=require",
}
_CURES = {
    Lack.ROOT: "Check the clock (date -u) and the expiries below, and add the next root, keeping the old one.",
    Lack.PIN: f"Pin the client certificate that Genesys Cloud lists as current, with MTLS_PINS: see {DOCS}digicert/",
    Lack.VALID_PIN: (
        "Check the clock (date -u) and the expiries below, and pin the client certificate that Genesys Cloud lists as "
        f"current, keeping the old pin: see {DOCS}digicert/"
    ),
    Lack.CRL: (
        f"Let this machine reach the CRL's address, or name a copy of the CRL in MTLS_CRL_URLS: see {DOCS}revocation/"
    ),
}
_ASKED = (
    "The certificates API returns pins as soon as it answers; mtls-middleware doctor says why it does not. Until then, "
    f"MTLS_PINS takes the client certificate that Genesys Cloud lists as current: see {DOCS}digicert/"
)


def headline(found: Combined) -> str:
    """Return what the state of trust means to callers."""
    if not found.is_known:
        return "No running process reports, so it is not known how calls are judged."
    who = found.who.get(str(found.status.life))
    text = meaning(found.status, found.lacks)
    return f"{who}. {text}" if who else text


def meaning(status: Status, lacks: Mapping[str, Lack]) -> str:
    """Return what trust in that state means to callers, whoever reports it."""
    is_let_through = status.mode == Mode.REPORT
    refused = "would be refused, and MTLS_MODE=report lets it through" if is_let_through else "is refused"
    match status.life:
        case TrustState.MISSING:
            return f"No trust is loaded yet: every call to a protected path {refused}."
        case TrustState.EXPIRED:
            return f"{headed(missing(lacks.values()))}: every call to a protected path {refused}."
        case TrustState.STALE:
            return "The last refresh failed. Callers are judged by the last good trust, which is still valid."
        case TrustState.FRESH:
            return _of_regions(status, tuple(lacks))
        case unknown:
            assert_never(unknown)


def lack_text(lack: Lack) -> str:
    """Return what is missing, without a capital and a stop."""
    return _LACKS[lack]


def missing(lacks: Iterable[Lack]) -> str:
    """Return what is missing everywhere, or that it differs; that of each region is among the problems."""
    kinds = set(lacks)
    return lack_text(kinds.pop()) if len(kinds) == 1 else "nothing that is trusted can accept a caller now"


def lacking(label: str, lack: Lack, status: Status, now: datetime) -> str:
    """Return that callers of a region cannot be accepted, and why."""
    ended = [one for one in status.lists if lack is Lack.CRL and one.next_update and one.next_update <= now]
    crls = "".join(f"; the CRL of {one.origin} expired at {one.next_update:%Y-%m-%d %H:%M} UTC" for one in ended)
    return f"no caller of {label} can be accepted now: {lack_text(lack)}{crls}"


def cure_of(lack: Lack, status: Status) -> str:
    """Return what to do about it."""
    return _ASKED if lack is Lack.PIN and status.apis else _CURES[lack]


def _of_regions(status: Status, out: tuple[str, ...]) -> str:
    if out:
        return f"Trust is up to date, but no caller of {_listed(out)} can be accepted now."
    names = tuple(region.name for region in status.regions)
    whose = f"Callers of {_listed(names)}" if names else "Callers"  # the files may be broken for who reads alone
    return f"Trust is up to date. {whose} can be accepted."


def _listed(names: tuple[str, ...]) -> str:
    shown = tuple(map(displayed, dict.fromkeys(names)))  # as processes reported them
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
