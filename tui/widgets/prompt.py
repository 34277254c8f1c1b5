"""The line in which a person answers.

Lives here: ``Prompt``. May import: textual, tui.theme. Always holds: it stands in the last row in
place of the key bar, takes the keys while it is there, and gives them back whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tui.fmt import clean
from tui.widgets.line import Lines


class Prompt(Horizontal):
    """A label and an input; hidden until ``ask``."""

    DEFAULT_CSS = """
    Prompt { height: 1; width: 1fr; display: none; }
    Prompt.-shown { display: block; }
    Prompt Lines { width: auto; min-width: 4; }
    Prompt Input {
        height: 1; width: 1fr; border: none; padding: 0; background: $surface; color: $foreground;
    }
    """

    class Closed(Message):
        """The person answered or went back: the keys belong to the panes again."""

    class Changed(Message):
        """The line is another one, and still being typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self._label = Lines("prompt-label")
        self._input = _Line()
        self._done: Callable[[str], None] | None = None

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._input

    @property
    def is_open(self) -> bool:
        """Whether somebody is asked."""
        return self._done is not None

    def ask(self, label: str, done: Callable[[str], None], initial: str = "") -> None:
        """Show the label and wait; ``done`` gets the line once enter is pressed."""
        shown = f" {clean(label)} "
        self._done = done
        self._label.styles.width = len(shown)
        self._label.show((((shown, "title"),),))
        self._input.value = initial
        self._input.cursor_position = len(initial)
        self.add_class("-shown")
        self._input.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What is typed may be looked at while it is typed."""
        event.stop()
        if self.is_open:
            self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: the line goes to who asked."""
        event.stop()
        done = self._close()
        if done is not None:
            done(event.value.strip())

    def give_up(self) -> None:
        """Nobody is answered, and nobody is asked any more."""
        if self.is_open:
            self._close()

    def _close(self) -> Callable[[str], None] | None:
        done, self._done = self._done, None
        self.remove_class("-shown")
        self.post_message(self.Closed())
        return done


class _Line(Input):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    def __init__(self) -> None:
        super().__init__(id="prompt-input", compact=True)
        self.cursor_blink = False

    def action_give_up(self) -> None:
        """See ``Prompt.give_up``."""
        parent = self.parent
        assert isinstance(parent, Prompt)
        parent.give_up()
