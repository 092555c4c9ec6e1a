"""One place where a revocation list comes from: when it is asked next, and what came last."""

import hashlib
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from mtls_middleware._core.crl import RevocationList
from mtls_middleware._trust.learned import Learned

RETRY_SECONDS = 30.0
"""After the first failure; it doubles up to the usual interval. A list that is about to end is asked for no sooner."""

DOUBLINGS = 12

JITTER = 0.1
"""Part of a time by which questions move, so that many workers do not ask together."""

Draw = Callable[[float, float], float]
"""Return a number between two others."""


class ListSource:
    """Ask one place, again and again.

    Attributes:
        places: addresses, any of which will do; or the one path.
        due: when to ask next, as it was planned.
        learned: where the addresses come from; None where the operator wrote them down.
        idle: a list of the operator's tells of the same, so nobody is asked.
        last_success: when a list came that was taken, UTC; None before the first.
        held: that list.
        error: why the last attempt failed; empty where it did not.
    """

    def __init__(
        self,
        *,
        places: tuple[str, ...],
        due: datetime,
        learned: Learned | None = None,
        draw: Draw = random.uniform,
    ) -> None:
        self.places = places
        self.due = due
        self.learned = learned
        self.idle = False
        self.last_success: datetime | None = None
        self.held: RevocationList | None = None
        self.error = ""
        self._digest = b""
        self._failures = 0
        self._planned_at = due
        self._draw = draw

    def is_due(self, now: datetime) -> bool:
        """Return whether to ask; where the clock went back behind the plan, the plan counts no more."""
        return not self._planned_at <= now < self.due

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

    def succeeded(self, one: RevocationList, at: datetime, interval: float) -> None:
        """Plan the next question: as usual, but well before the list ends."""
        self.error, self._failures, self.last_success = "", 0, at
        left = (one.next_update - at).total_seconds() / 2
        self._plan(at, min(interval, max(RETRY_SECONDS, left)))

    def failed(self, error: str, now: datetime, interval: float) -> None:
        """Plan the next question: soon, then later and later, but never later than usual."""
        self.error = error
        self._plan(now, min(interval, RETRY_SECONDS * 2 ** min(self._failures, DOUBLINGS)))
        self._failures += 1

    def _plan(self, now: datetime, seconds: float) -> None:
        self._planned_at = now
        self.due = now + timedelta(seconds=seconds * self._draw(1 - JITTER, 1 + JITTER))
