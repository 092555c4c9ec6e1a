"""Which Pythons and which lowest versions the gate runs the tests with."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.fastapi.test_frameworks import FRAMEWORKS
from tests.packaging.conftest import ROOT, Script

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_python_of_this_run_is_found(script: Script) -> None:
    assert script("units").interpreter(sys.version_info.minor)


def test_a_python_that_is_not_there_is_not_found(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert script("units").interpreter(sys.version_info.minor) is None


def test_a_python_that_does_not_start_is_not_found(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python3.11"
    program.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert script("units").interpreter(11) is None


def test_one_that_only_pyenv_knows_is_found(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    minor = sys.version_info.minor
    folder = tmp_path / "versions" / f"3.{minor}.9" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "shims").mkdir()
    (folder / f"python3.{minor}").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))

    assert script("units").interpreter(minor) == folder / f"python3.{minor}"


def test_each_promised_python_that_is_absent_is_told(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = script("units")
    monkeypatch.setattr(units, "interpreter", lambda _minor: None)

    assert list(units.runs(PROJECT, ROOT, tmp_path)) == []
    told = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    promised = {one.rpartition(" ")[2] for one in PROJECT["project"]["classifiers"] if "Python :: 3." in one}
    assert set(told) == {"lowest", *(f"CPython {version}" for version in promised)}
    assert [line for line in told.values() if "NOT RUN" not in line and "README" not in line] == []


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("starlette>=1.7", "starlette"),
        ("starlette==1.7.0", "starlette"),
        ("uvloop>=0.21; sys_platform != 'win32'", "uvloop"),
        ("mtls-middleware[cli]", "mtls-middleware"),
        ("Twisted[http2,tls]>=24", "twisted"),
    ],
)
def test_a_requirement_is_about_a_distribution(script: Script, requirement: str, name: str) -> None:
    assert script("units").name_of(requirement) == name


def test_what_takes_long_is_still_there(script: Script) -> None:
    units = script("units")

    assert [name for name in (*units.APART, *units.LONG) if not (ROOT / name).exists()] == []


def test_the_lowest_frameworks_are_those_of_the_page(script: Script) -> None:
    page = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
    table = re.search(r"^\| framework \| lowest version \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table
    named = dict(re.findall(r"^\| (\w+) \| ([\d.]+) \|$", table[1].lower(), re.MULTILINE))
    pins = dict(one.split("==") for one in (*script("units").FRAMEWORKS, *script("extras").OLD_FASTAPI))
    beside = {"djangorestframework", "werkzeug"}  # what belongs to one of them

    assert named == {name: version for name, version in pins.items() if name not in beside}
    assert set(named) == {module for _, module, _ in FRAMEWORKS.values()}
