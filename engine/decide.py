"""What follows from a fact or a derivation: work items and events, by one total table.

Lives here: ``decide`` and its table, and the order of work within a fact. May import: events,
engine. Always holds: pure; exits come before entries; one cycle per underlying in instrument order;
whatever an event leads to is queued ahead of the next underlying.
Start reading at ``DECIDE``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.apply import underlying_index
from engine.bars import MINUTE_NS, Bar
from engine.books import BREAK_EVEN, ENTRY, is_of_leg, open_risk_paise, order_of, own_id
from engine.cycle import decide_cycle
from engine.exits import decide_exits
from engine.features.derive import features_due
from engine.feed import LIVE, checked_walk
from engine.history import history_news
from engine.lookup import Lookup
from engine.orders import facts as broker_facts
from engine.orders.contracts import changed_contracts
from engine.orders.incidents import Incidents
from engine.orders.legs import UNSENT
from engine.orders.route import in_real_time, to_broker
from engine.paper import decide_fills, decide_lapses, order_event
from engine.policy import limit_ms
from engine.quality import judged
from engine.regime import assess, day_type
from engine.risk import machine
from engine.settlement import closed_by, settled_at_close, settled_by_print, unsettled_news
from engine.shorts import long_of, short_of
from engine.spreads import decide_pairs, sale_of, unwanted_sales
from engine.state import BarSlot, Order, Position, State
from engine.times import near_events
from engine.view import age_ms, spread_bps
from engine.work import NOTHING, Item, Outcome
from events.base import Event
from events.features import FeaturesDerived
from events.feed import FeedFrame, HistoryLoaded, TimerTick
from events.market import BarClosed, FeedHealthChanged, FrameRejected, InstrumentsGated
from events.orders import (
    ExitSignalled,
    FillApplied,
    IntentApproved,
    OrderChanged,
    PositionChanged,
    PositionSettled,
    RiskStateChanged,
    SessionSummarised,
    SpreadApproved,
)
from events.risk import RiskTransitioned
from events.session import ConfigChanged, SessionClosed
from events.wire.kite import FrameError

MS: Final = 1_000_000


CRASHED: Final = "CRASHED"
RISK: Final = ("risk", 0)


def decide(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """What a work item leads to; ``seq`` is the one that its first event will get."""
    return DECIDE[item.step](state, item, look, seq)


# --- facts ---------------------------------------------------------------------------------------


def _frame(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, FeedFrame)
    events: list[Event] = list(_bars(state))
    events.extend(_feed_back(state, event))
    events.extend(_frame_fault(state, event))
    if state.unsettled:
        events.extend(settled_by_print(state, event))
    steps: list[tuple[str, int]] = []
    if state.orders:
        steps.extend((("fills", 0), ("lapses", 0)))
    if state.positions:
        steps.append(("exits", 0))
    if steps and to_broker(state):
        steps.append(("orders", 0))
    return Outcome(tuple(events), tuple(steps))


def _feed_back(state: State, event: FeedFrame) -> list[FeedHealthChanged]:
    """The first frame of all, or the first after a gap; a gap that ended between two ticks is said
    with its end."""
    feed = state.feed
    if feed.status == LIVE and not feed.gap_ms:
        return []
    reason = "FEED_STARTED" if feed.status == "UNSEEN" else "FEED_RESUMED"
    limit, _ = limit_ms(state, "link_age", state.config.feed.link_age_ms_max)
    events = [FeedHealthChanged(event.connection, LIVE, reason, 0, limit)]
    if feed.status == LIVE:
        events.insert(0, FeedHealthChanged(event.connection, "GAP", "FEED_GAP", feed.gap_ms, limit))
    return events


def _frame_fault(state: State, event: FeedFrame) -> list[Event]:
    if not state.feed.refused_ns or state.feed.refused_ns[-1] != state.now:
        return []
    try:
        checked_walk(event)
    except FrameError as error:
        return [FrameRejected(event.connection, str(error.fault), error.offset, event.length_bytes)]
    return []


def _tick(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    events: list[Event] = list(_bars(state))
    events.extend(_feed_gap(state))
    events.extend(judged(state))
    tick = item.entry.event
    assert isinstance(tick, TimerTick)
    events.extend(_instrument_gates(state, look, tick.due_ts))
    # What is held is marked at each tick: a limit that it passes halts before the next entry.
    steps: list[tuple[str, int]] = [("exits", 0), RISK] if state.positions else []
    if to_broker(state):
        steps.append(("orders", 0))
    if in_real_time(state):
        steps.append(("watch", 0))
    if state.tapes:
        steps.append(("features", 0))
    steps.extend(("cycle", u) for u in range(len(state.underlyings)))
    return Outcome(tuple(events), tuple(steps))


def _feed_gap(state: State) -> list[Event]:
    if state.feed.status != LIVE:
        return []
    limit, _ = limit_ms(state, "link_age", state.config.feed.link_age_ms_max)
    age = age_ms(state, state.feed.last_frame_ns)
    if age <= limit:
        return []
    return [FeedHealthChanged(0, "GAP", "FEED_GAP", age, limit)]


def _instrument_gates(state: State, look: Lookup, due_ts: int) -> list[Event]:
    """The minute's packed table, at the tick that is due on the minute, where it is switched on; in
    real time that tick is given a moment later."""
    config = state.config.instrument_gates
    if not config.enabled or due_ts % MINUTE_NS:
        return []
    verdicts = bytearray()
    oldest = state.now - config.age_ms_max * MS
    for i, quote in enumerate(state.quotes):
        place = look.slot_of[i]
        done = state.slots[place].bars_done if place >= 0 else config.bars_min
        if done < config.bars_min:
            verdicts.append(1)
        elif quote is None or not quote.is_fresh(oldest):
            verdicts.append(2)
        elif not quote.two_sided or spread_bps(quote) > config.spread_bps_max:
            verdicts.append(3)
        else:
            verdicts.append(0)
    table = InstrumentsGated(
        due_ts, config.bars_min, config.age_ms_max, config.spread_bps_max, bytes(verdicts)
    )
    return [table]


def _other_fact(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    return Outcome(tuple(_bars(state)))


def _history(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, HistoryLoaded)
    return Outcome((*_bars(state), *history_news(state, event, look)))


def _with_bars(
    row: Callable[[State, Item], Outcome],
) -> Callable[[State, Item, Lookup, int], Outcome]:
    """A fact of the broker's or the operator's: bars that ended before it come first."""

    def rule(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
        outcome = row(state, item)
        bars = _bars(state)
        return Outcome((*bars, *outcome.events), outcome.steps) if bars else outcome

    return rule


def _step(
    row: Callable[[State, Item], Outcome],
) -> Callable[[State, Item, Lookup, int], Outcome]:
    """A step that needs neither look-ups nor its seq."""

    def rule(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
        return row(state, item)

    return rule


def _carried(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """The account's day begins; halts that end with a day have ended."""
    return Outcome((_risk(state, "RISK_DAY_OPENED"), *machine.day_begun(state)))


def _config_changed(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, ConfigChanged)
    # A limit that is tightened below what is halts at once, not with the next position.
    return Outcome((*_bars(state), *machine.deferred_settings(state, event)), (RISK,))


def _instruments(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """What an earlier session left open is open here."""
    held = (_position(state, one) for one in (*state.positions, *state.shorts))
    return Outcome((*held, *changed_contracts(state), *unsettled_news(state)))


def _closed(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """The day's end: bars that are open, orders that will not fill any more, the summary.

    Of a session that crashed under other code nothing is said that this code would have to guess.
    """
    event = item.entry.event
    assert isinstance(event, SessionClosed)
    if event.reason == CRASHED:
        return NOTHING
    events: list[Event] = [*_bars(state), *judged(state)]
    # An order that is at a broker lives on without the session: the next one carries it.
    events.extend(
        order_event(one, "CANCELLED", "ORDER_DAY_END", one.filled_units)
        for one in state.orders
        if one.leg is None or one.leg.status in UNSENT
    )
    if to_broker(state) and not state.desk.closing_books:
        incidents = Incidents(state)
        incidents.raised("CLOSED_UNRECONCILED", "books")
        events.extend(incidents.events)
    return Outcome(tuple(events), (("settle", 0), ("summary", 0)))


def _settle(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    return Outcome(tuple(settled_at_close(state)))


def _summary(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    account, feed = state.account, state.feed
    summary = SessionSummarised(
        state.cycle,
        state.decisions,
        state.trades,
        feed.frames,
        feed.ticks,
        feed.refused,
        account.realised_paise,
        account.charges_paise,
        len(state.positions),
    )
    return Outcome((summary,))


# --- steps ---------------------------------------------------------------------------------------


def _fills(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, FeedFrame)
    return Outcome(tuple(decide_fills(state, event)))


def _lapses(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, FeedFrame)
    return Outcome(tuple(decide_lapses(state, event)))


def _exits(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    return Outcome((*decide_exits(state), *decide_pairs(state)))


def _features(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """Once the bars that ended before this tick have been taken in."""
    due = features_due(state, look)
    return Outcome(tuple(due)) if due else NOTHING


def _cycle(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    return Outcome(tuple(decide_cycle(state, item.arg, look.slot_of, seq)))


def _bars(state: State) -> list[BarClosed]:
    """Every bar that ended before this fact, in instrument order."""
    if state.rolled_seq != state.seq:
        return []
    bar_ms = state.opened.market.bar_ms if state.opened is not None else 0
    return [
        _bar_event(slot, bar, bar_ms == bar.length_ns // MS)
        for slot in state.slots
        for bar in slot.closed
    ]


def _bar_event(slot: BarSlot, bar: Bar, declared: bool) -> BarClosed:
    ind = slot.indicators if declared else None
    vwap = ind.vwap_paise if ind is not None else None
    twap = ind.twap_paise if ind is not None and vwap is None else None
    return BarClosed(
        slot.instrument,
        bar.length_ns // MS,
        bar.start_ts,
        bar.open_paise,
        bar.high_paise,
        bar.low_paise,
        bar.close_paise,
        bar.volume,
        bar.ticks,
        slot.bars_done,
        ind.ema_fast_paise if ind is not None else None,
        ind.ema_slow_paise if ind is not None else None,
        ind.rsi if ind is not None else None,
        ind.atr_paise if ind is not None else None,
        ind.adx if ind is not None else None,
        vwap if vwap is not None else twap,
        vwap is None,
    )


# --- reactions to derivations --------------------------------------------------------------------


def _features_derived(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """After an underlying's declared bar: its regime, and its kind of day when that changed."""
    event = item.entry.event
    assert isinstance(event, FeaturesDerived)
    assert state.opened is not None
    u = underlying_index(state, event.underlying)
    slot = state.slots[look.slot_of[state.underlyings[u].index]]
    market, name = state.markets[u], state.underlyings[u].name
    close = slot.indicators.close_paise if slot.indicators is not None else 0
    made = (
        assess(
            name,
            slot,
            state.opened.market.bar_ms,
            market,
            state.config,
            event_near=bool(near_events(state)),
        ),
        day_type(name, market, close, slot.bars_done),
    )
    return Outcome(tuple(one for one in made if one is not None))


def _intent_approved(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, IntentApproved)
    order = order_of(state, own_id(state, event.intent_id))
    assert order is not None
    if order.leg is not None:
        wanted = order_event(order, order.leg.status, "ORDER_WANTED", 0)
        return Outcome((wanted,), (("orders", 0), RISK))
    return Outcome((order_event(order, "WORKING", "ORDER_ACCEPTED", 0),), (RISK,))


def _spread_approved(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    event = item.entry.event
    assert isinstance(event, SpreadApproved)
    return Outcome((sale_of(state, event),))


def _exit_signalled(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """The exit order works; what is still working of the entry is cancelled."""
    event = item.entry.event
    assert isinstance(event, ExitSignalled)
    order = order_of(state, own_id(state, event.exit_id))
    assert order is not None
    if order.leg is not None:
        wanted = order_event(order, order.leg.status, "ORDER_WANTED", 0)
        return Outcome((wanted,), (("orders", 0),))
    events: list[Event] = [order_event(order, "WORKING", "ORDER_ACCEPTED", 0)]
    entry = order_of(state, f"P{event.position_id}")
    if entry is not None:
        events.append(order_event(entry, "CANCELLED", "ORDER_EXITED", entry.filled_units))
    return Outcome(tuple(events))


def _fill_applied(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """Order and position after a fill."""
    event = item.entry.event
    assert isinstance(event, FillApplied)
    order = order_of(state, event.order_id)
    assert order is not None
    if event.fill_no != order.fills:
        # Several levels were taken at once: the last of these fills speaks for all of them.
        return NOTHING
    done = order.filled_units == order.quantity_units
    status, reason = ("FILLED", "ORDER_FILLED") if done else ("PARTIAL", "ORDER_PARTIAL")
    told = order_event(order, status, reason, order.filled_units)
    moved = (_position(state, one) for one in _filled_positions(state, order))
    return Outcome((told, *moved))


def _filled_positions(state: State, order: Order) -> list[Position]:
    """The position that a fill moved; behind a leg that is bought back its long, where that is gone
    already."""
    held = state.shorts if is_of_leg(order) else state.positions
    found = next(one for one in held if order.authority.startswith(one.position_id))
    long = long_of(state, found.position_id) if is_of_leg(order) else None
    gone = found.quantity_units == 0 and long is not None and long.quantity_units == 0
    return [found, long] if gone and long is not None else [found]


def _position(state: State, held: Position) -> PositionChanged:
    leg, units = short_of(state, held.position_id), held.quantity_units
    # A long that somebody sold under its sold leg ends with that leg: a pair is one trade.
    closed = units == 0 and (leg is None or leg.quantity_units == 0)
    return PositionChanged(
        held.position_id,
        state.underlyings[held.underlying].name,
        held.strategy_id,
        held.contract,
        "CLOSED" if closed else "OPEN",
        units,
        held.value_paise // units if units else 0,
        held.opened_ns,
        held.stop_paise,
        held.target_paise,
        held.trail_paise,
        held.realised_paise,
        held.charges_paise,
        held.exit_reason or None,
    )


def _position_changed(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """The account after a fill: once the position has moved, for streak and cooldown follow it."""
    event = item.entry.event
    assert isinstance(event, PositionChanged)
    if event.exit_reason == BREAK_EVEN:
        return Outcome((_risk(state, "RISK_STOP_RAISED"),))
    if event.exit_reason is not None:
        said = (_risk(state, "RISK_EXIT_FILLED"), *machine.trade_closed(state, event))
        return Outcome(said, (RISK,))
    before = state.carried.positions if state.carried is not None else ()
    carried = any(one.position_id == event.position_id for one in before)
    return Outcome((_risk(state, "RISK_CARRIED" if carried else "RISK_ENTRY_FILLED"),))


def _position_settled(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """A position of this session is closed by it; of an earlier one the account alone tells."""
    event = item.entry.event
    assert isinstance(event, PositionSettled)
    closed = closed_by(state, event)
    return Outcome((closed,) if closed is not None else (_risk(state, "RISK_EXIT_FILLED"),))


def _order_changed(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """An order that ended without a fill frees its risk; what waited for it does not wait on."""
    event = item.entry.event
    assert isinstance(event, OrderChanged)
    rejected = event.status == "REJECTED" and event.role == ENTRY
    if event.status != "CANCELLED" and not rejected:
        return NOTHING
    waited = unwanted_sales(state, event.authority) if event.role == ENTRY else ()
    return Outcome((*waited, _risk(state, "RISK_ORDER_ENDED")))


def _risk(state: State, reason: str) -> RiskStateChanged:
    account = state.account
    cooldown = 0
    for market in state.markets:
        cooldown = max(cooldown, market.cooldown_until_ns)
    return RiskStateChanged(
        "HALTED" if account.halts else "NORMAL",
        reason,
        account.realised_paise,
        account.charges_paise,
        account.trades_today,
        account.loss_streak,
        open_risk_paise(state),
        cooldown,
    )


def _risk_step(state: State, item: Item) -> Outcome:
    """Halts that begin or ended, one at a time, until there is none to tell."""
    events = tuple(machine.watch_risk(state))
    return Outcome(events, (RISK,)) if events else NOTHING


def _risk_transitioned(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    """A hard halt ends what works of entries."""
    event = item.entry.event
    assert isinstance(event, RiskTransitioned)
    steps = (("orders", 0),) if to_broker(state) else ()
    return Outcome(tuple(machine.stopped_entries(state, event)), steps)


def _nothing(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
    return NOTHING


DECIDE: Final[dict[str, Callable[[State, Item, Lookup, int], Outcome]]] = {
    "SessionOpened": _nothing,
    "CarriedOver": _carried,
    "ArtifactLoaded": _nothing,
    "InstrumentsLoaded": _instruments,
    "ConfigChanged": _config_changed,
    "SessionAmended": _other_fact,
    "TailCut": _nothing,
    "SessionClosed": _closed,
    "FeedFrame": _frame,
    "FeedStatus": _other_fact,
    "TimerTick": _tick,
    "SubscriptionChanged": _other_fact,
    "HistoryLoaded": _history,
    "OrderSendStarted": _other_fact,
    "BarClosed": _nothing,
    "FrameRejected": _nothing,
    "FeedHealthChanged": _nothing,
    "InstrumentsGated": _nothing,
    "TicksJudged": _nothing,
    "SnapshotTaken": _nothing,
    "FeaturesDerived": _features_derived,
    "RegimeAssessed": _nothing,
    "DayTypeAssessed": _nothing,
    "GatesEvaluated": _nothing,
    "ContractsScreened": _nothing,
    "CandidateProposed": _nothing,
    "DecisionMade": _nothing,
    "IntentApproved": _intent_approved,
    "SpreadApproved": _spread_approved,
    "ExitSignalled": _exit_signalled,
    "OrderChanged": _order_changed,
    "FillApplied": _fill_applied,
    "PositionChanged": _position_changed,
    "PositionSettled": _position_settled,
    "RiskStateChanged": _nothing,
    "SessionSummarised": _nothing,
    "OrderWanted": _nothing,
    "MarginWanted": _nothing,
    "ApprovalRequested": _nothing,
    "ApprovalClosed": _nothing,
    "CommandAnswered": _nothing,
    "Reconciled": _nothing,
    "DifferenceFound": _nothing,
    "IncidentRaised": _nothing,
    "IncidentResolved": _nothing,
    "ReadinessChanged": _nothing,
    "SessionEndDue": _nothing,
    "RiskTransitioned": _risk_transitioned,
    "SettingsDeferred": _nothing,
    **{kind: _with_bars(row) for kind, row in broker_facts.ROWS.items()},
    **{step: _step(row) for step, row in broker_facts.STEPS.items()},
    "fills": _fills,
    "lapses": _lapses,
    "exits": _exits,
    "features": _features,
    "cycle": _cycle,
    "settle": _settle,
    "risk": _step(_risk_step),
    "summary": _summary,
}
