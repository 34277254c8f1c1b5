"""Sold legs: the contracts that are sold against a long, and what a fill does to them.

Lives here: the roles of their orders, the money that is kept for them, their fills as reducers. May
import: events, engine.state. Always holds: a sold leg is a position of negative units, with a
negative cost (what it was sold for), under its long's id and an ``S``; it is never of more units
than its long (``engine.spreads``); its stop and target are values of the pair, a unit: what the
long is bid less what the sold leg is asked.
Start reading at ``sold``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.state import Order, Position, State
from events.orders import FillApplied, OrderChanged

SHORT: Final = "SHORT"
"""The order that sells the leg."""

COVER: Final = "COVER"
"""The order that buys it back."""

HELD: Final = "ORDER_HELD"
RELEASED: Final = "ORDER_RELEASED"

MARK: Final = "S"
"""Ends the id of a sold leg; the ids of longs are hexadecimal digits."""

BPS: Final = 10_000


def leg_id(position_id: str) -> str:
    """The id of the leg that is sold against a long."""
    return f"{position_id}{MARK}"


def is_leg(position_id: str) -> bool:
    """Whether an id is a sold leg's."""
    return position_id.endswith(MARK)


def short_of(state: State, position_id: str) -> Position | None:
    """The leg that is sold against a long, or was in this session."""
    wanted = leg_id(position_id)
    return next((one for one in state.shorts if one.position_id == wanted), None)


def leg_of(state: State, authority: str) -> Position | None:
    """The sold leg that an order's authority is about."""
    return next((one for one in state.shorts if authority.startswith(one.position_id)), None)


def long_of(state: State, authority: str) -> Position | None:
    """The long that a sold leg, or an order of one, stands on."""
    wanted = authority.partition(MARK)[0]
    return next((one for one in state.positions if one.position_id == wanted), None)


def kept_paise(strike_paise: int, units: int, margin_bps: int) -> int:
    """Money that is kept for so many units sold at a strike, in paise, rounded up.

    An estimate in place of the exchange's margin, which only a broker can tell: of the value that
    the sold contract stands for. The long covers what the portfolio scan would ask for; what is
    left is the exposure margin, 2 % for index options, and as much again on the day of expiry.
    """
    return -(-strike_paise * units * margin_bps // BPS)


def margin_paise(state: State, contract: int, units: int) -> int:
    """That money for a contract of the session."""
    strike = state.instruments[contract].strike_paise
    return kept_paise(strike, units, state.config.defined_risk.margin_bps)


def margin_held_paise(state: State) -> int:
    """The money kept for everything that is sold or may be, in paise."""
    bps = state.config.defined_risk.margin_bps
    held = sum(margin_paise(state, one.contract, -one.quantity_units) for one in state.shorts)
    selling = sum(
        margin_paise(state, one.contract, one.quantity_units - one.filled_units)
        for one in state.orders
        if one.role == SHORT
    )
    unsettled = sum(
        kept_paise(one.strike_paise or 0, -one.quantity_units, bps)
        for one in state.unsettled
        if one.quantity_units < 0
    )
    return held + selling + unsettled


def margin_since_paise(state: State, since_ns: int) -> int:
    """Of that money what is kept for what was sold since a moment, or is being sold."""
    held = sum(
        margin_paise(state, one.contract, -one.quantity_units)
        for one in state.shorts
        if one.opened_ns >= since_ns
    )
    return held + sum(
        margin_paise(state, one.contract, one.quantity_units - one.filled_units)
        for one in state.orders
        if one.role == SHORT
    )


# --- what happens to them ------------------------------------------------------------------------


def released(order: Order, event: OrderChanged, ts: int, latency_ns: int, valid_ns: int) -> Order:
    """A sale that was held is due: of what is held of the long, for its time."""
    due = ts + latency_ns
    return replace(
        order, quantity_units=event.quantity_units, due_ns=due, expires_ns=due + valid_ns
    )


def sold(state: State, order: Order, event: FillApplied, ts: int) -> State:
    """The leg after a fill of its sale."""
    units, value = -event.quantity_units, -event.price_paise * event.quantity_units
    held = next((one for one in state.shorts if one.position_id == order.authority), None)
    if held is not None:
        return _with(
            state,
            replace(
                held,
                quantity_units=held.quantity_units + units,
                value_paise=held.value_paise + value,
                charges_paise=held.charges_paise + event.charges_paise,
            ),
        )
    leg = Position(
        position_id=order.authority,
        underlying=order.underlying,
        strategy_id=order.strategy_id,
        contract=order.contract,
        product=(order.leg.product if order.leg is not None else "") or state.config.orders.product,
        quantity_units=units,
        value_paise=value,
        opened_ns=ts,
        stop_paise=order.stop_paise,
        target_paise=order.target_paise,
        trail_paise=0,
        best_bid_paise=0,
        realised_paise=0,
        charges_paise=event.charges_paise,
        risk_paise=0,
        exit_reason="",
        tp1_paise=0,
        keep_units=0,
        tp1_hit=False,
    )
    return replace(state, shorts=(*state.shorts, leg))


def bought_back(state: State, order: Order, event: FillApplied) -> State:
    """The leg after a fill that buys it back: what it was sold for less what that costs is the
    account's."""
    held = next(one for one in state.shorts if order.authority.startswith(one.position_id))
    units = event.quantity_units
    assert units <= -held.quantity_units, f"{order.order_id} buys back more than was sold"
    received = held.value_paise * units // held.quantity_units
    gain = received - event.price_paise * units
    account = replace(state.account, realised_paise=state.account.realised_paise + gain)
    return _with(
        replace(state, account=account),
        replace(
            held,
            quantity_units=held.quantity_units + units,
            value_paise=held.value_paise + received,
            realised_paise=held.realised_paise + gain,
            charges_paise=held.charges_paise + event.charges_paise,
            exit_reason=order.reason,
        ),
    )


def _with(state: State, leg: Position) -> State:
    shorts = tuple(leg if one.position_id == leg.position_id else one for one in state.shorts)
    return replace(state, shorts=shorts)
