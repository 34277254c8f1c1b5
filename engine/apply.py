"""What each event does to the state: one total table from kind to function.

Lives here: ``apply`` and its table. May import: events, engine. Always holds: pure; every
registered kind has a row (``test_apply_is_total``); a derivation changes the state only here, so
that recorded and re-derived ones do the same.
Start reading at ``APPLY``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine import books, settlement
from engine.bars import MINUTE_NS, new_accumulator
from engine.carry import (
    carried_account,
    carried_risk,
    cooldown_of,
    placed_orders,
    placed_positions,
)
from engine.chain import refresh
from engine.config import of_session
from engine.features.derive import keep_features
from engine.features.minutes import opening_tape, take_bar
from engine.features.tape import Tape
from engine.feed import (
    LIVE,
    MS,
    all_lost,
    apply_feed_status,
    mark_feed_gap,
    mark_feed_return,
    roll_bars,
)
from engine.gates import approval
from engine.history import apply_history_loaded, begin_missing, end_missing, fresh_history
from engine.hours import closes_of
from engine.layout import BAR_KINDS, underlyings_of, vix_of
from engine.lookup import Lookup, underlying_places
from engine.orders import incidents, margin, operator, reduce
from engine.orders.contracts import CONTRACTS, contract_changes
from engine.orders.route import in_real_time, to_broker
from engine.quality import apply_feed_frame, let_stand, said
from engine.risk import machine
from engine.risk.day import with_fire, with_funds, with_high, with_tail
from engine.rulebook import Rulebook, amended_rows, resolve_day
from engine.shorts import is_leg
from engine.spreads import apply_spread_approved
from engine.state import (
    EMPTY_UNDERLYING,
    BarSlot,
    Leg,
    RegimeState,
    State,
    UnderlyingMap,
    UnderlyingState,
)
from engine.strategies.lifecycle import taken_over
from events import broker, decision, features, feed, governance, market, session
from events.base import Event
from events.envelope import payload_digest
from events.orders import IntentApproved, PositionChanged

UID_CHARS: Final = 12

LATE_NS: Final = 5_000 * MS
"""A feed that began within this of the open saw the day from its beginning."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A decoded envelope: what ``apply`` and ``decide`` take."""

    seq: int
    kind: str
    ts: int
    cause: int
    event: Event

    @property
    def is_fact(self) -> bool:
        return self.seq == self.cause


def apply(state: State, entry: Entry, look: Lookup) -> State:
    """The state after an entry. Facts move the clock and close bars before anything else."""
    if entry.seq == entry.cause:
        state = roll_bars(state, entry.ts, entry.seq)
        state = replace(state, now=entry.ts, seq=entry.seq)
    else:
        state = replace(state, seq=entry.seq)
    return APPLY[entry.kind](state, entry, look)


# --- facts ---------------------------------------------------------------------------------------


def _session_opened(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.SessionOpened)
    config = of_session(event.settings)
    return replace(
        state,
        uid=payload_digest(event)[:UID_CHARS],
        opened=event,
        config=config,
        bar_end_ns=entry.ts - entry.ts % MINUTE_NS + MINUTE_NS,
    )


def _carried_over(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.CarriedOver)
    day = state.opened.day if state.opened is not None else 0
    exits = event.exits if event.day == day else 0
    account, risk = carried_account(event, day), carried_risk(event, day)
    lives = taken_over(event)
    return replace(state, carried=event, account=account, risk=risk, exits=exits, strategies=lives)


def _session_resumed(state: State, entry: Entry, look: Lookup) -> State:
    """Whatever was connected is not: the next ``FeedStatus`` says otherwise. Messages that were on
    their way are in doubt, wishes are made anew, and the broker's books are to be asked for."""
    orders = tuple(
        replace(one, leg=_after_death(one.leg)) if one.leg is not None else one
        for one in state.orders
    )
    desk = state.desk
    if in_real_time(state):
        desk = replace(
            desk,
            auth="UNSEEN",
            auth_ns=0,
            resumed_ns=entry.ts,
            reconciled_ns=0,
            nets_ns=0,
            approving=(),
            closing_books=False,
        )
    feed_state = all_lost(state.feed, entry.ts)
    state = replace(state, feed=feed_state, orders=orders, desk=desk)
    if not in_real_time(state) or feed_state.status != LIVE:
        return state
    # Nobody was there to see it: a gap that the next frame ends.
    state = replace(state, feed=replace(feed_state, status="GAP"))
    return begin_missing(mark_feed_gap(state), feed_state.last_frame_ns)


def _after_death(leg: Leg) -> Leg:
    in_doubt = leg.doubt or leg.flight is not None or leg.cancelling
    return replace(leg, wish=None, flight=None, cancelling=False, doubt=in_doubt)


def _artifact_loaded(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.ArtifactLoaded)
    if event.kind == CONTRACTS:
        return replace(state, contract_rows=event.rows)
    if event.kind != "RULEBOOK" or state.opened is None:
        return state
    rules = resolve_day(Rulebook(event.rows), state.opened.day)
    return replace(state, rule_rows=event.rows, rules=rules, closes_ns=closes_of(rules))


def _instruments_loaded(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.InstrumentsLoaded)
    rows = event.rows
    book = Rulebook(state.rule_rows) if state.rule_rows else None
    maps = underlyings_of(rows, book)
    slots = tuple(
        BarSlot(i, (), (), None, None, 0) for i, row in enumerate(rows) if row.kind in BAR_KINDS
    )
    # What the account's last session held and paused goes on in this one.
    markets = tuple(
        replace(EMPTY_UNDERLYING, cooldown_until_ns=cooldown_of(state.carried, one.name))
        for one in maps
    )
    places = underlying_places(maps, rows)
    day = state.opened.day if state.opened is not None else 0
    positions, unsettled = placed_positions(state.carried, rows, places, day)
    orders = placed_orders(state.carried, rows, places, unsettled) if to_broker(state) else ()
    state = replace(
        state,
        orders=orders,
        positions=tuple(one for one in positions if not is_leg(one.position_id)),
        shorts=tuple(one for one in positions if is_leg(one.position_id)),
        unsettled=unsettled,
        instruments=rows,
        underlyings=maps,
        vix=vix_of(rows),
        quotes=(None,) * len(rows),
        vols=(0.0,) * len(rows),
        slots=slots,
        accs=(tuple(new_accumulator()),) * len(slots),
        history=fresh_history(len(slots)),
        markets=markets,
        tapes=_tapes(state, maps, book),
    )
    return replace(state, changes=contract_changes(state), contract_rows=())


def _tapes(
    state: State, maps: tuple[UnderlyingMap, ...], book: Rulebook | None
) -> tuple[Tape, ...]:
    day = state.opened.day if state.opened is not None else 0
    days = state.carried.days if state.carried is not None else ()
    return tuple(opening_tape(one.name, day, days, book) for one in maps)


def _config_changed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.ConfigChanged)
    if state.desk.setting is not None:
        state = replace(state, desk=replace(state.desk, setting=None))
    return machine.apply_config_changed(state, event)


def _session_amended(state: State, entry: Entry, look: Lookup) -> State:
    """The day's hours as they are from here on, and with them when contracts of the day end."""
    event = entry.event
    assert isinstance(event, session.SessionAmended)
    if state.desk.amending is not None:
        state = replace(state, desk=replace(state.desk, amending=None))
    if state.opened is None or state.rules is None:
        return state
    day = state.opened.day
    rows = amended_rows(state.rule_rows, day, event.name, event.scope, event.value, event.source)
    if rows == state.rule_rows:
        return state
    book = Rulebook(rows)
    return replace(
        state,
        rule_rows=rows,
        rules=resolve_day(book, day),
        underlyings=underlyings_of(state.instruments, book),
    )


def _frames_dropped(state: State, entry: Entry, look: Lookup) -> State:
    return replace(state, desk=replace(state.desk, dropped_ns=entry.ts))


def _clock_stepped(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.ClockStepped)
    bad = abs(event.offset_ns) > event.limit_ns
    desk = replace(state.desk, clock_offset_ns=event.offset_ns, clock_bad=bad)
    return replace(state, desk=desk)


def _health_observed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.HealthObserved)
    others = tuple(one for one in state.desk.unhealthy if one != event.what)
    unhealthy = others if event.status == "OK" else tuple(sorted((*others, event.what)))
    return replace(state, desk=replace(state.desk, unhealthy=unhealthy))


def _feed_frame(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.FeedFrame)
    state = apply_feed_frame(state, event, entry.ts, entry.seq, look)
    return books.mark_positions(state) if state.positions else state


def _feed_status(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.FeedStatus)
    return apply_feed_status(state, event, entry.ts)


def _timer_tick(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.TimerTick)
    if state.quality.doubts:
        state = let_stand(state, entry.ts)
    vols = list(state.vols)
    markets = tuple(
        replace(one, expiries=refresh(state, u, vols)) for u, one in enumerate(state.markets)
    )
    state = replace(
        state, markets=markets, vols=tuple(vols), cycle=state.cycle + 1, missed=event.missed
    )
    return with_high(state) if state.positions else state


def _broker_snapshot(state: State, entry: Entry, look: Lookup) -> State:
    """The broker's books, and what it says may be spent."""
    event = entry.event
    assert isinstance(event, broker.BrokerSnapshot)
    state = reduce.apply_broker_snapshot(state, event, entry.ts, look)
    return with_funds(state, event)


def _session_closed(state: State, entry: Entry, look: Lookup) -> State:
    return replace(state, closed=True)


# --- derivations ---------------------------------------------------------------------------------


def _bar_closed(state: State, entry: Entry, look: Lookup) -> State:
    """Keep the minutes that features are made of, and the day's range of an index."""
    event = entry.event
    assert isinstance(event, market.BarClosed)
    u = look.underlying_of.get(event.instrument, -1)
    if u < 0 and event.instrument != state.vix:
        return state
    state = take_bar(state, event, look)
    if u < 0 or state.underlyings[u].index != event.instrument:
        return state
    if state.opened is None or event.bar_ms != state.opened.market.bar_ms:
        return state
    one = state.markets[u]
    return _with_market(
        state,
        u,
        replace(
            one,
            day_open_paise=one.day_open_paise or event.open_paise,
            day_high_paise=max(one.day_high_paise, event.high_paise),
            day_low_paise=min(one.day_low_paise or event.low_paise, event.low_paise),
            bars_since_gap=one.bars_since_gap + 1,
        ),
    )


def _with_market(state: State, u: int, one: UnderlyingState) -> State:
    markets = list(state.markets)
    markets[u] = one
    return replace(state, markets=tuple(markets))


def underlying_index(state: State, name: str) -> int:
    """Place of an underlying by name. Raises ``KeyError``."""
    for u, umap in enumerate(state.underlyings):
        if umap.name == name:
            return u
    raise KeyError(name)


def _features_derived(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, features.FeaturesDerived)
    return keep_features(state, underlying_index(state, event.underlying), event)


def _regime_assessed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, decision.RegimeAssessed)
    u = underlying_index(state, event.underlying)
    regime = RegimeState(
        event.regime,
        event.leader,
        event.leader_bars,
        event.probs_milli,
        event.entropy_milli,
        entry.ts,
    )
    return _with_market(state, u, replace(state.markets[u], regime=regime))


def _day_type_assessed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, decision.DayTypeAssessed)
    u = underlying_index(state, event.underlying)
    return _with_market(
        state,
        u,
        replace(
            state.markets[u],
            day_type=event.day_type,
            day_switches=event.switches or 0,
            day_locked=event.locked or False,
        ),
    )


def _feed_health_changed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, market.FeedHealthChanged)
    state = replace(state, feed=replace(state.feed, status=event.status))
    cash = state.rules.cash if state.rules is not None else None
    if event.reason == "FEED_GAP":
        state = begin_missing(state, entry.ts - event.link_age_ms * MS)
    elif event.reason == "FEED_STARTED" and cash is not None:
        state = begin_missing(state, cash.open_ns)
    if event.status == LIVE:
        state = end_missing(state, entry.ts)
    return _marked(state, event.reason, entry.ts)


def _marked(state: State, reason: str, ts: int) -> State:
    """Bars at both ends of a gap are marked, and its volume belongs to none. So is the first bar of
    a feed that began after the open: what was before it is a gap like any other."""
    cash = state.rules.cash if state.rules is not None else None
    # A gap that no tick noticed is said when its end has already been folded (``after_silence``).
    ended = state.feed.last_frame_ns == ts
    if reason == "FEED_GAP" and not ended:
        return mark_feed_gap(state)
    late = cash is not None and ts > cash.open_ns + LATE_NS
    if reason in ("FEED_GAP", "FEED_RESUMED") or (reason == "FEED_STARTED" and late):
        return mark_feed_return(state)
    return state


def _ticks_judged(state: State, entry: Entry, look: Lookup) -> State:
    return replace(state, quality=said(state.quality))


def _contracts_screened(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, decision.ContractsScreened)
    u = underlying_index(state, event.underlying)
    mark = screen_mark(event)
    return _with_market(state, u, replace(state.markets[u], screened=mark))


def screen_mark(event: decision.ContractsScreened) -> bytes:
    """What two screenings must share to be the same: all but the cycle they happened in."""
    digest = payload_digest(replace(event, cycle=0))
    return bytes.fromhex(digest[:32])


def _intent_approved(state: State, entry: Entry, look: Lookup) -> State:
    """The entry's order, and that its strategy fired."""
    event = entry.event
    assert isinstance(event, IntentApproved)
    state = books.apply_intent_approved(state, event, entry.ts, look)
    return with_fire(state, event.strategy_id, event.underlying, entry.ts)


def _position_changed(state: State, entry: Entry, look: Lookup) -> State:
    """A closed position leaves the books, and may have made the day's highest result."""
    event = entry.event
    assert isinstance(event, PositionChanged)
    state = books.apply_position_changed(state, event, entry.ts, look)
    return with_tail(with_high(state)) if event.status == "CLOSED" else state


def _decision_made(state: State, entry: Entry, look: Lookup) -> State:
    return replace(state, decisions=state.decisions + 1)


def _readiness_changed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, governance.ReadinessChanged)
    desk = replace(state.desk, readiness=event.status, blockers=event.reasons)
    return replace(state, desk=desk)


def _no_change(state: State, entry: Entry, look: Lookup) -> State:
    """The event reports; everything it says is derived from what the state already holds."""
    return state


def _book(function: Callable[[State, Any, int, Lookup], State]) -> Callable[..., State]:
    """Adapt a reducer of ``engine.books``, which needs the time but not the entry."""

    def row(state: State, entry: Entry, look: Lookup) -> State:
        return function(state, entry.event, entry.ts, look)

    return row


APPLY: Final[dict[str, Callable[[State, Entry, Lookup], State]]] = {
    "SessionOpened": _session_opened,
    "CarriedOver": _carried_over,
    "SessionResumed": _session_resumed,
    "ArtifactLoaded": _artifact_loaded,
    "InstrumentsLoaded": _instruments_loaded,
    "ConfigChanged": _config_changed,
    "OperatorCommand": _book(operator.apply_operator_command),
    "SessionAmended": _session_amended,
    "TailCut": _no_change,
    "SessionClosed": _session_closed,
    "FeedFrame": _feed_frame,
    "FeedStatus": _feed_status,
    "TimerTick": _timer_tick,
    "SubscriptionChanged": _no_change,
    "FramesDropped": _frames_dropped,
    "HistoryLoaded": _book(apply_history_loaded),
    "ClockStepped": _clock_stepped,
    "HealthObserved": _health_observed,
    "AuthStatus": _book(reduce.apply_auth_status),
    "OrderSendStarted": _book(reduce.apply_send_started),
    "OrderSendResult": _book(reduce.apply_send_result),
    "BrokerUpdate": _book(reduce.apply_broker_update),
    "BrokerSnapshot": _broker_snapshot,
    "OrderLookup": _book(reduce.apply_order_lookup),
    "QuotesObserved": _book(reduce.apply_quotes_observed),
    "MarginObserved": _book(margin.apply_margin_observed),
    "BarClosed": _bar_closed,
    "FrameRejected": _no_change,
    "FeedHealthChanged": _feed_health_changed,
    "InstrumentsGated": _no_change,
    "TicksJudged": _ticks_judged,
    "SnapshotTaken": _no_change,
    "FeaturesDerived": _features_derived,
    "RegimeAssessed": _regime_assessed,
    "DayTypeAssessed": _day_type_assessed,
    "GatesEvaluated": _no_change,
    "ContractsScreened": _contracts_screened,
    "CandidateProposed": _no_change,
    "DecisionMade": _decision_made,
    "IntentApproved": _intent_approved,
    "SpreadApproved": _book(apply_spread_approved),
    "ExitSignalled": _book(books.apply_exit_signalled),
    "OrderChanged": _book(books.apply_order_changed),
    "FillApplied": _book(books.apply_fill_applied),
    "PositionChanged": _position_changed,
    "PositionSettled": _book(settlement.apply_position_settled),
    "RiskStateChanged": _no_change,
    "SessionSummarised": _no_change,
    "OrderWanted": _book(reduce.apply_order_wanted),
    "MarginWanted": _book(margin.apply_margin_wanted),
    "ApprovalRequested": _book(approval.apply_approval_requested),
    "ApprovalClosed": _book(approval.apply_approval_closed),
    "CommandAnswered": _no_change,
    "Reconciled": _book(reduce.apply_reconciled),
    "DifferenceFound": _book(reduce.apply_difference_found),
    "IncidentRaised": _book(incidents.apply_incident_raised),
    "IncidentResolved": _book(incidents.apply_incident_resolved),
    "ReadinessChanged": _readiness_changed,
    "SessionEndDue": _no_change,
    "RiskTransitioned": _book(machine.apply_risk_transitioned),
    "SettingsDeferred": _no_change,
}
