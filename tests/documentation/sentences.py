"""Every sentence that the package can write into a log, found in its code.

A sentence is what stands in a call that tells operators something: a line of a logger, a notice, a warning or problem
about trust, an exception that becomes part of one. Its variable parts are holes (`HOLE`).
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.documentation.pages import ROOT

PACKAGE = ROOT / "mtls_middleware"

HOLE = "…"

SILENT = ("cli", "testing", "proxy_config", "settings")
"""They answer whoever typed a command or started the application, and log nothing."""

LOGGERS = ("LOGGER", "_log", "logger")
LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
"""Methods of loggers; of `log` the second argument is the sentence."""

CLAUSES = ("InputError", "NotACertificateError", "OtherContentError", "OtherRegionError")
"""Exceptions whose text says what is wrong with a file or an answer, behind its name."""

LISTS = ("warnings", "problems", "errors")
"""Lists of sentences that are told together."""

TELLING = {
    "_io/forks.py": ("why_no_thread",),
    "composition.py": ("boundary_risk",),
    "_core/crl.py": ("Limit",),
    "_trust/crl/views.py": ("problem_of", "shortcoming_of", "_limit", "warnings_of"),
    "_trust/crl/sources.py": ("_why_unusable", "_why_not_asked"),
    "_trust/files/archive.py": ("_over_bounds",),
    "_trust/files/content.py": ("_other_der", "_other_block"),
    "_trust/files/rehearsal.py": ("why_useless",),
    "_trust/judging.py": ("flaws_of", "_flaw"),
    "_trust/genesys/failure.py": ("_no_answer",),
    "_trust/genesys/source.py": ("_problem",),
    "observing/deployment.py": ("trailers_as_headers", "fault_of"),
}
"""Functions and classes elsewhere than where their text is told."""

MOST_READINGS = 40
DEPTH = 4

_PLACEHOLDER = re.compile(r"%[sdr]")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Sentence:
    """Hold a sentence, with `HOLE` in place of each part that is variable, and where it stands."""

    text: str
    file: str
    line: int


Assigned = dict[str, list[ast.expr]]


class _Module:
    """Read the sentences of one module."""

    def __init__(self, path: Path) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.file = path.relative_to(PACKAGE).as_posix()
        self.constants = _assigned(self.tree.body)
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}
        self.locals: Assigned = {}

    def sentences(self) -> Iterator[Sentence]:
        yield from self._within(self.tree, {}, _told)
        told = TELLING.get(self.file, ())
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in told:
                strings = [part for one in ast.walk(node) for part in _texts_of(one)]
                self.locals = {}
                yield from (found for part in strings for found in self._sentences(part, part.lineno))

    def details(self) -> Iterator[Sentence]:
        yield from self._within(self.tree, {}, _detailed)

    def _within(
        self, node: ast.AST, own: Assigned, texts: Callable[[ast.AST], Iterator[ast.expr]]
    ) -> Iterator[Sentence]:
        """Go through a module, with the names that each function assigns."""
        if isinstance(node, ast.FunctionDef):
            own = _assigned(list(ast.walk(node)))
        for expression in texts(node):
            self.locals = own
            yield from self._sentences(expression, getattr(node, "lineno", 0))
        for child in ast.iter_child_nodes(node):
            yield from self._within(child, own, texts)

    def _sentences(self, expression: ast.expr, line: int) -> Iterator[Sentence]:
        for text in sorted(self.read(expression)):
            yield Sentence(text=re.sub(f"{HOLE}+", HOLE, text), file=self.file, line=line)

    def read(self, node: ast.expr, depth: int = 0) -> set[str]:
        """Return every way in which an expression can be read; a part that nobody knows is a hole."""
        if depth > DEPTH:
            return {HOLE}
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=parts):
                values = [part.value if isinstance(part, ast.FormattedValue) else part for part in parts]
                return self._joined(values, depth)
            case ast.IfExp(body=one, orelse=other):
                return self.read(one, depth) | self.read(other, depth)
            case ast.Name(id=name):
                return self._named(name, depth)
            case ast.Call() | ast.BinOp():
                return self._made(node, depth)
            case _:
                return {HOLE}

    def _made(self, node: ast.Call | ast.BinOp, depth: int) -> set[str]:
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([left, right], depth)
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod(), right=ast.Tuple(elts=parts)):
                return self._filled(text, parts, depth)
            case ast.Call(func=ast.Attribute(value=text, attr="strip" | "rstrip")):
                return self.read(text, depth + 1)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name)) if (
                name in self.functions
            ):
                return self._returned(self.functions[name], depth)
            case ast.Call(func=ast.Name(id=name)) if name in _renewals().functions and name not in self.functions:
                return _renewals()._returned(_renewals().functions[name], depth)
            case _:
                return {HOLE}

    def _filled(self, text: str, parts: list[ast.expr], depth: int) -> set[str]:
        """Put what is given into the placeholders of a line of logging."""
        words = _PLACEHOLDER.split(text)
        given = [*parts, *[ast.Name(id="_")] * len(words)][: len(words) - 1]
        if any(isinstance(one, ast.Starred) for one in parts):
            given = [ast.Name(id="_")] * (len(words) - 1)
        between = [one for word, part in zip(words, given, strict=False) for one in (ast.Constant(value=word), part)]
        return self._joined([*between, ast.Constant(value=words[-1])], depth)

    def _joined(self, parts: list[ast.expr], depth: int) -> set[str]:
        readings = {""}
        for part in parts:
            found = self.read(part, depth + 1)
            if len(readings) * len(found) > MOST_READINGS:
                found = {HOLE}
            readings = {before + one for before in readings for one in found}
        return readings

    def _named(self, name: str, depth: int) -> set[str]:
        for names in (self.locals, self.constants):
            if name in names:
                return {text for value in names[name] for text in self.read(value, depth + 1)}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and any(one.name == name for one in node.names):
                other = _module(ROOT / ((node.module or "").replace(".", "/") + ".py"))
                if other is not None and name in other.constants:
                    return {text for value in other.constants[name] for text in other.read(value, depth + 1)}
        return {HOLE}

    def _returned(self, function: ast.FunctionDef, depth: int) -> set[str]:
        before, self.locals = self.locals, _assigned(list(ast.walk(function)))
        values = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
        readings = {text for value in values for text in self.read(value, depth + 1)}
        self.locals = before
        return readings or {HOLE}


@cache
def _renewals() -> _Module:
    """Return the module whose functions make texts for others to log."""
    return _Module(PACKAGE / "renewals.py")


@cache
def sentences() -> tuple[Sentence, ...]:
    """Return every sentence of the package that says something by itself."""
    return tuple(one for one in _all() if has_words(one.text))


@cache
def details() -> tuple[Sentence, ...]:
    """Return the details of refusals; the log has them behind the reason."""
    return tuple(sorted({one for read in _modules() for one in read.details()}))


@cache
def passed_on() -> tuple[Sentence, ...]:
    """Return each place that tells only what was made elsewhere."""
    return tuple(one for one in _all() if not has_words(one.text))


def has_words(text: str) -> bool:
    """Return whether something is left of a sentence without its holes."""
    return any(len(word) > 1 and word.isalpha() for word in re.split(rf"[{HOLE}\s:;,.]+", text))


@cache
def _all() -> tuple[Sentence, ...]:
    return tuple(sorted({one for read in _modules() for one in read.sentences()}))


def _modules() -> list[_Module]:
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in SILENT]
    return [read for path in sorted(paths) if (read := _module(path)) is not None]


@cache
def _module(path: Path) -> _Module | None:
    return _Module(path) if path.is_file() else None


def _assigned(nodes: list[ast.AST] | list[ast.stmt]) -> Assigned:
    found: Assigned = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found |= {name: [*found[name], value] for name, value in _pairs(target, node.value)}
    return dict(found)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=names), ast.Tuple(elts=values):
            for one, other in zip(names, values, strict=True):
                yield from _pairs(one, other)
        case _:
            pass


def _texts_of(node: ast.AST) -> Iterator[ast.expr]:
    """Return the texts that a function returns, also as parts of a tuple, or gives to its base class."""
    match node:
        case ast.Return(value=ast.Tuple(elts=parts)):
            yield from parts
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant) or value.value:
            yield value
        case ast.Yield(value=ast.expr() as value):
            yield value
        case ast.ClassDef(bases=[ast.Name(id="StrEnum")], body=body):
            yield from (one.value for one in body if isinstance(one, ast.Assign) and ast.literal_eval(one.value))
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"), args=arguments):
            yield from arguments
        case _:
            pass


def _told(node: ast.AST) -> Iterator[ast.expr]:
    """Return the texts that an operator gets to read from here."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=level), args=arguments) if (
            name in LOGGERS and level in LEVELS
        ):
            text, *parts = arguments[1:] if level == "log" else arguments
            yield ast.BinOp(left=text, op=ast.Mod(), right=ast.Tuple(elts=parts))
        case ast.Call(func=ast.Attribute(attr="publish_once" | "notify"), args=[_, _, text]):
            yield text
        case ast.Call(func=ast.Attribute(attr="append", value=ast.Attribute(attr=name) | ast.Name(id=name))) if (
            name in LISTS
        ):
            yield node.args[0]
        case ast.Call(func=ast.Name(id=name)) if name in CLAUSES:
            yield node.args[0]
        case ast.Call(func=ast.Name(id="GenesysFailure")):
            yield from node.args[1:3]
        case ast.Assign(targets=[ast.Attribute(attr="problem")], value=value):
            yield value
        case ast.Assign(targets=[ast.Subscript(value=ast.Attribute(attr="_problems"), slice=key)]):
            yield key
        case _:
            pass
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "text")


def _detailed(node: ast.AST) -> Iterator[ast.expr]:
    """Return the detail of a refusal."""
    match node:
        case ast.Call(func=ast.Name(id="RejectionError"), args=[_, text, *_]):
            yield text
        case ast.Call(func=ast.Name(id="_untrusted" | "malformed"), args=[text]):
            yield text
        case ast.Return(value=ast.JoinedStr() | ast.Constant(value=str()) as text):
            yield text
        case _:
            pass
