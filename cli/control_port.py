"""The screen's way to the engine that runs: the same requests, words and answers as the verbs.

Lives here: ``EngineControl``, and for which session there is one. May import: ``cli``,
``adapters.control``, tui's ports. Always holds: a command is asked once and answered by one line,
the one that its verb prints; a halt that the socket does not answer in time is left as a kill file;
a session that this desk does not run has no control. Start reading at ``EngineControl.give``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from adapters.control.client import COMMAND_DEADLINE_S, ControlError, NoEngine, ask
from adapters.control.place import runtime_folders
from adapters.control.protocol import PENDING, CommandAnswer, CommandRequest
from cli.errors import UserError
from cli.kill_files import leave_kill_files
from cli.options import Common
from cli.paths import sessions_folder
from cli.verbs.operate import answer_line, pending_line, request_of, unanswered_line
from engine.commands import kept
from tui.ports import Answer, Command, Outcome

HALT: Final = "HALT"
HALT_DEADLINE_S: Final = 1.5
"""A halt waits no longer for the socket: the file is there before the screen says NOT CONFIRMED."""


def control_of(common: Common, folder: Path) -> EngineControl | None:
    """The control of a session that an engine of this very desk runs; None for any other."""
    here = sessions_folder(common.home, common.desk).resolve()
    return EngineControl(common) if folder.resolve().parent == here else None


class EngineControl:
    """The operator's end of the desk's control socket (``tui.ports.Control``)."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._folders = runtime_folders(common.home, common.desk)

    def give(self, command: Command) -> Answer:
        """Give a command and wait for what became of it. Never raises."""
        why = kept(command.why)
        try:
            request = request_of(
                command.verb, command.subject, command.value, why, command.word, None
            )
        except UserError as error:
            return Answer("REFUSED", str(error), None)
        deadline_s = HALT_DEADLINE_S if command.verb == HALT else COMMAND_DEADLINE_S
        try:
            answer = ask(self._folders, request, deadline_s)
        except ControlError as error:
            return self._unanswered(command, error)
        return _told(request, answer)

    def _unanswered(self, command: Command, error: ControlError) -> Answer:
        halt = command.verb == HALT
        if halt:
            left, failed = leave_kill_files(
                self._common, self._folders, command.value, kept(command.why)
            )
            if left:
                text = f"{_short(error)}; the kill file is left at {left[0]}"
                return Answer("UNANSWERED", text, None)
            text = f"{_short(error)}; the kill file could be put nowhere ({'; '.join(failed)})"
            return Answer("UNANSWERED", f"{text}: stop the engine's process", None)
        return Answer("UNANSWERED", unanswered_line(self._common.desk, error, halt=False), None)


def _short(error: ControlError) -> str:
    return "no engine answers" if isinstance(error, NoEngine) else str(error)


_OUTCOMES: Final[dict[str, Outcome]] = {
    "ACCEPTED": "ACCEPTED",
    "REFUSED": "REFUSED",
    PENDING: "PENDING",
}


def _told(request: CommandRequest, answer: CommandAnswer) -> Answer:
    outcome = _OUTCOMES.get(answer.outcome, "UNANSWERED")
    if outcome == "PENDING":
        return Answer(outcome, pending_line(request), None)
    return Answer(outcome, answer_line(request.verb, answer), answer.seq)
