"""Two ways to put a changed module into a process in which pytest runs."""

import ast
import gc
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, FunctionType, ModuleType

from tests.mutants.operators import Mutant
from tests.mutants.running import CORE

Functions = dict[tuple[str, str, int], list[FunctionType]]
"""By file, qualified name and first line."""


def functions_of_the_core() -> Functions:
    """Return the functions that exist, also those that are wrapped."""
    found: Functions = defaultdict(list)
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename.startswith(str(CORE)):
            found[one.__code__.co_filename, one.__code__.co_qualname, one.__code__.co_firstlineno].append(one)
    return found


def swap(mutant: Mutant, tree: ast.Module, functions: Functions) -> bool:
    """Give the functions that exist the changed code; return whether that could be done."""
    if mutant.function is None:
        return False
    path = str(CORE / mutant.module)
    name, line, _ = mutant.function
    (code,) = [one for one in _codes(mutant.code(tree, path)) if (one.co_qualname, one.co_firstlineno) == (name, line)]
    existing = functions.get((path, name, line), [])
    for function in existing:
        if len(function.__code__.co_freevars) != len(code.co_freevars):
            return False
        function.__code__ = code
    return bool(existing)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the base class's signature
        return self._code


class _Finder(MetaPathFinder):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the base class's signature
        target: ModuleType | None = None,  # noqa: ARG002 - the same
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, self._path, loader=_Loader(fullname, self._path, self._code))


def install(mutant: Mutant, tree: ast.Module) -> None:
    """Let whoever imports the module get the changed one; nobody has it yet."""
    name = "mtls_middleware._core." + mutant.module.removesuffix(".py").replace("/", ".")
    if name in sys.modules:
        raise RuntimeError(f"{name} is imported already")
    path = str(CORE / mutant.module)
    sys.meta_path.insert(0, _Finder(name.removesuffix(".__init__"), path, mutant.code(tree, path)))
