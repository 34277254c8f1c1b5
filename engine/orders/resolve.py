"""A person's word on a long that our books hold and the broker's do not.

Lives here: when such a word is taken, and what it leads to. May import: events, engine. Always
holds: pure; a word is taken only where the broker's last books say the same, twice in a row and not
long ago, and nothing is under way on the contract; our books only ever shrink by it; the price is
never better than the cost nor than the bid, so no gain comes of it, and an incident says that
nobody confirmed it; until the next books agree, entries wait.
Start reading at ``refusal``, then ``resolved_events``.
"""

from __future__ import annotations

from typing import Final

from engine import commands
from engine.books import EXTERNAL, MS, holding_key, position_of
from engine.orders.incidents import Incidents
from engine.orders.legs import position_key
from engine.orders.reconcile import busy_keys, our_nets
from engine.orders.reduce import POSITION_DIFFERS, RESOLVED_GONE
from engine.orders.reports import external_fill
from engine.state import Position, State
from events.base import Event
from events.governance import DifferenceFound
from events.orders import OrderChanged
from events.session import OperatorCommand

UNCONFIRMED: Final = "RESULT_UNCONFIRMED"


def is_of_position(event: OperatorCommand) -> bool:
    """Whether a command says how much of a position the broker holds."""
    return event.verb == "RESOLVE" and (event.value or "").startswith(commands.HOLDS_PREFIX)


def refusal(state: State, event: OperatorCommand) -> str | None:
    """The code why a person's word on a position is not taken; None where it is."""
    position = position_of(state, event.subject or "")
    if position is None:
        return commands.SUBJECT_UNKNOWN
    return None if _agreed(state, position, _units(event)) else commands.BOOKS_DISAGREE


def resolved_events(state: State, event: OperatorCommand) -> list[Event]:
    """Both figures as they stand, then the sale that somebody must have made, as an order of
    others; what follows from it follows as from any fill."""
    position = position_of(state, event.subject or "")
    assert position is not None, "the command was judged before"
    key = position_key(state, position)
    mine, yours = our_nets(state)[key], _units(event)
    units = min(mine - yours, position.quantity_units)
    paise = unconfirmed_paise(state, position)
    sold = OrderChanged(
        f"E{position.position_id}-{state.seq}", position.position_id, EXTERNAL, position.contract,
        "SELL", "WORKING", RESOLVED_GONE, units, 0, None,
    )  # fmt: skip
    incidents = Incidents(state)
    incidents.raised(
        UNCONFIRMED, position.position_id, units=units, price_paise=paise,
        cost_paise=position.value_paise // position.quantity_units,
    )  # fmt: skip
    return [
        DifferenceFound(":".join(key), RESOLVED_GONE, mine, yours),
        sold,
        external_fill(state, sold, paise),
        *incidents.events,
    ]


def unconfirmed_paise(state: State, position: Position) -> int:
    """The price that stands for the one that nobody knows: the bid, where there is one, and never
    more than the units cost."""
    quote = state.quotes[position.contract]
    bid = quote.sell_paise if quote is not None else 0
    return min(bid, position.value_paise // position.quantity_units)


def _agreed(state: State, position: Position, units: int) -> bool:
    """Whether the broker's last books show what a person says, and less than ours."""
    key, desk = position_key(state, position), state.desk
    mine = our_nets(state)[key]
    # Compared twice in a row, and nothing of ours has moved since.
    found = any(
        (one.subject, one.reason) == (":".join(key), POSITION_DIFFERS)
        and (one.ours, one.theirs) == (mine, units)
        and one.times > 1
        for one in desk.differences
    )
    shown = sum(one.net_units for one in desk.nets if holding_key(one) == key)
    young = state.now - desk.nets_ns <= state.config.orders.reconciled_age_s_max * 1_000 * MS
    at_rest = key not in busy_keys(state, state.now)
    return found and young and at_rest and shown == units < mine


def _units(event: OperatorCommand) -> int:
    return int((event.value or "").removeprefix(commands.HOLDS_PREFIX))
