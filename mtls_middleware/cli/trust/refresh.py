"""The commands ``trust refresh`` and ``trust forget-crl``: they change what the state folder keeps."""

import sys
from collections.abc import Iterator, Sequence

from rich.console import Console

from mtls_middleware._trust.crl.known import CRLStore
from mtls_middleware.cli.ending import WRONG
from mtls_middleware.cli.environment import settings_here
from mtls_middleware.cli.page import console_for, print_json, waiting
from mtls_middleware.cli.trust.show import FAILED, SHORT, exit_status, facts, section, show_life, title_of
from mtls_middleware.composition import Secrets, store_of
from mtls_middleware.display import counted, displayed
from mtls_middleware.guard import Guard, utc_now
from mtls_middleware.observing.status import RegionStatus, Status, lacks_of

_NOT_KEPT = "there is no state folder: what came is forgotten with this process; running workers ask for themselves"


def run_refresh(*, as_json: bool, console: Console | None = None) -> int:
    """Ask every source once, keep what came in the state, print what changed, and return the exit status."""
    settings = settings_here()
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
    return FAILED if after.problems else exit_status(after)


def show_refresh(status: Status, changed: Sequence[str], *, keeps: bool, console: Console) -> None:
    """Print what a refresh brought, what failed, and whether trust is in force."""
    show_life(status, lacks_of(status), console)
    section(console, "what changed", tuple(changed) or ("nothing",))
    section(console, "what failed", status.problems, warns=True)
    unavailable = (region for region in status.regions if not region.available)
    section(console, "not served", (title_of(region) for region in unavailable), warns=True)
    section(console, "warnings", status.warnings, warns=True)
    if not keeps:
        section(console, "not kept", (_NOT_KEPT,), warns=True)


def changes(before: Status, after: Status) -> tuple[str, ...]:
    """Return what is new, and what is gone, a line each."""
    return (*_of_regions(before, after), *_of_lists(before, after), *_of_apis(before, after))


def _of_regions(before: Status, after: Status) -> Iterator[str]:
    known = {region.label: _holdings(region) for region in before.regions}
    served = {region.label: region.available for region in before.regions}
    for region in after.regions:
        old, new = known.get(region.label, {}), _holdings(region)
        for digest, what in new.items():
            if digest not in old:
                yield f"{region.label}: new {what} {digest[:SHORT]}"
        for digest, what in old.items():
            if digest not in new:
                yield f"{region.label}: gone is {what} {digest[:SHORT]}"
        if served.get(region.label, region.available) != region.available:
            yield f"{region.label}: its callers can{'' if region.available else 'not'} be accepted now"


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
        origin = displayed(one.origin)
        instead = "" if old is None or old.number is None else f" instead of {old.number}"
        title = f"of {one.this_update:%Y-%m-%d %H:%M:%SZ}" if one.number is None else f"{one.number}"
        yield f"{origin}: CRL {title}{instead}, with {counted(one.entries, 'entry', 'entries')}"


def _of_apis(before: Status, after: Status) -> Iterator[str]:
    known = {one.region: one.certificates for one in before.apis}
    for one in after.apis:
        old = known.get(one.region, 0)
        if old != one.certificates:
            yield f"certificates API of {one.region}: {counted(one.certificates, 'certificate')} instead of {old}"


def run_forget_crl(origin: str) -> int:
    """Forget what is kept of the CRL from an address or file, and return the exit status."""
    settings = settings_here()
    if settings.state is None:
        sys.stderr.write("There is no state folder, so nothing is kept: restart the application's workers instead.\n")
        return WRONG
    store = store_of(settings, Secrets.read(settings, []))
    store.view()  # an engine is only compared with what lies here
    kept = CRLStore(store)
    forgotten = kept.forget_crls(origin, utc_now())
    if store.problems:
        sys.stderr.write("".join(f"{displayed(problem, 1_024)}\n" for problem in store.problems))
        return FAILED
    if not forgotten:
        known = ", ".join(map(displayed, kept.origins())) or "nothing"
        sys.stderr.write(f"No CRL is kept from {displayed(origin)}; kept is: {known}\n")
        return FAILED
    for one in forgotten:
        sys.stdout.write(f"forgotten: the CRL from {displayed(one)}\n")
    sys.stdout.write("Workers ask again within seconds, and accept a lower number if the CRL is newer.\n")
    return 0
