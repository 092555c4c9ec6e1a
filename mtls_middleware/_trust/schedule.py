"""When to ask a source of trust next: as often as the operator wants, and less often while it fails."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

FIRST_RETRY = timedelta(seconds=30)
"""After the first failure; it doubles with each one. Something about to expire is asked for no sooner either."""

LONGEST_RETRY = timedelta(hours=1)
"""However often a source failed; and never later than usual."""

JITTER = (0.9, 1.1)
"""Part of the interval to wait, so that many workers do not ask together."""

RETRY_JITTER = (0.5, 1.0)
"""Part of the time to wait after a failure: workers that failed together must not come back together."""

_DOUBLINGS = 12

Draw = Callable[[float, float], float]
"""Return a number between two others."""


class Schedule:
    """The times at which one source is asked.

    Attributes:
        due: when to ask next.
    """

    def __init__(self, *, interval: timedelta, now: datetime, draw: Draw = random.uniform) -> None:
        """Plan the first question at once.

        Args:
            interval: between two questions, where nothing fails.
            now: aware, UTC.
            draw: for jitter.
        """
        self.due = now
        self._planned_at = self._not_before = now
        self._interval = interval
        self._draw = draw
        self._failures = 0

    def is_due(self, now: datetime, *, at_most: timedelta = timedelta.max) -> bool:
        """Return whether to ask; a clock that went back behind the plan makes the plan void.

        Args:
            now: aware, UTC.
            at_most: ask after that time in any case, unless the source wants to be left alone.
        """
        due = self.due
        if at_most < due - self._planned_at:
            due = max(self._planned_at + at_most, self._not_before)
        return not self._planned_at <= now < due

    def succeeded(self, at: datetime, *, expires: datetime | None = None) -> None:
        """Plan the next question: after the interval, but at half the life of what was received.

        Args:
            at: when it was received.
            expires: when what was received expires; None where it does not.
        """
        self._failures = 0
        wait = self._interval if expires is None else min(self._interval, max(FIRST_RETRY, (expires - at) / 2))
        self._plan(at, at + wait * self._draw(*JITTER))

    def failed(self, now: datetime, *, not_before: datetime | None = None) -> None:
        """Plan the next question: soon, then later and later, but never later than usual.

        Args:
            now: aware, UTC.
            not_before: when the source wants to be asked again; None where it does not say.
        """
        wait = min(self._interval, LONGEST_RETRY, FIRST_RETRY * 2 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        due = now + wait * self._draw(*RETRY_JITTER)
        self._plan(now, due if not_before is None else max(due, not_before), not_before=not_before)

    def _plan(self, now: datetime, due: datetime, *, not_before: datetime | None = None) -> None:
        self._planned_at, self.due, self._not_before = now, due, not_before or now
