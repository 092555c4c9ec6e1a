"""The command ``demo``, and its outcomes as a person likes to read them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column
from rich.text import Text

from mtls_middleware.cli.demo.calls import CallResult, EndedAt, Way, make_calls
from mtls_middleware.cli.demo.stage import listening, staged
from mtls_middleware.cli.page import console_for, heading, line, print_json, table
from mtls_middleware.display import displayed

TABLE_WIDTH = 110
"""Columns of a table with its frame."""

_TABLES = {
    "Over TLS, which the server ends itself": (Way.TLS,),
    "Over plain HTTP, behind a proxy that hands the certificate over in a header": (Way.HOP, Way.PAST_HOP),
}

_COLUMNS = {"the caller presents": 32, "ends at": 13, "answer": 6, "reason": 38, "": 5}

_COLOURS = {
    EndedAt.HANDSHAKE: "yellow",
    EndedAt.GATE: "yellow",
    EndedAt.HANDLER: "green",
    EndedAt.OPEN: "cyan",
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
        print_json([_facts(outcome) for outcome in outcomes])
    else:
        show(outcomes)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def _facts(outcome: CallResult) -> dict[str, object]:
    return {
        "call": outcome.call.title,
        "way": str(outcome.call.way),
        "ended_at": str(outcome.ended_at),
        "status": outcome.status,
        "reason": outcome.reason,
        "as_it_must": outcome.is_right,
    }


def show(outcomes: Sequence[CallResult], console: Console | None = None) -> None:
    """Print the tables and the verdict."""
    console = console_for(console)
    heading(console, "Data action calls and their results")
    for title, ways in _TABLES.items():
        line(console)
        rows = [_cells(outcome) for outcome in outcomes if outcome.call.way in ways]
        table(console, _columns(console), rows, title=title)
    right = sum(outcome.is_right for outcome in outcomes)
    style = "bold green" if right == len(outcomes) else "bold red"
    heading(console, f"{right} of {len(outcomes)} calls ended exactly as they must.", style)
    for outcome in outcomes:
        if not outcome.is_right:
            wanted = f"{outcome.call.must} {outcome.call.reason}".strip()
            line(console, f"  {outcome.call.title}, {outcome.call.way}: must end at {wanted}")
    console.print(Text(_ENDING))


def _columns(console: Console) -> list[Column]:
    """Return the same columns for both tables, as wide as the longest cell where the terminal is."""
    is_wide = console.width >= TABLE_WIDTH
    return [Column(header, min_width=width if is_wide else None, overflow="fold") for header, width in _COLUMNS.items()]


def _cells(outcome: CallResult) -> tuple[str | Text, ...]:
    return (
        outcome.call.title,
        Text(outcome.ended_at, style=_COLOURS[outcome.ended_at]),
        "closed" if outcome.status is None else str(outcome.status),
        displayed(outcome.reason),
        Text("ok", style="green") if outcome.is_right else Text("WRONG", style="bold red"),
    )
