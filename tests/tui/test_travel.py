"""Time travel: the past is what the present was, however one comes there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.live import LiveModel, LiveView
from tests.projections.live.story import Story, a_day
from tests.tui.pages import StoryTravel
from tests.tui.screen import HandClock
from tests.tui.test_source import tidy, write
from tui import travel as room
from tui.clock import MachineClock
from tui.entries import follower_of, reader_of
from tui.spool import Spool
from tui.travel import Goal, Traveller

DEADLINE_S = 20.0


def long_day() -> Story:
    story = a_day()
    for second in range(60):
        story.at(730 + 7 * second).quotes(nifty=2_451_235 + second)
        story.cycle_of("NIFTY", ("N4_QUOTE_OK", f"R{second // 20}"))
    return story.close()


DAY = long_day().envelopes
LAST = len(DAY)


def view_at(seq: int) -> LiveView:
    model = LiveModel()
    for envelope in DAY[:seq]:
        model.fold(envelope)
    return model.view()


def traveller(spacing: int = 16, kept: int = 6) -> StoryTravel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "SPACING", spacing)
        patch.setattr(room, "STATES_KEPT", kept)
        made = StoryTravel(DAY, HandClock())
        made.begin()
    return made


def seen(travels: StoryTravel) -> LiveView:
    view = travels.where().view
    assert view is not None
    return view


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, LAST), min_size=1, max_size=6))
def test_the_past_is_what_the_present_was(seqs: list[int]) -> None:
    """At any entry, reached from anywhere, the view equals that of a live session at that entry."""
    travels = traveller()
    for seq in seqs:
        travels.go(Goal(seq=seq))
        assert seen(travels) == view_at(seq)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([one.ts for one in DAY]), min_size=1, max_size=5))
def test_a_moment_has_all_that_came_until_then(times: list[int]) -> None:
    """At a time the view holds every entry up to it and none after."""
    travels = traveller()
    for ts in times:
        travels.go(Goal(ts=ts))
        assert seen(travels).seq == max(one.seq for one in DAY if one.ts <= ts)


def test_steps() -> None:
    """By entry, decision, change and minute, both ways; past the ends one stays."""
    travels = traveller()
    travels.go(Goal(seq=50))
    travels.go(Goal(step="event"))
    assert seen(travels).seq == 51
    travels.go(Goal(step="event", by=-1))
    assert seen(travels).seq == 50
    decisions = [one.seq for one in DAY if one.kind == "DecisionMade"]
    travels.go(Goal(step="decision"))
    assert seen(travels).seq == next(seq for seq in decisions if seq > 50)
    here = seen(travels).seq
    travels.go(Goal(step="decision", by=-1))
    assert seen(travels).seq == max(seq for seq in decisions if seq < here)
    travels.go(Goal(seq=decisions[0]))
    travels.go(Goal(step="decision", by=-1))
    assert seen(travels).seq == decisions[0]
    travels.go(Goal(seq=50))
    ts = seen(travels).ts
    travels.go(Goal(step="minute"))
    assert ts < seen(travels).ts <= ts + 60 * 10**9
    travels.go(Goal(step="change"))
    before = view_at(seen(travels).seq - 1)
    after = seen(travels)
    assert [(u.regime, u.episode) for u in before.underlyings] != [
        (u.regime, u.episode) for u in after.underlyings
    ]
    travels.go(Goal(seq=LAST))
    travels.go(Goal(step="event"))
    assert seen(travels).seq == LAST


def test_playing_goes_at_its_pace_and_ends() -> None:
    """Ten seconds of the session in a second at x10; at the end it stops by itself."""
    clock = HandClock()
    travels = StoryTravel(DAY, clock)
    travels.begin()
    travels.go(Goal(seq=10))
    ts = seen(travels).ts
    travels.play(60)
    clock.advance(1)
    travels.turn()
    assert travels.where().playing
    assert seen(travels).seq == max(one.seq for one in DAY if one.ts <= ts + 60 * 10**9)
    clock.advance(100)
    travels.turn()
    travels.turn()
    assert seen(travels).seq == LAST
    assert not travels.where().playing


def test_leaving_holds_at_once() -> None:
    """Before the thread has heard of it, nobody sees the past any more."""
    travels = Traveller(lambda _: iter(()), lambda _: iter(()), HandClock())
    travels._left = False
    travels._where = room.Where(view_at(9), room.NO_WAY, False, 1, None, None)
    assert travels.where().view is not None
    travels.leave()
    assert travels.where().view is None
    travels.stop()


def test_the_way_knows_prices_blocks_and_marks() -> None:
    """Minutes from the first entry, the blocked decisions in them, and what is worth going to."""
    way = traveller().where().way
    assert way.complete
    assert sum(way.blocks) == view_at(LAST).decisions
    assert max(way.prices) > 0
    signs = {mark.sign for mark in way.marks}
    assert {"E", "X", "R"} <= signs
    assert way.last_seq == LAST


def test_kept_states_are_bounded() -> None:
    """However long the session, no more than so many, evenly thinned."""
    survey = traveller(spacing=4, kept=6)._survey
    assert len(survey.states) <= 7
    assert survey.states[0].seq == 0


def test_without_room_for_states_the_way_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk makes journeys longer and no view another one; so does a spool that is lost."""

    def full(*_: object) -> tuple[int, int]:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "put", full)
        travels = traveller(spacing=4)
        assert len(travels._survey.states) == 1
        travels.go(Goal(seq=LAST - 3))
        assert seen(travels) == view_at(LAST - 3)
    travels = traveller(spacing=4)
    monkeypatch.setattr(Spool, "get", full)
    travels.go(Goal(seq=LAST - 3))
    travels.go(Goal(seq=LAST - 30))
    assert seen(travels) == view_at(LAST - 30)


def test_the_thread_travels_through_a_real_journal(tmp_path: Path) -> None:
    """From files, in its own thread: there and back to the present."""
    folder = tmp_path / "s"
    write(folder, tidy(a_day().close()))
    travels = Traveller(reader_of(folder), follower_of(folder), MachineClock())
    try:
        travels.go(Goal(seq=40))
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            where = travels.where()
            if where.view is not None and where.way.complete:
                break
        assert where.view is not None
        assert where.view.seq == 40
        travels.leave()
        assert travels.where().view is None
    finally:
        travels.stop()
