"""What the repository promises beside its code: the packages built from it, its lock file, and its documents."""

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

    assert all(source == {"registry": "https://pypi.org/simple"} for source in others)


def test_every_locked_file_comes_from_the_public_index() -> None:
    addresses = re.findall(r'\burl = "(.*?)"', (ROOT / "uv.lock").read_text(encoding="utf-8"))

    assert addresses
    assert all(address.startswith("https://files.pythonhosted.org/packages/") for address in addresses)


def test_no_file_mentions_a_path_of_a_developers_machine() -> None:
    assert mentions(MACHINE_PATH) == []


def test_only_the_gate_knows_of_files_beside_the_repository() -> None:
    assert set(mentions(NEIGHBOUR)) <= {".ci/run"}


@pytest.mark.parametrize("name", sorted(name for name in files() if name.endswith(".md")))
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    links = LINK.findall((ROOT / name).read_text(encoding="utf-8"))

    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []
