"""The gate catalogue: every gate with its stage, unit and what it compares.

Lives here: one row a gate, in declared order inside its stage, which is the order of precedence.
May import: events.reasons. Always holds: a gate that the core evaluates has a row; the unit is that
of ``observed``, ``limit`` and ``margin`` in the gate's rows.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from events.reasons import N1, N2, N3, N4, N5, N6, N7, N8, N9, N10, N11

Sense = Literal["AT_MOST", "AT_LEAST", "IS_TRUE"]


class GateSpec(msgspec.Struct, frozen=True):
    """One gate: ``unit`` of its numbers, ``sense`` of its limit, a short ``title`` for screens."""

    gate: str
    stage: str
    unit: str
    sense: Sense
    title: str


GATES: Final[tuple[GateSpec, ...]] = (
    GateSpec("trading_day", N1, "flag", "IS_TRUE", "the exchange trades today"),
    GateSpec("session_open", N1, "flag", "IS_TRUE", "inside the derivatives session"),
    GateSpec("closing_auction", N1, "flag", "IS_TRUE", "outside the cash closing auction"),
    GateSpec("last_entry", N1, "s", "AT_LEAST", "time left for a new entry"),
    GateSpec("link_up", N2, "flag", "IS_TRUE", "connection up, subscription verified"),
    GateSpec("link_age", N2, "ms", "AT_MOST", "time since the last frame"),
    GateSpec("page_age", N2, "ms", "AT_MOST", "age of the exchange's newest stamp"),
    GateSpec("future_stamp", N2, "ms", "AT_MOST", "stamp ahead of the session clock"),
    GateSpec("frames_refused", N2, "count", "AT_MOST", "malformed frames in the last minute"),
    GateSpec("bars", N3, "count", "AT_LEAST", "closed bars of the underlying"),
    GateSpec("indicators", N3, "flag", "IS_TRUE", "all indicators have a value"),
    GateSpec("bars_since_gap", N3, "count", "AT_LEAST", "closed bars since the last gap"),
    GateSpec("spot_seen", N4, "flag", "IS_TRUE", "the underlying has printed"),
    GateSpec("page_fresh", N4, "flag", "IS_TRUE", "the last page was not a repeat"),
    GateSpec("spot_age", N4, "ms", "AT_MOST", "age of the underlying's print"),
    GateSpec("witness_seen", N4, "flag", "IS_TRUE", "a future or parity forward confirms"),
    GateSpec("witness_gap", N4, "bps", "AT_MOST", "distance of print and witness"),
    GateSpec("near_quotes", N4, "count", "AT_LEAST", "fresh two-sided quotes near the money"),
    GateSpec("near_spread", N4, "bps", "AT_MOST", "median spread near the money"),
    GateSpec("regime_known", N5, "flag", "IS_TRUE", "a regime has been assessed"),
    GateSpec("regime_prob", N5, "milli", "AT_LEAST", "probability of the leading regime"),
    GateSpec("regime_entropy", N5, "milli-nat", "AT_MOST", "entropy of the regime probabilities"),
    GateSpec("regime_settled", N5, "bars", "AT_LEAST", "bars for which the leader has led"),
    GateSpec("daily_loss", N6, "paise", "AT_MOST", "loss of the day, open loss included"),
    GateSpec("trades_day", N6, "count", "AT_MOST", "trades of the day before this one"),
    GateSpec("loss_streak", N6, "count", "AT_MOST", "losing trades in a row"),
    GateSpec("open_risk", N6, "paise", "AT_MOST", "risk of open positions and orders"),
    GateSpec("positions_underlying", N6, "count", "AT_MOST", "positions and orders here"),
    GateSpec("carried_over", N7, "flag", "IS_TRUE", "the account's history is known"),
    GateSpec("halted", N7, "flag", "IS_TRUE", "no halt is in force"),
    GateSpec("cycles_missed", N7, "count", "AT_MOST", "cycles missed before this one"),
    GateSpec("family", N8, "count", "AT_LEAST", "families that may trade the regime"),
    GateSpec("family_trend", N8, "flag", "IS_TRUE", "trend family"),
    GateSpec("family_mean_revert", N8, "flag", "IS_TRUE", "mean-reversion family"),
    GateSpec("cooldown", N9, "s", "AT_MOST", "cooldown still to run"),
    GateSpec("signal", N9, "flag", "IS_TRUE", "the strategy sees a direction"),
    GateSpec("signal_strength", N9, "milli", "AT_LEAST", "strength of the signal"),
    GateSpec("expiry", N10, "flag", "IS_TRUE", "a qualifying expiry with a forward"),
    GateSpec("contract", N10, "count", "AT_LEAST", "contracts that passed every filter"),
    GateSpec("lots_by_risk", N11, "lots", "AT_LEAST", "lots within a trade's risk budget"),
    GateSpec("lots_by_open_risk", N11, "lots", "AT_LEAST", "lots within the open-risk limit"),
    GateSpec("lots_by_funds", N11, "lots", "AT_LEAST", "lots within the free funds"),
    GateSpec("freeze", N11, "flag", "IS_TRUE", "the freeze quantity is known"),
)

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
)
"""The contract filters as reason codes, in the order in which the first failing one is reported."""
