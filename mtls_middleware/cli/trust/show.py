"""The command ``trust show``: the trust in force in the running processes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.console import Console

from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Anchor, TrustSnapshot
from mtls_middleware.cli.environment import settings_here, status_here
from mtls_middleware.cli.page import console_for, heading, line, print_json, wrapped
from mtls_middleware.display import counted, displayed, sentence
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.observing.status import APIStatus, CRLStatus, Lack, RegionStatus, Status, TrustState
from mtls_middleware.observing.worker import fingerprint_of, lines_of
from mtls_middleware.status_page.headline import lack_text, meaning
from mtls_middleware.status_page.workers import Combined, combined, lost, process_count

FAILED = 1
"""Exit status: something could not be refreshed, or callers of some region cannot be accepted now."""

UNKNOWN = 2
"""Exit status: no running process is known."""

_STYLES = {
    TrustState.FRESH: "bold green",
    TrustState.STALE: "bold yellow",
    TrustState.EXPIRED: "bold red",
    TrustState.MISSING: "bold red",
}

SHORT = 16
"""Characters of a fingerprint: enough to tell two apart."""


def run_show(*, as_json: bool, console: Console | None = None) -> int:
    """Print what the running processes trust, and return the exit status.

    Roots and pins are read here, as they do; where that fails, there is only what they report of theirs.
    """
    guard = Guard.silent(settings_here())
    own, now, fleet = status_here(guard), utc_now(), guard.fleet()
    found = combined(own, fleet, now)
    found = replace(found, status=replace(found.status, problems=_problems(found.status.problems, own.problems)))
    reported = tuple(dict.fromkeys(text for one in fleet.alive for text in one.trust))
    here = guard.snapshot
    fingerprints = tuple(dict.fromkeys(one.trust_fingerprint for one in fleet.alive))
    running = process_count(fleet.alive)
    others = (*lost(fleet), *found.differences, *_unlike_here(fingerprints, here))
    if as_json:
        processes = {
            "running": process_count(fleet.alive),
            "trust_fingerprints": list(fingerprints),
            "trust": list(reported),
            "others": list(others),
        }
        print_json(facts(found.status, now) | {"life": str(found.status.life), "processes": processes})
    else:
        show(found, others, now, console_for(console), running=running, reported=() if here else reported)
    if not found.is_known:
        return UNKNOWN
    return FAILED if others or found.status.problems else exit_status(found.status)


def _problems(reported: tuple[str, ...], here: tuple[str, ...]) -> tuple[str, ...]:
    """Return each problem once; a report has the beginning of a long one."""
    known = tuple(text.removesuffix("…") for text in reported)
    return (*reported, *(text for text in here if not text.startswith(known)))


def _unlike_here(fingerprints: tuple[str, ...], here: TrustSnapshot | None) -> Iterator[str]:
    if fingerprints and here is not None and fingerprint_of(lines_of(here)) not in fingerprints:
        yield (
            "what the files and the state folder give here is not what the running processes trust: they have not read "
            "it yet, or this command has another environment"
        )


def exit_status(status: Status) -> int:
    """Return 0 where trust is fresh and every region available."""
    is_right = status.life is TrustState.FRESH and all(region.available for region in status.regions)
    return 0 if is_right else FAILED


def show(
    found: Combined,
    others: tuple[str, ...],
    now: datetime,
    console: Console,
    *,
    running: int,
    reported: tuple[str, ...] = (),
) -> None:
    """Print regions with what they are judged by, CRLs, certificates APIs, and what will expire.

    Args:
        found: all processes as one.
        others: what is not as it should be with some of them.
        now: aware, UTC.
        console: where to.
        running: number of processes.
        reported: what they trust, where roots and pins cannot be read here.
    """
    status = found.status
    if found.is_known:
        show_life(status, found.lacks, console)
        line(console, f"in {counted(running, 'running process', 'running processes')}")
    else:
        line(
            console, f"no running process reports here; the files and the state folder give: {status.life}", "bold red"
        )
    for region in status.regions:
        section(console, title_of(region), _lines_of_region(region, now), warns=not region.available)
    section(console, "trust, as the processes report it", reported)
    section(console, "CRLs", map(_list, status.lists))
    section(console, "certificates API", map(_api, status.apis))
    section(console, "upcoming expiries", (ending.text for ending in status.coming))
    section(console, "processes", others, warns=True)
    section(console, "warnings", tuple(map(found.matter, status.warnings)), warns=True)
    section(console, "problems", tuple(map(found.matter, status.problems)), warns=True)


def show_life(status: Status, lacks: Mapping[str, Lack], console: Console) -> None:
    """Print the state of trust, and what it means; `lacks` is what is missing for callers of a region, by its label."""
    wrapped(console, f"{status.life}: {meaning(status, lacks)}", _STYLES[status.life])


def section(console: Console, title: str, lines: Iterator[str] | tuple[str, ...], *, warns: bool = False) -> None:
    """Print lines below a title, if there are any; what processes reported is made safe to look at."""
    found = tuple(lines)
    if found:
        heading(console, title, "bold yellow" if warns else "bold")
    for entry in found:
        line(console, f"  {sentence(entry)}")


def title_of(region: RegionStatus) -> str:
    """Return a region with its authority, and whether its callers can be accepted."""
    lack = "" if region.lack is None else f": its callers cannot be accepted now, because {lack_text(region.lack)}"
    return f"{region.name} ({region.authority}){lack}"


def _lines_of_region(region: RegionStatus, now: datetime) -> Iterator[str]:
    if region.names:
        yield f"name  {displayed(', '.join(region.names))}"
    for anchor in region.anchors:
        subject = displayed(anchor.certificate.subject.rfc4514_string())
        yield f"root  {subject}, {_ends(anchor.not_after, now)}, {anchor.fingerprint_sha256[:SHORT]}, {anchor.origin}"
    for pin in region.pins:
        end = "expiry not known" if pin.not_after is None else _ends(pin.not_after, now)
        begins = f", from {pin.not_before:%Y-%m-%d}" if pin.not_before is not None and pin.not_before > now else ""
        yield f"pin   {pin.fingerprint_sha256[:SHORT]}{begins}, {end}, {pin.origin}"


def _ends(end: datetime, now: datetime) -> str:
    days = days_left(end, now)
    return f"until {end:%Y-%m-%d} ({counted(days, 'day')})" if days >= 0 else f"expired {end:%Y-%m-%d}"


def _list(one: CRLStatus) -> str:
    trouble = f": {one.error}" if one.error else ""
    if one.this_update is None:
        return f"{displayed(one.origin)}: none loaded{trouble}"
    until = "no nextUpdate" if one.next_update is None else f"until {one.next_update:%Y-%m-%d %H:%MZ}"
    number = "no number" if one.number is None else f"number {one.number}"
    return f"{displayed(one.origin)}: {number}, {counted(one.entries, 'entry', 'entries')}, {until}{trouble}"


def _api(one: APIStatus) -> str:
    trouble = f": {one.error}" if one.error else ""
    return f"{one.region}: {counted(one.certificates, 'certificate')} known{trouble}"


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
        "lack": region.lack,
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
