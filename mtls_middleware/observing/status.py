"""What an operator sees of a guard: trust, its age, what was decided, what is not in force, and what will expire."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict, Unpack

from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.gate import Mode
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, TrustSnapshot
from mtls_middleware.identity import Authority
from mtls_middleware.observing.expiry import Expiry, expirations


class TrustState(StrEnum):
    """The state of trust."""

    MISSING = "missing"
    """Nothing was ever loaded: every protected call is refused."""
    FRESH = "fresh"
    STALE = "stale"
    """The last refresh failed; the last good trust stays in use."""
    EXPIRED = "expired"
    """Nothing that is valid now is left: every protected call is refused."""


class Lack(StrEnum):
    """What is missing where callers of a region cannot be accepted."""

    ROOT = "root"
    """No root is valid now."""
    PIN = "pin"
    """No client certificate is pinned."""
    VALID_PIN = "valid pin"
    """No pinned client certificate can pass now."""
    CRL = "crl"
    """No CRL is fresh, and MTLS_REVOCATION=require."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatus:
    """The trust in callers of one region, or of ``custom``.

    Attributes:
        name: AWS region name, or the authority's.
        authority: who vouches.
        names: allowed certificate names.
        anchors: CA certificates, in and out of their lives.
        pins: trusted client certificates.
        lack: why its callers cannot be accepted now; None where they can.
    """

    name: str
    authority: str
    names: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    pins: tuple[Pin, ...]
    lack: Lack | None

    @property
    def available(self) -> bool:
        """Return whether its callers can be accepted now."""
        return self.lack is None

    @property
    def label(self) -> str:
        """Return the region, with the authority where another one may vouch for the same region."""
        return f"{self.name} ({self.authority})" if self.authority == Authority.DIGICERT else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CRLStatus:
    """One source of CRLs.

    Attributes:
        origin: address or path.
        number: CRL number of the CRL in force; None where none came.
        entries: certificates that it revokes.
        this_update: when it was issued, UTC.
        next_update: when it becomes stale, UTC.
        last_success: when the origin last gave a good one, UTC.
        error: why the last attempt failed; empty where it did not.
        is_learned: a certificate named the origin, not the operator.
    """

    origin: str
    number: int | None
    entries: int
    this_update: datetime | None
    next_update: datetime | None
    last_success: datetime | None
    error: str
    is_learned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class APIStatus:
    """The state of one region's certificates API.

    Attributes:
        region: AWS region name.
        certificates: number of those that are known from it.
        last_success: of a poll by this process, UTC.
        next_poll: when it is asked again, UTC.
        error: why the last poll failed; empty where it did not.
    """

    region: str
    certificates: int
    last_success: datetime | None
    next_poll: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A guard at one moment.

    Attributes:
        life: of trust as a whole.
        version: of the snapshot in force; 0 where there is none.
        built_at: when it was built, UTC; None where there is none.
        regions: one for each binding that is configured.
        mode: ``enforce`` or ``report``.
        source: name of the configured source.
        last_refresh: when trust was last read, successfully or not, UTC.
        problems: why the last refresh failed; empty where it did not.
        warnings: what was left out of the trust in force, and why.
        lists: where CRLs come from.
        apis: of each region that is asked.
        coming: upcoming expiries, soonest first.
        decisions: how often each reason, or ``accepted``, was decided on protected paths.
        verdicts: certificates whose verdict is kept.
        authorities: those with trust, in their order.
        changed_at: when other anchors or pins than before came into force, UTC; None where none did.
    """

    __module__ = "mtls_middleware"

    life: TrustState
    version: int
    built_at: datetime | None
    regions: tuple[RegionStatus, ...]
    mode: str
    source: str
    last_refresh: datetime | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    lists: tuple[CRLStatus, ...]
    apis: tuple[APIStatus, ...]
    coming: tuple[Expiry, ...]
    decisions: Mapping[str, int]
    verdicts: int
    authorities: tuple[str, ...] = ()
    changed_at: datetime | None = None

    @property
    def is_ready(self) -> bool:
        """Return whether trust lets a good call through now, for readiness probes; callers cannot change it.

        Stale trust accepts good calls, and report mode lets every call through.
        """
        return is_ready(self.life, self.mode)


def is_ready(life: TrustState, mode: str) -> bool:
    """Return whether a good call gets through."""
    return mode == Mode.REPORT or life in {TrustState.FRESH, TrustState.STALE}


def lacks_of(status: Status) -> dict[str, Lack]:
    """Return what is missing for callers of a region, by its label; nothing for those that can be accepted now."""
    return {region.label: region.lack for region in status.regions if region.lack is not None}


class TrustFacts(TypedDict):
    """What a guard knows about the sources of its trust."""

    last_refresh: datetime | None
    changed_at: datetime | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    lists: tuple[CRLStatus, ...]
    apis: tuple[APIStatus, ...]


class Facts(TrustFacts):
    """What a guard knows about itself, beside its trust."""

    mode: str
    source: str
    decisions: Mapping[str, int]


def status_of(snapshot: TrustSnapshot | None, now: datetime, *, requires_crls: bool, **facts: Unpack[Facts]) -> Status:
    """Return the status of a guard: its trust at this moment, and what it knows about itself."""
    regions = tuple(
        region
        for trust in (snapshot.trusts if snapshot else ())
        for region in _regions(trust, snapshot.crls if snapshot and requires_crls else None, now)
    )
    return Status(
        life=_life(snapshot, regions, now, failed=bool(facts["problems"])),
        version=snapshot.version if snapshot else 0,
        built_at=snapshot.built_at if snapshot else None,
        regions=regions,
        coming=expirations(snapshot, now),
        verdicts=len(snapshot.verdicts) if snapshot else 0,
        authorities=tuple(str(trust.authority) for trust in (snapshot.trusts if snapshot else ())),
        **facts,
    )


def _life(
    snapshot: TrustSnapshot | None, regions: tuple[RegionStatus, ...], now: datetime, *, failed: bool
) -> TrustState:
    if snapshot is None or (failed and not snapshot.anchors and not snapshot.pins):  # the latter in report mode alone
        return TrustState.MISSING
    if not snapshot.is_available(now) or not any(region.available for region in regions):
        return TrustState.EXPIRED
    return TrustState.STALE if failed else TrustState.FRESH


def _regions(trust: AuthorityTrust, crls: CRLSet | None, now: datetime) -> Iterator[RegionStatus]:
    """Return the status of each binding; `crls` are those without which nobody is accepted, or None."""
    regions = dict.fromkeys((*sorted(trust.regions_with_api_pins), *(pin.region for pin in trust.pins.values())))
    pinned = [Binding(trust.authority, region) for region in regions]
    for binding in trust.names or pinned:
        shared = trust.authority is Authority.DIGICERT
        anchors = tuple(anchor for anchor in trust.anchors if shared or anchor.binding == binding)
        pins = tuple(pin for pin in trust.pins.values() if pin.region == binding.region)
        yield RegionStatus(
            name=str(binding),
            authority=str(trust.authority),
            names=tuple(sorted(trust.names.get(binding, ()))),
            anchors=anchors,
            pins=pins,
            lack=_lack(trust, anchors, pins, crls, now),
        )


def _lack(
    trust: AuthorityTrust, anchors: tuple[Anchor, ...], pins: tuple[Pin, ...], crls: CRLSet | None, now: datetime
) -> Lack | None:
    if trust.authority is Authority.DIGICERT and not any(pin.can_pass(now) for pin in pins):
        return Lack.VALID_PIN if pins else Lack.PIN
    if not any(anchor.is_valid(now) for anchor in anchors):
        return Lack.ROOT
    return None if crls is None or _has_fresh_crl(trust, anchors, crls, now) else Lack.CRL


def _has_fresh_crl(trust: AuthorityTrust, anchors: tuple[Anchor, ...], crls: CRLSet, now: datetime) -> bool:
    """Return whether any CA that may sign a caller has a CRL that counts now. Callers' own CAs are not known here."""
    issuers = (*(anchor.certificate for anchor in anchors), *trust.intermediates)
    if trust.authority is Authority.CUSTOM:
        issuers = (*issuers, *crls.issuers)
    return any(one.confirms(now) for issuer in issuers for one in crls.of(issuer))
