"""Anchors from MTLS_TRUST: every certificate there must be a CA, and vouches for what it is bound to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from mtls_middleware._core.trust import Anchor, Binding, Bound
from mtls_middleware._io import files
from mtls_middleware._io.files import InputError, Problems, subject_of
from mtls_middleware._trust.files.binding import OtherRegionError, bind, require_possible
from mtls_middleware._trust.files.digicert_root import ORIGIN, default_root
from mtls_middleware._trust.files.reading import Found, is_ca, is_self_issued, read_certificates
from mtls_middleware._trust.files.rehearsal import why_useless
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority

_DIGICERT = Binding(Authority.DIGICERT)


@dataclass(slots=True)
class Anchors:
    """Collect the anchors of all bindings.

    Attributes:
        possible: every binding of this configuration.
        found: the anchors, each once for each binding.
        intermediates: CAs bound to ``digicert`` that are no roots.
        failed: bindings of files that could not be used.
    """

    possible: tuple[Binding, ...]
    found: dict[tuple[Binding, x509.Certificate], Anchor] = field(default_factory=dict)
    intermediates: dict[x509.Certificate, str] = field(default_factory=dict)
    failed: set[Binding] = field(default_factory=set)

    def of(self, authority: Authority) -> tuple[Anchor, ...]:
        """Return the anchors of one authority."""
        return tuple(anchor for anchor in self.found.values() if anchor.binding.authority is authority)

    def add(self, found: Found, binding: Binding) -> None:
        """Add one CA certificate; the same again counts once."""
        if binding.authority is Authority.DIGICERT and not is_self_issued(found.certificate):
            self.intermediates.setdefault(found.certificate, found.origin)
            return
        anchor = Anchor(certificate=found.certificate, binding=binding, origin=found.origin)
        self.found.setdefault((binding, found.certificate), anchor)


def read_anchors(
    entries: Iterable[Bound[Path]],
    possible: tuple[Binding, ...],
    names: Mapping[Binding, Iterable[str]],
    now: datetime,
    report: Problems,
) -> Anchors:
    """Read all entries of MTLS_TRUST, and check that no binding is left without an anchor that is valid at `now`."""
    anchors = Anchors(possible=possible)
    for entry in entries:
        for path, named in _files_of(entry, report):
            _read_file(path, entry.binding, anchors, report, named=named)
    if _DIGICERT in possible:
        _add_default_root(anchors)
    _tell_of_twins(anchors, report)
    for anchor in anchors.found.values():
        _tell_of_time(anchor, now, report)
        _tell_of_uselessness(anchor, names.get(anchor.binding, ()), report)
    for binding in possible:
        _require_valid_anchor(binding, anchors, now, report)
    return anchors


def _files_of(entry: Bound[Path], report: Problems) -> Iterator[tuple[Path, bool]]:
    """Yield each file of an entry, and whether the operator named it."""
    if not files.is_folder(entry.value):
        yield entry.value, True
        return
    try:
        yield from ((path, False) for path in files.list_folder(entry.value))
    except InputError as error:
        report.problems.append(f"{_origin(entry.value)}: {error}")


def _read_file(path: Path, written: Binding | None, anchors: Anchors, report: Problems, *, named: bool) -> None:
    origin = _origin(path)
    binding: Binding | None = None
    unbound: InputError | None = None
    try:
        binding = bind(path, anchors.possible) if written is None else require_possible(written, anchors.possible)
    except OtherRegionError as error:
        if not named:
            report.warnings.append(f"{origin}: is for {error.region}, not one of MTLS_REGIONS; it is ignored")
            return
        unbound = error
    except InputError as error:
        unbound = error
    own = Problems()
    found = read_certificates(path, origin, own, named=named)
    if found and binding is not None:
        for certificate in found:
            if is_ca(certificate.certificate):
                anchors.add(certificate, binding)
            else:
                own.problems.append(_not_a_ca(certificate))
    if unbound is not None and (found or own.problems):
        own.problems.append(f"{origin}: {unbound}")
    if own.problems and binding is not None:
        anchors.failed.add(binding)
    report.problems += own.problems
    report.warnings += own.warnings


def _not_a_ca(found: Found) -> str:
    return (
        f"{found.origin}: holds {subject_of(found.certificate)}, which is not a CA (basicConstraints does not say CA): "
        "name the root that signed it"
    )


def _add_default_root(anchors: Anchors) -> None:
    """Add the public root, unless the operator's own takes its place."""
    root = default_root()
    if all(anchor.certificate.subject != root.subject for anchor in anchors.of(Authority.DIGICERT)):
        anchors.add(Found(certificate=root, origin=ORIGIN), _DIGICERT)


def _tell_of_twins(anchors: Anchors, report: Problems) -> None:
    bindings: defaultdict[x509.Certificate, list[Binding]] = defaultdict(list)
    for binding, certificate in anchors.found:
        bindings[certificate].append(binding)
    for certificate, bound in bindings.items():
        if len(bound) > 1:
            origin = anchors.found[bound[0], certificate].origin
            report.warnings.append(
                f"{origin}: {subject_of(certificate)} vouches for {' and '.join(map(str, bound))} at once; "
                "each region has a root of its own"
            )


def _tell_of_time(anchor: Anchor, now: datetime, report: Problems) -> None:
    if anchor.is_valid(now):
        return
    what = f"{anchor.origin}: {subject_of(anchor.certificate)} for {anchor.binding} is left out"
    if now < anchor.not_before:
        report.warnings.append(f"{what} until {anchor.not_before:%Y-%m-%d %H:%M:%SZ}, when it begins to be valid")
    else:
        report.warnings.append(f"{what} since {anchor.not_after:%Y-%m-%d %H:%M:%SZ}, when it expired")


def _tell_of_uselessness(anchor: Anchor, names: Iterable[str], report: Problems) -> None:
    problem = why_useless(anchor, names)
    if problem is not None:
        report.warnings.append(f"{anchor.origin}: {subject_of(anchor.certificate)} for {anchor.binding} {problem}")


def _require_valid_anchor(binding: Binding, anchors: Anchors, now: datetime, report: Problems) -> None:
    own = [anchor for anchor in anchors.found.values() if anchor.binding == binding]
    if binding in anchors.failed or any(anchor.is_valid(now) for anchor in own):
        return
    if not own:
        report.problems.append(f"{binding} has no anchor: add {binding}=PATH to MTLS_TRUST")
        return
    lives = "; ".join(f"{subject_of(anchor.certificate)} ({anchor.origin}) {_life(anchor, now)}" for anchor in own)
    report.problems.append(
        f"{binding} has no anchor that is valid now: {lives}. Add its current root to MTLS_TRUST, "
        "and check the clock of this machine"
    )


def _life(anchor: Anchor, now: datetime) -> str:
    if now < anchor.not_before:
        return f"begins at {anchor.not_before:%Y-%m-%d %H:%M:%SZ}"
    return f"ended at {anchor.not_after:%Y-%m-%d %H:%M:%SZ}"


def _origin(path: Path) -> str:
    return f"MTLS_TRUST {displayed(str(path))}"
