"""From inputs to sections: which input each section needs, and what it says without it.

Lives here: the row that declares a section, and the making of one from its row. May import:
projections.report. Always holds: a section whose needed input is absent is MISSING with the input's
own reason, one that finds nothing says so, and no section is ever left out. Start reading at
``Spec`` and ``build``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from projections.report.model import MISSING, NOTHING, SHOWN, Block, Section, Status

Given = TypeVar("Given")


class Nothing(NamedTuple):
    """Why there is nothing to show: nothing of the kind happened, or it was not recorded."""

    reason: str
    status: Status = NOTHING


def not_recorded(reason: str) -> Nothing:
    """The session's journal does not have it."""
    return Nothing(reason, MISSING)


Made = tuple[Block, ...] | Nothing
AbsenceOf = Callable[[Given, str], str | None]
"""Why an input is absent; None where it is there."""


class Spec(NamedTuple, Generic[Given]):
    """A section: without an input of ``needs`` there is none; one of ``uses`` is noted."""

    key: str
    title: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    make: Callable[[Given], Made]


def build(
    specs: Sequence[Spec[Given]], given: Given, absence_of: AbsenceOf[Given]
) -> tuple[Section, ...]:
    """Every declared section, in order."""
    return tuple(_section(spec, given, absence_of) for spec in specs)


def _section(spec: Spec[Given], given: Given, absence_of: AbsenceOf[Given]) -> Section:
    lacking = _absent(spec.needs, given, absence_of)
    notes = _absent(spec.uses, given, absence_of)
    if lacking:
        return Section(spec.key, spec.title, MISSING, "; ".join(lacking), notes, ())
    made = spec.make(given)
    if isinstance(made, Nothing):
        return Section(spec.key, spec.title, made.status, made.reason, notes, ())
    return Section(spec.key, spec.title, SHOWN, None, notes, made)


def _absent(names: Sequence[str], given: Given, absence_of: AbsenceOf[Given]) -> tuple[str, ...]:
    found = ((name, absence_of(given, name)) for name in names)
    return tuple(f"{_called(name)}: {reason}" for name, reason in found if reason is not None)


def _called(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))


TITLES: Final = {
    "span": "the decisions' span",
    "sole": "sole blockers",
    "sla": "instruments' silences",
    "sla_options": "contracts' silences",
    "stale": "stale inputs",
    "effects": "effects of changed settings",
    "outcomes": "what followed",
    "sent": "messages to the broker",
    "missed": "missed cycles",
    "stories": "trails",
    "parity": "replay",
    "runs": "decisions",
    "rules": "the rulebook",
}
"""What an input is called on the page where its own name would not do."""
