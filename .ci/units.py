"""Run the unit tests with the wheel on every other CPython of this machine, and with the lowest dependencies."""

import re
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import environ, pathsep
from pathlib import Path
from typing import Any

from report import MISSING_PACKAGE
from venvs import DISTRIBUTION, Environment

JOBS = 5
"""Runs side by side: half of their time they wait for bounds to pass."""
SECONDS = 900.0
"""How long one run of the tests may take."""
MINORS = range(11, 30)
"""Minor versions of Python 3 that are looked for, the oldest supported one first."""
APART = ("tests/e2e", "tests/benchmarks")
LONG = (
    "tests/adapters/test_typing.py",
    "tests/proxy_config/test_platforms.py",
    "tests/trust/genesys/test_sdk.py",
    "tests/trust/test_two_years.py",
)
"""They take long, and what they look at changes with neither: users' types, templates, others' SDK, simulated years."""
FRAMEWORKS = (
    "django==4.2",
    "djangorestframework==3.15.1",
    "falcon==3.1.1",
    "flask==2.2.0",
    "litestar==2.0.0",
    "quart==0.18.3",
    "werkzeug==2.2.0",
)
"""The lowest that are tried; we depend on none. docs/frameworks.md names them, and FastAPI's and Starlette's."""
EXACT = "opentelemetry-"
"""The SDK and its exporters are made for exactly one version of the API, so their floors go with its floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Say which Python, which dependencies are not the newest, and the test tools that go with them."""

    name: str
    python: Path
    pins: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


def main(wheel: Path, tree: Path, work: Path) -> int:
    """Return the exit status.

    Args:
        wheel: what is tested.
        tree: where its tests are.
        work: for environments and reports.
    """
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    with ThreadPoolExecutor(JOBS) as pool:
        done = list(pool.map(lambda run: tried(run, wheel, tree, work), runs(project, tree, work)))
    return 0 if all(done) else 1


def runs(project: dict[str, Any], tree: Path, work: Path) -> Iterator[Run]:
    """Yield what is to be run, and print what is not and why."""
    found = {minor: python for minor in MINORS if (python := interpreter(minor))}
    promised = {int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", str(project["project"]["classifiers"]))}
    for minor in sorted(promised | set(found)):
        if minor == sys.version_info.minor:
            print(f"CPython 3.{minor}: the command of the README ran all tests on it")
        elif minor in found:
            yield Run(name=f"CPython 3.{minor}", python=found[minor])
        else:
            print(f"CPython 3.{minor}: NOT RUN, it is not on this machine")
    if MINORS[0] in found:
        pins = (*lowest(project["project"], tree, found[MINORS[0]], work), *FRAMEWORKS)
        print("lowest:", *pins, flush=True)
        tools = tuple(one.replace(">=", "==") for one in project["dependency-groups"]["test"] if one.startswith(EXACT))
        yield Run(name="lowest", python=found[MINORS[0]], pins=pins, tools=tools)
    else:
        print(f"lowest: NOT RUN, CPython 3.{MINORS[0]} is not on this machine")


def interpreter(minor: int) -> Path | None:
    """Return a CPython 3.`minor` that runs: on PATH, or beside the shims of pyenv, which only run what is chosen."""
    program = f"python3.{minor}"
    folders = [Path(folder) for folder in environ["PATH"].split(pathsep)]
    pyenv = [folder.parent / "versions" for folder in folders if folder.name == "shims"]
    for folder in (*folders, *(path for versions in pyenv for path in sorted(versions.glob("*/bin")))):
        question = "import sys; assert sys.implementation.name == 'cpython'; print(sys.version_info.minor)"
        command = [str(folder / program), "-I", "-c", question]
        if not (folder / program).exists():
            continue
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - found by its name
        if done.returncode == 0 and done.stdout.strip() == str(minor):
            return folder / program
    return None


def lowest(project: dict[str, Any], tree: Path, python: Path, work: Path) -> tuple[str, ...]:
    """Return the lowest version of each direct dependency, but of pytest: our own tests need a newer one."""
    resolution = ("--resolution", "lowest-direct", "--all-extras", "--no-header", "--no-annotate")
    resolved = Environment.create(work / "resolution", python).uv(
        "pip", "compile", *resolution, str(tree / "pyproject.toml")
    )
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    direct = {name_of(one) for one in asked} - {"pytest", DISTRIBUTION}
    return tuple(line for line in resolved.splitlines() if name_of(line) in direct)


def name_of(requirement: str) -> str:
    """Return the name of the distribution that a requirement is about."""
    return re.split(r"[^\w-]", requirement, maxsplit=1)[0].lower()


def tried(run: Run, wheel: Path, tree: Path, work: Path) -> bool:
    """Run the tests, and tell how that ended."""
    begin = time.monotonic()
    folder = work / run.name.replace(" ", "-")
    try:
        failures = list(failing(run, Environment.create(folder, run.python), wheel, tree))
    except RuntimeError as error:
        failures = [str(error)]
    except subprocess.TimeoutExpired as error:
        failures = [f"ended after {error.timeout:.0f} s:\n{(error.stdout or b'').decode()}"]
    for failure in failures:
        print(f"FAILED: {run.name}: {failure}", flush=True)
    print(f"{run.name}: {run.python}: {time.monotonic() - begin:.0f} s", flush=True)
    return not failures


def failing(run: Run, environment: Environment, wheel: Path, tree: Path) -> Iterator[str]:
    """Yield what goes wrong in one environment."""
    overrides, report = environment.folder / "overrides.txt", environment.folder / "tests.xml"
    overrides.write_text("\n".join(run.pins), encoding="utf-8")  # whatever newer versions the test tools ask for
    group = f"{tree / 'pyproject.toml'}:test"
    whole = f"{DISTRIBUTION}[all] @ {wheel.resolve().as_uri()}"
    environment.install(whole, *run.tools, "--group", group, "--overrides", str(overrides))
    # Behind everything that is installed: the tests are found in the tree, and the package is not.
    (environment.packages / "tree.pth").write_text(f"{tree}\n", encoding="utf-8")
    where = environment.run("python", "-c", "import mtls_middleware; print(mtls_middleware.__file__)").output
    if not where.startswith(str(environment.packages)):
        yield f"not the wheel would be tested, but {where}"
        return
    # What old packages say of new ones is theirs; ours is told with the newest.
    quiet = ("-W", "default::DeprecationWarning") if run.pins else ()
    left_out = [f"--ignore={name}" for name in (*APART, *LONG)]
    plain = ("-q", "-o", "pythonpath=", "-p", "no:cacheprovider", "--hypothesis-profile=short")
    options = (*plain, "-m", "not e2e and not slow", f"--junit-xml={report}", *quiet)
    done = environment.run("pytest", *options, *left_out, "tests", "example_app", cwd=tree, seconds=SECONDS)
    if done.status:
        yield f"the tests:\n{done.output}"
    else:
        print(f"{run.name}: {done.output.splitlines()[-1]}")
    yield from (f"skipped for want of a package: {name}" for name in lacking(report))


def lacking(report: Path) -> Iterator[str]:
    """Yield each test that was skipped because something is not installed."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        mark = case.find("skipped")
        if mark is not None and MISSING_PACKAGE in f"{mark.get('message')} {mark.text}":
            yield f"{case.get('classname')}::{case.get('name')}"


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:])))
