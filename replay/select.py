"""One value out of a state by its path: ``account.realised_paise``, ``quotes[3].ltp_paise``.

Lives here: the reading of a path and the walk along it. May import: engine.state. Always holds: a
path gives the value that stands there, or one line that says where it leads nowhere and what there
is instead. What is in instrument or underlying order answers to a symbol too: ``quotes[NIFTYFUT]``.
Start reading at ``select``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from engine.state import State

_STEP: Final = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[([^\[\]]+)\]")
_EXAMPLE: Final = "write it as account.realised_paise or quotes[3].ltp_paise"

Step = str | int
"""A field, or a place in a tuple: by its number, or a name in brackets."""


class PathError(ValueError):
    """A path that leads nowhere; one line."""


class Named(str):
    """A step in brackets that is no number."""

    __slots__ = ()


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ``PathError`` where it is none."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (match[1] is not None and text[at] != "." and at > 0):
            raise PathError(f"'{text}' is no path from character {at + 1} on: {_EXAMPLE}")
        steps.append(match[1] if match[1] is not None else _bracketed(match[2]))
        at = match.end()
    if not steps or text.startswith("."):
        raise PathError(f"'{text}' is no path: {_EXAMPLE}")
    return tuple(steps)


def _bracketed(text: str) -> Step:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else Named(text)


def select(state: State, steps: Sequence[Step]) -> Any:
    """The value at the end of a path. Raises ``PathError``."""
    value: Any = state
    where = ""
    for step in steps:
        if value is None:
            raise PathError(f"{where} is not there yet at this entry: nothing is inside")
        if isinstance(step, int | Named):
            value, where = _item(state, value, step, where)
        else:
            value, where = _field(value, step, where)
    return value


def _field(value: Any, name: str, where: str) -> tuple[Any, str]:
    if not isinstance(value, msgspec.Struct):
        what = f"has {len(value)} places: write {where}[0]" if isinstance(value, tuple) else (
            f"is one value, {type(value).__name__}: nothing is inside"
        )  # fmt: skip
        raise PathError(f"{where} {what}")
    fields = value.__struct_fields__
    if name not in fields:
        raise PathError(f"{where or 'the state'} has no '{name}'{_hint(name, fields)}")
    return getattr(value, name), f"{where}.{name}" if where else name


def _item(state: State, value: Any, step: int | Named, where: str) -> tuple[Any, str]:
    if not isinstance(value, tuple):
        raise PathError(f"{where or 'the state'} has no places to number: write a field's name")
    place = step if isinstance(step, int) else _place_of(names_of(state, where), step, where)
    if not value:
        raise PathError(f"{where} is empty at this entry")
    if place >= len(value):
        raise PathError(f"{where} has no [{place}]: it goes from [0] to [{len(value) - 1}]")
    return value[place], f"{where}[{place}]"


def _place_of(names: Sequence[str], name: str, where: str) -> int:
    if not names:
        raise PathError(f"{where} has no names: write a number, as in {where}[0]")
    for known in (name, name.upper()):
        if known in names:
            return names.index(known)
    raise PathError(f"{where} has no '{name}'{_hint(name, names)}")


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean '{close[0]}'?" if close else f"; it has {_listed(known)}"


def _listed(names: Sequence[str], most: int = 40) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def names_of(state: State, where: str) -> tuple[str, ...]:
    """The names of the places of a tuple of the state, in order; none where they have no name."""
    symbols = tuple(row.tradingsymbol for row in state.instruments)
    if where in ("instruments", "quotes", "vols"):
        return symbols
    if where in ("slots", "accs"):
        return tuple(symbols[slot.instrument] for slot in state.slots)
    if where in ("underlyings", "markets"):
        return tuple(one.name for one in state.underlyings)
    return ()
