"""``axiom ask``: the questions that people ask again and again, each by its name.

Lives here: the verb over the macros of schema v1. May import: ``cli``, projections. Always holds:
the answer is the macro's own, row for row (gate-costs adds up those of blocked-outcomes, after
charges); a parameter that a question does not take is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.errors import UserError
from cli.options import Common, anew_option, named_sessions, recorded_options, sessions_option

NEEDED = ("symbol", "intent")
"""Parameters without which there is no question."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from projections.duck.query import QueryResult
    from projections.duck.questions import Question


@click.command(name="ask")
@click.argument("question", required=False)
@click.argument("session", required=False)
@click.option("--underlying", metavar="U", help="Of one underlying.")
@click.option("--from", "from_ist", metavar="T", help="From this time on (IST).")
@click.option("--to", "to_ist", metavar="T", help="Up to this time (IST).")
@click.option("--contract", "symbol", metavar="SYMBOL", help="Of contract-rejections.")
@click.option("--intent", metavar="ID", help="Of order-trail: an intent's id, from v1.intents.")
@sessions_option
@click.option("--minutes", type=click.IntRange(1, 1_440), help="Of setting-effects.")
@anew_option
@recorded_options
def command(
    question: str | None,
    session: str | None,
    select: tuple[str, ...],
    anew: bool,
    common: Common,
    **given: Any,
) -> None:
    """Answer a question of a session (default: latest); without one, list the questions.

    With --sessions every session answers, each row with its session in front.

    Each is a table macro of schema v1 as well, under its name with underscores, for SELECTs of your
    own: axiom query "select * from v1.nearest_misses(underlying := 'NIFTY')".

    \b
    Examples:
        axiom ask
        axiom ask nearest-misses --underlying NIFTY --from 10:00 --to 11:00
        axiom ask contract-rejections --contract NIFTY26NOV22500CE
        axiom ask trades --sessions 2026-11-16..2026-11-20
    """
    from cli.output import show, table, write_json
    from cli.projection import answered
    from projections.duck.costs import GATE_COSTS

    if question is None:
        _list(common)
        return
    asked = _named(question)
    _check(asked, given)
    folders = named_sessions(common, session, select)
    sql = _select(asked, given, folders[0])
    if asked.name == GATE_COSTS.name:
        result = _costs(folders, sql, anew=anew, many=bool(select))
    else:
        result = answered(folders, sql, anew=anew, many=bool(select))
    if common.json:
        write_json(result.objects())
    else:
        show(table(result.columns, result.rows) if result.rows else "nothing")


def _costs(folders: Sequence[Path], sql: str, *, anew: bool, many: bool) -> QueryResult:
    """Outcomes by gate after charges, which SQL cannot know."""
    from cli.projection import answers
    from projections.duck.costs import DAYS, RULES, gate_costs, outcomes_sql

    asked = (outcomes_sql(sql.removeprefix("SELECT * FROM "), many=many), RULES, DAYS)
    return gate_costs(*answers(folders, asked, anew=anew, many=many), many=many)


def _list(common: Common) -> None:
    from cli.output import show, table, write_json
    from projections.duck.costs import GATE_COSTS
    from projections.duck.questions import QUESTIONS

    rows = [
        (one.name, one.asks, ", ".join(_option(name) for name in one.takes))
        for one in (*QUESTIONS, GATE_COSTS)
    ]
    if common.json:
        write_json([dict(zip(("question", "asks", "takes"), row, strict=True)) for row in rows])
    else:
        show(table(("question", "asks", "takes"), rows))


def _named(question: str) -> Question:
    import difflib

    from projections.duck.costs import GATE_COSTS
    from projections.duck.questions import BY_NAME

    known = {**BY_NAME, GATE_COSTS.name: GATE_COSTS}
    found = known.get(question)
    if found is None:
        near = difflib.get_close_matches(question, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "axiom ask lists them"
        raise UserError(f"there is no question '{question}': {hint}")
    return found


def _option(parameter: str) -> str:
    return {"from_ist": "--from", "to_ist": "--to", "symbol": "--contract"}.get(
        parameter, f"--{parameter}"
    )


def _check(asked: Question, given: dict[str, Any]) -> None:
    """``UserError`` for what a question does not take, and for what it cannot do without."""
    for name, value in given.items():
        if value is not None and name not in asked.takes:
            raise UserError(f"{asked.name} takes no {_option(name)}: it {_takes(asked)}")
        if value is None and name in asked.takes and name in NEEDED:
            raise UserError(f"{asked.name} needs {_option(name)}")


def _select(asked: Question, given: dict[str, Any], folder: Path) -> str:
    """The SELECT of a question with what was given. ``UserError`` for a time that is none."""
    from projections.duck.contracts import quoted

    words: list[str] = []
    for name in asked.takes:
        value = given[name]
        if value is None:
            continue
        text = str(value) if name == "minutes" else quoted(_text(name, value, folder))
        words.append(text if name in NEEDED else f"{name} := {text}")
    return f"SELECT * FROM v1.{asked.macro.name}({', '.join(words)})"


def _text(name: str, value: str, folder: Path) -> str:
    if name not in ("from_ist", "to_ist"):
        return value
    from cli.output import parse_time
    from cli.recorded import first_fact
    from projections.why import ist_iso

    moment = parse_time(value, first_fact(folder).day)
    # A time of day stays one: of several sessions each has it on its own day.
    return ist_iso(moment, "microseconds") if "T" in value or "-" in value else value


def _takes(asked: Question) -> str:
    if not asked.takes:
        return "takes nothing"
    return f"takes {', '.join(_option(name) for name in asked.takes)}"
