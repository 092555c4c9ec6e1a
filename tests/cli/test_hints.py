"""Where a message leads: to pages that exist, and to extras that exist. An installed package holds no documentation."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from mtls_middleware.display import DOCS

ROOT = Path(__file__).parents[2]
FILES = [*(ROOT / "mtls_middleware").rglob("*.py"), *(ROOT / "mtls_middleware").rglob("*.j2")]


def texts() -> Iterator[str]:
    """Return each text in the code that is no docstring."""
    for path in FILES:
        if path.suffix != ".py":
            yield path.read_text(encoding="utf-8")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node.value


def test_no_message_names_a_file_of_the_documentation() -> None:
    assert [text for text in texts() if re.search(r"docs/|\w\.md\b", text) and text != "README.md"] == []


def test_each_page_that_is_linked_exists() -> None:
    linked = {name for path in FILES for name in re.findall(r"\{DOCS\}([\w-]+)/", path.read_text(encoding="utf-8"))}

    assert linked >= {"operations", "digicert", "servers"}
    assert [name for name in linked if not (ROOT / "docs" / f"{name}.md").is_file()] == []
    documentation = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert documentation["Documentation"] == DOCS


def test_each_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    named = set(re.findall(r"\b(?:extra|install_command)\([\"'](\w+)[\"']\)", code))

    assert {"cli", "redis", "serve"} <= named <= set(extras)


def test_each_message_that_names_an_extra_asks_how_it_is_installed_here() -> None:
    assert [text for text in texts() if "mtls-middleware[" in text] == []
