"""What is changed in a module, one thing at a time.

Not changed are types, docstrings, decorators, and texts for people: strings with a blank in them, and f-strings.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
CALLED = {
    "any": "all",
    "all": "any",
    "min": "max",
    "max": "min",
    "lower": "upper",
    "startswith": "endswith",
    "endswith": "startswith",
    "fullmatch": "match",
    "match": "search",
    "setdefault": "get",
    "partition": "rpartition",
    "rpartition": "partition",
    "removeprefix": "removesuffix",
    "removesuffix": "removeprefix",
    "append": "clear",
}
KEPT = frozenset({"__slots__", "__module__", "__all__", "__match_args__"})
"""Names whose values only describe."""

Slot = tuple[ast.AST, str, int | None]
Function = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module.

    Attributes:
        module: its file below the package.
        line: of the file.
        function: the name of the outermost function around it, its first and last line; None in the module itself.
        scope: where it is, for people.
        old: the code as it is.
        new: the code as it becomes.
        number: of the equal changes in this scope, which one.
        slot: where the tree changes.
        node: what comes there.
    """

    module: str
    line: int
    function: Function | None
    scope: str
    old: str
    new: str
    number: int
    slot: Slot
    node: ast.AST

    @property
    def key(self) -> str:
        """Return a name that stays when other lines of the file change."""
        return f"{self.module} {self.scope}: {self.old} -> {self.new}" + (f" #{self.number}" if self.number else "")

    def code(self, tree: ast.Module, path: str) -> CodeType:
        """Compile the module with this change."""
        parent, name, index = self.slot
        if index is None:
            old = getattr(parent, name)
            setattr(parent, name, self.node)
        else:
            old = getattr(parent, name)[index]
            getattr(parent, name)[index] = self.node
        try:
            return compile(tree, path, "exec")
        finally:
            if index is None:
                setattr(parent, name, old)
            else:
                getattr(parent, name)[index] = old


def mutants_of(module: str, tree: ast.Module) -> Iterator[Mutant]:
    """Yield each change of a module's tree."""
    seen: dict[tuple[str, str, str], int] = {}
    for slot, node, scope, function in _slots(tree, (), None):
        for new in _replacements(node):
            placed = ast.fix_missing_locations(ast.copy_location(new, node))
            old_text, new_text = _text(node), _text(new)
            number = seen.get((scope, old_text, new_text), 0)
            seen[scope, old_text, new_text] = number + 1
            line = getattr(node, "lineno", 0)
            yield Mutant(module, line, function, scope, old_text, new_text, number, slot, placed)


def _slots(
    node: ast.AST, scope: tuple[str, ...], function: Function | None
) -> Iterator[tuple[Slot, ast.AST, str, Function | None]]:
    around = function
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope = (*scope, node.name)
        if function is None and not isinstance(node, ast.ClassDef):
            begin = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            function = ".".join(scope), begin, node.end_lineno or begin
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not _is_kept(child):
                yield (node, name, index), child, ".".join(scope) or "module", function
                yield from _slots(child, scope, around if name == "args" else function)  # defaults are older than calls


def _is_kept(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in KEPT or _is_type(node.value)
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Call(func=ast.Name(id="TypeVar" | "cast")):
            return True
        case _:
            return False


def _is_type(node: ast.expr) -> bool:
    """Return whether an assigned value is a type: ``Element = dict[str, bytes]``."""
    names = {"dict", "tuple", "list", "Mapping", "Callable", "Sequence", "Accepted"}
    match node:
        case ast.Subscript(value=ast.Name(id=name)):
            return name in names
        case ast.BinOp(op=ast.BitOr(), left=ast.Name(id=name)):
            return name in names
        case _:
            return False


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass):
        return ast.unparse(node).partition("\n")[0]
    return ast.unparse(node)


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    yield from _operators(node)
    match node:
        case ast.Constant(value=value):
            yield from _constants(value)
        case ast.Call():
            yield from _calls(node)
        case ast.comprehension() | ast.Slice() | ast.IfExp():
            yield from _parts(node)
        case ast.stmt():
            yield from _statements(node)
        case _:
            return


def _operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for index, one in enumerate(ops):
                changed = copy.deepcopy(node)
                changed.ops[index] = COMPARED[type(one)]()
                yield changed
        case ast.BoolOp(op=op, values=values):
            changed_op = copy.deepcopy(node)
            changed_op.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield changed_op
            for index in range(len(values)):
                rest = copy.deepcopy([*values[:index], *values[index + 1 :]])
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op=op, values=rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield copy.deepcopy(operand)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in COMPUTED:
            changed_bin = copy.deepcopy(node)
            changed_bin.op = COMPUTED[type(op)]()
            yield changed_bin
        case _:
            return


def _parts(node: ast.comprehension | ast.Slice | ast.IfExp) -> Iterator[ast.AST]:
    match node:
        case ast.comprehension(ifs=ifs):
            for index in range(len(ifs)):
                changed = copy.deepcopy(node)
                del changed.ifs[index]
                yield changed
        case ast.IfExp(body=body, orelse=orelse):
            yield copy.deepcopy(body)
            yield copy.deepcopy(orelse)
        case ast.Slice(lower=lower, upper=upper, step=step):
            if lower is not None:
                yield ast.Slice(lower=None, upper=copy.deepcopy(upper), step=step)
            if upper is not None:
                yield ast.Slice(lower=copy.deepcopy(lower), upper=None, step=step)


def _constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(value=not value)
        case int():
            yield ast.Constant(value=value + 1)
        case str() if value and " " not in value.strip():
            yield ast.Constant(value=value + "X")
        case bytes():
            yield ast.Constant(value=value + b"X")
        case _:
            return


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    for index in range(len(node.keywords)):
        if len(node.keywords) + len(node.args) > 1 and node.keywords[index].arg is not None:
            changed = copy.deepcopy(node)
            del changed.keywords[index]
            yield changed
    match node.func:
        case ast.Name(id=name) if name in CALLED:
            renamed = copy.deepcopy(node)
            renamed.func = ast.Name(id=CALLED[name], ctx=ast.Load())
            yield renamed
        case ast.Attribute(attr=name) if name in CALLED:
            renamed = copy.deepcopy(node)
            renamed.func = ast.Attribute(value=copy.deepcopy(node.func.value), attr=CALLED[name], ctx=ast.Load())
            yield renamed
        case ast.Attribute(attr="strip" | "lstrip" | "rstrip" | "casefold" | "replace", value=value):
            yield copy.deepcopy(value)
        case _:
            return


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.If(test=test) | ast.While(test=test):
            for value in (True, False):
                if not isinstance(node, ast.While) or not value:
                    changed = copy.deepcopy(node)
                    changed.test = ast.copy_location(ast.Constant(value=value), test)
                    yield changed
        case ast.Return(value=value) if value is not None and not (
            isinstance(value, ast.Constant) and value.value is None
        ):
            yield ast.Return(value=ast.Constant(value=None))
        case ast.Raise() | ast.Expr() | ast.AugAssign():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.Assign(value=value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Assign(targets=copy.deepcopy(node.targets), value=ast.Constant(value=None))
        case _:
            return
