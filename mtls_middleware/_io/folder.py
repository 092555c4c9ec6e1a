"""The store in a folder: one file for each entry, written whole or not at all, readable by its owner only."""

import hashlib
import os
from collections.abc import Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from mtls_middleware._io.entry_lines import LINE_BYTES, EntryLine, EntryLines, digest_of
from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.folder_lock import FolderLock, Taken, locked_since
from mtls_middleware._io.private_folder import opened, read_file, read_line, write_file
from mtls_middleware._io.store import MAX_ENTRIES, Entry, Kind
from mtls_middleware.display import displayed

CONTENT_BYTES = 20 * 1024 * 1024 + 1_000
"""Of one entry: a CRL at its cap."""

KEPT_FOR = timedelta(days=90)
"""Entries that nobody put anew for so long tell of nothing that still counts."""

_SUFFIX = ".entry"

_FILE_BYTES = CONTENT_BYTES + LINE_BYTES


class FolderStore:
    """A store in a folder of this user. The workers of a machine share it."""

    def __init__(self, folder: Path, *, purpose: str, keys: Iterable[bytes] = (), seals_all: bool = False) -> None:
        """Prepare; nothing is read or made before it is used.

        Args:
            folder: of MTLS_STATE.
            purpose: what the entries are about, such as the regions; another purpose has a folder of its own.
            keys: authenticate answers of the API, the first also new ones; without any, such answers are not kept.
            seals_all: they authenticate entries of every other kind, too.
        """
        self._root = folder
        self._folder = hashlib.sha256(purpose.encode()).hexdigest()[:16]
        self._lines = EntryLines(keys, seals_all=seals_all)
        self._is_ours = False
        self._problems: dict[str, None] = {}
        self._lock = FolderLock(partial(self._open, "lock"))
        self._is_refused = self._was_refused = False

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what went wrong since the last `refreshing`."""
        return tuple(self._problems)

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """Return every entry whose first line can be read; what was tampered with is found there, or by `read`."""
        try:
            with self._opened(kind) as folder:
                names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))  # noqa: PTH208 - of a descriptor
                for entry, is_current in self._read_all(kind, folder, names[:MAX_ENTRIES]):
                    if self._is_ours and not is_current:
                        self._seal_anew(kind, entry)
                    yield entry
        except FileNotFoundError:
            return
        except (OSError, InputError) as error:
            self._complain("used", error)

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Write an entry beside the old one, and then in its place."""
        if not self._lines.can_write(kind):
            return
        try:
            with self._opened(kind, make=True) as folder:
                self._write(folder, _name(key), self._lines.written(kind, key, content, at) + content)
        except (OSError, InputError) as error:
            self._complain("used", error)

    def view(self) -> Hashable:
        """Return the files as they are now, and whether the lock that this process was refused is still held.

        Putting an entry makes a new file, even within one tick of the clock. Inside `refreshing` the lock counts as
        held for whoever was refused: a release meanwhile would be in the first view, and no later one would differ.
        """
        is_busy = self._is_refused or (self._was_refused and locked_since(partial(self._open, "lock")) is not None)
        return is_busy, *(self._files(kind) for kind in Kind)

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        """Hold the folder's lock, which ends with the process at the latest."""
        self._problems = {}
        try:
            taken = self._lock.take()
        except (OSError, InputError) as error:
            self._complain("used", error)
            taken = Taken.OURS  # without a folder each process asks for itself
        self._is_ours, self._is_refused = taken is Taken.OURS, taken is Taken.BUSY
        self._was_refused = self._is_refused
        try:
            yield self._is_ours
        finally:
            self._is_ours = self._is_refused = False
            self._lock.release()

    def close(self) -> None:
        """Give nothing back: each call opens and closes what it needs."""

    @property
    def root(self) -> Path:
        """Return the folder of MTLS_STATE."""
        return self._root

    def forget_problems(self) -> None:
        """Forget what went wrong until now."""
        self._problems = {}

    def lock(self, name: str) -> FolderLock:
        """Return another lock of this folder."""
        return FolderLock(partial(self._open, f"{name}.lock"))

    def locked_since(self, name: str) -> datetime | None:
        """Return when the process that holds such a lock took it, UTC; None where nobody holds it."""
        return locked_since(partial(self._open, f"{name}.lock"))

    def _opened(self, *parts: str, make: bool = False) -> AbstractContextManager[int]:
        """Open a folder below the one of this purpose, and perhaps make it; see `opened` for what it raises."""
        return opened(self._root, (self._folder, *parts), make=make)

    def _open(self, name: str, flags: int) -> int:
        """Open a file in the folder of this purpose."""
        with self._opened(make=bool(flags & os.O_CREAT)) as folder:
            return os.open(name, flags, 0o600, dir_fd=folder)

    def _files(self, kind: Kind) -> tuple[tuple[int, int], ...]:
        """Return what tells the files of a kind from those of another moment: a new one has another number or time."""
        found = []
        with suppress(OSError, InputError), self._opened(kind) as folder, os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):  # it made room just now
                    state = entry.stat(follow_symlinks=False)
                    found.append((state.st_ino, state.st_mtime_ns))
        return tuple(sorted(found))

    def _write(self, folder: int, name: str, content: bytes) -> None:
        try:
            write_file(folder, name, content)
            _prune(folder, os.stat(name, dir_fd=folder).st_mtime)
        except OSError as error:
            self._complain("written", error)

    def _seal_anew(self, kind: Kind, entry: Entry) -> None:
        """Write an entry with the first secret: the one that wrote it will be configured no more."""
        with suppress(InputError):  # it was replaced just now
            self.put(kind, entry.key, entry.read(), entry.at)

    def _read_all(self, kind: Kind, folder: int, names: Iterable[str]) -> Iterator[tuple[Entry, bool]]:
        for name in names:
            try:
                line = self._line(kind, name, folder)
            except (OSError, InputError) as error:
                self._complain(f"read ({name})", error)
                continue
            if line is not None:
                read = partial(self._content, kind, name, line.digest)
                yield Entry(key=line.key, digest=line.digest, at=line.at, read=read), line.is_current

    def _line(self, kind: Kind, name: str, folder: int) -> EntryLine | None:
        line = self._lines.read(kind, read_line(name, folder, _FILE_BYTES, LINE_BYTES))
        if line is not None and name != _name(line.key):
            raise InputError("is damaged")
        return line

    def _content(self, kind: Kind, name: str, digest: bytes) -> bytes:
        try:
            with self._opened(kind) as folder:
                line, _, content = read_file(name, folder, _FILE_BYTES).partition(b"\n")
            replaced = digest_of(parse_object(line)) != digest
            damaged = hashlib.sha256(content).digest() != digest
        except (OSError, InputError) as error:
            self._complain(f"read ({name})", error)
            raise InputError(f"cannot be read: {error}") from error
        if damaged:
            damage = InputError("is damaged")
            if not replaced:
                self._complain(f"read ({name})", damage)
            raise damage
        return content

    def _complain(self, what: str, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._problems[f"state in {displayed(str(self._root))} cannot be {what}: {displayed(reason)}"] = None


_WRITING_SECONDS = 3_600.0
"""After which a half-written file belongs to nobody."""


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32] + _SUFFIX


def _prune(folder: int, now: float) -> None:
    """Remove what is too old or too much, and what a process left that was killed while it wrote.

    Args:
        folder: of one kind.
        now: when something was written there just now, by the clock of the folder. What claims to be newer was written
            while that clock was wrong: nothing else looks old beside it, and it makes room first.
    """
    ages = sorted(((written <= now, written, name) for written, name in _ages(folder)), reverse=True)
    for index, (_, written, name) in enumerate(ages):
        is_left = not name.endswith(_SUFFIX) and now - written > _WRITING_SECONDS
        if is_left or index >= MAX_ENTRIES or now - written > KEPT_FOR.total_seconds():
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def _ages(folder: int) -> Iterator[tuple[float, str]]:
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # another worker was faster
            yield os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime, name
