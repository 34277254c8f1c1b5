"""The synthetic day's weather: which regime when, and the path of the indices through it.

Lives here: the table of regimes, the day's schedule from the seed, the correlated price and
volatility path. May import: engine.exact, synthetic_random. Always holds: every day shows every
regime of the table; the path knows nothing of who reads it; IEEE arithmetic only. Start reading at
``REGIMES``, then ``schedule``, then ``Path``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.markets.synthetic_random import NORMAL_TABLE, SplitMix64
from engine.exact import sqrt


class Regime(msgspec.Struct, frozen=True, gc=False):
    """How prices move in a spell.

    ``drift_ppm_per_min`` is the trend in millionths of the price a minute; ``vol_milli`` multiplies
    the underlying's ordinary volatility; ``half_life_s`` is that of the pull to the spell's anchor
    (0: none); ``stress_milli`` widens spreads and lifts implied volatility; ``jump_bps`` is the
    size of the jump at its begin (its sign is drawn); a spell lasts ``minutes_min`` to
    ``minutes_max``.
    """

    name: str
    drift_ppm_per_min: int
    vol_milli: int
    half_life_s: int
    stress_milli: int
    jump_bps: int
    minutes_min: int
    minutes_max: int


REGIMES: Final = (
    Regime("TREND_UP", 90, 850, 0, 50, 0, 60, 85),
    Regime("TREND_DOWN", -90, 900, 0, 150, 0, 55, 80),
    Regime("RANGE", 0, 800, 420, 0, 0, 55, 80),
    Regime("VOLATILE_RANGE", 0, 1700, 300, 350, 0, 40, 60),
    Regime("EVENT", 0, 2400, 0, 700, 35, 8, 14),
    Regime("PANIC", -700, 2800, 0, 1000, 0, 12, 18),
    Regime("RECOVERY", 240, 1500, 0, 400, 0, 30, 45),
)
"""Every regime; the longest spells together fill just less than a day of 385 minutes."""

_BLOCKS: Final = ("TREND_UP", "TREND_DOWN", "RANGE", "VOLATILE_RANGE", "EVENT")
_FOLLOWS: Final = (("EVENT", ("EVENT", "PANIC", "RECOVERY")),)
"""An event is followed by the panic and the recovery; the other blocks stand alone."""

_STRENGTH_MILLI: Final = (150, 1150)
"""A spell's drift is the table's times a factor drawn from here: some trends are hardly one."""


class Spell(msgspec.Struct, frozen=True, gc=False):
    """One regime from ``start_s`` to ``end_s`` (seconds after the open, the end excluded).

    ``strength_milli`` scales its drift, ``jump_sign`` is -1 or 1.
    """

    regime: Regime
    start_s: int
    end_s: int
    strength_milli: int
    jump_sign: int


def schedule(seed: int, length_s: int) -> tuple[Spell, ...]:
    """The spells of a day: a shuffled pool that holds every regime, then range until the close."""
    rng = SplitMix64(seed)
    order = rng.shuffled(_BLOCKS)
    if order[0] == "EVENT":  # an event needs a market to hit
        order = (*order[1:], order[0])
    by_name = {regime.name: regime for regime in REGIMES}
    following = dict(_FOLLOWS)
    names = [name for block in order for name in following.get(block, (block,))]
    spells: list[Spell] = []
    at = 0
    for name in (*names, "RANGE"):
        regime = by_name[name]
        minutes = rng.between(regime.minutes_min, regime.minutes_max)
        end = length_s if len(spells) == len(names) else min(at + minutes * 60, length_s)
        if end > at:
            strength = rng.between(*_STRENGTH_MILLI)
            spells.append(Spell(regime, at, end, strength, 1 - 2 * rng.below(2)))
        at = end
    return tuple(spells)


def fixed(weather: tuple[tuple[str, int], ...], length_s: int) -> tuple[Spell, ...]:
    """The spells of a day whose weather is given as (regime, minutes), each at full strength and
    jumping down; the last lasts until the close whatever its minutes."""
    by_name = {regime.name: regime for regime in REGIMES}
    spells: list[Spell] = []
    at = 0
    for place, (name, minutes) in enumerate(weather, 1):
        end = length_s if place == len(weather) else min(at + minutes * 60, length_s)
        if end > at:
            spells.append(Spell(by_name[name], at, end, 1_000, -1))
        at = end
    return tuple(spells)


class Factor(msgspec.Struct, frozen=True, gc=False):
    """How one index moves with the market: relative size of the common move, and its own part.

    ``vol_bps`` is the ordinary volatility a year, of trading hours alone, in hundredths of a
    percent; ``common_milli`` is the correlation with the common factor.
    """

    vol_bps: int
    beta_milli: int
    common_milli: int


TRADING_SECONDS_PER_YEAR: Final = 252 * 385 * 60
_STRESS_TAU_S: Final = 45.0
_SKEW_TAU_S: Final = 2_400.0
_ANCHOR_TAU_S: Final = 3_000.0
_VALUE_TAU_S: Final = 3_600.0
"""Time constants: stress, what falls added to volatility, the anchor's pull to price, and to the
day's mean price (a market in balance turns around value; within a spell it gets about half way)."""

_LN2: Final = 0.6931471805599453


class Path:
    """The indices second by second. ``spots`` are floats in paise; ``stress`` runs from 0 to 1;
    ``vol_lift`` is what falling prices have added to implied volatility, per year."""

    def __init__(
        self,
        seed: int,
        spells: tuple[Spell, ...],
        opens_paise: tuple[int, ...],
        factors: tuple[Factor, ...],
        step_s: float,
    ) -> None:
        self._rng = SplitMix64(seed)
        self._spells = spells
        self._spell = -1
        self._dt = step_s
        self.spots = [float(price) for price in opens_paise]
        self.stress = 0.0
        self.vol_lift = 0.0
        root = sqrt(step_s / TRADING_SECONDS_PER_YEAR)
        self._scales = [f.vol_bps / 10_000 * root for f in factors]
        self._common = [f.common_milli / 1000 for f in factors]
        self._own = [sqrt(1.0 - c * c) for c in self._common]
        self._drift = [f.beta_milli / 1000 for f in factors]
        self._anchors = list(self.spots)
        self._means = list(self.spots)
        self._steps = 0
        self._vol = 1.0
        self._pull = 0.0

    def step(self, second: float) -> None:
        """Move on by one step to ``second`` after the open."""
        spell = self._entered(second)
        regime, dt = spell.regime, self._dt
        self._steps += 1
        bits = self._rng.draw()
        common = NORMAL_TABLE[bits & 4095]
        drift = regime.drift_ppm_per_min * spell.strength_milli * dt / 60e9
        before = self.spots[0]
        for i, spot in enumerate(self.spots):
            bits >>= 12
            shock = self._common[i] * common + self._own[i] * NORMAL_TABLE[bits & 4095]
            move = self._drift[i] * drift + self._scales[i] * self._vol * shock
            anchor = self._anchors[i]
            self.spots[i] = spot + spot * move - self._pull * (spot - anchor)
            mean = self._means[i]
            self._means[i] = mean + (spot - mean) / self._steps
            pull = (spot - anchor) / _ANCHOR_TAU_S + (mean - anchor) / _VALUE_TAU_S
            self._anchors[i] = anchor + pull * dt
        self.stress += (regime.stress_milli / 1000 - self.stress) * (dt / _STRESS_TAU_S)
        fall = 1.0 - self.spots[0] / before
        self.vol_lift += fall - self.vol_lift * (dt / _SKEW_TAU_S)

    def _entered(self, second: float) -> Spell:
        """The spell at ``second``; entering one sets its anchor and makes its jump."""
        if self._spell >= 0 and second < self._spells[self._spell].end_s:
            return self._spells[self._spell]
        self._spell = min(self._spell + 1, len(self._spells) - 1)
        spell = self._spells[self._spell]
        regime = spell.regime
        self._vol = regime.vol_milli / 1000
        self._pull = self._dt * _LN2 / regime.half_life_s if regime.half_life_s else 0.0
        jump = spell.jump_sign * regime.jump_bps / 10_000
        for i, beta in enumerate(self._drift):
            self.spots[i] += self.spots[i] * jump * beta
        self._anchors = list(self.spots)
        return spell
