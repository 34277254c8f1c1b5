"""How a room's error becomes one line for a person."""

from __future__ import annotations

import pytest

from cli.errors import EXIT_COULD_NOT_RUN, UserError, one_line, told_as_user_error


def test_a_message_is_one_line() -> None:
    """Line breaks, tabs and runs of blanks become one space each."""
    assert one_line("  no\n  such\tsession \n") == "no such session"


def test_a_named_error_keeps_its_message_and_its_cause() -> None:
    """The kind that the verb expects becomes a UserError with exit 2."""
    with (
        pytest.raises(UserError, match="half a file") as caught,
        told_as_user_error(ValueError, KeyError),
    ):
        raise ValueError("half a file")
    assert caught.value.exit_code == EXIT_COULD_NOT_RUN
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_that_was_not_named_passes() -> None:
    """A bug is not told as the person's mistake."""
    with pytest.raises(ZeroDivisionError), told_as_user_error(ValueError):
        raise ZeroDivisionError
