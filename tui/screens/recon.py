"""Reconciliation: the verdict, the differences with what to do, the broker's books.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.places import EVERYWHERE
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.recon import (
    detail,
    differences_table,
    orders_table,
    positions_table,
    rows_of,
    verdict_lines,
)
from tui.view.text import wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 2


class ReconPane(Pane):
    """Do our books and the broker's agree?"""

    place = "recon"
    DEFAULT_CSS = """
    #recon-verdict, #recon-detail { height: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="recon")
        self._verdict = Lines("recon-verdict")
        self._differences = LiveGrid("recon-differences")
        self._detail = Lines("recon-detail")
        self._positions = LiveGrid("recon-positions")
        self._orders = LiveGrid("recon-orders")

    def compose(self) -> ComposeResult:
        yield self._verdict
        yield self._differences
        yield self._detail
        yield self._positions
        yield self._orders

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        self._verdict.show(verdict_lines(frame), faded=faded)
        self._differences.show(differences_table(frame), faded=faded)
        text = detail(frame, self._differences.cursor_key)
        rows = wrap(text, max(self.size.width - 4, 10), DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (row, "text")) for row in rows), faded=faded)
        self._positions.show(positions_table(frame), faded=faded)
        self._orders.show(orders_table(frame), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The journal's entry of the chosen difference; of the books, their own."""
        if "journal" not in EVERYWHERE:
            return None
        books = frame.view.watch.books
        if not self._differences.has_focus:
            return None if books is None else Target("journal", seq=books.seq)
        key = self._differences.cursor_key
        chosen = (r for r in rows_of(frame) if ("difference", r.reason, r.subject) == key)
        row = next(chosen, None)
        return None if row is None else Target("journal", seq=row.seq)
