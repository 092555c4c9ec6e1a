"""The command ``status``: what the status page says, as text."""

import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Column
from rich.text import Text

from mtls_middleware.cli.environment import settings_here, status_here
from mtls_middleware.cli.page import console_for, heading, line, table, wrapped
from mtls_middleware.display import counted, displayed, moment, number, when
from mtls_middleware.guard import Guard
from mtls_middleware.observing.fleet import Extent, Fleet, Liveness
from mtls_middleware.observing.history import Refusal
from mtls_middleware.observing.status import TrustState
from mtls_middleware.status_page.decisions import Decisions
from mtls_middleware.status_page.document import as_json as as_json_text
from mtls_middleware.status_page.headline import missing
from mtls_middleware.status_page.steps import Urgency
from mtls_middleware.status_page.view import Conclusion, View, view_of

_LIFE_STYLES = {TrustState.FRESH: "bold green", TrustState.STALE: "bold yellow"}
_STEP_STYLES = {Urgency.PROBLEM: "bold red", Urgency.SOON: "bold yellow", Urgency.WARNING: "bold yellow"}
_WORST = "bold red"

READY = (
    "ready: no running process refuses good calls for lack of trust; whether the proxy and the callers are right, "
    "mtls-middleware status says"
)
"""Also in report mode, which lets calls through without any trust."""

SHOWN_HOSTS = 8
"""By name; the table has all."""


def run_status(*, as_json: bool) -> int:
    """Print the status, and return the exit status.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    guard = Guard.silent(settings_here())
    view = view_of(status_here(guard), guard.fleet(), datetime.now(UTC))
    if as_json:
        sys.stdout.write(as_json_text(view))
    else:
        show(view)
    return view.verdict.exit_status


def run_ready() -> int:
    """Print one line, and return 0 where no process of this machine lacks trust for good calls. No caller changes that.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    verdict, text = readiness(Guard.silent(settings_here()).fleet())
    line(console_for(), text)
    return verdict.exit_status


def readiness(fleet: Fleet) -> tuple[Conclusion, str]:
    """Return whether no running process of this machine lacks trust for good calls, and a sentence about it."""
    here = displayed(socket.gethostname())
    alive = [worker for worker in fleet.alive if worker.host == here]
    unable = [worker for worker in alive if not worker.is_ready]
    if not alive:
        return Conclusion.UNKNOWN, "not ready: no running process reports here"
    if unable:
        first = unable[0]
        why = f": {missing(first.lacks.values())}" if first.lacks else ""
        return Conclusion.ATTENTION, f"not ready: trust is {first.life} in process {first.pid}{why}"
    return Conclusion.GOOD, READY


def show(view: View, console: Console | None = None) -> None:
    """Print what the page says."""
    console = console_for(console)
    life = f"Trust: {view.life}. " if view.life else ""
    wrapped(console, f"{life}{view.headline}", _LIFE_STYLES.get(view.life, _WORST) if view.life else _WORST)
    wrapped(console, " ".join(_facts(view)))
    heading(console, "What to do next")
    for step in view.steps:
        wrapped(console, f"{step.urgency}: {step.matter}", _STEP_STYLES.get(step.urgency, ""), label="- ")
        if step.cure:
            wrapped(console, step.cure, label="  ")
    if not view.steps:
        line(console, "Nothing.")
    _show_calls(view, console)
    if view.workers:
        heading(console, "Processes")
        rows = (
            (
                one.name or "unknown",
                Text(one.liveness, style="" if one.liveness is Liveness.ALIVE else _WORST),
                str(one.life or "unknown"),
                one.trust or "none",
                moment(one.last_refresh),
                moment(one.reported_at),
            )
            for one in view.workers
        )
        table(console, ("process", "state", "trust", "fingerprint", "last refresh", "last report"), rows)
        for found in view.trusts:
            many = counted(found.processes, "process", "processes")
            wrapped(console, f"{many} on {counted(found.hosts, 'host')}: trust {found.trust or 'none'}")
    if view.endings:
        heading(console, "Upcoming expiries")
        rows_of_endings = (
            (ending.what, Text(when(ending.seconds), style="bold yellow" if ending.is_soon else ""), moment(ending.at))
            for ending in view.endings
        )
        table(console, ("what", "expires", "at"), rows_of_endings)


def _facts(view: View) -> Iterator[str]:
    if view.service:
        more = f" and {len(view.hosts) - SHOWN_HOSTS:,} more hosts" if len(view.hosts) > SHOWN_HOSTS else ""
        processes = counted(view.decisions.processes, "process", "processes")
        yield f"{view.service} on {', '.join(view.hosts[:SHOWN_HOSTS])}{more}: {processes}."
    if view.life is None:
        yield f"Set here: mode {view.mode}, source {view.source}; mtls-middleware {view.software}."
        return
    in_force = f"trust since {moment(view.built_at)}" if view.built_at else "no trust"
    yield f"Mode {view.mode}, source {view.source}, {in_force}, mtls-middleware {view.software}."


def _show_calls(view: View, console: Console) -> None:
    found = view.decisions
    heading(console, "Calls")
    wrapped(console, _calls(found))
    for text in _last_calls(view):
        wrapped(console, text)
    if found.by_region:
        wrapped(console, "Accepted: " + ", ".join(f"{number(row.accepted)} of {row.region}" for row in found.by_region))
    if found.by_reason:
        table(
            console,
            ("reason", Column("refused", justify="right"), Column("would have been refused", justify="right"), "last"),
            (
                (row.reason, number(row.refused), number(row.would_be_refused), moment(row.last_at))
                for row in found.by_reason
            ),
        )
    if found.handshakes:
        rows = ((row.reason, number(row.number)) for row in found.handshakes)
        table(console, ("reason", Column("refused in the TLS handshake", justify="right")), rows)


def _calls(found: Decisions) -> str:
    if found.scope is Extent.NOTHING:
        return "Not known here: MTLS_STATE is off, so this process cannot read the counts of the application."
    if found.since is None:
        return (
            "No process that shares the state has written its counts yet. Running ones do within seconds, where they "
            "can write into it."
        )
    return (
        f"{number(found.accepted)} accepted, {number(found.refused)} refused, "
        f"{number(found.would_be_refused)} would have been refused, to protected paths, since "
        f"{moment(found.since)}; the last report was at {moment(found.written_at)}."
    )


def _last_calls(view: View) -> Iterator[str]:
    found = view.decisions
    if found.last_accepted is not None:
        yield f"Last accepted: {when((found.last_accepted - view.at).total_seconds())}, {moment(found.last_accepted)}."
    if found.last_refused is not None:
        yield f"Last refused: {_refusal(found.last_refused, view.at)}"
    if found.last_handshake is not None:
        yield f"Last refused in the TLS handshake: {_refusal(found.last_handshake, view.at)}"


def _refusal(one: Refusal, now: datetime) -> str:
    subject = f', subject="{one.subject}", issuer="{one.issuer}"' if one.subject or one.issuer else ""
    fingerprint = f", fingerprint={one.fingerprint}" if one.fingerprint else ""
    ago = when((one.at - now).total_seconds())
    return f"{ago}, {moment(one.at)}: {one.reason}, {one.detail}; peer {one.peer}{subject}{fingerprint}"
