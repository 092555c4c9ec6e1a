"""Every page: links and anchors lead somewhere, headings, tables and fences are sound, and what is named exists."""

import ast
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from mtls_middleware import Reason
from mtls_middleware.settings.keywords import VARIABLES, is_injected
from tests.claims import runs_through
from tests.documentation.commands import problem
from tests.documentation.pages import DOCS, ROOT, Heading, names, page

PAGES = names()

DRAWINGS = ("docs/architecture.md",)
"""Pages with pictures made of letters, which are in no language."""

INDEX = "docs/README.md"

RUNS_CODE = ("exec(", "runs_through(exec", "write_text(")
"""How a test runs the Python of a page: at once, or in a file of its own."""

TESTS = {
    path: path.read_text(encoding="utf-8")
    for path in (ROOT / "tests").rglob("*.py")
    if not path.is_relative_to(Path(__file__).parent)
}

SETTING = re.compile(r"(?<![\w*])MTLS_[A-Z][A-Z0-9_]*[A-Z0-9](?![\w*…])")


def test_there_are_pages() -> None:
    assert {"README.md", "docs/README.md", "docs/operations.md", "docs/reference/settings.md"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_ours_leads_to_a_file_and_a_heading(name: str) -> None:
    assert [link for link in page(name).links if not re.match(r"\w+:", link) and not leads_somewhere(name, link)] == []


def leads_somewhere(name: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (ROOT / name).parent.joinpath(path).resolve() if path else ROOT / name
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in {heading.anchor for heading in page(target.relative_to(ROOT).as_posix()).headings}


@pytest.mark.parametrize("link", ["nowhere.md", "settings.md#nowhere", "#nowhere", "../../README.md"])
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert not leads_somewhere("docs/README.md", link)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_begins_with_its_title_and_has_no_other(name: str) -> None:
    headings = page(name).headings

    assert headings[0].depth == 1
    assert Counter(heading.depth for heading in headings)[1] == 1


@pytest.mark.parametrize("name", PAGES)
def test_no_depth_of_headings_is_left_out(name: str) -> None:
    assert [deeper.text for deeper in skipping(page(name).headings)] == []


def skipping(headings: tuple[Heading, ...]) -> list[Heading]:
    return [after for before, after in pairwise(headings) if after.depth > before.depth + 1]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in DRAWINGS])
def test_every_fence_says_its_language(name: str) -> None:
    assert [fence.line for fence in page(name).fences if not fence.language] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    assert [table.line for table in page(name).tables if len(set(table.cells)) != 1] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_shown_can_be_run(name: str) -> None:
    wrong = {command: problem(command, whole=True) for command in page(name).commands}

    assert {command: why for command, why in wrong.items() if why} == {}


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_mentioned_exists(name: str) -> None:
    wrong = {command: problem(command, whole=False) for command in page(name).mentioned_commands}

    assert {command: why for command, why in wrong.items() if why} == {}


@pytest.mark.parametrize(
    "command", ["nonsense", "doctor --nonsense", "serve", "doctor --timeout=soon", "proxy-config a b", "trust nonsense"]
)
def test_a_command_that_cannot_be_run_is_found(command: str) -> None:
    assert problem(command, whole=True)


@pytest.mark.parametrize("name", PAGES)
def test_every_setting_that_is_named_exists(name: str) -> None:
    named = {found.removeprefix("MTLS_") for found in SETTING.findall(page(name).text)}

    assert {one for one in named if one not in VARIABLES and not is_injected(one)} == set()


@pytest.mark.parametrize(
    "name", [name for name in PAGES if any(fence.language == "python" for fence in page(name).fences)]
)
def test_the_python_of_every_page_is_run_by_a_test_that_names_the_page(name: str) -> None:
    assert [test for test, code in TESTS.items() if Path(name).name in code and any(way in code for way in RUNS_CODE)]


@pytest.mark.parametrize("name", PAGES)
def test_all_python_can_be_read(name: str) -> None:
    for fence in page(name).fences:
        if fence.language == "python":
            runs_through(ast.parse, fence.content)


@pytest.mark.parametrize("name", PAGES)
def test_every_reason_that_is_shown_as_json_exists(name: str) -> None:
    shown = re.findall(r'"reason": "(\w+)"', page(name).text) + re.findall(r"\breason=(\w+) detail=", page(name).text)

    assert set(shown) <= set(Reason)


def test_the_index_has_a_link_to_every_page() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in page(INDEX).links if "://" not in link}

    assert [name for name in PAGES if name != INDEX and ROOT / name not in linked] == []
