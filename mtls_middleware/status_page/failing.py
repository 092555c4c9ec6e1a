"""Whether calls fail now, as far as counts tell: strangers look like data actions that are refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware.observing.complaints import OWN_FAULTS
from mtls_middleware.observing.fleet import Fleet
from mtls_middleware.observing.history import History
from mtls_middleware.observing.status import Status

RECENT_MINUTES = 15
"""Calls of the last minutes say whether calls fail now."""

RECENTLY = timedelta(minutes=RECENT_MINUTES)

ENDED_BY_TRUST = (Reason.TRUST_UNAVAILABLE, Reason.ISSUER_UNTRUSTED, Reason.NOT_PINNED)
"""Reasons that a new root or pin ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingCalls:
    """That calls fail.

    Attributes:
        matter: one sentence.
        reason: of the refusals; None where there may be several.
    """

    matter: str
    reason: Reason | None = None


def failures_of(status: Status, fleet: Fleet, now: datetime) -> Iterator[FailingCalls]:
    """Return what fails now; nothing where calls are accepted.

    Args:
        status: of all processes as one.
        fleet: the same, one by one.
        now: aware, UTC.
    """
    history = fleet.history
    own = list(_own_faults(status, history, now))
    were = "would have been" if status.mode == Mode.REPORT else "were"
    for reason in own:
        matter = f"calls {were} refused in the last {RECENT_MINUTES} minutes, whoever called: {reason}"
        yield FailingCalls(matter=matter, reason=reason)
    recent = history.within(RECENT_MINUTES, now)
    failed = recent.refused + recent.handshakes
    if own or not failed:
        return
    if not recent.accepted:
        of_handshakes = f", {recent.handshakes:,} of them in the TLS handshake" if recent.handshakes else ""
        matter = f"no call was accepted in the last {RECENT_MINUTES} minutes, and {failed:,} failed{of_handshakes}"
        yield FailingCalls(matter=matter)
        return
    for since, what in _last_turn(status, fleet):
        if _fails_since(since, history):
            yield FailingCalls(matter=f"no call was accepted, and calls failed, since {what} at {since:%H:%M:%S} UTC")


def _own_faults(status: Status, history: History, now: datetime) -> Iterator[Reason]:
    changed = status.changed_at
    for reason in OWN_FAULTS:
        last = history.last_by_reason.get(str(reason))
        if last is not None and now - last <= RECENTLY:
            is_ended = reason in ENDED_BY_TRUST and changed is not None and last < changed <= now
            if not is_ended:
                yield reason


def _last_turn(status: Status, fleet: Fleet) -> Iterator[tuple[datetime, str]]:
    """Return the moment since which calls that were accepted before say nothing any more, and what happened then.

    Trust changes in one process after the other, and the last one counts: before it, a call may have been accepted
    under the trust of before. What a changed process accepts meanwhile does not count, until the next accepted call.
    """
    moments = [(status.changed_at, "other roots or pins came into force")] if status.changed_at is not None else []
    if fleet.alive:
        moments.append((min(worker.started_at for worker in fleet.alive), "the processes started"))
    yield from sorted(moments)[-1:]


def _fails_since(moment: datetime, history: History) -> bool:
    """Return whether calls failed and none was accepted since: a process counts at the change what came before it."""
    last = max((one.at for one in (history.last_refused, history.last_handshake) if one is not None), default=None)
    accepted = history.last_accepted
    return last is not None and last > moment and (accepted is None or accepted <= moment)
