"""Asking for the mode's word before a dangerous command.

Lives here: ``give_with_word``. May import: textual's messages through ``pane``, tui's view models.
Always holds: a wrong word gives nothing and says so. Start reading at ``give_with_word``.
"""

from __future__ import annotations

import msgspec

from tui.ports import Answer, Command
from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.halt import confirm_word


def nothing_more(answer: Answer) -> None:
    """For a command whose answer the app tells and nobody else waits for."""


def give_with_word(pane: Pane, frame: Frame, label: str, command: Command) -> None:
    """Ask for the word of the session's mode; only the exact word gives the command."""
    word = confirm_word(frame)

    def typed(text: str) -> None:
        if text != word:
            pane.post_message(Pane.Says(f"that is not {word}: nothing was done"))
            return
        pane.post_message(Pane.Gives(msgspec.structs.replace(command, word=word), nothing_more))

    pane.post_message(Pane.Asks(f"{label} Type {word}:", typed))
