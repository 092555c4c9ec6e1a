"""The report as a person likes to read it, and as a script does."""

from typing import Any

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.attack.findings import AttackFinding, Report, Row
from mtls_middleware.cli.attack.verdict import AttackResult
from mtls_middleware.cli.page import console_for, heading, line, table, wrapped
from mtls_middleware.display import displayed

MAX_SHOWN = 4
"""Attacks named with a finding; the table has them all."""

INDENT = "   "

NOTE_LIMIT = 1_000
"""Characters of a note, which may name a file."""

NO_HONEST_CALL = (
    "But no honest call was made, and a boundary that lets nobody in refuses everything: give --client-certificate and "
    "--client-key."
)

_STYLES = {
    AttackResult.REFUSED: "green",
    AttackResult.UNCLEAR: "yellow",
    AttackResult.LOCKS_OUT: "bold yellow",
    AttackResult.PASSED: "bold yellow",
    AttackResult.BELIEVED: "bold red",
}


_ASKED = {
    True: "The server asks for a client certificate in the TLS handshake.",
    False: "The server asks for no client certificate in the TLS handshake.",
    None: "Whether the server asks for a client certificate was not seen.",
}


def show(report: Report, url: str, console: Console | None = None) -> None:
    """Print the table, what has to be mended, and the conclusion."""
    console = console_for(console)
    heading(console, f"Attacks on {displayed(url)} with {_sources(report)}")
    line(console)
    wrapped(console, _ASKED[report.asked])
    line(console)
    table(console, ("the forged headers are sent", "answer", "verdict"), map(_cells, report.rows))
    for number, finding in enumerate(report.findings, 1):
        _print_finding(number, finding, console)
    for row in report.unclear:
        line(console)
        wrapped(console, f"unclear: {row.title}: {row.judgement.meaning}", _STYLES[AttackResult.UNCLEAR])
    for note in report.notes:
        line(console)
        wrapped(console, f"note: {displayed(note, NOTE_LIMIT)}")
    line(console)
    wrapped(console, conclusion(report), _style(report))


def conclusion(report: Report) -> str:
    """Return the one-line conclusion."""
    attacks = report.attacks
    believed, passed = _count(report, AttackResult.BELIEVED), _count(report, AttackResult.PASSED)
    found = ""
    if believed or passed:
        found = f"{believed} of {len(attacks)} attacks were believed, {passed} more got past the proxy."
        if not believed:
            found = f"Nothing was believed, but {passed} of {len(attacks)} attacks got past the proxy."
    elif report.findings:
        found = "Nothing was believed, but ordinary callers are refused: see above."
    if report.interrupted:
        return f"Interrupted after {len(attacks)} attacks. {found}".rstrip()
    if report.untold is not None:
        return (
            f"{found} Nothing more can be told: {report.untold}." if found else f"Nothing can be told: {report.untold}."
        )
    if found:
        return found
    if report.unclear:
        return f"Of {len(report.unclear)} of {len(attacks)} attacks nothing can be told. The others were refused."
    refused = f"Each of {len(attacks)} attacks was refused as it must be"
    return f"{refused}, and an honest call was accepted." if report.accepted else f"{refused}. {NO_HONEST_CALL}"


def facts(report: Report, url: str) -> dict[str, Any]:
    """Return the report for a script."""
    return {
        "url": url,
        "sources": list(report.sources),
        "status": report.status,
        "conclusion": conclusion(report),
        "asked_for_certificate": report.asked,
        "honest_call_accepted": report.accepted,
        "requests": [_row_facts(row) for row in report.rows],
        "findings": [
            {
                "weakness": str(finding.weakness),
                "verdict": _word(finding.verdict),
                "sources": [forgery.source.name for forgery in finding.forgeries],
                "title": finding.title,
                "attacks": [row.name for row in finding.rows],
                "cure": list(finding.cure),
            }
            for finding in report.findings
        ],
        "notes": list(report.notes),
    }


def _row_facts(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "forged": row.attack is not None,
        "status": row.heard.status,
        "reason": None if row.heard.reason is None else str(row.heard.reason),
        "failure": None if row.heard.failure is None else displayed(row.heard.words),
        "verdict": _word(row.judgement.verdict) if row.attack is not None else None,
        "meaning": row.judgement.meaning,
    }


def _word(verdict: AttackResult) -> str:
    return verdict.name.lower()


def _sources(report: Report) -> str:
    return f"the headers of {report.sources[0]}" if len(report.sources) == 1 else "the headers of every source"


def _cells(row: Row) -> tuple[Text, ...]:
    verdict = row.judgement.verdict
    compared = row.attack is None and verdict is AttackResult.REFUSED
    return (
        Text(row.title, style="dim" if compared else ""),
        Text(displayed(row.heard.words)),
        Text(_shown_verdict(row), style=_STYLES[verdict]),
    )


def _shown_verdict(row: Row) -> str:
    """Return the verdict as a person understands it beside the answer to a caller who is let in."""
    if row.judgement.verdict is not AttackResult.REFUSED:
        return str(row.judgement.verdict)
    if row.attack is None:
        return "accepted" if row.is_own else ""
    return "no effect" if row.is_own and row.heard.is_let_in else str(AttackResult.REFUSED)


def _print_finding(number: int, finding: AttackFinding, console: Console) -> None:
    heading(console, f"{number}. {finding.title}.", _STYLES[finding.verdict])
    for verdict in (AttackResult.BELIEVED, AttackResult.PASSED, AttackResult.LOCKS_OUT):
        rows = [row for row in finding.rows if row.judgement.verdict is verdict]
        if rows:
            shown = "; ".join(row.title for row in rows[:MAX_SHOWN])
            more = f"; and {len(rows) - MAX_SHOWN} more" if len(rows) > MAX_SHOWN else ""
            wrapped(console, f"{verdict}: {shown}{more}", label=INDENT)
            for meaning in dict.fromkeys(row.judgement.meaning for row in rows):
                wrapped(console, meaning, label=f"{INDENT}- ")
    wrapped(console, "What to do:", label=INDENT)
    for step in finding.cure:
        line(console, f"     {step}", "bold")


def _count(report: Report, verdict: AttackResult) -> int:
    return sum(row.judgement.verdict is verdict for row in report.attacks)


def _style(report: Report) -> str:
    return {0: "bold green", 1: "bold red"}.get(report.status, "bold yellow")
