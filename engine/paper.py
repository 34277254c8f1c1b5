"""The paper broker: fills on journaled quotes, the same live and in replay.

Lives here: what an order takes from the book. May import: events, engine. Always holds: an order is
looked at when a frame arrives at or after its due time, never at a timer, and takes from the book
that stands after that frame; of the working orders no two take from the same side of a book; an
entry that did not fill in its time is cancelled and never sent again.
Start reading at ``decide_fills``.
"""

from __future__ import annotations

import struct
from typing import Final

from engine.books import ENTRY
from engine.charges import charge_lines, charges_paise
from engine.shorts import SHORT
from engine.state import Order, Quote, State
from events.base import Event
from events.feed import FeedFrame
from events.orders import FillApplied, OrderChanged

BPS: Final = 10_000
NOT_DUE_NS: Final = (1 << 63) - 1
"""When an order is due that waits for another one to be filled."""
_LEVELS: Final = struct.Struct(">" + "IiH2x" * 10)


def decide_fills(state: State, event: FeedFrame) -> list[Event]:
    """What this frame's book gives to the orders that are due, in order of approval."""
    outputs: list[Event] = []
    met: list[tuple[int, str]] = []
    for order in _due(state, event):
        quote = state.quotes[order.contract]
        book = (order.contract, order.side)
        if quote is None or book in met or _taken(state, order, quote.seq):
            continue
        fills = _fills(state, order, quote)
        outputs.extend(fills)
        if fills:
            met.append(book)
    return outputs


def _taken(state: State, order: Order, seq: int) -> bool:
    """Whether a working order of the same contract and side took from the book of that frame."""
    return any(
        one.last_seq == seq and one.contract == order.contract and one.side == order.side
        for one in state.orders
    )


def decide_lapses(state: State, event: FeedFrame) -> list[Event]:
    """Entries, and sales of a pair's leg, that were looked at and did not fill in their time."""
    return [
        order_event(order, "CANCELLED", "ORDER_LAPSED", order.filled_units)
        for order in _due(state, event)
        if order.role in (ENTRY, SHORT) and state.now >= order.expires_ns
    ]


def _due(state: State, event: FeedFrame) -> list[Order]:
    """Orders that this frame lets into the book.

    A page in several frames is one look at the market: only its last frame shows the book.
    """
    opened = state.opened
    pages = opened is not None and opened.cycle_rule.kind == "AFTER_SNAPSHOT"
    if pages and not event.snapshot_end:
        return []
    return [one for one in state.orders if one.leg is None and one.due_ns <= state.now]


def levels(quote: Quote, side: str) -> tuple[tuple[int, int], ...]:
    """(price, units) that an order of ``side`` meets, best first; the best alone without depth."""
    if len(quote.depth) != _LEVELS.size:
        best = (
            (quote.ask_paise, quote.ask_units)
            if side == "BUY"
            else (quote.bid_paise, quote.bid_units)
        )
        return (best,) if best[0] > 0 else ()
    fields = _LEVELS.unpack(quote.depth)
    start = 15 if side == "BUY" else 0
    return tuple(
        (fields[at + 1], fields[at]) for at in range(start, start + 15, 3) if fields[at + 1] > 0
    )


def _fills(state: State, order: Order, quote: Quote) -> list[Event]:
    lot = state.instruments[order.contract].lot_units
    share = state.config.paper.depth_share_bps
    left = order.quantity_units - order.filled_units
    fills: list[Event] = []
    for price, shown in levels(quote, order.side):
        beyond = price > order.limit_paise if order.side == "BUY" else price < order.limit_paise
        if left == 0 or (order.limit_paise and beyond):
            break
        # At least a lot where a lot is shown: half of one lot is not a quantity anybody trades.
        takes = min(left, max(shown * share // BPS // lot, min(shown // lot, 1)) * lot)
        if takes > 0:
            fills.append(_fill(state, order, quote, price, takes, order.fills + len(fills)))
            left -= takes
    return fills


def _fill(
    state: State, order: Order, quote: Quote, price: int, units: int, before: int
) -> FillApplied:
    assert state.rules is not None, "an order can only exist under a rulebook"
    exchange = state.instruments[order.contract].exchange
    lines = charge_lines(state.rules, exchange, order.side, price, units, first_fill=before == 0)
    away = price - order.reference_paise
    return FillApplied(
        order.order_id,
        before + 1,
        order.contract,
        order.side,
        units,
        price,
        away if order.side == "BUY" else -away,
        lines,
        charges_paise(lines),
        quote.seq,
    )


def order_event(order: Order, status: str, reason: str | None, filled_units: int) -> OrderChanged:
    """An order's state as an event."""
    return OrderChanged(
        order.order_id,
        order.authority,
        order.role,
        order.contract,
        order.side,
        status,
        reason,
        order.quantity_units,
        filled_units,
        order.limit_paise or None,
    )
