"""The running processes: how many report, whether they trust the same, and what is wrong with each."""

from collections.abc import Iterator
from datetime import datetime

from mtls_middleware.cli.doctor.finding import About, Check, Finding, Topic
from mtls_middleware.display import DOCS, counted, displayed
from mtls_middleware.observing.fleet import Extent, Fleet
from mtls_middleware.observing.status import Status
from mtls_middleware.status_page.failing import failures_of
from mtls_middleware.status_page.workers import combined, lost, trusts_in_force

_ABOUT = About(Topic.PROCESSES)

_TEXT_LIMIT = 1_000
"""Characters of a sentence that a process reported."""


def check_processes(status: Status, fleet: Fleet, now: datetime) -> Iterator[Finding]:
    """Check what the running processes report.

    Args:
        status: of a guard with the same settings, which judges no calls.
        fleet: all processes.
        now: aware, UTC.
    """
    if fleet.scope is Extent.NOTHING:
        seen = "MTLS_STATE is off, or this is Windows: no process can be seen from here"
        yield _ABOUT.not_checked(Check.PROCESSES_ALIVE, seen)
    elif not fleet.alive and fleet.problems:
        yield _ABOUT.not_checked(Check.PROCESSES_ALIVE, "no process that runs can be seen: see the next line")
    elif not fleet.alive:
        yield _ABOUT.ok(Check.PROCESSES_ALIVE, "no running process reports here: the application is not started yet")
    else:
        trusts = trusts_in_force(fleet.alive)
        shown = "; ".join(
            f"{counted(one.processes, 'process', 'processes')} on {counted(one.hosts, 'host')}: "
            + (f"trust {displayed(one.trust)}" if one.trust else "no trust")
            for one in trusts
        )
        yield _ABOUT.ok(Check.PROCESSES_ALIVE, shown)
    for text in lost(fleet):
        yield _warning(Check.PROCESSES_ALIVE, text, "see why in its log, and in that of the server that started it")
    for text in fleet.problems:
        yield _warning(Check.PROCESSES_ALIVE, text, "let the application's user write there, and restart old releases")
    found = combined(status, fleet, now)
    for failure in failures_of(found.status, fleet, now) if found.is_known else ():
        last = fleet.history.last_refused
        shown = f"{failure.matter}; the last refusal: {last.reason}" if last and not failure.reason else failure.matter
        yield _warning(Check.PROCESSES_CALLS, shown, "run mtls-middleware status: it says more, and what to do")
    for text in found.status.problems if found.is_known else ():
        yield _warning(Check.PROCESSES_PROBLEM, found.matter(text), f"look the sentence up in {DOCS}operations/")
    for text in found.differences:
        yield _warning(
            Check.PROCESSES_SAME, text, "restart the processes that differ, with the same settings and files"
        )


def _warning(check: Check, seen: str, fix: str) -> Finding:
    return _ABOUT.warning(check, displayed(seen, _TEXT_LIMIT), fix)
