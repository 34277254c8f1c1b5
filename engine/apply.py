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

from engine import books
from engine.bars import MINUTE_NS, new_accumulator
from engine.carry import carried_account, cooldown_of, placed_positions
from engine.chain import refresh
from engine.config import from_settings
from engine.feed import apply_feed_frame, apply_feed_status, mark_feed_gap, roll_bars
from engine.layout import BAR_KINDS, underlyings_of, vix_of
from engine.lookup import Lookup, underlying_places
from engine.rulebook import Rulebook, amended_rows, resolve_day
from engine.state import (
    EMPTY_UNDERLYING,
    BarSlot,
    RegimeState,
    State,
    UnderlyingState,
)
from events import decision, feed, market, session
from events.base import Event
from events.envelope import payload_digest

UID_CHARS: Final = 12


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
    config = from_settings(event.settings)
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
    return replace(state, carried=event, account=carried_account(event, day), exits=exits)


def _session_resumed(state: State, entry: Entry, look: Lookup) -> State:
    """Whatever was connected is not: the next ``FeedStatus`` says otherwise."""
    return replace(state, feed=replace(state.feed, connected=False, verified=False))


def _artifact_loaded(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.ArtifactLoaded)
    if event.kind != "RULEBOOK" or state.opened is None:
        return state
    return replace(
        state, rule_rows=event.rows, rules=resolve_day(Rulebook(event.rows), state.opened.day)
    )


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
    positions = placed_positions(state.carried, rows, underlying_places(maps))
    return replace(
        state,
        positions=positions,
        instruments=rows,
        underlyings=maps,
        vix=vix_of(rows),
        quotes=(None,) * len(rows),
        vols=(0.0,) * len(rows),
        slots=slots,
        accs=(tuple(new_accumulator()),) * len(slots),
        markets=markets,
    )


def _config_changed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.ConfigChanged)
    return replace(state, config=from_settings(event.settings, state.config))


def _session_amended(state: State, entry: Entry, look: Lookup) -> State:
    """The day's hours as they are from here on, and with them when contracts of the day end."""
    event = entry.event
    assert isinstance(event, session.SessionAmended)
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


def _operator_command(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, session.OperatorCommand)
    halts = state.account.halts
    if event.verb == "HALT":
        halts = (*halts, books.HALTED) if books.HALTED not in halts else halts
    elif event.verb == "RESUME":
        halts = tuple(one for one in halts if one != books.HALTED)
    return replace(state, account=replace(state.account, halts=halts))


def _feed_frame(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.FeedFrame)
    state = apply_feed_frame(state, event, entry.ts, entry.seq, look)
    return books.mark_positions(state) if state.positions else state


def _feed_status(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.FeedStatus)
    return apply_feed_status(state, event)


def _timer_tick(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, feed.TimerTick)
    vols = list(state.vols)
    markets = tuple(
        replace(one, expiries=refresh(state, u, vols)) for u, one in enumerate(state.markets)
    )
    return replace(
        state, markets=markets, vols=tuple(vols), cycle=state.cycle + 1, missed=event.missed
    )


def _session_closed(state: State, entry: Entry, look: Lookup) -> State:
    return replace(state, closed=True)


# --- derivations ---------------------------------------------------------------------------------


def _bar_closed(state: State, entry: Entry, look: Lookup) -> State:
    """Keep the day's range of an index."""
    event = entry.event
    assert isinstance(event, market.BarClosed)
    u = look.underlying_of.get(event.instrument, -1)
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
    return _with_market(state, u, replace(state.markets[u], day_type=event.day_type))


def _feed_health_changed(state: State, entry: Entry, look: Lookup) -> State:
    event = entry.event
    assert isinstance(event, market.FeedHealthChanged)
    state = replace(state, feed=replace(state.feed, status=event.status))
    # A gap is marked when it is noticed and when it ends: its volume belongs to no bar.
    return mark_feed_gap(state) if event.reason in ("FEED_GAP", "FEED_RESUMED") else state


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


def _decision_made(state: State, entry: Entry, look: Lookup) -> State:
    return replace(state, decisions=state.decisions + 1)


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
    "OperatorCommand": _operator_command,
    "SessionAmended": _session_amended,
    "TailCut": _no_change,
    "SessionClosed": _session_closed,
    "FeedFrame": _feed_frame,
    "FeedStatus": _feed_status,
    "TimerTick": _timer_tick,
    "SubscriptionChanged": _no_change,
    "FramesDropped": _no_change,
    "HistoryLoaded": _no_change,
    "ClockStepped": _no_change,
    "HealthObserved": _no_change,
    "AuthStatus": _no_change,
    "OrderSendStarted": _no_change,
    "OrderSendResult": _no_change,
    "BrokerUpdate": _no_change,
    "BrokerSnapshot": _no_change,
    "OrderLookup": _no_change,
    "QuotesObserved": _no_change,
    "BarClosed": _bar_closed,
    "FrameRejected": _no_change,
    "FeedHealthChanged": _feed_health_changed,
    "InstrumentsGated": _no_change,
    "SnapshotTaken": _no_change,
    "RegimeAssessed": _regime_assessed,
    "DayTypeAssessed": _day_type_assessed,
    "GatesEvaluated": _no_change,
    "ContractsScreened": _contracts_screened,
    "CandidateProposed": _no_change,
    "DecisionMade": _decision_made,
    "IntentApproved": _book(books.apply_intent_approved),
    "ExitSignalled": _book(books.apply_exit_signalled),
    "OrderChanged": _book(books.apply_order_changed),
    "FillApplied": _book(books.apply_fill_applied),
    "PositionChanged": _book(books.apply_position_changed),
    "RiskStateChanged": _no_change,
    "SessionSummarised": _no_change,
    "OrderWanted": _no_change,
    "ApprovalRequested": _no_change,
    "ApprovalClosed": _no_change,
    "CommandAnswered": _no_change,
    "Reconciled": _no_change,
    "DifferenceFound": _no_change,
    "IncidentRaised": _no_change,
    "IncidentResolved": _no_change,
    "ReadinessChanged": _no_change,
    "SessionEndDue": _no_change,
}
