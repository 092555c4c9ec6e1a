"""A lock in a folder: one process of a machine does what need not be done twice. It ends with the process."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum

from mtls_middleware._io.files import InputError
from mtls_middleware._io.forks import follow_forks

if sys.platform != "win32":
    import fcntl

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


Open = Callable[[int], int]
"""Opens the file of a lock with these flags, and returns its descriptor."""


class Taken(Enum):
    """The result of an attempt to take the lock."""

    OURS = "ours"
    BUSY = "busy"
    """Another process, or another guard of this one, holds it."""


class FolderLock:
    """The lock of a file. Taking it never waits. Not for several threads at once."""

    def __init__(self, opener: Open) -> None:
        self._open = opener
        self._descriptor: int | None = None
        self._owner = 0
        follow_forks(self)

    def take(self) -> Taken:
        """Take it, if nobody has it; where the platform has no such locks, everybody may.

        Raises:
            OSError: the file cannot be made or opened.
            InputError: its folder is not ours alone.
        """
        if sys.platform == "win32":
            return Taken.OURS
        descriptor = self._open(_OPEN)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return Taken.BUSY
        except OSError:
            os.close(descriptor)
            raise
        os.utime(descriptor)  # `locked_since` tells it
        self._descriptor, self._owner = descriptor, os.getpid()
        return Taken.OURS

    def release(self) -> None:
        """Give it back, if it is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if sys.platform != "win32" and os.getpid() == self._owner:
            # A child that was forked meanwhile has the descriptor too: closing alone would leave the lock with it.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def after_fork(self) -> None:
        """Close the child's descriptor, or the parent's lock would live as long as the child."""
        self.release()


def locked_since(opener: Open) -> datetime | None:
    """Return when the process that holds the lock of a file took it, UTC; None where nobody holds it.

    A process that would take it at this moment finds it busy.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = opener(_OPEN & ~(os.O_RDWR | os.O_CREAT))
    except (OSError, InputError):  # nobody ever took it
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None
