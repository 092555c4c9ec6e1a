"""What was found, how bad it is and what to do about it, for a person and for a script."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Any

from rich.console import Console
from rich.text import Text

from mtls_middleware.cli.page import console_for, heading, line, wrapped
from mtls_middleware.display import counted

_LABEL = 13


class Grade(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not checked"

    @property
    def gravity(self) -> int:
        """Return a number that grows with what has to be done."""
        return (Grade.OK, Grade.NOT_CHECKED, Grade.WARNING, Grade.ERROR).index(self)


class Topic(StrEnum):
    """A topic of the examination, in the order of the output."""

    SETTINGS = "settings"
    FILES = "files"
    REGIONS = "regions"
    ROOTS = "roots"
    CLOCK = "clock"
    REVOCATION = "revocation"
    API = "certificates API"
    STATE = "state"
    PROCESSES = "processes"
    SERVERS = "servers"
    PROXY = "proxy"


class Check(StrEnum):
    """A check. The names are stable: scripts look for them."""

    SETTINGS_VALID = "settings-valid"
    SETTINGS_SECRET = "settings-secret"  # noqa: S105 - a name
    SETTINGS_USER = "settings-user"
    SETTINGS_MODE = "settings-mode"
    SETTINGS_LIMITS = "settings-limits"
    SETTINGS_CALLER = "settings-caller"
    SETTINGS_PATHS = "settings-paths"
    SETTINGS_RECORDED = "settings-recorded"
    FILES_USABLE = "files-usable"
    FILES_WRITABLE = "files-writable"
    FILES_LEFT_OUT = "files-left-out"
    REGION_NAME = "region-name"
    ROOT_LIFE = "root-life"
    ROOT_RENEWED = "root-renewed"
    PIN_USABLE = "pin-usable"
    CLOCK_RIGHT = "clock-right"
    CLOCK_FUTURE = "clock-future"
    REVOCATION_ON = "revocation-on"
    REVOCATION_LIST = "revocation-list"
    API_ANSWERS = "api-answers"
    API_UNDERSTOOD = "api-understood"
    API_LISTS = "api-lists"
    STATE_FOLDER = "state-folder"
    STATE_KEYED = "state-keyed"
    STATE_SPACE = "state-space"
    STATE_ENTRIES = "state-entries"
    ENGINE_TLS = "engine-tls"
    ENGINE_ANSWERS = "engine-answers"
    ENGINE_CLOCK = "engine-clock"
    ENGINE_WRITES = "engine-writes"
    ENGINE_MEMORY = "engine-memory"
    PROCESSES_ALIVE = "processes-alive"
    PROCESSES_CALLS = "processes-calls"
    PROCESSES_PROBLEM = "processes-problem"
    PROCESSES_SAME = "processes-same"
    SERVER_LINE = "server-line"
    SERVER_TRAILERS = "server-trailers"
    SERVER_SPELLING = "server-spelling"
    SERVER_LONG_HEADERS = "server-long-headers"
    PROXY_NETWORKS = "proxy-networks"
    PROXY_SECRET = "proxy-secret"  # noqa: S105 - a name
    PROXY_FORWARDED = "proxy-forwarded"
    PROXY_MARKER = "proxy-marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        topic: what was looked at.
        check: its name.
        severity: how bad it is.
        seen: one sentence, safe to show.
        cure: what to do; empty where nothing has to be done.
    """

    topic: Topic
    check: Check
    severity: Grade
    seen: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """A factory of findings about one topic.

    Attributes:
        topic: of them.
    """

    topic: Topic

    def ok(self, check: Check, seen: str) -> Finding:
        """Return a finding with nothing to do."""
        return Finding(topic=self.topic, check=check, severity=Grade.OK, seen=seen)

    def not_checked(self, check: Check, seen: str, cure: str = "") -> Finding:
        """Return what could not be checked, and why."""
        return Finding(topic=self.topic, check=check, severity=Grade.NOT_CHECKED, seen=seen, cure=cure)

    def warning(self, check: Check, seen: str, cure: str) -> Finding:
        """Return what should be fixed."""
        return Finding(topic=self.topic, check=check, severity=Grade.WARNING, seen=seen, cure=cure)

    def error(self, check: Check, seen: str, cure: str = "") -> Finding:
        """Return what must be fixed."""
        return Finding(topic=self.topic, check=check, severity=Grade.ERROR, seen=seen, cure=cure)


_STYLES = {
    Grade.OK: "green",
    Grade.WARNING: "bold yellow",
    Grade.ERROR: "bold red",
    Grade.NOT_CHECKED: "cyan",
}
_SIGNS = {
    Grade.OK: "ok",
    Grade.WARNING: "warning",
    Grade.ERROR: "ERROR",
    Grade.NOT_CHECKED: "not checked",
}


def show_findings(findings: tuple[Finding, ...], console: Console | None = None) -> None:
    """Print all findings by topic, what to do for each, and the conclusion."""
    console = console_for(console)
    for topics, found in _sections(findings):
        heading(console, ", ".join(topics))
        for finding in found:
            _print(finding, console)
    line(console)
    worst = max(findings, key=lambda finding: finding.severity.gravity).severity
    style = "bold green" if worst in {Grade.OK, Grade.NOT_CHECKED} else _STYLES[worst]
    wrapped(console, conclusion(findings), style)


def conclusion(findings: tuple[Finding, ...]) -> str:
    """Return the one-line conclusion."""
    errors, warnings, unchecked = (
        sum(finding.severity is severity for finding in findings)
        for severity in (Grade.ERROR, Grade.WARNING, Grade.NOT_CHECKED)
    )
    found = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}, {unchecked} not checked."
    if any(finding.severity is Grade.ERROR and finding.topic is not Topic.STATE for finding in findings):
        return f"{found} Mend the errors first: callers are refused, or will be."
    if any(finding.severity is Grade.WARNING and finding.check is Check.PROCESSES_CALLS for finding in findings):
        return f"{found} Calls fail now: see what it says about processes."
    if errors:
        return f"{found} Mend the errors of the state: no caller is refused for them, but a restart may know less."
    if warnings:
        return f"{found} The application can start; read the warnings."
    return f"{found} Nothing has to be done."


def finding_facts(findings: tuple[Finding, ...]) -> dict[str, Any]:
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
    return finding.severity is Grade.NOT_CHECKED


def _says(found: list[Finding]) -> list[tuple[Grade, str]]:
    return [(finding.severity, finding.seen) for finding in found]


def _print(finding: Finding, console: Console) -> None:
    label = f"  {_SIGNS[finding.severity]:<{_LABEL}}"
    wrapped(console, finding.seen, label=Text(label, style=_STYLES[finding.severity]))
    if finding.cure:
        wrapped(console, finding.cure, "bold", label=f"{'':<{len(label)}}→ ")


def status_of(findings: tuple[Finding, ...]) -> int:
    """Return the exit status."""
    return int(any(finding.severity is Grade.ERROR for finding in findings))
