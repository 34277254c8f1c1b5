"""N11's last gates before an intent: the controls that the regulator and the exchange ask for.

May import: events, engine. Always holds: they judge the very entry that would be sent, and only
that; without a price to compare with the answer is no. ``docs/RISK.md`` says where each control of
the regulator's list stands, for most stand elsewhere. Start reading at ``with_controls``.
"""

from __future__ import annotations

from typing import Final

from engine.books import ENTRY
from engine.gates.contract import Pick
from engine.gates.rows import at_most, is_true, stage_of
from engine.gates.sizing import protected_paise
from engine.layout import OPTION_KINDS
from engine.state import State
from engine.view import View
from events.decision import GateRow, StageVerdict
from events.reasons import N11

VENUES: Final = ("NFO", "BFO")
SELL: Final = "SELL"
ENDED: Final = ("COMPLETE", "CANCELLED", "REJECTED", "CANCELLED AMO")
"""The broker's words for an order that is over."""


def with_controls(view: View, final: StageVerdict, pick: Pick) -> StageVerdict:
    """N11 with the controls behind its sizing."""
    return stage_of(N11, (*final.rows, *_rows(view, pick)))


def _rows(view: View, pick: Pick) -> tuple[GateRow, ...]:
    state, contract = view.state, pick.contract
    limits = state.config.orders
    quote = state.quotes[contract]
    last = quote.ltp_paise if quote is not None else 0
    away = abs(protected_paise(view, pick) - last) * 10_000 // last if last > 0 else None
    entries = sum(1 for one in state.orders if one.role == ENTRY and one.contract == contract)
    return (
        is_true("permitted", is_permitted(view, contract), "CONTROL_NOT_PERMITTED"),
        at_most("collar", away, limits.collar_bps_max, "CONTROL_COLLAR",
                unknown="CONTROL_REFERENCE_MISSING"),
        at_most("duplicates", entries, 0, "CONTROL_DUPLICATE"),
        at_most("self_trades", _sells(state, contract), 0, "CONTROL_SELF_TRADE"),
        at_most("open_orders", len(state.orders) + 1, limits.open_max, "CONTROL_OPEN_ORDERS"),
    )  # fmt: skip


def is_permitted(view: View, contract: int) -> bool:
    """Whether an entry may be of this contract: a listed option of a permitted underlying. The
    product is a setting of two words, and an entry only ever buys."""
    row = view.state.instruments[contract]
    listed = row.exchange in VENUES and row.kind in OPTION_KINDS
    known = row.lot_units > 0 and row.tick_paise > 0 and row.strike_paise > 0
    return listed and known and row.underlying in view.state.config.orders.permitted.split(" ")


def _sells(state: State, contract: int) -> int:
    """Orders of the account that sell a contract, ours and others': a buy could meet one. A leg
    that is sold counts as one: bought beside it, neither would be what the books say."""
    ours = sum(1 for one in state.orders if one.side == SELL and one.contract == contract)
    ours += sum(1 for one in state.shorts if one.quantity_units and one.contract == contract)
    others = sum(
        1
        for one in state.desk.foreign
        if one.side == SELL and one.contract == contract and one.status not in ENDED
    )
    return ours + others
