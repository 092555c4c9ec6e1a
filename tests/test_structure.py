"""The structure that docs/architecture.md promises: small files, no circle, one meaning for each class name."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "mtls_middleware"

MOST_LINES = 300
FEWEST_LINES = 40

SMALL = {
    "__main__.py": "the command, or how to install it, before anything of it is imported",
    "_trust/files/digicert_root.py": "a certificate, and where it comes from",
    "errors.py": "below everything",
    "members.py": "below everything",
    "observing/telemetry.py": "imports what may not be installed",
    "servers/cheroot.py": "the name that users write",
}
"""Why each file with few lines is one. Packages need an `__init__.py`."""

SAME = {
    "Server": "of daphne and of pyvoy: the names that users write",
}
"""Why a class name stands for two things."""


def _files() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")


def test_no_file_is_long() -> None:
    lengths = {name: text.count("\n") for name, text in _files()}

    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_every_small_file_has_a_reason() -> None:
    small = {name for name, text in _files() if text.count("\n") < FEWEST_LINES and not name.endswith("__init__.py")}

    assert small - SMALL.keys() == set()
    assert [name for name in SMALL if not (PACKAGE / name).is_file()] == []


def test_no_class_name_stands_for_two_things() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in _files():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name)

    assert {name for name, found in homes.items() if len(found) > 1} == SAME.keys()


def test_no_module_imports_itself_by_way_of_others() -> None:
    texts = dict(_files())
    remaining = {name: set(_imported(text, texts.keys())) - {name} for name, text in texts.items()}
    while leaves := {name for name, imports in remaining.items() if not imports}:
        remaining = {name: imports - leaves for name, imports in remaining.items() if name not in leaves}

    assert remaining == {}


def _imported(text: str, files: AbstractSet[str]) -> Iterator[str]:
    """Return the files that a module asks for when it is imported itself."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE.name):
            module = "/".join(node.module.split(".")[1:])
            for alias in node.names:
                candidates = (f"{module}/{alias.name}.py", f"{module}.py", f"{module}/__init__.py")
                yield next(name for candidate in candidates if (name := candidate.lstrip("/")) in files)
