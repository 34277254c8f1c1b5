"""A LIVE session without resting stops begins by a word of its own, with who and why, or not."""

from __future__ import annotations

import io

import pytest

from adapters.control.place import login_of
from cli.errors import UserError
from cli.waiver import waiver_of, words_of
from engine.commands import LIVE, checked
from engine.config import DEFAULTS, Config, merge

WAIVES: Config = merge(DEFAULTS, {"orders": {"protective_stop": False}})
WHY = "stops are kept at another desk"


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, text: str) -> io.StringIO:
    """What is typed when asked; gives what was shown."""
    shown = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(text))
    monkeypatch.setattr("sys.stderr", shown)
    return shown


def test_a_waiver_says_who_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given or typed it is the same command, one that the core takes; and it can be handed on."""
    monkeypatch.setattr("cli.waiver.os.getuid", lambda: 0)
    given = waiver_of(WAIVES, "WAIVER", WHY)
    assert given is not None
    assert (given.who, given.why) == (login_of(0), WHY)
    assert checked(given, LIVE, halted=False) is None
    shown = at_terminal(monkeypatch, f"WAIVER\n{WHY}\n")
    asked = waiver_of(WAIVES, None, None)
    assert asked is not None
    assert (asked.verb, asked.subject, asked.why) == (given.verb, given.subject, WHY)
    assert asked.command_id != given.command_id
    assert "no stop rests" in shown.getvalue()
    assert words_of(given) == ("--confirm-waiver", "WAIVER", "--why", WHY)
    odd = waiver_of(WAIVES, "WAIVER", "a\x1b[2Jb" + "x" * 900)
    assert odd is not None
    assert checked(odd, LIVE, halted=False) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n", "is not WAIVER"),
        ("LIVE\n", "is not WAIVER"),
        ("waiver\n", "is not WAIVER"),
        ("WAIVER\n \n", "with its reason"),
    ],
)
def test_a_wrong_word_begins_nothing(monkeypatch: pytest.MonkeyPatch, text: str, line: str) -> None:
    """One line; no word is not the word, and no reason is none."""
    at_terminal(monkeypatch, text)
    with pytest.raises(UserError, match=line):
        waiver_of(WAIVES, None, None)


def test_without_a_terminal_it_has_to_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Word and reason, both."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"WAIVER\n{WHY}\n"))
    for word, why in ((None, None), (None, WHY), ("WAIVER", None)):
        with pytest.raises(UserError, match="give --confirm-waiver WAIVER and --why TEXT"):
            waiver_of(WAIVES, word, why)


def test_where_stops_rest_nothing_is_asked_and_no_word_is_taken() -> None:
    """A word for what is not waived was meant for another configuration."""
    assert waiver_of(DEFAULTS, None, None) is None
    assert words_of(None) == ()
    for word, why in (("WAIVER", None), (None, WHY)):
        with pytest.raises(UserError, match="nothing is waived"):
            waiver_of(DEFAULTS, word, why)
