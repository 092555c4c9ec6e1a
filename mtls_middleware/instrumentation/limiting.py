"""How many lines a flood may write: a burst, then so many a second. What is held back is counted, and told."""

from collections import deque
from dataclasses import dataclass
from itertools import count
from math import inf
from threading import Lock

BURST = 20
"""Lines at once."""

PER_SECOND = 1.0
"""Lines after a burst."""

SUMMARY_SECONDS = 10.0
"""Between two lines that tell how many were held back."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Tell how many lines were not written, and in how many seconds. There is one at least."""

    number: int
    seconds: float


class Limiter:
    """Let some lines through, and count the others. No thread ever waits for another, and nothing is counted twice."""

    def __init__(
        self, *, burst: int = BURST, per_second: float = PER_SECOND, summary_seconds: float = SUMMARY_SECONDS
    ) -> None:
        # A token is the moment from which it can be spent. Each step on a deque, or on a count, is atomic.
        self._tokens = deque([-inf] * burst)
        self._refill = burst / per_second
        self._summary_seconds = summary_seconds
        self._held_back = count()
        self._since: deque[float] = deque(maxlen=1)
        self._telling = Lock()
        self._looks = 0
        self._told = 0

    def admits(self, now: float) -> bool:
        """Return whether a line may be written, or count it as held back.

        Args:
            now: seconds, never going back.
        """
        try:
            free_at = self._tokens.popleft()
        except IndexError:  # other threads hold all of them at this moment
            free_at = inf
        else:
            if free_at <= now:
                self._tokens.append(now + self._refill)
                return True
            self._tokens.appendleft(free_at)
        next(self._held_back)  # before the next line: what `held_back` misses now has its time noted for later
        if not self._since:
            self._since.append(now)
        return False

    def held_back(self, now: float, *, at_once: bool = False) -> HeldBack | None:
        """Return what was held back since it was told the last time, where it is time to tell, or None.

        Args:
            now: seconds, never going back.
            at_once: do not wait until it is time.
        """
        if not self._since or not self._telling.acquire(blocking=False):  # nothing, or another thread tells it
            return None
        try:
            since = self._since[0] if self._since else now  # only who holds this lock takes it away
            if now - since < self._summary_seconds and not at_once:
                return None
            self._since.clear()
            total = next(self._held_back) - self._looks
            self._looks += 1  # looking at a count raises it
            number, self._told = total - self._told, total
        finally:
            self._telling.release()
        return HeldBack(number, now - since) if number else None
