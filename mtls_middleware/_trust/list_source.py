"""One place where a revocation list comes from: when it is asked next, and what came last."""

import hashlib
from datetime import datetime
from pathlib import Path

from mtls_middleware._core.crl import RevocationList
from mtls_middleware._trust.learned import Learned
from mtls_middleware._trust.schedule import Schedule


class ListSource:
    """Ask one place, again and again.

    Attributes:
        places: addresses, any of which will do; or the one path.
        schedule: when to ask next.
        learned: where the addresses come from; None where the operator wrote them down.
        idle: a list of the operator's tells of the same, so nobody is asked.
        last_success: when a list came that was taken, UTC; None before the first.
        held: that list.
        error: why the last attempt failed; empty where it did not.
    """

    def __init__(self, *, places: tuple[str, ...], schedule: Schedule, learned: Learned | None = None) -> None:
        self.places = places
        self.schedule = schedule
        self.learned = learned
        self.idle = False
        self.last_success: datetime | None = None
        self.held: RevocationList | None = None
        self.error = ""
        self._digest = b""

    @property
    def origin(self) -> str:
        """Return the first place, for messages."""
        return self.places[0]

    @property
    def path(self) -> Path | None:
        """Return the path; None for addresses."""
        return None if "://" in self.origin else Path(self.origin)

    def parsed(self, content: bytes) -> RevocationList | None:
        """Return the list that is held if these are its bytes: reading a long one again costs."""
        return self.held if self._digest == hashlib.sha256(content).digest() else None

    def take(self, one: RevocationList, content: bytes) -> None:
        """Hold a list, made from these bytes."""
        self.held = one
        self._digest = hashlib.sha256(content).digest()

    def succeeded(self, one: RevocationList, at: datetime) -> None:
        """Plan the next question: as usual, but well before the list ends."""
        self.error, self.last_success = "", at
        self.schedule.succeeded(at, expires=one.next_update)

    def failed(self, error: str, now: datetime) -> None:
        """Plan the next question after a failure."""
        self.error = error
        self.schedule.failed(now)
