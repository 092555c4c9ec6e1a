"""The findings on a terminal, in a pipe and for a script."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mtls_middleware.cli.doctor import doctor
from mtls_middleware.cli.doctor.finding import Check, Finding, Grade, Topic, conclusion, show_findings
from tests.cli.doctor.deployment import Deployment


def finding(severity: Grade, topic: Topic = Topic.FILES, seen: str = "seen", cure: str = "") -> Finding:
    return Finding(topic=topic, check=Check.FILES_USABLE, severity=severity, seen=seen, cure=cure)


def printed(*findings: Finding, terminal: bool = False, width: int = 80) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system="standard")
    show_findings(findings, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_piped_it_is_plain() -> None:
    told = printed(finding(Grade.ERROR, cure="mend it"))

    assert "\x1b" not in told
    assert "  ERROR        seen\n" in told
    assert "→ mend it" in told


def test_on_a_terminal_it_has_colours() -> None:
    assert "\x1b[1;31m" in printed(finding(Grade.ERROR), terminal=True)


def test_text_of_files_is_no_markup() -> None:
    assert "CN=[green]ok[/green][/x]" in printed(finding(Grade.OK, seen="CN=[green]ok[/green][/x]"))


def test_topics_of_which_nothing_can_be_told_share_a_line() -> None:
    told = printed(*(finding(Grade.NOT_CHECKED, topic) for topic in (Topic.FILES, Topic.ROOTS, Topic.CLOCK)))

    assert "\nfiles, roots, clock\n  not checked  seen\n" in told
    assert told.count("seen") == 1


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        ((Grade.OK,), "0 errors, 0 warnings, 0 not checked. Nothing has to be done."),
        (
            (Grade.OK, Grade.NOT_CHECKED),
            "0 errors, 0 warnings, 1 not checked. Nothing has to be done.",
        ),
        (
            (Grade.WARNING,),
            "0 errors, 1 warning, 0 not checked. The application can start; read the warnings.",
        ),
        ((Grade.ERROR, Grade.ERROR), "2 errors, 0 warnings, 0 not checked. Mend the errors first"),
    ],
    ids=["good", "not checked", "warning", "errors"],
)
def test_the_last_line_tells_what_matters(severities: tuple[Grade, ...], words: str) -> None:
    assert conclusion(tuple(map(finding, severities))).startswith(words)


@pytest.mark.parametrize("others", [(), (Topic.STATE,), (Topic.STATE, Topic.FILES)], ids=str)
def test_what_is_wrong_with_the_state_alone_refuses_nobody(others: tuple[Topic, ...]) -> None:
    told = conclusion((finding(Grade.ERROR, Topic.STATE), *(finding(Grade.ERROR, topic) for topic in others)))

    assert ("no caller is refused for them" in told) is (Topic.FILES not in others)
    assert ("callers are refused, or will be" in told) is (Topic.FILES in others)


def test_for_a_script_it_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {**Deployment(folder=tmp_path).environ, "MTLS_TRUST": "/nowhere/us-east-1.pem"}

    assert doctor.run_examination(offline=True, as_json=True, environ=environ) == 1

    told = json.loads(capsys.readouterr().out)
    assert told["status"] == 1
    assert {"topic", "check", "severity", "seen", "cure"} == set(told["findings"][0])
    assert any(one["check"] == "files-usable" and one["severity"] == "error" for one in told["findings"])


def test_a_sound_deployment_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run_examination(offline=True, as_json=False, environ=Deployment(folder=tmp_path).environ) == 0

    assert "us-east-1.pem vouches for us-east-1: 1 root" in " ".join(capsys.readouterr().out.split())
