"""The commands ``trust show``, ``refresh`` and ``export``: the trust in force, and what a refresh changed."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from mtls_middleware._core.trust import Anchor, Pin
from mtls_middleware.cli.extras import WRONG
from mtls_middleware.cli.page import console_for, counted, heading, line, print_json, waiting
from mtls_middleware.cli.trust.export import Format, NotOursError, bundle, crls_of, require_ours, write
from mtls_middleware.display import displayed
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.observing.status import APIStatus, CRLStatus, RegionStatus, Status, TrustState
from mtls_middleware.settings import Settings

FAILED = 1
"""Exit status: something could not be refreshed, or callers of some region cannot be accepted now."""

_STYLES = {
    TrustState.FRESH: "bold green",
    TrustState.STALE: "bold yellow",
    TrustState.EXPIRED: "bold red",
    TrustState.MISSING: "bold red",
}
_MEANINGS = {
    TrustState.FRESH: "trust is in force",
    TrustState.STALE: "the last refresh failed; the last good trust stays in use",
    TrustState.EXPIRED: "nothing that is valid now is left: every protected call is refused",
    TrustState.MISSING: "nothing could be loaded: every protected call is refused",
}

_NOT_KEPT = "there is no state folder: what came is forgotten with this process; running workers ask for themselves"

SHORT = 16
"""Characters of a fingerprint: enough to tell two apart."""


def run_show(*, as_json: bool, console: Console | None = None) -> int:
    """Print the trust that files and state give, and return the exit status. Nobody is asked."""
    guard = Guard.silent(Settings.from_env())
    guard.load()
    return _print(guard.status(), as_json=as_json, console=console)


def run_refresh(*, as_json: bool, console: Console | None = None) -> int:
    """Ask every source once, keep what came in the state, print what changed, and return the exit status."""
    settings = Settings.from_env()
    guard = Guard.silent(settings)
    guard.load()
    before = guard.status()
    with waiting("asking every source …"):
        after = guard.refresh()
    changed = changes(before, after)
    if as_json:
        print_json(facts(after, utc_now()) | {"changed": list(changed)})
    else:
        show_refresh(after, changed, keeps=settings.state is not None, console=console_for(console))
    return FAILED if after.problems else _exit_status(after)


def run_export(form: Format, output: Path | None, crl: Path | None, *, force: bool) -> int:
    """Write anchors, and lists if they are wanted, and return the exit status.

    Args:
        form: who is to read it.
        output: a file for the anchors; None for standard output.
        crl: a file for the revocation lists; None for none.
        force: also replace a file that holds something else.
    """
    settings = Settings.from_env()
    guard = Guard.silent(settings)
    guard.load()
    snapshot, now = guard.snapshot, utc_now()
    text = bundle(snapshot, form, now) if snapshot is not None else ""
    if not text:
        sys.stderr.write("There is no anchor to export: all have expired.\n")
        return FAILED
    lists = ""
    if crl is not None and snapshot is not None:
        lists = crls_of(settings, snapshot)
        if not lists:
            sys.stderr.write("No CRL is known yet: run mtls-middleware trust refresh.\n")
            return FAILED
    try:
        _write({output: text, crl: lists} if output is not None else {crl: lists}, force=force)
    except (OSError, NotOursError) as error:
        sys.stderr.write(f"cannot be written: {displayed(str(error), 1_024)}\n")
        return WRONG
    if output is None:
        sys.stdout.write(text)
    return 0


def _write(contents: Mapping[Path | None, str], *, force: bool) -> None:
    """Look at every file before the first one is replaced."""
    wanted = {path: text for path, text in contents.items() if path is not None}
    if not force:
        for path in wanted:
            require_ours(path)
    for path, text in wanted.items():
        write(text, path)


def _print(status: Status, *, as_json: bool, console: Console | None) -> int:
    now = utc_now()
    if as_json:
        print_json(facts(status, now))
    else:
        show(status, now, console_for(console))
    return _exit_status(status)


def _exit_status(status: Status) -> int:
    is_right = status.life is TrustState.FRESH and all(region.available for region in status.regions)
    return 0 if is_right else FAILED


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
    line(console, f"{status.life}: {_MEANINGS[status.life]}", _STYLES[status.life])


def _section(console: Console, title: str, lines: Iterator[str] | tuple[str, ...], *, warns: bool = False) -> None:
    found = tuple(lines)
    if found:
        heading(console, title, "bold yellow" if warns else "bold")
    for entry in found:
        line(console, f"  {entry}")


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


def changes(before: Status, after: Status) -> tuple[str, ...]:
    """Return what is new, and what is gone, a line each."""
    return (*_of_regions(before, after), *_of_lists(before, after), *_of_apis(before, after))


def _of_regions(before: Status, after: Status) -> Iterator[str]:
    known = {region.name: _holdings(region) for region in before.regions}
    served = {region.name: region.available for region in before.regions}
    for region in after.regions:
        old, new = known.get(region.name, {}), _holdings(region)
        for digest, what in new.items():
            if digest not in old:
                yield f"{region.name}: new {what} {digest[:SHORT]}"
        for digest, what in old.items():
            if digest not in new:
                yield f"{region.name}: gone is {what} {digest[:SHORT]}"
        if served.get(region.name, region.available) != region.available:
            yield f"{region.name}: its callers can{'' if region.available else 'not'} be accepted now"


def _holdings(region: RegionStatus) -> dict[str, str]:
    anchors = {
        one.fingerprint_sha256: f"root {displayed(one.certificate.subject.rfc4514_string())}" for one in region.anchors
    }
    pins = {one.fingerprint_sha256: "pin" for one in region.pins}
    return anchors | pins


def _of_lists(before: Status, after: Status) -> Iterator[str]:
    known = {one.origin: one for one in before.lists}
    for one in after.lists:
        old = known.get(one.origin)
        if one.this_update is None or (old and (old.number, old.this_update) == (one.number, one.this_update)):
            continue
        place = displayed(one.origin)
        instead = "" if old is None or old.number is None else f" instead of {old.number}"
        title = f"of {one.this_update:%Y-%m-%d %H:%M:%SZ}" if one.number is None else f"{one.number}"
        yield f"{place}: CRL {title}{instead}, with {counted(one.entries, 'entry', 'entries')}"


def _of_apis(before: Status, after: Status) -> Iterator[str]:
    known = {one.region: one.certificates for one in before.apis}
    for one in after.apis:
        old = known.get(one.region, 0)
        if old != one.certificates:
            yield f"certificates API of {one.region}: {counted(one.certificates, 'certificate')} instead of {old}"
