"""Every setting of the core, declared once with its bounds, default, unit and meaning.

Lives here: the sections of the configuration and their flat form, in which they are journaled. May
import: events, engine.risk.limits, engine.regime_model. Always holds: values are integers, truth
values or words; a key that is not declared here is refused at the edge; the core reads settings
only through the structs below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, get_type_hints

import msgspec
from msgspec import Meta

from engine.regime_model import FIRST, RegimeModelConfig
from engine.risk.limits import PROFILES, profile_values
from events.session import Setting

DAY_S: Final = 86_400
DAY_MS: Final = 86_400_000
CAPITAL_PAISE_MAX: Final = 100_000_000_000_000
"""A lakh crore rupees: ten thousandths of it still fit an integer of the journal."""

UNITS_MAX: Final = 1_000_000_000_000
PREMIUM_PAISE_MAX: Final = 1_000_000_000


class ConfigError(ValueError):
    """A setting that is unknown, of the wrong type or out of bounds; one line, names the key."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A group of settings. Defaults stand here: these structs are never journaled as such."""


class AccountConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    capital_paise: Annotated[
        int, Meta(ge=0, le=CAPITAL_PAISE_MAX, description="capital of the virtual account")
    ] = 10_000_000


class SessionConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    last_entry_hhmm: Annotated[
        int, Meta(ge=915, le=1540, description="no entry at or after this IST time")
    ] = 1500
    square_off_hhmm: Annotated[
        int, Meta(ge=915, le=1540, description="positions are closed from this IST time on")
    ] = 1505
    auction_entries: Annotated[
        bool, Meta(description="entries in the closing auction of shares, by future and parity")
    ] = False
    deadline_hhmm: Annotated[
        int,
        Meta(ge=915, le=1540, description="from this IST time on at whatever price"),
    ] = 1512


class FeedConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    link_age_ms_max: Annotated[
        int, Meta(ge=1, le=DAY_MS, description="longest silence of a connection")
    ] = 6_000
    page_age_ms_max: Annotated[
        int, Meta(ge=1, le=DAY_MS, description="oldest allowed newest exchange stamp")
    ] = 6_000
    future_ms_max: Annotated[
        int,
        Meta(ge=0, le=DAY_MS, description="furthest a stamp may lie ahead of the session clock"),
    ] = 2_000
    refused_per_minute_max: Annotated[
        int, Meta(ge=0, le=100_000, description="malformed frames tolerated in a minute")
    ] = 3
    untimed_per_minute_max: Annotated[
        int,
        Meta(
            ge=0, le=30, description="ticks of an index, a future or VIX without time, or reordered"
        ),
    ] = 3
    reordered_ms_max: Annotated[
        int,
        Meta(ge=1_000, le=DAY_MS, description="furthest an instrument's exchange time may go back"),
    ] = 5_000
    losses_per_hour_max: Annotated[
        int, Meta(ge=0, le=60, description="lost connections of an hour with which entries go on")
    ] = 10


class WarmupConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    bars_min: Annotated[
        int, Meta(ge=1, le=1_000, description="closed declared bars before entries")
    ] = 15
    bars_after_gap_min: Annotated[
        int, Meta(ge=0, le=1_000, description="closed bars after a feed gap")
    ] = 2


class QuoteConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    spot_age_ms_max: Annotated[
        int, Meta(ge=1, le=DAY_MS, description="oldest print of the underlying")
    ] = 6_000
    witness_gap_bps_max: Annotated[
        int, Meta(ge=0, le=10_000, description="print against carry-adjusted witness")
    ] = 60
    near_strikes: Annotated[
        int, Meta(ge=1, le=10, description="strikes each side that count as near the money")
    ] = 3
    near_quotes_min: Annotated[
        int, Meta(ge=1, le=40, description="fresh two-sided contracts near the money")
    ] = 8
    contract_age_ms_max: Annotated[
        int,
        Meta(ge=1, le=DAY_MS, description="oldest quote of a contract; a quiet one sends nothing"),
    ] = 60_000
    near_spread_bps_max: Annotated[
        int, Meta(ge=1, le=20_000, description="median spread near the money, of the mid")
    ] = 80
    jump_index_bps_max: Annotated[
        int, Meta(ge=80, le=10_000, description="jump of an index without a second witness")
    ] = 100
    jump_future_bps_max: Annotated[
        int, Meta(ge=80, le=10_000, description="jump of a future without a second witness")
    ] = 150
    jump_vix_bps_max: Annotated[
        int, Meta(ge=80, le=10_000, description="jump of INDIA VIX without a second witness")
    ] = 1_000
    jump_contract_bps_max: Annotated[
        int, Meta(ge=80, le=10_000, description="jump of the bid of a contract that is held")
    ] = 5_000
    doubt_ms_max: Annotated[
        int,
        Meta(ge=1, le=60_000, description="so long a contract's lone jump waits, then it stands"),
    ] = 2_000


class RegimeConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    prob_milli_min: Annotated[int, Meta(ge=0, le=1000, description="leading probability")] = 450
    entropy_milli_max: Annotated[
        int, Meta(ge=0, le=10_000, description="entropy in milli-nats")
    ] = 1_300
    settle_bars: Annotated[int, Meta(ge=1, le=1_000, description="bars a new leader must lead")] = 3
    event_before_min: Annotated[
        int, Meta(ge=0, le=375, description="minutes before a scheduled event without an entry")
    ] = 15
    event_after_min: Annotated[
        int, Meta(ge=0, le=375, description="minutes from a scheduled event on without an entry")
    ] = 30


class RiskConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    """The values are the profile NORMAL's; ``engine.risk.limits`` has the others, and why."""

    profile: Annotated[
        str,
        Meta(
            pattern="^(PILOT|NORMAL|AGGRESSIVE)$",
            description="values of all limits here that are not set: PILOT, NORMAL or AGGRESSIVE",
        ),
    ] = "NORMAL"
    daily_loss_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="loss of the day, open loss included, of capital")
    ] = 500
    profit_lock_bps_max: Annotated[
        int, Meta(ge=1, le=100_000, description="profit of the day after which it is locked")
    ] = 1_000
    underlying_profit_bps_max: Annotated[
        int, Meta(ge=1, le=100_000, description="the same of one underlying, closed trades alone")
    ] = 700
    drawdown_bps_max: Annotated[
        int, Meta(ge=1, le=100_000, description="fall from the day's highest result, of capital")
    ] = 600
    trades_day_max: Annotated[
        int, Meta(ge=0, le=10_000, description="trades of a day and account")
    ] = 6
    loss_streak_max: Annotated[int, Meta(ge=1, le=10_000, description="losing trades in a row")] = 3
    open_risk_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="risk of all open positions, of capital")
    ] = 400
    trade_risk_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="risk of one trade, of capital")
    ] = 250
    positions_underlying_max: Annotated[
        int, Meta(ge=1, le=1_000, description="positions an underlying")
    ] = 1
    lots_max: Annotated[int, Meta(ge=1, le=100_000, description="lots of one entry")] = 5
    cooldown_s: Annotated[
        int, Meta(ge=0, le=DAY_S, description="pause of an underlying after a trade")
    ] = 600
    exposure_underlying_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="premium in one underlying, of capital")
    ] = 4_000
    expiry_premium_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="premium in one expiry, from its second position on")
    ] = 5_000
    net_delta_bps_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="net result of a 1 % move by delta, of capital")
    ] = 2_000
    net_gamma_bps_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="change of that by a 1 % move, of capital")
    ] = 3_000
    net_vega_bps_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="net result of a volatility point, of capital")
    ] = 500
    net_theta_bps_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="net decay of a day, of capital")
    ] = 500
    stress_loss_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="loss in the worst corner of the stress, of capital")
    ] = 3_000
    stress_move_bps: Annotated[
        int, Meta(ge=1, le=5_000, description="move of every underlying in the stress, both ways")
    ] = 200
    stress_vol_bps: Annotated[
        int, Meta(ge=1, le=9_000, description="change of every volatility in the stress, of itself")
    ] = 3_000
    cvar_bps_max: Annotated[
        int, Meta(ge=1, le=10_000, description="mean of the worst twentieth of trades, of capital")
    ] = 300
    cvar_trades_min: Annotated[
        int, Meta(ge=20, le=250, description="closed trades before that mean counts")
    ] = 40
    recovery_lots_max: Annotated[
        int, Meta(ge=1, le=100_000, description="lots of one entry while in RECOVERY")
    ] = 1
    repeat_fires_max: Annotated[
        int, Meta(ge=1, le=64, description="entries of a strategy in an underlying, then a person")
    ] = 5
    strategy_trades_max: Annotated[
        int, Meta(ge=0, le=64, description="entries a day of a strategy in an underlying")
    ] = 3
    repeat_window_s: Annotated[int, Meta(ge=1, le=DAY_S, description="within so long")] = 1_800


class TrendConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    enabled: Annotated[bool, Meta(description="the trend family may trade")] = True
    signal_milli_min: Annotated[int, Meta(ge=0, le=1000, description="least signal strength")] = 500
    adx_milli_min: Annotated[
        int, Meta(ge=0, le=100_000, description="least ADX, in thousandths")
    ] = 22_000
    aligned: Annotated[
        bool, Meta(description="not against the opening range and the longer bars")
    ] = True


class MeanRevertConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    enabled: Annotated[bool, Meta(description="the mean-reversion family may trade")] = True
    signal_milli_min: Annotated[int, Meta(ge=0, le=1000, description="least signal strength")] = 500
    stretch_milli_min: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="distance from VWAP/TWAP in thousandths of an ATR"),
    ] = 1_500
    aligned: Annotated[bool, Meta(description="not against the longer bars")] = True


class DefinedRiskConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    enabled: Annotated[bool, Meta(description="the defined-risk family may trade")] = True
    signal_milli_min: Annotated[int, Meta(ge=0, le=1000, description="least signal strength")] = 500
    aligned: Annotated[bool, Meta(description="not against the longer bars")] = True
    width_bps: Annotated[
        int, Meta(ge=5, le=500, description="distance of the sold strike from the bought, of it")
    ] = 40
    sold_spread_bps_max: Annotated[
        int, Meta(ge=1, le=20_000, description="widest spread of the sold leg, of the mid")
    ] = 200
    sale_collar_bps: Annotated[
        int, Meta(ge=0, le=5_000, description="how far below its bid the leg may be sold")
    ] = 300
    pair_reward_milli_min: Annotated[
        int, Meta(ge=0, le=100_000, description="least reward over the debit, after charges")
    ] = 800
    stop_bps: Annotated[
        int, Meta(ge=500, le=10_000, description="loss of the debit at which the pair goes")
    ] = 5_000
    target_bps: Annotated[
        int, Meta(ge=500, le=10_000, description="gain at which it goes, of the most it can be")
    ] = 6_000
    margin_bps: Annotated[
        int, Meta(ge=0, le=10_000, description="money kept for the sold leg, of its strike")
    ] = 400


class ContractConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    window_strikes: Annotated[
        int, Meta(ge=1, le=40, description="strikes each side of the money looked at")
    ] = 10
    spread_bps_max: Annotated[
        int, Meta(ge=1, le=20_000, description="widest spread, of the mid")
    ] = 100
    volume_units_min: Annotated[
        int, Meta(ge=0, le=UNITS_MAX, description="least volume of the day")
    ] = 1_000
    oi_units_min: Annotated[int, Meta(ge=0, le=UNITS_MAX, description="least open interest")] = (
        10_000
    )
    delta_milli_min: Annotated[int, Meta(ge=0, le=1000, description="least absolute delta")] = 350
    delta_milli_max: Annotated[int, Meta(ge=0, le=1000, description="most absolute delta")] = 650
    premium_paise_min: Annotated[
        int, Meta(ge=5, le=PREMIUM_PAISE_MAX, description="lowest premium")
    ] = 2_000
    premium_paise_max: Annotated[
        int, Meta(ge=5, le=PREMIUM_PAISE_MAX, description="highest premium")
    ] = 60_000
    reward_milli_min: Annotated[
        int, Meta(ge=0, le=1_000_000, description="reward over risk after charges, in thousandths")
    ] = 1_000
    expiry_day_allowed: Annotated[bool, Meta(description="trade the expiry that ends today")] = (
        False
    )
    strike_by: Annotated[
        str, Meta(pattern="^(DELTA|MONEYNESS)$", description="strikes rank by DELTA or MONEYNESS")
    ] = "DELTA"
    delta_aim_milli: Annotated[int, Meta(ge=0, le=1000, description="absolute delta aimed at")] = (
        500
    )
    moneyness_aim_bps: Annotated[
        int,
        Meta(
            ge=-5_000, le=5_000, description="strike aimed at, in the money of the forward; < 0 out"
        ),
    ] = 0
    depth_lots_min: Annotated[
        int, Meta(ge=0, le=10_000, description="least lots shown at the best bid and ask")
    ] = 1
    oi_fall_bps_max: Annotated[
        int, Meta(ge=0, le=10_000, description="most fall of OI in 15 minutes; 10000 does not ask")
    ] = 3_000
    iv_ratio_milli_min: Annotated[
        int,
        Meta(ge=0, le=100_000, description="least volatility over INDIA VIX or the money's"),
    ] = 400
    iv_ratio_milli_max: Annotated[
        int,
        Meta(ge=0, le=100_000, description="most volatility over INDIA VIX or the money's"),
    ] = 2_500
    iv_rank_milli_max: Annotated[
        int, Meta(ge=0, le=1000, description="highest rank of volatility over the days before")
    ] = 980
    skew_bps_max: Annotated[
        int,
        Meta(ge=0, le=100_000, description="most volatility above the money's; 100 is a point"),
    ] = 500
    score_milli_min: Annotated[int, Meta(ge=0, le=1000, description="least score")] = 400


class PlanConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    stop_bps: Annotated[int, Meta(ge=1, le=9_000, description="stop below entry, of premium")] = (
        2_000
    )
    target_bps: Annotated[
        int, Meta(ge=1, le=100_000, description="target above entry, of premium")
    ] = 3_000
    trail_bps: Annotated[
        int, Meta(ge=0, le=10_000, description="trail below the best bid, of premium; 0 is off")
    ] = 2_000
    tp1_milli: Annotated[
        int,
        Meta(ge=0, le=100_000, description="first target, in thousandths of the stop; 0 is off"),
    ] = 700
    tp1_out_bps: Annotated[
        int,
        Meta(ge=0, le=9_999, description="share of the lots out at the first target, rounded down"),
    ] = 5_000
    hold_s_max: Annotated[int, Meta(ge=1, le=DAY_S, description="longest time in a position")] = (
        5_400
    )
    regime_flip: Annotated[
        str,
        Meta(
            pattern="^(OFF|PANIC|ANY)$",
            description="a regime without a place for the trade ends it: OFF, PANIC alone, ANY",
        ),
    ] = "PANIC"
    hard_halt: Annotated[
        str,
        Meta(
            pattern="^(HOLD|FLATTEN)$",
            description="positions in a hard halt: HOLD them by their plan, or FLATTEN",
        ),
    ] = "HOLD"


class PaperConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    latency_ms: Annotated[
        int, Meta(ge=0, le=DAY_MS, description="from approval to the broker's book")
    ] = 250
    entry_valid_ms: Annotated[
        int, Meta(ge=0, le=DAY_MS, description="an entry lapses after this")
    ] = 10_000
    entry_collar_bps: Annotated[
        int, Meta(ge=0, le=10_000, description="entry limit above the ask it was decided at")
    ] = 100
    depth_share_bps: Annotated[
        int, Meta(ge=1, le=10_000, description="share of a shown quantity that we may take")
    ] = 5_000


class OrderConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    sim_route: Annotated[
        str,
        Meta(pattern="^(broker|paper)$", description="where SIM sends its orders: broker or paper"),
    ] = "broker"
    product: Annotated[
        str, Meta(pattern="^(MIS|NRML)$", description="product of entries: MIS or NRML")
    ] = "MIS"
    algo_id: Annotated[
        str, Meta(pattern="^[A-Za-z0-9]{0,32}$", description="registered algo id; empty for none")
    ] = ""
    entry_valid_ms: Annotated[
        int, Meta(ge=1_000, le=DAY_MS, description="an unfilled entry is cancelled after this")
    ] = 10_000
    protective_stop: Annotated[
        bool,
        Meta(description="a stop rests at the broker for every long; LIVE asks for a waiver else"),
    ] = True
    stop_gap_bps: Annotated[
        int, Meta(ge=0, le=9_000, description="limit of a resting stop below its trigger")
    ] = 1_000
    trail_step_bps: Annotated[
        int, Meta(ge=1, le=9_000, description="least move of a resting stop, of its trigger")
    ] = 100
    trail_every_ms: Annotated[
        int, Meta(ge=1_000, le=DAY_MS, description="least time between two moves of a stop")
    ] = 5_000
    exit_collar_bps: Annotated[
        int, Meta(ge=0, le=9_000, description="first limit of an exit below the bid")
    ] = 100
    exit_step_bps: Annotated[
        int, Meta(ge=0, le=9_000, description="each re-pricing of an exit goes so much lower")
    ] = 200
    exit_steps_max: Annotated[
        int, Meta(ge=0, le=20, description="steps of re-pricing; the last one is repeated")
    ] = 5
    exit_reprice_ms: Annotated[
        int, Meta(ge=500, le=DAY_MS, description="an unfilled exit is re-priced after this")
    ] = 2_000
    modifications_max: Annotated[
        int, Meta(ge=1, le=24, description="modifications of one order; the broker allows 25")
    ] = 20
    silent_ms: Annotated[
        int, Meta(ge=500, le=DAY_MS, description="a working order is asked for after this")
    ] = 3_000
    unknown_ms: Annotated[
        int, Meta(ge=200, le=DAY_MS, description="an unknown order is searched this often")
    ] = 1_000
    unknown_cutoff_s: Annotated[
        int, Meta(ge=1, le=DAY_S, description="an order still unknown then needs a person")
    ] = 60
    reconcile_s: Annotated[
        int, Meta(ge=1, le=30, description="the broker's books are compared this often")
    ] = 30
    reconciled_age_s_max: Annotated[
        int, Meta(ge=1, le=DAY_S, description="entries need a comparison this recent")
    ] = 90
    entries_per_minute_max: Annotated[
        int, Meta(ge=1, le=400, description="entries approved in a minute, of all underlyings")
    ] = 5
    rejects_per_minute_max: Annotated[
        int, Meta(ge=1, le=1_000, description="refused orders tolerated in a minute")
    ] = 3
    value_paise_max: Annotated[
        int, Meta(ge=1, le=CAPITAL_PAISE_MAX, description="premium of one entry at its limit")
    ] = 20_000_000
    collar_bps_max: Annotated[
        int, Meta(ge=1, le=9_000, description="an entry's limit from the contract's last trade")
    ] = 2_000
    open_max: Annotated[
        int, Meta(ge=1, le=200, description="orders that work at once, with this entry")
    ] = 20
    permitted: Annotated[
        str,
        Meta(
            pattern="^[A-Z0-9]+( [A-Z0-9]+)*$",
            description="underlyings that may be entered, with a space between",
        ),
    ] = "NIFTY BANKNIFTY FINNIFTY MIDCPNIFTY SENSEX BANKEX"
    blind_flatten_s: Annotated[
        int, Meta(ge=0, le=DAY_S, description="blind for so long, positions are sold; 0 holds them")
    ] = 0


class ApprovalConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    required: Annotated[bool, Meta(description="a person approves each entry; LIVE always")] = False
    valid_s: Annotated[int, Meta(ge=5, le=DAY_S, description="a request lapses after this")] = 120
    band_bps: Annotated[
        int, Meta(ge=0, le=5_000, description="an approval holds while the price moved no further")
    ] = 200
    armed_s: Annotated[
        int, Meta(ge=10, le=DAY_S, description="arming lasts so long; LIVE needs it")
    ] = 28_800


class InstrumentGateConfig(Section, frozen=True, forbid_unknown_fields=True, gc=False):
    enabled: Annotated[bool, Meta(description="journal a gate table of instruments a minute")] = (
        False
    )
    bars_min: Annotated[int, Meta(ge=0, le=1_000, description="closed bars")] = 15
    age_ms_max: Annotated[int, Meta(ge=0, le=DAY_MS, description="oldest quote")] = 3_000
    spread_bps_max: Annotated[
        int, Meta(ge=0, le=20_000, description="widest spread, of the mid")
    ] = 8


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """All settings of the core, by section. The dotted key is ``section.field``."""

    account: AccountConfig = AccountConfig()
    session: SessionConfig = SessionConfig()
    feed: FeedConfig = FeedConfig()
    warmup: WarmupConfig = WarmupConfig()
    quote: QuoteConfig = QuoteConfig()
    regime: RegimeConfig = RegimeConfig()
    regime_model: RegimeModelConfig = RegimeModelConfig()
    risk: RiskConfig = RiskConfig()
    trend: TrendConfig = TrendConfig()
    mean_revert: MeanRevertConfig = MeanRevertConfig()
    defined_risk: DefinedRiskConfig = DefinedRiskConfig()
    contract: ContractConfig = ContractConfig()
    plan: PlanConfig = PlanConfig()
    paper: PaperConfig = PaperConfig()
    orders: OrderConfig = OrderConfig()
    approval: ApprovalConfig = ApprovalConfig()
    instrument_gates: InstrumentGateConfig = InstrumentGateConfig()


class SettingSpec(msgspec.Struct, frozen=True):
    """How a setting is shown: key, type name, default, bounds and meaning."""

    key: str
    type: str
    default: int | bool | str
    least: int | None
    most: int | None
    description: str


DEFAULTS: Final = Config()
FIRST_DEFAULTS: Final = Config(regime_model=FIRST)


def setting_specs() -> tuple[SettingSpec, ...]:
    """Every setting, sorted by key."""
    specs: list[SettingSpec] = []
    for section in msgspec.structs.fields(Config):
        hints = get_type_hints(section.type, include_extras=True)
        values = getattr(DEFAULTS, section.name)
        for name, hint in hints.items():
            meta = hint.__metadata__[0]
            specs.append(
                SettingSpec(
                    f"{section.name}.{name}",
                    hint.__origin__.__name__,
                    getattr(values, name),
                    meta.ge,
                    meta.le,
                    meta.description,
                )
            )
    return tuple(sorted(specs, key=lambda spec: spec.key))


def flatten(config: Config) -> tuple[Setting, ...]:
    """The journaled form: every setting in force, sorted by key."""
    return tuple(
        Setting(spec.key, getattr(getattr(config, section), field))
        for spec in setting_specs()
        for section, _, field in [spec.key.partition(".")]
    )


def from_settings(settings: tuple[Setting, ...], base: Config = DEFAULTS) -> Config:
    """The configuration with the given settings replaced. Raises ``ConfigError``."""
    tree: dict[str, dict[str, Any]] = {}
    for setting in settings:
        section, dot, field = setting.key.partition(".")
        if not dot:
            raise ConfigError(f"setting {setting.key!r} has no section; write section.name")
        tree.setdefault(section, {})[field] = setting.value
    return merge(base, tree)


def of_session(settings: tuple[Setting, ...]) -> Config:
    """The configuration that a session's first fact holds. One that was written before models were
    recorded ran on the first. Raises ``ConfigError``."""
    recorded = any(setting.key.startswith("regime_model.") for setting in settings)
    return from_settings(settings, DEFAULTS if recorded else FIRST_DEFAULTS)


def merge(base: Config, tree: Mapping[str, Any]) -> Config:
    """``base`` with a tree of sections (as TOML gives it) laid over. Raises ``ConfigError``."""
    whole: dict[str, Any] = msgspec.to_builtins(base)
    for section, values in tree.items():
        if section not in whole:
            raise ConfigError(f"unknown section [{section}]; known: {', '.join(sorted(whole))}")
        if not isinstance(values, Mapping):
            raise ConfigError(f"[{section}] must be a section of settings, not a value")
        if section == "risk":
            whole[section].update(_of_profile(values.get("profile")))
        for name, value in values.items():
            if name not in whole[section]:
                known = ", ".join(sorted(whole[section]))
                raise ConfigError(f"unknown setting {section}.{name}; [{section}] has: {known}")
            whole[section][name] = value
    try:
        config = msgspec.convert(whole, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"setting out of bounds: {error}") from error
    return _checked(config)


def _of_profile(named: object) -> dict[str, int]:
    """The limits that a profile sets where a tree names one; what the tree sets beside it is laid
    over them. A word that is no profile sets nothing and is refused with the rest."""
    return dict(profile_values(str(named))) if named in PROFILES else {}


def _checked(config: Config) -> Config:
    """Bounds that hold between two settings."""
    if config.contract.delta_milli_min >= config.contract.delta_milli_max:
        raise ConfigError("contract.delta_milli_min must be below contract.delta_milli_max")
    if config.contract.premium_paise_min >= config.contract.premium_paise_max:
        raise ConfigError("contract.premium_paise_min must be below contract.premium_paise_max")
    if config.contract.iv_ratio_milli_min >= config.contract.iv_ratio_milli_max:
        raise ConfigError("contract.iv_ratio_milli_min must be below contract.iv_ratio_milli_max")
    if config.session.last_entry_hhmm > config.session.square_off_hhmm:
        raise ConfigError("session.last_entry_hhmm must not be after session.square_off_hhmm")
    for name in ("last_entry_hhmm", "square_off_hhmm", "deadline_hhmm"):
        if getattr(config.session, name) % 100 > 59:
            raise ConfigError(f"session.{name} is not a time of day (HHMM)")
    return config


def digest(settings: tuple[Setting, ...]) -> str:
    """Lower-case hex SHA-256 of the journaled form."""
    return hashlib.sha256(msgspec.msgpack.encode(settings)).hexdigest()
