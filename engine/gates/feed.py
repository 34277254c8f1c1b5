"""N2: is the feed fresh: link age, the exchange's stamp, refused frames.

May import: events, engine. Always holds: a quiet contract is not a stale feed; a stamp that lies
ahead of the clock is judged, never rewritten. The rows of ticks without a time or out of order are
there while the last minute had one.
"""

from __future__ import annotations

from engine.feed import REFUSED_WINDOW_NS
from engine.gates.rows import UNKNOWN, at_most, is_true, stage_of
from engine.policy import limit_ms
from engine.quality import NO_TIME, REORDERED, recent_of
from engine.view import View, age_ms, stamp_age_ms
from events.decision import GateRow, StageVerdict
from events.reasons import N2


def judge(view: View) -> StageVerdict:
    """Verdict of N2."""
    state = view.state
    feed, config = state.feed, state.config.feed
    link = age_ms(state, feed.last_frame_ns) if feed.frames else None
    link_max, link_marks = limit_ms(state, "link_age", config.link_age_ms_max)
    page = stamp_age_ms(state)
    page_max, page_marks = limit_ms(state, "page_age", config.page_age_ms_max)
    recent = 0
    for at in feed.refused_ns:
        recent += at > state.now - REFUSED_WINDOW_NS
    up = feed.connected and feed.verified
    return stage_of(
        N2,
        (
            is_true("link_up", up, "FEED_DOWN" if feed.frames else "FEED_NEVER_SEEN",
                    "BLOCK" if feed.frames else UNKNOWN),
            at_most("link_age", link, link_max, "FEED_GAP", link, link_marks, "FEED_NEVER_SEEN"),
            at_most("page_age", page, page_max, "FEED_PAGE_OLD", page, page_marks,
                    "FEED_NEVER_SEEN"),
            at_most("future_stamp", max(-page, 0) if page is not None else None,
                    config.future_ms_max, "FEED_FUTURE_STAMP", page, (), "FEED_NEVER_SEEN"),
            at_most("frames_refused", recent, config.refused_per_minute_max, "FEED_UNTRUSTED"),
            *_untimed(view),
        ),
    )  # fmt: skip


def _untimed(view: View) -> tuple[GateRow, ...]:
    """Ticks of the instruments that have bars, whose time could not be believed."""
    quality, now = view.state.quality, view.state.now
    if not (quality.timeless_ns or quality.reordered_ns):
        return ()
    limit = view.state.config.feed.untimed_per_minute_max
    rows = (
        ("ticks_timeless", recent_of(quality.timeless_ns, now), NO_TIME),
        ("ticks_reordered", recent_of(quality.reordered_ns, now), REORDERED),
    )
    return tuple(at_most(gate, seen, limit, reason) for gate, seen, reason in rows if seen)
