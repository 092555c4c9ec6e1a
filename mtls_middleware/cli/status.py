"""The command ``status``: what the status page says, as text."""

import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Column
from rich.text import Text

from mtls_middleware.cli.page import console_for, heading, line, table, wrapped
from mtls_middleware.display import counted, moment, number, when
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.observing.shared_counts import Extent
from mtls_middleware.observing.status import TrustState
from mtls_middleware.settings import Settings
from mtls_middleware.status_page.document import as_json as as_json_text
from mtls_middleware.status_page.steps import Urgency
from mtls_middleware.status_page.view import View, view_of

NOT_FRESH = 1
"""Exit status where trust is missing, stale or expired."""

_LIFE_STYLES = {
    TrustState.FRESH: "bold green",
    TrustState.STALE: "bold yellow",
    TrustState.EXPIRED: "bold red",
    TrustState.MISSING: "bold red",
}
_STEP_STYLES = {Urgency.PROBLEM: "bold red", Urgency.SOON: "bold yellow", Urgency.WARNING: "bold yellow"}


def run_status(*, as_json: bool) -> int:
    """Print the status, and return the exit status.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    guard = Guard.silent(Settings.from_env())
    try:
        guard.load()
    except ConfigurationError:
        guard.refresh()  # it fails in the same way, asks nobody, and keeps why
    view = view_of(guard.status(), guard.counts(), datetime.now(UTC))
    if as_json:
        sys.stdout.write(as_json_text(view))
    else:
        show(view)
    return 0 if view.life is TrustState.FRESH else NOT_FRESH


def show(view: View, console: Console | None = None) -> None:
    """Print what the page says."""
    console = console_for(console)
    wrapped(console, f"Trust: {view.life}. {view.headline}", _LIFE_STYLES[view.life])
    in_force = f"trust version {view.trust_version} since {moment(view.built_at)}" if view.trust_version else "no trust"
    wrapped(console, f"Mode {view.mode}, source {view.source}, {in_force}, mtls-middleware {view.software}.")
    heading(console, "What to do next")
    for step in view.steps:
        wrapped(console, f"{step.urgency}: {step.matter}", _STEP_STYLES.get(step.urgency, ""), label="- ")
        if step.cure:
            wrapped(console, step.cure, label="  ")
    if not view.steps:
        line(console, "Nothing.")
    heading(console, "Calls")
    wrapped(console, _calls(view))
    if view.decisions.by_reason:
        table(
            console,
            ("reason", Column("refused", justify="right"), Column("would have been refused", justify="right")),
            ((row.reason, number(row.refused), number(row.would_be_refused)) for row in view.decisions.by_reason),
        )
    if view.endings:
        heading(console, "Upcoming expiries")
        rows = (
            (ending.what, Text(when(ending.seconds), style="bold yellow" if ending.is_soon else ""), moment(ending.at))
            for ending in view.endings
        )
        table(console, ("what", "expires", "at"), rows)


def _calls(view: View) -> str:
    found = view.decisions
    if found.scope is Extent.NOTHING:
        return "Not known here: MTLS_STATE is off, so this process cannot read the counts of the application."
    if found.since is None:
        return "No process that shares the state folder has written its counts yet. Running ones do within seconds."
    return (
        f"{number(found.accepted)} accepted, {number(found.refused)} refused, "
        f"{number(found.would_be_refused)} would have been refused, to protected paths, since "
        f"{moment(found.since)}; {counted(found.processes, 'process', 'processes')} counted within the last two "
        f"minutes, the last write was at {moment(found.written_at)}."
    )
