"""What a refresh brought: two states of a guard, side by side."""

from collections.abc import Iterator

from mtls_middleware.cli.counting import counted
from mtls_middleware.cli.trust.table import SHORT
from mtls_middleware.display import displayed
from mtls_middleware.observing.status import RegionStatus, Status


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
        if one.number is None or (old is not None and (old.number, old.this_update) == (one.number, one.this_update)):
            continue
        place = displayed(one.origin)
        instead = "" if old is None or old.number is None else f" instead of {old.number}"
        yield f"{place}: list {one.number}{instead}, with {counted(one.entries, 'entry', 'entries')}"


def _of_apis(before: Status, after: Status) -> Iterator[str]:
    known = {one.region: one.certificates for one in before.apis}
    for one in after.apis:
        old = known.get(one.region, 0)
        if old != one.certificates:
            yield f"certificates API of {one.region}: {counted(one.certificates, 'certificate')} instead of {old}"
