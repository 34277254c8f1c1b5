"""Positions that were left at expiry: settled in cash at the exchange's closing index value.

Lives here: whether that value is known, what it pays, and the books after it. May import: events,
engine. Always holds: pure; the value is one that the exchange's feed printed, its fact is named,
and none stands in for it: what is not known stays unsettled, is told at each session's start, and
keeps its cost out of the free funds; the tax is the rulebook's for the day of expiry.

There are two ways to know it. Where the rulebook says that the index closes by an auction, a print
at or after its end is the closing value (an average of the last half hour is nowhere printed). And
on the next trading day each print of the index brings the close of the day before. In LIVE the
broker settles: there it is booked from the next day on, once its books hold the contract no more.
Start reading at ``settled_at_close`` and ``settled_by_print``.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from engine.books import held_of
from engine.carry import carried_position
from engine.lookup import Lookup
from engine.options import CALL
from engine.orders.incidents import Incidents
from engine.orders.route import broker_settles
from engine.rulebook import (
    CROREFOLD,
    Rulebook,
    SessionWindow,
    add_days,
    venue_of,
)
from engine.state import Position, State, UnderlyingMap
from events.base import Event
from events.feed import FeedFrame
from events.orders import PositionChanged, PositionSettled
from events.session import CarriedPosition, RuleRow
from events.wire.kite import FrameError, IndexTick, decode_frame

SETTLED: Final = "EXIT_SETTLED"
UNKNOWN: Final = "SETTLEMENT_UNKNOWN"
CLOSING_PRINT: Final = "CLOSING_PRINT"
PREVIOUS_CLOSE: Final = "PREVIOUS_CLOSE"
AUCTION: Final = "AUCTION"
BACK_DAYS_MAX: Final = 10
"""No run of closed days is longer."""


class Closing(msgspec.Struct, frozen=True, gc=False):
    """The closing value of an index, where it is from, and the fact that brought it."""

    index_paise: int
    source: str
    source_seq: int
    unsure: bool


# --- the day of expiry ----------------------------------------------------------------------------


def settled_at_close(state: State) -> list[Event]:
    """What the session's end says of each position whose contract has expired by now."""
    incidents = Incidents(state)
    events: list[Event] = []
    for position in (*state.shorts, *state.positions):
        if position.quantity_units == 0 or not _has_expired(state, position):
            continue
        one = carried_position(state, position)
        closing = None if broker_settles(state) else _closing_print(state, position.underlying)
        found = _settlement(state, one, closing)
        if found is None:
            _tell(incidents, one)
        else:
            events.append(found)
    return [*events, *incidents.events]


def _has_expired(state: State, position: Position) -> bool:
    row, opened = state.instruments[position.contract], state.opened
    window = _window(state, state.underlyings[position.underlying])
    today = opened is not None and row.expiry == opened.day
    return today and window is not None and state.now >= window.expiry_close_ns


def _window(state: State, umap: UnderlyingMap) -> SessionWindow | None:
    if state.rules is None:
        return None
    return state.rules.fno_bse if umap.exchange in ("BFO", "BSE") else state.rules.fno_nse


def _closing_print(state: State, u: int) -> Closing | None:
    """The index's print after the closing auction, where the rulebook says that this is its
    closing value; None for an index that is only an estimate."""
    umap, rules, opened = state.underlyings[u], state.rules, state.opened
    if rules is None or rules.cash is None or opened is None or umap.estimated or umap.index < 0:
        return None
    rule = closing_rule(Rulebook(state.rule_rows), umap.exchange, opened.day)
    quote, ends_ns = state.quotes[umap.index], rules.cash.auction_to_ns
    if rule is None or rule.value != AUCTION or ends_ns is None or quote is None:
        return None
    if quote.seen_ns < ends_ns or quote.ltp_paise <= 0:
        return None
    return Closing(quote.ltp_paise, CLOSING_PRINT, quote.seq, rule.unsure)


# --- a later day ----------------------------------------------------------------------------------


def unsettled_news(state: State) -> tuple[Event, ...]:
    """At a session's start: what the account holds that nobody has settled."""
    incidents = Incidents(state)
    for one in state.unsettled:
        _tell(incidents, one)
    return tuple(incidents.events)


def _tell(incidents: Incidents, one: CarriedPosition) -> None:
    incidents.raised(
        UNKNOWN, one.position_id, contract=one.tradingsymbol, units=one.quantity_units,
        expiry=one.expiry or 0,
    )  # fmt: skip


def settled_by_print(state: State, event: FeedFrame) -> list[Event]:
    """What the frame's index prints settle of positions that expired on the trading day before."""
    due = [one for one in state.unsettled if _may_settle(state, one)]
    closes = _previous_closes(state, event) if due else {}
    incidents = Incidents(state)
    events: list[Event] = []
    for one in due:
        paise = closes.get(one.underlying or "", 0)
        closing = Closing(paise, PREVIOUS_CLOSE, state.seq, False) if paise > 0 else None
        found = _settlement(state, one, closing)
        if found is not None:
            events.append(found)
            incidents.resolved(UNKNOWN, one.position_id)
    return [*events, *incidents.events]


def _may_settle(state: State, one: CarriedPosition) -> bool:
    """Whether the close of the day before is that of the contract's expiry, and, where the broker
    settles, its books hold nothing of it any more."""
    if state.opened is None or one.expiry != _day_before(state, state.opened.day):
        return False
    if not broker_settles(state):
        return True
    held = (one.exchange, one.tradingsymbol)
    left = sum(n.net_units for n in state.desk.nets if (n.exchange, n.tradingsymbol) == held)
    return state.desk.nets_ns > 0 and left == 0


def _day_before(state: State, day: int) -> int | None:
    """The last trading day before a day; None where the calendar does not say. A session's rows
    keep no holiday that is over: then it is a later day than the true one, and nothing is settled
    by it."""
    book = Rulebook(state.rule_rows)
    for back in range(1, BACK_DAYS_MAX):
        before = add_days(day, -back)
        trading = book.is_trading_day(before)
        if trading is None or trading:
            return before if trading else None
    return None


def _previous_closes(state: State, event: FeedFrame) -> dict[str, int]:
    """By underlying, the close of the day before that a frame's index packets bring."""
    names = {
        state.instruments[umap.index].token: umap.name
        for umap in state.underlyings
        if umap.index >= 0 and not umap.estimated
    }
    try:
        ticks = decode_frame(event.data)
    except FrameError:
        return {}  # the frame is refused whole, and said so elsewhere
    return {
        names[tick.token]: tick.close_price
        for tick in ticks
        if isinstance(tick, IndexTick) and tick.token in names
    }


# --- what the rulebook says -----------------------------------------------------------------------


def closing_rule(book: Rulebook, exchange: str, day: int) -> RuleRow | None:
    """How an exchange's indices close on a day."""
    return book.lookup("settlement.index", venue_of(exchange), day)


def exercise_tax(book: Rulebook, exchange: str, day: int) -> RuleRow | None:
    """The tax of an exercise on a day, on the intrinsic value."""
    return book.lookup("charge.stt.exercise", venue_of(exchange), day)


# --- what it pays ---------------------------------------------------------------------------------


def _settlement(
    state: State, one: CarriedPosition, closing: Closing | None
) -> PositionSettled | None:
    """The settlement of a long at a closing value; None where the value, the contract's terms or
    the day's tax are not known."""
    if closing is None or one.expiry is None or one.strike_paise is None:
        return None
    tax = exercise_tax(Rulebook(state.rule_rows), one.exchange, one.expiry)
    if tax is None:
        return None
    inside = closing.index_paise - one.strike_paise
    payoff = max(inside if one.kind == CALL else -inside, 0)
    # The tax of an exercise is the holder's; who sold the contract pays what it is worth.
    numerator = payoff * max(one.quantity_units, 0) * int(tax.value)
    return PositionSettled(
        one.position_id, one.underlying or "", one.exchange, one.tradingsymbol, one.expiry, SETTLED,
        one.quantity_units, closing.index_paise, closing.source, closing.source_seq, payoff,
        payoff * one.quantity_units - one.value_paise,
        (2 * numerator + CROREFOLD) // (2 * CROREFOLD), closing.unsure or tax.unsure,
    )  # fmt: skip


def closed_by(state: State, event: PositionSettled) -> PositionChanged | None:
    """That a position of this session is closed by its settlement; None for one of an earlier."""
    held = held_of(state, event.position_id)
    if held is None:
        return None
    return PositionChanged(
        held.position_id, event.underlying, held.strategy_id, held.contract, "CLOSED", 0, 0,
        held.opened_ns, held.stop_paise, held.target_paise, held.trail_paise, held.realised_paise,
        held.charges_paise, SETTLED,
    )  # fmt: skip


def apply_position_settled(state: State, event: PositionSettled, ts: int, look: Lookup) -> State:
    """The account gets what it pays; the position is no more."""
    account = replace(
        state.account,
        realised_paise=state.account.realised_paise + event.realised_paise,
        charges_paise=state.account.charges_paise + event.tax_paise,
    )
    unsettled = tuple(one for one in state.unsettled if one.position_id != event.position_id)
    return replace(
        state,
        account=account,
        positions=_with_settled(state.positions, event),
        shorts=_with_settled(state.shorts, event),
        unsettled=unsettled,
    )


def _with_settled(held: tuple[Position, ...], event: PositionSettled) -> tuple[Position, ...]:
    return tuple(
        replace(
            one,
            quantity_units=0,
            value_paise=0,
            risk_paise=0,
            realised_paise=one.realised_paise + event.realised_paise,
            charges_paise=one.charges_paise + event.tax_paise,
            exit_reason=SETTLED,
        )
        if one.position_id == event.position_id
        else one
        for one in held
    )
