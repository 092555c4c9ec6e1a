"""What was decided, in the numbers that an operator looks at."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware.observing.events import ACCEPTED, NOBODY
from mtls_middleware.observing.fleet import Extent, Fleet
from mtls_middleware.observing.history import TREND_MINUTES, Refusal
from mtls_middleware.status_page.workers import process_count

NEVER_LET_THROUGH = {Reason.INTERNAL_ERROR}
"""Refused in report mode too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """How often calls were refused for one reason, and how often they would have been.

    Attributes:
        reason: why.
        refused: calls that were.
        would_be_refused: calls that report mode let through.
        last_at: the last one of them, UTC, within seconds; None where that is not known.
    """

    reason: Reason
    refused: int
    would_be_refused: int
    last_at: datetime | None = None

    @property
    def total(self) -> int:
        """Return how often the reason was told."""
        return self.refused + self.would_be_refused


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCalls:
    """Accepted calls of one region; of ``custom``, which has none, ``none``."""

    region: str
    accepted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedHandshakes:
    """Refused TLS handshakes of one reason."""

    reason: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendMinute:
    """The calls of one minute, also those that report mode let through."""

    at: datetime
    accepted: int
    refused: int

    @property
    def total(self) -> int:
        """Return all calls."""
        return self.accepted + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions on protected paths, and in the TLS handshake.

    Attributes:
        scope: whose decisions.
        since: when the first process began to count, UTC.
        written_at: when a process last wrote its numbers, UTC.
        processes: how many are known to run.
        accepted: calls that were.
        refused: calls that were.
        would_be_refused: calls that report mode let through.
        by_reason: those reasons that occurred, the most frequent first.
        by_region: accepted calls, the most frequent region first.
        handshakes: refused TLS handshakes, the most frequent reason first.
        last_accepted: when a call was accepted last, UTC, within seconds.
        last_refused: the last refused call.
        last_handshake: the last TLS handshake in which a certificate was refused.
        trend: the last hour.
    """

    scope: Extent
    since: datetime | None
    written_at: datetime | None
    processes: int
    accepted: int
    refused: int
    would_be_refused: int
    by_reason: tuple[Refusals, ...]
    by_region: tuple[RegionCalls, ...]
    handshakes: tuple[RefusedHandshakes, ...]
    last_accepted: datetime | None
    last_refused: Refusal | None
    last_handshake: Refusal | None
    trend: tuple[TrendMinute, ...]


def decisions_of(fleet: Fleet, now: datetime) -> Decisions:
    """Return the numbers that an operator looks at."""
    history = fleet.history
    accepted, refused, reported = Counter[str](), Counter[Reason](), Counter[Reason]()
    for decided, number in history.decisions.items():
        if decided.reason == ACCEPTED:
            accepted[decided.authority if decided.region == NOBODY else decided.region] += number
            continue
        reason = Reason(decided.reason)
        is_let_through = decided.mode == Mode.REPORT and reason not in NEVER_LET_THROUGH
        (reported if is_let_through else refused)[reason] += number
    rows = [
        Refusals(
            reason=reason,
            refused=refused[reason],
            would_be_refused=reported[reason],
            last_at=history.last_by_reason.get(str(reason)),
        )
        for reason in Reason
        if refused[reason] or reported[reason]
    ]
    return Decisions(
        scope=fleet.scope,
        since=history.since,
        written_at=fleet.written_at,
        processes=process_count(fleet.alive),
        accepted=accepted.total(),
        refused=refused.total(),
        would_be_refused=reported.total(),
        by_reason=tuple(sorted(rows, key=lambda row: -row.total)),
        by_region=tuple(RegionCalls(region=region, accepted=number) for region, number in accepted.most_common()),
        handshakes=tuple(
            RefusedHandshakes(reason=reason, number=number)
            for reason, number in Counter(history.handshakes).most_common()
        ),
        last_accepted=history.last_accepted,
        last_refused=history.last_refused,
        last_handshake=history.last_handshake,
        trend=_trend(fleet, now),
    )


def _trend(fleet: Fleet, now: datetime) -> tuple[TrendMinute, ...]:
    by_start = {minute.start: minute for minute in fleet.history.trend}
    last = int(now.timestamp() // 60)
    found = []
    for start in range(last - TREND_MINUTES + 1, last + 1):
        minute = by_start.get(start)
        found.append(
            TrendMinute(
                at=datetime.fromtimestamp(0, UTC) + timedelta(minutes=start),
                accepted=minute.accepted if minute else 0,
                refused=minute.refused + minute.handshakes if minute else 0,
            )
        )
    return tuple(found)
