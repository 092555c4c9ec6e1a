"""What was decided, how often and when last: of one process, of those before it in its slot, and of all together."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import sub
from typing import NamedTuple, Self, TypeVar

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware.display import displayed
from mtls_middleware.identity import Authority
from mtls_middleware.observing.events import ACCEPTED, NOBODY, CallRejected, DecisionCounts, Refreshed
from mtls_middleware.observing.handshakes import REASONS as HANDSHAKE_REASONS
from mtls_middleware.observing.records import LARGEST
from mtls_middleware.regions import table

Key = TypeVar("Key")

TREND_MINUTES = 60
"""Minutes of a trend."""

_REASONS = frozenset({ACCEPTED, *map(str, Reason)})
_REGIONS = frozenset({NOBODY, *(region.aws_region for region in table())})
_AUTHORITIES = frozenset({NOBODY, *map(str, Authority)})
_MODES = frozenset(map(str, Mode))


class Minute(NamedTuple):
    """The calls of one minute.

    Attributes:
        start: minutes since 1970, UTC.
        accepted: calls.
        refused: calls, also those that report mode let through.
        handshakes: refused ones in which a certificate was presented.
    """

    start: int
    accepted: int
    refused: int
    handshakes: int


class Handshake(NamedTuple):
    """The metric key of a refused handshake.

    Attributes:
        reason: one of a closed set.
        has_certificate: a certificate was presented, and refused: else it was hardly a data action.
    """

    reason: str
    has_certificate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The last refused call, or handshake. All of it is unbelieved; all texts are safe to look at.

    Attributes:
        at: when, UTC.
        reason: as in the log.
        detail: as in the log.
        peer: who called.
        fingerprint: SHA-256 of the certificate; empty where none could be read.
        subject: RFC 4514.
        issuer: RFC 4514.
        names: dNSNames.
    """

    at: datetime
    reason: str
    detail: str = ""
    peer: str = ""
    fingerprint: str = ""
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, at: datetime, facts: Mapping[str, str | int]) -> Self:
        """Return the one that a log line is about."""
        texts = ("reason", "detail", "peer", "fingerprint", "subject", "issuer")
        names = tuple(filter(None, str(facts.get("names", "")).split(",")))
        return cls(at=at, names=names, **{name: str(facts.get(name, "")) for name in texts})

    @classmethod
    def of_call(cls, at: datetime, event: CallRejected) -> Self:
        """Return the one that an event is about."""
        rejected, evidence = event.rejected, event.rejected.evidence
        return cls(
            at=at,
            reason=str(rejected.reason),
            detail=displayed(rejected.detail),
            peer=displayed(event.peer),
            fingerprint=evidence.fingerprint_sha256 if evidence else "",
            subject=displayed(evidence.subject) if evidence else "",
            issuer=displayed(evidence.issuer) if evidence else "",
            names=tuple(map(displayed, evidence.dns_names[:8])) if evidence else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was decided on protected paths, and in handshakes.

    Attributes:
        since: when counting began, UTC; None where nobody counts.
        decisions: how often each decision was made.
        refreshes: how often each source of trust was good, or failed.
        handshakes: how often a handshake was refused, by reason.
        last_by_reason: when each reason, or ``accepted``, was decided last, UTC, within seconds.
        last_refused: the last refused call.
        last_handshake: the last refused handshake in which a certificate was presented.
        trend: the last hour, by minute; minutes without calls are left out.
    """

    since: datetime | None = None
    decisions: DecisionCounts = field(default_factory=dict)
    refreshes: Mapping[Refreshed, int] = field(default_factory=dict)
    handshakes: Mapping[str, int] = field(default_factory=dict)
    last_by_reason: Mapping[str, datetime] = field(default_factory=dict)
    last_refused: Refusal | None = None
    last_handshake: Refusal | None = None
    trend: tuple[Minute, ...] = ()

    def require_known(self) -> None:
        """Refuse a history that another release may have written: a label of a metric is of a closed set.

        Raises:
            ValueError: a name in it is of none.
        """
        parts = zip(*(decided[:4] for decided in self.decisions), strict=True)
        for names, known in zip(parts, (_REASONS, _REGIONS, _AUTHORITIES, _MODES), strict=False):
            if not known.issuperset(names):
                raise ValueError("has a name that is not known")
        if not (_REASONS.issuperset(self.last_by_reason) and HANDSHAKE_REASONS.issuperset(self.handshakes)):
            raise ValueError("has a reason that is not known")

    @property
    def last_accepted(self) -> datetime | None:
        """Return when a call was accepted last, UTC, within seconds."""
        return self.last_by_reason.get(ACCEPTED)

    def within(self, minutes: int, now: datetime) -> Minute:
        """Return the calls of the last minutes."""
        start = _minute(now) - minutes
        return _summed(start, [minute for minute in self.trend if minute.start > start])


def merged(*parts: History) -> History:
    """Return the sum of histories; a number that no process can have counted stays in its bounds."""
    trends: dict[int, list[Minute]] = {}
    for minute in (minute for part in parts for minute in part.trend):
        trends.setdefault(minute.start, []).append(minute)
    return History(
        since=min((part.since for part in parts if part.since is not None), default=None),
        decisions=_sum(part.decisions for part in parts),
        refreshes=_sum(part.refreshes for part in parts),
        handshakes=_sum(part.handshakes for part in parts),
        last_by_reason=_latest(part.last_by_reason for part in parts),
        last_refused=_last(part.last_refused for part in parts),
        last_handshake=_last(part.last_handshake for part in parts),
        trend=tuple(_summed(start, trends[start]) for start in sorted(trends)[-TREND_MINUTES:]),
    )


def without(whole: History, part: History) -> History:
    """Return a history without the numbers of a part of it, which others have added to theirs."""
    seen = {minute.start: minute for minute in part.trend}
    minutes = [
        Minute(one.start, *map(sub, one[1:], seen.get(one.start, Minute(0, 0, 0, 0))[1:])) for one in whole.trend
    ]
    return replace(
        whole,
        decisions=_news(whole.decisions, part.decisions),
        refreshes=_news(whole.refreshes, part.refreshes),
        handshakes=_news(whole.handshakes, part.handshakes),
        trend=tuple(minute for minute in minutes if min(minute[1:]) >= 0 and any(minute[1:])),
    )


class Recorder:
    """The history of one process. It costs calls nothing: somebody looks at the counters from time to time."""

    def __init__(
        self,
        *,
        decisions: Callable[[], DecisionCounts],
        refreshes: Callable[[], Mapping[Refreshed, int]] = dict,
        handshakes: Callable[[], Mapping[Handshake, int]] = dict,
        last_refused: Callable[[], CallRejected | None] = lambda: None,
        last_handshake: Callable[[], Refusal | None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            decisions: returns what the guard has decided since it was made.
            refreshes: returns how often it refreshed.
            handshakes: returns what was refused since it was asked the last time.
            last_refused: returns the last call that the guard refused.
            last_handshake: returns the last handshake that was refused.
        """
        self._decisions, self._refreshes, self._handshakes = decisions, refreshes, handshakes
        self._last_refused, self._last_handshake = last_refused, last_handshake
        self.history = History()
        self._seen_decisions: DecisionCounts = {}
        self._seen_refreshes: Mapping[Refreshed, int] = {}
        self._seen_refused: CallRejected | None = None

    def restart(self) -> None:
        """Begin with an empty history: what was counted until now is somebody else's."""
        self.history = History()
        self._seen_decisions, self._seen_refreshes = self._decisions(), self._refreshes()

    def look(self, now: datetime) -> History:
        """Return the history until now."""
        decisions, refreshes, refused = self._decisions(), self._refreshes(), self._last_refused()
        handshakes = self._handshakes()
        new_decisions = _news(decisions, self._seen_decisions)
        new_refreshes = _news(refreshes, self._seen_refreshes)
        is_new = refused is not None and refused is not self._seen_refused
        self._seen_decisions, self._seen_refreshes, self._seen_refused = decisions, refreshes, refused
        accepted = sum(number for decided, number in new_decisions.items() if decided.reason == ACCEPTED)
        minute = Minute(
            _minute(now),
            accepted,
            sum(new_decisions.values()) - accepted,
            sum(number for (_, has_certificate), number in handshakes.items() if has_certificate),
        )
        by_reason: Counter[str] = Counter()
        for (reason, _), number in handshakes.items():
            by_reason[reason] += number
        self.history = merged(
            self.history,
            History(
                since=now if self.history.since is None else None,
                decisions=new_decisions,
                refreshes=new_refreshes,
                handshakes=by_reason,
                last_by_reason={decided.reason: now for decided in new_decisions},
                last_refused=Refusal.of_call(now, refused) if refused is not None and is_new else None,
                last_handshake=self._last_handshake() if handshakes else None,
                trend=(minute,) if any(minute[1:]) else (),
            ),
        )
        return self.history


def _news(totals: Mapping[Key, int], seen: Mapping[Key, int]) -> dict[Key, int]:
    news = {key: number - seen.get(key, 0) for key, number in totals.items()}
    return {key: number for key, number in news.items() if number > 0}


def _sum(parts: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    sums: Counter[Key] = Counter()
    for part in parts:
        sums.update(part)
    return {key: min(number, LARGEST) for key, number in sums.items() if number}


def _latest(parts: Iterable[Mapping[str, datetime]]) -> dict[str, datetime]:
    latest: dict[str, datetime] = {}
    for part in parts:
        for reason, at in part.items():
            latest[reason] = max(at, latest.get(reason, at))
    return latest


def _last(refusals: Iterable[Refusal | None]) -> Refusal | None:
    return max((one for one in refusals if one is not None), key=lambda one: one.at, default=None)


def _minute(now: datetime) -> int:
    return int(now.timestamp() // 60)


def _summed(start: int, minutes: Iterable[Minute]) -> Minute:
    found = list(minutes)
    return Minute(start, *(min(LARGEST, sum(minute[index] for minute in found)) for index in (1, 2, 3)))
