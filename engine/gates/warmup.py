"""N3: have the indicators seen enough bars.

May import: events, engine. Always holds: a gap in the feed asks for bars that it has no part
in before entries; bars whose minutes are candles count, and are marked.
"""

from __future__ import annotations

from engine.gates.rows import UNKNOWN, at_least, is_true, stage_of
from engine.view import View
from events.decision import StageVerdict
from events.reasons import N3


def judge(view: View) -> StageVerdict:
    """Verdict of N3."""
    config = view.state.config.warmup
    bars = view.slot.bars_done if view.slot is not None else 0
    ind = view.indicators
    ready = (
        ind is not None
        and ind.rsi is not None
        and ind.adx is not None
        and ind.atr_paise > 0.0
        and view.line_paise is not None
    )
    return stage_of(
        N3,
        (
            at_least("bars", bars, config.bars_min, "WARMUP_BARS", marks=view.warmed),
            is_true("indicators", ready, "WARMUP_INDICATORS", UNKNOWN, marks=view.warmed),
            at_least(
                "bars_since_gap",
                view.market.bars_since_gap,
                config.bars_after_gap_min,
                "WARMUP_AFTER_GAP",
                marks=view.warmed,
            ),
        ),
    )
