"""What a gate's naive function is given, and the row that it gives.

Lives here: ``Sight``, ``Row`` and the three ways to make one. May import: events. Always holds: a
row passes where nothing is missed, blocks where a limit is, is UNKNOWN where an input is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.naive.book import Book, Underlying


class Row(NamedTuple):
    """A gate's row in the order of ``GateRow``."""

    gate: str
    verdict: str
    reason: str | None
    observed: int | None
    limit: int | None
    margin: int | None
    age_ms: int | None
    marks: tuple[str, ...]


@dataclass
class Signal:
    """A family with what it says: direction None where it does not trade."""

    family: str
    direction: str | None
    lean: str
    strength: int


@dataclass
class Sight:
    """The book and the underlying, and what earlier stages gave."""

    book: Book
    one: Underlying
    allowed: list[str] = field(default_factory=list)
    signal: Signal | None = None
    pick: Any = None
    sold: Any = None
    screen: Any = None
    official: bool = True
    notes: dict[str, Any] = field(default_factory=dict)


Marks = tuple[str, ...]


def most(gate: str, seen: int | None, limit: int, missed: str, unknown: str | None = None,
         age: int | None = None, marks: Marks = ()) -> Row:  # fmt: skip
    """``seen`` may be at most ``limit``."""
    if seen is None:
        return Row(gate, "UNKNOWN", unknown or missed, None, limit, None, age, marks)
    good = seen <= limit
    verdict, reason = ("PASS", None) if good else ("BLOCK", missed)
    return Row(gate, verdict, reason, seen, limit, limit - seen, age, marks)


def least(gate: str, seen: int | None, limit: int, missed: str, unknown: str | None = None,
          age: int | None = None, marks: Marks = ()) -> Row:  # fmt: skip
    """``seen`` must be at least ``limit``."""
    if seen is None:
        return Row(gate, "UNKNOWN", unknown or missed, None, limit, None, age, marks)
    good = seen >= limit
    verdict, reason = ("PASS", None) if good else ("BLOCK", missed)
    return Row(gate, verdict, reason, seen, limit, seen - limit, age, marks)


def holds(gate: str, condition: bool, missed: str, *, known: bool = True, age: int | None = None,
          marks: Marks = ()) -> Row:  # fmt: skip
    """``condition`` must hold; ``known`` says whether it could be judged."""
    if condition:
        return Row(gate, "PASS", None, 1, 1, 0, age, marks)
    if not known:
        return Row(gate, "UNKNOWN", missed, None, 1, None, age, marks)
    return Row(gate, "BLOCK", missed, 0, 1, -1, age, marks)
