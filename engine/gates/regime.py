"""N5: is the regime clear enough to trade.

May import: events, engine. Always holds: without an assessment everything here is UNKNOWN.
"""

from __future__ import annotations

from engine.gates.rows import UNKNOWN, at_least, at_most, is_true, stage_of
from engine.view import View, age_ms
from events.decision import StageVerdict
from events.reasons import N5


def judge(view: View) -> StageVerdict:
    """Verdict of N5."""
    regime, config = view.market.regime, view.state.config.regime
    age = age_ms(view.state, regime.assessed_ns) if regime is not None else None
    prob = max(regime.probs_milli) if regime is not None else None
    entropy = regime.entropy_milli if regime is not None else None
    settled = None
    if regime is not None:
        settled = config.settle_bars if regime.regime == regime.leader else regime.leader_bars
    none = "REGIME_UNKNOWN"
    return stage_of(
        N5,
        (
            is_true("regime_known", regime is not None, none, UNKNOWN, age),
            at_least("regime_prob", prob, config.prob_milli_min, "REGIME_PROB_LOW", age, (), none),
            at_most("regime_entropy", entropy, config.entropy_milli_max, "REGIME_ENTROPY_HIGH",
                    age, (), none),
            at_least("regime_settled", settled, config.settle_bars, "REGIME_CHANGING",
                     age, (), none),
        ),
    )  # fmt: skip
