"""Which setting each gate's limit comes from, and how far it may be moved to ask "what if".

Lives here: the table of limits, the gates that are no matter of degree, the size of a move. May
import: events, engine's pure types. Always holds: a limit is only ever moved towards more trades;
every gate and every contract filter is in one of the two tables; a bound is how far a desk could
mean it, not how far the configuration would take it.
Start reading at ``LIMITS``.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final, Literal

import msgspec

from engine.config import Config
from engine.policy import POLICY, applies
from engine.state import State

Toward = Literal["UP", "DOWN", "ON"]

HHMM: Final = "hhmm"
"""The end of a key whose value is a time of day: its steps are minutes."""

OPEN_MINUTES: Final = 9 * 60 + 15
PER_MILLE: Final = 1_000


class Limit(msgspec.Struct, frozen=True):
    """A setting, the gates and filters whose limit it is, and the furthest value it may take."""

    setting: str
    gates: tuple[str, ...]
    toward: Toward
    bound: int


def _l(setting: str, toward: Toward, bound: int, gates: str) -> Limit:
    return Limit(setting, tuple(gates.split()), toward, bound)


LIMITS: Final[tuple[Limit, ...]] = (
    _l("session.last_entry_hhmm", "UP", 1525, "last_entry"),
    _l("feed.link_age_ms_max", "UP", 60_000, "link_age"),
    _l("feed.page_age_ms_max", "UP", 300_000, "page_age"),
    _l("feed.future_ms_max", "UP", 10_000, "future_stamp"),
    _l("feed.refused_per_minute_max", "UP", 100, "frames_refused"),
    _l("warmup.bars_min", "DOWN", 1, "bars"),
    _l("warmup.bars_after_gap_min", "DOWN", 0, "bars_since_gap"),
    _l("quote.spot_age_ms_max", "UP", 300_000, "spot_age"),
    _l("quote.witness_gap_bps_max", "UP", 500, "witness_gap"),
    _l("quote.near_quotes_min", "DOWN", 1, "near_quotes"),
    _l("quote.near_spread_bps_max", "UP", 2_000, "near_spread"),
    _l("quote.contract_age_ms_max", "UP", 600_000,
       "witness_seen near_quotes near_spread expiry CONTRACT_STALE"),
    _l("regime.prob_milli_min", "DOWN", 0, "regime_prob"),
    _l("regime.entropy_milli_max", "UP", 3_000, "regime_entropy"),
    _l("regime.settle_bars", "DOWN", 1, "regime_settled"),
    _l("regime.event_before_min", "DOWN", 0, "event_window"),
    _l("regime.event_after_min", "DOWN", 0, "event_window"),
    _l("risk.daily_loss_bps_max", "UP", 2_000, "daily_loss lots_by_day_loss"),
    _l("risk.profit_lock_bps_max", "UP", 10_000, "profit_lock"),
    _l("risk.underlying_profit_bps_max", "UP", 10_000, "underlying_profit"),
    _l("risk.drawdown_bps_max", "UP", 5_000, "drawdown"),
    _l("risk.trades_day_max", "UP", 100, "trades_day"),
    _l("risk.strategy_trades_max", "UP", 64, "strategy_trades"),
    _l("risk.loss_streak_max", "UP", 50, "loss_streak"),
    _l("risk.open_risk_bps_max", "UP", 5_000, "open_risk lots_by_open_risk"),
    _l("risk.positions_underlying_max", "UP", 10, "positions_underlying"),
    _l("trend.enabled", "ON", 1, "family"),
    _l("trend.adx_milli_min", "DOWN", 0, "signal"),
    _l("trend.signal_milli_min", "DOWN", 0, "signal_strength"),
    _l("mean_revert.enabled", "ON", 1, "family"),
    _l("mean_revert.stretch_milli_min", "DOWN", 0, "signal"),
    _l("mean_revert.signal_milli_min", "DOWN", 0, "signal_strength"),
    _l("defined_risk.enabled", "ON", 1, "family"),
    _l("defined_risk.signal_milli_min", "DOWN", 0, "signal_strength"),
    _l("defined_risk.sold_spread_bps_max", "UP", 2_000, "sold_leg"),
    _l("defined_risk.pair_reward_milli_min", "DOWN", 0, "pair_reward"),
    _l("contract.expiry_day_allowed", "ON", 1, "expiry"),
    _l("contract.spread_bps_max", "UP", 2_000, "CONTRACT_SPREAD"),
    _l("contract.volume_units_min", "DOWN", 0, "CONTRACT_VOLUME"),
    _l("contract.oi_units_min", "DOWN", 0, "CONTRACT_OI"),
    _l("contract.delta_milli_min", "DOWN", 50, "CONTRACT_DELTA"),
    _l("contract.delta_milli_max", "UP", 950, "CONTRACT_DELTA"),
    _l("contract.premium_paise_min", "DOWN", 5, "CONTRACT_PREMIUM"),
    _l("contract.premium_paise_max", "UP", 500_000, "CONTRACT_PREMIUM"),
    _l("contract.reward_milli_min", "DOWN", 0, "CONTRACT_REWARD"),
    _l("contract.depth_lots_min", "DOWN", 0, "CONTRACT_DEPTH"),
    _l("contract.oi_fall_bps_max", "UP", 10_000, "CONTRACT_OI_FALL"),
    _l("contract.iv_ratio_milli_min", "DOWN", 0, "CONTRACT_IV_BOUNDS"),
    _l("contract.iv_ratio_milli_max", "UP", 10_000, "CONTRACT_IV_BOUNDS"),
    _l("contract.iv_rank_milli_max", "UP", 1_000, "CONTRACT_IV_BOUNDS"),
    _l("contract.skew_bps_max", "UP", 10_000, "CONTRACT_SKEW"),
    _l("contract.score_milli_min", "DOWN", 0, "CONTRACT_SCORE"),
    _l("risk.trade_risk_bps_max", "UP", 5_000, "lots_by_risk"),
    _l("risk.exposure_underlying_bps_max", "UP", 9_000, "exposure lots_by_exposure"),
    _l("risk.expiry_premium_bps_max", "UP", 9_000, "lots_by_expiry"),
    _l("risk.net_delta_bps_max", "UP", 20_000, "net_delta lots_by_delta"),
    _l("risk.net_gamma_bps_max", "UP", 20_000, "net_gamma lots_by_gamma"),
    _l("risk.net_vega_bps_max", "UP", 5_000, "net_vega lots_by_vega"),
    _l("risk.net_theta_bps_max", "UP", 5_000, "net_theta lots_by_theta"),
    _l("risk.stress_loss_bps_max", "UP", 9_000, "stress lots_by_stress"),
    _l("risk.cvar_bps_max", "UP", 2_000, "cvar"),
    _l("orders.value_paise_max", "UP", 500_000_000, "lots_by_value"),
    _l("orders.collar_bps_max", "UP", 5_000, "collar"),
    _l("orders.open_max", "UP", 100, "open_orders"),
)  # fmt: skip
"""Every limit that may be moved, towards which side, and how far."""

NOT_OF_DEGREE: Final[tuple[tuple[str, str], ...]] = (
    ("trading_day", "the exchange's calendar says so"),
    ("session_open", "the exchange's hours say so"),
    ("closing_auction", "the exchange's hours say so"),
    ("link_up", "a connection is up or it is not"),
    ("indicators", "an indicator has a value or it has none"),
    ("spot_seen", "the underlying has printed or it has not"),
    ("ticks_timeless", "what the feed sent is a fact of that day"),
    ("ticks_reordered", "what the feed sent is a fact of that day"),
    ("index_continuous", "the exchange's hours say so"),
    ("spot_confirmed", "a second tick has confirmed the jump or none has"),
    ("page_fresh", "a page is new or it repeats the last"),
    ("regime_known", "a regime has been assessed or it has not"),
    ("carried_over", "the account's history is known or it is not"),
    ("halted", "a halt is lifted by a person, not by a limit"),
    ("cycles_missed", "an engine that lagged has missed what it missed"),
    ("login", "the broker takes the login or it does not"),
    ("clock", "the machine's clock is a matter of the machine"),
    ("process", "disk and durability are matters of the machine"),
    ("frames_lost", "what was lost was lost"),
    ("login_known", "the login is a fact of that day"),
    ("reconciled_age", "the broker's books are facts of that day"),
    ("reconciled_since", "the broker's books are facts of that day"),
    ("orders_unknown", "the broker's books are facts of that day"),
    ("books_differ", "the broker's books are facts of that day"),
    ("feed_losses", "what the feed did is a fact of that day"),
    ("incidents", "a person looks at an incident, not a limit"),
    ("rejects", "the broker's answers are facts of that day"),
    ("entries_minute", "the pace of entries is a matter of that day"),
    ("armed", "a session is armed by a person, not by a limit"),
    ("risk_state", "a halt ends by its rule, not by a limit"),
    ("permitted", "a contract is one of those permitted or it is not"),
    ("duplicates", "an entry of the contract works or none does"),
    ("self_trades", "a sell of the contract works or none does"),
    ("approved", "an entry is approved by a person, not by a limit"),
    ("cooldown", "the pause was set when the trade before it ended"),
    ("family_trend", "explains N8_STRATEGY_SELECT and decides nothing"),
    ("family_mean_revert", "explains N8_STRATEGY_SELECT and decides nothing"),
    ("family_defined_risk", "explains N8_STRATEGY_SELECT and decides nothing"),
    ("lifecycle", "a strategy is promoted by a person, not by a limit"),
    ("opening_range", "the index stands where it stands"),
    ("higher_trend", "the longer bars went where they went"),
    ("contract", "no contract has a price on both sides and a volatility"),
    ("family", "the regime has a family that trades it or it has none"),
    ("signal", "the strategy's averages, prices and momentum agree or they do not"),
    ("expiry", "an expiry has a forward or it has none"),
    ("score_aim", "explains the score of a contract and decides nothing"),
    ("score_spread", "explains the score of a contract and decides nothing"),
    ("score_reward", "explains the score of a contract and decides nothing"),
    ("score_depth", "explains the score of a contract and decides nothing"),
    ("score_volume", "explains the score of a contract and decides nothing"),
    ("lots_by_margin", "the account holds the money or it does not"),
    ("broker_margin", "the account holds the money or it does not"),
    ("lots_by_funds", "the account holds the money or it does not"),
    ("freeze", "the rulebook gives the freeze quantity or it does not"),
    ("CONTRACT_ONE_SIDED", "a contract has both sides or it has not"),
    ("CONTRACT_IV_UNKNOWN", "a price gives a volatility or it gives none"),
    ("CONTRACT_NOT_AS_BEFORE", "a contract is what it was or it is not"),
)
"""Gates and filters that no setting moves, or none all the way, and why. ``contract`` is moved by
its filters."""

STRATEGIES: Final = ("trend", "mean_revert", "defined_risk")
"""Sections of a family's own limits: the name of the family in small letters."""

POLICY_SETTINGS: Final[tuple[tuple[str, str], ...]] = (
    ("link_age", "feed.link_age_ms_max"),
    ("page_age", "feed.page_age_ms_max"),
    ("spot_age", "quote.spot_age_ms_max"),
    ("contract_age", "quote.contract_age_ms_max"),
)
"""The setting that a policy row takes the place of, by the name the policy calls it."""

WHY_NOT: Final = dict(NOT_OF_DEGREE)
BY_SETTING: Final = {limit.setting: limit for limit in LIMITS}


def limits_of(gate: str, family: str | None = None) -> tuple[Limit, ...]:
    """The limits that a gate or filter has, in the order of the table.

    Of a family's own limits only those of ``family``, where one is chosen.
    """
    others = [one for one in STRATEGIES if family is not None and one != family.lower()]
    return tuple(
        limit
        for limit in LIMITS
        if gate in limit.gates and limit.setting.partition(".")[0] not in others
    )


def overruled(state: State) -> dict[str, str]:
    """The settings that a policy row takes the place of in this session, with the row's name."""
    settings = dict(POLICY_SETTINGS)
    return {settings[row.gate]: row.name for row in POLICY if applies(state, row.when)}


def value_in(config: Config, setting: str) -> int:
    """The value of a setting of the table; a switch is 0 or 1."""
    section, _, name = setting.partition(".")
    return int(getattr(getattr(config, section), name))


def steps_between(limit: Limit, config: Config) -> int:
    """How many steps a limit may be moved from where it is; 0 where it is at its bound or past."""
    old, bound = value_in(config, limit.setting), limit.bound
    if limit.setting.endswith(HHMM):
        # An entry after the square-off would be closed as it is opened: the checks forbid it.
        bound = min(bound, config.session.square_off_hhmm)
        old, bound = _minutes(old), _minutes(bound)
    return max(old - bound if limit.toward == "DOWN" else bound - old, 0)


def moved(limit: Limit, config: Config, steps: int) -> int:
    """The value after so many steps towards more trades."""
    old = value_in(config, limit.setting)
    if limit.setting.endswith(HHMM):
        minutes = _minutes(old) + steps
        return minutes // 60 * 100 + minutes % 60
    return old - steps if limit.toward == "DOWN" else old + steps


def relative(setting: str, old: int, new: int) -> Fraction:
    """The size of a move as a share of the old value, exactly; a switch counts whole.

    A time of day is measured from the open of the market.
    """
    if setting.endswith(HHMM):
        old, new = _minutes(old) - OPEN_MINUTES, _minutes(new) - OPEN_MINUTES
    return Fraction(abs(new - old), max(abs(old), 1))


def relative_milli(setting: str, old: int, new: int) -> int:
    """The size of a move in per mille of the old value, rounded up: what is shown of it."""
    return ceil(relative(setting, old, new) * PER_MILLE)


def _minutes(hhmm: int) -> int:
    return hhmm // 100 * 60 + hhmm % 100
