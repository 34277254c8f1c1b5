"""Pages of a journal: the right entries, whatever is wished for, also of a real one that grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from journal.errors import JournalCorrupt
from journal.writer import JournalWriter
from tests.projections.live.story import a_day
from tests.tui.pages import StoryEntries
from tests.tui.test_source import UID, groups_of, tidy, write
from tui.entries import (
    PAGE_ROWS,
    EntryReader,
    Page,
    Tail,
    Wish,
    follower_of,
    read_page,
    reader_of,
    seq_at,
    takes_kind,
)

DAY = a_day()
LAST = len(DAY.envelopes)
READ = StoryEntries(DAY.envelopes).read
DEADLINE_S = 20.0


def wait_for(reader: EntryReader, wish: Wish) -> Page:
    reader.ask(wish)
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        page = reader.page()
        if page is not None and page.wish == wish:
            return page
    raise AssertionError(f"no page for {wish}")


@settings(max_examples=60, deadline=None)
@example(0, PAGE_ROWS // 2 + 1, [])
@given(
    st.integers(-5, LAST + 50),
    st.integers(0, LAST),
    st.lists(st.sampled_from(["Decision", "frame", "!Timer", "!frame", "nothing"]), max_size=2),
)
def test_a_page_is_what_lies_around(seq: int, last: int, kinds: list[str]) -> None:
    """Entries up to the last one, of the kinds asked for, in order, as near as there are."""
    wish = Wish(seq, last, tuple(kinds))
    page = read_page(READ, wish)
    wanted = [one for one in DAY.envelopes[:last] if takes_kind(wish.kinds, one.kind)]
    assert len(page.entries) == min(len(wanted), PAGE_ROWS)
    at = min(max(seq, 1), max(last, 1))
    after = [one for one in wanted if one.seq >= at]
    room = max(PAGE_ROWS // 2, PAGE_ROWS - (len(wanted) - len(after)))
    assert [one for one in page.entries if one.seq >= at] == after[:room]
    assert list(page.entries) == sorted(page.entries, key=lambda one: one.seq)


def test_a_time_is_found_by_halving() -> None:
    """The first entry at or after a moment; the last one after the end."""
    for envelope in DAY.envelopes[::7]:
        first = next(one.seq for one in DAY.envelopes if one.ts >= envelope.ts)
        assert seq_at(READ, envelope.ts, LAST) == first
    assert seq_at(READ, DAY.envelopes[-1].ts + 1, LAST) == LAST


def test_the_next_of_a_kind() -> None:
    """From an entry to the next one of a kind; where there is none, nowhere else."""
    seqs = [one.seq for one in DAY.envelopes if one.kind == "FeedHealthChanged"]
    assert read_page(READ, Wish(1, LAST, find="FeedHealth")).at_seq == seqs[0]
    assert read_page(READ, Wish(seqs[0], LAST, find="FeedHealth")).at_seq == seqs[1]
    assert read_page(READ, Wish(5, LAST, find="Nothing")).at_seq == 5


def test_the_end_of_a_growing_journal(tmp_path: Path) -> None:
    """Each wish for the end brings what has been written since, of the kinds asked for."""
    story = tidy(a_day())
    groups = groups_of(story)
    writer = JournalWriter.create(tmp_path / "s", UID)
    half = groups[: len(groups) // 2]
    for group in half:
        writer.append(group)
    assert writer.wait_durable(sum(map(len, half)), DEADLINE_S)
    reader = EntryReader(reader_of(tmp_path / "s"), follower_of(tmp_path / "s"))
    try:
        seen = sum(map(len, half))
        page = wait_for(reader, Wish(seen, seen))
        assert page.entries[-1].seq == seen
        for group in groups[len(half) :]:
            writer.append(group)
        assert writer.wait_durable(LAST, DEADLINE_S)
        page = wait_for(reader, Wish(LAST, LAST))
        assert list(page.entries) == story.envelopes[-PAGE_ROWS:]
        page = wait_for(reader, Wish(LAST, LAST, ("Decision",)))
        assert {one.kind for one in page.entries} == {"DecisionMade"}
    finally:
        reader.stop()
        writer.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, LAST), st.booleans()), min_size=1, max_size=8))
def test_the_end_may_be_anywhere(ends: list[tuple[int, bool]]) -> None:
    """Wishes for ends in any order, as a person who travels in time has them: each page is the
    entries up to its own end, whatever was looked at before."""

    def follow(seq: int) -> Iterator[bytes]:
        yield from READ(seq)
        while True:
            yield b""

    tail = Tail(follow)
    for last, of_kind in ends:
        wish = Wish(last, last, ("Decision",) if of_kind else ())
        wanted = [one for one in DAY.envelopes[:last] if takes_kind(wish.kinds, one.kind)]
        assert list(tail.page(READ, wish).entries) == wanted[-PAGE_ROWS:]


def test_a_damaged_journal_is_a_line(tmp_path: Path) -> None:
    """What cannot be read becomes the page's fault, and the thread goes on answering."""
    folder = tmp_path / "s"
    write(folder, tidy(a_day().close()))
    good = reader_of(folder)
    broken = True

    def read(seq: int) -> object:
        if broken:
            raise JournalCorrupt("the block is torn", path=folder, offset=0, seq=seq)
        return good(seq)

    reader = EntryReader(read, follower_of(folder))  # type: ignore[arg-type]
    try:
        page = wait_for(reader, Wish(3, LAST))
        assert page.entries == ()
        assert page.fault is not None
        assert "torn" in page.fault
        broken = False
        assert wait_for(reader, Wish(4, LAST)).entries
    finally:
        reader.stop()


@pytest.mark.parametrize(
    ("kinds", "kind", "taken"),
    [((), "TimerTick", True), (("timer",), "TimerTick", True), (("!timer",), "TimerTick", False),
     (("feed", "!frame"), "FeedStatus", True), (("feed", "!frame"), "FeedFrame", False),
     (("!",), "TimerTick", True)],
)  # fmt: skip
def test_words_of_kinds(kinds: tuple[str, ...], kind: str, taken: bool) -> None:
    """Any word in it, and none of the excluded; a bare sign says nothing."""
    assert takes_kind(kinds, kind) is taken
