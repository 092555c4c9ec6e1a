"""What the state of trust means, and what to do next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mtls_middleware._core.decision import Reason
from mtls_middleware._core.gate import Mode
from mtls_middleware._trust.crl.views import fix_of
from mtls_middleware.advice import HANDSHAKE_FIX, advice_for
from mtls_middleware.display import counted, headed, sentence
from mtls_middleware.observing.fleet import Extent, Fleet
from mtls_middleware.observing.history import History, Refusal
from mtls_middleware.observing.status import Status, TrustState
from mtls_middleware.renewals import root_perhaps_renewed
from mtls_middleware.status_page.decisions import Decisions, Refusals
from mtls_middleware.status_page.failing import ENDED_BY_TRUST, failures_of
from mtls_middleware.status_page.headline import cure_of, headline, lacking
from mtls_middleware.status_page.workers import Combined, lost

SOON_DAYS = 90
"""A root is renewed by hand, with a change request."""

STILL = timedelta(days=1)
"""After which refusals of those reasons ask for nothing: what still fails has failed again."""


class Urgency(StrEnum):
    """The kind of a step, the most urgent first."""

    PROBLEM = "problem"
    SOON = "ends soon"
    WARNING = "warning"
    REFUSALS = "refusals"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A problem, and what to do about it.

    Attributes:
        urgency: of what kind.
        matter: one sentence.
        cure: what to do; empty where the matter says it.
    """

    urgency: Urgency
    matter: str
    cure: str

    @property
    def is_urgent(self) -> bool:
        """Return whether trust is in danger; refusals and notes may be as they should."""
        return self.urgency in {Urgency.PROBLEM, Urgency.SOON, Urgency.WARNING}


FILE = "Fix the named file. A change is noticed within seconds, without a restart."
API = "Check the OAuth client's id, secret and permission, and that this machine can reach the API. Known pins stay."
ENGINE = (
    "Callers are judged as before. mtls-middleware doctor shows whether connecting, login, rights or writing fails."
)
STATE = "Give MTLS_STATE a folder with free space into which the application's user may write."
UNLOADED = "See the messages of the start in the log: they say what is loaded, and what could not be."
LEFT_OUT = "Fix or replace what is named. What was left out does not count; all other trust is in force."
NOBODY_RUNS = (
    "Start the application, or run this command on its machine, as its user, with its environment: MTLS_STATE, regions "
    "and authorities lead to the folder in which its processes report."
)
UNREAD = "First fix what is wrong with the state, below: the application may run, and only its reports be missing here."
NOTHING_SHARED = "Set MTLS_STATE for the application and for this command, or mount the status page in the application."
LOST = "See the log of the application and of its server. A process that was replaced is no longer listed."
DIFFERENCE = (
    "Let all processes read the same files and settings, and restart those that do not. During a rolling restart this "
    "is as it should be."
)
FAILING = (
    "Find the last refusal and its reason below. If data actions are among these callers, that is the fault; if they "
    "are strangers only, wait for the next data action, or send a call: mtls-middleware call."
)


def steps_of(found: Combined, fleet: Fleet, decisions: Decisions, now: datetime) -> tuple[NextStep, ...]:
    """Return what to do, the most urgent first.

    Args:
        found: all processes as one.
        fleet: the same, one by one.
        decisions: of all processes.
        now: aware, UTC.
    """
    return (
        *_nobody(found, fleet),
        *_problems(found, now),
        *(NextStep(urgency=Urgency.PROBLEM, matter=text, cure=LOST) for text in lost(fleet)),
        *_failing(found.status, fleet, now),
        *_soon(found.status),
        *_warnings(found),
        *(NextStep(urgency=Urgency.WARNING, matter=text, cure=DIFFERENCE) for text in found.differences),
        *_unread(fleet, found.status),
        *_mode(found.status, decisions),
        *_renewed(found.status, fleet.history),
        *(_refusals(row, found.status) for row in decisions.by_reason if not _is_over(row, found.status, now)),
        *_handshakes(decisions),
    )


def _nobody(found: Combined, fleet: Fleet) -> Iterator[NextStep]:
    if found.is_known:
        return
    if fleet.scope is Extent.NOTHING:
        matter = "it is not known how calls are judged: MTLS_STATE is off, so processes share nothing"
        yield NextStep(urgency=Urgency.PROBLEM, matter=matter, cure=NOTHING_SHARED)
    else:
        cure = UNREAD if fleet.problems else NOBODY_RUNS
        yield NextStep(urgency=Urgency.PROBLEM, matter="no running process reports here", cure=cure)


def _failing(status: Status, fleet: Fleet, now: datetime) -> Iterator[NextStep]:
    for failure in failures_of(status, fleet, now):
        cure = FAILING if failure.reason is None else _fix(failure.reason, status)
        yield NextStep(urgency=Urgency.PROBLEM, matter=failure.matter, cure=cure)


def _renewed(status: Status, history: History) -> Iterator[NextStep]:
    """Tell of a refused caller with the name of a region of ours, unless a call was accepted after it."""
    names = {name.lower(): region.name for region in status.regions for name in region.names}
    found: list[Refusal] = [one for one in (history.last_refused, history.last_handshake) if one is not None]
    regions = {
        names[name.lower()]
        for one in found
        if one.reason == Reason.ISSUER_UNTRUSTED and (history.last_accepted or one.at) <= one.at
        for name in one.names
        if name.lower() in names
    }
    for region in sorted(regions):
        yield NextStep(urgency=Urgency.REFUSALS, matter=root_perhaps_renewed(region), cure="")


def _unread(fleet: Fleet, status: Status) -> Iterator[NextStep]:
    shown = {_about(warning) for warning in status.warnings}
    for text in fleet.problems:
        if text.startswith("state in "):
            if _about(text) not in shown:  # the words behind it may differ, or be cut
                yield NextStep(urgency=Urgency.WARNING, matter=sentence(text), cure=_state_cure(text))
        else:
            yield NextStep(urgency=Urgency.NOTE, matter=sentence(text), cure="Trust is not affected.")


def _about(text: str) -> str:
    return text.partition(": ")[0]


def _state_cure(text: str) -> str:
    """Return what to do about a folder or an engine; what an engine complains of has its own fix in the sentence."""
    return ENGINE if "://" in _about(text) else STATE


def _handshakes(decisions: Decisions) -> Iterator[NextStep]:
    for row in decisions.handshakes:
        matter = f"{counted(row.number, 'TLS handshake', 'TLS handshakes')} refused: {row.reason}"
        yield NextStep(urgency=Urgency.REFUSALS, matter=matter, cure=HANDSHAKE_FIX)


def _problems(found: Combined, now: datetime) -> Iterator[NextStep]:
    status = found.status
    of_apis = {api.error for api in status.apis if api.error}
    of_crls = {one.error: fix_of(one.origin, one.error) for one in status.lists if one.error}
    for problem in status.problems:
        if problem in of_apis:
            cure = API
        else:
            fixes = (f"{headed(fix)}." for error, fix in of_crls.items() if error in problem)
            cure = next(fixes, FILE)
        yield NextStep(urgency=Urgency.PROBLEM, matter=sentence(found.matter(problem)), cure=cure)
    for label, lack in found.lacks.items():
        matter = found.matter(lacking(label, lack, status, now), label)
        yield NextStep(urgency=Urgency.PROBLEM, matter=sentence(matter), cure=cure_of(lack, status))
    if status.life in {TrustState.MISSING, TrustState.EXPIRED} and not status.problems and not found.lacks:
        yield NextStep(urgency=Urgency.PROBLEM, matter=headline(found), cure=UNLOADED)


def _soon(status: Status) -> Iterator[NextStep]:
    for ending in status.coming:
        if ending.days <= SOON_DAYS:
            yield NextStep(urgency=Urgency.SOON, matter=sentence(ending.text), cure="")


def _warnings(found: Combined) -> Iterator[NextStep]:
    for warning in found.status.warnings:
        cure = LEFT_OUT
        if warning.startswith("state in "):
            cure = _state_cure(warning)
        elif warning.startswith("the certificates API of ") or " and it vouches for " in warning:
            cure = ""  # it says what to do
        yield NextStep(urgency=Urgency.WARNING, matter=sentence(found.matter(warning)), cure=cure)


def _mode(status: Status, decisions: Decisions) -> Iterator[NextStep]:
    if (
        Mode.REPORT not in status.mode or status.life is TrustState.MISSING
    ):  # until everything is loaded, calls are refused
        return
    if decisions.scope is Extent.NOTHING:
        cure = "See the metrics or the log of the application: this process does not know what would have been refused."
    elif decisions.would_be_refused:
        cure = "Go through the reasons below. When only strangers are left, set MTLS_MODE=enforce and restart."
    elif decisions.accepted:
        cure = "No call would have been refused so far: MTLS_MODE=enforce would change nothing for these callers."
    else:
        cure = "Wait until your data actions have called: no call was judged yet."
    yield NextStep(urgency=Urgency.NOTE, matter="report mode refuses no calls", cure=cure)


def _is_over(row: Refusals, status: Status, now: datetime) -> bool:
    """Return whether refusals that other trust ends have not come again since there is other trust, or for a day."""
    if row.reason not in ENDED_BY_TRUST or row.last_at is None:
        return False
    is_answered = status.changed_at is not None and row.last_at < status.changed_at <= now
    return is_answered or now - row.last_at > STILL


def _fix(reason: Reason, status: Status) -> str:
    return advice_for(reason, status.authorities, has_client=bool(status.apis)).fix


def _refusals(row: Refusals, status: Status) -> NextStep:
    parts = []
    if row.refused:
        parts.append(f"{counted(row.refused, 'call', 'calls')} refused")
    if row.would_be_refused:
        parts.append(f"{counted(row.would_be_refused, 'call', 'calls')} would have been refused")
    return NextStep(urgency=Urgency.REFUSALS, matter=f"{row.reason}: {', '.join(parts)}", cure=_fix(row.reason, status))
