"""Events as lines."""

from __future__ import annotations

from events import feed, governance, registry, session
from projections.live.fold import APPLY
from projections.live.view import Notice
from tests.projections.live.story import Story, a_day
from tests.projections.live.trouble import a_troubled_day
from tests.tui import desk
from tests.tui.screen import view_of
from tui.view.notices import TEXTS, notice_row, notices_table, tell


def told(story: Story) -> list[tuple[str, str, str]]:
    view = view_of(story)
    return [tell(view, notice) for notice in view.notices]


def test_every_noted_kind_has_a_text() -> None:
    """Each kind that the model notes in a whole day is told in words, not by its name alone."""
    story = a_troubled_day()
    story.fact(feed.HealthObserved("DISK_FREE_MB", "BAD", 100, 2_048))
    story.fact(feed.HistoryLoaded(0, 60_000, "kite", 0, 1, (), (), (), (), (), (), "HTTP_503"))
    story.rejected("FRAME_TRAILING")
    story.fact(session.OperatorCommand("HALT", "trader", "news", None, None, "", "NONE"))
    story.fact(session.ConfigChanged((session.Setting("risk.x", 1),), "trader", "test"))
    story.fact(session.TailCut(9, 100, "TORN"))
    story.fact(session.SessionResumed(9, "0" * 64, 100))
    story.fact(feed.TimerTick(story.now, 3))
    desk.halted(story)
    desk.refused(story, "r1")
    desk.pair_sold(story, "I1")
    desk.asked(story, "r1", left_s=9)
    story.fact(governance.ApprovalClosed("r1", "EXPIRED", "APPROVAL_EXPIRED", None, None))
    story.close()
    kinds = {notice.kind for notice in view_of(story).notices}
    assert kinds == set(TEXTS)
    assert set(TEXTS) <= set(APPLY)
    assert not set(TEXTS) - set(registry.BY_KIND)


def test_what_a_trader_reads_first() -> None:
    """A fill with its price and charges, a gap with its length, a stop with both prices."""
    texts = [text for _, _, text in told(a_day())]
    assert "FILL BUY 130 NIFTY26NOV24500CE @ 112.40  charges ₹50.00" in texts
    assert "FEED 0 GAP FEED_GAP (silent 7.0s)" in texts
    assert "EXIT_STOP NIFTY26NOV24500CE at 100.00, seen 100.00" in texts
    assert "POSITION CLOSED NIFTY26NOV24500CE net -₹1,722.00  EXIT_STOP" in texts


def test_bad_news_looks_bad_without_colour() -> None:
    """A gap has a cross, a lost or unverified feed and missed cycles a mark."""
    story = Story().setting_up()
    story.fact(feed.FeedStatus(0, "LOST", False, 0))
    story.fact(feed.FeedStatus(1, "CONNECTED", False, 5))
    story.fact(feed.TimerTick(story.now, 3))
    shapes = {text.split(",")[0]: shape for shape, _, text in told(story)}
    assert shapes["FEED 0 LOST"] == "▲"
    assert shapes["FEED 1 CONNECTED"] == "▲"
    assert shapes["CYCLES MISSED 3: the engine could not keep up"] == "▲"
    gap = next(shape for shape, _, text in told(a_day()) if "GAP" in text)
    assert gap == "✗"


def test_a_death_of_the_engine_is_a_warning() -> None:
    """What was resumed, what was cut, what other code could not finish, and a crashed close: each a
    line with a mark, that says what it is."""
    story = Story().setting_up()
    story.fact(session.TailCut(9, 100, "TORN"))
    story.fact(session.SessionResumed(10, "0" * 64, 100))
    story.fact(session.TailCut(12, 0, "OTHER_CODE"))
    story.fact(session.SessionClosed("CRASHED"))
    lines = told(story)[:4] if "CRASHED" in told(story)[0][2] else told(story)[-4:]
    assert {shape for shape, _, _ in lines} == {"▲"}
    texts = " | ".join(text for _, _, text in lines)
    for said in (
        "TAIL CUT 100 bytes after #9", "RESUMED after #10", "GROUP LEFT OPEN at #12",
        "SESSION CLOSED CRASHED",
    ):  # fmt: skip
        assert said in texts


def test_newest_first_and_repeats_counted() -> None:
    """The table begins with the last event; equal neighbours are one row with a count."""
    story = Story().setting_up()
    for _ in range(4):
        story.rejected("FRAME_LENGTH")
    rows = notices_table(view_of(story)).rows
    assert rows[0].cells[2][0].endswith(" x4")
    seqs = [row.key[1] for row in rows]  # type: ignore[index]
    assert seqs == sorted(seqs, reverse=True)


def test_an_unreadable_entry_is_a_line() -> None:
    """An entry of another release says what it is and why it is not shown."""
    notice = Notice(7, 0, "FromTheFuture", 1, "KIND_UNKNOWN", None, "KIND_UNKNOWN")
    row = notice_row(view_of(Story()), notice)
    assert row.cells[2][0] == "UNREADABLE FromTheFuture: KIND_UNKNOWN"
