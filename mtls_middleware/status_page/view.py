"""What the page shows, as values: the page, its JSON and the command line's text are made of the same.

All texts are safe to look at. They are still text: whoever writes HTML escapes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import mtls_middleware
from mtls_middleware import regions
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Anchor
from mtls_middleware.display import displayed, sentence
from mtls_middleware.observing.expiry import ExpiryKind
from mtls_middleware.observing.fleet import Fleet, ReportedWorker
from mtls_middleware.observing.status import APIStatus, CRLStatus, Lack, RegionStatus, Status, TrustState
from mtls_middleware.status_page.decisions import Decisions, decisions_of
from mtls_middleware.status_page.headline import headline
from mtls_middleware.status_page.steps import SOON_DAYS, NextStep, steps_of
from mtls_middleware.status_page.workers import ShownWorker, TrustInForce, combined, trusts_in_force


class Phase(StrEnum):
    """Where in the validity of a certificate this moment lies."""

    VALID = "valid"
    ENDED = "ended"
    TO_COME = "to come"
    UNKNOWN = "unknown"
    """Of a pin that is a bare fingerprint."""
    USELESS = "cannot pass"
    """Of a pin that no caller can pass with; a warning says why."""


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
    lack: Lack | None
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


class Conclusion(StrEnum):
    """The conclusion of a view."""

    GOOD = "good"
    ATTENTION = "needs attention"
    UNKNOWN = "cannot tell"

    @property
    def exit_status(self) -> int:
        """Return what a command ends with."""
        return (Conclusion.GOOD, Conclusion.ATTENTION, Conclusion.UNKNOWN).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that the page shows of one moment.

    Attributes:
        at: this moment, UTC.
        verdict: whether something needs attention.
        service: what runs, such as ``gunicorn main:app``.
        hosts: where it runs.
        life: of trust as a whole, the worst of all processes; None where none is known.
        headline: one sentence: what that means.
        mode: ``enforce`` or ``report``; where no process is known, as it is set here.
        source: where client certificates are read from; where no process is known, as it is set here.
        built_at: when trust changed last, UTC; None where there is none, or no process is known.
        last_refresh: when trust was last read by all processes, successfully or not, UTC.
        steps: what to do next, the most urgent first.
        workers: the processes, one by one.
        trusts: how many processes have which trust.
        decisions: what was decided.
        endings: what ends, the first first.
        regions: one for each binding that is configured.
        lists: where CRLs come from.
        apis: the certificates API of each region.
        software: version of this package here.
    """

    at: datetime
    verdict: Conclusion
    service: str
    hosts: tuple[str, ...]
    life: TrustState | None
    headline: str
    mode: str
    source: str
    built_at: datetime | None
    last_refresh: datetime | None
    steps: tuple[NextStep, ...]
    workers: tuple[ShownWorker, ...]
    trusts: tuple[TrustInForce, ...]
    decisions: Decisions
    endings: tuple[ShownExpiry, ...]
    regions: tuple[RegionView, ...]
    lists: tuple[CRLStatus, ...]
    apis: tuple[APIStatus, ...]
    software: str


def view_of(own: Status, fleet: Fleet, now: datetime) -> View:
    """Return what to show of all processes.

    Args:
        own: status of the guard of this process; where others run, only its roots and pins are shown.
        fleet: all processes.
        now: aware, UTC.
    """
    found = combined(own, fleet, now)
    status, decisions = found.status, decisions_of(fleet, now)
    steps = steps_of(found, fleet, decisions, now)
    is_right = status.life is TrustState.FRESH and not any(step.is_urgent for step in steps)
    known = fleet.alive or tuple(one.worker for one in fleet.workers if one.worker)
    return View(
        at=now,
        verdict=Conclusion.UNKNOWN if not found.is_known else Conclusion.GOOD if is_right else Conclusion.ATTENTION,
        service=", ".join(sorted({displayed(worker.application) for worker in known})),
        hosts=tuple(sorted({displayed(worker.host) for worker in known})),
        life=status.life if found.is_known else None,
        headline=headline(found),
        mode=status.mode,
        source=status.source,
        built_at=status.built_at if found.is_known and status.life is not TrustState.MISSING else None,
        last_refresh=status.last_refresh if found.is_known else None,
        steps=steps,
        workers=tuple(_worker(one) for one in fleet.workers),
        trusts=trusts_in_force(fleet.alive),
        decisions=decisions,
        endings=tuple(sorted(_endings(status, now), key=lambda ending: ending.at)),
        regions=tuple(_region(region, now) for region in status.regions),
        lists=tuple(_list(one) for one in status.lists),
        apis=tuple(_api(one) for one in status.apis),
        software=mtls_middleware.__version__,
    )


def _worker(one: ReportedWorker) -> ShownWorker:
    worker = one.worker
    return ShownWorker(
        name=displayed(f"{worker.pid} on {worker.host}") if worker else "",
        application=displayed(worker.application) if worker else "",
        software=displayed(worker.software) if worker else "",
        started_at=worker.started_at if worker else None,
        liveness=one.liveness,
        reported_at=one.at,
        life=worker.life if worker else None,
        trust=displayed(worker.trust_fingerprint) if worker else "",
        built_at=worker.built_at if worker and worker.life is not TrustState.MISSING else None,
        last_refresh=worker.last_refresh if worker else None,
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
        lack=region.lack,
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
        phase=_phase(one, now),
    )


def _phase(one: Anchor | Pin, now: datetime) -> Phase:
    if one.not_before is None or one.not_after is None:
        return Phase.UNKNOWN
    if now > one.not_after:
        return Phase.ENDED
    if isinstance(one, Pin) and one.flaw:
        return Phase.USELESS
    return Phase.VALID if now >= one.not_before else Phase.TO_COME


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
