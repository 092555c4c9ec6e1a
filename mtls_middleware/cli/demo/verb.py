"""The command ``demo``, and its outcomes as a person likes to read them."""

import json
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtls_middleware.cli.demo.calls import Outcome, Place, Way, make_calls
from mtls_middleware.cli.demo.stage import listening, staged
from mtls_middleware.cli.page import console_for
from mtls_middleware.display import displayed

TABLE_WIDTH = 107
"""Columns of a table with its frame."""

_TABLES = {
    "Over TLS, which the server ends itself": (Way.TLS,),
    "Over plain HTTP, behind a proxy that hands the certificate over in a header": (Way.HOP, Way.PAST_HOP),
}

_COLOURS = {
    Place.HANDSHAKE: "yellow",
    Place.GATE: "yellow",
    Place.HANDLER: "green",
    Place.OPEN: "cyan",
}


_ENDING = (
    "\nThe regional CA, the certificates and both servers were made for this, on loopback, and are gone. The proxy\n"
    "hop is a stand-in: it vouches for every certificate, so that the refusals are the gate's own.\n\n"
    "Protect your own app: app.add_middleware(MTLSMiddleware), with MTLS_REGIONS and MTLS_TRUST set; see README.md."
)


def run_demo(*, as_json: bool) -> int:
    """Play the demo, print what happened, and return the exit status."""
    with listening() as refusals, staged() as stage:
        outcomes = tuple(make_calls(stage, refusals))
    if as_json:
        sys.stdout.write(json.dumps([_facts(outcome) for outcome in outcomes], indent=2) + "\n")
    else:
        show(outcomes)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "call": outcome.call.title,
        "way": str(outcome.call.way),
        "ended_at": str(outcome.place),
        "status": outcome.status,
        "reason": outcome.reason,
        "as_it_must": outcome.is_right,
    }


def show(outcomes: Sequence[Outcome], console: Console | None = None) -> None:
    """Print the tables and the verdict."""
    console = console_for(console)
    console.print(Text("\nData action calls and their results", style="bold"))
    for title, ways in _TABLES.items():
        console.print()
        console.print(_table(title, [outcome for outcome in outcomes if outcome.call.way in ways], console))
    right = sum(outcome.is_right for outcome in outcomes)
    style = "bold green" if right == len(outcomes) else "bold red"
    console.print(Text(f"\n{right} of {len(outcomes)} calls ended exactly as they must.", style=style))
    for outcome in outcomes:
        if not outcome.is_right:
            wanted = f"{outcome.call.must} {outcome.call.reason}".strip()
            console.print(Text(f"  {outcome.call.title}, {outcome.call.way}: must end at {wanted}"))
    console.print(Text(_ENDING))


def _table(title: str, outcomes: Sequence[Outcome], console: Console) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.ROUNDED if console.is_terminal else box.ASCII2,
        min_width=min(console.width, TABLE_WIDTH),
    )
    for heading, width in (("the caller presents", 32), ("ends at", 13), ("answer", 6), ("reason", 35), ("", 5)):
        table.add_column(heading, min_width=width if console.width >= TABLE_WIDTH else None, overflow="fold")
    for outcome in outcomes:
        table.add_row(*_cells(outcome))
    return table


def _cells(outcome: Outcome) -> tuple[Text, ...]:
    return (
        Text(outcome.call.title),
        Text(outcome.place, style=_COLOURS[outcome.place]),
        Text("closed" if outcome.status is None else str(outcome.status)),
        Text(displayed(outcome.reason)),
        Text("ok", style="green") if outcome.is_right else Text("WRONG", style="bold red"),
    )
