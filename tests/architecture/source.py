"""The sources as the checks see them: which files there are, what each one imports.

Lives here: listing and parsing, no rule. Always holds: a listing that comes out empty is an error,
so that no check passes because it looked at nothing.
"""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("events", "journal", "engine", "projections", "replay", "adapters", "tui", "cli")
OTHERS = ("tests", "bench", "scripts", "docs")


class Import(NamedTuple):
    """One import: the full dotted name it asks for, and its line."""

    name: str
    line: int


@functools.cache
def repository_files() -> tuple[Path, ...]:
    """Every file git tracks or would track, in order; relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = tuple(sorted(Path(n) for n in set(listed.split("\0")) if n and (ROOT / n).is_file()))
    assert len(files) > 30, "git lists hardly any file: the checks would look at nothing"
    return files


def python_files(*folders: str) -> tuple[Path, ...]:
    """The Python files of the repository under any of ``folders``; relative to the root."""
    found = tuple(p for p in repository_files() if p.suffix == ".py" and p.parts[0] in folders)
    assert found, f"no Python file under {folders}"
    return found


def module_name(path: Path) -> str:
    """``engine/core.py`` is ``engine.core``; a package is named by its folder."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_under(module: str, prefix: str) -> bool:
    """True when ``module`` is ``prefix`` or stands inside it."""
    return module == prefix or module.startswith(prefix + ".")


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[Import]:
    """Every import in a parsed module, wherever it stands; relative ones made absolute.

    ``from a import b`` yields ``a.b``: b may be a module, and a rule about ``a`` covers it too.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, module, is_package=is_package)
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)


def _base(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    package = module.split(".") if is_package else module.split(".")[:-1]
    kept = package[: len(package) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])
