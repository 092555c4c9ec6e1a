"""What is changed, and what is not."""

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.running import CORE


def mutants(text: str) -> list[Mutant]:
    return list(mutants_of("m.py", ast.parse(text)))


def of_the_core() -> Iterator[Mutant]:
    for path in sorted(CORE.rglob("*.py")):
        yield from mutants_of(path.relative_to(CORE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))


CHANGED = {
    "x = a < b": ["a <= b", "x = None"],
    "x = a and not b": ["a or not b", "not b", "a", "b", "x = None"],
    "x = a[1:]": ["a[:]", "a[2:]", "x = None"],
    "f(a, b=1)": ["pass", "f(a)", "f(a, b=2)"],
    "x = [a for a in b if c]": ["[a for a in b]", "x = None"],
    "raise Error": ["pass"],
    "x: list[int] = 1": ["x: list[int] = 2"],
    "'a text for people'": [],
    "x = f'{a < b}'": ["x = None"],
    "@d(a=1)\ndef f() -> 'int': return 1": ["return None", "return 2"],
}


@pytest.mark.parametrize(("text", "changes"), CHANGED.items())
def test_one_thing_changes_at_a_time(text: str, changes: list[str]) -> None:
    tree = ast.parse(text)
    found = []
    for mutant in mutants_of("m.py", tree):
        parent, name, index = mutant.slot
        before = getattr(parent, name) if index is None else getattr(parent, name)[index]
        assert mutant.code(tree, "m.py")
        assert (getattr(parent, name) if index is None else getattr(parent, name)[index]) is before
        found.append(mutant.new)
    assert len(found) == len(changes)
    assert [
        change for change in changes if not any(change.endswith(new.strip()) or new in change for new in found)
    ] == []


def test_a_default_is_older_than_its_function() -> None:
    functions = {mutant.old: mutant.function for mutant in mutants("def f(a=1):\n    return 2")}
    assert functions["1"] is None
    assert functions["2"] == ("f", 1, 2)


def test_each_change_of_the_core_has_a_name_of_its_own_and_each_without_effect_exists() -> None:
    names = Counter(mutant.key for mutant in of_the_core())
    assert [name for name, times in names.items() if times > 1] == []
    assert EQUIVALENT.keys() - names.keys() == set()
