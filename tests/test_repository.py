"""What the repository promises beside its code: the packages built from it, its lock file, and its documents."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
import yaml

from mtls_middleware import __version__

ROOT = Path(__file__).parents[1]
PACKAGE = "mtls_middleware"
MACHINE_PATH = re.compile(r"(?<![\w./+=-])/(?:tmp|work|root|home(?!/site)|opt)/|file:/{2}")
NEIGHBOUR = re.compile(r"\.\./shared")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)(?:#[^)]*)?\)")


def ignored() -> list[str]:
    return [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split())]


def files(folder: Path = ROOT) -> Iterator[str]:
    """Yield what is, or could be, committed: also where the tree is a copy without its history."""
    patterns = ignored()
    for here, folders, names in os.walk(folder):
        kept = [name for name in (*folders, *names) if not any(fnmatch(name, pattern) for pattern in patterns)]
        folders[:] = [name for name in folders if name in kept]
        yield from ((Path(here) / name).relative_to(ROOT).as_posix() for name in names if name in kept)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def mentions(pattern: re.Pattern[str]) -> list[str]:
    """Return the files in which the pattern is found."""
    return [name for name in files() if pattern.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Return the names in a wheel that was built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    with ZipFile(built) as archive:
        return frozenset(archive.namelist())


@pytest.mark.parametrize("name", ["py.typed", "regions.csv"])
def test_the_wheel_holds_the_data_that_the_package_reads(wheel: frozenset[str], name: str) -> None:
    assert f"{PACKAGE}/{name}" in wheel


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: frozenset[str]) -> None:
    metadata = f"{PACKAGE}-{__version__}.dist-info"

    assert {name for name in wheel if PurePosixPath(name).parts[0] != metadata} == set(files(ROOT / PACKAGE))


def test_the_wheel_holds_the_licence(wheel: frozenset[str]) -> None:
    assert f"{PACKAGE}-{__version__}.dist-info/licenses/LICENSE" in wheel


def test_the_changelog_begins_with_this_version() -> None:
    newest, *_ = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert newest == __version__


def test_every_locked_package_comes_from_the_public_index() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    others = [package["source"] for package in packages if package["name"] != "mtls-middleware"]

    assert [source for source in others if source != {"registry": "https://pypi.org/simple"}] == []


def test_every_locked_file_comes_from_the_public_index() -> None:
    addresses = re.findall(r'\burl = "(.*?)"', (ROOT / "uv.lock").read_text(encoding="utf-8"))

    assert addresses
    assert [
        address for address in addresses if not address.startswith("https://files.pythonhosted.org/packages/")
    ] == []


def test_no_file_mentions_a_path_of_a_developers_machine() -> None:
    assert mentions(MACHINE_PATH) == []


def test_only_the_gate_knows_of_files_beside_the_repository() -> None:
    assert set(mentions(NEIGHBOUR)) <= {".ci/run"}


@pytest.mark.parametrize("name", sorted(name for name in files() if name.endswith(".md")))
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    links = LINK.findall((ROOT / name).read_text(encoding="utf-8"))

    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


FORMS = ".github/ISSUE_TEMPLATE"


SCHEMAS = {
    ".github/workflows/ci.yml": "github-workflows",
    ".github/workflows/docs.yml": "github-workflows",
    ".github/workflows/release.yml": "github-workflows",
    ".readthedocs.yaml": "readthedocs",
    ".github/dependabot.yml": "dependabot",
    f"{FORMS}/bug.yml": "github-issue-forms",
    f"{FORMS}/feature.yml": "github-issue-forms",
    f"{FORMS}/config.yml": "github-issue-config",
}


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items())
def test_github_can_read_the_file(name: str, schema: str) -> None:
    program = pytest.importorskip("check_jsonschema")
    command = ["--builtin-schema", f"vendor.{schema}", str(ROOT / name)]

    # In this process: importing it takes longer than all checks.
    done = pytest.importorskip("click.testing").CliRunner().invoke(program.main, command)

    assert done.exit_code == 0, done.output


def test_nothing_lies_at_the_top_that_no_one_would_look_for() -> None:
    folders = {".ci", ".github", "docs", "example_app", PACKAGE, "tests"}
    assert {name.split("/")[0] for name in files() if "/" in name} == folders  # a test may have written where it ran


def test_every_file_for_github_is_checked_above() -> None:
    assert {name for name in files(ROOT / ".github") if name.endswith(".yml")} <= set(SCHEMAS)


def test_the_workflow_calls_the_same_commands_as_a_developer() -> None:
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]

    assert ".venv/bin/nox" in commands
    assert "bash .ci/run" in commands


@pytest.mark.parametrize("name", [name for name in SCHEMAS if "workflows" in name])
def test_every_action_of_a_workflow_is_pinned_by_its_hash(name: str) -> None:
    used = re.findall(r"uses: (.*)", text(name))

    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", one)] == []


def test_the_bug_report_asks_for_what_is_needed_to_find_the_cause() -> None:
    form = yaml.safe_load(text(f"{FORMS}/bug.yml"))
    required = {field["id"] for field in form["body"] if field.get("validations", {}).get("required")}

    assert {"doctor", "versions", "source"} <= required
    assert "mtls-middleware doctor --json" in text(f"{FORMS}/bug.yml")


def test_ci_and_developers_run_the_same_tasks() -> None:
    defined = set(re.findall(r"^@nox\.session(?:\(.*\))?\ndef (\w+)", text("noxfile.py"), re.MULTILINE))
    called = set(re.findall(r"\bnox -s (\w+)", text(".ci/run")))

    assert {"lint", "types", "imports", "docs", "lock"} <= called
    assert called <= defined


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?<![\w/.])(?:mtls_middleware|tests)/[\w/.]*", text("CONTRIBUTING.md"))))
)
def test_every_path_that_contributors_are_sent_to_exists(path: str) -> None:
    assert (ROOT / path.rstrip(".")).exists()


def test_contributors_are_sent_to_the_file_of_the_presets() -> None:
    assert "PRESETS" in text("CONTRIBUTING.md")
    assert len([name for name in files(ROOT / PACKAGE) if PurePosixPath(name).name == "presets.py"]) == 1


def says_not_which(assertion: ast.Assert) -> bool:
    """Return whether it is ``assert all(…)`` or ``assert not any(…)`` over a loop, which does not show what failed."""
    test, name = assertion.test, "all"
    if isinstance(test, ast.UnaryOp):
        test, name = test.operand, "any"
    return (
        isinstance(test, ast.Call)
        and isinstance(test.func, ast.Name)
        and test.func.id == name
        and isinstance(test.args[0], ast.GeneratorExp)
        and len(test.args[0].generators) == 1
    )


def test_an_assertion_about_many_shows_which_one_failed() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name in files(ROOT / "tests")
        if name.endswith(".py")
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and says_not_which(node)
    ]

    assert found == []
