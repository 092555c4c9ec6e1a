"""The trust in force, as a person likes to read it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.counting import counted
from mtls_middleware.cli.trust.facts import days_left
from mtls_middleware.display import displayed
from mtls_middleware.observing.status import APIStatus, Life, ListStatus, RegionStatus, Status

_STYLES = {Life.FRESH: "bold green", Life.STALE: "bold yellow", Life.EXPIRED: "bold red", Life.MISSING: "bold red"}
_MEANINGS = {
    Life.FRESH: "trust is in force",
    Life.STALE: "the last refresh failed; the last good trust stays in use",
    Life.EXPIRED: "nothing that is valid now is left: every protected call is refused",
    Life.MISSING: "nothing could be loaded: every protected call is refused",
}

_NOT_KEPT = "MTLS_STATE=off: what came is forgotten with this process; running workers ask for themselves"

SHORT = 16
"""Characters of a fingerprint: enough to tell two apart."""


def show(status: Status, now: datetime, console: Console) -> None:
    """Print regions with what they are judged by, lists, certificates APIs, and what will end."""
    _life(status, console)
    for region in status.regions:
        _section(console, _title(region), _lines_of_region(region, now), warns=not region.available)
    _section(console, "CRLs", map(_list, status.lists))
    _section(console, "certificates API", map(_api, status.apis))
    _section(console, "upcoming expiries", (ending.text for ending in status.coming))
    _section(console, "warnings", status.warnings, warns=True)
    _section(console, "problems", status.problems, warns=True)


def show_refresh(status: Status, changed: Sequence[str], *, keeps: bool, console: Console) -> None:
    """Print what a refresh brought, what failed, and whether trust is in force."""
    _life(status, console)
    _section(console, "what changed", tuple(changed) or ("nothing",))
    _section(console, "what failed", status.problems, warns=True)
    unavailable = (region for region in status.regions if not region.available)
    _section(console, "not served", (_title(region) for region in unavailable), warns=True)
    _section(console, "warnings", status.warnings, warns=True)
    if not keeps:
        _section(console, "not kept", (_NOT_KEPT,), warns=True)


def _life(status: Status, console: Console) -> None:
    console.print(Text(f"{status.life}: {_MEANINGS[status.life]}", style=_STYLES[status.life]), soft_wrap=True)


def _section(console: Console, title: str, lines: Iterator[str] | tuple[str, ...], *, warns: bool = False) -> None:
    found = tuple(lines)
    if found:
        console.print(Text(f"\n{title}", style="bold yellow" if warns else "bold"), soft_wrap=True)
    for line in found:
        console.print(Text(f"  {line}"), soft_wrap=True)


def _title(region: RegionStatus) -> str:
    return f"{region.name} ({region.authority})" + ("" if region.available else ": its callers cannot be accepted now")


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


def _list(one: ListStatus) -> str:
    trouble = f": {one.error}" if one.error else ""
    if one.next_update is None:
        return f"{displayed(one.origin)}: none loaded{trouble}"
    until = f"until {one.next_update:%Y-%m-%d %H:%MZ}"
    return f"{displayed(one.origin)}: number {one.number}, {counted(one.entries, 'entry', 'entries')}, {until}{trouble}"


def _api(one: APIStatus) -> str:
    trouble = f": {one.error}" if one.error else ""
    return f"{one.region}: {counted(one.certificates, 'certificate')} known{trouble}"
