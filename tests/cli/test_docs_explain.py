"""What docs/explain.md says, done and held against what comes."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from mtls_middleware.cli.app import app
from mtls_middleware.cli.explain.steps import QUESTIONS
from mtls_middleware.regions import find
from mtls_middleware.testing import RegionalCA
from tests.cli.trusting import only

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"(?:\$ |`)mtls-middleware ([^`\n]+)", PAGE)))
VERBS = get_group(app).commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hold the files that the page names, of a good caller."""
    monkeypatch.chdir(tmp_path)
    ca = RegionalCA("us-east-1")
    client = ca.client()
    ca.write(tmp_path / "US-East-1.pem")
    (tmp_path / "US-East-1.zip").write_bytes(ca.zip_bytes())
    (tmp_path / "client.pem").write_text(client.pem, encoding="ascii")
    (tmp_path / "header.txt").write_text(quote(client.pem, safe=""), encoding="ascii")
    (tmp_path / "list.crl").write_bytes(ca.crl([]))
    return tmp_path


ENVIRON = {
    "MTLS_REGIONS": "us-east-1",
    "MTLS_TRUST": "US-East-1.pem",
    "MTLS_CRL_URLS": "list.crl",
    "MTLS_SOURCE": "nginx",
    "MTLS_PROXY_SECRET": "a-secret-of-the-proxy",
    "MTLS_STATE": "off",
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_does_what_it_is_there_for(command: str) -> None:
    with only(ENVIRON):
        ended = CliRunner().invoke(app, shlex.split(command))

    is_about_workers = command.endswith("trust show")  # none runs here, so it cannot tell
    assert (ended.exit_code, ended.stderr) == (2 if is_about_workers else 0, "")


def test_what_is_shown_is_what_comes(folder: Path) -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    ca = RegionalCA("us-east-1")
    ca.write(folder / "US-East-1.pem")
    elsewhere = find("eu-west-1")
    assert elsewhere is not None
    (folder / "client.pem").write_text(ca.client(names=elsewhere.cert_name).pem, encoding="ascii")
    with only(ENVIRON):
        came = CliRunner().invoke(app, ["explain", "client.pem"])

    assert came.exit_code == 1
    assert masked(came.stdout) == masked(shown)


def masked(text: str) -> str:
    """Leave out what differs with each certificate and each day."""
    text = re.sub(r"\b[0-9a-f]{36,64}\b", "#", text)
    text = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?Z)?", "TIME", text)
    return re.sub(r"\d+ days left", "DAYS left", text)


def leaf(words: list[str]) -> Any:
    """Return the verb, or the verb of a verb."""
    verb: Any = VERBS[words[0]]
    for word in words[1:]:
        verb = verb.commands[word]
    return verb


@pytest.mark.parametrize(
    "words", [["explain"], ["trust", "show"], ["trust", "refresh"], ["trust", "export"], ["regions"]], ids=" ".join
)
def test_each_option_is_documented(words: list[str]) -> None:
    options = {name for parameter in leaf(words).params for name in parameter.opts if name.startswith("--")}

    assert options <= set(re.findall(r"--[a-z][a-z-]*", PAGE))


def test_the_steps_are_those_that_it_takes() -> None:
    shown = re.findall(r"^  (?:ok|FAILED|not reached) +(.*\?)$", PAGE, re.MULTILINE)

    assert shown == [question.text for question in QUESTIONS]
