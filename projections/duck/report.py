"""The rows behind a report, from a published projection.

Lives here: one query an input, and the reading of them all. May import: duckdb, projections. Always
holds: each query has a whole order, so that the same projection gives the same rows; a query that
fails makes its own input absent, with the database's line, and leaves the others. Texts of reasons
are not read here: ``projections.why`` has them. Start reading at ``read_day`` and ``DAY``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import duckdb

from projections import why
from projections.duck.ask import AskError, opened
from projections.duck.query import QueryRefused, unlocked_reader
from projections.duck.store import first_line
from projections.report.inputs import Absent, Inputs, Parity, Row, Rows

_FIVE_MINUTES_NS: Final = 300_000_000_000
_MINUTE_NS: Final = 60_000_000_000

_SESSION: Final = "SELECT * EXCLUDE (ts_ist) FROM v1.sessions"

_RUNS: Final = """
WITH told AS (
    SELECT *, row_number() OVER own - row_number() OVER same AS island
    FROM base.decisions
    WINDOW own AS (PARTITION BY underlying ORDER BY seq),
           same AS (PARTITION BY underlying, outcome, stage, reason ORDER BY seq))
SELECT underlying, outcome, stage, reason, min(seq) AS seq, min(ts) AS from_ts, max(ts) AS to_ts,
       count(*) AS count
FROM told GROUP BY underlying, outcome, stage, reason, island ORDER BY seq"""

_PRICES: Final = f"""
SELECT underlying, ts // {_MINUTE_NS} * {_MINUTE_NS} AS ts, min(spot_paise) AS low_paise,
       max(spot_paise) AS high_paise, arg_max(spot_paise, seq) AS close_paise
FROM base.snapshots WHERE spot_paise IS NOT NULL GROUP BY ALL ORDER BY underlying, ts"""

_HEAT: Final = f"""
SELECT ts // {_FIVE_MINUTES_NS} * {_FIVE_MINUTES_NS} AS ts, stage, reason, count(*) AS count
FROM base.decisions GROUP BY ALL ORDER BY ts, stage, reason"""

_REGIMES: Final = """
WITH told AS (
    SELECT *, lag(regime) OVER (PARTITION BY underlying ORDER BY seq) AS before FROM base.regimes)
SELECT seq, ts, underlying, regime FROM told
WHERE before IS DISTINCT FROM regime ORDER BY seq"""

_FEED_AGES: Final = """
SELECT underlying, count(*) AS snapshots,
       quantile_disc(link_age_ms, 0.5) AS link_p50_ms, quantile_disc(link_age_ms, 0.99) AS
       link_p99_ms, max(link_age_ms) AS link_max_ms,
       quantile_disc(spot_age_ms, 0.5) AS spot_p50_ms, quantile_disc(spot_age_ms, 0.99) AS
       spot_p99_ms, max(spot_age_ms) AS spot_max_ms,
       quantile_disc(near_age_ms, 0.99) AS near_p99_ms,
       count(*) FILTER (spot_paise IS NULL) AS no_price
FROM base.snapshots GROUP BY underlying ORDER BY underlying"""

_FEED_STAGE: Final = """
SELECT underlying, stage, count(*) AS decisions, count(*) FILTER (verdict = 'PASS') AS passed
FROM base.stage_verdicts WHERE NOT assumed AND stage IN ('N2_FEED_FRESH', 'N4_QUOTE_OK')
GROUP BY ALL ORDER BY underlying, stage"""

_TRADES: Final = """
SELECT d.seq, d.ts, d.underlying, d.strategy_id, d.regime, d.day_type, d.intent_id,
       i.tradingsymbol, s.spot_paise
FROM base.decisions d
LEFT JOIN base.instruments i ON i.instrument = d.contract
LEFT JOIN base.snapshots s ON s.seq = d.snapshot_seq
WHERE d.outcome = 'TRADE' ORDER BY d.seq"""

_BOUGHT: Final = """
(SELECT position_id, arg_max(quantity_units, abs(quantity_units)) AS most_units
 FROM base.position_events GROUP BY position_id)"""

_POSITIONS: Final = f"""
SELECT p.seq, p.position_id, p.underlying, p.tradingsymbol, p.strategy_id, p.status, p.opened_ts,
       p.ts AS changed_ts, b.most_units, p.quantity_units, p.average_paise, p.exit_reason,
       p.realised_paise, p.charges_paise, p.realised_paise - p.charges_paise AS net_paise
FROM v1.positions p LEFT JOIN {_BOUGHT} b USING (position_id) ORDER BY p.opened_ts, p.seq"""

_EXITS: Final = """
SELECT e.seq, e.ts, e.exit_id, e.position_id, e.reason, i.underlying, i.tradingsymbol,
       (SELECT arg_max(s.spot_paise, s.seq) FROM base.snapshots s
        WHERE s.underlying = i.underlying AND s.seq < e.seq) AS spot_paise
FROM base.exits e LEFT JOIN base.instruments i ON i.instrument = e.contract ORDER BY e.seq"""

_CHARGES: Final = """
SELECT name, sum(paise)::BIGINT AS paise, count(*) AS lines, bool_or(unsure) AS unsure
FROM base.fill_charges GROUP BY name ORDER BY paise DESC, name"""

_DECIDED: Final = """
(SELECT intent_id AS authority, ts FROM base.intents
 UNION ALL SELECT leg_id, ts FROM base.spreads
 UNION ALL SELECT exit_id, ts FROM base.exits)"""

_ORDERS: Final = f"""
WITH last AS (SELECT * FROM base.order_events
              WHERE seq IN (SELECT max(seq) FROM base.order_events GROUP BY order_id)),
filled AS (
    SELECT order_id, min(ts) AS first_fill_ts, max(ts) AS last_fill_ts,
           sum(quantity_units)::BIGINT AS units,
           sum(price_paise * quantity_units)::BIGINT AS value_paise,
           sum(slippage_paise * quantity_units)::BIGINT AS slippage_paise
    FROM base.fills GROUP BY order_id),
decided AS (SELECT authority, min(ts) AS ts FROM {_DECIDED} GROUP BY authority),
seen AS (SELECT order_id, min(ts) AS ts FROM base.order_events GROUP BY order_id)
SELECT l.seq, l.order_id, l.order_role, l.side, i.tradingsymbol, l.status, l.reason,
       l.quantity_units, l.filled_units, coalesce(d.ts, s.ts) AS decided_ts, f.first_fill_ts,
       (f.last_fill_ts - coalesce(d.ts, s.ts)) // 1000000 AS fill_ms,
       f.value_paise // nullif(f.units, 0) AS average_paise, f.slippage_paise
FROM last l LEFT JOIN filled f USING (order_id) LEFT JOIN seen s USING (order_id)
LEFT JOIN decided d ON d.authority = l.authority
LEFT JOIN base.instruments i ON i.instrument = l.contract ORDER BY decided_ts, l.seq"""

_QUALITY: Final = f"""
SELECT order_role, side, count(*) AS orders, count(*) FILTER (filled_units > 0) AS filled,
       sum(filled_units)::BIGINT AS units, quantile_disc(fill_ms, 0.5) AS fill_p50_ms,
       max(fill_ms) AS fill_max_ms, sum(slippage_paise)::BIGINT AS slippage_paise,
       sum(slippage_paise)::BIGINT // nullif(sum(filled_units)::BIGINT, 0) AS slippage_unit_paise,
       count(*) FILTER (status = 'REJECTED') AS rejected
FROM ({_ORDERS}) GROUP BY ALL ORDER BY order_role, side"""

_SENT: Final = """
SELECT m.action, r.send_outcome, count(*) AS messages, quantile_disc(r.elapsed_us, 0.5) AS p50_us,
       max(r.elapsed_us) AS max_us
FROM base.order_results r LEFT JOIN base.order_messages m USING (message_no)
GROUP BY ALL ORDER BY m.action, r.send_outcome"""

_INCIDENTS: Final = """
SELECT seq, ts, incident_id, incident_code, severity, subject, evidence, resolved_ts, resolved_by
FROM v1.incidents ORDER BY seq, incident_id"""

_COMMANDS: Final = """
SELECT c.seq, c.ts, c.who, c.verb, c.subject, c.value, c.why, c.channel, a.answer, a.reason
FROM base.operator_commands c
LEFT JOIN base.command_answers a ON a.cause = c.seq ORDER BY c.seq, a.seq"""

_APPROVALS: Final = """
SELECT r.seq, r.ts, r.request_id, r.underlying, r.strategy_id, i.tradingsymbol, r.quantity_units,
       r.risk_paise, c.approval_outcome, c.reason, c.who, c.ts AS closed_ts
FROM base.approval_requests r LEFT JOIN base.approvals_closed c USING (request_id)
LEFT JOIN base.instruments i ON i.instrument = r.contract ORDER BY r.seq, c.seq"""

_RECONCILIATIONS: Final = """
SELECT book_trigger, books_status, count(*) AS comparisons, max(book_orders) AS most_orders,
       max(book_positions) AS most_positions, sum(books_skipped)::BIGINT AS skipped,
       max(open_differences) AS open_differences, min(ts) AS first_ts, max(ts) AS last_ts
FROM base.reconciliations GROUP BY book_trigger, books_status ORDER BY book_trigger, books_status"""

_RULES: Final = """
SELECT kind, count(*) AS rows, count(*) FILTER (unsure) AS unsure, min(digest) AS digest
FROM base.rulebook GROUP BY kind ORDER BY kind"""

_SOLE: Final = """
WITH alone AS (
    SELECT s.* EXCLUDE (family), d.ts, coalesce(d.family, s.family) AS family
    FROM v1.sole_blockers() s JOIN base.decisions d USING (seq) WHERE s.gate IS NOT NULL),
ranked AS (
    SELECT *, count(*) OVER own AS sole,
           row_number() OVER (own ORDER BY margin DESC NULLS LAST, seq) AS place
    FROM alone WINDOW own AS (PARTITION BY gate, reason))
SELECT stage, gate, reason, sole, place, seq, ts, underlying, observed, limit_value, margin, family
FROM ranked
WHERE place = 1 OR place = (sole + 1) // 2 ORDER BY stage, gate, reason, place"""

_STALE: Final = """
SELECT stage, gate, reason, verdict, decisions, oldest_ms,
       (epoch_us(first_ist) - 19800000000) * 1000 AS first_ts,
       (epoch_us(last_ist) - 19800000000) * 1000 AS last_ts
FROM v1.stale_inputs()"""

_EFFECTS: Final = """
SELECT seq, (epoch_us(ts_ist) - 19800000000) * 1000 AS ts, key, value, reason, before_n, after_n
FROM v1.setting_effects()"""

_SLA: Final = """
SELECT tradingsymbol, underlying, instrument_kind, packets, median_gap_ms, p99_gap_ms,
       longest_gap_ms
FROM v1.instrument_sla()
WHERE instrument_kind NOT IN ('CE', 'PE')
   OR tradingsymbol IN (SELECT tradingsymbol FROM v1.positions)
ORDER BY instrument_kind IN ('CE', 'PE'), instrument_kind, underlying, tradingsymbol"""

_SLA_OPTIONS: Final = """
SELECT underlying, count(*) AS contracts, count(*) FILTER (packets = 0) AS silent,
       sum(packets)::BIGINT AS packets, quantile_disc(median_gap_ms, 0.5) AS median_gap_ms,
       quantile_disc(p99_gap_ms, 0.5) AS p99_gap_ms, max(longest_gap_ms) AS longest_gap_ms
FROM v1.instrument_sla() WHERE instrument_kind IN ('CE', 'PE')
GROUP BY underlying ORDER BY underlying"""

_OUTCOMES: Final = """
SELECT gate, reason, minutes, count(*) AS followed, count(gross_lot_paise) AS known,
       count(*) FILTER (gross_lot_paise > 0) AS gained,
       coalesce(sum(gross_lot_paise), 0)::BIGINT AS gross_paise
FROM v1.blocked_outcomes() WHERE gate IS NOT NULL
GROUP BY gate, reason, minutes ORDER BY gate, reason, minutes"""

_SPAN: Final = """
SELECT min(ts) AS from_ts, max(ts) AS to_ts, count(*) AS decisions,
       count(*) FILTER (outcome = 'TRADE') AS trades FROM base.decisions"""

_BLOCKERS: Final = "SELECT * FROM v1.blockers()"

_FUNNEL: Final = """
SELECT stage, reason, count(*) AS count FROM base.decisions GROUP BY ALL ORDER BY stage, reason"""


def _in_order(table: str, columns: str, order: str = "seq") -> str:
    return f"SELECT {columns} FROM base.{table} ORDER BY {order}"


WEEK: Final[dict[str, str]] = {
    "session": _SESSION,
    "span": _SPAN,
    "funnel": _FUNNEL,
    "blockers": _BLOCKERS,
    "sole": _SOLE,
    "settings": _in_order("settings", "seq, ts, kind, key, value, who, why", "seq, key"),
    "day_types": _in_order(
        "day_types", "seq, ts, underlying, day_type, range_bps, move_bps, day_locked"
    ),
    "risk_states": _in_order(
        "risk_states",
        "seq, ts, status, reason, realised_paise, charges_paise, trades_today, loss_streak, "
        "open_risk_paise",
    ),
    "quality": _QUALITY,
    "feed_ages": _FEED_AGES,
}
"""What a week asks of each of its sessions."""

DAY: Final[dict[str, str]] = {
    **WEEK,
    "carried": _in_order("carried_over", "*"),
    "resumed": _in_order("session_resumed", "seq, ts, after_seq, cut_bytes"),
    "tail_cuts": _in_order("tail_cuts", "seq, ts, after_seq, cut_bytes, reason"),
    "heat": _HEAT,
    "readiness": _in_order("readiness", "seq, ts, readiness_status, blockers"),
    "feed_stage": _FEED_STAGE,
    "feed_events": _in_order(
        "feed_events", "seq, ts, kind, connection, status, reason, link_age_ms, fault"
    ),
    "frames_dropped": _in_order("frames_dropped", "seq, ts, connection, lost_frames"),
    "ticks_judged": (
        "SELECT reason, tick_outcome, count(*) AS ticks FROM base.ticks_judged "
        "GROUP BY ALL ORDER BY reason, tick_outcome"
    ),
    "missed": "SELECT sum(missed)::BIGINT AS missed, count(*) AS ticks FROM base.timer_ticks",
    "regimes": _REGIMES,
    "prices": _PRICES,
    "runs": _RUNS,
    "trades": _TRADES,
    "positions": _POSITIONS,
    "exits": _EXITS,
    "charges": _CHARGES,
    "settlements": _in_order("settlements", "*"),
    "orders": _ORDERS,
    "sent": _SENT,
    "reconciliations": _RECONCILIATIONS,
    "differences": _in_order(
        "differences", "seq, ts, subject, reason, ours, theirs", "seq, subject"
    ),
    "risk_transitions": _in_order(
        "risk_transitions",
        "seq, ts, risk_before, risk_after, risk_trigger, reason, halts, observed, limit_value",
    ),
    "incidents": _INCIDENTS,
    "commands": _COMMANDS,
    "approvals": _APPROVALS,
    "amendments": _in_order("amendments", "seq, ts, name, scope, value, who, source"),
    "deferred": _in_order("settings_deferred", "seq, ts, key, value, reason", "seq, ordinal"),
    "rules": _RULES,
    "stale": _STALE,
    "effects": _EFFECTS,
}
"""What a day asks of its session."""

DAY_TICKS: Final[dict[str, str]] = {"sla": _SLA, "sla_options": _SLA_OPTIONS}
"""What a day asks of the ticks."""

WEEK_TICKS: Final[dict[str, str]] = {"outcomes": _OUTCOMES}
"""What a week asks of each session's ticks."""


def read_day(published: Path, session: str, parity: Parity | Absent) -> Inputs:
    """Every input of a day's report. Raises ``AskError`` when the file cannot be opened at all."""
    with opened(published) as ask:
        rows = {name: _read(ask.connection, sql) for name, sql in DAY.items()}
        stories: tuple[why.WhyAnswer, ...] | Absent
        try:
            stories = tuple(
                ask.answer(row) for row in ask.rows("decisions", "outcome = 'TRADE' ORDER BY seq")
            )
        except (duckdb.Error, AskError) as error:
            stories = Absent(_line(error))
    return Inputs(session, {**rows, **_of_ticks(published, DAY_TICKS)}, stories, parity)


def read_of_week(published: Path, session: str) -> Inputs:
    """What a week asks of one session. Raises ``AskError`` when the file cannot be opened."""
    not_asked = Absent("a week replays no session")
    with opened(published) as ask:
        rows = {name: _read(ask.connection, sql) for name, sql in WEEK.items()}
    ticks = _of_ticks(published, WEEK_TICKS)
    return Inputs(session, {**rows, **ticks}, not_asked, not_asked)


def _of_ticks(published: Path, queries: dict[str, str]) -> dict[str, Rows | Absent]:
    """Questions whose answer needs tick files; without those they are absent and nothing else."""
    try:
        with unlocked_reader(published) as connection:
            return {name: _read(connection, sql) for name, sql in queries.items()}
    except QueryRefused as error:
        return dict.fromkeys(queries, Absent(_line(error)))


def count_decisions(published: Path, before_seq: int | None = None) -> int:
    """Decisions of a session, of those before a seq. Raises ``AskError``."""
    with opened(published) as ask:
        found = ask.connection.execute(
            "SELECT count(*) FROM base.decisions WHERE $before IS NULL OR seq < $before",
            {"before": before_seq},
        ).fetchone()
    return int(found[0]) if found else 0


def _read(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows | Absent:
    try:
        cursor = connection.execute(sql)
        names = [item[0] for item in cursor.description or ()]
        return tuple(_row(names, values) for values in cursor.fetchall())
    except duckdb.Error as error:
        return Absent(_line(error))


def _row(names: list[str], values: Iterable[Any]) -> Row:
    return dict(zip(names, values, strict=True))


def _line(error: Exception) -> str:
    return f"it cannot be read: {first_line(error)}"
