"""What a report is made from: rows by name, each there or absent with its reason.

Lives here: ``Inputs``, ``Absent``, the verdict of a replay, the table of limits that a suggestion
may move. May import: projections.why, msgspec. Always holds: an input that could not be read is not
the same as one that is empty. Start reading at ``Inputs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from projections.why import WhyAnswer

Row = dict[str, Any]
Rows = tuple[Row, ...]


class Absent(msgspec.Struct, frozen=True):
    """An input that is not there, and why, in one line."""

    reason: str


class Difference(msgspec.Struct, frozen=True):
    """The first entry that a replay derived otherwise."""

    seq: int
    kind: str
    field: str
    recorded: str
    replayed: str
    cause: int


class Parity(msgspec.Struct, frozen=True):
    """What a replay of the session gave.

    ``identical`` of ``decisions`` were the same; after a first difference under equal code the rest
    is not counted as the same. ``problem`` is what a replay could not get over.
    """

    outcome: Literal["identical", "diverged", "other_engine", "damaged", "failed"]
    decisions: int
    identical: int
    facts: int | None
    derivations: int | None
    comparison: str | None
    recorded_digest: str | None
    digest: str | None
    recorded_code: str | None
    code: str | None
    first: Difference | None
    changes: tuple[tuple[str, int], ...]
    problem: str | None


def no_verdict(outcome: Literal["damaged", "failed"], decisions: int, problem: str) -> Parity:
    """The parity of a session whose replay came to no end: nothing was shown to be identical."""
    return Parity(
        outcome=outcome, decisions=decisions, identical=0, facts=None, derivations=None,
        comparison=None, recorded_digest=None, digest=None, recorded_code=None, code=None,
        first=None, changes=(), problem=problem,
    )  # fmt: skip


class Threshold(msgspec.Struct, frozen=True):
    """A setting that is a limit of gates: which way it lets more through, and how far it may go.

    ``family`` is the strategy family that alone it is of, None for all.
    """

    setting: str
    gates: tuple[str, ...]
    toward: Literal["UP", "DOWN", "ON"]
    bound: int
    family: str | None


class Thresholds(msgspec.Struct, frozen=True):
    """Every limit that a setting moves, and (gate, why) of those that none does."""

    movable: tuple[Threshold, ...]
    fixed: tuple[tuple[str, str], ...]


class Inputs(msgspec.Struct, frozen=True):
    """The inputs of one session. ``rows`` by name; ``stories`` tell each trade."""

    session: str
    rows: Mapping[str, Rows | Absent]
    stories: tuple[WhyAnswer, ...] | Absent
    parity: Parity | Absent

    def get(self, name: str) -> Rows | Absent:
        """Rows by name; a name that nobody read is absent, not empty."""
        return self.rows.get(name, Absent(f"{name} was not read"))

    def all(self, name: str) -> Rows:
        """Rows by name, none where they are absent: for those who said so already."""
        found = self.get(name)
        return () if isinstance(found, Absent) else found

    def one(self, name: str) -> Row | None:
        """The first row, None where there is none."""
        found = self.all(name)
        return found[0] if found else None

    def without(self, name: str, reason: str) -> Inputs:
        """The same with one input absent."""
        return msgspec.structs.replace(self, rows={**self.rows, name: Absent(reason)})
