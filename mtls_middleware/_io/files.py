"""Files and folders of the operator: opened without waiting, read within bounds, watched for changes.

Beside them what is said about them (problems stop a load, warnings do not), and strict JSON.
"""

import json
import os
import stat
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from mtls_middleware.display import displayed

FILE_BYTES = 1_048_576
"""Bytes of one file of trust; a root is about 2,000."""

FOLDER_FILES = 1_000
"""Names in one folder of trust."""

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO without a writer would wait for ever
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)

_UNOPENABLE = (OSError, ValueError)
"""A NUL in a path is a ValueError."""

Object = dict[str, object]


def is_folder(path: Path) -> bool:
    """Return whether this is a folder, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises PermissionError, this does not


def read(path: Path, limit: int = FILE_BYTES) -> bytes:
    """Return the content of a regular file, following links.

    Raises:
        InputError: missing, unreadable, no regular file, or too large.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except _UNOPENABLE as error:
        raise InputError(_complaint(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError("is not a regular file")
        content = bytearray()
        while len(content) <= limit and (part := os.read(descriptor, limit + 1 - len(content))):
            content += part
    except OSError as error:
        raise InputError(_complaint(error)) from error
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise InputError(f"is larger than {limit:,} bytes")
    return bytes(content)


def list_folder(folder: Path) -> tuple[Path, ...]:
    """Return what a folder holds, sorted, without folders and names that begin with a dot.

    Kubernetes shows the files of a mount as links into ``..data``, which is itself a link to a dated folder: going by
    the visible links reads each file once.

    Raises:
        InputError: unreadable, empty, or too full.
    """
    try:
        names = _visible(folder)
    except _UNOPENABLE as error:
        raise InputError(_complaint(error)) from error
    if len(names) > FOLDER_FILES:
        raise InputError(f"holds more than {FOLDER_FILES:,} files")
    paths = tuple(path for path in (folder / name for name in names) if not is_folder(path))
    if not paths:
        raise InputError("is a folder without files: put certificates into it")
    return paths


def view(paths: Iterable[Path]) -> Hashable:
    """Return what would change if any of these files, or a file in one of these folders, did.

    Links are followed, so that the swap of a Kubernetes mount shows. A missing file is part of the view.
    """
    return tuple(_view(path) for path in paths)


def _view(path: Path) -> tuple[object, ...]:
    own = (str(path), *_state(path))
    try:
        names = _visible(path)[: FOLDER_FILES + 1] if is_folder(path) else []
    except _UNOPENABLE as error:
        return (*own, type(error).__name__)
    return (*own, *((name, *_state(path / name)) for name in names))


def _state(path: Path) -> tuple[int, ...]:
    try:
        state = os.stat(path)  # noqa: PTH116 - as everywhere here
    except _UNOPENABLE:
        return ()
    # The change time tells of a file that became readable.
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _visible(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names, not paths


def _complaint(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist"
        case PermissionError():
            return "cannot be read: permission denied for the user of this process"
        case OSError(strerror=str(reason)):
            return f"cannot be read: {reason}"
        case _:
            return f"cannot be read: {error}"


class InputError(Exception):
    """An input that cannot be used. Messages put its name and a colon in front."""


class NotACertificateError(InputError):
    """An input that does not look like a certificate at all: beside others it may be passed over."""


@dataclass(slots=True)
class Problems:
    """Collect everything that is wrong, so that an operator reads it all at once."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def subject_of(certificate: x509.Certificate) -> str:
    """Return a certificate's subject for a message."""
    return displayed(certificate.subject.rfc4514_string() or "(empty subject)")


def parse_object(data: bytes) -> Object:
    """Read one JSON object. Its depth is bounded by the interpreter, its size by the caller.

    Raises:
        InputError: it is not that.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InputError("is JSON that is nested too deeply") from error
    except ValueError as error:  # bad UTF-8, bad JSON, and numbers of thousands of digits
        raise InputError("is not JSON (RFC 8259)") from error
    if not isinstance(value, dict):
        raise InputError("is JSON, but no object")
    return value


def _object(pairs: list[tuple[str, object]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):  # two readers would see two different things
        raise InputError("is JSON with a name twice in one object")
    return found


def _refuse_constant(name: str) -> object:
    raise InputError(f"is not JSON: {name} stands in it")
