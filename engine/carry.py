"""What an account takes from one session into the next, and how the next one takes it in.

Lives here: ``CarriedOver`` made from a state, and its positions placed among new instruments. May
import: events, engine. Always holds: pure; on the same trading day every counter goes on where it
stood, on another the counts of the day begin anew and the capital has moved by the day's result;
a position is never lost: a contract that the next session does not have is an error.
Start reading at ``carry_over``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.books import PROTECT, STOPPING, settle_closed, with_leg_result
from engine.orders.legs import AT_BROKER, UNKNOWN
from engine.orders.route import to_broker
from engine.risk.day import tail_of
from engine.risk.states import SESSION, halt_of
from engine.state import (
    EMPTY_RISK,
    NEW_LEG,
    AccountState,
    Fire,
    Order,
    Position,
    RiskState,
    State,
    UnderlyingResult,
)
from engine.strategies.lifecycle import carried_strategies
from events.session import (
    CarriedCooldown,
    CarriedDay,
    CarriedFire,
    CarriedOrder,
    CarriedOver,
    CarriedPosition,
    CarriedResult,
    CarriedRisk,
    Instrument,
)

EXITS_ONLY: Final = "GOV_EXITS_ONLY"
"""The halt of a session beside a quarantined one: it exits, and enters nothing."""

EVERY: Final = "*"

DAYS_KEPT: Final = 252
"""A year of trading days, of each underlying."""


class CarryError(ValueError):
    """A carried position whose contract is not among the session's instruments."""


def carry_over(state: State, head_hash: str, day: int, *, orders_unknown: bool) -> CarriedOver:
    """What the session of ``day`` carries from the one whose last state this is.

    ``head_hash`` (hex) is the chain there. ``orders_unknown``: what became of its working orders
    after that state cannot be known (its journal is damaged); else they ended with the session.
    """
    state = _settled(state)
    assert state.opened is not None, "a session that never opened has nothing to carry"
    account = state.account
    # What is at a broker lives on; paper orders end with their session, unless nobody knows.
    orders = tuple(
        _order(state, one)
        for one in state.orders
        if orders_unknown or (one.leg is not None and one.leg.status in AT_BROKER)
    )
    same_day = day == state.opened.day
    result = account.realised_paise - account.charges_paise
    return CarriedOver(
        previous_session=state.uid,
        previous_head_hash=head_hash,
        day=day,
        realised_paise=account.realised_paise if same_day else 0,
        charges_paise=account.charges_paise if same_day else 0,
        trades_today=account.trades_today if same_day else 0,
        loss_streak=account.loss_streak if same_day else 0,
        exits=state.exits if same_day else 0,
        halts=tuple(one for one in account.halts if one not in (EXITS_ONLY, STOPPING)),
        capital_paise=account.capital_paise if same_day else account.capital_paise + result,
        cooldowns=_cooldowns(state) if same_day else (),
        positions=(
            *(carried_position(state, with_leg_result(state, one)) for one in state.positions),
            *(carried_position(state, one) for one in state.shorts if one.quantity_units),
            *state.unsettled,
        ),
        unknown_orders=(*_still_unknown(state), *orders),
        days=_days(state),
        risk=_risk(state, same_day=same_day),
        strategies=carried_strategies(state),
    )


def _risk(state: State, *, same_day: bool) -> CarriedRisk:
    """The risk state with its own day: what of it ends with a day, the next session ends."""
    assert state.opened is not None
    risk = state.risk
    return CarriedRisk(
        risk.status,
        state.opened.day,
        risk.high_paise if same_day else 0,
        tuple(CarriedResult(one.underlying, one.paise) for one in risk.results) if same_day else (),
        tuple(CarriedFire(one.strategy_id, one.underlying, one.at_ns) for one in risk.fires)
        if same_day
        else (),
        risk.closed_paise,
    )


def carried_on(state: State, head: bytes, day: int) -> CarriedOver | None:
    """As ``carry_over`` from a session that was closed; None of one that never held its account."""
    if state.carried is None:
        return None
    return carry_over(state, head.hex(), day, orders_unknown=False)


def halted_but_for_exits(carried: CarriedOver) -> CarriedOver:
    """The same, for a session that enters nothing."""
    return replace(carried, halts=(*carried.halts, EXITS_ONLY))


def _still_unknown(state: State) -> tuple[CarriedOrder, ...]:
    """Orders that were carried as unknown into a session that asks no broker about them."""
    if state.carried is None or to_broker(state):
        return ()
    return state.carried.unknown_orders


def _settled(state: State) -> State:
    """Finish what a cut group left half done: a position that is sold is closed."""
    for position in state.positions:
        if position.quantity_units == 0:
            state = settle_closed(state, position, state.now)
    return state


def _days(state: State) -> tuple[CarriedDay, ...]:
    """The days behind each underlying, with the one that ends here; those of an underlying that
    this session did not watch stay as they were."""
    assert state.opened is not None
    before = state.carried.days if state.carried is not None else ()
    names = [umap.name for umap in state.underlyings]
    days = [one for one in before if one.underlying not in names]
    for umap, tape in zip(state.underlyings, state.tapes, strict=True):
        own = {one.day: one for one in before if one.underlying == umap.name}
        close = tape.minutes[-1].close_paise if tape.minutes else None
        if close is not None:
            last = tape.volatility.last_bps if tape.volatility.count else None
            earlier = own.get(state.opened.day)
            if last is None and earlier is not None:
                last = earlier.atm_iv_bps
            own[state.opened.day] = CarriedDay(umap.name, state.opened.day, close, last)
        days.extend(list(own.values())[-DAYS_KEPT:])
    return tuple(days)


def _cooldowns(state: State) -> tuple[CarriedCooldown, ...]:
    return tuple(
        CarriedCooldown(umap.name, market.cooldown_until_ns)
        for umap, market in zip(state.underlyings, state.markets, strict=True)
        if market.cooldown_until_ns
    )


def carried_position(state: State, one: Position) -> CarriedPosition:
    """A position by its contract's name and terms, with its plan."""
    row = state.instruments[one.contract]
    return CarriedPosition(
        one.position_id,
        one.strategy_id,
        row.exchange,
        row.tradingsymbol,
        one.quantity_units,
        one.value_paise,
        one.opened_ns,
        one.stop_paise,
        one.target_paise,
        one.trail_paise,
        one.best_bid_paise,
        one.realised_paise,
        one.charges_paise,
        one.risk_paise,
        one.product,
        one.tp1_paise,
        one.keep_units,
        one.tp1_hit,
        row.underlying,
        row.kind,
        row.expiry,
        row.strike_paise,
    )


def _order(state: State, one: Order) -> CarriedOrder:
    row = state.instruments[one.contract]
    return CarriedOrder(
        one.order_id,
        one.authority,
        one.role,
        row.exchange,
        row.tradingsymbol,
        one.side,
        one.quantity_units,
        one.filled_units,
        one.limit_paise or None,
    )


# --- taking it in --------------------------------------------------------------------------------


def carried_account(event: CarriedOver, day: int) -> AccountState:
    """The account at the beginning of a session of ``day``."""
    same_day = event.day == day
    return AccountState(
        event.capital_paise,
        event.realised_paise if same_day else 0,
        event.charges_paise if same_day else 0,
        event.trades_today if same_day else 0,
        event.loss_streak if same_day else 0,
        event.halts,
    )


def carried_risk(event: CarriedOver, day: int) -> RiskState:
    """Where the risk limits stand at the beginning of a session of ``day``, before what ends with
    a day has ended."""
    risk, same_day = event.risk, event.day == day
    return replace(
        EMPTY_RISK,
        status=risk.status,
        halts=tuple(one for one in event.halts if halt_of(one).clears != SESSION),
        high_paise=risk.high_paise if same_day else 0,
        results=tuple(UnderlyingResult(one.underlying, one.paise) for one in risk.results)
        if same_day
        else (),
        fires=tuple(Fire(one.strategy_id, one.underlying, one.at_ns) for one in risk.fires)
        if same_day
        else (),
        closed_paise=risk.closed_paise,
        tail_paise=tail_of(risk.closed_paise),
    )


def cooldown_of(event: CarriedOver | None, underlying: str) -> int:
    """Until when (ns UTC) an underlying takes no entry; 0 for no such time."""
    until = 0
    for one in event.cooldowns if event is not None else ():
        if one.underlying in (EVERY, underlying):
            until = max(until, one.until_ns)
    return until


def placed_positions(
    event: CarriedOver | None,
    rows: tuple[Instrument, ...],
    underlying_of: dict[int, int],
    day: int,
) -> tuple[tuple[Position, ...], tuple[CarriedPosition, ...]]:
    """The carried positions by their contracts' places in ``rows``, and those whose contract had
    expired before ``day``: they are not held any more, and wait for their settlement. One that the
    exchange dated to a later day is among the rows.

    Raises ``CarryError``: a session must not begin while it cannot see what it holds.
    """
    carried = event.positions if event is not None else ()
    listed = {(row.exchange, row.tradingsymbol) for row in rows if row.expiry >= day}
    expired = tuple(
        one
        for one in carried
        if one.expiry is not None
        and one.expiry < day
        and (one.exchange, one.tradingsymbol) not in listed
    )
    held = (one for one in carried if one not in expired)
    return tuple(_placed(one, rows, underlying_of) for one in held), expired


def placed_orders(
    event: CarriedOver | None,
    rows: tuple[Instrument, ...],
    underlying_of: dict[int, int],
    expired: tuple[CarriedPosition, ...],
) -> tuple[Order, ...]:
    """The carried orders as unknown ones, to be looked for at the broker. An order of a contract
    that has ``expired`` (the stop of a position that was left at expiry) ended with it.

    Raises ``CarryError`` for a contract that the session does not have.
    """
    gone = {(one.exchange, one.tradingsymbol) for one in expired}
    carried = event.unknown_orders if event is not None else ()
    return tuple(
        _placed_order(one, rows, underlying_of)
        for one in carried
        if (one.exchange, one.tradingsymbol) not in gone
    )


def _placed_order(
    one: CarriedOrder, rows: tuple[Instrument, ...], underlying_of: dict[int, int]
) -> Order:
    place = _place(one.exchange, one.tradingsymbol, one.quantity_units, rows, underlying_of)
    return Order(
        order_id=one.order_id,
        authority=one.authority,
        role=one.role,
        underlying=underlying_of[place],
        strategy_id="",
        contract=place,
        side=one.side,
        quantity_units=one.quantity_units,
        filled_units=one.filled_units,
        fills=1 if one.filled_units else 0,
        last_seq=0,
        limit_paise=one.limit_paise or 0,
        reference_paise=one.limit_paise or 0,
        due_ns=0,
        expires_ns=0,
        risk_paise=0,
        stop_paise=0,
        target_paise=0,
        trail_paise=0,
        reason="EXIT_PROTECT" if one.role == PROTECT else "",
        leg=replace(NEW_LEG, status=UNKNOWN, doubt=True),
    )


def _place(
    exchange: str,
    tradingsymbol: str,
    units: int,
    rows: tuple[Instrument, ...],
    underlying_of: dict[int, int],
) -> int:
    name = (exchange, tradingsymbol)
    places = [i for i, row in enumerate(rows) if (row.exchange, row.tradingsymbol) == name]
    if not places or places[0] not in underlying_of:
        raise CarryError(
            f"{exchange}:{tradingsymbol} is held ({units} units) and is not "
            "among the session's instruments: add it to them"
        )
    return places[0]


def _placed(
    one: CarriedPosition, rows: tuple[Instrument, ...], underlying_of: dict[int, int]
) -> Position:
    place = _place(one.exchange, one.tradingsymbol, one.quantity_units, rows, underlying_of)
    return Position(
        one.position_id,
        underlying_of[place],
        one.strategy_id,
        place,
        one.product,
        one.quantity_units,
        one.value_paise,
        one.opened_ns,
        one.stop_paise,
        one.target_paise,
        one.trail_paise,
        one.best_bid_paise,
        one.realised_paise,
        one.charges_paise,
        one.risk_paise,
        "",
        one.tp1_paise,
        one.keep_units,
        one.tp1_hit,
    )
