"""Other projects' own test suites, first as they are, then with our middleware around each application they call.

Their sources come from the package index, with pip, in the newest version; they run in an environment of their own.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
SECONDS = 600.0
PLUGINS = Path(__file__).parent / "plugins"
PLUGIN = "mtls_behind"
"""Stands apart from our tests, whose package has the name of that of the suites."""

SUITES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "starlette": (
            "starlette[full]",
            "httpx2[zstd]",
            "pytest",
            "trio",
            "blockbuster",
            "opentelemetry-sdk",
            "importlib-metadata",
        ),
        "flask": ("flask[async]", "pytest<9", "python-dotenv"),
        "werkzeug": ("werkzeug", "pytest", "pytest-timeout", "ephemeral-port-reserve", "watchdog"),
    }
)
"""What each suite needs beside its own package."""

NOT_RUN: Mapping[str, tuple[str, ...]] = MappingProxyType({"werkzeug": ("--ignore=tests/test_serving.py",)})
"""Tests of servers in processes of their own, which a plugin cannot stand around."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what became of a suite.

    Attributes:
        name: of the project.
        version: of its sources.
        passed: its tests that pass without us.
        lost: those of them that do not pass with us.
    """

    name: str
    version: str
    passed: int
    lost: tuple[str, ...]


def run(name: str, work: Path) -> Outcome:
    """Fetch a suite, and run it twice."""
    python = work / "venv" / "bin" / "python"
    _done([sys.executable, "-m", "venv", str(work / "venv")])
    _done([str(python), "-m", "pip", "install", "-q", str(ROOT), "httpx2", *SUITES[name]])
    version = _done([str(python), "-c", f"from importlib.metadata import version; print(version({name!r}))"]).strip()
    exact = f"{name}=={version}"
    _done([str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, "-d", str(work), exact])
    (archive,) = work.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(work, filter="data")
    suite = work / archive.name.removesuffix(".tar.gz")
    before = _passed(python, suite, work / "before.xml", *NOT_RUN.get(name, ()))
    after = _passed(python, suite, work / "after.xml", *NOT_RUN.get(name, ()), "-p", PLUGIN)
    return Outcome(name, version, len(before), tuple(sorted(before - after)))


def _passed(python: Path, suite: Path, report: Path, *options: str) -> set[str]:
    """Return the tests that pass."""
    done = subprocess.run(
        [
            str(python),
            *["-m", "pytest", "-q", "-p", "no:mtls_middleware", "-p", "no:cacheprovider"],
            f"--junit-xml={report}",
            *options,
        ],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": str(PLUGINS), "PYTEST_ADDOPTS": ""},
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode} in {suite}")
    cases = ET.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if not len(case)}


def _done(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
