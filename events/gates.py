"""The gate catalogue: every gate with its stage, unit and what it compares.

Lives here: one row a gate, in declared order inside its stage, which is the order of precedence.
May import: events.reasons. Always holds: a gate that the core evaluates has a row; the unit is that
of ``observed``, ``limit`` and ``margin`` in the gate's rows; a row's reason is one of its codes.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from events.reasons import N1, N2, N3, N4, N5, N6, N7, N8, N9, N10, N11

Sense = Literal["AT_MOST", "AT_LEAST", "IS_TRUE"]


class GateSpec(msgspec.Struct, frozen=True):
    """One gate: ``unit`` of its numbers, ``sense`` of its limit, a short ``title`` for screens.

    ``codes`` are the reasons it can give: first where the limit is missed, then where an input is;
    none of a gate that explains alone.
    """

    gate: str
    stage: str
    unit: str
    sense: Sense
    title: str
    codes: tuple[str, ...]


def _g(gate: str, stage: str, unit: str, sense: Sense, title: str, codes: str) -> GateSpec:
    return GateSpec(gate, stage, unit, sense, title, tuple(codes.split()))


GATES: Final[tuple[GateSpec, ...]] = (
    _g("trading_day", N1, "flag", "IS_TRUE", "the exchange trades today",
       "SESSION_NOT_TRADING_DAY SESSION_RULE_MISSING RULEBOOK_STALE"),
    _g("session_open", N1, "flag", "IS_TRUE", "inside the derivatives session",
       "SESSION_NOT_OPEN SESSION_RULE_MISSING RULEBOOK_STALE"),
    _g("closing_auction", N1, "flag", "IS_TRUE", "outside the cash closing auction",
       "SESSION_CLOSING_AUCTION"),
    _g("last_entry", N1, "s", "AT_LEAST", "time left for a new entry", "SESSION_LAST_ENTRY_PAST"),
    _g("link_up", N2, "flag", "IS_TRUE", "connection up, subscription verified",
       "FEED_DOWN FEED_NEVER_SEEN"),
    _g("link_age", N2, "ms", "AT_MOST", "time since the last frame", "FEED_GAP FEED_NEVER_SEEN"),
    _g("page_age", N2, "ms", "AT_MOST", "age of the exchange's newest stamp",
       "FEED_PAGE_OLD FEED_NEVER_SEEN"),
    _g("future_stamp", N2, "ms", "AT_MOST", "stamp ahead of the session clock",
       "FEED_FUTURE_STAMP FEED_NEVER_SEEN"),
    _g("frames_refused", N2, "count", "AT_MOST", "malformed frames in the last minute",
       "FEED_UNTRUSTED"),
    _g("ticks_timeless", N2, "count", "AT_MOST", "ticks without a time in the last minute",
       "TICK_NO_TIME"),
    _g("ticks_reordered", N2, "count", "AT_MOST", "ticks of an earlier time in the last minute",
       "TICK_REORDERED"),
    _g("bars", N3, "count", "AT_LEAST", "closed bars of the underlying", "WARMUP_BARS"),
    _g("indicators", N3, "flag", "IS_TRUE", "all indicators have a value", "WARMUP_INDICATORS"),
    _g("bars_since_gap", N3, "count", "AT_LEAST", "closed bars since the last gap",
       "WARMUP_AFTER_GAP"),
    _g("index_continuous", N4, "flag", "IS_TRUE", "the index is continuous, or entries go without",
       "INDEX_NOT_CONTINUOUS"),
    _g("spot_seen", N4, "flag", "IS_TRUE", "the underlying has printed", "QUOTE_SPOT_MISSING"),
    _g("page_fresh", N4, "flag", "IS_TRUE", "the last page was not a repeat", "QUOTE_STALE_PAGE"),
    _g("spot_age", N4, "ms", "AT_MOST", "age of the underlying's print",
       "QUOTE_SPOT_STALE QUOTE_SPOT_MISSING"),
    _g("spot_confirmed", N4, "flag", "IS_TRUE", "no jump waits for a second witness",
       "TICK_IMPLAUSIBLE"),
    _g("witness_seen", N4, "flag", "IS_TRUE", "a future or parity forward confirms",
       "QUOTE_WITNESS_MISSING"),
    _g("witness_gap", N4, "bps", "AT_MOST", "distance of print and witness",
       "QUOTE_WITNESS_DISAGREES QUOTE_WITNESS_MISSING"),
    _g("near_quotes", N4, "count", "AT_LEAST", "fresh two-sided quotes near the money",
       "QUOTE_CHAIN_THIN"),
    _g("near_spread", N4, "bps", "AT_MOST", "median spread near the money",
       "QUOTE_SPREAD_WIDE QUOTE_SPREAD_UNKNOWN"),
    _g("regime_known", N5, "flag", "IS_TRUE", "a regime has been assessed", "REGIME_UNKNOWN"),
    _g("regime_prob", N5, "milli", "AT_LEAST", "probability of the leading regime",
       "REGIME_PROB_LOW REGIME_UNKNOWN"),
    _g("regime_entropy", N5, "milli-nat", "AT_MOST", "entropy of the regime probabilities",
       "REGIME_ENTROPY_HIGH REGIME_UNKNOWN"),
    _g("regime_settled", N5, "bars", "AT_LEAST", "bars for which the leader has led",
       "REGIME_CHANGING REGIME_UNKNOWN"),
    _g("event_window", N5, "flag", "IS_TRUE", "no scheduled event is near",
       "REGIME_EVENT_WINDOW REGIME_CALENDAR_UNKNOWN"),
    _g("daily_loss", N6, "paise", "AT_MOST", "loss of the day, open loss included",
       "RISK_DAILY_LOSS RISK_MARK_UNKNOWN"),
    _g("trades_day", N6, "count", "AT_MOST", "trades of the day, with this one",
       "RISK_TRADES_DAY"),
    _g("loss_streak", N6, "count", "AT_MOST", "losing trades in a row, were this one lost",
       "RISK_LOSS_STREAK"),
    _g("open_risk", N6, "paise", "AT_MOST", "risk of open positions and orders", "RISK_OPEN_RISK"),
    _g("positions_underlying", N6, "count", "AT_MOST", "positions and orders here, with this one",
       "RISK_POSITION_OPEN"),
    _g("profit_lock", N6, "paise", "AT_MOST", "profit of the day, open positions included",
       "RISK_PROFIT_LOCK RISK_MARK_UNKNOWN"),
    _g("underlying_profit", N6, "paise", "AT_MOST", "closed profit of the underlying today",
       "RISK_PROFIT_UNDERLYING"),
    _g("drawdown", N6, "paise", "AT_MOST", "fall from the day's highest result",
       "RISK_DRAWDOWN RISK_MARK_UNKNOWN"),
    _g("cvar", N6, "paise", "AT_MOST", "mean loss of the worst twentieth of trades", "RISK_CVAR"),
    _g("exposure", N6, "paise", "AT_MOST", "premium held here", "RISK_EXPOSURE"),
    _g("net_delta", N6, "paise", "AT_MOST", "net result of a 1 % move, by delta",
       "RISK_NET_DELTA RISK_GREEKS_UNKNOWN"),
    _g("net_gamma", N6, "paise", "AT_MOST", "change of that by a 1 % move",
       "RISK_NET_GAMMA RISK_GREEKS_UNKNOWN"),
    _g("net_vega", N6, "paise", "AT_MOST", "net result of a volatility point",
       "RISK_NET_VEGA RISK_GREEKS_UNKNOWN"),
    _g("net_theta", N6, "paise", "AT_MOST", "net decay of a day",
       "RISK_NET_THETA RISK_GREEKS_UNKNOWN"),
    _g("stress", N6, "paise", "AT_MOST", "loss in the worst corner of the stress",
       "RISK_STRESS RISK_GREEKS_UNKNOWN"),
    _g("risk_state", N6, "flag", "IS_TRUE", "no halt of the risk limits is in force",
       "RISK_DAILY_LOSS RISK_CVAR RISK_REPEAT_FIRE RISK_DRAWDOWN RISK_LOSS_STREAK"
       " RISK_PROFIT_LOCK"),
    _g("carried_over", N7, "flag", "IS_TRUE", "the account's history is known",
       "GOV_CARRY_MISSING"),
    _g("halted", N7, "flag", "IS_TRUE", "no halt is in force",
       "GOV_HALTED GOV_EXITS_ONLY GOV_STOPPING"),
    _g("cycles_missed", N7, "count", "AT_MOST", "cycles missed before this one",
       "GOV_CYCLES_MISSED"),
    _g("login", N7, "flag", "IS_TRUE", "the broker takes the login", "GOV_LOGIN"),
    _g("clock", N7, "flag", "IS_TRUE", "the clock is within its limit", "GOV_CLOCK_OFFSET"),
    _g("process", N7, "flag", "IS_TRUE", "process and machine are in order", "GOV_UNHEALTHY"),
    _g("frames_lost", N7, "ms", "AT_LEAST", "time since frames were lost", "GOV_FRAMES_DROPPED"),
    _g("feed_losses", N7, "count", "AT_MOST", "connections lost in the last hour",
       "GOV_FEED_BREAKER"),
    _g("login_known", N7, "flag", "IS_TRUE", "the broker was asked about the login and answered",
       "GOV_LOGIN_UNKNOWN"),
    _g("reconciled_age", N7, "s", "AT_MOST", "age of the last books that agreed",
       "GOV_BOOKS_OLD GOV_UNRECONCILED"),
    _g("reconciled_since", N7, "flag", "IS_TRUE", "books agreed since a connection came back",
       "GOV_RECONNECTED"),
    _g("orders_unknown", N7, "count", "AT_MOST", "orders whose fate is unknown",
       "GOV_ORDER_UNKNOWN"),
    _g("books_differ", N7, "count", "AT_MOST", "differences from the broker's books",
       "GOV_BOOKS_DIFFER"),
    _g("rejects", N7, "count", "AT_MOST", "refused messages in the last minute",
       "GOV_REJECT_BURST"),
    _g("entries_minute", N7, "count", "AT_MOST", "entries of the last minute, with this one",
       "GOV_ENTRY_BURST"),
    _g("incidents", N7, "count", "AT_MOST", "incidents of severity 1 that nobody acknowledged",
       "GOV_INCIDENT"),
    _g("armed", N7, "flag", "IS_TRUE", "the operator armed the session", "GOV_NOT_ARMED"),
    _g("family", N8, "count", "AT_LEAST", "families that may trade the regime", "FAMILY_NONE"),
    _g("family_trend", N8, "flag", "IS_TRUE", "trend family",
       "FAMILY_DISABLED FAMILY_NOT_FOR_REGIME FAMILY_EVENT FAMILY_PANIC FAMILY_NEUTRAL"),
    _g("family_mean_revert", N8, "flag", "IS_TRUE", "mean-reversion family",
       "FAMILY_DISABLED FAMILY_NOT_FOR_REGIME FAMILY_EVENT FAMILY_PANIC FAMILY_NEUTRAL"),
    _g("family_defined_risk", N8, "flag", "IS_TRUE", "defined-risk family",
       "FAMILY_DISABLED FAMILY_NOT_FOR_REGIME FAMILY_PANIC FAMILY_NEUTRAL"),
    _g("lifecycle", N9, "flag", "IS_TRUE", "the strategy may enter by its lifecycle",
       "STRATEGY_QUARANTINED STRATEGY_RETIRED STRATEGY_NOT_PROMOTED"),
    _g("cooldown", N9, "s", "AT_MOST", "cooldown still to run", "COOLDOWN_ACTIVE"),
    _g("strategy_trades", N9, "count", "AT_MOST",
       "entries of the strategy in the underlying today, with this one", "STRATEGY_TRADES_DAY"),
    _g("opening_range", N9, "flag", "IS_TRUE", "the opening range is not against the signal",
       "OPENING_RANGE_AGAINST OPENING_RANGE_UNKNOWN"),
    _g("higher_trend", N9, "flag", "IS_TRUE", "the longer bars are not against the signal",
       "HIGHER_TREND_AGAINST HIGHER_TREND_UNKNOWN"),
    _g("signal", N9, "flag", "IS_TRUE", "the strategy sees a direction", "SIGNAL_NONE"),
    _g("signal_strength", N9, "milli", "AT_LEAST", "strength of the signal", "SIGNAL_WEAK"),
    _g("expiry", N10, "flag", "IS_TRUE", "a qualifying expiry with a forward", "EXPIRY_NONE"),
    _g("contract", N10, "count", "AT_LEAST", "contracts that passed every filter",
       "CONTRACT_NONE_LEFT"),
    _g("sold_leg", N10, "flag", "IS_TRUE", "a contract to sell against the one bought",
       "SPREAD_NO_LEG"),
    _g("pair_reward", N10, "milli", "AT_LEAST", "reward of the pair over its debit, after charges",
       "SPREAD_REWARD"),
    _g("score_aim", N10, "milli", "AT_LEAST", "score: nearness to the strike aimed at", ""),
    _g("score_spread", N10, "milli", "AT_LEAST", "score: room under the widest spread", ""),
    _g("score_reward", N10, "milli", "AT_LEAST", "score: reward over risk, of two", ""),
    _g("score_depth", N10, "milli", "AT_LEAST", "score: lots on the thinner side, of ten", ""),
    _g("score_volume", N10, "milli", "AT_LEAST", "score: volume, of ten times the least", ""),
    _g("lots_by_risk", N11, "lots", "AT_LEAST", "lots within a trade's risk budget",
       "SIZE_RISK_BUDGET"),
    _g("lots_by_open_risk", N11, "lots", "AT_LEAST", "lots within the open-risk limit",
       "SIZE_OPEN_RISK"),
    _g("lots_by_funds", N11, "lots", "AT_LEAST", "lots within the free funds",
       "SIZE_FUNDS SIZE_FUNDS_UNKNOWN"),
    _g("lots_by_day_loss", N11, "lots", "AT_LEAST", "lots within the day's loss at the stops",
       "SIZE_DAY_LOSS"),
    _g("lots_by_exposure", N11, "lots", "AT_LEAST", "lots within the premium of the underlying",
       "SIZE_EXPOSURE"),
    _g("lots_by_expiry", N11, "lots", "AT_LEAST", "lots within the premium of the expiry",
       "SIZE_EXPIRY"),
    _g("lots_by_value", N11, "lots", "AT_LEAST", "lots within the value of an order",
       "SIZE_ORDER_VALUE"),
    _g("lots_by_delta", N11, "lots", "AT_LEAST", "lots within the net delta",
       "SIZE_DELTA SIZE_GREEKS_UNKNOWN"),
    _g("lots_by_gamma", N11, "lots", "AT_LEAST", "lots within the net gamma",
       "SIZE_GAMMA SIZE_GREEKS_UNKNOWN"),
    _g("lots_by_vega", N11, "lots", "AT_LEAST", "lots within the net vega",
       "SIZE_VEGA SIZE_GREEKS_UNKNOWN"),
    _g("lots_by_theta", N11, "lots", "AT_LEAST", "lots within the decay of a day",
       "SIZE_THETA SIZE_GREEKS_UNKNOWN"),
    _g("lots_by_stress", N11, "lots", "AT_LEAST", "lots within the loss of the stress",
       "SIZE_STRESS SIZE_GREEKS_UNKNOWN"),
    _g("freeze", N11, "flag", "IS_TRUE", "the freeze quantity is known",
       "SIZE_FREEZE_UNKNOWN SIZE_LOT_STALE"),
    _g("lots_by_margin", N11, "lots", "AT_LEAST", "lots within the funds, the sold leg's kept",
       "SIZE_MARGIN SIZE_FUNDS_UNKNOWN"),
    _g("broker_margin", N11, "paise", "AT_MOST", "what the broker asks for the pair",
       "SIZE_MARGIN SIZE_MARGIN_UNKNOWN"),
    _g("permitted", N11, "flag", "IS_TRUE", "instrument, product and side are permitted",
       "CONTROL_NOT_PERMITTED"),
    _g("collar", N11, "bps", "AT_MOST", "the limit's distance from the last trade",
       "CONTROL_COLLAR CONTROL_REFERENCE_MISSING"),
    _g("duplicates", N11, "count", "AT_MOST", "entries of the contract that work",
       "CONTROL_DUPLICATE"),
    _g("self_trades", N11, "count", "AT_MOST", "sells of the contract that work",
       "CONTROL_SELF_TRADE"),
    _g("open_orders", N11, "count", "AT_MOST", "orders that work, with this one",
       "CONTROL_OPEN_ORDERS"),
    _g("approved", N11, "flag", "IS_TRUE", "a person approved this entry", "APPROVAL_PENDING"),
)  # fmt: skip
"""Every gate, in the order of the stages and of precedence inside each."""

BY_GATE: Final[dict[str, GateSpec]] = {spec.gate: spec for spec in GATES}

CONTRACT_FILTERS: Final[tuple[str, ...]] = (
    "CONTRACT_ONE_SIDED",
    "CONTRACT_STALE",
    "CONTRACT_SPREAD",
    "CONTRACT_VOLUME",
    "CONTRACT_OI",
    "CONTRACT_IV_UNKNOWN",
    "CONTRACT_DELTA",
    "CONTRACT_PREMIUM",
    "CONTRACT_REWARD",
    "CONTRACT_DEPTH",
    "CONTRACT_OI_FALL",
    "CONTRACT_IV_BOUNDS",
    "CONTRACT_SKEW",
    "CONTRACT_SCORE",
    "CONTRACT_NOT_AS_BEFORE",
)
"""The contract filters as reason codes, in the order in which the first failing one is told. The
last is listed only in a session in which a contract has changed (CONTRACT_CHANGED)."""
