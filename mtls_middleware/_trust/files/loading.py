"""From files to trust: everything is read and judged before anything is used, and every problem is told at once."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from mtls_middleware import regions
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import AuthorityTrust, Binding, Bound, build_trust
from mtls_middleware._io import files
from mtls_middleware._io.files import Problems
from mtls_middleware._trust.files.anchors import Anchors, read_anchors
from mtls_middleware._trust.files.pins import Pins, read_pins, require_valid_pins
from mtls_middleware._trust.genesys.known import KnownCertificates
from mtls_middleware._trust.judging import judged
from mtls_middleware.errors import TrustError
from mtls_middleware.identity import Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSources:
    """The files and pins that trust comes from.

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
    regions_with_api_pins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrust:
    """Trust as it was loaded.

    Attributes:
        trusts: one for each configured authority, in their order.
        warnings: one sentence each: what was left out or looks wrong.
    """

    trusts: tuple[AuthorityTrust, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFiles:
    """The content of the operator's files.

    Attributes:
        anchors: all of them.
        pins: those of files and settings.
        warnings: one sentence each.
    """

    anchors: Anchors
    pins: Pins
    warnings: tuple[str, ...]


def read_files(sources: TrustSources, now: datetime) -> ReadFiles:
    """Read all files.

    Anchors and pins that are not valid yet stay in the trust, and begin to count by the clock of each request.

    Raises:
        TrustError: a file cannot be used, or a region or authority has no anchor that is valid at `now`.
    """
    report = Problems()
    anchors = read_anchors(sources.files, sources.authorities, sources.regions, sources.names, now, report)
    pins = read_pins(sources.pins, sources.regions, now, report)
    if Authority.DIGICERT in sources.authorities:
        require_valid_pins(pins, sources.regions_with_api_pins, now, report)
    if report.problems:
        raise TrustError(dict.fromkeys(report.problems))
    return ReadFiles(anchors=anchors, pins=pins, warnings=tuple(dict.fromkeys(report.warnings)))


def no_files(sources: TrustSources) -> ReadFiles:
    """Return what stands for files that cannot be used: nobody is trusted by them."""
    return ReadFiles(anchors=Anchors(possible=(), regions=sources.regions), pins=Pins(), warnings=())


def build_trusts(
    sources: TrustSources, read: ReadFiles, now: datetime, known: Iterable[KnownCertificates] = ()
) -> LoadedTrust:
    """Return the trust of all authorities.

    Args:
        sources: what was configured.
        read: the operator's files.
        now: aware, UTC.
        known: what the certificates API has told; a pin of the operator's counts before the same one from there.
    """
    known = tuple(known)
    pins = {pin.fingerprint_sha256: pin for one in known for pin in one.pins(now)}
    pins |= {digest: _completed(pin, pins.get(digest)) for digest, pin in read.pins.found.items()}
    intermediates = dict.fromkeys(
        (
            *read.anchors.intermediates,
            *read.pins.intermediates,
            *(certificate for one in known for certificate in one.intermediates(now)),
        )
    )
    trusts = tuple(
        _trust_of(authority, sources, read.anchors, pins.values(), intermediates, now)
        for authority in sources.authorities
    )
    return LoadedTrust(trusts=trusts, warnings=read.warnings)


def fingerprint_of_files(sources: TrustSources) -> Hashable:
    """Return what would change if any file did. It costs one stat a file and raises nothing."""
    pins = (pin.value for pin in sources.pins if isinstance(pin.value, Path))
    return files.view((*(entry.value for entry in sources.files), *pins))


def _trust_of(
    authority: Authority,
    sources: TrustSources,
    anchors: Anchors,
    pins: Iterable[Pin],
    intermediates: Iterable[x509.Certificate],
    now: datetime,
) -> AuthorityTrust:
    is_digicert = authority is Authority.DIGICERT
    trust = build_trust(
        authority,
        anchors=anchors.of(authority),
        names={binding: names for binding, names in sources.names.items() if binding.authority is authority},
        intermediates=intermediates if is_digicert else (),
        pins=pins if is_digicert else (),
        known_names=regions.of_certificate_names(),
        max_chain=sources.max_chain,
    )
    if not is_digicert:
        return trust
    with_chains = {digest: judged(pin, trust, now) for digest, pin in trust.pins.items()}
    return replace(trust, pins=with_chains, regions_with_api_pins=sources.regions_with_api_pins)


def _completed(pin: Pin, listed: Pin | None) -> Pin:
    """Return an operator's pin, with the certificate that the API lists where it is only a fingerprint."""
    if pin.der or listed is None:
        return pin
    return replace(listed, region=pin.region, origin=pin.origin)
