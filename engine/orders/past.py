"""What has happened to a position so far, and what may have happened unheard.

Lives here: its orders that are over, when one may be tried again, how large one may be, whether a
sale waits for the broker's positions. May import: events, engine. Always holds: pure; nothing waits
for books without an end.
"""

from __future__ import annotations

from typing import Final

from engine.books import ENTRY, MS, TP1
from engine.feed import unheard_ns
from engine.orders.legs import refused_for
from engine.orders.wishes import was
from engine.shorts import COVER, SHORT
from engine.state import Order, Position, State

SILENT_BOOKS_NS: Final = 5_000 * MS
BOOKS_PATIENCE_NS: Final = 10_000 * MS
"""A sale waits so long for books, once what it knows is in doubt."""

HAND_PATIENCE_NS: Final = 3_000 * MS
"""And what buys back the leg of a pair."""


def ended_of(state: State, position: Position, role: str) -> list[Order]:
    """Orders of a position that are over, by role, the oldest first."""
    return [
        one
        for one in state.desk.ended
        if one.role == role and one.authority.startswith(position.position_id)
    ]


def may_try_again(state: State, position: Position, role: str) -> bool:
    """Whether enough time has passed since the last order of a role that did not come through."""
    tried = ended_of(state, position, role)
    if not tried or (tried[-1].reason == TP1 and was(tried[-1], "FILLED")):
        return True
    leg = tried[-1].leg
    last = max(leg.sent_ns if leg is not None else 0, tried[-1].due_ns)
    return state.now - last >= state.config.orders.exit_reprice_ms * MS


def refused_before(state: State, order: Order) -> bool:
    """Whether one of the last orders of this role and contract was refused."""
    return any(
        one.role == order.role and one.contract == order.contract and was(one, "REJECTED")
        for one in state.desk.ended[-8:]
    )


def slice_units(state: State, position: Position) -> int:
    """The largest order of a position: the freeze quantity in whole lots, or half of what the
    exchange refused as above its own, which then is another."""
    rules, name = state.rules, state.underlyings[position.underlying].name
    lot = max(state.instruments[position.contract].lot_units, 1)
    freeze = (
        next((one.freeze_units for one in rules.underlyings if one.underlying == name), None)
        if rules is not None
        else None
    )
    known = freeze is not None and freeze >= lot
    largest = freeze // lot * lot if freeze is not None and known else abs(position.quantity_units)
    for one in refused_for(state, position, "FREEZE"):
        largest = min(largest, max(one.quantity_units // 2 // lot * lot, lot))
    return largest


def unheard_since_ns(state: State, position: Position) -> int:
    """Since when something may have happened to a position that nobody told: an order of it ended
    at the broker, and we did not ask for that (a square-off cancels before it sells); an update
    of one was missed, so others may be; the feed, which carries them, is silent; or the session
    has begun or gone on, and has not seen the broker's positions yet. 0 for nothing of the kind."""
    since = 0 if state.desk.nets_ns else _begun_ns(state)
    for one in (*state.orders, *state.desk.ended):
        leg = one.leg
        if leg is None or not one.authority.startswith(position.position_id):
            continue
        since = max(since, leg.missed_ns)
        ours = leg.cancel_sent or not leg.broker_order_id or one.role in (ENTRY, SHORT)
        if not ours and leg.status in ("CANCELLED", "REJECTED"):
            since = max(since, leg.seen_ns)
    if unheard_ns(state) > state.config.feed.link_age_ms_max * MS:
        since = max(since, state.now - SILENT_BOOKS_NS)
    return since


def _begun_ns(state: State) -> int:
    """When the session began, or last went on."""
    begun = state.opened.anchor_ns if state.opened is not None else 0
    return max(begun, state.desk.resumed_ns)


def waits_for_books(state: State, position: Position, asked_ns: int) -> bool:
    """Whether a sale waits for the broker's positions: they are not as new as what may have
    happened unheard. Not for longer than so much since ``asked_ns``: an exit is not blocked."""
    since = unheard_since_ns(state, position)
    late = state.now - max(asked_ns, 1) >= BOOKS_PATIENCE_NS
    return since > state.desk.nets_ns and not late


def waits_for_hand(state: State, cover: Order) -> bool:
    """Whether what buys a leg back waits for books that are newer than the wish: nothing of a pair
    rests at the broker whose end would tell that a person, or the broker's square-off, has closed
    it, and twice would be a long of nobody's plan. Not for long: an exit is not blocked."""
    late = state.now - cover.due_ns >= HAND_PATIENCE_NS
    return state.desk.nets_ns < cover.due_ns and not late


def books_awaited(state: State) -> bool:
    """Whether some order waits for the broker's positions."""
    held = (one for one in state.orders if one.role == COVER and was(one, "HELD"))
    if any(waits_for_hand(state, one) for one in held):
        return True
    return any(
        position.quantity_units and unheard_since_ns(state, position) > state.desk.nets_ns
        for position in (*state.positions, *state.shorts)
    )
