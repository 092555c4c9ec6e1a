"""Folders of ours, checked and used through their descriptors, so that nobody can put something else in their place.

In a folder where others may write, such as the mount point of a container, a folder of our own is used.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mtls_middleware._io.files import InputError

_OWNER_ONLY = 0o700
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _OPEN


def own_folder() -> str:
    """Return the name of our folder in one where others may write."""
    return f"mtls-middleware-{os.geteuid()}"


def home_of(root: Path) -> Path:
    """Return the folder in which a store keeps its entries, which may not exist."""
    try:
        state = root.lstat()
    except OSError:
        return root
    return root / own_folder() if stat.S_ISDIR(state.st_mode) and _is_shared(state) else root


@contextmanager
def opened(root: Path, parts: Iterable[str], *, make: bool = False) -> Iterator[int]:
    """Open a folder of ours below a root, and perhaps make it.

    Args:
        root: itself ours alone, or shared with others.
        parts: names of the folders on the way.
        make: what is missing, the root too.

    Raises:
        OSError: it cannot be opened or made.
        InputError: it is not ours alone.
    """
    folder = _open_folder(root, make=make)
    try:
        state = os.fstat(folder)
        if state.st_uid != os.geteuid() and not _is_shared(state):
            raise InputError("it belongs to another user")
        for part in (*((own_folder(),) if _is_shared(state) else ()), *parts):
            outer, folder = folder, _open_folder(part, folder, make=make)
            os.close(outer)
            _require_ours(folder, part)
        yield folder
    finally:
        os.close(folder)


def write_file(folder: int, name: str, content: bytes) -> None:
    """Write a file whole: whoever reads finds the old one or the new one, also after a crash."""
    beside = f"{Path(name).stem}.{os.getpid()}-{secrets.token_hex(4)}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=folder)
        raise
    os.fsync(folder)


def read_file(name: str, folder: int, limit: int) -> bytes:
    """Read a file of ours.

    Raises:
        OSError: it cannot be read.
        InputError: it is not ours, or too large.
    """
    with _opened_file(name, folder, limit) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise InputError("is too large")
    return content


def read_line(name: str, folder: int, limit: int, line_limit: int) -> bytes:
    """Read the first line of a file of ours, without its end.

    Raises:
        OSError: it cannot be read.
        InputError: it is not ours, or too large, or its first line is too long.
    """
    with _opened_file(name, folder, limit) as file:
        line, end, _ = file.read(line_limit + 1).partition(b"\n")
    if not end:
        raise InputError("is no entry")
    return line


@contextmanager
def _opened_file(name: str, folder: int, limit: int) -> Iterator[BinaryIO]:
    descriptor = os.open(name, os.O_RDONLY | _OPEN, dir_fd=folder)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & stat.S_IWOTH:
            raise InputError("is not ours alone")
        if state.st_size > limit:
            raise InputError("is too large")
        yield file


def _is_shared(state: os.stat_result) -> bool:
    return bool(state.st_mode & _OTHERS_MAY_WRITE)


def _open_folder(path: Path | str, within: int | None = None, *, make: bool) -> int:
    try:
        if make and isinstance(path, Path):
            path.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        elif make:
            with suppress(FileExistsError):
                os.mkdir(path, _OWNER_ONLY, dir_fd=within)
        return os.open(path, _OPEN_FOLDER, dir_fd=within)
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP, errno.EEXIST}:
            name = "it" if within is None else f"{path} in it"
            raise InputError(f"{name} is not a folder; a link to one is not followed") from error
        raise


def _require_ours(folder: int, name: str) -> None:
    """Refuse a folder that is not ours; take one back that the group may write, as Kubernetes makes it for fsGroup.

    What somebody changed meanwhile is found by its signatures and hashes: a store is not believed.
    """
    state = os.fstat(folder)
    if state.st_uid != os.geteuid():
        raise InputError(f"{name} in it belongs to another user")
    if state.st_mode & stat.S_IWOTH:
        raise InputError(f"everybody may write into {name} in it: chmod 700")
    if state.st_mode & stat.S_IWGRP:
        os.fchmod(folder, _OWNER_ONLY)
