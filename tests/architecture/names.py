"""What a name of a module stands for, followed through imports, renamings and look-ups by text.

Lives here: the dotted origin of an expression, for the checker in purity.py. Always holds: flow is
not followed, so a name stands for everything that the module ever binds it to; a builtin is its
bare name; what comes out of a call, a container or an argument has no origin.
Start reading at ``Names``.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

BUILTINS = frozenset(dir(builtins))
IMPORTERS = frozenset(("__import__", "importlib.import_module", "importlib.__import__"))
RENAMINGS_DEEP = 5
"""A chain of renamings longer than this is not followed to its end."""


class Names:
    """The origins of a module's names: ``origins(node)`` is where an expression comes from."""

    def __init__(self, tree: ast.Module) -> None:
        self._bound: dict[str, set[str]] = {}
        self.modules: set[str] = set()
        for node in ast.walk(tree):
            for name, origin in _imported(node):
                self._bound.setdefault(name, set()).add(origin)
                self.modules.add(origin)
        renamings = [pair for node in ast.walk(tree) for pair in _renamings(node)]
        for _ in range(RENAMINGS_DEEP):
            for name, value in renamings:
                origins = self.origins(value)
                if origins:
                    self._bound.setdefault(name, set()).update(origins)

    def origins(self, node: ast.expr) -> set[str]:
        """Every dotted name an expression may stand for; empty for a value of its own."""
        if isinstance(node, ast.Name):
            own = {node.id} if node.id in BUILTINS else set()
            return own | self._bound.get(node.id, set())
        if isinstance(node, ast.Attribute):
            return {_joined(base, node.attr) for base in self.origins(node.value)}
        if isinstance(node, ast.NamedExpr):
            return self.origins(node.value)
        if isinstance(node, ast.Call):
            return self._looked_up(node)
        return set()

    def _looked_up(self, node: ast.Call) -> set[str]:
        """``getattr(x, "y")`` is ``x.y``, and ``__import__("x")`` is ``x``."""
        called = self.origins(node.func)
        if "getattr" in called and len(node.args) >= 2:
            text = text_of(node.args[1])
            return {_joined(base, text) for base in self.origins(node.args[0])} if text else set()
        if called & IMPORTERS and node.args:
            text = text_of(node.args[0])
            return {text} if text else set()
        return set()


def text_of(node: ast.expr) -> str:
    """The text of a string constant, or of constants added up; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return left + right if left and right else ""
    return ""


def unquoted(annotation: ast.expr) -> ast.expr:
    """An annotation as an expression, also where it is written as text."""
    text = text_of(annotation)
    return ast.parse(text, mode="eval").body if text else annotation


def last_name(node: ast.expr) -> str:
    """The last name of ``a``, ``b.a`` or ``a[...]``; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return last_name(node.value) if isinstance(node, ast.Subscript) else ""


def _joined(base: str, name: str) -> str:
    return name if base in ("builtins", "__builtins__") else f"{base}.{name}"


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(the name bound, its origin) for every name that an import binds."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            yield alias.asname or alias.name, _joined(node.module, alias.name)


def _renamings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """(a name, an expression it is bound to) for assignments, defaults and walruses."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _unpacked(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        if node.value is not None:
            yield node.target.id, node.value
    elif isinstance(node, ast.arguments):
        places = [*node.posonlyargs, *node.args][-len(node.defaults) :] if node.defaults else []
        yield from ((arg.arg, value) for arg, value in zip(places, node.defaults, strict=True))
        for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            if value is not None:
                yield arg.arg, value


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(one, its)
