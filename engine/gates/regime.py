"""N5: is the regime clear enough to trade.

May import: events, engine. Always holds: without an assessment everything here but the scheduled
events is UNKNOWN; a kind of event whose calendar does not cover the day is named in the marks.
"""

from __future__ import annotations

from typing import Final

from engine.gates.rows import UNKNOWN, at_least, at_most, is_true, stage_of
from engine.policy import unknown_blocks
from engine.scheduled import EVENT_KINDS
from engine.times import near_events
from engine.view import View, age_ms
from events.decision import GateRow, StageVerdict
from events.reasons import N5

_WINDOW: Final = "REGIME_EVENT_WINDOW"


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
            event_row(view),
        ),
    )  # fmt: skip


def event_row(view: View) -> GateRow:
    """Whether no scheduled event is near: entries stop some minutes before it and begin again some
    minutes after it. The marks name the events that are near, an expiry of today, and the calendars
    that are not known for the day, and say where one has no first-hand source; in LIVE one that is
    not known blocks, as everything unknown does, and one that is unsure is marked."""
    rules = view.state.rules
    unknown = rules.events_unknown if rules is not None else EVENT_KINDS
    near = near_events(view.state)
    marks = (
        *(f"EVENT_{one.kind}" for one in near),
        *(("UNSURE_EVENT",) if any(one.unsure for one in near) else ()),
        *(("EVENT_EXPIRY",) if _expires_today(view) else ()),
        *(f"CALENDAR_UNKNOWN_{kind}" for kind in unknown),
        *(("UNSURE_CALENDAR",) if rules is not None and rules.events_unsure else ()),
    )
    if not near and unknown and unknown_blocks(view.state):
        return is_true("event_window", False, "REGIME_CALENDAR_UNKNOWN", UNKNOWN, marks=marks)
    return is_true("event_window", not near, _WINDOW, marks=marks)


def _expires_today(view: View) -> bool:
    """By the day's instruments: the chain that is looked at may be the next expiry's by then."""
    opened = view.state.opened
    return opened is not None and any(one.expiry == opened.day for one in view.umap.expiries)
