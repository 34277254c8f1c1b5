"""What may be said of an order or a position is what the verb takes, in the verb's words."""

from __future__ import annotations

import pytest

from cli.verbs.operate import WORDS
from engine.commands import checked
from events import session
from events.governance import DifferenceFound
from events.session import OperatorCommand
from projections.live.view import LiveView
from tests.projections.live.story import CALL, Story
from tests.tui import desk
from tests.tui.screen import view_of
from tests.tui.test_positions import frame_of
from tui.view.execution import order_text
from tui.view.resolve import HOLDS, LAPSED, ORDER, SENTENCES, Doubt, Said, of_order, question, said

BOTH = Doubt("CE", "O1", True, "I1", 0)
FLAGS = {flag.name: flag for word in WORDS if word.name == "resolve" for flag in word.flags}


def order(view: LiveView, id_: str):  # type: ignore[no-untyped-def]
    return next(row for row in view.orders if row.order_id == id_)


def test_the_sentences_and_values_are_the_verbs() -> None:
    """Every flag of axiom resolve has its answer here, in the same words, as the same value."""
    assert sorted(FLAGS) == ["--holds", "--lapsed", "--order"]
    for name, key, text in (
        ("--lapsed", LAPSED, "lapsed"), ("--order", ORDER, "25"), ("--holds", HOLDS, "HOLDS 25"),
    ):  # fmt: skip
        found = said(text, BOTH)
        assert isinstance(found, Said)
        assert found.value == FLAGS[name].value.format(25)
        assert FLAGS[name].help.rstrip(".") == SENTENCES[key].rstrip(".")
        why = "sold" if found.needs_why else ""
        command = OperatorCommand("RESOLVE", "ana", why, found.subject, found.value, "c1", "SOCKET")
        assert checked(command, "LIVE", halted=True) is None


@pytest.mark.parametrize(
    ("text", "doubt", "subject", "value"),
    [
        ("25", BOTH, "O1", "ORDER:25"),
        ("HOLDS 0", BOTH, "I1", "HOLDS:0"),
        ("holds:007", BOTH, "I1", "HOLDS:7"),
        ("LAPSED", BOTH, "O1", "LAPSED"),
        ("65", Doubt("CE", None, False, "I1", None), "I1", "HOLDS:65"),
        ("LAPSED", Doubt("CE", "O1", False, None, None), "O1", "LAPSED"),
    ],
)
def test_an_answer_is_of_the_order_or_of_its_position(
    text: str, doubt: Doubt, subject: str, value: str
) -> None:
    """A bare number is the broker's order where one can be named, else the position's units."""
    found = said(text, doubt)
    assert isinstance(found, Said)
    assert (found.subject, found.value) == (subject, value)
    assert found.needs_why == value.startswith("HOLDS")


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("", BOTH), ("HOLDS", BOTH), ("HOLDS -5", BOTH), ("HOLDS 12345678901", BOTH),
        ("25", Doubt("CE", "O1", False, None, None)),
        ("HOLDS 5", Doubt("CE", "O1", True, None, None)),
        ("LAPSED", Doubt("CE", None, False, "I1", None)),
        ("ten", Doubt("CE", None, False, "I1", None)),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_what_can(text: str, doubt: Doubt) -> None:
    """Nothing is guessed: what was typed is no command."""
    found = said(text, doubt)
    assert isinstance(found, str)
    assert "othing was done" in found


def test_an_order_in_no_book_lapses_by_a_word() -> None:
    """Missing in two whole order books: LAPSED can be said of it, and its text says so; missing in
    one, or over, it cannot."""
    story = Story("LIVE", rate=1).setting_up()
    story.at(0).quotes(bid=11_230)
    desk.at_broker(story, "O5", "I5", "ENTRY", "BUY", CALL, 65, 12_000)
    seq = story.fact(session.ConfigChanged((), "ana", "books"))
    story.derive(DifferenceFound("O5", "ORDER_NOT_LISTED", 65, None), seq)
    assert of_order(view_of(story), order(view_of(story), "O5")) is None
    story.derive(DifferenceFound("O5", "ORDER_NOT_LISTED", 65, None), seq)
    view = view_of(story)
    doubt = of_order(view, order(view, "O5"))
    assert doubt == Doubt("NIFTY26NOV24500CE", "O5", False, None, None)
    assert question(doubt) == "NIFTY26NOV24500CE: LAPSED:"
    assert order_text(frame_of(story), order(view, "O5")).startswith("In none of the broker's last")


def test_the_question_fits_the_smallest_screen() -> None:
    """All that can be offered at once leaves room for what is typed."""
    assert len(question(BOTH)) < 80 - 8
    assert question(BOTH) == "CE: the broker's order number, LAPSED or HOLDS UNITS (its books: 0):"
