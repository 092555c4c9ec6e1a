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

RUNNER = PLUGINS / "mtls_django.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Hold how a project's tests are run.

    Attributes:
        packages: that they need, with the project itself.
        options: for pytest.
        labels: of its tests that call an application; for Django, which has a runner of its own.
    """

    packages: tuple[str, ...]
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        "starlette": Suite(
            packages=(
                "starlette[full]",
                "httpx2[zstd]",
                "pytest",
                "trio",
                "blockbuster",
                "opentelemetry-sdk",
                "importlib-metadata",
            ),
        ),
        "flask": Suite(packages=("flask[async]", "pytest<9", "python-dotenv")),
        "werkzeug": Suite(
            packages=("werkzeug", "pytest", "pytest-timeout", "ephemeral-port-reserve", "watchdog"),
            # Servers in processes of their own, which a plugin cannot stand around.
            options=("--ignore=tests/test_serving.py",),
        ),
        "django": Suite(
            packages=("django", "jinja2", "Pillow", "PyYAML", "docutils", "tblib", "pytest"),
            labels=(
                "asgi",
                "async",
                "auth_tests",
                "conditional_processing",
                "csrf_tests",
                "decorators",
                "file_uploads",
                "generic_views",
                "handlers",
                "httpwrappers",
                "messages_tests",
                "middleware",
                "middleware_exceptions",
                "requests_tests",
                "responses",
                "servers",
                "sessions_tests",
                "staticfiles_tests",
                "test_client",
                "test_client_regress",
                "urlpatterns_reverse",
                "view_tests",
                "wsgi",
            ),
        ),
        "uvicorn": Suite(
            packages=("uvicorn[standard]", "pytest", "pytest-mock", "trustme", "a2wsgi", "wsproto"),
            options=("-o", "addopts=", "--ignore=tests/benchmarks"),
        ),
    }
)


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
    _done([str(python), "-m", "pip", "install", "-q", str(ROOT), "httpx2", *SUITES[name].packages])
    version = _done([str(python), "-c", f"from importlib.metadata import version; print(version({name!r}))"]).strip()
    exact = f"{name}=={version}"
    _done([str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, "-d", str(work), exact])
    (archive,) = work.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(work, filter="data")
    suite = work / archive.name.removesuffix(".tar.gz")
    passed = _passed_by_django if SUITES[name].labels else _passed
    before = passed(python, suite, work / "before", SUITES[name], behind=False)
    after = passed(python, suite, work / "after", SUITES[name], behind=True)
    return Outcome(name, version, len(before), tuple(sorted(before - after)))


def _passed(python: Path, folder: Path, report: Path, suite: Suite, *, behind: bool) -> set[str]:
    """Return the tests that pass."""
    options = [*suite.options, *(("-p", PLUGIN) if behind else ()), f"--junit-xml={report}"]
    command = [str(python), *["-m", "pytest", "-q", "-p", "no:mtls_middleware", "-p", "no:cacheprovider"], *options]
    _run(command, folder)
    cases = ET.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if not len(case)}


def _passed_by_django(python: Path, folder: Path, report: Path, suite: Suite, *, behind: bool) -> set[str]:
    command = [str(python), str(RUNNER), str(report), "behind" if behind else "alone", *suite.labels]
    _run(command, folder / "tests")
    return set(report.read_text(encoding="utf-8").splitlines())


def _run(command: list[str], folder: Path) -> None:
    """Run tests, of which some may fail."""
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False, timeout=SECONDS)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests ended with {done.returncode} in {folder}")


def _done(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
