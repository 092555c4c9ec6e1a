"""When trust expires: the last anchor of each binding, and the last pin of each region."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mtls_middleware._core.trust import AuthorityTrust, Binding, TrustSnapshot
from mtls_middleware.identity import Authority
from mtls_middleware.renewals import next_pin, next_root

WARNING_DAYS = (30, 90, 180)
"""Before an anchor or a pin expires. A root is renewed by hand, with a change request."""

_DAY = 86_400.0


class ExpiryKind(StrEnum):
    """What expires: a label of metrics."""

    ANCHOR = "anchor"
    PIN = "pin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """The moment from which callers of one region are refused, unless somebody, or the certificates API, acts.

    Attributes:
        kind: what expires.
        region: AWS region name, or the authority's where it serves all regions.
        at: when, UTC.
        days: whole days until then; negative after it.
        threshold: the smallest of `WARNING_DAYS` that was reached.
        text: one sentence, with what to do.
    """

    kind: ExpiryKind
    region: str
    at: datetime
    days: int
    threshold: int | None
    text: str


def expirations(snapshot: TrustSnapshot | None, now: datetime) -> tuple[Expiry, ...]:
    """Return what will expire, soonest first."""
    found = (expiry for trust in (snapshot.trusts if snapshot else ()) for expiry in _expirations(trust, now))
    return tuple(sorted(found, key=lambda expiry: expiry.at))


def _expirations(trust: AuthorityTrust, now: datetime) -> Iterator[Expiry]:
    if trust.authority is Authority.DIGICERT:
        ends = [anchor.not_after for anchor in trust.anchors]
        if ends:
            yield _anchor(Binding(Authority.DIGICERT), max(ends), now)
        for region in dict.fromkeys(pin.region for pin in trust.pins.values()):
            yield from _pin(trust, region, now)
        return
    for binding in trust.names:
        ends = [anchor.not_after for anchor in trust.anchors if anchor.binding == binding]
        if ends:
            yield _anchor(binding, max(ends), now)


def _anchor(binding: Binding, at: datetime, now: datetime) -> Expiry:
    days = _days(at, now)
    return Expiry(
        kind=ExpiryKind.ANCHOR,
        region=str(binding),
        at=at,
        days=days,
        threshold=_threshold(at, now),
        text=f"the last root of {binding} {_when(days, at)}: {next_root(binding)}",
    )


def _pin(trust: AuthorityTrust, region: str, now: datetime) -> Iterator[Expiry]:
    """Return when the last pin ends that a caller can pass with; the others make nothing last longer."""
    pins = [pin for pin in trust.pins.values() if pin.region == region and not pin.flaw]
    known = [pin.ends for pin in pins if pin.ends is not None]
    if not known or len(known) < len(pins):
        return  # the expiry of a bare fingerprint is unknown
    from_api = region in trust.regions_with_api_pins
    days = _days(max(known), now)
    upcoming = len([pin for pin in pins if pin.not_before is not None and pin.not_before > now])
    more = "" if len(pins) > 1 or upcoming else ", no upcoming certificate known yet"
    yield Expiry(
        kind=ExpiryKind.PIN,
        region=region,
        at=max(known),
        days=days,
        threshold=_threshold(max(known), now),
        text=(
            f"{'the last pin' if len(pins) > 1 else 'pin'} of {region} {_when(days, max(known))}{more}: "
            f"{next_pin(region, from_api=from_api)}"
        ),
    )


def _days(at: datetime, now: datetime) -> int:
    return int((at - now).total_seconds() // _DAY)


def _threshold(at: datetime, now: datetime) -> int | None:
    return next((days for days in WARNING_DAYS if at - now <= timedelta(days=days)), None)


def _when(days: int, at: datetime) -> str:
    return f"expires in {days} days, on {at:%Y-%m-%d}" if days >= 0 else f"expired on {at:%Y-%m-%d}"
