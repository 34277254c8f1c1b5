"""N4: can the quotes be trusted: a fresh print with a witness, two-sided options near the money.

May import: events, engine. Always holds: an estimated index has no witness of its own and is
marked; a repeated page is no fresh print; in the closing auction of its shares an index is not
continuous, and what is judged as the print is the future or the parity forward, the other of which
is its witness.
"""

from __future__ import annotations

from engine.gates.rows import UNKNOWN, at_least, at_most, is_true, stage_of
from engine.policy import limit_ms
from engine.quality import IMPLAUSIBLE, doubted
from engine.view import View
from events.decision import GateRow, StageVerdict
from events.reasons import N4


def judge(view: View) -> StageVerdict:
    """Verdict of N4."""
    state, config, spot = view.state, view.state.config.quote, view.reference
    age = spot.age_ms if spot is not None else None
    age_max, marks = limit_ms(state, "spot_age", config.spot_age_ms_max)
    repeats = state.feed.page_repeats
    return stage_of(
        N4,
        (
            *_continuous(view),
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


def _continuous(view: View) -> tuple[GateRow, ...]:
    """A row only in the closing auction, with what stands for the index."""
    if not view.auction:
        return ()
    marks = (f"REFERENCE_{view.reference.source}",) if view.reference is not None else ()
    allowed = view.state.config.session.auction_entries
    return (is_true("index_continuous", allowed, "INDEX_NOT_CONTINUOUS", marks=marks),)


def _confirmed(view: View) -> tuple[GateRow, ...]:
    """A row only while a jump of the index or its future waits for a second witness."""
    if view.auction or not view.state.quality.doubts or not doubted(view.state, view.u):
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
    spot = view.reference
    if view.witness_paise is not None and spot is not None and spot.paise > 0:
        gap = abs(view.witness_paise - spot.paise) * 10_000 // spot.paise
    limit = view.state.config.quote.witness_gap_bps_max
    return seen, at_most(
        "witness_gap", gap, limit, "QUOTE_WITNESS_DISAGREES", None, marks, "QUOTE_WITNESS_MISSING"
    )
