"""The findings as a person likes to read them, and as a script does."""

import textwrap
from itertools import groupby
from operator import attrgetter
from typing import Any

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.console import console_for
from mtls_middleware.cli.doctor.own.examination import status_of
from mtls_middleware.cli.doctor.own.finding import Finding, Severity, Topic

_LABEL = 13

_STYLES = {
    Severity.OK: "green",
    Severity.WARNING: "bold yellow",
    Severity.ERROR: "bold red",
    Severity.NOT_CHECKED: "cyan",
}
_SIGNS = {
    Severity.OK: "ok",
    Severity.WARNING: "warning",
    Severity.ERROR: "ERROR",
    Severity.NOT_CHECKED: "not checked",
}


def show(findings: tuple[Finding, ...], console: Console | None = None) -> None:
    """Print all findings by topic, what to do for each, and the conclusion."""
    console = console_for(console)
    for topics, found in _sections(findings):
        console.print(Text(f"\n{', '.join(topics)}", style="bold"))
        for finding in found:
            _print(finding, console)
    console.print()
    worst = max(findings, key=lambda finding: finding.severity.gravity).severity
    style = "bold green" if worst in {Severity.OK, Severity.NOT_CHECKED} else _STYLES[worst]
    for line in _wrapped(conclusion(findings), console.width):
        console.print(Text(line, style=style), soft_wrap=True)


def conclusion(findings: tuple[Finding, ...]) -> str:
    """Return the last line: the one that is read at night."""
    errors, warnings, unchecked = (
        sum(finding.severity is severity for finding in findings)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOT_CHECKED)
    )
    found = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}, {unchecked} not checked."
    if errors:
        return f"{found} Mend the errors first: callers are refused, or will be."
    if warnings:
        return f"{found} The application can start; read the warnings."
    return f"{found} Nothing has to be done."


def facts(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Return the findings for a script."""
    return {
        "status": status_of(findings),
        "conclusion": conclusion(findings),
        "findings": [
            {
                "topic": str(finding.topic),
                "check": str(finding.check),
                "severity": str(finding.severity),
                "seen": finding.seen,
                "cure": finding.cure,
            }
            for finding in findings
        ],
    }


def _sections(findings: tuple[Finding, ...]) -> list[tuple[list[Topic], list[Finding]]]:
    """Return the findings by topic; topics of which nothing but the same can be told share a section."""
    sections: list[tuple[list[Topic], list[Finding]]] = []
    for topic, group in groupby(findings, key=attrgetter("topic")):
        found = list(group)
        if sections and len(found) == 1 and _is_silence(found[0]) and _says(sections[-1][1]) == _says(found):
            sections[-1][0].append(topic)
        else:
            sections.append(([topic], found))
    return sections


def _is_silence(finding: Finding) -> bool:
    return finding.severity is Severity.NOT_CHECKED


def _says(found: list[Finding]) -> list[tuple[Severity, str]]:
    return [(finding.severity, finding.seen) for finding in found]


def _print(finding: Finding, console: Console) -> None:
    width = max(console.width - _LABEL - 2, 20)
    label = f"  {_SIGNS[finding.severity]:<{_LABEL - 1}}"
    for line in _wrapped(finding.seen, width) or [""]:
        console.print(Text(label, style=_STYLES[finding.severity]) + Text(f" {line}"), soft_wrap=True)
        label = " " * (_LABEL + 1)
    if finding.cure:
        for place, line in enumerate(_wrapped(finding.cure, width - 2)):
            start = "→ " if not place else "  "
            console.print(Text(f"{label} {start}{line}", style="bold"), soft_wrap=True)


def _wrapped(text: str, width: int) -> list[str]:
    """Break between words only: paths, addresses and commands will be copied."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
