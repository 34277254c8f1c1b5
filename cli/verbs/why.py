"""``axiom why``: why no trade, or why this one, from what was recorded.

Lives here: what is asked of which decision or window. May import: ``cli``, projections. Always
holds: nothing is judged again; a name or a time that the session does not have is answered with
what it has; words and numbers are those of every other surface. Start reading at ``command``.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, anew_option, recorded_options
from cli.paths import LATEST

if TYPE_CHECKING:
    from pathlib import Path

    from cli.projection import Projection
    from projections.why import WhyAnswer

_OPTION_KINDS: Final = ("CE", "PE")
_CLOSE_MATCHES: Final = 3


@click.command(name="why")
@click.argument("session", default=LATEST)
@click.option("--underlying", metavar="U", help="Of this underlying, such as NIFTY.")
@click.option("--at", metavar="T", help="The last decision at or before this time.")
@click.option("--from", "begin", metavar="T", help="Over a window from this time on.")
@click.option("--to", "end", metavar="T", help="Over a window up to this time, included.")
@click.option("--contract", metavar="SYMBOL", help="Why not, or why, this contract.")
@click.option("--counterfactual", is_flag=True, help="The least change that would have traded.")
@anew_option
@recorded_options
def command(
    session: str,
    underlying: str | None,
    at: str | None,
    begin: str | None,
    end: str | None,
    contract: str | None,
    counterfactual: bool,
    anew: bool,
    common: Common,
) -> None:
    """Why there was no trade, or why this one (SESSION: default latest; times IST).

    Without a time: the last decision of the session. With --from or --to: the funnel of the window
    and what stood in the way most.

    \b
    Examples:
        axiom why latest --underlying NIFTY --at 11:30
        axiom why --from 10:00 --to 11:00 --json
        axiom why --at 11:30 --contract NIFTY25SEP24500CE
        axiom why --underlying NIFTY --at 11:30 --counterfactual
    """
    from cli.output import parse_time
    from cli.projection import Projection
    from cli.recorded import first_fact

    if at is not None and (begin is not None or end is not None):
        raise UserError(
            "--at asks for one decision, --from and --to for a window: give one of them"
        )
    if counterfactual and (begin is not None or end is not None):
        raise UserError("--counterfactual is about one decision: give --at, not a window")
    folder = common.session(session)
    day = first_fact(folder).day
    at_ts, from_ts, to_ts = (None if t is None else parse_time(t, day) for t in (at, begin, end))
    if from_ts is not None and to_ts is not None and from_ts > to_ts:
        raise UserError(f"the window from {begin} to {end} ends before it begins")
    asked = Asked(Projection(folder, anew=anew), underlying, contract)
    if from_ts is None and to_ts is None:
        asked.decision(at_ts, folder if counterfactual else None, json=common.json)
    else:
        asked.window(from_ts, to_ts, json=common.json)


class Asked:
    """A question on one projection, its names checked. Raises ``UserError`` for an unknown one."""

    def __init__(
        self, projection: Projection, underlying: str | None, contract: str | None
    ) -> None:
        self.projection = projection
        self.published = projection.file
        self.spans = {
            row["underlying"]: (row["first"], row["last"])
            for row in self._rows(
                "select underlying, min(ts) first, max(ts) last, min(seq) place"
                " from v1.decisions group by 1 order by place"
            )
        }
        if not self.spans:
            raise UserError("this session holds no decision yet: ask again when it has begun")
        self.underlying = None if underlying is None else self._known(underlying)
        self.contract = None if contract is None else self._contract(contract)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        from projections.duck.query import QueryRefused, run_query

        with told_as_user_error(QueryRefused):
            return run_query(self.published, sql).objects()

    def _known(self, name: str) -> str:
        if name.upper() not in self.spans:
            there = ", ".join(self.spans)
            raise UserError(f"no decision of '{name}' in this session: it has {there}")
        return name.upper()

    def _contract(self, name: str) -> str:
        """The trading symbol; its underlying becomes the one that is asked about."""
        rows = self._rows(
            "select tradingsymbol, underlying, instrument_kind from v1.instruments order by seq"
        )
        options = {
            row["tradingsymbol"]: row["underlying"]
            for row in rows
            if row["instrument_kind"] in _OPTION_KINDS
        }
        symbol = name.upper()
        if symbol not in options:
            raise UserError(
                f"no option contract '{name}' in this session: {_like(symbol, options)}"
            )
        owner = options[symbol]
        if self.underlying not in (None, owner):
            raise UserError(f"{symbol} is a contract of {owner}, not of {self.underlying}")
        self.underlying = self._known(owner)
        return symbol

    # -- one decision ----------------------------------------------------------------------------

    def decision(self, at_ts: int | None, journal: Path | None, *, json: bool) -> None:
        """Answer about the last decision at or before a time (ns UTC; None: of the session).

        ``journal`` is the session's folder where the least change is asked for too.
        """
        from cli.output import plain, write_json

        names = [self.underlying] if self.underlying else list(self.spans)
        answers = [self._answer(name, at_ts) for name in names if self._has(name, at_ts)]
        if not answers:
            raise UserError(self._nothing(names))
        first, *others = answers
        screening = None if self.contract is None else self._screening(first)
        self.projection.say_what_was_built()
        change = None if journal is None else _least_change(journal, first)
        if json:
            document = {**plain(first), "others": [_brief(answer) for answer in others]}
            if screening is not None:
                document["contract"] = screening
            write_json({**document, **(change or {})})
        else:
            _show_decision(first, others, screening, change)

    def _has(self, name: str, at_ts: int | None) -> bool:
        return at_ts is None or self.spans[name][0] <= at_ts

    def _nothing(self, names: list[str]) -> str:
        from cli.output import ist_time

        first = min(self.spans[name][0] for name in names)
        last = max(self.spans[name][1] for name in names)
        return (
            f"no decision of {' or '.join(names)} at or before that time: its decisions are from "
            f"{ist_time(first)} to {ist_time(last)}"
        )

    def _answer(self, name: str, at_ts: int | None) -> WhyAnswer:
        from projections.duck.ask import AskError, why_at

        with told_as_user_error(AskError):
            return why_at(self.published, name, at_ts)

    def _screening(self, answer: WhyAnswer) -> dict[str, Any]:
        """What the decision's own screening says of the contract.

        A screening is journaled when it differs from the one before, so the last one is in force;
        whether contracts were looked at in this cycle at all, N10 says.
        """
        from projections.duck.ask import AskError, why_contract

        assert self.contract is not None
        with told_as_user_error(AskError):
            history = why_contract(self.published, self.contract, to_ts=answer.decision.ts)
        in_force = [step.seq for step in answer.trail if step.kind == "ContractsScreened"]
        looked = any(
            row.gate == "contract" and row.observed is not None
            for stage in answer.gates
            for row in stage.rows
        )
        last = history.last
        here = looked and last is not None and last["seq"] in in_force
        screened = last if here and last is not None else {}
        failed = screened.get("failed_filters", [])
        return {
            "contract": self.contract,
            "screened": here,
            "seq": screened.get("seq"),
            "first_filter": screened.get("first_filter"),
            "failed_filters": failed,
            "selected": bool(screened.get("selected", False)),
            "text": _contract_text(self.contract, screened, failed, looked=looked),
        }

    # -- a window --------------------------------------------------------------------------------

    def window(self, from_ts: int | None, to_ts: int | None, *, json: bool) -> None:
        """Answer about a window (ns UTC, both inclusive, None for the session's own end)."""
        from cli.output import plain, write_json
        from projections.duck.ask import AskError, why_contract, why_window

        with told_as_user_error(AskError):
            answer = why_window(self.published, self.underlying, from_ts, to_ts)
            screened = (
                None
                if self.contract is None
                else why_contract(self.published, self.contract, from_ts, to_ts)
            )
        self.projection.say_what_was_built()
        document = plain(answer)
        if screened is not None:
            document["contract"] = plain(screened)
        if json:
            write_json(document)
        else:
            _show_window(document)


def _like(symbol: str, options: dict[str, str]) -> str:
    close = difflib.get_close_matches(symbol, list(options), n=_CLOSE_MATCHES)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it has {len(options)}, such as {next(iter(options), 'none')}"


def _contract_text(
    contract: str, screened: dict[str, Any], failed: list[str], *, looked: bool
) -> str:
    """One sentence about a contract at a decision."""
    from projections.why import reason_text

    if not looked:
        return (
            f"No contract was looked at in this cycle: N10 could not be asked, {contract} neither."
        )
    if not screened:
        return f"{contract} was not among the contracts looked at: other side, expiry or strikes."
    if screened["selected"]:
        return f"{contract} was selected."
    if not failed:
        return f"{contract} passed every filter; another one ranked higher."
    more = f" Also: {', '.join(failed[1:])}." if failed[1:] else ""
    return f"{contract} was rejected first by {failed[0]}: {reason_text(failed[0])}{more}"


def _least_change(journal: Path, answer: WhyAnswer) -> dict[str, Any]:
    from cli.counterfactual import ask, nothing_to_change

    if answer.decision.outcome == "TRADE":
        return nothing_to_change()
    return ask(journal, answer.decision.seq)


def _brief(answer: WhyAnswer) -> dict[str, Any]:
    made = answer.decision
    return {
        "underlying": made.underlying,
        "seq": made.seq,
        "ts": made.ts,
        "ts_ist": made.ts_ist,
        "outcome": made.outcome,
        "stage": made.stage,
        "reason": made.reason,
        "sentence": answer.sentence,
    }


def _show_decision(
    answer: WhyAnswer,
    others: list[WhyAnswer],
    screening: dict[str, Any] | None,
    change: dict[str, Any] | None,
) -> None:
    from cli.output import clean, show, table

    made = answer.decision
    show(clean(answer.sentence))
    if answer.what_to_do:
        show(clean(f"What to do: {answer.what_to_do}"))
    if change is not None:
        show(clean(f"The least change: {change['counterfactual']}"))
    show(
        clean(
            f"{made.ts_ist} IST, seq {made.seq}, cycle {made.cycle}, regime {made.regime}, "
            f"day {made.day_type}, strategy {made.strategy_id or '-'}"
        )
    )
    if screening is not None:
        show(clean(screening["text"]))
    columns = ("stage", "verdict", "reason", "gate", "observed", "limit", "margin", "age_ms")
    show("\n" + table((*columns, "assumed"), [_stage_row(stage) for stage in answer.gates]))
    steps = [(s.seq, s.ts_ist[11:], s.kind, s.what) for s in answer.trail]
    show("\n" + table(("seq", "time", "entry", "what"), steps))
    for other in others:
        show("\n" + clean(f"{other.decision.ts_ist[11:]} {other.sentence}"))


def _stage_row(stage: Any) -> tuple[object, ...]:
    from projections.why import amount

    unit = stage.unit or ""
    numbers = (stage.observed, stage.limit, stage.margin)
    texts = tuple(None if n is None else amount(n, unit) for n in numbers)
    oldest = max(stage.ages.values(), default=None)
    assumed = "assumed" if stage.assumed else ""
    return (stage.stage, stage.verdict, stage.reason, stage.gate, *texts, oldest, assumed)


def _show_window(document: dict[str, Any]) -> None:
    from cli.output import clean, show, table

    whose = document["underlying"] or "all underlyings"
    show(f"{document['decisions']} decisions of {whose}, {document['trades']} trades")
    rows = [(r["stage"], r["reason"], r["count"], r["text"]) for r in document["funnel"]]
    show("\n" + table(("ended at", "reason", "n", "meaning"), rows))
    columns = ("stage", "gate", "reason", "failed", "terminal", "sole", "nearest_margin", "unit")
    blockers = [[b[name] for name in columns] for b in document["blockers"]]
    show("\n" + table(columns, blockers))
    contract = document.get("contract")
    if contract is not None:
        seen = f"{contract['contract']}: {contract['screenings']} screenings"
        passed = f"{contract['passed']} passed, {contract['selected']} selected"
        show("\n" + clean(f"{seen}, {passed}"))
        filters = [(f["filter"], f["first"], f["failed"], f["text"]) for f in contract["filters"]]
        show(table(("filter", "first", "failed", "meaning"), filters))
