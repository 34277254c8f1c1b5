"""Answers of ``why`` from a published projection.

Lives here: fetching what was recorded and handing it to ``projections.why``. May import: duckdb,
events, projections. Always holds: answers come from recorded derivations, never from judging again;
the events are put together as they were journaled, so the words are those of every other surface.
Start reading at ``why_at``, ``why_window``, ``why_contract``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from events.decision import DecisionMade, GateRow, GatesEvaluated, StageVerdict
from projections import tables, why
from projections.duck.store import first_line

_NO_TIME: Final = (1 << 63) - 1


class AskError(Exception):
    """A question that has no answer here; one line that says why."""


def why_at(
    published: Path, underlying: str | None = None, at_ts: int | None = None
) -> why.WhyAnswer:
    """The last decision at or before ``at_ts`` (ns UTC; None is the last of all).

    Raises ``AskError`` when there is none, or no such underlying.
    """
    with opened(published) as ask:
        ask.check_underlying(underlying)
        found = ask.rows(
            "decisions",
            "ts <= $at AND ($underlying IS NULL OR underlying = $underlying) "
            "ORDER BY seq DESC LIMIT 1",
            at=_NO_TIME if at_ts is None else at_ts,
            underlying=underlying,
        )
        if not found:
            when = "" if at_ts is None else f" at or before {why.ist_iso(at_ts)} IST"
            raise AskError(f"no decision{f' of {underlying}' if underlying else ''}{when}")
        return ask.answer(found[0])


def why_seq(published: Path, seq: int) -> why.WhyAnswer:
    """The decision whose DecisionMade stands at ``seq``. Raises ``AskError``."""
    with opened(published) as ask:
        found = ask.rows("decisions", "seq = $seq", seq=seq)
        if not found:
            raise AskError(f"no decision at seq {seq}")
        return ask.answer(found[0])


def why_window(
    published: Path,
    underlying: str | None = None,
    from_ts: int | None = None,
    to_ts: int | None = None,
) -> why.WindowAnswer:
    """The funnel and the blockers of a window, bounds (ns UTC) inclusive, None for open.

    Raises ``AskError`` for an underlying that the session does not have.
    """
    bounds = _bounds_ist(from_ts, to_ts)
    with opened(published) as ask:
        ask.check_underlying(underlying)
        counts = ask.connection.execute(
            "SELECT stage, reason, count(*) FROM base.decisions "
            "WHERE ($underlying IS NULL OR underlying = $underlying) "
            "AND ts >= $begin AND ts <= $end GROUP BY ALL",
            {"underlying": underlying, **_bounds(from_ts, to_ts)},
        ).fetchall()
        blocked = ask.connection.execute(
            "SELECT * FROM v1.blockers($underlying, $begin, $end)",
            {"underlying": underlying, "begin": bounds[0], "end": bounds[1]},
        ).fetchall()
        return why.window(ask.session(), underlying, (from_ts, to_ts), counts, blocked)


class FilterCount(msgspec.Struct, frozen=True):
    """Screenings in which a filter rejected the contract: as the first one, and at all."""

    filter: str
    first: int
    failed: int
    text: str


class ContractAnswer(msgspec.Struct, frozen=True):
    """Why not this contract: how often it was screened, chosen and rejected, and the last time.

    A screening is journaled when it differs from the one before, so the counts are of changes.
    ``last`` is the screening in force at the window's end, with all failed filters; None for none.
    """

    contract: str
    screenings: int
    selected: int
    passed: int
    filters: tuple[FilterCount, ...]
    last: dict[str, Any] | None


def why_contract(
    published: Path, symbol: str, from_ts: int | None = None, to_ts: int | None = None
) -> ContractAnswer:
    """Why a contract was not (or was) chosen in a window. Raises ``AskError`` for one unknown."""
    with opened(published) as ask:
        known = ask.rows("instruments", "tradingsymbol = $symbol", symbol=symbol)
        if not known:
            raise AskError(f"no contract {symbol} in this session")
        rows = ask.rows(
            "contracts_screened",
            "contract = $contract AND ts >= $begin AND ts <= $end ORDER BY seq",
            contract=known[0]["instrument"],
            **_bounds(from_ts, to_ts),
        )
    failed = [
        str(row["failed_filters"]).split(",") if row["failed_filters"] else [] for row in rows
    ]
    names = dict.fromkeys(name for row in failed for name in row)
    return ContractAnswer(
        contract=symbol,
        screenings=len(rows),
        selected=len([row for row in rows if row["selected"]]),
        passed=failed.count([]),
        filters=tuple(
            FilterCount(
                name,
                len([row for row in rows if row["first_filter"] == name]),
                len([row for row in failed if name in row]),
                why.reason_text(name),
            )
            for name in names
        ),
        last=_shown(rows[-1], failed[-1]) if rows else None,
    )


def _shown(row: dict[str, Any], failed: list[str]) -> dict[str, Any]:
    kept = ("seq", "ts", "cycle", "underlying", "family", "direction", "first_filter", "selected")
    shown = {name: row[name] for name in kept}
    return {**shown, "ts_ist": why.ist_iso(row["ts"]), "failed_filters": failed}


def _bounds(from_ts: int | None, to_ts: int | None) -> dict[str, int]:
    begin = -_NO_TIME if from_ts is None else from_ts
    return {"begin": begin, "end": _NO_TIME if to_ts is None else to_ts}


def _bounds_ist(from_ts: int | None, to_ts: int | None) -> tuple[str, str]:
    """Bounds as the macros take them. A bound between two microseconds keeps what it includes."""
    begin = (
        "0001-01-01" if from_ts is None else why.ist_iso(-(-from_ts // 1000) * 1000, "microseconds")
    )
    end = "9999-12-31" if to_ts is None else why.ist_iso(to_ts, "microseconds")
    return begin, end


@contextmanager
def opened(published: Path) -> Iterator[_Ask]:
    """The projection, to be asked. Raises ``AskError``."""
    try:
        connection = duckdb.connect(str(published), read_only=True)
    except duckdb.Error as error:
        raise AskError(f"{published.name}: {first_line(error)}") from error
    try:
        yield _Ask(connection)
    finally:
        connection.close()


_KINDS: Final = {
    "timer_ticks": "TimerTick",
    "snapshots": "SnapshotTaken",
    "regimes": "RegimeAssessed",
    "contracts_screened": "ContractsScreened",
    "gate_runs": "GatesEvaluated",
    "decisions": "DecisionMade",
    "candidates": "CandidateProposed",
    "intents": "IntentApproved",
    "spreads": "SpreadApproved",
    "order_events": "OrderChanged",
    "fills": "FillApplied",
    "position_events": "PositionChanged",
    "exits": "ExitSignalled",
}


class _Ask:
    """Questions on one open projection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def rows(self, table: str, where: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of a base table as name to value."""
        names = [column.name for column in tables.BY_NAME[table].columns]
        found = self.connection.execute(
            f"SELECT {', '.join(names)} FROM base.{table} WHERE {where}", values
        ).fetchall()
        return [dict(zip(names, row, strict=True)) for row in found]

    def session(self) -> str | None:
        found = self.connection.execute("SELECT session FROM base.meta").fetchone()
        return found[0] if found else None

    def check_underlying(self, underlying: str | None) -> None:
        """Raises ``AskError`` naming those there are."""
        if underlying is None:
            return
        found = self.connection.execute(
            "SELECT DISTINCT underlying FROM base.decisions ORDER BY underlying"
        ).fetchall()
        names = [row[0] for row in found]
        if underlying not in names:
            raise AskError(
                f"no decisions of {underlying} in this session; it has {', '.join(names) or 'none'}"
            )

    def answer(self, row: dict[str, Any]) -> why.WhyAnswer:
        """The whole answer about a row of ``decisions``."""
        fields = {name: row[name] for name in DecisionMade.__struct_fields__}
        recorded = why.Recorded(
            session=self.session(),
            seq=row["seq"],
            ts=row["ts"],
            cause=row["cause"],
            decision=DecisionMade(**fields),
            gates=self._gates(row["gates_seq"]),
            symbol=self._symbol(row["contract"]),
        )
        return why.answer(recorded, self._trail(row))

    def _symbol(self, contract: int | None) -> str | None:
        found = self.rows("instruments", "instrument = $contract", contract=contract)
        return found[0]["tradingsymbol"] if found else None

    def _gates(self, seq: int) -> GatesEvaluated:
        """The GatesEvaluated at a seq, as it was journaled."""
        runs = self.rows("gate_runs", "seq = $seq", seq=seq)
        if not runs:
            raise AskError(f"the gates at seq {seq} are not in this projection")
        rows = self.rows("gates", "seq = $seq ORDER BY ordinal", seq=seq)
        verdicts = self.rows("stage_verdicts", "seq = $seq ORDER BY ordinal", seq=seq)
        run = runs[0]
        return GatesEvaluated(
            cycle=run["cycle"],
            underlying=run["underlying"],
            snapshot_seq=run["snapshot_seq"],
            official=tuple(_verdict(v, rows) for v in verdicts if not v["assumed"]),
            assumed=tuple(_verdict(v, rows) for v in verdicts if v["assumed"]),
            assumed_family=run["assumed_family"],
            assumed_contract=run["assumed_contract"],
        )

    # -- the trail -------------------------------------------------------------------------------

    def _trail(self, row: dict[str, Any]) -> list[why.TrailStep]:
        """The chain from the cycle's tick to the decision, and on to the end of its trade."""
        latest = "underlying = $underlying AND seq <= $seq ORDER BY seq DESC LIMIT 1"
        here = {"underlying": row["underlying"], "seq": row["seq"]}
        cycle = {"underlying": row["underlying"], "cycle": row["cycle"]}
        steps = [
            *self._steps("timer_ticks", "seq = $cause", cause=row["cause"]),
            *self._steps("snapshots", "seq = $seq", seq=row["snapshot_seq"]),
            *self._steps("regimes", latest, **here),
            *self._steps("contracts_screened", latest, **here),
            *self._steps("gate_runs", "seq = $seq", seq=row["gates_seq"]),
            *self._steps("decisions", "seq = $seq", seq=row["seq"]),
        ]
        if row["outcome"] == "TRADE":
            steps += self._steps(
                "candidates", "underlying = $underlying AND cycle = $cycle", **cycle
            )
            steps += self._trade(row["intent_id"])
        return steps

    def _trade(self, intent_id: str | None) -> list[why.TrailStep]:
        """An intent's orders and fills, its position, and the exits with theirs; the same of a leg
        that was sold against it."""
        steps = self._steps("intents", "intent_id = $id", id=intent_id)
        legs = self.rows("spreads", "intent_id = $id", id=intent_id)
        steps += [_step("spreads", leg) for leg in legs]
        for authority in (intent_id, *(leg["leg_id"] for leg in legs)):
            steps += self._life(authority)
        return steps

    def _life(self, authority: str | None) -> list[why.TrailStep]:
        """What an entry or the sale of a leg led to, up to the exits."""
        steps = self._orders(authority)
        positions = (
            "position_id IN (SELECT p.position_id FROM base.position_events p JOIN base.fills f "
            "ON f.cause = p.cause AND f.contract = p.contract JOIN base.order_events o "
            "ON o.order_id = f.order_id WHERE o.authority = $id)"
        )
        steps += self._steps("position_events", positions, id=authority)
        for item in self.rows("exits", f"{positions} ORDER BY seq", id=authority):
            steps.append(_step("exits", item))
            steps += self._orders(item["exit_id"])
        return steps

    def _orders(self, authority: str | None) -> list[why.TrailStep]:
        orders = "SELECT order_id FROM base.order_events WHERE authority = $id"
        return [
            *self._steps("order_events", "authority = $id", id=authority),
            *self._steps("fills", f"order_id IN ({orders})", id=authority),
        ]

    def _steps(self, table: str, where: str, **values: Any) -> list[why.TrailStep]:
        return [_step(table, row) for row in self.rows(table, where, **values)]


def _step(table: str, row: dict[str, Any]) -> why.TrailStep:
    return why.trail_step(row["seq"], _KINDS[table], row["ts"], row["cause"], row)


def _verdict(verdict: dict[str, Any], rows: list[dict[str, Any]]) -> StageVerdict:
    own = [
        row
        for row in rows
        if (row["assumed"], row["stage"]) == (verdict["assumed"], verdict["stage"])
    ]
    return StageVerdict(
        stage=verdict["stage"],
        verdict=verdict["verdict"],
        reason=verdict["reason"],
        gate=verdict["gate"],
        depends_on=verdict["depends_on"],
        rows=tuple(_gate(row) for row in own if row["role"] == "GATE"),
        evidence=tuple(_gate(row) for row in own if row["role"] == "EVIDENCE"),
    )


def _gate(row: dict[str, Any]) -> GateRow:
    return GateRow(
        gate=row["gate"],
        verdict=row["verdict"],
        reason=row["reason"],
        observed=row["observed"],
        limit=row["limit_value"],
        margin=row["margin"],
        age_ms=row["age_ms"],
        marks=tuple(row["marks"].split(",")) if row["marks"] else (),
    )
