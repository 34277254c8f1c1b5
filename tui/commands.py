"""What is commanded from this screen: given to the engine, and what became of it.

Lives here: ``CommandsApp``, the app's part for it. May import: textual, tui. Always holds: a
command goes out in a thread of its own, and only where the frame allows one; what became of it is
said and kept, also when the port breaks. Start reading at ``CommandsApp.on_pane_gives``.
"""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod

from textual.message import Message

from tui.given import GivenList
from tui.navigation import NavigationApp
from tui.ports import Answer, Command, Control, Opened, Ports
from tui.screens.pane import Pane, Target
from tui.store import Frame, Store
from tui.view.halt import why_not


class Answered(Message):
    """What became of a command that a pane gave."""

    def __init__(self, number: int, answer: Answer, asked: Pane.Gives) -> None:
        super().__init__()
        self.number = number
        self.answer = answer
        self.asked = asked


class CommandsApp(NavigationApp):
    """The app's way to the engine."""

    def __init__(self, ports: Ports, shown: Opened | None, beside: Store | None) -> None:
        super().__init__(ports, shown, beside)
        self._given = GivenList()

    @abstractmethod
    def _frame(self) -> Frame:
        """What is known now."""

    def on_pane_gives(self, message: Pane.Gives) -> None:
        """A command goes to the engine at once, in a thread of its own: one that hangs holds up
        neither the screen nor the next command."""
        frame = self._frame()
        no = why_not(frame, self._ports.control)
        if no is not None or self._ports.control is None:
            self._say(no or "")
            return
        given = self._given.begin(message.command, frame.view.seq, frame.mono_ns)
        work = (self._ports.control, given.number, message)
        threading.Thread(target=self._give, args=work, name="give", daemon=True).start()
        self._say(f"{message.command.verb}: sent")

    def _give(self, control: Control, number: int, message: Pane.Gives) -> None:
        answer = _answer_of(control, message.command)
        with contextlib.suppress(RuntimeError):  # the screen was closed while the engine thought
            self.post_message(Answered(number, answer, message))

    def on_answered(self, message: Answered) -> None:
        """What became of a command."""
        self._given.end(message.number, message.answer)
        self._say(message.answer.text)
        message.asked.done(message.answer)
        self._repaint()

    def action_halt(self) -> None:
        """The kill switch, from wherever one is: its first level goes out with one more key."""
        self._leave_past()  # whoever halts looks at what is
        self._prompt.give_up()
        # The focus goes at once: the next key must not end in a line that is being typed.
        self.screen.set_focus(None)
        if self._place == "halt":
            self._activate("halt", None)
        self._go("halt")
        self._panes["halt"].look_at(Target("halt"))
        self._repaint()


def _answer_of(control: Control, command: Command) -> Answer:
    """The port's answer; one that breaks has told nothing, and the person hears so."""
    try:
        return control.give(command)
    except (OSError, ValueError, RuntimeError) as error:
        text = f"{command.verb}: {type(error).__name__}: {error}: it may have gone out"
        return Answer("UNANSWERED", text, None)
