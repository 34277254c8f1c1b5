"""A LIVE session without resting stops: only by a word of its own, with who and why.

Lives here: what is asked before such a session begins, and the command that says it to the core.
May import: ``cli``, engine.commands, adapters.control's names. Always holds: the setting alone
waives nothing; a word that is given where nothing is waived is refused, and so is a wrong one.
Start reading at ``waiver_of``.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import Final

from adapters.control.place import login_of
from cli.errors import UserError
from engine.commands import STOP_SETTING, WAIVE, kept
from engine.config import Config
from events.session import OperatorCommand

WAIVER: Final = "WAIVER"

_NOBODY: Final = (
    f"{STOP_SETTING} is false: give --confirm-waiver {WAIVER} and --why TEXT, or a terminal to type"
    " them"
)


def waiver_of(config: Config, word: str | None, why: str | None) -> OperatorCommand | None:
    """The waiver of a session of ``config``, from what was given or is typed now; None where it
    keeps its stops. Raises ``UserError``: then nothing begins."""
    if config.orders.protective_stop:
        if word is not None or why is not None:
            raise UserError(
                f"{STOP_SETTING} is true, so nothing is waived: leave --confirm-waiver and --why"
                " out"
            )
        return None
    if word is None:
        word = typed(
            f"{STOP_SETTING} is false: no stop rests at the broker for what is bought."
            f" Type {WAIVER} to begin so: ",
            _NOBODY,
        )
    if word != WAIVER:
        raise UserError(f"'{word}' is not {WAIVER}: nothing was begun")
    if why is None:
        why = typed("Why: ", _NOBODY)
    if not why.strip():
        raise UserError("a waiver is journaled with its reason: give --why TEXT")
    id_ = f"w{secrets.token_hex(8)}"
    return OperatorCommand(WAIVE, login_of(os.getuid()), kept(why), STOP_SETTING, None, id_, "NONE")


def words_of(waiver: OperatorCommand | None) -> tuple[str, ...]:
    """What gives the same waiver to another ``axiom run``."""
    return () if waiver is None else ("--confirm-waiver", WAIVER, "--why", waiver.why)


def typed(question: str, nobody: str) -> str:
    """What a person answers at the terminal. Raises ``UserError(nobody)`` where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(nobody)
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
