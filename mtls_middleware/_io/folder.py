"""The store in a folder: one file for each entry, written whole or not at all, readable by its owner only."""

import hashlib
import hmac
import json
import os
from collections.abc import Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.folder_lock import FolderLock, Taken, locked_since
from mtls_middleware._io.private_folder import opened, read_file, read_line, write_file
from mtls_middleware._io.store import Entry, Kind
from mtls_middleware.display import displayed

VERSION = 1

CONTENT_BYTES = 20 * 1024 * 1024 + 1_000
"""Of one entry: a CRL at its cap."""

LINE_BYTES = 8_192
"""Of the line that describes an entry; its longest part is an address."""

MAX_ENTRIES = 64
"""Entries of one kind; those that were put longest ago make room."""

KEPT_FOR = timedelta(days=90)
"""Entries that nobody put anew for so long tell of nothing that still counts."""

_SUFFIX = ".entry"

_FILE_BYTES = CONTENT_BYTES + LINE_BYTES


class FolderStore:
    """A store in a folder of this user. The workers of a machine share it."""

    def __init__(self, folder: Path, *, purpose: str, keys: Iterable[bytes] = ()) -> None:
        """Prepare; nothing is read or made before it is used.

        Args:
            folder: of MTLS_STATE.
            purpose: what the entries are about, such as the regions; another purpose has a folder of its own.
            keys: authenticate answers of the API, the first also new ones; without any, such answers are not kept.
        """
        self._root = folder
        self._folder = hashlib.sha256(purpose.encode()).hexdigest()[:16]
        self._keys = tuple(hashlib.sha256(b"mtls-middleware state\0" + key).digest() for key in keys)
        self._problems: dict[str, None] = {}
        self._lock = FolderLock(partial(self._open, "lock"))
        self._was_refused = False

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what went wrong since the last `refreshing`."""
        return tuple(self._problems)

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """Return every entry whose first line can be read; what was tampered with is found there, or by `read`."""
        try:
            with self._opened(kind) as folder:
                names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))  # noqa: PTH208 - of a descriptor
                yield from self._read_all(kind, folder, names[:MAX_ENTRIES])
        except FileNotFoundError:
            return
        except (OSError, InputError) as error:
            self._complain("used", error)

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Write an entry beside the old one, and then in its place."""
        if kind is Kind.API and not self._keys:
            return
        try:
            with self._opened(kind, make=True) as folder:
                self._write(folder, _name(key), self._described(kind, key, content, at) + content)
        except (OSError, InputError) as error:
            self._complain("used", error)

    def view(self) -> Hashable:
        """Return the files as they are now, and whether the lock that this process was refused is still held.

        Putting an entry makes a new file, even within one tick of the clock.
        """
        is_busy = self._was_refused and locked_since(partial(self._open, "lock")) is not None
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
        self._was_refused = taken is Taken.BUSY
        try:
            yield taken is Taken.OURS
        finally:
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

    def _read_all(self, kind: Kind, folder: int, names: Iterable[str]) -> Iterator[Entry]:
        for name in names:
            try:
                yield self._read(kind, name, read_line(name, folder, _FILE_BYTES, LINE_BYTES))
            except (OSError, InputError) as error:
                self._complain(f"read ({name})", error)

    def _read(self, kind: Kind, name: str, line: bytes) -> Entry:
        payload = parse_object(line)
        key, at = payload.get("key"), payload.get("at")
        if payload.get("version") != VERSION or payload.get("kind") != kind or not isinstance(key, str):
            raise InputError("is no entry of this version")
        if name != _name(key):
            raise InputError("is damaged")
        digest, moment = _digest(payload.get("sha256")), _moment(at)
        if kind is Kind.API:
            mac = payload.get("hmac")
            right = [self._mac(key, str(at), digest, one) for one in self._keys]
            if not isinstance(mac, str) or not any(hmac.compare_digest(mac.encode(), one.encode()) for one in right):
                raise InputError("was written with another secret, or was tampered with")
        return Entry(key=key, digest=digest, at=moment, read=partial(self._content, kind, name, digest))

    def _content(self, kind: Kind, name: str, digest: bytes) -> bytes:
        try:
            with self._opened(kind) as folder:
                line, _, content = read_file(name, folder, _FILE_BYTES).partition(b"\n")
            replaced = _digest(parse_object(line).get("sha256")) != digest
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

    def _described(self, kind: Kind, key: str, content: bytes, at: datetime) -> bytes:
        moment, digest = at.isoformat(), hashlib.sha256(content).digest()
        payload: dict[str, object] = {
            "version": VERSION,
            "kind": str(kind),
            "key": key,
            "at": moment,
            "sha256": digest.hex(),
        }
        if kind is Kind.API:
            payload["hmac"] = self._mac(key, moment, digest, self._keys[0])
        return json.dumps(payload).encode("ascii") + b"\n"

    def _mac(self, key: str, at: str, digest: bytes, secret: bytes) -> str:
        return hmac.new(secret, json.dumps([VERSION, key, at]).encode() + digest, "sha256").hexdigest()

    def _complain(self, what: str, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._problems[f"state in {displayed(str(self._root))} cannot be {what}: {displayed(reason)}"] = None


_WRITING_SECONDS = 3_600.0
"""After which a half-written file belongs to nobody."""


def _digest(text: object) -> bytes:
    try:
        digest = bytes.fromhex(text if isinstance(text, str) else "")
    except ValueError as error:
        raise InputError("is damaged") from error
    if len(digest) != hashlib.sha256().digest_size:
        raise InputError("is damaged")
    return digest


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        if moment.tzinfo is None:
            raise InputError("does not say when it was written")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError("does not say when it was written") from error


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
