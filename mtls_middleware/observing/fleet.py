"""All processes of a deployment, by what each has published of itself; nothing is believed without its exact type."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mtls_middleware._io.board import Board, Posted
from mtls_middleware._io.store import believed
from mtls_middleware.observing.history import History, merged
from mtls_middleware.observing.report import read_report
from mtls_middleware.observing.worker import Worker

ALIVE = timedelta(seconds=120)
"""After which a process that published nothing hangs, or cannot; its numbers stay."""

BEGINS = timedelta(seconds=15)
"""After which a process that runs and never published anything cannot."""

MOURNED = timedelta(hours=1)
"""After which a process that ended without saying so is no longer listed."""


class Extent(StrEnum):
    """Whose reports are known."""

    MACHINE = "machine"
    """Those of every process that shares the state."""
    PROCESS = "process"
    """That of this one alone, because nothing is shared."""
    NOTHING = "nothing"
    """None: nothing is shared, and this process judges no calls."""


class Liveness(StrEnum):
    """What is known of a process that published a report."""

    ALIVE = "alive"
    SILENT = "silent"
    """It runs, but has not published for two minutes: it hangs, or cannot write."""
    GONE = "gone"
    """It ended without saying so: it was killed, or crashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedWorker:
    """A process as it reported itself.

    Attributes:
        worker: what it said; None where it has said nothing.
        at: when, UTC; None where it never did.
        liveness: what is known of it now.
    """

    worker: Worker | None
    at: datetime | None
    liveness: Liveness


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All processes that share the state.

    Attributes:
        scope: which ones are known.
        workers: those that run, and those that were killed.
        history: the sum of what all have counted, also those that ended.
        written_at: when one of them last wrote, UTC.
        problems: what could not be read, one sentence each.
    """

    scope: Extent
    workers: tuple[ReportedWorker, ...] = ()
    history: History = field(default_factory=History)
    written_at: datetime | None = None
    problems: tuple[str, ...] = ()

    @property
    def alive(self) -> tuple[Worker, ...]:
        """Return the processes that are known to run, by what they said within the last two minutes."""
        return tuple(one.worker for one in self.workers if one.worker and one.liveness is Liveness.ALIVE)


def read_fleet(board: Board, now: datetime) -> Fleet:
    """Return what all processes have published. What cannot be read is left out, and told."""
    workers: list[ReportedWorker] = []
    histories: list[History] = []
    posted = list(board.reports())
    bad = 0
    for report in posted:
        history, worker = History(), None
        if report.content is not None:
            try:
                history, worker = read_report(report.content)
            except ValueError:
                bad += 1
                continue
        histories.append(history)
        liveness = _liveness(report, worker, now)
        if liveness is not None:
            workers.append(ReportedWorker(worker=worker, at=report.at, liveness=liveness))
    spoiled = f"reports of {bad} {'process' if bad == 1 else 'processes'} are damaged, or of another version"
    return Fleet(
        scope=Extent.MACHINE,
        workers=tuple(workers),
        history=merged(*histories),
        written_at=max((report.at for report in posted if report.at is not None), default=None),
        problems=(*board.problems, *((spoiled,) if bad else ())),
    )


def _liveness(report: Posted, worker: Worker | None, now: datetime) -> Liveness | None:
    """Return what is known of a process; None where there is none, or it is about to say something."""
    signs = (report.at, report.running_since) if worker else (report.running_since,)
    times = [believed(at, now) for at in signs if at is not None]
    is_recent = any(at is not None and now - at <= (ALIVE if worker else BEGINS) for at in times)
    if report.is_running is False or (report.is_running is None and not is_recent):
        is_news = report.at is not None and now - report.at <= MOURNED
        return Liveness.GONE if worker is not None and is_news else None
    if not is_recent:
        return Liveness.SILENT
    return Liveness.ALIVE if worker is not None else None
