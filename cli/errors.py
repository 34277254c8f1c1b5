"""How a verb ends: its exit code, and the one line a person reads when it could not run.

Lives here: exit codes, ``UserError`` and its kinds, ``told_as_user_error``. May import: nothing.
Always holds: a message is one line that says what to do next. Start reading at ``UserError``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EXIT_GOOD: Final = 0
"""Done, and the answer is good."""

EXIT_BAD: Final = 1
"""Done, and the answer is bad: corrupt, diverged, not ready, refused."""

EXIT_COULD_NOT_RUN: Final = 2
"""Could not run; one line on standard error says what to do."""


class UserError(Exception):
    """Something the person at the keyboard can put right: bad input, a missing file, no session.

    The message is shown after ``axiom: `` on standard error and the program exits with
    ``exit_code``. Write it as one line: what was wrong, then what to do.
    """

    def __init__(self, message: str, *, exit_code: int = EXIT_COULD_NOT_RUN) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(UserError):  # noqa: N818 - named for what happened
    """Stopped from the keyboard, with what was left and how to go on from it."""


def one_line(text: str) -> str:
    """``text`` with every run of whitespace, line breaks included, as one space."""
    return " ".join(text.split())


@contextmanager
def told_as_user_error(*kinds: type[Exception]) -> Iterator[None]:
    """Turn a room's own errors about bad input into ``UserError``, message kept.

    A verb names the kinds it expects (``JournalError``, ``MarketError``, …); any other error is a
    bug and passes. An error that says that something is damaged is an answer, and a bad one.
    """
    try:
        yield
    except kinds as error:
        raise UserError(str(error), exit_code=exit_code_of(error)) from error


def exit_code_of(error: Exception) -> int:
    """``EXIT_BAD`` for a room's error about damage (its ``damage`` is true), else 2."""
    return EXIT_BAD if getattr(error, "damage", False) else EXIT_COULD_NOT_RUN
