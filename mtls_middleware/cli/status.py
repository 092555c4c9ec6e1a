"""The verb ``status``: what the status page says, as text."""

import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtls_middleware.cli.page import console_for
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.guard import Guard
from mtls_middleware.observing.shared_counts import Scope
from mtls_middleware.observing.status import TrustState
from mtls_middleware.settings import Settings
from mtls_middleware.status_page.document import as_json as as_json_text
from mtls_middleware.status_page.steps import Step, Urgency
from mtls_middleware.status_page.texts import moment, number, plural, when
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
    _print(console, f"Trust: {view.life}. {view.headline}", _LIFE_STYLES[view.life])
    in_force = f"trust version {view.trust_version} since {moment(view.built_at)}" if view.trust_version else "no trust"
    _print(console, f"Mode {view.mode}, source {view.source}, {in_force}, mtls-middleware {view.software}.")
    _heading(console, "What to do next")
    for step in view.steps:
        _print_step(console, step)
    if not view.steps:
        _print(console, "Nothing.")
    _heading(console, "Calls")
    for line in _calls(view):
        _print(console, line)
    if view.decisions.by_reason:
        console.print(_reasons(view, console))
    if view.endings:
        _heading(console, "Upcoming expiries")
        console.print(_endings(view, console))


def _calls(view: View) -> Iterator[str]:
    counted = view.decisions
    if counted.scope is Scope.NOTHING:
        yield "Not known here: MTLS_STATE is off, so this process cannot read the counts of the application."
        return
    if counted.since is None:
        yield "No process that shares the state folder has written its counts yet. Running ones do within seconds."
        return
    yield (
        f"{number(counted.accepted)} accepted, {number(counted.refused)} refused, "
        f"{number(counted.would_be_refused)} would have been refused, to protected paths, since "
        f"{moment(counted.since)}; {plural(counted.processes, 'process', 'processes')} counted within the last two "
        f"minutes, the last write was at {moment(counted.written_at)}."
    )


def _reasons(view: View, console: Console) -> Table:
    table = _table(console)
    table.add_column("reason", overflow="fold")
    table.add_column("refused", justify="right")
    table.add_column("would have been refused", justify="right")
    for row in view.decisions.by_reason:
        table.add_row(Text(row.reason), Text(number(row.refused)), Text(number(row.would_be_refused)))
    return table


def _endings(view: View, console: Console) -> Table:
    table = _table(console)
    table.add_column("what", overflow="fold")
    table.add_column("expires")
    table.add_column("at")
    for ending in view.endings:
        style = "bold yellow" if ending.is_soon else ""
        table.add_row(Text(ending.what), Text(when(ending.seconds), style=style), Text(moment(ending.at)))
    return table


def _table(console: Console) -> Table:
    return Table(box=box.ROUNDED if console.is_terminal else box.ASCII2, header_style="")


def _heading(console: Console, text: str) -> None:
    console.print()
    _print(console, text, "bold")


def _print_step(console: Console, step: Step) -> None:
    _print(console, f"- {step.urgency}: {step.matter}", _STEP_STYLES.get(step.urgency, ""))
    if step.cure:
        _print(console, step.cure, indent="  ")


def _print(console: Console, text: str, style: str = "", indent: str = "") -> None:
    following = "  " if text.startswith("- ") else indent
    for line in textwrap.wrap(text, console.width, initial_indent=indent, subsequent_indent=following):
        console.print(Text(line, style=style), soft_wrap=True)
