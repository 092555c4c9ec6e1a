"""Events as lines of the standard library's logging: one line for each refusal, limited in a flood.

Certificates and secrets go nowhere. What is held back is counted, and the count is logged.
"""

import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from math import inf
from pathlib import PurePath
from threading import Lock
from typing import TextIO, assert_never

from mtls_middleware._core.decision import Disposition, Reason
from mtls_middleware.display import LIMIT, displayed
from mtls_middleware.observing.events import (
    CallAccepted,
    CallRejected,
    Event,
    EventName,
    Hook,
    Notice,
    RefreshFailed,
    Severity,
    TrustReplaced,
)

EXTRA = "mtls_"
"""Begins the name of each attribute that a log record of a refusal has beside its text."""

LOOK_SECONDS = 1.0
"""Between two looks, on the way of a refusal, whether it is time to tell what was held back."""

_QUOTED = frozenset({"detail", "subject", "names", "issuer", "peer", "forwarded_for", "path"})
_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}

BURST = 20
"""Lines at once."""

PER_SECOND = 1.0
"""Lines after a burst."""

SUMMARY_SECONDS = 10.0
"""Between two lines that tell how many were held back."""

LOGGER = logging.getLogger("mtls_middleware")
"""The parent of every logger of the package; docs/logging.md has all of them."""


def log(event: Event) -> None:
    """Write one event to the logger ``mtls_middleware``."""
    match event:
        case CallAccepted():
            pass
        case CallRejected():
            _log_rejection(event)
        case TrustReplaced():
            for warning in event.warnings:
                LOGGER.warning("%s", displayed(warning, 1024), extra=named(EventName.TRUST_WARNING))
            facts = {"version": event.version, "anchors": event.anchors, "pins": event.pins, "crls": event.lists}
            args = (event.version, event.anchors, event.pins, event.lists)
            LOGGER.info(
                "trust version %d is in force: anchors=%d pins=%d crls=%d",
                *args,
                extra=named(EventName.TRUST_REPLACED, **facts),
            )
        case RefreshFailed():
            for problem in event.problems:
                shown = displayed(problem, 1024)
                extra = named(EventName.TRUST_REFRESH, problem=shown)
                LOGGER.error("trust was not refreshed, the last good one stays: %s", shown, extra=extra)
        case Notice():
            LOGGER.log(_LEVELS[event.severity], "%s", event.text, extra=named(event.event))
        case _:
            assert_never(event)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The number of lines that were not written, at least one, and in how many seconds."""

    number: int
    seconds: float


class Limiter:
    """A limit on log lines; the others are counted. No thread ever waits for another, and nothing is counted twice."""

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
        self._reported = 0

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

    def held_back(self, now: float, *, flush: bool = False) -> HeldBack | None:
        """Return what was held back since it was told the last time, where it is time to tell, or None.

        Args:
            now: seconds, never going back.
            flush: do not wait until it is time.
        """
        if not self._since or not self._telling.acquire(blocking=False):  # nothing, or another thread tells it
            return None
        try:
            since = self._since[0] if self._since else now  # only who holds this lock takes it away
            if now - since < self._summary_seconds and not flush:
                return None
            self._since.clear()
            total = next(self._held_back) - self._looks
            self._looks += 1  # looking at a count raises it
            number, self._reported = total - self._reported, total
        finally:
            self._telling.release()
        return HeldBack(number, now - since) if number else None


class LimitedLog(Hook):
    """A hook that logs events as `log` does, but of a flood of refusals only some, and how many more there were.

    Each reason has its own limit, so that a flood of one hides no other. What is not a refusal is always written.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Write nothing yet.

        Args:
            clock: returns seconds, never going back.
        """
        self._clock = clock
        self._limiters: dict[tuple[Reason, Disposition], Limiter] = {}
        self._look_at = clock() + LOOK_SECONDS

    @property
    def enabled(self) -> bool:
        """Return False: accepted calls are not logged."""
        return False

    def __call__(self, event: Event, /) -> None:
        """Write one event, or count it."""
        if not isinstance(event, CallRejected):
            log(event)
            return
        now = self._clock()
        if self._limiter(event).admits(now):
            log(event)
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self.summarize()

    def summarize(self, *, flush: bool = False) -> None:
        """Log how many refusals were not written, if it is time to; called from time to time.

        Args:
            flush: do not wait until it is time; nobody will call again.
        """
        now = self._clock()
        for (reason, disposition), limiter in tuple(self._limiters.items()):
            held_back = limiter.held_back(now, flush=flush)
            if held_back is not None:
                _log_summary(reason, disposition, held_back)

    def after_fork(self) -> None:
        """Leave to the parent what it held back."""
        self._limiters = {}

    def _limiter(self, event: CallRejected) -> Limiter:
        key = (event.rejected.reason, event.rejected.disposition)
        return self._limiters.get(key) or self._limiters.setdefault(key, Limiter())


def _log_rejection(event: CallRejected) -> None:
    rejected, forwarded_for = event.rejected, event.forwarded_for()
    facts = {"reason": str(rejected.reason), "detail": displayed(rejected.detail)}
    if rejected.evidence is not None:
        facts |= {
            "fingerprint": rejected.evidence.fingerprint_sha256,
            "subject": displayed(rejected.evidence.subject),
            "issuer": displayed(rejected.evidence.issuer),
        }
    facts |= {
        "source": event.source,
        "peer": displayed(event.peer),
        **({"forwarded_for": displayed(forwarded_for)} if forwarded_for else {}),
        "path": displayed(event.path),
        "correlation_id": event.correlation_id or "-",
    }
    if rejected.error is not None:
        facts["raised_at"] = _raised_at(rejected.error)
    extra: dict[str, str | int] = {**facts, "disposition": str(rejected.disposition)}
    if event.correlation_id is None:
        del extra["correlation_id"]
    LOGGER.warning(
        "%s %s",
        "would refuse" if rejected.disposition is Disposition.REPORTED else "refused",
        facts_text(facts),
        extra=named(EventName.CALL_REFUSED, **extra),
    )


def _log_summary(reason: Reason, disposition: Disposition, held_back: HeldBack) -> None:
    seconds = max(1, round(held_back.seconds))
    noun = "would-be refusal" if disposition is Disposition.REPORTED else "refusal"
    LOGGER.warning(
        "%s: %s more %s not logged in the last %d s",
        reason,
        f"{held_back.number:,}",
        noun if held_back.number == 1 else f"{noun}s",
        seconds,
        extra=named(
            EventName.CALLS_NOT_LOGGED,
            reason=str(reason),
            disposition=str(disposition),
            not_logged=held_back.number,
            seconds=seconds,
        ),
    )


class FallbackHandler(logging.StreamHandler[TextIO]):
    """A handler that writes only as long as nobody else has one for our lines, so that none comes twice."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if it would not be written otherwise."""
        handlers = (handler for logger in (LOGGER, logging.root) for handler in logger.handlers)
        if all(handler is self for handler in handlers):
            super().emit(record)


def facts_text(facts: Mapping[str, str | int]) -> str:
    """Return facts as a line shows them."""
    return " ".join(f"{name}={_quoted(str(value)) if name in _QUOTED else value}" for name, value in facts.items())


def named(event: EventName, **facts: str | int) -> dict[str, str | int]:
    """Return the attributes of a log record: the name of its event, and facts."""
    return {f"{EXTRA}event": str(event), **{f"{EXTRA}{name}": value for name, value in facts.items()}}


def _raised_at(error: BaseException) -> str:
    """Return where an unforeseen error came from; a traceback would repeat its message, with a caller's line breaks."""
    frames = traceback.extract_tb(error.__traceback__)
    return ">".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames) or "-"


def _quoted(shown: str) -> str:
    shown = shown.replace('"', '\\"')
    return f'"{shown}"' if len(shown) <= LIMIT else f'"{shown[: LIMIT - 1]}…"'
