"""From a path to the certificates in it: one file, PEM, DER or zip. The content decides, never the name.

What a folder or a zip holds beside certificates is passed over with a warning: as people keep and send them, client
certificates, CRLs, keys, notes and backups lie there too. What may be a broken certificate is a problem all the same.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography import x509

from mtls_middleware._io import files
from mtls_middleware._io.files import InputError, NotACertificateError, Problems
from mtls_middleware._trust.files import archive
from mtls_middleware._trust.files.content import OtherContentError, parse_content
from mtls_middleware.display import displayed
from mtls_middleware.regions import find

_CERTIFICATE_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".cert", ".der", ".zip", ".p7b", ".p7c", ".p12", ".pfx"})
"""A name that ends so promises certificates, so that what lacks them is an error and not something beside them."""

_DEBRIS = re.compile(
    r"(?i)~$|(?:^|/)#[^/]*#$|\.(?:bak|orig|sw[a-z]|tmp|temp|part|partial|crdownload|opdownload|download)$"
)
"""Names of what editors keep and browsers have not finished: an old certificate in there must not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A certificate, and where it was found.

    Attributes:
        certificate: readable, and otherwise unbelieved.
        origin: setting, file and zip entry, for messages.
        members: the names of its folders and its own in a zip, unbelieved.
    """

    certificate: x509.Certificate
    origin: str
    members: tuple[str, ...] = ()


def read_certificates(path: Path, origin: str, report: Problems, *, named: bool) -> tuple[Found, ...]:
    """Read one file. Nothing of it counts if a certificate in it may be broken.

    Args:
        path: a file.
        origin: how messages call it.
        report: takes what is wrong, and as warnings what was passed over.
        named: whether the operator named this file, and not only its folder.
    """
    own = Problems()
    found: list[Found] = []
    try:
        if not named:
            _require_no_debris(path.name)
        data = files.read(path)
        found = _from_zip(data, origin, own) if archive.is_zip(data) else _from_data(data, origin, own, is_named=named)
    except InputError as error:
        _complain(error, path.name, origin, own, is_named=named)
    report.problems += own.problems
    report.warnings += own.warnings
    return () if own.problems else tuple(found)


def _from_zip(data: bytes, origin: str, report: Problems) -> list[Found]:
    found: list[Found] = []
    others: list[str] = []
    for entry in archive.unpack(data):
        members = PurePosixPath(entry.name).parts
        place = f"{origin}: entry '{displayed(entry.name)}'"
        try:
            _require_no_debris(entry.name)
            _require_readable(entry)
            found += _from_data(entry.data, place, report, members)
        except InputError as error:
            _complain(error, entry.name, place, report)
            if isinstance(error, OtherContentError):
                others.append(f"entry '{displayed(entry.name)}' {error}")
    if not found and not report.problems:
        report.warnings.clear()
        raise OtherContentError(f"is a zip without any certificate: {others[0] if others else 'download it again'}")
    return found


def _require_readable(entry: archive.ArchiveMember) -> None:
    if entry.problem:
        raise NotACertificateError(entry.problem)
    if archive.is_zip(entry.data):
        raise OtherContentError("is a zip inside a zip: unpack the outer one and name the inner one")


def _from_data(
    data: bytes, origin: str, report: Problems, members: tuple[str, ...] = (), *, is_named: bool = False
) -> list[Found]:
    content = parse_content(data)
    for other in content.others:
        _complain(OtherContentError(other), "", origin, report, is_named=is_named)
    return [Found(certificate=one, origin=origin, members=members) for one in content.certificates]


def _require_no_debris(name: str) -> None:
    if _DEBRIS.search(name):
        raise OtherContentError("is a backup or an unfinished download, by its name")


def _complain(error: InputError, name: str, origin: str, report: Problems, *, is_named: bool = False) -> None:
    is_known = isinstance(error, OtherContentError)
    is_foreign = isinstance(error, NotACertificateError) and not _promises_certificates(name)
    if (is_known or is_foreign) and not is_named:
        report.warnings.append(f"{origin}: {error}; it is ignored")
    else:
        report.problems.append(f"{origin}: {error}")


def _promises_certificates(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _CERTIFICATE_SUFFIXES or find(path.stem) is not None
