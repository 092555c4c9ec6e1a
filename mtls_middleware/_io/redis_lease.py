"""The lease of a fleet: one process asks the network, and the others wait. It saves requests, and protects nothing."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from mtls_middleware._io import forks
from mtls_middleware._io import redis_scripts as scripts
from mtls_middleware._io.forks import follow_forks
from mtls_middleware._io.redis_client import AwayError, Doing, EngineClient

LEASE_SECONDS = 6.0
"""After which nobody has it, where its owner was killed."""

RENEW_SECONDS = 2.0


class Lease(Enum):
    """The result of an attempt to take the lease."""

    OURS = "ours"
    BUSY = "busy"
    AWAY = "away"
    """There is no engine: each machine goes on alone."""


class EngineLease:
    """The lease in an engine. Taking it never waits longer than a call. Not for several threads at once.

    Attributes:
        fence: the number of this process; what somebody wrote under a higher one is not overwritten.
    """

    def __init__(self, client: EngineClient, base: str, kept_seconds: int) -> None:
        self.fence = 0
        self._client = client
        self._keys = (f"{base}lease", f"{base}state")
        self._kept_seconds = kept_seconds
        self._owner: str | None = None
        follow_forks(self)

    def take(self) -> Lease:
        """Take it, if nobody has it."""
        owner, milliseconds = secrets.token_hex(16), int(LEASE_SECONDS * 1000)
        try:
            fence = self._client.call(
                Doing.LOCK,
                lambda client: int(
                    client.eval(scripts.TAKE, 2, *self._keys, owner, milliseconds, self._kept_seconds) or 0
                ),
            )
        except AwayError:
            return Lease.AWAY
        if not fence:
            return Lease.BUSY
        self.fence, self._owner = fence, owner
        return Lease.OURS

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew it on a thread of its own as long as the block lasts, and release it at the end."""
        released = threading.Event()
        thread = threading.Thread(
            target=self._renew, args=(self._owner, released), name="mtls-middleware-lease", daemon=True
        )
        with suppress(RuntimeError):  # no more threads: somebody else may ask too, after a while
            if forks.why_no_thread() is None:
                thread.start()
        try:
            yield
        finally:
            released.set()
            self.release()

    def release(self) -> None:
        """Give it back, if it is ours."""
        owner, self._owner = self._owner, None
        if owner is not None:
            with suppress(AwayError):
                self._client.call(Doing.LOCK, lambda client: client.eval(scripts.RELEASE, 1, self._keys[0], owner))

    def after_fork(self) -> None:
        """Leave it to the parent."""
        self._owner = None

    def _renew(self, owner: str | None, released: threading.Event) -> None:
        while not released.wait(RENEW_SECONDS):
            with suppress(AwayError):
                self._client.call(
                    Doing.LOCK,
                    lambda client: client.eval(scripts.RENEW, 1, self._keys[0], owner, int(LEASE_SECONDS * 1000)),
                )
