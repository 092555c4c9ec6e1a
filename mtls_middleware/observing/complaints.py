"""What is wrong now, so that each complaint is logged once, and so is its end."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from mtls_middleware._core.decision import Reason
from mtls_middleware.observing.events import ACCEPTED, NOBODY, DecisionCounts

QUIET = timedelta(minutes=5)
"""Without an accepted call, after which refusals may be those of data actions: the next acceptance is news."""

OWN_FAULTS = (Reason.TRUST_UNAVAILABLE, Reason.REVOCATION_UNKNOWN, Reason.INTERNAL_ERROR)
"""Reasons that no certificate of a caller can mend."""


class Complaints:
    """The complaints that are open. What stands before the first colon says what it is about."""

    def __init__(self) -> None:
        """Begin without any."""
        self._open: dict[str, str] = {}

    def update(self, texts: Iterable[str], *, is_news: bool = True) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take those of this moment, and return what is new, and what is no longer complained about.

        Args:
            texts: one sentence each.
            is_news: another sentence about the same is new.
        """
        before, self._open = self._open, {}
        new: list[str] = []
        for text in texts:
            about = text.partition(": ")[0]
            if about not in before or (is_news and text not in {before[about], self._open.get(about)}):
                new.append(text)
            self._open[about] = text
        return tuple(dict.fromkeys(new)), tuple(about for about in before if about not in self._open)


class AcceptedAgain:
    """Whose calls are accepted again, after a time in which they seemed to fail."""

    def __init__(self) -> None:
        """Begin without any call."""
        self._accepted: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._last: datetime | None = None
        self._is_failing = False
        self.complained: set[str] = set()

    def look(self, decisions: DecisionCounts, handshakes: int, now: datetime) -> tuple[str, ...]:
        """Return the regions whose calls are accepted again; somebody looks from time to time.

        Args:
            decisions: all until now.
            handshakes: refused ones in which a certificate was presented, until now.
            now: aware, UTC.
        """
        accepted: dict[str, int] = {}
        failed = {"handshake": handshakes}
        for decided, number in decisions.items():
            counts = accepted if decided.reason == ACCEPTED else failed
            name = decided.authority if decided.region == NOBODY else decided.region
            key = name if decided.reason == ACCEPTED else decided.reason
            counts[key] = counts.get(key, 0) + number
        new = sorted(region for region, number in accepted.items() if number > self._accepted.get(region, 0))
        reasons = {reason for reason, number in failed.items() if number > self._failed.get(reason, 0)}
        self._accepted, self._failed = accepted, failed
        if new:
            again = tuple(region for region in new if self._is_failing or region in self.complained)
            self._last, self._is_failing = now, False
            self.complained -= set(new)
            return again
        is_quiet = self._last is not None and now - self._last >= QUIET
        self._is_failing = self._is_failing or not reasons.isdisjoint(OWN_FAULTS) or (is_quiet and bool(reasons))
        return ()
