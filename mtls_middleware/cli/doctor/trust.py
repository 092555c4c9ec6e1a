"""Files of trust, regions and roots: what is there, and until when it counts."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from mtls_middleware._core.trust import Anchor, TrustSnapshot
from mtls_middleware._io.files import Problems, subject_of
from mtls_middleware._trust.files.anchors import Anchors, read_anchors
from mtls_middleware._trust.gathering import GatheredTrust
from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.composition import trust_sources
from mtls_middleware.display import counted, displayed
from mtls_middleware.identity import Authority
from mtls_middleware.observing.expiry import WARNING_DAYS, expirations
from mtls_middleware.regions import Certainty, find
from mtls_middleware.renewals import new_root, unsigned_in_api
from mtls_middleware.settings import Settings

_FILES = About(Topic.FILES)
_REGIONS = About(Topic.REGIONS)
_ROOTS = About(Topic.ROOTS)
_CLOCK = About(Topic.CLOCK)

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

_REPLACE = "replace it, or give it the right prefix; remove it if nothing needs it"


def check_files(settings: Settings, now: datetime, problems: tuple[str, ...], warnings: Sequence[str]) -> list[Finding]:
    """Check what each file of MTLS_TRUST is taken for.

    Args:
        settings: they name the files.
        now: aware, UTC.
        problems: what a start would end with; empty where it would not.
        warnings: what it would warn of; where there are problems, those of the anchors are found here.
    """
    report = Problems()
    sources = trust_sources(settings)
    anchors = read_anchors(sources.files, sources.authorities, sources.regions, sources.names, now, report)
    found = [_FILES.error(Check.FILES_USABLE, problem) for problem in problems]
    found += list(_taken(anchors))
    found += [
        _FILES.warning(Check.FILES_LEFT_OUT, warning, _REPLACE)
        for warning in (dict.fromkeys(report.warnings) if problems else warnings)
    ]
    found += _permissions(settings)
    return found


def check_regions(settings: Settings) -> Iterator[Finding]:
    """Show which names callers of each region must have, and how certain that is."""
    for binding, names in settings.cert_names.items():
        shown = displayed(" or ".join(sorted(names)))
        known = find(binding.region or "")
        if known is None or known.cert_name not in names:
            yield _REGIONS.ok(Check.REGION_NAME, f"{binding}: {shown}, by MTLS_CERT_NAMES")
        elif known.certainty is Certainty.CONFIRMED:
            yield _REGIONS.ok(Check.REGION_NAME, f"{binding}: {shown}, confirmed")
        else:
            yield _REGIONS.warning(
                Check.REGION_NAME,
                f"{binding}: {shown} is {known.certainty}: nobody has confirmed it yet",
                "make one call with MTLS_MODE=report: if the log line says region_mismatch, it gives the name seen and "
                "the MTLS_CERT_NAMES entry that would accept it",
            )


def check_roots(kept: GatheredTrust, now: datetime) -> Iterator[Finding]:
    """Check until when roots and pins are valid, and whether a root seems to be renewed."""
    snapshot = TrustSnapshot(version=1, built_at=now, trusts=kept.trusts, crls=kept.crls)
    last = min(WARNING_DAYS)
    for expiry in expirations(snapshot, now):
        seen, _, fix = expiry.text.partition(": ")
        if expiry.threshold is None:
            yield _ROOTS.ok(Check.ROOT_LIFE, seen)
        elif expiry.threshold > last:
            yield _ROOTS.warning(Check.ROOT_LIFE, seen, fix)
        else:
            yield _ROOTS.error(Check.ROOT_LIFE, seen, fix)
    for region in kept.renewed:
        yield _ROOTS.error(Check.ROOT_RENEWED, unsigned_in_api(region), new_root(region))
    for pin in snapshot.pins:
        if pin.flaw:
            seen = f"{pin.origin}: no caller of {pin.region} can pass with this pin: {pin.flaw}"
            yield _ROOTS.error(Check.PIN_USABLE, displayed(seen, 1_000), "pin the certificate that is in use")


def check_future(kept: GatheredTrust, now: datetime) -> Iterator[Finding]:
    """Check for roots that begin in the future: either they or the clock are wrong."""
    future = [anchor for trust in kept.trusts for anchor in trust.anchors if anchor.not_before > now]
    for anchor in future:
        yield _CLOCK.warning(
            Check.CLOCK_FUTURE,
            f"{subject_of(anchor.certificate)} begins at {anchor.not_before:%Y-%m-%d %H:%M:%SZ}, and it is "
            f"{now:%Y-%m-%d %H:%M:%SZ} here",
            "if the root is not new, the clock is slow: set it by NTP",
        )
    if not future:
        yield _CLOCK.ok(Check.CLOCK_FUTURE, "no root begins in the future")


def _taken(anchors: Anchors) -> Iterator[Finding]:
    by_file: defaultdict[tuple[str, str], list[Anchor]] = defaultdict(list)
    for anchor in anchors.found.values():
        by_file[anchor.origin, str(anchor.binding)].append(anchor)
    for (origin, binding), found in by_file.items():
        ends = max(anchor.not_after for anchor in found)
        count = counted(len(found), "root")
        subjects = ", ".join(subject_of(anchor.certificate) for anchor in found)
        yield _FILES.ok(
            Check.FILES_USABLE, f"{origin} vouches for {binding}: {count}, until {ends:%Y-%m-%d}: {displayed(subjects)}"
        )
    for certificate, origin in anchors.intermediates.items():
        yield _FILES.ok(Check.FILES_USABLE, f"{origin} helps {Authority.DIGICERT}: {subject_of(certificate)}")


def _permissions(settings: Settings) -> Iterator[Finding]:
    paths = [entry.value for entry in settings.trust]
    paths += [pin.value for pin in settings.pins if isinstance(pin.value, Path)]
    writable = [path for path in dict.fromkeys(paths) if _is_writable_by_others(path)]
    for path in writable:
        yield _FILES.warning(
            Check.FILES_WRITABLE,
            f"{displayed(str(path))} may be written by other users, who could add a root of their own",
            f"chmod go-w {displayed(str(path))}",
        )
    if paths and not writable:
        yield _FILES.ok(Check.FILES_WRITABLE, "no other user may write them")


def _is_writable_by_others(path: Path) -> bool:
    """Return whether a file or folder may be; one with the sticky bit, such as Kubernetes mounts, too."""
    try:
        return bool(os.stat(path).st_mode & _OTHERS_MAY_WRITE)  # noqa: PTH116 - as it is opened
    except OSError:
        return False
