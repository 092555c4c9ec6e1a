"""What the page shows, as values: the page, its JSON and the command line's text are made of the same.

All texts are safe to look at. They are still text: whoever writes HTML escapes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import mtls_middleware
from mtls_middleware import regions
from mtls_middleware._core.trust import Anchor, Pin
from mtls_middleware.display import displayed, sentence
from mtls_middleware.observing.expiry import ExpiryKind
from mtls_middleware.observing.shared_counts import Counts
from mtls_middleware.observing.status import APIStatus, CRLStatus, RegionStatus, Status, TrustState
from mtls_middleware.status_page.steps import SOON_DAYS, Decisions, NextStep, decisions_of, headline, steps_of


class Phase(StrEnum):
    """Where in the validity of a certificate this moment lies."""

    VALID = "valid"
    ENDED = "ended"
    TO_COME = "to come"
    UNKNOWN = "unknown"
    """Of a pin that is a bare fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An anchor or a pin.

    Attributes:
        subject: RFC 4514; empty for a pin.
        fingerprint_sha256: lower-case hex.
        not_before: UTC; None where only the fingerprint is known.
        not_after: UTC; None where only the fingerprint is known.
        origin: the file or setting it came from.
        phase: of its life.
    """

    subject: str
    fingerprint_sha256: str
    not_before: datetime | None
    not_after: datetime | None
    origin: str
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionView:
    """The trust in callers of one region, or of one authority."""

    name: str
    title: str
    authority: str
    available: bool
    names: tuple[str, ...]
    anchors: tuple[Certificate, ...]
    pins: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownExpiry:
    """An expiry.

    Attributes:
        what: such as ``the last root of us-east-1``.
        at: UTC.
        seconds: until then; negative where it has ended.
        is_soon: whether somebody should act.
        renews_itself: a CRL, which its CA issues anew.
    """

    what: str
    at: datetime
    seconds: float
    is_soon: bool
    renews_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that the page shows of one moment.

    Attributes:
        at: this moment, UTC.
        life: of trust as a whole.
        headline: one sentence: what that means.
        is_calm: nothing is to be done.
        mode: ``enforce`` or ``report``.
        source: where client certificates are read from.
        trust_version: of the trust in force; 0 where there is none.
        built_at: when it was put into force, UTC.
        last_refresh: when trust was last read, successfully or not, UTC.
        steps: what to do next, the most urgent first.
        decisions: what was decided.
        endings: what ends, the first first.
        regions: one for each binding that is configured.
        lists: where CRLs come from.
        apis: the certificates API of each region.
        software: version of this package.
    """

    at: datetime
    life: TrustState
    headline: str
    is_calm: bool
    mode: str
    source: str
    trust_version: int
    built_at: datetime | None
    last_refresh: datetime | None
    steps: tuple[NextStep, ...]
    decisions: Decisions
    endings: tuple[ShownExpiry, ...]
    regions: tuple[RegionView, ...]
    lists: tuple[CRLStatus, ...]
    apis: tuple[APIStatus, ...]
    software: str


def view_of(status: Status, counts: Counts, now: datetime) -> View:
    """Return what to show of a guard and of all that was counted."""
    decisions = decisions_of(counts)
    steps = steps_of(status, decisions, counts.problems)
    return View(
        at=now,
        life=status.life,
        headline=headline(status),
        is_calm=status.life is TrustState.FRESH and not any(step.is_urgent for step in steps),
        mode=status.mode,
        source=status.source,
        trust_version=status.version,
        built_at=status.built_at,
        last_refresh=status.last_refresh,
        steps=steps,
        decisions=decisions,
        endings=tuple(sorted(_endings(status, now), key=lambda ending: ending.at)),
        regions=tuple(_region(region, now) for region in status.regions),
        lists=tuple(_list(one) for one in status.lists),
        apis=tuple(_api(one) for one in status.apis),
        software=mtls_middleware.__version__,
    )


def _endings(status: Status, now: datetime) -> Iterator[ShownExpiry]:
    for ending in status.coming:
        known = [pin for region in status.regions if region.name == ending.region for pin in region.pins]
        one = "last pin" if len(known) > 1 else "pin"
        yield ShownExpiry(
            what=f"the {'last root' if ending.kind is ExpiryKind.ANCHOR else one} of {displayed(ending.region)}",
            at=ending.at,
            seconds=(ending.at - now).total_seconds(),
            is_soon=ending.days <= SOON_DAYS,
            renews_itself=False,
        )
    for one_crl in status.lists:
        if one_crl.next_update is not None:
            yield ShownExpiry(
                what=f"the CRL of {displayed(one_crl.origin)}",
                at=one_crl.next_update,
                seconds=(one_crl.next_update - now).total_seconds(),
                is_soon=one_crl.next_update <= now,
                renews_itself=True,
            )


def _region(region: RegionStatus, now: datetime) -> RegionView:
    known = regions.find(region.name)
    return RegionView(
        name=displayed(region.name),
        title=known.name if known is not None else "",
        authority=region.authority,
        available=region.available,
        names=tuple(map(displayed, region.names)),
        anchors=tuple(
            _certificate(anchor, now, subject=anchor.certificate.subject.rfc4514_string()) for anchor in region.anchors
        ),
        pins=tuple(_certificate(pin, now, subject="") for pin in region.pins),
    )


def _certificate(one: Anchor | Pin, now: datetime, *, subject: str) -> Certificate:
    return Certificate(
        subject=displayed(subject),
        fingerprint_sha256=one.fingerprint_sha256,
        not_before=one.not_before,
        not_after=one.not_after,
        origin=displayed(str(one.origin)),
        phase=_phase(one.not_before, one.not_after, now),
    )


def _phase(not_before: datetime | None, not_after: datetime | None, now: datetime) -> Phase:
    if not_before is None or not_after is None:
        return Phase.UNKNOWN
    if now < not_before:
        return Phase.TO_COME
    return Phase.VALID if now <= not_after else Phase.ENDED


def _list(one: CRLStatus) -> CRLStatus:
    return CRLStatus(
        origin=displayed(one.origin),
        number=one.number,
        entries=one.entries,
        this_update=one.this_update,
        next_update=one.next_update,
        last_success=one.last_success,
        error=sentence(one.error),
        is_learned=one.is_learned,
    )


def _api(one: APIStatus) -> APIStatus:
    return APIStatus(
        region=displayed(one.region),
        certificates=one.certificates,
        last_success=one.last_success,
        next_poll=one.next_poll,
        error=sentence(one.error),
    )
