"""Asking what became of an order or a position, and giving it as a command.

Lives here: ``ask_fate``. May import: textual's messages through ``pane``, tui's view models. Always
holds: nothing goes out without an answer, the reason where the verb wants one, and the mode's word.
Start reading at ``ask_fate``.
"""

from __future__ import annotations

from tui.ports import Command
from tui.screens.confirm import give_with_word
from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.resolve import NO_WHY, WHY, Doubt, Said, question, said

FROM_HERE = "from the screen"


def ask_fate(pane: Pane, frame: Frame, doubt: Doubt) -> None:
    """Ask what is to be said of it; then why, where that is wanted; then the word."""

    def answered(text: str) -> None:
        found = said(text, doubt)
        if isinstance(found, str):
            pane.post_message(Pane.Says(found))
        elif found.needs_why:
            pane.post_message(Pane.Asks(WHY, lambda why: reasoned(found, why)))
        else:
            give(found, FROM_HERE)

    def reasoned(found: Said, why: str) -> None:
        if why:
            give(found, why)
        else:
            pane.post_message(Pane.Says(NO_WHY))

    def give(found: Said, why: str) -> None:
        command = Command("RESOLVE", found.subject, found.value, why, None)
        give_with_word(pane, frame, f"RESOLVE: {found.sentence}", command)

    pane.post_message(Pane.Asks(question(doubt), answered))
