"""Anchors from MTLS_TRUST: every certificate there must be a CA, and vouches for what it is bound to.

A binding is the only possible one, or what a prefix or the file's name says. It is never guessed. The public root for
`digicert` comes from certifi.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mtls_middleware._core.chain import CURVES, RSA_BITS
from mtls_middleware._core.trust import Anchor, Binding, Bound
from mtls_middleware._io import files
from mtls_middleware._io.files import InputError, Problems, subject_of
from mtls_middleware._trust.files.reading import Found, is_ca, is_self_issued, read_certificates
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.regions import find

_DIGICERT = Binding(Authority.DIGICERT)

SHA256 = "7d05ebb682339f8c9451ee094eebfefa7953a114edb2f44949452fab7d2fc185"
"""DigiCert Assured ID Root G2, https://www.digicert.com/kb/digicert-root-certificates.htm."""

ORIGIN = "mtls-middleware"

_PEM = b"""\
-----BEGIN CERTIFICATE-----
MIIDljCCAn6gAwIBAgIQC5McOtY5Z+pnI7/Dr5r0SzANBgkqhkiG9w0BAQsFADBl
MQswCQYDVQQGEwJVUzEVMBMGA1UEChMMRGlnaUNlcnQgSW5jMRkwFwYDVQQLExB3
d3cuZGlnaWNlcnQuY29tMSQwIgYDVQQDExtEaWdpQ2VydCBBc3N1cmVkIElEIFJv
b3QgRzIwHhcNMTMwODAxMTIwMDAwWhcNMzgwMTE1MTIwMDAwWjBlMQswCQYDVQQG
EwJVUzEVMBMGA1UEChMMRGlnaUNlcnQgSW5jMRkwFwYDVQQLExB3d3cuZGlnaWNl
cnQuY29tMSQwIgYDVQQDExtEaWdpQ2VydCBBc3N1cmVkIElEIFJvb3QgRzIwggEi
MA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQDZ5ygvUj82ckmIkzTz+GoeMVSA
n61UQbVH35ao1K+ALbkKz3X9iaV9JPrjIgwrvJUXCzO/GU1BBpAAvQxNEP4Htecc
biJVMWWXvdMX0h5i89vqbFCMP4QMls+3ywPgym2hFEwbid3tALBSfK+RbLE4E9Hp
EgjAALAcKxHad3A2m67OeYfcgnDmCXRwVWmvo2ifv922ebPynXApVfSr/5Vh88lA
bx3RvpO704gqu52/clpWcTs/1PPRCv4o76Pu2ZmvA9OPYLfykqGxvYmJHzDNw6Yu
YjOuFgJ3RFrngQo8p0Quebg/BLxcoIfhG69Rjs3sLPr4/m3wOnyqi+RnlTGNAgMB
AAGjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgGGMB0GA1UdDgQW
BBTOw0q5mVXyuNtgv6l+vVa1lzan1jANBgkqhkiG9w0BAQsFAAOCAQEAyqVVjOPI
QW5pJ6d1Ee88hjZv0p3GeDgdaZaikmkuOGybfQTUiaWxMTeKySHMq2zNixya1r9I
0jJmwYrA8y8678Dj1JGG0VDjA9tzd29KOVPt3ibHtX2vK0LRdWLjSisCx1BL4Gni
lmwORGYQRI+tBev4eaymG+g3NJ1TyWGqolKvSnAWhsI6yLETcDbYz+70CjTVW0z9
B5yiutkBclzzTcHdDrEcDcRjvq30FPuJ7KJBDkzMyFdA0G4Dqs0MjomZmWzwPDCv
ON9vvKO+KSAnq3T/EyJ43pdSVR6DtVQgA+6uwE9W3jfMw3+qBCe703e4YtsXfJwo
IhNzbM8m9Yop5w==
-----END CERTIFICATE-----
"""


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
    entries: Iterable[Bound[Path]], possible: tuple[Binding, ...], now: datetime, report: Problems
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
        _tell_of_weakness(anchor, report)
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


def _tell_of_weakness(anchor: Anchor, report: Problems) -> None:
    problem = anchor_weakness(anchor.certificate)
    if problem is not None:
        report.warnings.append(
            f"{anchor.origin}: {subject_of(anchor.certificate)} for {anchor.binding} {problem}; "
            "every certificate under it will be refused"
        )


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


def anchor_weakness(certificate: x509.Certificate) -> str | None:
    """Return why a CA certificate that can be read will not do as an anchor (RFC 5280 §4.2.1.3, §4.2.1.9)."""
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey() if key.key_size >= RSA_BITS.start:
            pass
        case ec.EllipticCurvePublicKey() if key.curve.name in CURVES:
            pass
        case _:
            return f"has a weak or unusual key ({type(key).__name__} {getattr(key, 'key_size', '')}".rstrip() + ")"
    try:
        key_usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if key_usage.key_cert_sign else "has a key usage without keyCertSign"


@cache
def default_root() -> x509.Certificate:
    """Return the root; each process reads it once."""
    return x509.load_pem_x509_certificate(_PEM)


class OtherRegionError(InputError):
    """A file that is named after a region that is not configured."""

    def __init__(self, region: str, possible: tuple[Binding, ...]) -> None:
        self.region = region
        super().__init__(
            f"is named after {region}, which is not among MTLS_REGIONS: add the region, "
            f"or write {_prefixes(possible)} in front of the path if the file is for that"
        )


def possible_bindings(authorities: Iterable[Authority], regions: Iterable[str]) -> tuple[Binding, ...]:
    """Return everything that a root could vouch for in this configuration."""
    regions = tuple(regions)
    bindings: list[Binding] = []
    for authority in authorities:
        if authority is Authority.GENESYS:
            bindings += (Binding(authority, region) for region in regions)
        else:
            bindings.append(Binding(authority))
    return tuple(bindings)


def bind(path: Path, possible: tuple[Binding, ...]) -> Binding:
    """Return what a file stands for by its stem, which may be a zip label or an AWS region name.

    Raises:
        Elsewhere: named after a region that is not configured. A root of one region under another is a mistake.
        Unusable: several bindings are possible, and the name does not choose.
    """
    region = _region_of(path.stem)
    if region is not None and any(binding.authority is Authority.GENESYS for binding in possible):
        binding = Binding(Authority.GENESYS, region)
        if binding in possible:
            return binding
        raise OtherRegionError(region, possible)
    if len(possible) == 1:
        return possible[0]
    raise InputError(f"does not say by its name what it vouches for: write {_prefixes(possible)} in front of the path")


def require_possible(binding: Binding, possible: tuple[Binding, ...]) -> Binding:
    """Return a binding that the operator wrote.

    Raises:
        Unusable: nothing is configured that it could serve.
    """
    if binding not in possible:
        missing = "MTLS_REGIONS" if binding.authority is Authority.GENESYS else "MTLS_AUTHORITIES"
        raise InputError(f"is bound to {binding}, which is not among {missing}: add it there or remove the file")
    return binding


def _region_of(stem: str) -> str | None:
    region = find(stem)
    if region is None or stem.casefold() == region.domain.casefold():
        return None
    return region.aws_region


def _prefixes(possible: tuple[Binding, ...]) -> str:
    *others, last = (f"{binding}=" for binding in possible)
    return f"{', '.join(others)} or {last}" if others else last
