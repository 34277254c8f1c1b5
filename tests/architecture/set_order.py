"""Where the order of a set's elements reaches something, as seen in the syntax tree.

Lives here: the part of the checker in purity.py that knows sets. Always holds: a name that holds a
set anywhere in a module is a set in the whole of it; ``sorted``, ``min`` and ``max`` free a set of
its order only without a ``key``, since ties keep the order they came in.
Start reading at ``order_taken``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.names import Names, last_name, unquoted

ORDER_FREE = frozenset(
    "sorted set frozenset len any all min max bool isinstance update issubset issuperset "
    "isdisjoint union intersection difference symmetric_difference intersection_update "
    "difference_update symmetric_difference_update cast".split()
)
"""What may be given a set: nothing of its order comes out. ``sum`` is not among them."""
KEYED = frozenset(("sorted", "min", "max"))
SET_METHODS = frozenset(("union", "intersection", "difference", "symmetric_difference"))
SET_TYPES = frozenset(("set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet"))
SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
TEXT_CALLS = frozenset(("str", "repr", "format"))


def order_taken(tree: ast.Module, names: Names) -> Iterator[tuple[int, str]]:
    """(line, what) for every place that takes over a set's order."""
    sets = _Sets(tree, names)
    free = _order_free(tree)
    for node in ast.walk(tree):
        for taken in _orders_taken(node):
            if id(node) not in free and sets.is_set(taken):
                yield taken.lineno, "iterates over a set: sort it first"
        if isinstance(node, ast.Call):
            yield from _given_away(node, sets)


def _orders_taken(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions whose order a node takes over."""
    if isinstance(node, ast.For):
        yield node.iter
    elif isinstance(node, ast.GeneratorExp | ast.ListComp | ast.DictComp):
        yield from (generator.iter for generator in node.generators)
    elif isinstance(node, ast.Starred | ast.YieldFrom | ast.FormattedValue):
        yield node.value
    elif isinstance(node, ast.Assign):
        if any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
            yield node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        popped = node.func.attr == "pop" and not node.args
        yield from (node.func.value,) if popped else ()


def _given_away(node: ast.Call, sets: _Sets) -> Iterator[tuple[int, str]]:
    """A set as an argument: of anything that may put its elements in a row, or in words."""
    name = last_name(node.func)
    if name in sets.takers:
        return
    keyed = name in KEYED and any(keyword.arg == "key" for keyword in node.keywords)
    if name in ORDER_FREE and not keyed:
        return
    for argument in node.args:
        inner = argument.value if isinstance(argument, ast.Starred) else argument
        if sets.is_set(inner) and not _is_empty(inner):
            what = "ties of a key keep a set's order" if keyed else f"{name}() is given a set"
            yield node.lineno, f"{what}: sort it first"


def _order_free(tree: ast.Module) -> set[int]:
    """Generators and unpackings whose consumer does not care about their order."""
    free: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in ORDER_FREE:
            if not any(keyword.arg == "key" for keyword in node.keywords):
                free.update(id(argument) for argument in node.args)
        elif isinstance(node, ast.Set):
            free.update(id(element) for element in node.elts)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.List):
            free.add(id(node))  # unpacked one by one: each side is judged by itself
    return free


class _Sets:
    """Which expressions of a module look like a set."""

    def __init__(self, tree: ast.Module, names: Names) -> None:
        self._names = names
        self._held: set[str] = set()
        self._made: set[str] = set()
        self._types = {
            last_name(target)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
            for target in node.targets
            if last_name(node.value) in SET_TYPES
        }
        """Names of types that are sets: ``Tokens = frozenset[int]``."""
        self.takers: set[str] = set()
        """Functions of the module with a set among their arguments: judged where they stand."""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                if node.returns is not None and self._is_type(node.returns, outermost=True):
                    self._made.add(node.name)
                annotated = (arg.annotation for arg in node.args.args if arg.annotation)
                if any(self._is_type(annotation) for annotation in annotated):
                    self.takers.add(node.name)
        for _ in range(2):  # a name may be bound above the one it is bound to
            for node in ast.walk(tree):
                self._held.update(self._bound_to_sets(node))

    def _bound_to_sets(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Assign) and self.is_set(node.value):
            yield from (name for target in node.targets if (name := last_name(target)))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            for target in node.targets:
                if isinstance(target, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=False)
                    yield from (last_name(one) for one, its in pairs if self.is_set(its))
        elif isinstance(node, ast.AnnAssign):
            if self._is_type(node.annotation) or (node.value and self.is_set(node.value)):
                yield last_name(node.target)
        elif isinstance(node, ast.NamedExpr) and self.is_set(node.value):
            yield node.target.id
        elif isinstance(node, ast.arg) and node.annotation and self._is_type(node.annotation):
            yield node.arg

    def is_set(self, node: ast.expr) -> bool:
        """Does the expression look like a set?"""
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name | ast.Attribute):
            return last_name(node) in self._held
        if isinstance(node, ast.NamedExpr):
            return self.is_set(node.value)
        if isinstance(node, ast.IfExp):
            return self.is_set(node.body) or self.is_set(node.orelse)
        if isinstance(node, ast.BoolOp):
            return any(self.is_set(value) for value in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, SET_OPERATORS):
            return any(self.is_set(side) or _is_view(side) for side in (node.left, node.right))
        return isinstance(node, ast.Call) and self._makes_set(node)

    def _is_type(self, annotation: ast.expr, *, outermost: bool = False) -> bool:
        """Is a set annotated: somewhere in it, or as the type itself? Quoted words count too."""
        annotation = unquoted(annotation)
        if outermost:
            return self._is_set_name(annotation)
        parts = (n for n in ast.walk(annotation) if isinstance(n, ast.expr))
        return any(self._is_set_name(part) for part in parts)

    def _is_set_name(self, node: ast.expr) -> bool:
        origins = {origin.rpartition(".")[2] for origin in self._names.origins(node)}
        return last_name(node) in SET_TYPES | self._types or bool(origins & SET_TYPES)

    def _makes_set(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "copy":
                return self.is_set(node.func.value)
            return node.func.attr in SET_METHODS or node.func.attr in self._made
        made_here = isinstance(node.func, ast.Name) and node.func.id in self._made
        return made_here or bool(self._names.origins(node.func) & {"set", "frozenset"})


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and not node.args and not node.keywords


def _is_view(node: ast.expr) -> bool:
    """``d.keys()`` and ``d.items()``: what an operator makes of them is a set."""
    return isinstance(node, ast.Call) and last_name(node.func) in ("keys", "items")
