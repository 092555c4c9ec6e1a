"""How many TLS handshakes this process refused, and the last one. The TLS layer lies before every guard."""

from collections import Counter
from datetime import UTC, datetime
from threading import Lock

from mtls_middleware._io.forks import follow_forks
from mtls_middleware.observing.counting import Counters
from mtls_middleware.observing.handshakes import HandshakeRefusal, subscribe
from mtls_middleware.observing.history import Handshake, Refusal


class HandshakeCounts:
    """The refused handshakes of a process. Counting waits for nothing."""

    def __init__(self) -> None:
        """Count from nothing."""
        self._counters = Counters[Handshake]()
        self._drained: dict[Handshake, int] = {}
        self._draining = Lock()
        self._last: tuple[datetime, HandshakeRefusal] | None = None
        follow_forks(self)

    def add(self, refusal: HandshakeRefusal) -> None:
        """Count one."""
        has_certificate = refusal.verify_code is not None
        self._counters.add(Handshake(refusal.reason, has_certificate))
        if has_certificate:
            self._last = (datetime.now(UTC), refusal)

    def totals(self) -> dict[str, int]:
        """Return how often each reason was."""
        totals = Counter[str]()
        for handshake, number in self._counters.totals().items():
            totals[handshake.reason] += number
        return dict(totals)

    def drain(self) -> dict[Handshake, int]:
        """Return what was counted since the last time. Of several guards in a process, one gets it."""
        with self._draining:
            totals = self._counters.totals()
            news = {key: number - self._drained.get(key, 0) for key, number in totals.items()}
            self._drained = totals
        return {key: number for key, number in news.items() if number}

    def last_refused(self) -> Refusal | None:
        """Return the last one in which a certificate was refused; its certificate is read here."""
        last = self._last
        return Refusal.of(last[0], last[1].facts()) if last is not None else None

    def after_fork(self) -> None:
        """Count from nothing: what was before is the parent's."""
        self._counters, self._drained, self._draining, self._last = Counters(), {}, Lock(), None


HANDSHAKES = HandshakeCounts()
"""Of this process."""

subscribe(HANDSHAKES.add)
