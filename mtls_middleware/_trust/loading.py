"""From files to trust: everything is read and judged before anything is used, and every problem is told at once."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mtls_middleware._core.binding import Binding, Bound
from mtls_middleware._core.snapshot import AuthorityTrust, build_trust
from mtls_middleware._trust import files
from mtls_middleware._trust.anchors import Anchors, read_anchors
from mtls_middleware._trust.binding import possible_bindings
from mtls_middleware._trust.pins import Pins, read_pins, require_valid_pins
from mtls_middleware._trust.report import Report
from mtls_middleware.errors import TrustError
from mtls_middleware.identity import Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSources:
    """Say where trust comes from.

    Attributes:
        authorities: configured ones.
        regions: configured AWS region names.
        files: entries of MTLS_TRUST, files and folders.
        pins: entries of MTLS_PINS: files, or SHA-256 in lower-case hex, bound to ``digicert`` and a region.
        names: allowed certificate names (lower case) by binding.
        max_chain: certificates of a chain, the leaf included.
        pins_elsewhere: regions whose pins come from the certificates API as well.
    """

    authorities: tuple[Authority, ...]
    regions: tuple[str, ...]
    files: tuple[Bound[Path], ...]
    pins: tuple[Bound[Path | str], ...]
    names: Mapping[Binding, frozenset[str]]
    max_chain: int
    pins_elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrust:
    """Hold what was read.

    Attributes:
        trusts: one for each configured authority, in their order.
        warnings: one sentence each: what was left out or looks wrong.
    """

    trusts: tuple[AuthorityTrust, ...]
    warnings: tuple[str, ...]


def load_trust(sources: TrustSources, now: datetime) -> LoadedTrust:
    """Read all files.

    Anchors and pins that are not valid yet stay in the trust, and begin to count by the clock of each request.

    Raises:
        TrustError: a file cannot be used, or a region or authority has no anchor that is valid at `now`.
    """
    report = Report()
    anchors = read_anchors(sources.files, possible_bindings(sources.authorities, sources.regions), now, report)
    pins = read_pins(sources.pins, sources.regions, now, report)
    if Authority.DIGICERT in sources.authorities:
        require_valid_pins(pins, sources.pins_elsewhere, now, report)
    if report.problems:
        raise TrustError(dict.fromkeys(report.problems))
    return LoadedTrust(
        trusts=tuple(_trust_of(authority, sources, anchors, pins) for authority in sources.authorities),
        warnings=tuple(dict.fromkeys(report.warnings)),
    )


def fingerprint_of_files(sources: TrustSources) -> Hashable:
    """Return what would change if any file did. It costs one stat a file and raises nothing."""
    pins = (pin.value for pin in sources.pins if isinstance(pin.value, Path))
    return files.view((*(entry.value for entry in sources.files), *pins))


def _trust_of(authority: Authority, sources: TrustSources, anchors: Anchors, pins: Pins) -> AuthorityTrust:
    is_digicert = authority is Authority.DIGICERT
    return build_trust(
        authority,
        anchors=anchors.of(authority),
        names={binding: names for binding, names in sources.names.items() if binding.authority is authority},
        intermediates=dict.fromkeys((*anchors.intermediates, *pins.intermediates)) if is_digicert else (),
        pins=pins.found.values() if is_digicert else (),
        max_chain=sources.max_chain,
    )
