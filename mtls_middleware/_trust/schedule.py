"""When to ask a source of trust next: as often as the operator wants, and less often while it fails."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_RETRY = timedelta(seconds=30)
"""After the first failure; it doubles with each one. Something about to expire is asked for no sooner either."""

LONGEST_RETRY = timedelta(hours=1)
"""However often a source failed; and never later than usual."""

JITTER = (0.9, 1.1)
"""Part of the interval to wait, so that many workers do not ask together."""

RETRY_JITTER = (0.5, 1.0)
"""Part of the time to wait after a failure: workers that failed together must not come back together."""

AFTER_A_START = timedelta(minutes=1)
"""The longest that a process waits which has just started: whoever restarts it may have fixed what was wrong."""

AFTER_ANOTHER = timedelta(seconds=10)
"""After an attempt of another process that may have failed for its own network: each process tries, but one by one.

It is less where that process tries again sooner, or it would silence the others for ever.
"""

_DOUBLINGS = 12

Draw = Callable[[float, float], float]
"""Return a number between two others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A failed attempt to ask a source, by any process. Times are spans, because clocks differ.

    Attributes:
        at: when, UTC, by the clock of this process.
        text: what failed.
        failures: how many in a row.
        wait: until the next attempt of any process; None where others may be luckier, because the source did not fail.
        pause: that the source asked for; it is kept whatever else is planned.
    """

    at: datetime
    text: str
    failures: int
    wait: timedelta | None = None
    pause: timedelta = timedelta()


jittered: Draw = random.SystemRandom().uniform
"""Of the system: children of a fork draw other numbers, and the application's own generator is left alone."""


class Schedule:
    """The times at which one source is asked.

    Attributes:
        due: when to ask next.
    """

    def __init__(self, *, interval: timedelta, now: datetime, draw: Draw = jittered) -> None:
        """Plan the first question at once.

        Args:
            interval: between two questions, where nothing fails.
            now: aware, UTC.
            draw: for jitter.
        """
        self._interval = interval
        self._draw = draw
        self._followed: Attempt | None = None
        self._failures = 0
        self._is_new = True
        self.due = self._planned_at = self._not_before = now

    def restart(self, now: datetime) -> None:
        """Plan the next question at once, as if none had failed."""
        self._failures = 0
        self._plan(now, now)

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

    def failed(
        self, now: datetime, text: str = "", *, not_before: datetime | None = None, is_shared: bool = False
    ) -> Attempt:
        """Plan the next question: soon, then later and later, but never later than usual. Return what others follow.

        Args:
            now: aware, UTC.
            text: what failed.
            not_before: when the source wants to be asked again; None where it does not say.
            is_shared: the source itself failed, so other processes would fare no better.
        """
        wait = min(self._interval, LONGEST_RETRY, FIRST_RETRY * 2 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        due = now + wait * self._draw(*RETRY_JITTER)
        self._plan(now, due if not_before is None else max(due, not_before), not_before=not_before)
        self._followed = Attempt(
            at=now,
            text=text,
            failures=self._failures,
            wait=due - now if is_shared else None,
            pause=timedelta() if not_before is None else max(timedelta(), not_before - now),
        )
        return self._followed

    def follow(self, attempt: Attempt | None) -> bool:
        """Plan by the last attempt of any process, and return whether its failure, or its end, is ours as well.

        Args:
            attempt: the last that failed; None where none did since the last success.
        """
        if attempt is self._followed:
            return False
        self._followed = attempt
        if attempt is None:
            return True
        if attempt.wait is None:
            turn = min(AFTER_ANOTHER, RETRY_JITTER[0] * min(self._interval, FIRST_RETRY))
            self._not_before = max(self._not_before, attempt.at + turn)
            self.due = max(self.due, self._not_before)
            return False
        pause, longest = min(attempt.pause, LONGEST_RETRY), AFTER_A_START if self._is_new else LONGEST_RETRY
        self._failures = attempt.failures
        self._plan(
            attempt.at,
            attempt.at + max(min(attempt.wait, self._interval, longest), pause),
            not_before=attempt.at + pause,
        )
        return True

    def _plan(self, now: datetime, due: datetime, *, not_before: datetime | None = None) -> None:
        self._planned_at, self.due, self._not_before, self._is_new = now, due, not_before or now, False
