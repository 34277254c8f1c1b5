"""N4: can the quotes be trusted: a fresh print with a witness, two-sided options near the money.

May import: events, engine. Always holds: an estimated index has no witness of its own and is
marked; a repeated page is no fresh print.
"""

from __future__ import annotations

from engine.gates.rows import UNKNOWN, at_least, at_most, is_true, stage_of
from engine.policy import limit_ms
from engine.quality import IMPLAUSIBLE, doubted
from engine.view import View, age_ms
from events.decision import GateRow, StageVerdict
from events.reasons import N4


def judge(view: View) -> StageVerdict:
    """Verdict of N4."""
    state, config, spot = view.state, view.state.config.quote, view.spot
    age = age_ms(state, spot.seen_ns) if spot is not None else None
    age_max, marks = limit_ms(state, "spot_age", config.spot_age_ms_max)
    repeats = state.feed.page_repeats
    return stage_of(
        N4,
        (
            is_true("spot_seen", spot is not None, "QUOTE_SPOT_MISSING", UNKNOWN, age),
            is_true("page_fresh", repeats == 0, "QUOTE_STALE_PAGE"),
            at_most("spot_age", age, age_max, "QUOTE_SPOT_STALE", age,
                    (*view.estimated, *marks), "QUOTE_SPOT_MISSING"),
            *_confirmed(view),
            *_witness(view),
            at_least("near_quotes", view.near_fresh, config.near_quotes_min, "QUOTE_CHAIN_THIN"),
            at_most("near_spread", view.near_spread_bps, config.near_spread_bps_max,
                    "QUOTE_SPREAD_WIDE", unknown="QUOTE_SPREAD_UNKNOWN"),
        ),
    )  # fmt: skip


def _confirmed(view: View) -> tuple[GateRow, ...]:
    """A row only while a jump of the index or its future waits for a second witness."""
    if not view.state.quality.doubts or not doubted(view.state, view.u):
        return ()
    return (is_true("spot_confirmed", False, IMPLAUSIBLE),)


def _witness(view: View) -> tuple[GateRow, GateRow]:
    """Whether something confirms the print, and how far the two are apart in bps of the print."""
    marks = (*view.estimated, *((view.witness_source,) if view.witness_source else ()))
    if view.state.rules is not None and view.state.rules.discount_rate_unsure:
        marks = (*marks, "UNSURE_RATE")
    seen = is_true(
        "witness_seen",
        view.witness_paise is not None,
        "QUOTE_WITNESS_MISSING",
        UNKNOWN,
        None,
        marks,
    )
    gap = None
    if view.witness_paise is not None and view.spot is not None and view.spot.ltp_paise > 0:
        gap = abs(view.witness_paise - view.spot.ltp_paise) * 10_000 // view.spot.ltp_paise
    limit = view.state.config.quote.witness_gap_bps_max
    return seen, at_most(
        "witness_gap", gap, limit, "QUOTE_WITNESS_DISAGREES", None, marks, "QUOTE_WITNESS_MISSING"
    )
