"""N8 and N9: which family may trade the regime, and does its strategy want to.

May import: events, engine. Always holds: every family's own refusal stands as evidence; of the
families allowed, the first in the table with a signal is taken.
"""

from __future__ import annotations

import msgspec

from engine.gates.rows import UNKNOWN, at_least, at_most, is_true, stage_of
from engine.policy import is_live, unknown_blocks
from engine.regime_model import LABELS
from engine.risk.day import fires_today
from engine.strategies import FAMILIES, Family, lifecycle, regime_allows
from engine.strategies.family import HIGHER_TREND, OPENING_RANGE
from engine.strategies.routing import route_of
from engine.strategies.signal import DOWN, UP, Signal
from engine.view import View
from events.decision import GateRow, StageVerdict
from events.reasons import N8, N9

AGAINST: tuple[tuple[str, str], ...] = ((UP, "BELOW"), (DOWN, "ABOVE"), (UP, DOWN), (DOWN, UP))
"""Direction and where the opening range or the longer bars are against it."""

NOWHERE = "UNKNOWN"


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """A family with its signal."""

    family: Family
    signal: Signal


def judge_family(view: View) -> tuple[StageVerdict, tuple[Family, ...]]:
    """Verdict of N8 and the families that may trade."""
    regime = view.market.regime.regime if view.market.regime is not None else NOWHERE
    evidence: list[GateRow] = []
    allowed: list[Family] = []
    for family in FAMILIES:
        refusal = _refusal(view, family, regime)
        evidence.append(is_true(family.gate, refusal is None, refusal or ""))
        if refusal is None:
            allowed.append(family)
    row = at_least("family", len(allowed), 1, "FAMILY_NONE")
    return stage_of(N8, (row,), tuple(evidence)), tuple(allowed)


def _refusal(view: View, family: Family, regime: str) -> str | None:
    if not family.enabled(view.state.config):
        return "FAMILY_DISABLED"
    if not regime_allows(family, regime, live=is_live(view.state)):
        return route_of(regime).refusal
    return None


def best_ranked(view: View) -> Family:
    """The family whose regimes are most likely: what an assumed evaluation is made for."""
    regime = view.market.regime
    if regime is None:
        return FAMILIES[0]

    def weight(family: Family) -> int:
        total = 0
        for label, prob in zip(LABELS, regime.probs_milli, strict=True):
            total += prob if family.name in route_of(label).live else 0
        return total

    return max(FAMILIES, key=weight)


def judge_signal(view: View, families: tuple[Family, ...]) -> tuple[StageVerdict, Chosen]:
    """Verdict of N9 and the family with its signal; ``families`` is not empty."""
    chosen = [Chosen(family, family.signal(view)) for family in families]
    best = next((one for one in chosen if one.signal.direction is not None), chosen[0])
    left_ns = max(view.market.cooldown_until_ns - view.state.now, 0)
    strength_min = best.family.signal_min_milli(view.state.config)
    refused = lifecycle.refusal(
        view.state, best.family.strategy_id, best.family.name, live=is_live(view.state)
    )
    fired = fires_today(view.state, best.family.strategy_id, view.umap.name)
    verdict = stage_of(
        N9,
        (
            is_true("lifecycle", refused is None, refused or ""),
            at_most("cooldown", -(-left_ns // 1_000_000_000), 0, "COOLDOWN_ACTIVE"),
            at_most(
                "strategy_trades",
                fired + 1,
                view.state.config.risk.strategy_trades_max,
                "STRATEGY_TRADES_DAY",
            ),
            *_aligned(view, best),
            is_true("signal", best.signal.direction is not None, "SIGNAL_NONE"),
            at_least("signal_strength", best.signal.strength_milli, strength_min, "SIGNAL_WEAK"),
        ),
    )
    return verdict, best


def _aligned(view: View, best: Chosen) -> list[GateRow]:
    """Whether the market is against the signal, of what the family asks. A signal without direction
    passes, and the mark says so; what is not known refuses in LIVE."""
    features = view.market.features
    side = features.opening_range.side if features is not None else NOWHERE
    trend = features.higher_trend.direction if features is not None else NOWHERE
    asked = best.family.aligned(view.state.config)
    rows: list[GateRow] = []
    for what, where, gate, against, unknown in (
        (OPENING_RANGE, side, "opening_range", "OPENING_RANGE_AGAINST", "OPENING_RANGE_UNKNOWN"),
        (HIGHER_TREND, trend, "higher_trend", "HIGHER_TREND_AGAINST", "HIGHER_TREND_UNKNOWN"),
    ):
        if what not in asked:
            continue
        direction = best.signal.direction
        if direction is None:
            rows.append(is_true(gate, True, "", marks=("NO_DIRECTION",)))
        elif where == NOWHERE:
            known = not unknown_blocks(view.state)
            rows.append(is_true(gate, known, unknown, UNKNOWN, marks=(unknown,)))
        else:
            rows.append(is_true(gate, (direction, where) not in AGAINST, against))
    return rows
