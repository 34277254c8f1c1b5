"""The score of a contract and its parts, each from 0 to 1000.

Lives here: the table of weights, the parts, their rows of evidence. May import: events, engine.
Always holds: the weights sum to 1000, so a score is per mille like its parts; integers throughout;
a part grows with what is better for a buyer.
Start reading at ``WEIGHTS``.
"""

from __future__ import annotations

from typing import Final

from engine.config import ContractConfig
from engine.gates.rows import NO_MARKS, PASS
from events.decision import GateRow

WEIGHTS: Final[tuple[tuple[str, int], ...]] = (
    ("score_aim", 500),
    ("score_spread", 200),
    ("score_reward", 100),
    ("score_depth", 100),
    ("score_volume", 100),
)
"""The parts in the order of ``score_of``, by the gate that shows each, and what each weighs."""

_AIM, _SPREAD, _REWARD, _DEPTH, _VOLUME = (weight for _, weight in WEIGHTS)
WHOLE: Final = 1000
AIM_PER_DELTA: Final = 2
AIM_PER_BPS: Final = 2
DEPTH_WHOLE: Final = 10
VOLUME_WHOLE: Final = 10
MONEYNESS: Final = "MONEYNESS"


def score_of(
    config: ContractConfig,
    delta_milli: int,
    moneyness_bps: int,
    spread_bps: int,
    reward_milli: int,
    depth_milli: int,
    volume_units: int,
) -> tuple[int, tuple[int, ...]]:
    """The score and its parts. ``depth_milli`` is lots shown on the thinner side, in thousandths.

    Nearness to the aim is by delta, or by how far the strike is in the money, as configured. The
    others: spread against its limit, reward over risk of two, ten lots shown, ten times the least
    volume.
    """
    if config.strike_by == MONEYNESS:
        away = abs(moneyness_bps - config.moneyness_aim_bps) * AIM_PER_BPS
    else:
        away = abs(delta_milli - config.delta_aim_milli) * AIM_PER_DELTA
    aim = WHOLE - away if away < WHOLE else 0
    room = WHOLE - spread_bps * WHOLE // config.spread_bps_max
    tight = room if room > 0 else 0
    # Asked for every contract of every cycle: a comparison costs less than a call.
    reward = reward_milli // 2 if reward_milli < 2 * WHOLE else WHOLE
    depth = depth_milli // DEPTH_WHOLE if depth_milli < DEPTH_WHOLE * WHOLE else WHOLE
    enough = (config.volume_units_min or 1) * VOLUME_WHOLE
    volume = volume_units * WHOLE // enough if volume_units < enough else WHOLE
    score = _AIM * aim + _SPREAD * tight + _REWARD * reward + _DEPTH * depth + _VOLUME * volume
    return score // WHOLE, (aim, tight, reward, depth, volume)


def score_rows(parts: tuple[int, ...]) -> tuple[GateRow, ...]:
    """The parts as evidence, against none at all; the contract's score is what decides."""
    return tuple(
        GateRow(gate, PASS, None, part, 0, part, None, NO_MARKS)
        for (gate, _), part in zip(WEIGHTS, parts, strict=False)
    )
