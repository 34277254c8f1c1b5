"""The risk limits as a table: unit, profiles, which side is tighter, and why each value.

Lives here: the rows, the three profiles, what counts as tightening. May import: events. Always
holds: a profile is never looser than the one above it; the defaults of ``RiskConfig`` are NORMAL's;
``docs/RISK.md`` gives the table as it is here.
Start reading at ``LIMITS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from events.session import Setting

PILOT: Final = "PILOT"
NORMAL: Final = "NORMAL"
AGGRESSIVE: Final = "AGGRESSIVE"
PROFILES: Final = (PILOT, NORMAL, AGGRESSIVE)
"""From the tightest to the loosest."""

PROFILE_KEY: Final = "risk.profile"

Tighter = Literal["LOWER", "HIGHER"]


class LimitRow(msgspec.Struct, frozen=True):
    """One limit: its setting in ``risk``, the unit, the tighter side, a value a profile, the reason
    for NORMAL's."""

    name: str
    unit: str
    tighter: Tighter
    pilot: int
    normal: int
    aggressive: int
    why: str

    @property
    def key(self) -> str:
        """The dotted key of the setting."""
        return f"risk.{self.name}"

    def value(self, profile: str) -> int:
        """The value of a profile. Raises ``ValueError`` for one that there is not."""
        return (self.pilot, self.normal, self.aggressive)[PROFILES.index(profile)]


def _r(
    name: str, unit: str, pilot: int, normal: int, aggressive: int, why: str, *, up: bool = False
) -> LimitRow:
    return LimitRow(name, unit, "HIGHER" if up else "LOWER", pilot, normal, aggressive, why)


CAPITAL: Final = "bps of capital"

LIMITS: Final[tuple[LimitRow, ...]] = (
    _r("daily_loss_bps_max", CAPITAL, 250, 500, 800,
       "Two full losses of a trade's budget end the day."),
    _r("profit_lock_bps_max", CAPITAL, 500, 1_000, 2_000,
       "Twice the daily loss: four targets of an at-the-money lot; what comes then is luck."),
    _r("underlying_profit_bps_max", CAPITAL, 350, 700, 1_400,
       "Three targets of one lot in one underlying: its move of the day is made."),
    _r("drawdown_bps_max", CAPITAL, 300, 600, 1_000,
       "Wider than the daily loss, so that it binds only once the day has been in profit."),
    _r("trades_day_max", "count", 3, 6, 10,
       "Six round trips cost about 400 rupees, 40 bps of 100,000; more than that is churning."),
    _r("loss_streak_max", "count", 2, 3, 4,
       "Three losses in a row say that the day is not the one that the strategy reads."),
    _r("open_risk_bps_max", CAPITAL, 250, 400, 700,
       "Two at-the-money lots at their stops, below the daily loss."),
    _r("trade_risk_bps_max", CAPITAL, 200, 250, 350,
       "One NIFTY lot of 65 bought at 178, a stop of 20 %, its limit paid in full and charges."),
    _r("positions_underlying_max", "count", 1, 1, 2,
       "A second long in the same index is the same bet twice."),
    _r("lots_max", "lots", 1, 5, 20,
       "What the budgets give at five times the capital that trades one lot."),
    _r("cooldown_s", "s", 1_200, 600, 300,
       "Two bars of five minutes: the signal that lost must have had time to change.", up=True),
    _r("exposure_underlying_bps_max", CAPITAL, 2_000, 4_000, 6_000,
       "One lot of the dearest premium allowed, 600 rupees, is 39 % of 100,000."),
    _r("expiry_premium_bps_max", CAPITAL, 2_500, 5_000, 7_000,
       "Half of the capital may decay to one afternoon; asked from the second position on."),
    _r("net_delta_bps_max", f"{CAPITAL}, of a 1 % move", 1_200, 2_000, 3_500,
       "An at-the-money lot of an index moves by 780 to 800 bps: two lots, one way."),
    _r("net_gamma_bps_max", f"{CAPITAL}, of a 1 %² move", 1_500, 3_000, 6_000,
       "440 bps a lot with a week left, 1,000 with a day: three lots on the last day."),
    _r("net_vega_bps_max", f"{CAPITAL}, of a volatility point", 250, 500, 1_000,
       "A monthly lot has 180 bps, a weekly one 75: two monthly lots, with room."),
    _r("net_theta_bps_max", f"{CAPITAL}, of a day", 250, 500, 1_000,
       "90 bps a lot with a week left, 200 with a day: a day's decay never above the daily loss."),
    _r("stress_loss_bps_max", CAPITAL, 1_500, 3_000, 5_000,
       "A long loses its premium at most: three at-the-money lots gone in the worst corner."),
    _r("cvar_bps_max", CAPITAL, 250, 300, 450,
       "A trade's budget and a fifth for gaps: worse means that stops do not hold."),
    _r("recovery_lots_max", "lots", 1, 1, 2,
       "The smallest trade there is, until one of them wins."),
    _r("repeat_fires_max", "count", 3, 5, 8,
       "With a pause of ten minutes three entries fit into half an hour; five are a loop."),
    _r("strategy_trades_max", "count", 1, 3, 5,
       "Half of the day's trades: the rest is for another regime, or for another underlying."),
)  # fmt: skip
"""Every limit that a profile sets, in the order of the configuration."""

BY_KEY: Final[dict[str, LimitRow]] = {row.key: row for row in LIMITS}

GATED: Final = (
    "session", "feed", "warmup", "quote", "regime", "trend", "mean_revert", "defined_risk",
    "contract",
)  # fmt: skip
"""Sections whose ``*_max`` and ``*_min`` are limits of entry gates, and of nothing else."""

OTHERS: Final[dict[str, Tighter]] = {
    "risk.stress_move_bps": "HIGHER",
    "risk.stress_vol_bps": "HIGHER",
    "risk.cvar_trades_min": "LOWER",
    "risk.repeat_window_s": "HIGHER",
    "session.last_entry_hhmm": "LOWER",
    "regime.settle_bars": "HIGHER",
    "regime.event_before_min": "HIGHER",
    "regime.event_after_min": "HIGHER",
    "orders.entries_per_minute_max": "LOWER",
    "orders.rejects_per_minute_max": "LOWER",
    "orders.reconciled_age_s_max": "LOWER",
    "orders.value_paise_max": "LOWER",
    "orders.collar_bps_max": "LOWER",
    "orders.open_max": "LOWER",
    "paper.entry_collar_bps": "LOWER",
}
"""Limits whose name or section does not say which side is the tighter one."""

SWITCHES: Final[dict[str, bool]] = {
    "contract.expiry_day_allowed": False,
    "approval.required": True,
}
"""Switches of entries beside the families' ``enabled``, each with its tighter position."""

PERMITTED: Final = "orders.permitted"
"""A list of names: without one of them it lets fewer through."""


def tighter_side(key: str) -> Tighter | None:
    """Which side of a setting is the tighter one; None where it is no limit of an entry."""
    row = BY_KEY.get(key)
    if row is not None:
        return row.tighter
    section, _, name = key.partition(".")
    if key not in OTHERS and section in GATED:
        if name.endswith("_max"):
            return "LOWER"
        if name.endswith("_min"):
            return "HIGHER"
    return OTHERS.get(key)


def tightens(key: str, old: int | bool | str, new: int | bool | str) -> bool:
    """Whether a new value of a setting lets fewer entries through than the old one, or as many. A
    family may be switched off, not on, and an underlying taken off the permitted ones; what is no
    limit never tightens."""
    if old == new:
        return True
    if key.endswith(".enabled"):
        return new is False
    if key in SWITCHES:
        return new is SWITCHES[key]
    if key == PERMITTED:
        names = str(old).split(" ")
        return all(name in names for name in str(new).split(" "))
    side = tighter_side(key)
    if side is None or isinstance(old, str) or isinstance(new, str):
        return False
    return new < old if side == "LOWER" else new > old


def profile_values(profile: str) -> tuple[tuple[str, int], ...]:
    """(name in ``risk``, value) of every limit of a profile."""
    return tuple((row.name, row.value(profile)) for row in LIMITS)


def split_change(
    before: Iterable[Setting], after: Iterable[Setting]
) -> tuple[tuple[Setting, ...], tuple[Setting, ...]]:
    """The settings that differ, by whether they tighten: (what may act at once, what may not).

    Both are flat forms of whole configurations. The profile's own name follows its limits: it acts
    at once where all of them do.
    """
    now: list[Setting] = []
    later: list[Setting] = []
    named: Setting | None = None
    for old, new in zip(before, after, strict=True):
        if old == new:
            continue
        if new.key == PROFILE_KEY:
            named = new
        elif tightens(new.key, old.value, new.value):
            now.append(new)
        else:
            later.append(new)
    if named is not None:
        (later if later else now).append(named)
    return tuple(now), tuple(later)
