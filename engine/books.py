"""Orders, positions and the account's day, as reducers.

Lives here: what intents, exits, order states and fills do to the books. May import: events, engine.
Always holds: a position moves only by a fill; filled quantity is cumulative and never decreases;
working sells of a contract never exceed what is held of it; the account counts once a trade.
Start reading at ``apply_fill_applied``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.lookup import Lookup
from engine.orders.route import to_broker
from engine.shorts import (
    COVER,
    RELEASED,
    SHORT,
    bought_back,
    is_leg,
    long_of,
    margin_held_paise,
    released,
    short_of,
    sold,
)
from engine.state import NEW_LEG, Holding, Order, Position, State, UnderlyingResult
from events.orders import (
    ExitSignalled,
    FillApplied,
    IntentApproved,
    OrderChanged,
    PositionChanged,
)

ENTRY: Final = "ENTRY"
EXIT: Final = "EXIT"
PROTECT: Final = "PROTECT"
"""The stop that rests at the broker for a long."""

EXTERNAL: Final = "EXTERNAL"
"""An order of somebody else's that sold what we hold."""

ADOPTED: Final = "ADOPTED"
"""An order of somebody else's whose long a person made ours."""

EXIT_PROTECT: Final = "EXIT_PROTECT"
TP1: Final = "EXIT_TP1"
"""A part of the position goes at the first target; every other exit is for the whole."""

BREAK_EVEN: Final = "EXIT_BREAK_EVEN"
"""The first target was met: the stop stands at break-even from then on."""

BPS: Final = 10_000
ENDED: Final = ("FILLED", "CANCELLED", "REJECTED")
KEPT_ENDED: Final = 2_000
"""Orders of the day that are kept for a late word; older ones go first."""

KEPT_CLOSED: Final = 250
"""Results of closed positions that are kept: some two months of a busy account."""

HALTED: Final = "GOV_HALTED"
"""The halt of an operator; ``RESUME`` lifts this one and no other."""

STOPPING: Final = "GOV_STOPPING"
"""The halt of a session that ends; it is not carried into the next."""

MS: Final = 1_000_000

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = f"0123456789{_LETTERS}"


def order_of(state: State, order_id: str) -> Order | None:
    """The working order of an id."""
    return next((one for one in state.orders if one.order_id == order_id), None)


def position_of(state: State, position_id: str) -> Position | None:
    """The position of an id (an entry's intent id)."""
    return next((one for one in state.positions if one.position_id == position_id), None)


def held_of(state: State, position_id: str) -> Position | None:
    """The position of an id, a long or a sold leg."""
    held = state.shorts if is_leg(position_id) else state.positions
    return next((one for one in held if one.position_id == position_id), None)


def is_of_leg(order: Order) -> bool:
    """Whether an order is about a sold leg: it sells it, or buys it back, whoever sent it."""
    return order.role in (SHORT, COVER) or is_leg(order.authority)


def mid_paise(state: State, contract: int) -> int:
    """Middle of the contract's quote, rounded down; its last price without two sides; 0 unseen."""
    quote = state.quotes[contract]
    if quote is None:
        return 0
    return (quote.bid_paise + quote.ask_paise) // 2 if quote.two_sided else quote.ltp_paise


def exit_working(state: State, position: Position) -> bool:
    """Whether an order that closes the whole position is out."""
    return any(
        o.role == EXIT and o.reason != TP1 and o.authority.startswith(position.position_id)
        for o in state.orders
    )


def taking_part(state: State, position: Position) -> Order | None:
    """The order that sells a part of the position at its first target, while it is out."""
    for one in state.orders:
        ours = one.authority.startswith(position.position_id)
        if one.role == EXIT and one.reason == TP1 and ours:
            return one
    return None


def slice_id(intent_id: str, number: int) -> str:
    """The id of a slice of an entry: the whole's, its last digit replaced by the slice's number."""
    return f"{intent_id[:-1]}{number:x}"


def same_entry(one: str, other: str) -> bool:
    """Whether two intents are slices of one entry: 60 bits of their ids are the same."""
    return one[:15] == other[:15]


def exit_id(state: State, position: Position) -> str:
    """The next exit's id: its position's and a number of the account's day (20 characters at most,
    which is what a broker's tag may have)."""
    number = state.exits + 1
    short = is_leg(position.position_id)  # a character longer: two are left for the number
    return f"{position.position_id}X{_short_number(number) if short else number}"


def _short_number(number: int) -> str:
    """A number in two digits or letters as long as that goes: from 100 on ``A0`` to ``ZZ``."""
    tens, ones = divmod(number - 100, 36)
    if number < 100 or tens >= len(_LETTERS):
        return str(number)
    return f"{_LETTERS[tens]}{_DIGITS[ones]}"


def mark_positions(state: State) -> State:
    """Raise the best bid of each held contract after a frame."""
    raised = False
    positions: list[Position] = []
    for one in state.positions:
        quote = state.quotes[one.contract]
        if quote is not None and quote.sell_paise > one.best_bid_paise:
            one, raised = replace(one, best_bid_paise=quote.sell_paise), True
        positions.append(one)
    return replace(state, positions=tuple(positions)) if raised else state


def apply_intent_approved(state: State, event: IntentApproved, ts: int, look: Lookup) -> State:
    """The entry order exists from its approval on; its risk counts at once.

    An approval of version 1 kept no reference: it was decided at the mid that stands now.
    """
    reference = event.reference_paise
    broker = to_broker(state)
    valid_ms = state.config.orders.entry_valid_ms if broker else state.config.paper.entry_valid_ms
    order = Order(
        order_id=own_id(state, event.intent_id),
        authority=event.intent_id,
        role=ENTRY,
        underlying=look.underlying_of[event.contract],
        strategy_id=event.strategy_id,
        contract=event.contract,
        side=event.side,
        quantity_units=event.quantity_units,
        filled_units=0,
        fills=0,
        last_seq=0,
        limit_paise=event.limit_paise,
        reference_paise=reference if reference is not None else mid_paise(state, event.contract),
        due_ns=event.due_ts,
        expires_ns=(ts if broker else event.due_ts) + valid_ms * MS,
        risk_paise=event.risk_paise,
        stop_paise=event.stop_paise,
        target_paise=event.target_paise,
        trail_paise=event.trail_paise,
        reason="",
        leg=NEW_LEG if broker else None,
    )
    return replace(state, orders=(*state.orders, order))


def own_id(state: State, authority: str) -> str:
    """Our id of the order that an authority allows: P on paper, B at a broker."""
    return f"{'B' if to_broker(state) else 'P'}{authority}"


def apply_exit_signalled(state: State, event: ExitSignalled, ts: int, look: Lookup) -> State:
    """The exit order exists from its signal on; it never lapses."""
    position = held_of(state, event.position_id)
    assert position is not None, f"exit {event.exit_id} names no position"
    broker, short = to_broker(state), is_leg(event.position_id)
    out = PROTECT if event.reason == EXIT_PROTECT else EXIT
    order = Order(
        order_id=own_id(state, event.exit_id),
        authority=event.exit_id,
        role=COVER if short else out,
        underlying=position.underlying,
        strategy_id=position.strategy_id,
        contract=event.contract,
        side="BUY" if short else "SELL",
        quantity_units=event.quantity_units,
        filled_units=0,
        fills=0,
        last_seq=0,
        limit_paise=0,
        reference_paise=mid_paise(state, event.contract),
        due_ns=event.due_ts,
        expires_ns=0,
        risk_paise=0,
        stop_paise=0,
        target_paise=0,
        trail_paise=0,
        reason=event.reason,
        leg=replace(NEW_LEG, status="HELD") if broker else None,
    )
    return replace(state, orders=(*state.orders, order), exits=state.exits + 1)


def apply_order_changed(state: State, event: OrderChanged, ts: int, look: Lookup) -> State:
    """An order that ended leaves the books; its fills have already moved the position."""
    order = order_of(state, event.order_id)
    if order is None:
        return _begun_or_reopened(state, event, ts, look)
    if order.leg is None:
        return _paper_order(state, order, event, ts)
    excess = max(event.filled_units - order.filled_units, 0)
    leg = replace(order.leg, status=event.status)
    moved = replace(order, leg=leg, filled_units=order.filled_units + excess)
    if excess:
        # What was sold beyond what we held is nobody's plan: it is a short of the account. What
        # was bought back beyond what was sold is a long of it.
        moved_units = excess if order.side == "BUY" else -excess
        state = add_holding(state, order.contract, leg.product, moved_units)
    if event.status not in ENDED:
        return replace(state, orders=tuple(moved if one is order else one for one in state.orders))
    over = replace(moved, leg=replace(leg, wish=None, flight=None, cancelling=False))
    desk = replace(state.desk, ended=(*state.desk.ended, over)[-KEPT_ENDED:])
    return _without(replace(state, desk=desk), order)


def _paper_order(state: State, order: Order, event: OrderChanged, ts: int) -> State:
    """A paper order that ended leaves the books; a sale that was held is due."""
    if event.status in ENDED:
        return _without(state, order)
    if event.reason != RELEASED:
        return state
    paper = state.config.paper
    due = released(order, event, ts, paper.latency_ms * MS, paper.entry_valid_ms * MS)
    return replace(state, orders=tuple(due if one is order else one for one in state.orders))


def _without(state: State, order: Order) -> State:
    return replace(state, orders=tuple(one for one in state.orders if one is not order))


def _begun_or_reopened(state: State, event: OrderChanged, ts: int, look: Lookup) -> State:
    """An order that was over has a late word, or somebody else's order sold what we hold."""
    if event.status in ENDED:
        return state
    old = next((one for one in state.desk.ended if one.order_id == event.order_id), None)
    if old is not None and old.leg is not None:
        rest = tuple(one for one in state.desk.ended if one is not old)
        again = replace(old, leg=replace(old.leg, status=event.status))
        state = replace(state, desk=replace(state.desk, ended=rest))
        return replace(state, orders=(*state.orders, again))
    if event.role == ADOPTED:
        return _adopted(state, event, ts, look)
    if event.role in (ENTRY, EXIT, PROTECT, SHORT, COVER):
        return _taken_over(state, event, ts, look)
    if event.role != EXTERNAL:
        return state
    held = held_of(state, event.authority)
    assert held is not None, f"{event.order_id} closes no position of ours"
    sold = Order(
        order_id=event.order_id,
        authority=event.authority,
        role=EXTERNAL,
        underlying=held.underlying,
        strategy_id=held.strategy_id,
        contract=event.contract,
        side=event.side,
        quantity_units=event.quantity_units,
        filled_units=0,
        fills=0,
        last_seq=0,
        limit_paise=0,
        reference_paise=mid_paise(state, event.contract),
        due_ns=ts,
        expires_ns=0,
        risk_paise=0,
        stop_paise=0,
        target_paise=0,
        trail_paise=0,
        reason="EXIT_RESOLVED" if event.reason == "ORDER_RESOLVED_GONE" else "EXIT_BY_HAND",
        leg=None,
    )
    return replace(state, orders=(*state.orders, sold))


def _taken_over(state: State, event: OrderChanged, ts: int, look: Lookup) -> State:
    """An order with our tag that another machine sent: what it was decided on is not known here."""
    held = next((o for o in state.positions if event.authority.startswith(o.position_id)), None)
    order = Order(
        order_id=event.order_id,
        authority=event.authority,
        role=event.role,
        underlying=look.underlying_of[event.contract],
        strategy_id=held.strategy_id if held is not None else "taken-over",
        contract=event.contract,
        side=event.side,
        quantity_units=event.quantity_units,
        filled_units=0,
        fills=0,
        last_seq=0,
        limit_paise=event.limit_paise or 0,
        reference_paise=event.limit_paise or mid_paise(state, event.contract),
        due_ns=ts,
        expires_ns=ts,
        risk_paise=0,
        stop_paise=0,
        target_paise=0,
        trail_paise=0,
        reason=EXIT_PROTECT if event.role == PROTECT else "EXIT_BY_HAND",
        leg=replace(NEW_LEG, status="WORKING", doubt=True),
    )
    return replace(state, orders=(*state.orders, order))


def _adopted(state: State, event: OrderChanged, ts: int, look: Lookup) -> State:
    """The order that stands for an adopted long, filled in the same breath; what others held
    shrinks by it. Its plan is the configured one, from its price on."""
    product = next(
        (one.product for one in state.desk.holdings if one.contract == event.contract),
        state.config.orders.product,
    )
    order = Order(
        order_id=event.order_id,
        authority=event.authority,
        role=ENTRY,
        underlying=look.underlying_of[event.contract],
        strategy_id="adopted",
        contract=event.contract,
        side=event.side,
        quantity_units=event.quantity_units,
        filled_units=0,
        fills=0,
        last_seq=0,
        limit_paise=0,
        reference_paise=mid_paise(state, event.contract),
        due_ns=ts,
        expires_ns=0,
        risk_paise=0,
        stop_paise=0,
        target_paise=0,
        trail_paise=0,
        reason="",
        leg=replace(NEW_LEG, status="WORKING", product=product, seen_ns=ts),
    )
    state = add_holding(state, event.contract, product, -event.quantity_units)
    return replace(state, orders=(*state.orders, order))


def add_holding(state: State, contract: int, product: str, units: int) -> State:
    """Move the units at the broker of which nothing of ours accounts; a row of zero goes."""
    row = state.instruments[contract]
    key = (row.exchange, row.tradingsymbol, product)
    return replace(
        state,
        desk=replace(
            state.desk, holdings=moved_holdings(state.desk.holdings, contract, key, units)
        ),
    )


def moved_holdings(
    holdings: tuple[Holding, ...], contract: int, key: tuple[str, str, str], units: int
) -> tuple[Holding, ...]:
    """Holdings with ``units`` added to the row of a key (exchange, tradingsymbol, product)."""
    before = sum(one.net_units for one in holdings if holding_key(one) == key)
    rest = tuple(one for one in holdings if holding_key(one) != key)
    if before + units == 0:
        return rest
    return (*rest, Holding(contract, *key, before + units))


def holding_key(one: Holding) -> tuple[str, str, str]:
    """Exchange, tradingsymbol, product."""
    return one.exchange, one.tradingsymbol, one.product


def apply_fill_applied(state: State, event: FillApplied, ts: int, look: Lookup) -> State:
    """Move order, position and account by one fill."""
    order = order_of(state, event.order_id)
    assert order is not None, f"fill of unknown order {event.order_id}"
    filled = order.filled_units + event.quantity_units
    assert filled <= order.quantity_units, f"order {order.order_id} filled beyond its quantity"
    leg = order.leg
    if leg is not None:
        leg = replace(leg, value_paise=leg.value_paise + event.price_paise * event.quantity_units)
    moved = replace(
        order,
        filled_units=filled,
        fills=order.fills + 1,
        last_seq=event.quote_seq,
        leg=leg,
    )
    orders = tuple(moved if one is order else one for one in state.orders)
    account = replace(
        state.account, charges_paise=state.account.charges_paise + event.charges_paise
    )
    state = replace(state, orders=orders, account=account)
    if order.role == ENTRY:
        return _entered(state, moved, event, ts)
    if order.role == SHORT:
        return sold(state, moved, event, ts)
    back = is_of_leg(order)
    return bought_back(state, moved, event) if back else _exited(state, moved, event)


def _entered(state: State, order: Order, event: FillApplied, ts: int) -> State:
    value = event.price_paise * event.quantity_units
    held, leg = position_of(state, order.authority), order.leg
    if held is None:
        quote = state.quotes[order.contract]
        stop, target = order.stop_paise, order.target_paise
        if not stop:
            # An order that was carried over as unknown kept no plan: the configured one holds.
            plan = state.config.plan
            stop = event.price_paise - event.price_paise * plan.stop_bps // BPS
            target = event.price_paise + event.price_paise * plan.target_bps // BPS
            order = replace(order, risk_paise=(event.price_paise - stop) * order.quantity_units)
        position = Position(
            position_id=order.authority,
            underlying=order.underlying,
            strategy_id=order.strategy_id,
            contract=order.contract,
            product=(leg.product if leg is not None else "") or state.config.orders.product,
            quantity_units=event.quantity_units,
            value_paise=value,
            opened_ns=ts,
            stop_paise=stop,
            target_paise=target,
            trail_paise=order.trail_paise,
            best_bid_paise=quote.sell_paise if quote is not None else 0,
            realised_paise=0,
            charges_paise=event.charges_paise,
            risk_paise=_share(order.risk_paise, order.filled_units, order.quantity_units),
            exit_reason="",
            tp1_paise=0,
            keep_units=0,
            tp1_hit=False,
        )
        position = _with_first_target(state, position, order.filled_units)
        # The slices of one entry are one trade: the first of them that is filled counts.
        counts = 0 if _slice_filled(state, order) else 1
        account = replace(state.account, trades_today=state.account.trades_today + counts)
        return replace(
            state,
            positions=(*state.positions, position),
            account=account,
            trades=state.trades + counts,
        )
    grown = replace(
        held,
        quantity_units=held.quantity_units + event.quantity_units,
        value_paise=held.value_paise + value,
        charges_paise=held.charges_paise + event.charges_paise,
        risk_paise=_share(order.risk_paise, order.filled_units, order.quantity_units),
    )
    if not order.stop_paise:
        # Nor did it keep what it risks: what was paid, down to the stop that the first fill set.
        risk = grown.value_paise - grown.stop_paise * grown.quantity_units
        grown = replace(grown, risk_paise=max(risk, 0))
    return _with_position(state, _with_first_target(state, grown, order.filled_units))


def _with_first_target(state: State, position: Position, entered_units: int) -> Position:
    """The first target of what was entered so far: so many times the distance to the stop above
    the average, and what stays beyond it, in whole lots. One lot has no part: it all stays."""
    plan, row = state.config.plan, state.instruments[position.contract]
    lot, tick = max(row.lot_units, 1), max(row.tick_paise, 1)
    keep = entered_units - entered_units // lot * plan.tp1_out_bps // BPS * lot
    if position.tp1_hit:
        return replace(position, keep_units=keep)
    average = position.value_paise // position.quantity_units
    away = (average - position.stop_paise) * plan.tp1_milli // 1_000
    level = average + away + -(average + away) % tick if away > 0 else 0
    return replace(position, keep_units=keep, tp1_paise=level)


def _slice_filled(state: State, order: Order) -> bool:
    """Whether another slice of the entry is or was filled."""
    held = any(same_entry(one.position_id, order.authority) for one in state.positions)
    over = (one for one in state.desk.ended if one.filled_units and one.role == ENTRY)
    return held or any(same_entry(one.authority, order.authority) for one in over)


def _share(risk_paise: int, units: int, of_units: int) -> int:
    """The risk of a part, in paise, rounded up: what is working keeps the rest, rounded down."""
    return -(-risk_paise * units // of_units)


def _exited(state: State, order: Order, event: FillApplied) -> State:
    held = next(one for one in state.positions if order.authority.startswith(one.position_id))
    assert event.quantity_units <= held.quantity_units, f"{order.order_id} sells more than is held"
    cost = held.value_paise * event.quantity_units // held.quantity_units
    gain = event.price_paise * event.quantity_units - cost
    account = replace(state.account, realised_paise=state.account.realised_paise + gain)
    return _with_position(
        replace(state, account=account),
        replace(
            held,
            quantity_units=held.quantity_units - event.quantity_units,
            value_paise=held.value_paise - cost,
            realised_paise=held.realised_paise + gain,
            charges_paise=held.charges_paise + event.charges_paise,
            risk_paise=_share(
                held.risk_paise, held.quantity_units - event.quantity_units, held.quantity_units
            ),
            exit_reason=order.reason,
        ),
    )


def _with_position(state: State, position: Position) -> State:
    return replace(
        state,
        positions=tuple(
            position if one.position_id == position.position_id else one for one in state.positions
        ),
    )


def apply_position_changed(state: State, event: PositionChanged, ts: int, look: Lookup) -> State:
    """A closed position leaves the books; one at its first target has its stop at break-even."""
    held = position_of(state, event.position_id)
    if held is None:
        return _alone(state, event)
    if event.status == "CLOSED":
        return settle_closed(state, held, ts)
    if event.exit_reason != BREAK_EVEN:
        return state
    left = max(held.value_paise - event.stop_paise * held.quantity_units, 0)
    return _with_position(
        state,
        replace(held, tp1_hit=True, stop_paise=event.stop_paise, risk_paise=left),
    )


def _alone(state: State, event: PositionChanged) -> State:
    """The books without a sold leg that is bought back and whose long went before it was sold: its
    result counts by itself. A leg with a long ends with that."""
    leg = held_of(state, event.position_id) if is_leg(event.position_id) else None
    if leg is None or event.status != "CLOSED" or long_of(state, leg.position_id) is not None:
        return state
    shorts = tuple(one for one in state.shorts if one is not leg)
    return _counted(replace(state, shorts=shorts), leg)


def settle_closed(state: State, held: Position, ts: int) -> State:
    """The books without a position that is sold: streak and the underlying's cooldown follow. Of a
    pair the result of both legs counts as one."""
    assert held.quantity_units == 0, f"{held.position_id} is still held"
    held, leg = with_leg_result(state, held), short_of(state, held.position_id)
    assert leg is None or leg.quantity_units == 0, f"{held.position_id} went before its sold leg"
    lost = held.realised_paise - held.charges_paise < 0
    account = replace(state.account, loss_streak=state.account.loss_streak + 1 if lost else 0)
    markets = list(state.markets)
    markets[held.underlying] = replace(
        markets[held.underlying],
        cooldown_until_ns=ts + state.config.risk.cooldown_s * 1000 * MS,
    )
    positions = tuple(one for one in state.positions if one.position_id != held.position_id)
    shorts = tuple(one for one in state.shorts if one is not leg)
    state = replace(
        state, positions=positions, shorts=shorts, account=account, markets=tuple(markets)
    )
    return _counted(state, held)


def with_leg_result(state: State, held: Position) -> Position:
    """A long with what its sold leg brought so far, once that is bought back."""
    leg = short_of(state, held.position_id)
    if leg is None or leg.quantity_units != 0:
        return held
    return replace(
        held,
        realised_paise=held.realised_paise + leg.realised_paise,
        charges_paise=held.charges_paise + leg.charges_paise,
    )


def _counted(state: State, closed: Position) -> State:
    """Its net result counts for its underlying's day, and among the last ones of all days."""
    net = closed.realised_paise - closed.charges_paise
    name, risk = state.underlyings[closed.underlying].name, state.risk
    others = tuple(one for one in risk.results if one.underlying != name)
    before = sum(one.paise for one in risk.results if one.underlying == name)
    results = (*others, UnderlyingResult(name, before + net))
    last = (*risk.closed_paise, net)[-KEPT_CLOSED:]
    return replace(state, risk=replace(risk, results=results, closed_paise=last))


# --- figures that gates and screens share ------------------------------------------------------


def open_risk_paise(state: State) -> int:
    """Loss at the stops of everything open or working, charges included."""
    held = sum(one.risk_paise for one in state.positions)
    working = sum(
        one.risk_paise * (one.quantity_units - one.filled_units) // one.quantity_units
        for one in state.orders
        if one.role == ENTRY
    )
    return held + working


def unrealised_paise(state: State) -> int:
    """Open result with every long marked at its bid; a contract without a bid is worth nothing. A
    sold leg is marked at its ask, at what it was sold for where it has none."""
    total = 0
    for leg in state.shorts:
        quote = state.quotes[leg.contract]
        ask = quote.ask_paise if quote is not None else 0
        total += ask * leg.quantity_units - leg.value_paise if ask else 0
    for one in state.positions:
        quote = state.quotes[one.contract]
        bid = quote.sell_paise if quote is not None else 0
        total += bid * one.quantity_units - one.value_paise
    return total


def free_funds_paise(state: State) -> int:
    """Capital and the day's result, less what positions, sold legs and working entries hold."""
    account = state.account
    held = sum(one.value_paise for one in (*state.positions, *state.shorts))
    held += margin_held_paise(state)
    held += sum(one.value_paise for one in state.unsettled)
    reserved = sum(
        one.limit_paise * (one.quantity_units - one.filled_units)
        for one in state.orders
        if one.role == ENTRY
    )
    return account.capital_paise + account.realised_paise - account.charges_paise - held - reserved
