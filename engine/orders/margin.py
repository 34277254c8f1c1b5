"""What a broker asks for a pair: wished by a cycle, asked by the runner, read by the next cycle.

Lives here: the wish, the question, the answer as reducers, and what N11 may read of it. May import:
events, engine. Always holds: pure; an answer is of a pair of this kind and width, for as many units
or more, and young; without one nothing is known, and a pair is not entered.
Start reading at ``asked_paise``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from engine.books import MS
from engine.lookup import Lookup
from engine.orders.reduce import LOGIN_OK
from engine.orders.route import to_broker
from engine.ports import MarginQuery
from engine.state import Margin, State
from events.broker import MarginObserved
from events.governance import MarginWanted

YOUNG_NS: Final = 15_000 * MS
"""So long an answer holds: prices move what a pair asks for."""

AGAIN_NS: Final = 3_000 * MS
"""A question that was not answered is wished for again after this."""

KEPT: Final = 4
"""Pairs of which the answer is kept: one an underlying, and one to spare."""


def asked_paise(state: State, wish: MarginWanted) -> int | None:
    """What the broker asks of the account for a pair, premium and margin together, in paise; None
    where he has not said, or too long ago.

    The strikes that fit best change from one second to the next, and an answer takes a part of one:
    what he said of a pair of the same kind, expiry and width, for as many units or more, is what he
    asks for this one, with what its premium is above that one's; never less than he said.
    """
    for one in state.desk.margins:
        young = one.told_ns and state.now - one.told_ns <= YOUNG_NS
        if young and one.required_paise is not None and _stands_for(state, one, wish):
            premium = wish.limit_paise * wish.quantity_units - one.limit_paise * one.quantity_units
            return one.required_paise + max(premium, 0)
    return None


def is_wished(state: State, wish: MarginWanted) -> bool:
    """Whether such a pair was asked about a moment ago, for as much."""
    return any(
        _stands_for(state, one, wish) and state.now - one.wanted_ns < AGAIN_NS
        for one in state.desk.margins
    )


def _stands_for(state: State, one: Margin, wish: MarginWanted) -> bool:
    same = _kind(state, one.contract, one.sold_contract) == _kind(
        state, wish.contract, wish.sold_contract
    )
    return same and one.quantity_units >= wish.quantity_units


def _kind(state: State, contract: int, sold: int) -> tuple[str, str, int, str, int]:
    """(exchange, underlying, expiry, call or put, width in paise) of a pair."""
    row, other = state.instruments[contract], state.instruments[sold]
    width = abs(other.strike_paise - row.strike_paise)
    return row.exchange, row.underlying, row.expiry, row.kind, width


def margins_due(state: State) -> Iterator[MarginQuery]:
    """Pairs to ask about now."""
    if not to_broker(state) or state.desk.auth != LOGIN_OK:
        return
    for one in state.desk.margins:
        if one.told_ns >= one.wanted_ns or state.now - one.wanted_ns >= AGAIN_NS:
            continue
        row, other = state.instruments[one.contract], state.instruments[one.sold_contract]
        yield MarginQuery(
            one.contract, one.sold_contract, row.exchange, row.tradingsymbol, other.tradingsymbol,
            state.config.orders.product, one.quantity_units, one.limit_paise, one.sold_limit_paise,
        )  # fmt: skip


# --- reducers ------------------------------------------------------------------------------------


def apply_margin_wanted(state: State, event: MarginWanted, ts: int, look: Lookup) -> State:
    """The pair is asked about, in place of what was said of such a one before."""
    pair = (event.contract, event.sold_contract)
    wish = Margin(
        *pair, event.quantity_units, event.limit_paise, event.sold_limit_paise, ts, 0, None
    )
    kind = _kind(state, *pair)
    rest = [
        one for one in state.desk.margins if _kind(state, one.contract, one.sold_contract) != kind
    ]
    margins = (*rest, wish)[-KEPT:]
    return replace(state, desk=replace(state.desk, margins=margins))


def apply_margin_observed(state: State, event: MarginObserved, ts: int, look: Lookup) -> State:
    """The answer; a failure is none."""
    pair, units = (event.contract, event.sold_contract), event.quantity_units
    margins = tuple(
        replace(one, told_ns=ts, required_paise=event.required_paise)
        if ((one.contract, one.sold_contract), one.quantity_units) == (pair, units)
        else one
        for one in state.desk.margins
    )
    return replace(state, desk=replace(state.desk, margins=margins))
