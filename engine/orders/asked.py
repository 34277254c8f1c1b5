"""A person's word that one position goes, and nothing else.

Lives here: when such a word is taken, and what is kept of it. May import: events, engine. Always
holds: pure; a pair goes as a whole, whichever of its legs is named; what is on its way out already
is refused, so that asking twice is asking once; the word stands until nothing of the position is
held, whatever becomes of its orders, and no other position, order or entry is touched by it.
Start reading at ``refusal``; the exit itself is a rule like the others (``engine.exits``).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine import commands
from engine.books import EXIT, TP1, position_of
from engine.orders.entries import KILL_FLATTEN
from engine.shorts import COVER, MARK, short_of
from engine.state import State
from events.session import OperatorCommand

KEPT_ASKED: Final = 256


def refusal(state: State, event: OperatorCommand) -> str | None:
    """The code why a position is not closed by this command; None where it is."""
    position_id = _long_id(event)
    long, leg = position_of(state, position_id), short_of(state, position_id)
    held = long.quantity_units if long is not None else 0
    sold = leg.quantity_units if leg is not None else 0
    if not held and not sold:
        return commands.SUBJECT_UNKNOWN
    # What is sold with nothing held beside it is bought back by itself.
    return commands.EXITING if not held or _leaves(state, position_id) else None


def asked(state: State, event: OperatorCommand) -> State:
    """The state in which the position is asked for."""
    kept = (*state.desk.leaving, _long_id(event))[-KEPT_ASKED:]
    return replace(state, desk=replace(state.desk, leaving=kept))


def _long_id(event: OperatorCommand) -> str:
    """The long that is named, or that the named leg is sold against."""
    return (event.subject or "").removesuffix(MARK)


def _leaves(state: State, position_id: str) -> bool:
    """Whether a position is on its way out as a whole, for whatever reason."""
    if state.desk.kill >= KILL_FLATTEN or position_id in state.desk.leaving:
        return True
    return any(
        one.role in (EXIT, COVER) and one.reason != TP1 and one.authority.startswith(position_id)
        for one in state.orders
    )
