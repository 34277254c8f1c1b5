"""One entry of the journal: its payload as named fields.

Lives here: the pane. May import: textual, tui's view models and widgets. Always holds: going from
entry to entry can be gone back.
"""

from __future__ import annotations

from textual.app import ComposeResult

from events.envelope import Envelope
from tui.entries import Entries, Wish
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.entry import fields_table
from tui.view.goto import UNKNOWN_PLACE, goal_of
from tui.widgets.grid import LiveGrid

TRAIL_KEPT = 200


class EntryPane(Pane):
    """Everything an entry says; ``c`` leads to the fact it follows from."""

    place = "entry"

    def __init__(self, entries: Entries | None) -> None:
        super().__init__(id="entry")
        self._entries = entries
        self._grid = LiveGrid("entry-fields")
        self._seq = 0
        self._entry: Envelope | None = None
        self._trail: list[int] = []

    def compose(self) -> ComposeResult:
        yield self._grid

    def look_at(self, target: Target) -> None:
        """Show this entry; the way back within the pane begins here."""
        if target.seq is not None:
            self._trail.clear()
            self._show(target.seq)

    def _show(self, seq: int) -> None:
        self._seq = seq
        self._entry = None
        self.crumb = f"> #{seq}"

    def _step_to(self, seq: int) -> None:
        self._trail = [*self._trail[-TRAIL_KEPT:], self._seq]
        self._show(seq)

    def back(self) -> bool:
        """To the entry before on the way here."""
        if self._trail:
            self._show(self._trail.pop())
            return True
        return False

    def target(self, frame: Frame) -> Target | None:
        """The entry itself."""
        return Target("entry", seq=self._seq) if self._seq else None

    def stirred(self) -> bool:
        """The entry has been read."""
        return self._entry is None and self._found() is not None

    def _found(self) -> Envelope | None:
        page = None if self._entries is None else self._entries.page()
        if page is None:
            return None
        return next((one for one in page.entries if one.seq == self._seq), None)

    def paint(self, frame: Frame) -> None:
        if self._entry is None:
            self._entry = self._found()
            if self._entry is None and self._entries is not None:
                self._entries.ask(Wish(self._seq, max(frame.view.seq, self._seq)))
            elif self._entry is not None:
                self._grid.jump(0)
        self._grid.show(fields_table(self._entry))

    def do(self, action: str, frame: Frame) -> None:
        """``cause``, ``before``, ``after``, ``goto``: another entry."""
        if action == "goto":
            self.post_message(self.Asks("go to", lambda text: self._go_to(text, frame)))
            return
        seq = self._seq + (1 if action == "after" else -1)
        if action == "cause":
            if self._entry is None or self._entry.is_fact:
                self.post_message(self.Says("A fact follows from nothing in the journal."))
                return
            seq = self._entry.cause
        if 1 <= seq <= frame.view.seq:
            self._step_to(seq)
        else:
            self.post_message(self.Says("There is no entry beyond this one."))

    def _go_to(self, text: str, frame: Frame) -> None:
        goal = goal_of(text, frame.view.ts)
        if goal is None:
            self.post_message(self.Says(UNKNOWN_PLACE))
        elif goal.seq is not None and 1 <= goal.seq <= frame.view.seq:
            self._step_to(goal.seq)
        else:
            self.post_message(self.Says("Here only a #seq of this session can be gone to."))
