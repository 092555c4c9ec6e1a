"""Zip files as downloaded: read in memory, entry by entry, within bounds. Nothing is ever written to disk."""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

from mtls_middleware._io.files import InputError
from mtls_middleware.display import displayed

ENTRIES = 256
"""Entries of one zip, folders and debris included."""

ENTRY_BYTES = 262_144
"""Bytes of one entry, inflated."""

TOTAL_BYTES = 2_097_152
"""Bytes of all entries of one zip together, inflated."""

RATIO = 100
"""Inflated bytes for each byte in the zip; certificates hardly shrink at all."""

RATIO_FREE_BYTES = 16_384
"""Inflated bytes up to which no ratio is asked for: a small text may shrink to nothing."""

_MAGIC = b"PK\x03\x04"
_MAGIC_EMPTY = b"PK\x05\x06"
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # APPNOTE.TXT 4.4.4: encrypted, strongly encrypted, masked local headers
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNIX = 3
_DRIVE = re.compile(r"[A-Za-z]:")
_DEBRIS = "__MACOSX"

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # NotImplementedError too
    LookupError,
    OverflowError,
    MemoryError,  # asked for by a lying header
)
"""What zipfile raises on hostile bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """One file of a zip.

    Attributes:
        name: as written in the zip, with slashes; unbelieved.
        data: its content; empty where it is over a bound.
        problem: the bound that it is over; empty where there is none.
    """

    name: str
    data: bytes
    problem: str = ""


def is_zip(data: bytes) -> bool:
    """Return whether this claims to be a zip, well-formed or not."""
    return data.startswith((_MAGIC, _MAGIC_EMPTY))


def unpack(data: bytes) -> tuple[ArchiveMember, ...]:
    """Return the files of a zip, without folders, macOS debris and dotfiles.

    Raises:
        InputError: broken, encrypted, over a bound, or holding a name that would lead outside.
    """
    if data.startswith(_MAGIC_EMPTY):
        raise InputError("is an empty zip: download it again")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return tuple(_entries(archive, len(data)))
    except _BROKEN as error:
        raise InputError(f"is not a readable zip ({displayed(str(error))}): download it again") from error


def _entries(archive: zipfile.ZipFile, size: int) -> Iterator[ArchiveMember]:
    infos = archive.infolist()
    if len(infos) > ENTRIES:
        raise InputError(f"holds {len(infos):,} entries; at most {ENTRIES} are read")
    total = 0
    for info in infos:
        _require_safe(info)
        name = _name_of(info.filename)
        if name.endswith("/") or _is_debris(name):
            continue
        content = _inflate(archive, info)
        total += len(content)
        if total > TOTAL_BYTES:
            raise InputError(f"inflates to more than {TOTAL_BYTES:,} bytes")
        problem = _over_bounds(content, min(info.compress_size, size))
        yield ArchiveMember(name=name, data=b"" if problem else content, problem=problem)


def _require_safe(info: zipfile.ZipInfo) -> None:
    name = _name_of(info.orig_filename)
    escapes = name.startswith("/") or "\0" in name or _DRIVE.match(name) or ".." in name.split("/")
    if not name or escapes:
        raise InputError(f"entry '{displayed(name)}' has a name that leads outside of the zip")
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InputError(f"entry '{displayed(name)}' is a link or a device, not a file")
    if info.flag_bits & _ENCRYPTED:
        raise InputError(f"entry '{displayed(name)}' is encrypted: unpack it and name the certificate file instead")
    if info.compress_type not in _METHODS:
        raise InputError(
            f"entry '{displayed(name)}' is packed in an unusual way: unpack it and name the certificate file"
        )


def _name_of(written: str) -> str:
    return written.replace("\\", "/")  # PowerShell 5 writes backslashes


def _is_debris(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[:1] == (_DEBRIS,) or any(part.startswith(".") for part in parts)


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read at most one byte too many: what the headers say about sizes is not believed."""
    with archive.open(info) as stream:
        return stream.read(ENTRY_BYTES + 1)


def _over_bounds(content: bytes, packed_bytes: int) -> str:
    if len(content) > ENTRY_BYTES:
        return f"is larger than {ENTRY_BYTES:,} bytes"
    if len(content) > RATIO_FREE_BYTES and len(content) > RATIO * packed_bytes:
        return f"inflates more than {RATIO} times: it is no certificate"
    return ""
