"""docs/first-call.md as a reader goes through it: every command, with a real server and a real nginx."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.processes import ROOT, accepts, free_port
from tests.e2e.proxies import PROXIES, nginx_with

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "first-call.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^## \d\. (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
SECONDS = 60

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_nginx = pytest.mark.skipif(PROXIES["nginx"].program is None, reason="nginx is not installed")


def fences(part: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PARTS[part], re.DOTALL | re.MULTILINE)


@dataclass(slots=True)
class Reader:
    """Type what the page says, in a folder of one's own, with ports that nobody else has."""

    folder: Path
    start: Start
    ports: dict[str, int] = field(default_factory=lambda: {port: free_port() for port in ("8443", "8000", "9443")})

    @property
    def environment(self) -> dict[str, str]:
        """Return one in which the program is the one under test."""
        program = self.folder / "bin" / "mtls-middleware"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mtls_middleware "$@"\n', encoding="ascii")
        program.chmod(0o700)
        mine = {name: value for name, value in os.environ.items() if not name.startswith("MTLS_")}
        path = os.pathsep.join((str(program.parent), os.environ["PATH"], "/usr/sbin"))
        return mine | {"PATH": path, "PYTHONPATH": str(ROOT), "NO_PROXY": "localhost,127.0.0.1"}

    def typed(self, text: str) -> str:
        """Return a text of the page with ports of this test."""
        for written, ours in self.ports.items():
            text = text.replace(written, str(ours))
        return text.replace("main:app --ssl-certfile", f"main:app --port {self.ports['8443']} --ssl-certfile")

    def run(self, commands: str, *, status: int = 0) -> str:
        """Run commands of the page, and return what they print."""
        done = subprocess.run(
            ["sh", "-e", "-c", self.typed(commands)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == status, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def serve(self, commands: str, port: str) -> None:
        """Start what a terminal shall go on running."""
        before, _, last = self.typed(commands).strip().rpartition("\n")
        script = f"cd '{self.folder}'\n{before}\nexec {last}"
        self.start(["sh", "-e", "-c", script], env=self.environment, ready=accepts(self.ports[port]))

    def try_console(self, shown: str) -> Iterator[tuple[object, object]]:
        """Run each command that is shown with its answer, and return both."""
        for command, answer in re.findall(r"^\$ (.*)\n(.*)$", shown, re.MULTILINE):
            yield json.loads(self.run(command)), json.loads(answer)


@pytest.fixture
def reader(tmp_path: Path, start: Start) -> Reader:
    (python,) = fences("An app", "python")
    (tmp_path / "main.py").write_text(python, encoding="utf-8")
    reader = Reader(folder=tmp_path, start=start)
    reader.run(*fences("Test certificates", "sh"))
    return reader


@needs_curl
def test_with_its_own_tls_every_caller_gets_the_answer_that_is_shown(reader: Reader) -> None:
    serving, _ = fences("With its own TLS", "sh")
    (shown,) = fences("With its own TLS", "console")

    reader.serve(serving, "8443")

    answers = list(reader.try_console(shown))
    assert len(answers) == 4
    assert [(got, told) for got, told in answers if got != told] == []


def test_with_its_own_tls_call_ends_as_it_must(reader: Reader) -> None:
    serving, calling = fences("With its own TLS", "sh")
    good, other_region, none = calling.strip().splitlines()

    reader.serve(serving, "8443")

    assert "us-east-1" in reader.run(good)
    assert "region_mismatch" in reader.run(other_region, status=1)
    assert "certificate_missing" in reader.run(none, status=1)


@needs_curl
@needs_nginx
def test_behind_nginx_what_nginx_finds_bad_gets_its_own_400(reader: Reader) -> None:
    configuring, *_ = fences("Behind nginx", "sh")
    expired = "--cert dev/expired.pem --key dev/expired.key -o /dev/null -w '%{http_code}' https://localhost:9443/"

    reader.run(configuring)
    start_nginx(reader)

    assert reader.run(f"curl -s --cacert dev/root.pem {expired}") == "400"


@needs_curl
@needs_nginx
def test_behind_nginx_every_caller_gets_the_answer_that_is_shown_and_every_attack_is_refused(reader: Reader) -> None:
    configuring, _, serving = fences("Behind nginx", "sh")
    (shown,) = fences("Behind nginx", "console")
    (attacking,) = fences("Attack it", "sh")
    (last_line,) = fences("Attack it", "text")

    reader.run(configuring)
    start_nginx(reader)
    reader.serve(serving, "8000")

    answers = list(reader.try_console(shown))
    assert len(answers) == 4
    assert [(got, told) for got, told in answers if got != told] == []
    beginning, end = last_line.strip().split("…")
    told = reader.run(attacking).strip().splitlines()[-1]
    assert told.startswith(beginning)
    assert told.endswith(end)


def start_nginx(reader: Reader) -> None:
    """Start nginx with the file of the page, where the page gives it to the nginx of the machine."""
    file = reader.folder / "data-actions.conf"
    file.write_text(PROXIES["nginx"].placed(file.read_text(encoding="utf-8"), reader.folder), encoding="utf-8")
    arguments = nginx_with(reader.folder, f"include {file};")
    reader.start([PROXIES["nginx"].installed(), *arguments], ready=accepts(reader.ports["9443"]))
