"""The tasks of this project, each defined once: `.ci/run` calls these sessions too.

Sessions run in the environment that nox itself is installed in (`--group dev`), so they start at once::

    .venv/bin/nox --list
    .venv/bin/nox                      # lint, types, imports: what a commit needs
    .venv/bin/nox -s tests -- tests/core
"""

import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "imports"]

PYTHON = sys.executable
PARALLEL = ("-n", "auto", "--dist", "worksteal")


def tool(name: str) -> str:
    """Return the path of a program beside the Python that runs nox: that folder need not be on `PATH`."""
    return str(Path(PYTHON).with_name(name))


@nox.session
def tests(session: nox.Session) -> None:
    """Run pytest; arguments after `--` go to it. Without any, run all tests in parallel, as the README does."""
    session.run(PYTHON, "-m", "pytest", *(session.posargs or PARALLEL))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format, the workflows of `.github`, and the Dockerfile of the example."""
    session.run(PYTHON, "-m", "ruff", "check")
    session.run(PYTHON, "-m", "ruff", "format", "--check")
    session.run(tool("zizmor"), "--offline", "--quiet", ".github")
    session.run(tool("hadolint"), "example_app/Dockerfile")


@nox.session(name="format")
def format_(session: nox.Session) -> None:
    """Format all Python files and fix what ruff can fix."""
    session.run(PYTHON, "-m", "ruff", "check", "--fix")
    session.run(PYTHON, "-m", "ruff", "format")


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy in strict mode on the package, its tests and the examples."""
    session.run(PYTHON, "-m", "mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports only go down the floors of docs/architecture.md."""
    session.run(tool("lint-imports"))


@nox.session
def lock(session: nox.Session) -> None:
    """Check that uv.lock fits pyproject.toml."""
    session.run(tool("uv"), "lock", "--check")


@nox.session
def reference(session: nox.Session) -> None:
    """Write docs/reference, docs/refusals.md and docs/demo.svg from the code."""
    session.run(PYTHON, "-m", "tests.documentation.reference", *session.posargs)
    session.run(PYTHON, "-m", "tests.documentation.demo_picture")


@nox.session
def picture(session: nox.Session) -> None:
    """Paint docs/status-page.svg with Chromium: it differs with the version and the fonts of the machine."""
    session.run(PYTHON, "-m", "tests.documentation.status_picture")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site, or do with it what the argument names: `-- linkcheck`."""
    session.run(PYTHON, "docs/site/build.py", "build/site", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Write docs/conformance.md from other people's corpora and suites; `-- --check` compares the corpora."""
    session.run(PYTHON, "-m", "tests.conformance", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz every parser of bytes from outside, a minute each; `-- crl --seconds 600` one of them, longer."""
    session.run(PYTHON, "-m", "tests.fuzz", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Change `_core` in one place after another, and see whether a test fails: hours, and not part of CI."""
    session.run(PYTHON, "-m", "tests.mutants", *session.posargs)


@nox.session
def ci(session: nox.Session) -> None:
    """Run everything that CI runs, in a fresh copy: 20 minutes and more."""
    session.run("bash", ".ci/run", external=True)
