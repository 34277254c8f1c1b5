"""Every gate with a way to miss it: the table that the tests of gates and cycle share.

Lives here: ``MISSES``, in the catalogue's order: how to make one gate miss by the least possible,
and how to stand exactly on its limit, starting from a state in which all gates pass; ``LOSSES``:
inputs that are missing, stale or of the future. Always holds: each changes the state, no more.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from engine.gates.contract import Pick
from engine.gates.sizing import protected_paise, risk_lot_paise
from engine.options import pricer_for
from engine.regime_model import LABELS
from engine.risk.portfolio import candidate, corners_milli, exposure_of
from engine.risk.states import AUTOMATIC
from engine.scheduled import ScheduledEvent
from engine.state import (
    EMPTY_UNDERLYING,
    NO_INDEX,
    Fire,
    Order,
    Quote,
    State,
    StrategyLife,
    UnderlyingResult,
)
from engine.strategies import FAMILIES
from tests.engine.build import MS, SECOND_NS, quote_of, view_of, with_config, with_quote

Change = Callable[[State], State]
INDEX, FUTURE = 0, 1


class Miss(msgspec.Struct, frozen=True):
    """How one gate is missed (``by`` of its unit), and how it just passes (None: no boundary)."""

    gate: str
    verdict: str
    reason: str
    missed: Change
    just: Change | None = None
    by: int | None = 1


WITH_A_BROKER = {
    "login", "login_known", "clock", "process", "frames_lost", "feed_losses",
    "incidents", "reconciled_age", "reconciled_since", "orders_unknown", "books_differ", "rejects",
    "entries_minute", "armed", "approved",
}  # fmt: skip
"""Gates of a session in real time, with a broker or with approvals: ``tests/engine/orders``."""

WHEN_HELD = {"exposure", "net_delta", "net_gamma", "net_vega", "net_theta", "stress"}
"""Gates of what is held, which have rows only then: ``test_risk.py``."""

WHEN_JUDGED = {"ticks_timeless", "ticks_reordered", "spot_confirmed", "index_continuous"}
"""Gates of ticks that were not taken at their word, and of the closing auction, which have rows
only then: ``tests/engine/test_quality.py``, ``tests/engine/test_auction.py``."""

WHEN_ASKED = {"opening_range"}
"""Gates that only some families ask, and not the one of the state that trades:
``tests/engine/strategies``."""


def fired(state: State, times: int) -> State:
    """The state in which each strategy has entered the underlying so often today, long ago; of
    another strategy or underlying there are entries too, which do not count."""
    ids = [family.strategy_id for family in FAMILIES]
    own = tuple(Fire(name, "NIFTY", n) for name in ids for n in range(times))
    others = (Fire("of no family", "NIFTY", 1), *(Fire(name, "BANKNIFTY", 1) for name in ids))
    return replace(state, risk=replace(state.risk, fires=(*own, *others)))


WIDE = {
    "trade_risk_bps_max": 10_000, "open_risk_bps_max": 10_000, "daily_loss_bps_max": 10_000,
    "exposure_underlying_bps_max": 10_000, "expiry_premium_bps_max": 10_000,
    "net_delta_bps_max": 1_000_000, "net_gamma_bps_max": 1_000_000, "net_vega_bps_max": 1_000_000,
    "net_theta_bps_max": 1_000_000, "stress_loss_bps_max": 10_000,
}  # fmt: skip
"""Limits of N6 and N11 that are out of the way of the one that a case is about."""


def market(state: State, **changes: object) -> State:
    """The state with its one underlying changed."""
    return replace(state, markets=(replace(state.markets[0], **changes), *state.markets[1:]))


def quarantined(state: State) -> State:
    """Every strategy is quarantined."""
    lives = tuple(
        StrategyLife(one.strategy_id, "QUARANTINED", "", "", "", "decays", "asha", state.now)
        for one in FAMILIES
    )
    return replace(state, strategies=lives)


def higher_direction(state: State, direction: str) -> State:
    """The longer bars go so."""
    known = state.markets[0].features
    assert known is not None
    trend = replace(known.higher_trend, direction=direction)
    return market(state, features=replace(known, higher_trend=trend))


def feed(state: State, **changes: object) -> State:
    """The state with its feed changed."""
    return replace(state, feed=replace(state.feed, **changes))


def account(state: State, **changes: object) -> State:
    """The state with its account changed."""
    return replace(state, account=replace(state.account, **changes))


def rules(state: State, **changes: object) -> State:
    """The state with the day's rules changed."""
    assert state.rules is not None
    return replace(state, rules=replace(state.rules, **changes))


def window(state: State, **changes: int | None) -> State:
    """The state with the derivatives session changed."""
    assert state.rules is not None
    known = state.rules.fno_nse
    assert known is not None
    return rules(state, fno_nse=replace(known, **changes))


def order_of(state: State, **changes: object) -> Order:
    """A working entry of an underlying that is not there, changed."""
    plain = Order(
        order_id="Px", authority="x", role="ENTRY", underlying=99, strategy_id="trend.v1",
        contract=2, side="BUY", quantity_units=65, filled_units=1, fills=1, last_seq=0,
        limit_paise=100, reference_paise=100, due_ns=state.now + 1, expires_ns=state.now + 9,
        risk_paise=0, stop_paise=80, target_paise=150, trail_paise=0, reason="", leg=None,
    )  # fmt: skip
    return replace(plain, **changes)


def with_order(state: State, **changes: object) -> State:
    """The state with one more working entry."""
    return replace(state, orders=(*state.orders, order_of(state, **changes)))


def risk(state: State, **changes: object) -> State:
    """The state with what the risk limits know changed."""
    return replace(state, risk=replace(state.risk, **changes))


def halted_by(code: str) -> Change:
    """A change that halts the account with a code."""
    return lambda state: account(state, halts=(code,))


def bps(state: State, share: int) -> int:
    """A share of the capital."""
    return state.account.capital_paise * share // 10_000


def stamped(state: State, age_ms: int) -> State:
    """The newest exchange stamp of so many ms ago; the clock is moved to make it exact."""
    ms = state.now // MS
    stamp = (ms - age_ms) // 1_000
    shift = stamp * 1_000 + age_ms - ms
    state = feed(state, newest_stamp_s=stamp, last_frame_ns=state.feed.last_frame_ns + shift * MS)
    quotes = tuple(
        replace(one, seen_ns=one.seen_ns + shift * MS) if one is not None else None
        for one in state.quotes
    )
    return replace(state, now=state.now + shift * MS, quotes=quotes)


def spot_aged(state: State, age_ms: int) -> State:
    """The index printed so many ms ago."""
    spot = quote_of(state, INDEX)
    return with_quote(state, INDEX, replace(spot, seen_ns=state.now - age_ms * MS))


def unwitnessed(state: State) -> State:
    """No future, and a forward that does not come from parity."""
    near = replace(state.markets[0].expiries[0], source="FUTURE")
    return market(with_quote(state, FUTURE, None), expiries=(near,))


def disagreeing(state: State, past: int) -> State:
    """A witness as far from the print as the limit allows, and ``past`` bps more."""
    limit = state.config.quote.witness_gap_bps_max + past
    spot = quote_of(state, INDEX)
    witness = view_of(state).witness_paise or 0
    wanted = witness * 10_000 // (10_000 + limit)
    while abs(witness - wanted) * 10_000 // wanted < limit:
        wanted -= 1
    return with_quote(state, INDEX, replace(spot, ltp_paise=wanted))


def chain_thin(state: State, short: int) -> State:
    """So many near contracts asked for as there are, and ``short`` more."""
    near = view_of(state).near_fresh
    return with_config(state, quote={"near_quotes_min": near + short})


def spread_limit(state: State, past: int) -> State:
    """A limit of the near spread at its value, less ``past``."""
    spread = view_of(state).near_spread_bps or 0
    # Without an expiry there is no spread; a limit is at least one all the same.
    return with_config(state, quote={"near_spread_bps_max": max(spread - past, 1)})


def regime(state: State, **changes: object) -> State:
    """The state with its assessed regime changed."""
    known = state.markets[0].regime
    assert known is not None
    return market(state, regime=replace(known, **changes))


def led(state: State, bars: int) -> State:
    """A leader that is not in force yet and has led for so many bars of three."""
    state = with_config(state, regime={"settle_bars": 3})
    assert state.markets[0].regime is not None
    return regime(state, regime="NEUTRAL", leader_bars=bars)


def event_after(state: State, seconds: int) -> State:
    """A scheduled event so many seconds from now."""
    at_ns = state.now + seconds * 1_000_000_000
    return rules(state, events=(ScheduledEvent("RBI", at_ns, False),))


def prob_limit(state: State, past: int) -> State:
    """A least probability at that of the leader, and ``past`` more."""
    known = state.markets[0].regime
    assert known is not None
    return with_config(state, regime={"prob_milli_min": max(known.probs_milli) + past})


def entropy_limit(state: State, past: int) -> State:
    """A highest entropy at the regime's, less ``past``."""
    known = state.markets[0].regime
    assert known is not None
    return with_config(state, regime={"entropy_milli_max": known.entropy_milli - past})


def lost(state: State, past: int) -> State:
    """The day's loss at its limit, and ``past`` paise more."""
    limit = bps(state, state.config.risk.daily_loss_bps_max)
    return account(state, realised_paise=-limit - past)


def last_entry(state: State, left_s: int) -> State:
    """So many seconds left for an entry: the clock is moved there, and what was seen with it."""
    from engine.times import hhmm_seconds, ist_seconds

    shift = hhmm_seconds(state.config.session.last_entry_hhmm) - left_s - ist_seconds(state.now)
    return _shifted(state, shift * SECOND_NS)


def _shifted(state: State, ns: int) -> State:
    quotes = tuple(
        replace(one, seen_ns=one.seen_ns + ns) if one is not None else None for one in state.quotes
    )
    state = feed(
        state,
        last_frame_ns=state.feed.last_frame_ns + ns,
        newest_stamp_s=state.feed.newest_stamp_s + ns // SECOND_NS,
    )
    return replace(state, now=state.now + ns, quotes=quotes)


def silent(state: State, past_ms: int) -> State:
    """The link silent for as long as it may be, and so many ms more."""
    limit = state.config.feed.link_age_ms_max + past_ms
    return feed(state, last_frame_ns=state.now - limit * MS)


def signal_limit(state: State, past: int) -> State:
    """A least signal at its strength, and ``past`` more, for both families."""
    from engine.cycle import decide_cycle
    from engine.lookup import lookup_for
    from events.decision import CandidateProposed

    made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
    strength = next(e.signal_milli for e in made if isinstance(e, CandidateProposed))
    limit = {"signal_milli_min": strength + past}
    return with_config(state, trend=limit, mean_revert=limit)


def risk_limit(state: State, name: str, past: int) -> State:
    """A share of capital that leaves exactly one lot's risk, less ``past`` paise of capital."""
    from engine.cycle import decide_cycle
    from engine.lookup import lookup_for
    from events.orders import IntentApproved

    made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
    intent = next(e for e in made if isinstance(e, IntentApproved))
    lot_risk = intent.risk_paise // intent.lots
    state = with_config(state, risk={name: 100})
    return account(state, capital_paise=lot_risk * 100 - past)


def picked(state: State) -> Pick:
    """The contract that the state trades, with its plan."""
    from engine.cycle import decide_cycle
    from engine.gates.contract import judge
    from engine.lookup import lookup_for
    from events.decision import CandidateProposed

    made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
    found = next((e for e in made if isinstance(e, CandidateProposed)), None)
    assert found is not None, "nothing is picked"
    direction = "UP" if (found.delta_milli or 0) > 0 else "DOWN"
    pick = judge(view_of(state), direction, found.family)[2]
    assert pick is not None
    assert pick.plan is not None
    return pick


def premium_lot(state: State) -> int:
    """What a lot costs at the most that may be paid for it, in paise."""
    pick = picked(state)
    assert pick.plan is not None
    return protected_paise(view_of(state), pick) * pick.plan.lot_units


def with_premium(state: State, paise: int) -> State:
    """One unit that is entering for so much, of no underlying that is there."""
    return with_order(state, quantity_units=2, filled_units=1, limit_paise=paise)


def funds(state: State, past: int) -> State:
    """Free funds of exactly one lot with its charges, less ``past`` paise."""
    plan = picked(state).plan
    assert plan is not None
    held = state.account.capital_paise - premium_lot(state) - plan.charges_lot_paise + past
    return with_premium(with_config(state, risk=WIDE), held)


def day_loss(state: State, past: int) -> State:
    """A day that has exactly one lot's risk left to lose, less ``past`` paise."""
    lot = risk_lot_paise(view_of(state), picked(state))
    left = bps(state, state.config.risk.daily_loss_bps_max) - lot
    return account(state, realised_paise=-left - past)


def exposure(state: State, past: int) -> State:
    """A limit of premium of exactly one lot, less ``past`` paise."""
    capital = premium_lot(state) * 2 - past
    wide = with_config(state, risk=WIDE | {"exposure_underlying_bps_max": 5_000})
    return account(wide, capital_paise=capital)


def expiry(state: State, past: int) -> State:
    """An expiry in which something is held and exactly one lot is left, less ``past`` paise."""
    held = bps(state, 5_000) - premium_lot(state) + past
    wide = with_config(state, risk=WIDE | {"expiry_premium_bps_max": 5_000})
    return with_premium(wide, held)


def greek(state: State, name: str, past: int) -> State:
    """A share of capital that leaves exactly one lot's greek, or its worst corner, less ``past``
    paise of capital."""
    pick = picked(state)
    near = view_of(state).near
    assert pick.plan is not None and pick.greeks is not None and pick.vol is not None
    assert near is not None and near.forward_paise is not None
    lot = exposure_of(float(near.forward_paise), pick.greeks, pick.plan.lot_units)
    row = state.instruments[pick.contract]
    pricer = pricer_for(near.forward_paise, near.t_years, near.df, 1)
    one = candidate(pricer, row.strike_paise, row.kind, pick.vol, pick.plan.entry_paise)
    worst = min(corners_milli(state, one, one.worth_paise)) * pick.plan.lot_units // 1_000
    lots = {
        "net_delta_bps_max": lot.delta_paise, "net_gamma_bps_max": lot.gamma_paise,
        "net_vega_bps_max": lot.vega_paise, "net_theta_bps_max": lot.theta_paise,
        "stress_loss_bps_max": worst,
    }  # fmt: skip
    state = with_config(state, risk=WIDE | {name: 100})
    return account(state, capital_paise=abs(lots[name]) * 100 - past)


def value(state: State, past: int) -> State:
    """A largest order of exactly one lot, less ``past`` paise."""
    return with_config(state, orders={"value_paise_max": premium_lot(state) - past})


def collar(state: State, past: int) -> State:
    """A last trade as far from the limit as is allowed, and ``past`` bps more."""
    pick = picked(state)
    limit = protected_paise(view_of(state), pick)
    last = limit * 2 // 3
    state = with_config(state, orders={"collar_bps_max": (limit - last) * 10_000 // last - past})
    return with_quote(state, pick.contract, replace(quote_of(state, pick.contract), ltp_paise=last))


def beside(state: State, **changes: object) -> State:
    """One more order of the contract that would be entered."""
    return with_order(state, contract=picked(state).contract, **changes)


def open_orders(state: State, past: int) -> State:
    """One order that works, and so many allowed with another, less ``past``."""
    state = with_config(state, orders={"open_max": 2 - past})
    return with_order(state, role="EXIT", side="SELL")


def freeze(state: State, units: int | None) -> State:
    """The freeze quantity of the underlying."""
    assert state.rules is not None
    rows = tuple(replace(one, freeze_units=units) for one in state.rules.underlyings)
    return rules(state, underlyings=rows)


MISSES: tuple[Miss, ...] = (
    Miss("trading_day", "BLOCK", "SESSION_NOT_TRADING_DAY", lambda s: rules(s, trading_day=False)),
    Miss("session_open", "BLOCK", "SESSION_NOT_OPEN",
         lambda s: window(s, close_ns=s.now), lambda s: window(s, close_ns=s.now + 1)),
    Miss("closing_auction", "BLOCK", "SESSION_CLOSING_AUCTION",
         lambda s: window(s, auction_from_ns=s.now, auction_to_ns=s.now + 1),
         lambda s: window(s, auction_from_ns=s.now - 9, auction_to_ns=s.now)),
    Miss("last_entry", "BLOCK", "SESSION_LAST_ENTRY_PAST",
         lambda s: last_entry(s, 0), lambda s: last_entry(s, 1)),
    Miss("link_up", "BLOCK", "FEED_DOWN", lambda s: feed(s, connected=False)),
    Miss("link_age", "BLOCK", "FEED_GAP", lambda s: silent(s, 1), lambda s: silent(s, 0)),
    Miss("page_age", "BLOCK", "FEED_PAGE_OLD",
         lambda s: stamped(s, s.config.feed.page_age_ms_max + 1),
         lambda s: stamped(s, s.config.feed.page_age_ms_max)),
    Miss("future_stamp", "BLOCK", "FEED_FUTURE_STAMP",
         lambda s: stamped(s, -s.config.feed.future_ms_max - 1),
         lambda s: stamped(s, -s.config.feed.future_ms_max)),
    Miss("frames_refused", "BLOCK", "FEED_UNTRUSTED",
         lambda s: feed(s, refused_ns=(s.now,) * (s.config.feed.refused_per_minute_max + 1)),
         lambda s: feed(s, refused_ns=(s.now,) * s.config.feed.refused_per_minute_max)),
    Miss("bars", "BLOCK", "WARMUP_BARS",
         lambda s: with_config(s, warmup={"bars_min": s.slots[0].bars_done + 1}),
         lambda s: with_config(s, warmup={"bars_min": s.slots[0].bars_done})),
    Miss("indicators", "UNKNOWN", "WARMUP_INDICATORS",
         lambda s: replace(s, slots=(replace(s.slots[0], indicators=None), *s.slots[1:]))),
    Miss("bars_since_gap", "BLOCK", "WARMUP_AFTER_GAP",
         lambda s: market(s, bars_since_gap=s.config.warmup.bars_after_gap_min - 1),
         lambda s: market(s, bars_since_gap=s.config.warmup.bars_after_gap_min)),
    Miss("spot_seen", "UNKNOWN", "QUOTE_SPOT_MISSING", lambda s: with_quote(s, INDEX, None)),
    Miss("page_fresh", "BLOCK", "QUOTE_STALE_PAGE", lambda s: feed(s, page_repeats=1)),
    Miss("spot_age", "BLOCK", "QUOTE_SPOT_STALE",
         lambda s: spot_aged(s, s.config.quote.spot_age_ms_max + 1),
         lambda s: spot_aged(s, s.config.quote.spot_age_ms_max)),
    Miss("witness_seen", "UNKNOWN", "QUOTE_WITNESS_MISSING", unwitnessed),
    Miss("witness_gap", "BLOCK", "QUOTE_WITNESS_DISAGREES",
         lambda s: disagreeing(s, 1), lambda s: disagreeing(s, 0)),
    Miss("near_quotes", "BLOCK", "QUOTE_CHAIN_THIN",
         lambda s: chain_thin(s, 1), lambda s: chain_thin(s, 0)),
    Miss("near_spread", "BLOCK", "QUOTE_SPREAD_WIDE",
         lambda s: spread_limit(s, 1), lambda s: spread_limit(s, 0)),
    Miss("regime_known", "UNKNOWN", "REGIME_UNKNOWN", lambda s: market(s, regime=None)),
    Miss("regime_prob", "BLOCK", "REGIME_PROB_LOW",
         lambda s: prob_limit(s, 1), lambda s: prob_limit(s, 0)),
    Miss("regime_entropy", "BLOCK", "REGIME_ENTROPY_HIGH",
         lambda s: entropy_limit(s, 1), lambda s: entropy_limit(s, 0)),
    Miss("regime_settled", "BLOCK", "REGIME_CHANGING", lambda s: led(s, 2)),
    Miss("event_window", "BLOCK", "REGIME_EVENT_WINDOW",
         lambda s: event_after(s, 900), lambda s: event_after(s, 901)),
    Miss("daily_loss", "BLOCK", "RISK_DAILY_LOSS", lambda s: lost(s, 1), lambda s: lost(s, 0)),
    Miss("trades_day", "BLOCK", "RISK_TRADES_DAY",
         lambda s: account(s, trades_today=s.config.risk.trades_day_max),
         lambda s: account(s, trades_today=s.config.risk.trades_day_max - 1)),
    Miss("loss_streak", "BLOCK", "RISK_LOSS_STREAK",
         lambda s: account(s, loss_streak=s.config.risk.loss_streak_max),
         lambda s: account(s, loss_streak=s.config.risk.loss_streak_max - 1)),
    Miss("open_risk", "BLOCK", "RISK_OPEN_RISK",
         lambda s: with_order(s, risk_paise=bps(s, s.config.risk.open_risk_bps_max) + 1,
                              filled_units=0, limit_paise=0),
         lambda s: with_order(s, risk_paise=bps(s, s.config.risk.open_risk_bps_max),
                              filled_units=0, limit_paise=0)),
    Miss("positions_underlying", "BLOCK", "RISK_POSITION_OPEN",
         lambda s: with_order(s, underlying=0), lambda s: with_order(s, underlying=1)),
    Miss("profit_lock", "BLOCK", "RISK_PROFIT_LOCK",
         lambda s: account(s, realised_paise=bps(s, s.config.risk.profit_lock_bps_max) + 1),
         lambda s: account(s, realised_paise=bps(s, s.config.risk.profit_lock_bps_max))),
    Miss("underlying_profit", "BLOCK", "RISK_PROFIT_UNDERLYING",
         lambda s: risk(s, results=(UnderlyingResult(
             "NIFTY", bps(s, s.config.risk.underlying_profit_bps_max) + 1),)),
         lambda s: risk(s, results=(
             UnderlyingResult("NIFTY", bps(s, s.config.risk.underlying_profit_bps_max)),
             UnderlyingResult("SENSEX", s.account.capital_paise)))),
    Miss("drawdown", "BLOCK", "RISK_DRAWDOWN",
         lambda s: risk(s, high_paise=bps(s, s.config.risk.drawdown_bps_max) + 1),
         lambda s: risk(s, high_paise=bps(s, s.config.risk.drawdown_bps_max))),
    Miss("cvar", "BLOCK", "RISK_CVAR",
         lambda s: risk(s, closed_paise=(0,) * s.config.risk.cvar_trades_min,
                        tail_paise=bps(s, s.config.risk.cvar_bps_max) + 1),
         lambda s: risk(s, closed_paise=(0,) * s.config.risk.cvar_trades_min,
                        tail_paise=bps(s, s.config.risk.cvar_bps_max))),
    *(Miss("risk_state", "BLOCK", code, halted_by(code)) for code in AUTOMATIC),
    Miss("carried_over", "UNKNOWN", "GOV_CARRY_MISSING", lambda s: replace(s, carried=None)),
    Miss("halted", "BLOCK", "GOV_HALTED", lambda s: account(s, halts=("GOV_HALTED",))),
    Miss("halted", "BLOCK", "GOV_EXITS_ONLY",
         lambda s: account(s, halts=("GOV_HALTED", "GOV_EXITS_ONLY"))),
    Miss("cycles_missed", "BLOCK", "GOV_CYCLES_MISSED",
         lambda s: replace(s, missed=1), lambda s: replace(s, missed=0)),
    Miss("family", "BLOCK", "FAMILY_NONE", lambda s: regime(s, regime="PANIC", leader="PANIC")),
    Miss("lifecycle", "BLOCK", "STRATEGY_QUARANTINED", quarantined),
    Miss("cooldown", "BLOCK", "COOLDOWN_ACTIVE",
         lambda s: market(s, cooldown_until_ns=s.now + 1),
         lambda s: market(s, cooldown_until_ns=s.now)),
    Miss("strategy_trades", "BLOCK", "STRATEGY_TRADES_DAY",
         lambda s: fired(s, s.config.risk.strategy_trades_max),
         lambda s: fired(s, s.config.risk.strategy_trades_max - 1)),
    Miss("higher_trend", "BLOCK", "HIGHER_TREND_AGAINST",
         lambda s: higher_direction(s, "UP"), lambda s: higher_direction(s, "FLAT")),
    Miss("signal", "BLOCK", "SIGNAL_NONE",
         lambda s: with_config(s, trend={"adx_milli_min": 100_000},
                               mean_revert={"stretch_milli_min": 10**6})),
    Miss("signal_strength", "BLOCK", "SIGNAL_WEAK",
         lambda s: signal_limit(s, 1), lambda s: signal_limit(s, 0)),
    Miss("contract", "BLOCK", "CONTRACT_NONE_LEFT",
         lambda s: with_config(s, contract={"oi_units_min": 10**9})),
    Miss("lots_by_risk", "BLOCK", "SIZE_RISK_BUDGET",
         lambda s: risk_limit(s, "trade_risk_bps_max", 1),
         lambda s: risk_limit(s, "trade_risk_bps_max", 0)),
    Miss("lots_by_open_risk", "BLOCK", "SIZE_OPEN_RISK",
         lambda s: risk_limit(s, "open_risk_bps_max", 1),
         lambda s: risk_limit(s, "open_risk_bps_max", 0)),
    Miss("lots_by_funds", "BLOCK", "SIZE_FUNDS", lambda s: funds(s, 1), lambda s: funds(s, 0)),
    Miss("lots_by_day_loss", "BLOCK", "SIZE_DAY_LOSS",
         lambda s: day_loss(s, 1), lambda s: day_loss(s, 0)),
    Miss("lots_by_exposure", "BLOCK", "SIZE_EXPOSURE",
         lambda s: exposure(s, 1), lambda s: exposure(s, 0)),
    Miss("lots_by_expiry", "BLOCK", "SIZE_EXPIRY", lambda s: expiry(s, 1), lambda s: expiry(s, 0)),
    Miss("lots_by_value", "BLOCK", "SIZE_ORDER_VALUE",
         lambda s: value(s, 1), lambda s: value(s, 0)),
    Miss("lots_by_delta", "BLOCK", "SIZE_DELTA", lambda s: greek(s, "net_delta_bps_max", 1),
         lambda s: greek(s, "net_delta_bps_max", 0)),
    Miss("lots_by_gamma", "BLOCK", "SIZE_GAMMA", lambda s: greek(s, "net_gamma_bps_max", 1),
         lambda s: greek(s, "net_gamma_bps_max", 0)),
    Miss("lots_by_vega", "BLOCK", "SIZE_VEGA", lambda s: greek(s, "net_vega_bps_max", 1),
         lambda s: greek(s, "net_vega_bps_max", 0)),
    Miss("lots_by_theta", "BLOCK", "SIZE_THETA", lambda s: greek(s, "net_theta_bps_max", 1),
         lambda s: greek(s, "net_theta_bps_max", 0)),
    Miss("lots_by_stress", "BLOCK", "SIZE_STRESS", lambda s: greek(s, "stress_loss_bps_max", 1),
         lambda s: greek(s, "stress_loss_bps_max", 0)),
    Miss("freeze", "UNKNOWN", "SIZE_FREEZE_UNKNOWN",
         lambda s: freeze(s, None), lambda s: freeze(s, 65)),
    Miss("permitted", "BLOCK", "CONTROL_NOT_PERMITTED",
         lambda s: with_config(s, orders={"permitted": "NIFTYX SENSEX"}),
         lambda s: with_config(s, orders={"permitted": "SENSEX NIFTY"})),
    Miss("collar", "BLOCK", "CONTROL_COLLAR", lambda s: collar(s, 1), lambda s: collar(s, 0)),
    Miss("duplicates", "BLOCK", "CONTROL_DUPLICATE", beside),
    Miss("self_trades", "BLOCK", "CONTROL_SELF_TRADE",
         lambda s: beside(s, side="SELL", role="EXIT")),
    Miss("open_orders", "BLOCK", "CONTROL_OPEN_ORDERS",
         lambda s: open_orders(s, 1), lambda s: open_orders(s, 0)),
)  # fmt: skip
"""Each gate's least miss. ``expiry`` is not here: without a forward N4 fails before it."""

OF_A_PAIR = frozenset({"sold_leg", "pair_reward", "lots_by_margin", "broker_margin"})
"""Gates of a family with two legs alone: their misses are in ``tests/engine/test_spreads.py``."""


def _every(state: State, **changes: object) -> State:
    quotes = tuple(replace(one, **changes) if one is not None else None for one in state.quotes)
    return replace(state, quotes=quotes)


NO_QUOTES: Callable[[State], tuple[Quote | None, ...]] = lambda s: (None,) * len(s.quotes)  # noqa: E731
NOTHING_OF_THE_MARKET = EMPTY_UNDERLYING

LOSSES: tuple[tuple[str, Change], ...] = (
    ("no rules", lambda s: replace(s, rules=None)),
    ("no calendar", lambda s: rules(s, trading_day=None)),
    ("no session", lambda s: rules(s, fno_nse=None)),
    ("calendar ended", lambda s: rules(s, trading_day=None, stale=("calendar.covered:*",))),
    ("hours ended", lambda s: rules(s, fno_nse=None, stale=("session.fno.close:NSE",))),
    ("lot ended", lambda s: rules(s, stale=("lot:NIFTY",))),
    ("no charges", lambda s: rules(s, charges=(), missing=("charge.sebi:NSE",))),
    ("no rate", lambda s: rules(s, discount_rate_bps=None)),
    ("no freeze", lambda s: freeze(s, None)),
    ("freeze below a lot", lambda s: freeze(s, 1)),
    ("no carry-over", lambda s: replace(s, carried=None)),
    ("no quotes", lambda s: replace(s, quotes=NO_QUOTES(s))),
    ("no spot", lambda s: with_quote(s, INDEX, None)),
    ("spot of nothing", lambda s: with_quote(s, INDEX, replace(quote_of(s, 0), ltp_paise=0))),
    ("no future", lambda s: with_quote(s, FUTURE, None)),
    ("no feed", lambda s: feed(s, connected=False, verified=False, frames=0, newest_stamp_s=0)),
    ("unverified", lambda s: feed(s, verified=False)),
    ("no regime", lambda s: market(s, regime=None)),
    ("no expiry", lambda s: market(s, expiries=())),
    ("no forward",
     lambda s: market(s, expiries=(replace(s.markets[0].expiries[0], forward_paise=None),))),
    ("no time left",
     lambda s: market(s, expiries=(replace(s.markets[0].expiries[0], t_years=0.0),))),
    ("no market", lambda s: replace(s, markets=(NOTHING_OF_THE_MARKET,))),
    ("no indicators",
     lambda s: replace(s, slots=tuple(replace(x, indicators=None) for x in s.slots))),
    ("no slots", lambda s: replace(s, slots=(), accs=())),
    ("all quotes old", lambda s: _every(s, seen_ns=0)),
    ("one-sided", lambda s: _every(s, bid_paise=0)),
    ("crossed", lambda s: _every(s, bid_paise=10**9)),
    ("an old frame", lambda s: feed(s, last_frame_ns=0)),
    ("an old page", lambda s: feed(s, newest_stamp_s=1)),
    ("a page of the future", lambda s: feed(s, newest_stamp_s=s.feed.newest_stamp_s + 10**6)),
    ("all stamps of the future", lambda s: _every(s, stamp_s=2**32 - 1)),
    ("halted", lambda s: account(s, halts=("GOV_HALTED",))),
    ("no capital", lambda s: account(s, capital_paise=0)),
    ("future unlisted",
     lambda s: replace(s, underlyings=(replace(s.underlyings[0], future=NO_INDEX),))),
    ("every lead equal",
     lambda s: regime(s, probs_milli=(200,) * len(LABELS), regime="NEUTRAL", leader="TREND")),
)  # fmt: skip
"""Inputs that are missing, stale or of the future; some leave an entry possible, none may crash."""
