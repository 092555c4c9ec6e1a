"""docs/reference/api.md: every public name with its signature and its docstring, read from the source."""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

from tests.documentation import tables
from tests.documentation.docstrings import Docstring, one_line, parsed
from tests.documentation.tables import code

PACKAGE = "mtls_middleware"

MODULES = {
    "mtls_middleware": "The middleware, the settings, and the result of a call.",
    "mtls_middleware.fastapi": "Extra `fastapi`. See [frameworks](../frameworks.md#fastapi).",
    "mtls_middleware.testing": "Extra `testing`, with the fixtures of a pytest plugin. See [testing](../testing.md).",
}

INTERNAL = {"Guard": {"__init__", "after_fork", "hidden", "keep", "silent", "snapshot"}}
"""What other parts of the package call; a user makes a guard by `from_settings`."""

HEAD = """\
# Python API: reference

Generated from the code by `python -m tests.documentation.reference`; do not edit it. Everything that is not
listed here is private, and may change in any version. Arguments after `*` are keywords.

"""


def text() -> str:
    """Return the page."""
    rows = [
        (f"[`{name}`](#{name.lower()})", code(module))
        for module in MODULES
        for name in importlib.import_module(module).__all__
    ]
    sections = "".join(_module(name, about) for name, about in MODULES.items())
    return HEAD + tables.table(("name", "import it from"), rows) + sections


def _module(name: str, about: str) -> str:
    module = importlib.import_module(name)
    return f"\n## {name}\n\n{about}\n" + "".join(_name(module, public) for public in module.__all__)


def _name(module: ModuleType, name: str) -> str:
    found = getattr(module, name)
    if inspect.isclass(found):
        return f"\n### {name}\n" + "".join(_class(found))
    if inspect.isfunction(found):
        return f"\n### {name}\n" + "".join(_function(_definition(found)))
    return f"\n### {name}\n\n{_words_below(module, name)}\n"


def _class(found: type) -> Iterator[str]:
    node = _definition(found)
    doc = parsed(ast.get_docstring(node))
    internal = INTERNAL.get(node.name, set())
    constructor = _method(node, "__init__")
    if constructor is not None and "__init__" not in internal:
        yield f"\n```text\n{_signature(constructor, node.name)}\n```\n"
    yield f"\n{doc.summary}\n"
    yield _entries(doc, "Attributes", ("attribute", "meaning"))
    members = _members(node)
    if members:
        yield "\n" + tables.table(("value", "meaning"), members)
    yield _raises(doc)
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and method.name not in internal:
            yield from _function(method)


def _function(node: Any) -> Iterator[str]:
    doc = parsed(ast.get_docstring(node))
    yield f"\n```text\n{_signature(node, node.name)}\n```\n\n{doc.summary}\n"
    yield _entries(doc, "Args", ("argument", "meaning"))
    yield _raises(doc)


def _entries(doc: Docstring, section: str, head: tuple[str, str]) -> str:
    rows = [(code(name), words) for name, words in doc.entries(section).items()]
    return "\n" + tables.table(head, rows) if rows else ""


def _raises(doc: Docstring) -> str:
    return "".join(f"\nRaises `{name}`: {one_line(words)}\n" for name, words in doc.entries("Raises").items())


def _members(node: ast.ClassDef) -> list[tuple[str, str]]:
    """Return the members of an enumeration, with the docstring below each."""
    found = []
    for member, below in zip(node.body, [*node.body[1:], None], strict=True):
        if ast.unparse(member).startswith("__"):
            continue
        if isinstance(member, ast.Assign) and isinstance(member.value, ast.Constant):
            said = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and below.value.value
            found.append((code(member.value.value), str(said or "")))
    return found


def _signature(node: Any, name: str) -> str:
    """Return a signature as it is written, without `self`."""
    arguments = node.args
    own = arguments.args[1:] if arguments.args and arguments.args[0].arg in {"self", "cls"} else arguments.args
    shown = ast.arguments(
        posonlyargs=arguments.posonlyargs,
        args=own,
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg,
        defaults=arguments.defaults,
    )
    is_property = any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list)
    returned = f": {ast.unparse(node.returns)}" if is_property and node.returns else ""
    if is_property:
        return f"{name}{returned}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"{name}({ast.unparse(shown)}){returns}"


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == name), None)


def _definition(found: Any) -> Any:
    """Return the syntax tree of a class or function; its `__module__` may be the package that exports it."""
    ours = [one for name, one in sys.modules.items() if name.startswith(PACKAGE) and inspect.ismodule(one)]
    for module in (one for one in ours if getattr(one, found.__name__, None) is found):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == found.__name__:
                return node
    raise LookupError(f"{found.__name__} is made nowhere")


def _words_below(module: ModuleType, name: str) -> str:
    """Return the docstring that stands below a name, in whatever module it was made."""
    ours = (one for one in vars(module).values() if inspect.ismodule(one) and one.__name__.startswith(PACKAGE))
    for place in [module, *ours]:
        body = ast.parse(inspect.getsource(place)).body
        for made, below in pairwise(body):
            targets = made.targets if isinstance(made, ast.Assign) else []
            if any(isinstance(one, ast.Name) and one.id == name for one in targets) and isinstance(below, ast.Expr):
                return parsed(str(ast.literal_eval(below.value))).summary
    return ""
