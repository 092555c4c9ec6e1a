"""The store in a folder: one file for each entry, written whole or not at all, readable by its owner only."""

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.folder_lock import FolderLock, Taken
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
_OWNER_ONLY = 0o700
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


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
        self._folder = folder / hashlib.sha256(purpose.encode()).hexdigest()[:16]
        self._keys = tuple(hashlib.sha256(b"mtls-middleware state\0" + key).digest() for key in keys)
        self._problems: dict[str, None] = {}
        self._lock = FolderLock(self._folder / "lock")

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what went wrong since the last `refreshing`."""
        return tuple(self._problems)

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """Return every entry that can be read, and was not tampered with as far as that can be known."""
        try:
            names = self._names(kind)
        except FileNotFoundError:
            return
        except (OSError, InputError) as error:
            self._complain("read", error)
            return
        for name in names[:MAX_ENTRIES]:
            try:
                yield self._read(kind, self._folder / kind / name)
            except (OSError, InputError) as error:
                self._complain(f"read ({name})", error)

    def put(self, kind: Kind, key: str, content: bytes, at: datetime) -> None:
        """Write an entry beside the old one, and then in its place."""
        if kind is Kind.API and not self._keys:
            return
        try:
            folder = self._made(kind)
            path = folder / _name(key)
            _write(path, self._described(kind, key, content, at) + content)
            _prune(folder, path.stat().st_mtime)
        except (OSError, InputError, ValueError) as error:
            self._complain("written", error)

    def view(self) -> Hashable:
        """Return the files as they are now; putting an entry makes a new one, even within one tick of the clock."""
        return tuple(_files(self._folder / kind) for kind in Kind)

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        """Hold the folder's lock, which ends with the process at the latest."""
        self._problems = {}
        try:
            self._made(None)
            taken = self._lock.take()
        except (OSError, InputError) as error:
            self._complain("locked", error)
            taken = Taken.OURS  # without a folder each process asks for itself
        try:
            yield taken is Taken.OURS
        finally:
            self._lock.release()

    @property
    def root(self) -> Path:
        """Return the folder of MTLS_STATE."""
        return self._root

    def forget_problems(self) -> None:
        """Forget what went wrong until now."""
        self._problems = {}

    def path_of_lock(self, name: str) -> Path:
        """Return the file of another lock of this folder; it may not exist."""
        return self._folder / f"{name}.lock"

    def lock(self, name: str) -> FolderLock:
        """Return another lock of this folder.

        Raises:
            OSError: the folder cannot be made.
            InputError: it is not ours alone.
        """
        self._made(None)
        return FolderLock(self.path_of_lock(name))

    def _made(self, kind: Kind | None) -> Path:
        """Return a folder of our own, made where it is missing."""
        self._root.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        _require_ours(self._root)
        wanted = self._folder if kind is None else self._folder / kind
        for folder in (self._folder, wanted):
            with suppress(FileExistsError):
                folder.mkdir(mode=_OWNER_ONLY)
            _require_ours(folder)
        return wanted

    def _names(self, kind: Kind) -> list[str]:
        for folder in (self._root, self._folder, self._folder / kind):
            _require_ours(folder)
        return sorted(name for name in os.listdir(self._folder / kind) if name.endswith(_SUFFIX))  # noqa: PTH208 - names

    def _read(self, kind: Kind, path: Path) -> Entry:
        line, _, content = _content_of(path).partition(b"\n")
        if len(line) > LINE_BYTES:
            raise InputError("is no entry")
        payload = parse_object(line)
        key, at = payload.get("key"), payload.get("at")
        if payload.get("version") != VERSION or payload.get("kind") != kind or not isinstance(key, str):
            raise InputError("is no entry of this version")
        if path.name != _name(key) or payload.get("sha256") != hashlib.sha256(content).hexdigest():
            raise InputError("is damaged")
        moment = _moment(at)
        if kind is Kind.API:
            mac = payload.get("hmac")
            right = [self._mac(key, str(at), content, one) for one in self._keys]
            if not isinstance(mac, str) or not any(hmac.compare_digest(mac.encode(), one.encode()) for one in right):
                raise InputError("was written with another secret, or was tampered with")
        return Entry(key=key, content=content, at=moment)

    def _described(self, kind: Kind, key: str, content: bytes, at: datetime) -> bytes:
        moment = at.isoformat()
        payload: dict[str, object] = {
            "version": VERSION,
            "kind": str(kind),
            "key": key,
            "at": moment,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        if kind is Kind.API:
            payload["hmac"] = self._mac(key, moment, content, self._keys[0])
        return json.dumps(payload).encode("ascii") + b"\n"

    def _mac(self, key: str, at: str, content: bytes, secret: bytes) -> str:
        digest = hashlib.sha256(content).digest()
        return hmac.new(secret, json.dumps([VERSION, key, at]).encode() + digest, "sha256").hexdigest()

    def _complain(self, what: str, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._problems[f"state in {displayed(str(self._root))} cannot be {what}: {displayed(reason)}"] = None


_WRITING_SECONDS = 3_600.0
"""After which a half-written file belongs to nobody."""


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


def _write(path: Path, content: bytes) -> None:
    """Write a file whole: whoever reads finds the old one or the new one, also after a crash."""
    beside = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _prune(folder: Path, now: float) -> None:
    """Remove what is too old or too much, and what a process left that was killed while it wrote.

    Args:
        folder: of one kind.
        now: when something was written there just now, by the clock of the folder. What claims to be newer was written
            while that clock was wrong: nothing else looks old beside it, and it makes room first.
    """
    ages = sorted(((written <= now, written, path) for written, path in _ages(folder)), reverse=True)
    for index, (_, written, path) in enumerate(ages):
        is_left = path.suffix != _SUFFIX and now - written > _WRITING_SECONDS
        if is_left or index >= MAX_ENTRIES or now - written > KEPT_FOR.total_seconds():
            path.unlink(missing_ok=True)


def _content_of(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | _OPEN)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & _OTHERS_MAY_WRITE:
            raise InputError("is not ours alone")
        content = file.read(CONTENT_BYTES + LINE_BYTES + 1)
    if len(content) > CONTENT_BYTES + LINE_BYTES:
        raise InputError("is too large")
    return content


def _require_ours(folder: Path) -> None:
    """Refuse a folder in which somebody else may write, or that is only a link to one."""
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode):
        raise InputError("it is not a folder; a link to one is not followed")
    if state.st_uid != os.geteuid():
        raise InputError("it belongs to another user")
    if state.st_mode & _OTHERS_MAY_WRITE:
        raise InputError("others may write into it: chmod 700")


def _ages(folder: Path) -> Iterator[tuple[float, Path]]:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker was faster
            yield path.stat().st_mtime, path


def _files(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return what tells the files of a folder from those of another moment: a new one has another number or time."""
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # it made room just now
                state = entry.stat(follow_symlinks=False)
                found.append((state.st_ino, state.st_mtime_ns))
    return tuple(sorted(found))
