"""``axiom ask``: each question by its name, and everything that it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from projections.duck.costs import COLUMNS, GATE_COSTS
from projections.duck.questions import QUESTIONS, Question
from tests.cli.conftest import Call


def test_without_a_question_they_are_listed(axiom: Call) -> None:
    """Each with what it asks and which options it takes; no session is needed."""
    listed = axiom("ask", "--json").document
    names = [one.name for one in (*QUESTIONS, GATE_COSTS)]
    assert [one["question"] for one in listed] == names
    assert all(one["asks"] for one in listed)
    shown = axiom("ask").out
    assert "nearest-misses" in shown and "--underlying, --from, --to" in shown


@pytest.mark.parametrize(
    "asked",
    [
        [one for one in QUESTIONS if one.name in ("funnel", "contract-rejections", "trades")],
        pytest.param(QUESTIONS, marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def test_every_question_is_answered_from_the_command_line(
    axiom: Call, session: Path, asked: list[Question]
) -> None:
    """Rows as an array of objects, the macro's own; nothing to tell is said as nothing."""
    more = {
        "contract-rejections": ("--contract", "X"), "order-trail": ("--intent", "0" * 16),
    }  # fmt: skip
    for one in asked:
        answer = axiom("ask", one.name, "latest", *more.get(one.name, ()), "--json")
        assert answer.code == 0, one.name
        macro = one.macro.name
        given = ", ".join(repr(word) for word in more.get(one.name, ())[1:])
        rows = axiom("query", f"select * from v1.{macro}({given})", "--json").document
        assert answer.document == rows, one.name
    nothing = axiom("ask", "contract-rejections", "--contract", "X")
    assert (nothing.code, nothing.out.strip()) == (0, "nothing")


def test_costs_are_of_the_outcomes_that_sql_has(axiom: Call, session: Path) -> None:
    """By gate and minutes as many as SQL counts; of many sessions each has its name in front."""
    rows = axiom("ask", "gate-costs", "--json").document
    counted = axiom(
        "query", "select stage, gate, reason, minutes, count(*) n, count(gross_lot_paise) known "
        "from v1.blocked_outcomes() group by all", "--json",
    ).document  # fmt: skip
    keys = ("stage", "gate", "reason", "minutes")
    assert rows
    assert {tuple(row[key] for key in keys): (row["blocked"], row["known"]) for row in rows} == {
        tuple(row[key] for key in keys): (row["n"], row["known"]) for row in counted
    }
    assert list(rows[0]) == list(COLUMNS)
    many = axiom("ask", "gate-costs", "--sessions", "all", "--json").document
    assert [row.pop("of_session") for row in many] == [session.name] * len(rows)
    assert many == rows
    assert "takes no --minutes" in axiom("ask", "gate-costs", "--minutes", "5").refusal


def test_a_window_is_in_the_session_s_own_time(axiom: Call, session: Path) -> None:
    """HH:MM and a whole time are the same window; both bounds count."""
    whole = axiom("ask", "heat-map", "--json").document
    last = whole[-1]["begins_ist"]
    some = axiom("ask", "heat-map", "--from", last[11:16], "--json").document
    same = axiom("ask", "heat-map", "--from", last, "--to", f"{last[:10]}T23:59", "--json").document
    assert some == same
    assert 0 < sum(row["decisions"] for row in some) < sum(row["decisions"] for row in whole)


def test_many_sessions_answer_with_their_names(axiom: Call, session: Path) -> None:
    """Every session of the desk, by a word for all of them; a word for none is refused, and so is
    a session beside it."""
    rows = axiom("ask", "funnel", "--sessions", "all", "--json").document
    assert {row["of_session"] for row in rows} >= {session.name}
    counted = axiom("query", "--sessions", session.name[:7], "select distinct session from "
                    "v1.decisions", "--json").document  # fmt: skip
    assert session.name in {row["session"] for row in counted}
    assert "no session of '1999'" in axiom("query", "--sessions", "1999", "select 1").refusal
    both = axiom("ask", "funnel", "latest", "--sessions", "all")
    assert "leave one out" in both.refusal


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nearest-mises",), "did you mean nearest-misses?"),
        (("zzz",), "axiom ask lists them"),
        (("trades", "latest", "--underlying", "NIFTY"), "trades takes no --underlying"),
        (("contract-rejections",), "contract-rejections needs --contract"),
        (("order-trail", "latest"), "order-trail needs --intent"),
        (("funnel", "latest", "--from", "25 o'clock"), "is not a time"),
        (("funnel", "nowhere"), "nowhere"),
        (("setting-effects", "latest", "--minutes", "0"), "--minutes"),
    ],
)
def test_a_refusal_is_one_line(
    axiom: Call, session: Path, words: tuple[str, ...], said: str
) -> None:
    """What is wrong and what to do instead, exit 2."""
    assert said in axiom("ask", *words).refusal


def test_a_text_with_a_quote_is_a_text(axiom: Call, session: Path) -> None:
    """What is given reaches the macro as a literal, whatever is in it."""
    hostile = "X'); DROP TABLE base.decisions; --"
    assert axiom("ask", "contract-rejections", "--contract", hostile).out.strip() == "nothing"
    assert axiom("ask", "funnel", "--underlying", hostile, "--json").code == 0
