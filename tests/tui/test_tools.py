"""Filter, sort, copy, export, theme and the layout kept, by their keys on a pretended terminal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from tests.projections.live.story import a_day
from tests.tui.screen import Screen, on_screen, view_of
from tui.kept import kept_of
from tui.ports import Ports
from tui.theme import DARK, LIGHT, LOOKS
from tui.view.shaping import Shaping
from tui.widgets.grid import LiveGrid


class HandMemory:
    """A memory that can be looked into; ``fault`` makes every writing fail."""

    def __init__(self, kept: Mapping[str, str] | None = None, fault: str | None = None) -> None:
        self.kept = dict(kept or {})
        self.files: dict[str, str] = {}
        self.fault = fault

    def load(self) -> Mapping[str, str]:
        return self.kept

    def keep(self, kept: Mapping[str, str]) -> None:
        if self.fault is not None:
            raise OSError(28, self.fault)
        self.kept = dict(kept)

    def export(self, name: str, text: str) -> str:
        if self.fault is not None:
            raise OSError(28, self.fault)
        self.files[name] = text
        return f"/exports/{name}"


async def said(screen: Screen, words: str) -> None:
    """Until a line with these words stands in the last row: files are written by a thread."""
    async with asyncio.timeout(20):
        while words not in screen.lines()[-1]:
            await screen.pilot.pause(0.01)


def reasons(screen: Screen) -> LiveGrid:
    return screen.app.query_one("#reasons", LiveGrid)


async def typed(screen: Screen, text: str) -> None:
    """Answer the filter's question."""
    await screen.press("slash")
    screen.app._prompt._input.insert_text_at_cursor(text)
    await screen.press("enter")


def test_a_filter_is_asked_shown_and_cleared() -> None:
    """/ asks, the title shows it, esc gives all rows back before it goes anywhere."""

    async def use(screen: Screen) -> None:
        await screen.press("b")
        rows = len(reasons(screen).table.rows)
        await typed(screen, "n:>9 spread")
        assert "filter: n:>9 spread  1 of" in screen.text()
        assert "WARMUP_BARS" not in screen.text()
        await screen.press("1", "b")
        assert len(reasons(screen).table.rows) == 1  # it stays
        await screen.press("escape")
        assert len(reasons(screen).table.rows) == rows
        assert "BLOCKED TODAY" in screen.text()
        await screen.press("escape")
        assert "CAN IT TRADE?" in screen.text()

    on_screen(view_of(a_day()), use)


def test_home_clears_its_filter_too() -> None:
    """On the first pane, where esc leads nowhere, it clears the filter."""

    async def use(screen: Screen) -> None:
        await typed(screen, "bank")
        assert "1 of 2" in screen.text()
        await screen.press("escape")
        assert "filter" not in screen.lines()[3]

    on_screen(view_of(a_day()), use)


def test_sorting_by_key() -> None:
    """s goes from column to column, S turns round, both in the title; the cursor is at the top."""

    async def use(screen: Screen) -> None:
        await screen.press("b", "S")
        assert "Nothing is sorted" in screen.text()
        grid = reasons(screen)
        titles = [column.title for column in grid.table.columns]
        at = titles.index("N")
        await screen.press("down", *("s" for title in titles[: at + 1] if title))
        assert "by N ▲" in screen.text()
        counts = [int(row.cells[at][0].replace(",", "")) for row in grid.table.rows]
        assert counts == sorted(counts)
        assert grid.row == grid.table.rows[0]
        await screen.press("S")
        assert "by N ▼" in screen.text()

    on_screen(view_of(a_day()), use)


def test_copy_and_export_say_where_it_is() -> None:
    """y and Y reach the clipboard and a file, e two files; all is what stands in the table."""
    memory = HandMemory()

    async def use(screen: Screen) -> None:
        await screen.press("b", "y")
        await said(screen, "/exports/blocked-row.txt")
        assert "  BLOCKED BY " in screen.app._clipboard
        await screen.press("Y")
        await said(screen, "/exports/blocked-row.json")
        assert json.loads(screen.app._clipboard)["BLOCKED BY"] in screen.text()
        assert memory.files["blocked-row.json"].strip() == screen.app._clipboard
        await screen.press("e")
        await said(screen, "Exported")
        assert "/exports/blocked-reasons.csv" in screen.lines()[-1]
        rows = memory.files["blocked-reasons.jsonl"].splitlines()
        assert len(rows) == len(reasons(screen).table.rows)

    on_screen(view_of(a_day()), use, ports=Ports(memory=memory))


def test_nothing_to_copy_and_nowhere_to_write_are_said() -> None:
    """An empty table, no memory at all, and one that cannot write: a line each."""

    async def use(screen: Screen) -> None:
        await screen.press("y")
        assert "no place for files" in screen.text()

    async def full(screen: Screen) -> None:
        await screen.press("e")
        await said(screen, "no file: disk is full")
        await screen.press("T")
        await said(screen, "not kept: disk is full")

    on_screen(view_of(a_day()), use)
    on_screen(view_of(a_day()), full, ports=Ports(memory=HandMemory(fault="disk is full")))


def test_the_theme_is_switched_everywhere() -> None:
    """T repaints every line in the other palette, the text stays the same."""

    async def use(screen: Screen) -> None:
        was = screen.text()
        for dark in (False, True):
            await screen.press("T")
            assert screen.app.theme == (DARK if dark else LIGHT)
            assert screen.text() == was
            ground = LOOKS[dark].styles["text"].bgcolor
            strips = screen.app.screen._compositor.render_strips()
            for at in (1, 3, 4, 6, -1):  # lamps, a table's head, rows without the cursor, keys
                assert {part.style.bgcolor for part in strips[at] if part.style} == {ground}

    on_screen(view_of(a_day().close()), use)


def test_the_layout_is_kept_and_comes_back() -> None:
    """Theme, filter, sort and the last place are there the next time."""
    memory = HandMemory()

    async def first(screen: Screen) -> None:
        await screen.press("b", "T", "s")
        await typed(screen, "spread")
        await screen.press("q")

    async def then(screen: Screen) -> None:
        assert screen.app._place == "blocked"
        assert screen.app.theme == LIGHT
        assert reasons(screen).shaping == Shaping(
            "spread", next(c.title for c in reasons(screen).table.columns if c.title)
        )
        assert "filter: spread" in screen.text()

    on_screen(view_of(a_day()), first, ports=Ports(memory=memory))
    assert kept_of(memory.kept)[0].place == "blocked"
    on_screen(view_of(a_day()), then, ports=Ports(memory=memory))


def test_a_broken_layout_is_said_and_ignored() -> None:
    """A memory that could not be read costs one line."""

    async def use(screen: Screen) -> None:
        assert "not used: screen.json is broken" in screen.text()
        assert screen.app._place == "home"

    memory = HandMemory({"fault": "screen.json is broken"})
    on_screen(view_of(a_day()), use, ports=Ports(memory=memory))
