"""From a path to the certificates in it: one file, PEM, DER or zip."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography import x509

from mtls_middleware._trust import archive, files
from mtls_middleware._trust.content import parse_certificates
from mtls_middleware._trust.report import Foreign, Report, Unusable
from mtls_middleware.display import displayed
from mtls_middleware.regions import find

_CERTIFICATE_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".cert", ".der", ".zip", ".p7b", ".p7c", ".p12", ".pfx"})
"""A name that ends so promises certificates, so that what lacks them is an error and not something beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hold a certificate and where it was.

    Attributes:
        certificate: readable, and otherwise unbelieved.
        origin: setting, file and zip entry, for messages.
    """

    certificate: x509.Certificate
    origin: str


def read_certificates(path: Path, origin: str, report: Report, *, named: bool) -> tuple[Found, ...]:
    """Read one file. Nothing of it counts if a part of it is bad.

    Args:
        path: a file.
        origin: how messages call it.
        report: takes what is wrong.
        named: whether the operator named this file, and not only its folder.
    """
    try:
        data = files.read(path)
        if archive.is_zip(data):
            return _from_zip(data, origin, report)
        return tuple(Found(certificate=certificate, origin=origin) for certificate in parse_certificates(data))
    except Foreign as error:
        if named or _promises_certificates(path.name):
            report.problems.append(f"{origin}: {error}")
        else:
            report.warnings.append(f"{origin}: {error}; it is ignored")
    except Unusable as error:
        report.problems.append(f"{origin}: {error}")
    return ()


def _from_zip(data: bytes, origin: str, report: Report) -> tuple[Found, ...]:
    found: list[Found] = []
    inside = Report()
    for entry in archive.unpack(data):
        found += _from_entry(entry, f"{origin}: entry '{displayed(entry.name)}'", inside)
    if not found and not inside.problems:
        raise Foreign("is a zip without any certificate: download it again")
    report.problems += inside.problems
    report.warnings += inside.warnings
    return () if inside.problems else tuple(found)


def _from_entry(entry: archive.Entry, origin: str, report: Report) -> Iterator[Found]:
    try:
        if archive.is_zip(entry.data):
            raise Foreign("is a zip inside a zip: unpack the outer one and name the inner one")  # noqa: TRY301 - as below
        for certificate in parse_certificates(entry.data):
            yield Found(certificate=certificate, origin=origin)
    except Foreign as error:
        if _promises_certificates(entry.name):
            report.problems.append(f"{origin}: {error}")
        else:
            report.warnings.append(f"{origin}: {error}; it is ignored")
    except Unusable as error:
        report.problems.append(f"{origin}: {error}")


def _promises_certificates(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _CERTIFICATE_SUFFIXES or find(path.stem) is not None
