"""The journal and its entries by their keys on a pretended terminal."""

from __future__ import annotations

import msgspec
import pytest

from tests.projections.live.story import Story, a_day
from tests.tui.pages import StoryEntries
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tui.ports import Ports
from tui.screens.journal import EntryGrid


def long_day() -> Story:
    story = a_day()
    for second in range(400):
        story.at(730 + second).quotes()
    return story


def ports_of(story: Story) -> Ports:
    return Ports(entries=StoryEntries(story.envelopes))


def pointed(screen: Screen) -> int:
    key = screen.app.query_one("#journal-entries", EntryGrid).cursor_key
    assert isinstance(key, tuple)
    return int(key[1])


async def answered(screen: Screen, text: str) -> None:
    screen.app._prompt._input.insert_text_at_cursor(text)
    await screen.press("enter")
    await screen.settle()


@pytest.mark.parametrize("size", SIZES)
def test_journal_screens_are_as_they_were_agreed(size: tuple[int, int]) -> None:
    """The list at its end, the list of one kind, and one entry, at both sizes."""
    story = a_day().close()

    async def use(screen: Screen) -> None:
        await screen.press("0")
        await screen.settle()
        check_shape(screen, "REPLAY")
        check_golden(screen, "journal")
        await screen.press("slash")
        await answered(screen, "Decision")
        check_golden(screen, "journal-kinds")
        await screen.press("enter")
        await screen.settle()
        check_shape(screen, "REPLAY")
        check_golden(screen, "entry")

    on_screen(view_of(story), use, size=size, ports=ports_of(story))


def test_the_end_is_followed_until_one_goes_up() -> None:
    """New entries come in below under the cursor; moved up, it stays; G follows again."""
    story = long_day()

    async def grow(screen: Screen) -> None:
        story.at(2_000).quotes()
        screen.give(in_mode(view_of(story), "SIM"))
        await screen.settle()

    async def use(screen: Screen) -> None:
        await screen.press("0")
        await grow(screen)
        assert pointed(screen) == len(story.envelopes)
        assert "TAIL" in screen.text()
        await screen.press("up", "up")
        held = pointed(screen)
        assert held == len(story.envelopes) - 2
        await grow(screen)
        assert pointed(screen) == held
        assert f"at #{held}" in screen.text() or "at #" in screen.text()
        await screen.press("G")
        await screen.settle()
        assert pointed(screen) == len(story.envelopes)

    view = in_mode(view_of(story), "SIM")
    on_screen(view, use, live=True, state="FOLLOWING", ports=ports_of(story))


@pytest.mark.slow
def test_going_through_all_of_a_journal() -> None:
    """g is the first entry; paging down from there meets every entry once, in order."""
    story = long_day().close()

    async def use(screen: Screen) -> None:
        await screen.press("0", "g")
        await screen.settle()
        assert pointed(screen) == 1
        seen = [1]
        while seen[-1] < len(story.envelopes):
            await screen.press("pagedown")
            await screen.settle()
            assert pointed(screen) > seen[-1]
            seen.append(pointed(screen))
        assert "SessionClosed" in screen.text()

    on_screen(view_of(story), use, ports=ports_of(story), size=(80, 24))


def test_going_to_a_seq_a_time_a_kind_and_nowhere() -> None:
    """o asks; what is no place is said."""
    story = long_day().close()

    async def use(screen: Screen) -> None:
        await screen.press("0", "o")
        await answered(screen, "#100")
        assert pointed(screen) == 100
        await screen.press("o")
        await answered(screen, "09:25:02")
        first = next(one.seq for one in story.envelopes if one.ts >= story.envelopes[0].ts + 1502e9)
        assert pointed(screen) == first
        await screen.press("o")
        await answered(screen, "feedhealth")
        kinds = {one.seq: one.kind for one in story.envelopes}
        assert kinds[pointed(screen)] == "FeedHealthChanged"
        await screen.press("o")
        await answered(screen, "%%")
        assert "That is no place" in screen.lines()[-1]

    on_screen(view_of(story), use, ports=ports_of(story))


def test_causes_and_the_way_back() -> None:
    """Enter opens an entry, c its cause, brackets its neighbours; esc goes back step by step."""
    story = a_day().close()
    made = next(one for one in story.envelopes if one.kind == "DecisionMade")

    async def use(screen: Screen) -> None:
        await screen.press("0", "o")
        await answered(screen, str(made.seq))
        await screen.press("enter")
        assert f"ENTRY #{made.seq}  DecisionMade" in screen.text()
        assert "WARMUP_BARS" in screen.text()
        await screen.press("c")
        await screen.settle()
        assert f"ENTRY #{made.cause}" in screen.text()
        assert "  fact" in screen.text()
        await screen.press("c")
        assert "follows from nothing" in screen.text()
        await screen.press("right_square_bracket")
        assert f"ENTRY #{made.cause + 1}" in screen.text()
        await screen.press("left_square_bracket", "escape", "escape", "escape")
        assert f"ENTRY #{made.seq}  DecisionMade" in screen.text()
        await screen.press("o")
        await answered(screen, "3")
        assert "ENTRY #3" in screen.text()
        await screen.press("o")
        await answered(screen, "99999")
        assert "only a #seq" in screen.text()
        await screen.press("escape", "escape")
        assert pointed(screen) == made.seq
        await screen.press("c")
        await screen.settle()
        assert pointed(screen) == made.cause

    on_screen(view_of(story), use, ports=ports_of(story))


def test_a_kind_of_another_release_is_a_raw_row_and_counted() -> None:
    """An unknown kind and a newer version of a known one: shown raw, counted, no crash."""
    story = a_day()
    last = story.envelopes[-1]
    for number, (kind, version) in enumerate((("NeverHeardOf", 1), ("TimerTick", 99)), 1):
        seq = last.seq + number
        changed = msgspec.structs.replace(last, seq=seq, cause=seq, kind=kind, version=version)
        story.envelopes.append(changed)

    async def use(screen: Screen) -> None:
        await screen.press("0")
        await screen.settle()
        assert "✗ 2 cannot be read" in screen.text()
        assert "NeverHeardOf" in screen.text()
        await screen.press("enter")
        assert "VERSION_TOO_NEW" in screen.text() or "✗ cannot be read" in screen.text()
        check_shape(screen, "REPLAY")

    on_screen(view_of(story), use, ports=ports_of(story))


def test_without_a_reader_it_says_so() -> None:
    """A screen that was given no journal says that, and every key still answers."""

    async def use(screen: Screen) -> None:
        await screen.press("0", "g", "G", "c", "enter", "down")
        assert "given no journal" in screen.text()

    on_screen(view_of(a_day()), use)
