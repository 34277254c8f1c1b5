"""The journal: its entries in order, newest last.

Lives here: the pane and its grid. May import: textual, tui's view models and widgets. Always holds:
only a page around the cursor is in memory; at the end it follows the session; reading is done
elsewhere, and what is shown stays until it is there.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.message import Message

from events.envelope import Envelope
from tui import fmt
from tui.entries import Entries, Page, Wish
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.entry import entries_table
from tui.view.goto import UNKNOWN_PLACE, goal_of
from tui.view.shaping import Shaping
from tui.view.text import Row, Table
from tui.widgets.grid import LiveGrid

NEAR_ROWS = 60
"""So close to an end of the page the next one is asked for."""
NO_READER = "This screen was given no journal to read from."


class EntryGrid(LiveGrid):
    """A grid over a page: its ends are those of the journal, its filter is by kind."""

    class Ended(Message):
        """The first (0) or last (-1) entry is wanted."""

        def __init__(self, to: int) -> None:
            super().__init__()
            self.to = to

    class Chosen(Message):
        """Other kinds are wanted."""

    def jump(self, to: int) -> None:
        """To an end of the journal, not of the page."""
        self.post_message(self.Ended(to))

    def reshape(self, shaping: Shaping) -> None:
        """The words choose kinds where the journal is read; nothing is sorted."""
        self._shaping = Shaping(shaping.words)
        self.post_message(self.Chosen())

    def show(self, table: Table, *, faded: bool = False) -> None:
        """Show a page as it was read."""
        shaping, self._shaping = self._shaping, Shaping()
        super().show(table, faded=faded)
        self._shaping = shaping

    def _title_text(self) -> str:
        return self._table.title


class JournalPane(Pane):
    """Entries, decoded where they are seen."""

    place = "journal"

    def __init__(self, entries: Entries | None) -> None:
        super().__init__(id="journal")
        self._entries = entries
        self._grid = EntryGrid("journal-entries")
        self._wish: Wish | None = None
        """Where one looks; None is the end, wherever that is."""
        self._shown: Page | None = None
        self._point_at: int | None = None
        self._rows: dict[int, Row] = {}

    def compose(self) -> ComposeResult:
        yield self._grid

    def stirred(self) -> bool:
        """A page has been read."""
        return self._entries is not None and self._entries.page() is not self._shown

    def look_at(self, target: Target) -> None:
        """Point at an entry."""
        if target.seq is not None:
            self._look(Wish(target.seq, target.seq))

    def _look(self, wish: Wish) -> None:
        self._wish = wish
        self._point_at = 0
        self._grid._shaping = Shaping() if wish.find is None else self._grid.shaping

    @property
    def _kinds(self) -> tuple[str, ...]:
        return tuple(self._grid.shaping.words.split())

    # --- painting ------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> None:
        if self._entries is None:
            self._grid.show(entries_table("JOURNAL", (), NO_READER, self._rows))
            return
        wish = self._wanted(frame.view.seq, past=frame.as_of is not None)
        self._entries.ask(wish)
        self._shown = page = self._entries.page()
        if page is None or page.wish.kinds != wish.kinds or (
            self._wish is not None and page.wish != wish
        ):  # fmt: skip
            if not self._grid.table.rows:
                self._grid.show(
                    entries_table("JOURNAL", (), "the journal is being read", self._rows)
                )
            return
        self._grid.show(self._table(page, frame), faded=frame.no_data)
        self._point(page)

    def _wanted(self, last_seq: int, *, past: bool) -> Wish:
        if self._wish is None:
            return Wish(last_seq, last_seq, self._kinds)
        was = self._wish
        # The wish stays the same while the session grows, or each frame would read anew.
        end = max(was.last_seq, last_seq) if was.last_seq <= was.seq else was.last_seq
        if past:
            end = last_seq
        self._wish = Wish(was.seq, end, self._kinds, was.ts, was.find)
        return self._wish

    def _table(self, page: Page, frame: Frame) -> Table:
        where = "TAIL" if self._wish is None else f"at #{page.at_seq}"
        title = f"JOURNAL  {where}  of {fmt.group_indian(frame.view.seq)}"
        if page.wish.kinds:
            title += f"  kinds: {' '.join(page.wish.kinds)}"
        bad = frame.view.unreadable
        if bad:
            title += f"  ✗ {fmt.group_indian(bad)} cannot be read by this release"
        if page.fault is not None:
            title += f"  ✗ {page.fault}"
        return entries_table(title, page.entries, "no entry of these kinds is near", self._rows)

    def _point(self, page: Page) -> None:
        """The cursor to the wished entry once, then wherever the person takes it."""
        if not page.entries:
            return
        if self._wish is None:
            self._grid.point_at(len(page.entries) - 1)
        elif self._point_at is not None and self._grid.size.height:
            at = (n for n, one in enumerate(page.entries) if one.seq >= page.at_seq)
            self._grid.point_at(next(at, len(page.entries) - 1))
            self._point_at = None

    # --- moving --------------------------------------------------------------------------------

    def on_live_grid_pointed(self) -> None:
        """Near an end of the page the next one is asked for; off the end nothing is followed."""
        page, entry = self._shown, self._pointed()
        if page is None or entry is None or not page.entries:
            return
        if self._wish is None:
            if entry.seq != page.entries[-1].seq:
                self._wish = Wish(entry.seq, page.wish.last_seq, page.wish.kinds)
            return
        at = self._grid.table.rows.index(self._grid.row) if self._grid.row else 0
        near_start = at < NEAR_ROWS and page.entries[0].seq > 1
        near_end = at >= len(page.entries) - NEAR_ROWS
        if (near_start or near_end) and entry.seq != self._wish.seq:
            self._wish = Wish(entry.seq, entry.seq, page.wish.kinds)

    def on_entry_grid_ended(self, message: EntryGrid.Ended) -> None:
        """To the first entry, or to the last and with it."""
        self._wish = Wish(1, 1) if message.to == 0 else None
        self._point_at = 0
        self.post_message(self.Resized())

    def on_entry_grid_chosen(self) -> None:
        """Other kinds: the same place."""
        self._point_at = 0
        self.post_message(self.Resized())

    def _pointed(self) -> Envelope | None:
        key = self._grid.cursor_key
        page = self._shown
        if page is None or not isinstance(key, tuple):
            return None
        return next((one for one in page.entries if one.seq == key[1]), None)

    def do(self, action: str, frame: Frame) -> None:
        """``cause``: the entry that this one follows from; ``goto``: a place that is asked for."""
        entry = self._pointed()
        if action == "goto":
            self.post_message(self.Asks("go to", lambda text: self._go_to(text, frame)))
        elif entry is None or entry.is_fact:
            self.post_message(self.Says("A fact follows from nothing in the journal."))
        else:
            self._look(Wish(entry.cause, entry.cause))

    def _go_to(self, text: str, frame: Frame) -> None:
        goal = goal_of(text, frame.view.ts)
        entry = self._pointed()
        here = entry.seq if entry is not None else frame.view.seq
        if goal is None:
            self.post_message(self.Says(UNKNOWN_PLACE))
        elif goal.seq is not None:
            self._look(Wish(goal.seq, goal.seq))
        else:
            self._look(Wish(here, here, self._kinds, goal.ts, goal.kind))

    def target(self, frame: Frame) -> Target | None:
        """What the entry says."""
        entry = self._pointed()
        return None if entry is None else Target("entry", seq=entry.seq)
