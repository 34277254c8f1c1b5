"""The palette: every key of the pane by its words, and the command line's verbs."""

from __future__ import annotations

from tests.projections.live.story import a_day
from tests.tui.screen import Screen, on_screen, view_of
from tests.tui.test_app import check_shape
from tui.places import EVERYWHERE
from tui.ports import Ports
from tui.theme import LIGHT
from tui.view.palette import keys_of, palette_table

VERBS = (("sessions", "the sessions of a desk"), ("verify", "check the chain"))


async def typed(screen: Screen, text: str) -> None:
    await screen.press("colon")
    screen.app._prompt._input.insert_text_at_cursor(text)
    await screen.settle()


def test_it_offers_what_the_key_table_has() -> None:
    """On every pane: all of its keys and all verbs; words narrow it in any order."""
    for place in EVERYWHERE:
        table = palette_table(place, "", VERBS)
        assert len(table.rows) == len(keys_of(place)) + len(VERBS)
        assert [row.key for row in palette_table(place, "CHAIN check", VERBS).rows] == [
            ("verb", "verify")
        ]
    assert palette_table("home", "zzz", VERBS).rows == ()


def test_typing_finds_and_enter_does() -> None:
    """A pane is shown, an action done on the pane it was opened from, a verb told."""

    async def use(screen: Screen) -> None:
        await typed(screen, "blocked trades today")
        check_shape(screen, "REPLAY")
        assert "COMMANDS  1 of" in screen.text()
        await screen.press("enter")
        await screen.settle()
        assert "BLOCKED TODAY" in screen.text()
        await typed(screen, "theme")
        await screen.press("enter")
        await screen.settle()
        assert screen.app.theme == LIGHT
        assert "BLOCKED TODAY" in screen.text()
        await typed(screen, "verify")
        await screen.press("enter")
        assert "axiom verify --help" in screen.lines()[-1]
        await typed(screen, "zzz")
        await screen.press("enter")
        assert "Nothing is called 'zzz'" in screen.lines()[-1]

    on_screen(view_of(a_day()), use, ports=Ports(verbs=VERBS))


def test_arrows_choose_and_escape_changes_nothing() -> None:
    """Down moves in the list while one types; esc is back where one was."""

    async def use(screen: Screen) -> None:
        await screen.press("b")
        await typed(screen, "")
        first = screen.app._palette.chosen
        await screen.press("down")
        assert screen.app._palette.chosen != first
        await screen.press("escape")
        await screen.settle()
        assert "BLOCKED TODAY" in screen.text()
        assert not screen.app._prompt.is_open

    on_screen(view_of(a_day()), use, size=(80, 24))


def test_halting_works_from_the_palette() -> None:
    """ctrl+k while a command is being typed leads to the switch."""

    async def use(screen: Screen) -> None:
        await typed(screen, "thi")
        await screen.press("ctrl+k")
        await screen.settle()
        assert not screen.app._prompt.is_open
        assert screen.app._place == "halt"

    on_screen(view_of(a_day()), use)
