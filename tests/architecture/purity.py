"""What makes a result depend on anything but its input, as seen in the syntax tree.

Lives here: the checker behind test_purity.py. Always holds: it errs towards reporting; a line that
is sound in spite of it says why in a comment ``# pure: <reason>``.
Start reading at ``impurities``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

EXACT_MATH = frozenset(("sqrt", "floor", "frexp", "ldexp", "isfinite"))
"""What IEEE 754 or plain arithmetic fixes; the rest of ``math`` differs between libm builds."""

AMBIENT_CALLS = {
    "open": "reads or writes a file",
    "input": "asks the terminal",
    "print": "writes to the terminal",
    "eval": "runs text",
    "exec": "runs text",
    "compile": "runs text",
    "__import__": "imports by name",
    "breakpoint": "stops for a person",
    "globals": "reaches for module state",
    "hash": "differs with PYTHONHASHSEED",
    "id": "is an address",
}
CLOCK_CALLS = frozenset(("now", "utcnow", "today"))
ZONE_CALLS = frozenset(("astimezone", "fromtimestamp", "timestamp", "mktime"))
REDUCTIONS = frozenset(("sum", "mean", "std", "var", "dot", "cumsum", "cum_sum", "ewm_mean"))

INTEGER_UNITS = ("paise", "units", "lots", "lot", "count", "packets", "_ns", "_ms", "_bytes")
"""Units in which the house counts and never measures (units come last in a name)."""
INTEGER_CALLS = frozenset(("len", "int", "floor", "ord"))

ORDER_FREE = frozenset(("sorted", "set", "frozenset", "len", "any", "all", "min", "max"))
ORDER_TAKING = frozenset(("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "fromkeys"))
SET_METHODS = frozenset(("union", "intersection", "difference", "symmetric_difference"))
SET_TYPES = frozenset(("set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet"))
SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)

WAIVER = re.compile(r"#\s*pure:\s*\S+")


class Impurity(NamedTuple):
    """One place and what is wrong with it."""

    line: int
    what: str


def impurities(source: str, *, arithmetic_only: bool = False) -> list[Impurity]:
    """Everything impure in a module's source, by line, lines with a waiver left out.

    With ``arithmetic_only`` a file may be read and a method may be asked for its time zone: the
    module stands on the journaled path without being part of the core.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    found = [*_arithmetic(tree), *_set_orders(tree), *_everywhere(tree)]
    if not arithmetic_only:
        found += _ambient(tree)
    kept = {i for i in found if not WAIVER.search(lines[i.line - 1])}
    return sorted(kept)


def _name(node: ast.expr) -> str:
    """The last name of ``a``, ``b.a`` or ``a[...]``; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return _name(node.value) if isinstance(node, ast.Subscript) else ""


def _arithmetic(tree: ast.Module) -> Iterator[Impurity]:
    """Float operations that differ between machines: powers, libm, sums of the library."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            yield Impurity(node.lineno, "the ** operator: write the product")
        elif isinstance(node, ast.Call):
            yield from _arithmetic_call(node)
        elif isinstance(node, ast.Attribute) and _name(node.value) == "math":
            if node.attr not in EXACT_MATH:
                yield Impurity(node.lineno, f"math.{node.attr}: use engine.exact")
        elif isinstance(node, ast.ImportFrom) and node.module == "math":
            for alias in node.names:
                if alias.name not in EXACT_MATH:
                    yield Impurity(node.lineno, f"math.{alias.name}: use engine.exact")


def _arithmetic_call(node: ast.Call) -> Iterator[Impurity]:
    name = _name(node.func)
    if isinstance(node.func, ast.Name):
        if name == "pow":
            yield Impurity(node.lineno, "pow(): write the product")
        elif name == "sum" and not _counts(node):
            yield Impurity(node.lineno, "sum(): write a loop, or say that these are integers")
    elif name in REDUCTIONS:
        yield Impurity(node.lineno, f".{name}(): a reduction whose order is not ours")


def _counts(node: ast.Call) -> bool:
    """Does a sum add integers, by its elements? ``sum(p.pnl_paise for p in …)`` does."""
    element = node.args[0] if node.args else None
    if isinstance(element, ast.GeneratorExp | ast.ListComp):
        element = element.elt
    return element is not None and _is_integer(element)


def _is_integer(node: ast.expr) -> bool:
    """An integer by its kind, or by a name whose unit is one that is only counted."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    if isinstance(node, ast.BinOp):
        exact = isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.FloorDiv | ast.Mod)
        return exact and _is_integer(node.left) and _is_integer(node.right)
    if isinstance(node, ast.IfExp):
        return _is_integer(node.body) and _is_integer(node.orelse)
    if isinstance(node, ast.Call):
        return _name(node.func) in INTEGER_CALLS or _name(node.func).endswith(INTEGER_UNITS)
    if isinstance(node, ast.Compare):
        return True
    return _name(node).endswith(INTEGER_UNITS)


def _everywhere(tree: ast.Module) -> Iterator[Impurity]:
    """The clock, chance and addresses: wrong on every journaled path, in the core or beside it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                if name in ("time", "random", "secrets", "uuid"):
                    yield Impurity(node.lineno, f"import of {name}")
        elif isinstance(node, ast.Call):
            name = _name(node.func)
            if isinstance(node.func, ast.Name) and name in ("hash", "id"):
                yield Impurity(node.lineno, f"{name}() {AMBIENT_CALLS[name]}")
            elif isinstance(node.func, ast.Attribute) and name in CLOCK_CALLS:
                yield Impurity(node.lineno, f".{name}() reads the clock")
        elif isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            yield Impurity(node.lineno, f".{node.attr} reads the environment")


def _ambient(tree: ast.Module) -> Iterator[Impurity]:
    """What only the core must not do: files, the terminal, threads, module state."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if isinstance(node.func, ast.Name) and name in AMBIENT_CALLS:
                yield Impurity(node.lineno, f"{name}() {AMBIENT_CALLS[name]}")
            elif isinstance(node.func, ast.Attribute) and name in ZONE_CALLS:
                yield Impurity(node.lineno, f".{name}() depends on the machine's time zone")
        elif isinstance(node, ast.Global):
            yield Impurity(node.lineno, "global: state outside the state")
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield Impurity(node.lineno, "async: order is not ours")
        elif isinstance(node, ast.ClassDef):
            yield from _unfrozen(node)


def _unfrozen(node: ast.ClassDef) -> Iterator[Impurity]:
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
        frozen = any(k.arg == "frozen" and _is_true(k.value) for k in keywords)
        if _name(call) == "dataclass" and not frozen:
            yield Impurity(node.lineno, f"the dataclass {node.name} is not frozen")


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _set_orders(tree: ast.Module) -> Iterator[Impurity]:
    """Places where the order of a set's elements reaches something."""
    names = _set_names(tree)
    free = _order_free(tree)
    for node in ast.walk(tree):
        for taken in _orders_taken(node):
            if id(node) not in free and _is_set(taken, names):
                yield Impurity(taken.lineno, "iterates over a set: sort it first")


def _orders_taken(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions whose order a node takes over."""
    if isinstance(node, ast.For):
        yield node.iter
    elif isinstance(node, ast.GeneratorExp | ast.ListComp | ast.DictComp):
        yield from (generator.iter for generator in node.generators)
    elif isinstance(node, ast.Starred | ast.YieldFrom):
        yield node.value
    elif isinstance(node, ast.Call):
        name = _name(node.func)
        if name in ORDER_TAKING or name == "join":
            yield from node.args
        elif name == "pop" and not node.args and isinstance(node.func, ast.Attribute):
            yield node.func.value


def _order_free(tree: ast.Module) -> set[int]:
    """Generators and unpackings whose consumer does not care about their order."""
    free: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in ORDER_FREE:
            free.update(id(argument) for argument in node.args)
        elif isinstance(node, ast.Set):
            free.update(id(element) for element in node.elts)
    return free


def _set_names(tree: ast.Module) -> set[str]:
    """Names that hold a set somewhere in the module; a name is judged for the whole of it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_set(node.value, names):
            names.update(_name(target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            if _is_set_type(node.annotation) or (node.value and _is_set(node.value, names)):
                names.add(_name(node.target))
        elif isinstance(node, ast.arg) and node.annotation and _is_set_type(node.annotation):
            names.add(node.arg)
    return names - {""}


def _is_set_type(annotation: ast.expr) -> bool:
    return any(_name(n) in SET_TYPES for n in ast.walk(annotation) if isinstance(n, ast.expr))


def _is_set(node: ast.expr, names: set[str]) -> bool:
    """Does the expression look like a set?"""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name | ast.Attribute):
        return _name(node) in names
    if isinstance(node, ast.BinOp) and isinstance(node.op, SET_OPERATORS):
        return any(_is_set(side, names) or _is_view(side) for side in (node.left, node.right))
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in SET_METHODS
        return _name(node.func) in ("set", "frozenset")
    return False


def _is_view(node: ast.expr) -> bool:
    """``d.keys()`` and ``d.items()``: what an operator makes of them is a set."""
    return isinstance(node, ast.Call) and _name(node.func) in ("keys", "items")
