"""Every test claims something: it compares, expects an exception, or says that running through is the claim."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CLAIMS = {
    "raises": "of pytest",
    "warns": "of pytest",
    "fail": "of pytest",
    "assert_type": "of typing, for mypy",
    "assert_outcomes": "of pytester",
    "fnmatch_lines": "of pytester",
    "verify_directly_issued_by": "of cryptography: raises unless the issuer signed it",
    "runs_through": "of tests/claims.py",
    "raises_at_most": "of tests/claims.py",
}
"""Calls that are a claim by themselves. So is any function of the tests with a claim in it, and ``check=True``."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> Mapping[str, ast.Module]:
    files = (file for folder in ("tests", "example_app") for file in (ROOT / folder).rglob("*.py"))
    return {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


@cache
def functions(tree: ast.AST) -> tuple[Function, ...]:
    return tuple(node for node in ast.walk(tree) if isinstance(node, Function))


@cache
def parts(function: Function) -> tuple[bool, frozenset[str]]:
    """Return whether a function claims something itself, and the names of what it calls."""
    itself, called = False, set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            itself = True
        elif isinstance(node, ast.Raise) and node.exc is not None:
            itself |= "AssertionError" in ast.unparse(node.exc)
        elif isinstance(node, ast.Call):
            itself |= any(_is_check(keyword) for keyword in node.keywords)
            called.add(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
    return itself or not called.isdisjoint(CLAIMS), frozenset(called)


def claims(function: Function, helpers: frozenset[str]) -> bool:
    itself, called = parts(function)
    return itself or not called.isdisjoint(helpers)


def _is_check(keyword: ast.keyword) -> bool:
    return keyword.arg == "check" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True


def with_claims(defined: list[tuple[str, Function]], known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the names whose every definition claims something, itself or through another of them."""
    named: dict[str, list[Function]] = {}
    for name, function in defined:
        named.setdefault(name, []).append(function)
    found, before = known, None
    while found != before:
        before = found
        found |= {name for name, ones in named.items() if all(claims(one, before) for one in ones)}
    return found


def without_claim(files: Mapping[str, ast.Module]) -> list[str]:
    everywhere = with_claims([(one.name, one) for tree in files.values() for one in functions(tree)])
    found = []
    for file, tree in files.items():
        own = {one.name: one for one in functions(tree)}
        helpers = with_claims(list(own.items()), everywhere - own.keys())
        found += [
            f"{file}:{one.lineno} {one.name}"
            for one in functions(tree)
            if one.name.startswith("test_") and not claims(one, helpers)
        ]
    return sorted(found)


def test_every_test_claims_something() -> None:
    assert without_claim(trees()) == [], "assert something, or use tests/claims.py"


@pytest.mark.parametrize(
    ("code", "is_claim"),
    [
        pytest.param("assert act()", True, id="assert"),
        pytest.param("act()", False, id="a-call"),
        pytest.param("helper()", True, id="a-helper-that-asserts"),
        pytest.param("with pytest.raises(ValueError):\n        act()", True, id="raises"),
        pytest.param("with suppress(ValueError):\n        act()", False, id="suppress"),
        pytest.param("runs_through(act)", True, id="said"),
        pytest.param("subprocess.run(program, check=True)", True, id="check"),
        pytest.param("subprocess.run(program, check=False)", False, id="no-check"),
    ],
)
def test_what_is_a_claim(code: str, *, is_claim: bool) -> None:
    text = f"def helper():\n    assert act()\n\ndef test_one():\n    {code}\n"

    assert (without_claim({"a.py": ast.parse(text)}) == []) is is_claim
