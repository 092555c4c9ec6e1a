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
from mtls_middleware._trust.files.binding import (
    OtherRegionError,
    bind,
    other_regions,
    possible_bindings,
    prefixes,
    region_of,
    require_possible,
)
from mtls_middleware._trust.files.content import is_ca, is_self_issued
from mtls_middleware._trust.files.digicert_root import ORIGIN, default_root
from mtls_middleware._trust.files.reading import Found, read_certificates
from mtls_middleware._trust.files.rehearsal import why_useless
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority

_DIGICERT = Binding(Authority.DIGICERT)


@dataclass(slots=True)
class Anchors:
    """Collect the anchors of all bindings.

    Attributes:
        possible: every binding of this configuration.
        regions: configured AWS region names.
        found: the anchors, each once for each binding.
        intermediates: CAs bound to ``digicert`` that are no roots.
        failed: bindings of files that could not be used.
        left_out: roots that are named after another region, one sentence each.
        ignored: what else was passed over, one sentence each.
    """

    possible: tuple[Binding, ...]
    regions: tuple[str, ...]
    found: dict[tuple[Binding, x509.Certificate], Anchor] = field(default_factory=dict)
    intermediates: dict[x509.Certificate, str] = field(default_factory=dict)
    failed: set[Binding] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file of MTLS_TRUST.

    Attributes:
        path: where it is.
        names: its own, and before that the folder's, where the operator named that.
        written: what the operator bound it to.
        is_named: whether the operator named this file, and not only its folder.
    """

    path: Path
    names: tuple[str, ...]
    written: Binding | None
    is_named: bool

    def all_names(self, members: tuple[str, ...]) -> tuple[str, ...]:
        """Return all names of something in it; the folder around a named file counts where no other says a region."""
        names = (*self.names, *members)
        return names if any(map(region_of, names)) or not self.is_named else (self.path.parent.name, *names)


def read_anchors(
    entries: Iterable[Bound[Path]],
    authorities: Iterable[Authority],
    regions: tuple[str, ...],
    names: Mapping[Binding, frozenset[str]],
    now: datetime,
    report: Problems,
) -> Anchors:
    """Read all entries of MTLS_TRUST, and check that no binding is left without an anchor that is valid at `now`."""
    anchors = Anchors(possible=possible_bindings(authorities, regions), regions=regions)
    for entry in entries:
        for file in _files_of(entry, report):
            _read_file(file, anchors, report)
    _tell_of_left_out(anchors, report)
    if _DIGICERT in anchors.possible:
        _add_default_root(anchors)
    _tell_of_twins(anchors, report)
    for anchor in anchors.found.values():
        _tell_of_subject(anchor, report)
        _tell_of_time(anchor, now, report)
        _tell_of_uselessness(anchor, names.get(anchor.binding, frozenset()), report)
    for binding in anchors.possible:
        _require_valid_anchor(binding, anchors, now, report)
    return anchors


def _files_of(entry: Bound[Path], report: Problems) -> Iterator[_File]:
    path = entry.value
    if not files.is_folder(path):
        yield _File(path=path, names=(path.name,), written=entry.binding, is_named=True)
        return
    try:
        for one in files.list_folder(path):
            yield _File(path=one, names=(path.name, one.name), written=entry.binding, is_named=False)
    except InputError as error:
        report.problems.append(f"{_origin(path)}: {error}")


def _read_file(file: _File, anchors: Anchors, report: Problems) -> None:
    origin, own = _origin(file.path), Problems()
    binding: Binding | None = None
    unbound = ""
    try:
        binding = file.written or bind(file.names, anchors.possible, anchors.regions)
    except OtherRegionError as error:
        anchors.left_out.append(f"{origin}: {error}")
        return
    except InputError as error:
        unbound = f"{origin}: {error}"
    for found in read_certificates(file.path, origin, own, named=file.is_named):
        if is_ca(found.certificate):
            try:
                _add(found, file, anchors, report)
            except InputError as error:
                own.problems.append(f"{origin}: {error}")
        elif file.is_named and not found.members:
            own.problems.append(f"{_not_a_ca(found)}: name the root that signed it")
        else:
            own.warnings.append(f"{_not_a_ca(found)}; it is ignored")
    if own.problems and binding is not None:
        anchors.failed.add(binding)
    elif own.problems:
        own.problems.append(unbound)
    report.problems += own.problems
    anchors.ignored += own.warnings


def _add(found: Found, file: _File, anchors: Anchors, report: Problems) -> None:
    names = file.all_names(found.members)
    try:
        if file.written is not None:
            binding = require_possible(file.written, anchors.possible)
        else:
            binding = bind(names, anchors.possible, anchors.regions)
    except OtherRegionError as error:
        anchors.left_out.append(f"{found.origin}: {error}")
    else:
        anchors.add(found, binding)
        if others := other_regions(names, binding):
            _tell_of_other_name(f"{found.origin}: its name", others, binding, report)


def _tell_of_left_out(anchors: Anchors, report: Problems) -> None:
    """Say what was passed over: as warnings, or as the likely reason where a binding has no anchor at all."""
    bound = {binding for binding, _ in anchors.found}
    lacking = tuple(one for one in anchors.possible if one not in bound and one.authority is not Authority.DIGICERT)
    (report.problems if lacking else report.warnings).extend(anchors.ignored)
    for one in anchors.left_out:
        if lacking:
            report.problems.append(
                f"{one}: name the root of {' and '.join(map(str, lacking))}, or write {prefixes(lacking)} in front of "
                "the path if it is the right one"
            )
        else:
            report.warnings.append(f"{one}; it is ignored")


def _tell_of_subject(anchor: Anchor, report: Problems) -> None:
    """Warn of a root whose subject names another region; what the real ones say is not known, so it is kept."""
    if others := other_regions((anchor.certificate.subject.rfc4514_string(),), anchor.binding):
        what = f"{anchor.origin}: the subject of {subject_of(anchor.certificate)}"
        _tell_of_other_name(what, others, anchor.binding, report)


def _tell_of_other_name(what: str, others: str, binding: Binding, report: Problems) -> None:
    """Warn of a root with the name of another region. It is in force, so the warning says what would be right."""
    report.warnings.append(
        f"{what} says {others}, and it vouches for {binding}. If callers of {binding} are refused, put the root of "
        f"{binding} in its place"
    )


def _not_a_ca(found: Found) -> str:
    return (
        f"{found.origin}: holds {subject_of(found.certificate)}, which is not a CA (basicConstraints does not say CA)"
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


def _tell_of_uselessness(anchor: Anchor, names: frozenset[str], report: Problems) -> None:
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
