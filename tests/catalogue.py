"""Which tests name which fault of a catalogue: its number stands in their first line.

Lives here: the reading of tests for numbers. A catalogue's own test lists the faults it must find.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def first_lines(source: str) -> Iterator[str]:
    """The first line of what each test of a file says it proves."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield (ast.get_docstring(node) or "").split("\n")[0]


def named(letter: str, faults: Iterable[str], root: Path = TESTS) -> dict[str, int]:
    """How many tests under ``root`` name each fault of a letter in their first line; a number that
    is no fault is counted too."""
    number = re.compile(rf"\b{letter}[0-9]{{2}}\b")
    counts = dict.fromkeys(faults, 0)
    for path in sorted(root.rglob("test_*.py")):
        for line in first_lines(path.read_text()):
            for found in number.findall(line):
                counts[found] = counts.get(found, 0) + 1
    return counts
