"""What the broker's facts and the wishes of the core do to the state.

Lives here: reducers of sends, results, reports, books, lookups, quotes asked for, logins, wishes.
May import: events, engine. Always holds: pure; no reducer here moves a position or ends an order:
those follow as derivations; what a stale report says of a price is not believed.
Start reading at ``apply_broker_update``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.books import MS, holding_key, moved_holdings, order_of
from engine.lookup import Lookup
from engine.orders.legs import (
    CANCEL,
    ENDS,
    MODIFY,
    PENDING,
    PLACE,
    RESTING,
    SENT,
    UNKNOWN,
    WORKING,
    ended,
    held_units,
    is_stale,
    sold_units,
    takes_over,
    with_leg,
    working,
)
from engine.shorts import SHORT
from engine.state import Difference, Foreign, Holding, Leg, Order, Quote, State, Wish
from events.broker import (
    AuthStatus,
    BrokerReport,
    BrokerSnapshot,
    BrokerTrade,
    BrokerUpdate,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
    QuotesObserved,
)
from events.governance import DifferenceFound, OrderWanted, Reconciled

CANCEL_PATIENCE_NS: Final = 5_000 * MS
"""So long an order may rest on as if no cancel had come, before another one is wanted."""

SETTLED_NS: Final = 2_000 * MS
"""So long after its last word an order's row in the book is taken to have caught up with it."""

POSITION_DIFFERS: Final = "POSITION_DIFFERS"
POSITION_EXTERNAL: Final = "POSITION_EXTERNAL"
ORDER_NOT_LISTED: Final = "ORDER_NOT_LISTED"
RESOLVED_GONE: Final = "ORDER_RESOLVED_GONE"
"""A person said that the broker holds less than our books did."""

CLOSING: Final = " CLOSING"
"""Ends the name of a book that was not asked for any more, since the session stops its threads."""

REFUSED_WINDOW_NS: Final = 60_000 * MS

LOGIN_OK: Final = "OK"
"""The status of a login that the broker takes."""


# --- messages ------------------------------------------------------------------------------------


def apply_order_wanted(state: State, event: OrderWanted, ts: int, look: Lookup) -> State:
    """The order carries the message that it wants sent; a new order takes its size from it."""
    order = order_of(state, event.order_id)
    assert order is not None and order.leg is not None, f"{event.order_id} is at no broker"
    wish = Wish(
        event.action,
        event.order_type,
        event.quantity_units,
        event.limit_paise or 0,
        event.trigger_paise or 0,
    )
    leg = replace(order.leg, wish=wish)
    if event.action != PLACE:
        return with_leg(state, order, leg)
    sized = replace(
        order,
        quantity_units=event.quantity_units,
        limit_paise=wish.limit_paise,
        expires_ns=ts + state.config.orders.entry_valid_ms * MS
        if order.role == SHORT
        else order.expires_ns,
        leg=replace(leg, status=PENDING),
    )
    return replace(state, orders=tuple(sized if one is order else one for one in state.orders))


def apply_send_started(state: State, event: OrderSendStarted, ts: int, look: Lookup) -> State:
    """The wish has become a message that is on its way."""
    state = replace(state, desk=replace(state.desk, messages=event.message_no))
    order = order_of(state, event.order_id)
    if order is None or order.leg is None:
        return state
    flight = Wish(
        event.action,
        event.order_type,
        event.quantity_units,
        event.limit_paise or 0,
        event.trigger_paise or 0,
    )
    leg = replace(
        order.leg,
        wish=None,
        flight=flight,
        message_no=event.message_no,
        sent_ns=ts,
        priced_ns=order.leg.priced_ns if event.action == CANCEL else ts,
    )
    if event.action == PLACE:
        leg = replace(
            leg,
            status=SENT,
            product=event.product,
            order_type=event.order_type,
            limit_paise=flight.limit_paise,
            trigger_paise=flight.trigger_paise,
        )
    elif event.action == MODIFY:
        leg = replace(leg, modified=leg.modified + 1)
    else:
        leg = replace(leg, cancel_sent=True)
    return with_leg(state, order, leg)


def apply_send_result(state: State, event: OrderSendResult, ts: int, look: Lookup) -> State:
    """The message is answered; what it was not told stays in doubt."""
    if event.outcome == "REFUSED":
        state = _refused(state, ts)
    order = order_of(state, event.order_id)
    if order is None or order.leg is None or order.leg.message_no != event.message_no:
        return state
    leg, flight = order.leg, order.leg.flight
    if flight is None:
        return state
    leg = replace(leg, flight=None, answered=flight.action)
    if event.outcome == "REFUSED":
        leg = replace(leg, fault=event.fault or "")
    if event.outcome == "ACCEPTED":
        return _accepted(state, order, leg, flight, event, ts)
    unknown = event.outcome == "UNKNOWN"
    if flight.action == PLACE:
        if unknown and leg.status == SENT:
            leg = replace(leg, status=UNKNOWN, doubt=True)
    elif flight.action == CANCEL:
        # A refused cancel found no order to cancel: whatever ended it, it was not we.
        leg = replace(
            leg, cancelling=unknown, cancel_sent=unknown, doubt=event.outcome != "NOT_SENT"
        )
    else:
        leg = replace(leg, doubt=event.outcome != "NOT_SENT")
    return with_leg(state, order, leg)


def _refused(state: State, ts: int) -> State:
    """One more refusal, whether at once or by a report later."""
    recent = tuple(at for at in state.desk.refused_ns if at > ts - REFUSED_WINDOW_NS)
    return replace(state, desk=replace(state.desk, refused_ns=(*recent, ts)))


def _accepted(
    state: State, order: Order, leg: Leg, flight: Wish, event: OrderSendResult, ts: int
) -> State:
    if flight.action == PLACE:
        known = leg.broker_order_id or event.broker_order_id or ""
        status = WORKING if leg.status in (SENT, UNKNOWN) else leg.status
        leg = replace(leg, broker_order_id=known, status=status, seen_ns=max(leg.seen_ns, ts))
        return with_leg(state, order, leg)
    if flight.action == CANCEL:
        return with_leg(state, order, replace(leg, cancelling=True))
    moved = replace(
        order,
        quantity_units=max(flight.quantity_units, order.filled_units),
        leg=replace(
            leg,
            limit_paise=flight.limit_paise,
            trigger_paise=flight.trigger_paise,
            steps=leg.steps + 1,
        ),
    )
    return replace(state, orders=tuple(moved if one is order else one for one in state.orders))


# --- reports -------------------------------------------------------------------------------------


def apply_broker_update(state: State, event: BrokerUpdate, ts: int, look: Lookup) -> State:
    """One report."""
    state = replace(state, desk=replace(state.desk, first_books=False))
    return note_report(state, event.report, ts)


def apply_order_lookup(state: State, event: OrderLookup, ts: int, look: Lookup) -> State:
    """A report, and that the order was asked for."""
    if event.report is not None:
        state = replace(state, desk=replace(state.desk, first_books=False))
        state = note_report(state, event.report, min(event.asked_ts, ts), asked=True)
    order = order_of(state, event.order_id)
    if order is None or order.leg is None:
        return state
    return with_leg(state, order, replace(order.leg, asked_ns=ts))


def apply_broker_snapshot(state: State, event: BrokerSnapshot, ts: int, look: Lookup) -> State:
    """All reports of the books, and the broker's net positions. The books tell of the moment that
    they were asked for, at the earliest: what was heard since is the newer word."""
    first = state.desk.books_ns == 0
    state = replace(state, desk=replace(state.desk, first_books=first))
    for report in reports_of(event):
        state = note_report(state, report, min(event.asked_ts, ts), asked=True)
    whole = event.orders is not None and event.trades is not None and event.positions is not None
    # Whole books behind those of the end are as good: a question may have been on its way.
    closing = whole and (event.trigger == "AFTER_CLOSE" or state.desk.closing_books)
    if not was_asked(event):
        closing = state.desk.closing_books  # what the end keeps back does not undo its books
    state = replace(state, desk=replace(state.desk, books_ns=ts, closing_books=closing))
    if event.positions is None:
        return state
    places = contract_places(state)
    nets = tuple(
        Holding(
            places.get((one.exchange, one.tradingsymbol), -1),
            one.exchange,
            one.tradingsymbol,
            one.product,
            one.net_units,
        )
        for one in event.positions
    )
    return replace(state, desk=replace(state.desk, nets=nets, nets_ns=event.asked_ts))


def contract_places(state: State) -> dict[tuple[str, str], int]:
    """Instrument indices by exchange and tradingsymbol."""
    return {(row.exchange, row.tradingsymbol): i for i, row in enumerate(state.instruments)}


def was_asked(event: BrokerSnapshot) -> bool:
    """Whether the books were asked for at all: a session that stops its threads answers for the
    broker that they were not."""
    return not event.failed or not all(one.endswith(CLOSING) for one in event.failed)


def reports_of(event: BrokerSnapshot) -> tuple[BrokerReport, ...]:
    """The order book's reports, each with what the trade book knows beyond it."""
    if event.orders is None:
        return ()
    traded: dict[str, tuple[int, int]] = {}
    for one in event.trades or ():
        units, value = traded.get(one.broker_order_id, (0, 0))
        traded[one.broker_order_id] = _with_trade(units, value, one)
    return tuple(_beyond(report, traded) for report in event.orders)


def _with_trade(units: int, value: int, one: BrokerTrade) -> tuple[int, int]:
    return units + one.quantity_units, value + one.price_paise * one.quantity_units


def _beyond(report: BrokerReport, traded: dict[str, tuple[int, int]]) -> BrokerReport:
    units, value = traded.get(report.broker_order_id, (0, 0))
    if units <= report.filled_units:
        return report
    return replace(report, filled_units=units, filled_value_paise=value)


def note_report(state: State, report: BrokerReport, ts: int, *, asked: bool = False) -> State:
    """Take in what a report that was true at ``ts`` says of an order, its fills apart.

    The newer of two is told by the broker's clock, which may be off or be set back: what was asked
    for a while after the last word tells what holds, whatever it is stamped with.
    """
    order = working(state, report)
    if order is None:
        if ended(state, report) is not None or takes_over(state, report):
            return state
        return _note_foreign(state, report)
    assert order.leg is not None
    if is_stale(order, report):
        return with_leg(state, order, replace(order.leg, seen_ns=max(order.leg.seen_ns, ts)))
    leg = replace(
        order.leg,
        broker_order_id=order.leg.broker_order_id or report.broker_order_id,
        seen_ns=max(order.leg.seen_ns, ts),
        doubt=False,
    )
    if asked and (report.filled_units > order.filled_units or report.status in ENDS):
        leg = replace(leg, missed_ns=max(leg.missed_ns, ts))
    settled = asked and ts - order.leg.seen_ns >= SETTLED_NS
    newer = settled or (report.exchange_update_ts or 0) >= leg.update_ts
    quantity = order.quantity_units
    if newer:
        leg = replace(
            leg,
            broker_status=report.status,
            fault=report.fault or leg.fault,
            update_ts=report.exchange_update_ts or leg.update_ts,
            product=report.product or leg.product,
            limit_paise=report.limit_paise,
            trigger_paise=report.trigger_paise,
            cancelling=leg.cancelling and not _rests_on(leg, report, ts),
        )
        quantity = max(report.quantity_units, report.filled_units)
    moved = replace(order, leg=leg, quantity_units=quantity)
    if ENDS.get(report.status) == "REJECTED":
        state = _refused(state, ts)
    return replace(state, orders=tuple(moved if one is order else one for one in state.orders))


def _rests_on(leg: Leg, report: BrokerReport, ts: int) -> bool:
    """Whether an order that was to be cancelled rests as if nothing had come."""
    return report.status in RESTING and ts - leg.sent_ns >= CANCEL_PATIENCE_NS


def _note_foreign(state: State, report: BrokerReport) -> State:
    """An order that is not ours: what it sold comes out of what others hold first, then out of our
    positions, and the rest is a short. What it bought closes what others are short of first, then
    what we have sold against our longs."""
    places = contract_places(state)
    contract = places.get((report.exchange, report.tradingsymbol), -1)
    before = next(
        (o for o in state.desk.foreign if o.broker_order_id == report.broker_order_id), None
    )
    applied = before.applied_units if before is not None else 0
    value = before.applied_value_paise if before is not None else 0
    # What was filled before the first books is in the positions that the session began with.
    new = 0 if state.desk.first_books else max(report.filled_units - applied, 0)
    price = max(report.filled_value_paise - value, 0) // new if new else 0
    key = (report.exchange, report.tradingsymbol, report.product)
    theirs = sum(o.net_units for o in state.desk.holdings if holding_key(o) == key)
    ours = held = 0
    if contract >= 0 and new:
        units_of = held_units if report.side == "SELL" else sold_units
        held = units_of(state, contract, report.product)
        theirs = theirs if report.side == "SELL" else -theirs
        ours = min(max(new - max(theirs, 0), 0), held)
    moved = new - ours if report.side == "BUY" else ours - new
    foreign = Foreign(
        report.broker_order_id,
        contract,
        *key,
        report.side,
        report.status,
        report.quantity_units,
        max(report.filled_units, applied),
        max(report.filled_value_paise, value),
        ours,
        price,
    )
    rest = tuple(o for o in state.desk.foreign if o.broker_order_id != report.broker_order_id)
    holdings = moved_holdings(state.desk.holdings, contract, key, moved)
    return replace(state, desk=replace(state.desk, foreign=(*rest, foreign), holdings=holdings))


# --- the rest ------------------------------------------------------------------------------------


def apply_quotes_observed(state: State, event: QuotesObserved, ts: int, look: Lookup) -> State:
    """Quotes by request stand for the silent feed's: exits are judged by them. No bar sees them."""
    quotes = list(state.quotes)
    for row in event.rows:
        before = quotes[row.instrument]
        quotes[row.instrument] = Quote(
            row.ltp_paise,
            before.last_units if before is not None else 0,
            before.volume_units if before is not None else 0,
            before.oi_units if before is not None else 0,
            (row.stamp_ts or 0) // (1_000 * MS),
            row.bid_units,
            row.bid_paise,
            row.ask_units,
            row.ask_paise,
            ts,
            state.seq,
            b"",
            before.close_paise if before is not None else 0,
        )
    return replace(state, quotes=tuple(quotes))


def apply_auth_status(state: State, event: AuthStatus, ts: int, look: Lookup) -> State:
    """The login as it was last seen."""
    return replace(state, desk=replace(state.desk, auth=event.status, auth_ns=ts))


def apply_difference_found(state: State, event: DifferenceFound, ts: int, look: Lookup) -> State:
    """Remember a difference and how often in a row it was seen; units at the broker that nothing of
    ours accounts for are taken in as others' holding."""
    ours, theirs = event.ours or 0, event.theirs or 0
    if event.reason == POSITION_EXTERNAL:
        return _found_holding(state, event.subject, theirs - ours)
    if event.reason == RESOLVED_GONE:
        return _resolved(state, event.subject, ours, theirs, ts)
    same = [o for o in state.desk.differences if (o.subject, o.reason) == _what(event)]
    rest = tuple(o for o in state.desk.differences if o not in same)
    times = same[0].times + 1 if same else 1
    one = Difference(event.subject, event.reason, ours, theirs, times, ts)
    return replace(state, desk=replace(state.desk, differences=(*rest, one)))


def _resolved(state: State, subject: str, ours: int, theirs: int, ts: int) -> State:
    """A person's word stands for the difference until the next books are compared: no more is sold
    than the broker shows, and no entry is made."""
    rest = tuple(one for one in state.desk.differences if one.subject != subject)
    one = Difference(subject, RESOLVED_GONE, ours, theirs, 2, ts)
    return replace(state, desk=replace(state.desk, differences=(*rest, one)))


def _what(event: DifferenceFound) -> tuple[str, str]:
    return event.subject, event.reason


def _found_holding(state: State, subject: str, units: int) -> State:
    exchange, tradingsymbol, product = subject.split(":")
    contract = contract_places(state).get((exchange, tradingsymbol), -1)
    key = (exchange, tradingsymbol, product)
    holdings = moved_holdings(state.desk.holdings, contract, key, units)
    return replace(state, desk=replace(state.desk, holdings=holdings))


def apply_reconciled(state: State, event: Reconciled, ts: int, look: Lookup) -> State:
    """Differences that this comparison did not see again are over, unless it skipped something: a
    key on which something is under way is as it was."""
    desk = state.desk
    left = tuple(one for one in desk.differences if one.seen_ns == ts or event.mended)
    agreed = desk.nets_ns if event.status != "DIFFERS" else desk.reconciled_ns
    return replace(state, desk=replace(desk, differences=left, reconciled_ns=agreed))
