"""The trust in force, for a script."""

from datetime import datetime
from typing import Any

from mtls_middleware._core.trust import Anchor, Pin
from mtls_middleware.observing.status import RegionStatus, Status


def facts(status: Status, now: datetime) -> dict[str, Any]:
    """Return what `Guard.status` tells, without the counts of a process that judged nobody."""
    return {
        "life": str(status.life),
        "regions": [_region(region, now) for region in status.regions],
        "lists": [
            {
                "origin": one.origin,
                "number": one.number,
                "entries": one.entries,
                "this_update": _at(one.this_update),
                "next_update": _at(one.next_update),
                "learned": one.is_learned,
                "error": one.error,
            }
            for one in status.lists
        ],
        "apis": [
            {
                "region": one.region,
                "certificates": one.certificates,
                "last_success": _at(one.last_success),
                "error": one.error,
            }
            for one in status.apis
        ],
        "coming": [
            {"region": one.region, "at": _at(one.at), "days": one.days, "text": one.text} for one in status.coming
        ],
        "problems": list(status.problems),
        "warnings": list(status.warnings),
    }


def days_left(end: datetime, now: datetime) -> int:
    """Return whole days until an end; negative where it has come."""
    return (end - now).days


def _region(region: RegionStatus, now: datetime) -> dict[str, Any]:
    return {
        "name": region.name,
        "authority": region.authority,
        "available": region.available,
        "certificate_names": list(region.names),
        "anchors": [_anchor(anchor, now) for anchor in region.anchors],
        "pins": [_pin(pin, now) for pin in region.pins],
    }


def _anchor(anchor: Anchor, now: datetime) -> dict[str, Any]:
    return {
        "subject": anchor.certificate.subject.rfc4514_string(),
        "fingerprint_sha256": anchor.fingerprint_sha256,
        "not_before": _at(anchor.not_before),
        "not_after": _at(anchor.not_after),
        "days_left": days_left(anchor.not_after, now),
        "origin": anchor.origin,
    }


def _pin(pin: Pin, now: datetime) -> dict[str, Any]:
    return {
        "fingerprint_sha256": pin.fingerprint_sha256,
        "not_before": _at(pin.not_before),
        "not_after": _at(pin.not_after),
        "days_left": None if pin.not_after is None else days_left(pin.not_after, now),
        "origin": pin.origin,
    }


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
