"""Pins from MTLS_PINS: the client certificates of ``digicert`` that are trusted explicitly, each in one region."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Bound
from mtls_middleware._io import files
from mtls_middleware._io.files import InputError, Problems, subject_of
from mtls_middleware._trust.files.content import is_ca
from mtls_middleware._trust.files.reading import Found, read_certificates
from mtls_middleware.display import displayed


@dataclass(slots=True)
class Pins:
    """Collect the pins of all regions.

    Attributes:
        found: by fingerprint.
        intermediates: the other certificates of pin files. They help to build a path, and vouch for nothing.
        named: regions for which something was given, good or bad.
        failed: regions of files that could not be used.
    """

    found: dict[str, Pin] = field(default_factory=dict)
    intermediates: dict[x509.Certificate, str] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def read_pins(entries: Iterable[Bound[Path | str]], regions: tuple[str, ...], now: datetime, report: Problems) -> Pins:
    """Read all entries of MTLS_PINS."""
    pins = Pins()
    for entry in entries:
        origin = f"MTLS_PINS {displayed(str(entry.value))}"
        region = _region_of(entry, regions, origin, report)
        if region is None:
            continue
        pins.named.add(region)
        if isinstance(entry.value, str):
            pin = Pin(fingerprint_sha256=entry.value, region=region, not_before=None, not_after=None, origin=origin)
            _add(pin, pins, report)
        else:
            _read_path(entry.value, region, origin, pins, report)
    _leave_out_expired(pins, now, report)
    return pins


def require_valid_pins(pins: Pins, elsewhere: frozenset[str], now: datetime, report: Problems) -> None:
    """Check that no region is left with pins that are not valid at `now`, unless others come from `elsewhere`."""
    valid = {pin.region for pin in pins.found.values() if pin.is_valid(now)}
    for region in sorted(pins.named - valid - pins.failed - elsewhere):
        report.problems.append(
            f"{region} has no pin that is valid now: add {region}=PATH of its current client certificate to MTLS_PINS, "
            "and check the clock of this machine"
        )


def _region_of(entry: Bound[Path | str], regions: tuple[str, ...], origin: str, report: Problems) -> str | None:
    region = entry.binding.region if entry.binding is not None else None
    if region is None and len(regions) == 1:
        return regions[0]
    if region in regions:
        return region
    choices = ", ".join(f"{choice}=" for choice in regions)
    said = "does not say for which region it is" if region is None else f"is for {region}, not one of MTLS_REGIONS"
    report.problems.append(f"{origin}: {said}: write one of {choices} in front of it")
    return None


def _read_path(path: Path, region: str, origin: str, pins: Pins, report: Problems) -> None:
    """Read a file, or all files of a folder. Chains may lie beside their leaves, but there must be a leaf."""
    own = Problems()
    found: list[Found] = []
    is_folder = files.is_folder(path)
    try:
        for file in files.list_folder(path) if is_folder else (path,):
            found += read_certificates(file, f"MTLS_PINS {displayed(str(file))}", own, named=not is_folder)
    except InputError as error:
        own.problems.append(f"{origin}: {error}")
    leaves = [one for one in found if not is_ca(one.certificate)]
    if found and not leaves:
        own.problems.append(f"{origin}: holds only CA certificates: name the client certificate to be trusted")
    elif not found and not own.problems:
        own.problems.append(f"{origin}: holds no certificate: put the client certificate to be trusted there")
    for one in found:
        if is_ca(one.certificate):
            pins.intermediates.setdefault(one.certificate, one.origin)
    for leaf in leaves:
        _add(_pin(leaf, region), pins, own)
    if own.problems:
        pins.failed.add(region)
    report.problems += own.problems
    report.warnings += own.warnings


def _pin(leaf: Found, region: str) -> Pin:
    return Pin(
        fingerprint_sha256=fingerprint(leaf.certificate.public_bytes(Encoding.DER)),
        region=region,
        not_before=leaf.certificate.not_valid_before_utc,
        not_after=leaf.certificate.not_valid_after_utc,
        origin=f"{leaf.origin}: {subject_of(leaf.certificate)}",
        der=leaf.certificate.public_bytes(Encoding.DER),
    )


def _add(pin: Pin, pins: Pins, report: Problems) -> None:
    known = pins.found.get(pin.fingerprint_sha256)
    if known is not None and known.region != pin.region:
        # The pin alone says where a caller is from, so it cannot say two things.
        report.problems.append(
            f"{pin.origin}: is pinned for {known.region} and for {pin.region}: a pin stands for one region"
        )
    elif known is None or known.not_after is None:
        pins.found[pin.fingerprint_sha256] = pin


def _leave_out_expired(pins: Pins, now: datetime, report: Problems) -> None:
    for pin in tuple(pins.found.values()):
        if pin.is_valid(now):
            continue
        if pin.not_after is not None and pin.not_after < now:
            del pins.found[pin.fingerprint_sha256]
            when = f"since {pin.not_after:%Y-%m-%d %H:%M:%SZ}, when it expired"
        else:
            when = f"until {pin.not_before:%Y-%m-%d %H:%M:%SZ}, when it begins to be valid"
        report.warnings.append(f"{pin.origin}: the pin for {pin.region} is left out {when}")
