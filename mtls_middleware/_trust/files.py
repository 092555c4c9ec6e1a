"""Files and folders of the operator: opened without being held up, read within bounds, watched for changes."""

import os
import stat
from collections.abc import Hashable, Iterable
from pathlib import Path

from mtls_middleware._trust.report import Unusable

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


def is_folder(path: Path) -> bool:
    """Return whether this is a folder, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises PermissionError, this does not


def read(path: Path, limit: int = FILE_BYTES) -> bytes:
    """Return the content of a regular file, following links.

    Args:
        path: of the file.
        limit: bytes of the longest that is read.

    Raises:
        Unusable: missing, unreadable, no regular file, or too large.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except _UNOPENABLE as error:
        raise Unusable(_complaint(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unusable("is not a regular file")
        content = bytearray()
        while len(content) <= limit and (part := os.read(descriptor, limit + 1 - len(content))):
            content += part
    except OSError as error:
        raise Unusable(_complaint(error)) from error
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Unusable(f"is larger than {limit:,} bytes")
    return bytes(content)


def list_folder(folder: Path) -> tuple[Path, ...]:
    """Return what a folder holds, sorted, without folders and names that begin with a dot.

    Kubernetes shows the files of a mount as links into ``..data``, which is itself a link to a dated folder: going by
    the visible links reads each file once.

    Raises:
        Unusable: unreadable, empty, or too full.
    """
    try:
        names = _visible(folder)
    except _UNOPENABLE as error:
        raise Unusable(_complaint(error)) from error
    if len(names) > FOLDER_FILES:
        raise Unusable(f"holds more than {FOLDER_FILES:,} files")
    paths = tuple(path for path in (folder / name for name in names) if not is_folder(path))
    if not paths:
        raise Unusable("is a folder without files: put certificates into it")
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
