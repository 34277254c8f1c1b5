"""The questions that people ask again and again, as table macros of schema ``v1`` and by name.

Lives here: each question's macro, its parameters, what it answers. May import: projections.duck's
forms. Always holds: an answer comes from what was recorded; where two rows could be told in either
order, a column of theirs decides; times are IST, bounds inclusive; a question whose answer needs
ticks is made by each reader, because tick files are named there.
Start reading at ``QUESTIONS``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from projections.duck.forms import IST, Macro


class Question(msgspec.Struct, frozen=True):
    """A question by its name on the command line: the macro, and the parameters it takes.

    ``asks`` is the question in words; ``of_ticks`` where the macro is made by each reader.
    """

    name: str
    asks: str
    macro: Macro
    takes: tuple[str, ...] = ()
    of_ticks: bool = False


WINDOW: Final = ("underlying", "from_ist", "to_ist")
"""A window of the session's day, of one underlying or of all."""


def within(column: str, names: str = "") -> str:
    """The condition that a TIMESTAMP in IST lies in the window."""
    day = f"CAST({names}{column} AS DATE)"
    return (
        f"{names}{column} >= coalesce(try_cast(from_ist AS TIMESTAMP), "
        f"{day} + try_cast(from_ist AS TIME)) AND "
        f"{names}{column} <= coalesce(try_cast(to_ist AS TIMESTAMP), "
        f"{day} + try_cast(to_ist AS TIME))"
    )


_BOUNDS: Final = "from_ist := '00:00:00', to_ist := '23:59:59.999999'"
_PARAMETERS: Final = f"underlying := NULL, {_BOUNDS}"
_SAID: Final = "; times are IST, HH:MM[:SS] or a whole timestamp, both inclusive"


def _of(table: str, name: str = "d", time: str = "ts_ist") -> str:
    """Rows of a view within the window and of the underlying."""
    whose = f"(underlying IS NULL OR {name}.underlying = underlying)"
    return f"(SELECT {name}.* FROM v1.{table} {name} WHERE {whose} AND {within(time, f'{name}.')})"


# --- decisions -----------------------------------------------------------------------------------

_WHY_AT: Final = f"""
WITH last AS (
    SELECT d.* FROM {_of("decisions")} d
    QUALIFY row_number() OVER (PARTITION BY d.underlying ORDER BY d.seq DESC) = 1)
SELECT d.seq, d.ts_ist, d.underlying, d.outcome, d.stage, d.reason, d.sentence, r.what_to_do,
       d.family, d.regime, d.day_type, g.gate, g.observed, g.limit_value, g.margin, g.age_ms
FROM last d
LEFT JOIN base.reasons r ON r.code = d.reason
LEFT JOIN base.stage_verdicts v
  ON v.decision_seq = d.seq AND v.stage = d.stage AND NOT v.assumed
LEFT JOIN base.gates g
  ON g.decision_seq = d.seq AND g.stage = d.stage AND g.gate = v.gate AND NOT g.assumed
 AND g.role = 'GATE'
QUALIFY row_number() OVER (PARTITION BY d.underlying ORDER BY g.ordinal) = 1
ORDER BY d.underlying"""

_FUNNEL: Final = f"""
WITH w AS (SELECT * FROM {_of("decisions")}),
ends AS (SELECT w.stage, s.ordinal, w.outcome, w.reason FROM w JOIN base.stages s USING (stage))
SELECT s.ordinal, s.stage, s.title,
       (SELECT count(*) FROM ends e WHERE e.ordinal >= s.ordinal) AS reached,
       (SELECT count(*) FROM ends e WHERE e.ordinal = s.ordinal AND e.outcome = 'NO_TRADE')
           AS ended,
       (SELECT mode(e.reason ORDER BY e.reason) FROM ends e
         WHERE e.ordinal = s.ordinal AND e.outcome = 'NO_TRADE') AS most_frequent,
       (SELECT count(*) FROM ends e WHERE e.outcome = 'TRADE' AND s.ordinal = 11) AS traded
FROM base.stages s ORDER BY s.ordinal"""

_HEAT: Final = f"""
SELECT time_bucket(INTERVAL '5 minutes', d.ts_ist) AS begins_ist, d.underlying, d.stage, d.reason,
       count(*) AS decisions
FROM {_of("decisions")} d WHERE d.outcome = 'NO_TRADE'
GROUP BY ALL ORDER BY begins_ist, d.underlying, decisions DESC, d.stage, d.reason"""

_BLOCKED: Final = f"""
WITH w AS {_of("decisions")},
numbered AS (
    SELECT w.*, row_number() OVER (PARTITION BY w.underlying ORDER BY w.seq)
           - row_number() OVER (PARTITION BY w.underlying, w.stage, w.reason ORDER BY w.seq) AS run,
           w.seq = max(w.seq) OVER (PARTITION BY w.underlying) AS is_last,
           count(*) OVER (PARTITION BY w.underlying) AS every
    FROM w),
runs AS (
    SELECT n.underlying, n.stage, n.reason, n.run, count(*) AS decisions,
           min(n.ts_ist) AS first_ist, max(n.ts_ist) AS last_ist, bool_or(n.is_last) AS blocks_now,
           any_value(n.every) AS every
    FROM numbered n WHERE n.outcome = 'NO_TRADE' GROUP BY ALL)
SELECT u.underlying, u.stage, u.reason, any_value(r.sentence) AS sentence,
       any_value(r.what_to_do) AS what_to_do, CAST(sum(u.decisions) AS BIGINT) AS decisions,
       CAST(1000 * sum(u.decisions) // any_value(u.every) AS BIGINT) AS share_milli,
       count(*) AS runs, max(u.decisions) AS longest_run, min(u.first_ist) AS first_ist,
       max(u.last_ist) AS last_ist, bool_or(u.blocks_now) AS blocks_now
FROM runs u LEFT JOIN base.reasons r ON r.code = u.reason
GROUP BY u.underlying, u.stage, u.reason
ORDER BY u.underlying, decisions DESC, u.stage, u.reason"""
"""A run is equal decisions of an underlying in a row; ``share_milli`` is of the underlying's."""

_WHY_NO_TRADE: Final = f"""
SELECT w.stage, w.reason, any_value(r.sentence) AS sentence, any_value(r.what_to_do) AS what_to_do,
       count(*) AS decisions, min(w.ts_ist) AS first_ist, max(w.ts_ist) AS last_ist
FROM {_of("decisions", "w")} w LEFT JOIN base.reasons r ON r.code = w.reason
LEFT JOIN base.stages s ON s.stage = w.stage
WHERE w.outcome = 'NO_TRADE'
GROUP BY w.stage, w.reason
ORDER BY any_value(s.ordinal), decisions DESC, w.reason"""

_NEAREST: Final = f"""
WITH w AS (SELECT seq, ts_ist, underlying, stage, reason FROM {_of("decisions")}
           WHERE outcome = 'NO_TRADE')
SELECT g.stage, g.gate, g.reason, count(*) AS missed,
       arg_max(w.ts_ist, (g.margin, -w.seq)) AS nearest_ist,
       arg_max(w.seq, (g.margin, -w.seq)) AS nearest_seq,
       arg_max(g.observed, (g.margin, -w.seq)) AS observed,
       arg_max(g.limit_value, (g.margin, -w.seq)) AS limit_value,
       max(g.margin) AS margin,
       CASE WHEN arg_max(g.limit_value, (g.margin, -w.seq)) <> 0
            THEN round(max(g.margin) * 10000.0
                       / abs(arg_max(g.limit_value, (g.margin, -w.seq)))) END AS margin_bps,
       any_value(c.unit) AS unit
FROM w JOIN base.gates g ON g.decision_seq = w.seq
LEFT JOIN base.gate_catalogue c ON c.gate = g.gate
WHERE NOT g.assumed AND g.role = 'GATE' AND g.verdict = 'BLOCK' AND g.margin IS NOT NULL
  AND c.sense IS DISTINCT FROM 'IS_TRUE'
GROUP BY g.stage, g.gate, g.reason
ORDER BY margin_bps DESC NULLS LAST, g.stage, g.gate, g.reason"""

_IN_THE_WAY: Final = """
official AS (
    SELECT v.*, coalesce(starts_with(v.reason, 'UPSTREAM_'), false) AS upstream
    FROM base.stage_verdicts v SEMI JOIN w ON w.seq = v.decision_seq WHERE NOT v.assumed),
in_the_way AS (
    SELECT o.decision_seq, o.stage, o.upstream
    FROM official o
    LEFT JOIN base.stage_verdicts a
      ON a.decision_seq = o.decision_seq AND a.stage = o.stage AND a.assumed AND o.upstream
    WHERE coalesce(a.verdict, o.verdict) <> 'PASS'),
only_one AS (
    SELECT decision_seq, any_value(stage) AS stage FROM in_the_way
    GROUP BY decision_seq HAVING count(*) = 1 AND NOT bool_or(upstream))"""
"""Of the decisions ``w``: their official verdicts, and those with one stage between them and a
trade."""

_ALONE: Final = f"""
w AS (SELECT * FROM {_of("decisions")} WHERE outcome = 'NO_TRADE'),
{_IN_THE_WAY},
alone AS (
    SELECT g.decision_seq, any_value(g.stage) AS stage, any_value(g.gate) AS gate,
           any_value(coalesce(g.reason, '')) AS reason, any_value(g.observed) AS observed,
           any_value(g.limit_value) AS limit_value, any_value(g.margin) AS margin
    FROM base.gates g JOIN only_one u ON u.decision_seq = g.decision_seq AND u.stage = g.stage
    WHERE NOT g.assumed AND g.role <> 'EVIDENCE' AND g.verdict <> 'PASS'
    GROUP BY g.decision_seq HAVING count(*) = 1)"""
"""Decisions with exactly one gate between them and a trade: ``w`` and ``alone``. A stage that ended
one without a gate of its own is such a gate too, as in ``why.sole_blocker`` and ``v1.blockers``."""

_BLOCKERS: Final = f"""
WITH w AS (SELECT seq, stage FROM {_of("decisions")}),
{_IN_THE_WAY},
failing AS (
    SELECT g.decision_seq, g.stage, g.gate, coalesce(g.reason, '') AS reason, g.margin,
           w.stage = g.stage AND o.gate IS NOT DISTINCT FROM g.gate AS ends,
           count(*) OVER (PARTITION BY g.decision_seq, g.stage) AS missed
    FROM base.gates g
    JOIN w ON w.seq = g.decision_seq
    JOIN official o ON o.decision_seq = g.decision_seq AND o.stage = g.stage
    WHERE NOT g.assumed AND g.role <> 'EVIDENCE' AND g.verdict <> 'PASS'
      AND o.verdict <> 'PASS' AND NOT o.upstream)
SELECT f.stage, f.gate, f.reason, count(*) AS failed, count(*) FILTER (f.ends) AS terminal,
       count(*) FILTER (f.missed = 1 AND u.stage IS NOT NULL) AS sole,
       max(f.margin) AS nearest_margin
FROM failing f
LEFT JOIN only_one u ON u.decision_seq = f.decision_seq AND u.stage = f.stage
GROUP BY f.stage, f.gate, f.reason
ORDER BY terminal DESC, failed DESC, f.stage, f.gate, f.reason"""

_SOLE: Final = f"""
WITH {_ALONE}
SELECT w.seq, w.ts_ist, w.underlying, a.stage, a.gate, a.reason, a.observed, a.limit_value,
       a.margin, coalesce(w.family, r.assumed_family) AS family,
       coalesce(w.contract, p.contract, r.assumed_contract) AS contract, i.tradingsymbol
FROM w JOIN alone a ON a.decision_seq = w.seq
LEFT JOIN base.gate_runs r ON r.decision_seq = w.seq
LEFT JOIN base.candidates p ON p.cycle = w.cycle AND p.underlying = w.underlying
LEFT JOIN base.instruments i
  ON i.instrument = coalesce(w.contract, p.contract, r.assumed_contract)
ORDER BY w.seq"""

_OUTCOMES: Final = f"""
WITH {_ALONE},
runs AS (
    SELECT w.seq, w.ts, w.ts_ist, w.underlying, a.stage, a.gate, a.reason,
           coalesce(p.contract, r.assumed_contract) AS contract
    FROM w JOIN alone a ON a.decision_seq = w.seq
    LEFT JOIN base.gate_runs r ON r.decision_seq = w.seq
    LEFT JOIN base.candidates p ON p.cycle = w.cycle AND p.underlying = w.underlying),
marked AS (
    SELECT *, lag(gate) OVER at_once IS NOT DISTINCT FROM gate
              AND ts - lag(ts) OVER at_once <= 300000000000 AS goes_on
    FROM runs WINDOW at_once AS (PARTITION BY runs.underlying ORDER BY seq)),
begun AS (SELECT * FROM marked WHERE NOT coalesce(goes_on, false)),
quoted AS (
    SELECT instrument, ts, bid_paise, ask_paise FROM ticks
    WHERE bid_paise > 0 AND ask_paise > 0
      AND instrument IN (SELECT contract FROM begun WHERE contract IS NOT NULL)),
asked AS (
    SELECT b.*, q.ask_paise FROM begun b
    ASOF LEFT JOIN quoted q ON q.instrument = b.contract AND b.ts >= q.ts),
later AS (
    SELECT a.*, m.minutes, a.ts + m.minutes * 60000000000 AS until_ts,
           a.ts + m.minutes * 60000000000 > (SELECT max(ts) FROM base.timer_ticks) AS past_end
    FROM asked a CROSS JOIN (VALUES (15), (30), (60)) m(minutes)),
sold AS (
    SELECT l.*, q.bid_paise, q.ts AS bid_ts FROM later l
    ASOF LEFT JOIN quoted q ON q.instrument = l.contract AND l.until_ts >= q.ts)
SELECT s.seq, s.ts_ist, s.underlying, s.stage, s.gate, s.reason, i.tradingsymbol, s.minutes,
       s.ask_paise, CASE WHEN s.bid_ts > s.ts AND NOT s.past_end THEN s.bid_paise END AS bid_paise,
       CASE WHEN s.bid_ts > s.ts AND NOT s.past_end
            THEN (s.bid_paise - s.ask_paise) * i.lot_units END AS gross_lot_paise,
       CASE WHEN s.contract IS NULL THEN 'no contract was looked at'
            WHEN s.ask_paise IS NULL THEN 'not quoted at the decision'
            WHEN s.past_end THEN 'the session ended before'
            WHEN s.bid_ts IS NULL OR s.bid_ts <= s.ts THEN 'not quoted later' END AS missing
FROM sold s LEFT JOIN base.instruments i ON i.instrument = s.contract
ORDER BY s.seq, s.minutes"""

_STALE: Final = f"""
SELECT g.stage, g.gate, coalesce(g.reason, '') AS reason, g.verdict, count(*) AS decisions,
       max(g.age_ms) AS oldest_ms, min(w.ts_ist) AS first_ist, max(w.ts_ist) AS last_ist
FROM {_of("decisions", "w")} w JOIN base.gates g ON g.decision_seq = w.seq
LEFT JOIN base.gate_catalogue c ON c.gate = g.gate
WHERE NOT g.assumed AND g.role = 'GATE' AND g.verdict <> 'PASS'
  AND (g.verdict = 'UNKNOWN' OR g.stage = 'N2_FEED_FRESH' OR c.unit = 'ms')
GROUP BY g.stage, g.gate, g.reason, g.verdict
ORDER BY decisions DESC, g.stage, g.gate, reason, g.verdict"""

_CONTRACT: Final = f"""
SELECT s.underlying, s.direction, s.family, coalesce(s.first_filter, 'NONE') AS first_filter,
       r.sentence, count(*) AS screenings, sum(CASE WHEN s.selected THEN 1 ELSE 0 END) AS selected,
       min(s.ts_ist) AS first_ist, max(s.ts_ist) AS last_ist,
       arg_max(s.failed_filters, s.seq) AS failed_last, arg_max(s.score_milli, s.seq) AS score_last
FROM v1.contracts_screened s LEFT JOIN base.reasons r ON r.code = s.first_filter
WHERE s.tradingsymbol = symbol AND {within("ts_ist", "s.")}
GROUP BY ALL ORDER BY screenings DESC, s.direction, s.family, first_filter"""

# --- orders --------------------------------------------------------------------------------------

_OWN: Final = "starts_with({}, left(intent, 16))"


def _step(kind: str, table: str, where: str, said: str) -> str:
    return (
        f"SELECT t.seq, t.ts_ist, '{kind}' AS what, {said} AS said FROM v1.{table} t WHERE {where}"
    )


_FRAMES: Final = (
    "t.seq IN (SELECT f.quote_seq FROM v1.fills f "
    "WHERE substring(f.order_id, 2, 16) = left(intent, 16))"
)

_TRAIL_STEPS: Final = (
    _step("tick", "timer_ticks", "t.seq IN (SELECT cause FROM made)",
          "concat_ws(' ', 'cycle due, missed', t.missed)"),
    _step("quote", "entries", _FRAMES, "concat_ws(' ', t.kind, 'that filled it')"),
    _step("snapshot", "snapshots", "t.seq IN (SELECT snapshot_seq FROM made)",
          "concat_ws(' ', t.underlying, t.spot_paise, t.spot_source, t.whole_hash)"),
    _step("gates", "gate_runs", "t.decision_seq IN (SELECT seq FROM made)",
          "concat_ws(' ', t.underlying, 'cycle', t.cycle)"),
    _step("decision", "decisions", "t.seq IN (SELECT seq FROM made)",
          "concat_ws(' ', t.outcome, t.reason, t.family, t.regime)"),
    _step("intent", "intents", _OWN.format("t.intent_id"),
          "concat_ws(' ', t.side, t.quantity_units, t.tradingsymbol, 'limit', t.limit_paise)"),
    _step("leg", "spreads", _OWN.format("t.intent_id"),
          "concat_ws(' ', 'SELL', t.quantity_units, t.tradingsymbol, 'limit', t.limit_paise)"),
    _step("approval", "approvals_closed", "t.intent_id IS NOT NULL AND "
          + _OWN.format("t.intent_id"), "concat_ws(' ', t.approval_outcome, t.who)"),
    _step("exit", "exits", _OWN.format("t.exit_id"),
          "concat_ws(' ', t.reason, t.quantity_units, t.tradingsymbol)"),
    _step("order", "order_events", _OWN.format("t.authority"),
          "concat_ws(' ', t.order_role, t.status, t.reason, t.filled_units, 'of', "
          "t.quantity_units, t.tradingsymbol)"),
    _step("message", "order_messages", _OWN.format("t.authority"),
          "concat_ws(' ', t.action, t.side, t.quantity_units, t.tradingsymbol, t.order_type, "
          "t.limit_paise, 'tag', t.tag)"),
    _step("answer", "order_results", "t.order_id IN (SELECT order_id FROM v1.order_messages m "
          f"WHERE {_OWN.format('m.authority')})",
          "concat_ws(' ', t.send_outcome, t.broker_order_id, t.broker_fault)"),
    _step("report", "broker_reports", "contains(t.tags, left(intent, 16))",
          "concat_ws(' ', t.broker_status, t.filled_units, 'of', t.quantity_units, "
          "t.tradingsymbol)"),
    _step("fill", "fills", "substring(t.order_id, 2, 16) = left(intent, 16)",
          "concat_ws(' ', t.side, t.quantity_units, t.tradingsymbol, 'at', t.price_paise)"),
    _step("position", "position_events", _OWN.format("t.position_id"),
          "concat_ws(' ', t.status, t.quantity_units, t.tradingsymbol, t.exit_reason)"),
)  # fmt: skip

_TRAIL: Final = f"""
WITH made AS (SELECT * FROM v1.decisions WHERE intent_id IS NOT NULL
              AND left(intent_id, 15) = left(intent, 15))
SELECT * FROM ({" UNION ALL ".join(_TRAIL_STEPS)}) ORDER BY seq, what, said"""

_EXECUTION: Final = f"""
WITH filled AS (
    SELECT order_id, count(*) AS fills, sum(quantity_units) AS filled_units,
           sum(quantity_units * price_paise) AS value_paise,
           sum(slippage_paise * quantity_units) AS slippage_paise,
           sum(charges_paise) AS charges_paise, min(ts) AS first_ts, max(ts) AS last_ts
    FROM base.fills GROUP BY order_id),
begun AS (SELECT order_id, min(ts) AS ts FROM base.order_events GROUP BY order_id),
sent AS (SELECT order_id, min(ts) AS ts FROM base.order_messages WHERE action = 'PLACE'
         GROUP BY order_id)
SELECT o.order_id, o.order_role, o.side, o.tradingsymbol, o.status, o.reason, o.quantity_units,
       coalesce(f.filled_units, 0) AS filled_units, coalesce(f.fills, 0) AS fills,
       f.value_paise // f.filled_units AS average_paise,
       f.slippage_paise, f.charges_paise,
       (f.first_ts - b.ts) // 1000000 AS first_fill_ms, (f.last_ts - b.ts) // 1000000 AS filled_ms,
       (s.ts - b.ts) // 1000000 AS sent_ms, {IST.format("b.ts")} AS begun_ist
FROM v1.orders o LEFT JOIN begun b USING (order_id) LEFT JOIN filled f USING (order_id)
LEFT JOIN sent s USING (order_id)
WHERE {within("begun_ist", "t.").replace("t.begun_ist", IST.format("b.ts"))}
ORDER BY b.ts, o.order_id"""

_TRADES: Final = """
WITH whole AS (
    SELECT left(position_id, 16) AS position_id, sum(realised_paise) AS realised_paise,
           sum(charges_paise) AS charges_paise, count(*) - 1 AS sold_legs
    FROM v1.positions GROUP BY 1)
SELECT p.position_id, p.underlying, p.strategy_id, p.tradingsymbol, w.sold_legs, p.opened_ist,
       p.ts_ist, p.status, p.exit_reason, p.average_paise, w.realised_paise, w.charges_paise,
       w.realised_paise - w.charges_paise AS net_paise,
       sum(w.realised_paise - w.charges_paise) OVER (ORDER BY p.seq) AS day_net_paise
FROM v1.positions p JOIN whole w USING (position_id) ORDER BY p.seq"""

_RECONCILED: Final = f"""
SELECT r.seq, r.ts_ist, r.book_trigger, r.books_status, r.open_differences, d.subject,
       d.reason AS difference, d.ours, d.theirs
FROM v1.reconciliations r
LEFT JOIN v1.differences d ON d.cause = r.cause
WHERE {within("ts_ist", "r.")} AND (r.books_status = 'DIFFERS' OR d.seq IS NOT NULL)
ORDER BY r.seq, d.seq"""

# --- people and settings -------------------------------------------------------------------------

_OPERATOR: Final = f"""
WITH asked AS (
    SELECT c.seq, c.ts_ist, c.who, c.verb, c.subject, c.value, c.why, c.channel, a.answer, a.reason,
           a.seq AS answer_seq
    FROM v1.operator_commands c LEFT JOIN v1.command_answers a ON a.cause = c.seq
    UNION ALL
    SELECT s.seq, s.ts_ist, s.who, 'CONFIG', s.key, s.value, s.why, NULL, NULL, NULL, NULL
    FROM v1.settings s WHERE s.kind = 'ConfigChanged'
    UNION ALL
    SELECT m.seq, m.ts_ist, m.who, 'AMEND', m.name, m.value, m.source, NULL, NULL, NULL, NULL
    FROM v1.amendments m)
SELECT o.seq, o.ts_ist, o.who, o.verb, o.subject, o.value, o.why, o.channel, o.answer, o.reason
FROM asked o
WHERE {within("ts_ist", "o.")} ORDER BY o.seq, o.answer_seq, o.subject"""
"""Facts that people brought: commands, changed settings, amended hours. What an approval or an
acknowledgement led to is told by its command."""

_CHANGES: Final = """
WITH changed AS (SELECT * FROM v1.settings WHERE kind = 'ConfigChanged'),
around AS (
    SELECT c.seq, c.key, d.reason, d.ts > c.ts AS after
    FROM changed c JOIN base.decisions d ON abs(d.ts - c.ts) <= minutes * 60000000000)
SELECT c.seq, c.ts_ist, c.key, c.value, c.who, c.why, a.reason,
       count(a.reason) FILTER (NOT a.after) AS before_n, count(a.reason) FILTER (a.after) AS after_n
FROM changed c LEFT JOIN around a ON a.seq = c.seq AND a.key = c.key
GROUP BY c.seq, c.ts_ist, c.key, c.value, c.who, c.why, a.reason
ORDER BY c.seq, c.key, after_n DESC, before_n DESC, a.reason"""

_DAY_TYPES: Final = """
WITH kinds AS (
    SELECT underlying, arg_max(day_type, seq) AS day_type, count(*) AS changes,
           bool_or(coalesce(day_locked, false)) AS locked FROM base.day_types GROUP BY 1),
closed AS (
    SELECT underlying, count(*) AS trades, sum(net_paise) AS net_paise,
           count(*) FILTER (net_paise > 0) AS won
    FROM (SELECT underlying, left(position_id, 16) AS position_id,
                 sum(realised_paise - charges_paise) AS net_paise
          FROM v1.positions GROUP BY 1, 2 HAVING bool_and(status = 'CLOSED')) GROUP BY 1),
regime AS (
    SELECT underlying, mode(regime ORDER BY regime) AS most_of_the_day, count(*) AS bars
    FROM base.regimes GROUP BY 1)
SELECT (SELECT session FROM base.meta) AS session,
       coalesce(k.underlying, r.underlying) AS underlying,
       coalesce(k.day_type, 'UNKNOWN') AS day_type,
       coalesce(k.changes, 0) AS changes, coalesce(k.locked, false) AS locked, r.most_of_the_day,
       coalesce(c.trades, 0) AS trades, coalesce(c.won, 0) AS won,
       coalesce(c.net_paise, 0) AS net_paise
FROM regime r FULL JOIN kinds k USING (underlying)
LEFT JOIN closed c ON c.underlying = coalesce(k.underlying, r.underlying)
ORDER BY underlying"""


def _sla(before: str) -> str:
    """Counted before anything is joined: a day has ten million packets."""
    return f"""
WITH seen AS (
    SELECT instrument, ts, ts - {before} AS gap
    FROM ticks WHERE instrument IS NOT NULL AND {within("ts_ist")}),
counted AS (
    SELECT instrument, count(*) AS packets, min(ts) AS first_ts, max(ts) AS last_ts,
           quantile_disc(gap // 1000000, [0.5, 0.99]) AS gaps_ms,
           max(gap) // 1000000 AS longest_gap_ms
    FROM seen GROUP BY instrument)
SELECT i.tradingsymbol, i.underlying, i.instrument_kind, coalesce(c.packets, 0) AS packets,
       {IST.format("c.first_ts")} AS first_ist, {IST.format("c.last_ts")} AS last_ist,
       c.gaps_ms[1] AS median_gap_ms, c.gaps_ms[2] AS p99_gap_ms, c.longest_gap_ms
FROM base.instruments i LEFT JOIN counted c USING (instrument)
ORDER BY packets, i.instrument"""


_SLA: Final = _sla("lag(ts) OVER (PARTITION BY instrument ORDER BY ts, seq, idx)")
_SLA_OF_SORTED: Final = _sla(
    "CASE WHEN lag(instrument) OVER () = instrument THEN lag(ts) OVER () END"
)
"""The same where one file holds all packets, which is sorted so: nothing is sorted again."""


def _macro(name: str, parameters: str, comment: str, sql: str) -> Macro:
    return Macro(name, parameters, comment, sql)


def _asked(
    name: str, asks: str, sql: str, parameters: str = _PARAMETERS,
    takes: tuple[str, ...] = WINDOW, *, of_ticks: bool = False,
) -> Question:  # fmt: skip
    said = _SAID if "from_ist" in takes else ""
    macro = _macro(name.replace("-", "_"), parameters, asks + said, sql)
    return Question(name, asks, macro, takes, of_ticks)


_TIMES: Final = ("from_ist", "to_ist")

QUESTIONS: Final[tuple[Question, ...]] = (
    _asked("why-at", "why there was no trade (or one) at a moment: the last decision of each "
           "underlying up to the end of the window", _WHY_AT),
    _asked("why-no-trade", "why there was no trade: decisions by stage and reason", _WHY_NO_TRADE),
    _asked("blockers", "gates that failed officially: how many decisions each had in the way, how "
           "many ended at it, how many had nothing else in the way, and its narrowest miss",
           _BLOCKERS),
    _asked("funnel", "how far decisions came: those that reached each stage and ended there",
           _FUNNEL),
    _asked("heat-map", "what stood in the way, in steps of five minutes", _HEAT),
    _asked("blocked-today", "what blocked trades today: each reason with its share of the "
           "underlying's decisions, its runs, and whether it blocks now", _BLOCKED),
    _asked("nearest-misses", "gates that were missed, the narrowest miss of each; a yes or no has "
           "no distance", _NEAREST),
    _asked("sole-blockers", "decisions with one gate between them and a trade", _SOLE),
    _asked("blocked-outcomes", "what such a decision's contract did 15, 30 and 60 minutes later: "
           "bought at its ask then, sold at its bid later, a lot, before charges; decisions that "
           "go on with the same gate count once", _OUTCOMES, of_ticks=True),
    _asked("stale-inputs", "gates that failed for what was old or not known", _STALE),
    _asked("contract-rejections", "why a contract was not chosen: its first filter, and how often",
           _CONTRACT, f"symbol, {_BOUNDS}", ("symbol", *_TIMES)),
    _asked("order-trail", "one entry from its tick to its last fill, by its intent's id",
           _TRAIL, "intent", ("intent",)),
    _asked("execution", "orders with their fills, slippage and times", _EXECUTION, _BOUNDS,
           _TIMES),
    _asked("trades", "trades with their result after charges, a pair's legs as one, and the day's "
           "so far", _TRADES, "", ()),
    _asked("differences-found", "comparisons with the broker's books that differed", _RECONCILED,
           _BOUNDS, _TIMES),
    _asked("operator-actions", "everything that people did: commands with their answers, settings "
           "changed, hours amended", _OPERATOR,
           _BOUNDS, _TIMES),
    _asked("setting-effects", "settings that changed in the session, with the decisions by reason "
           "in so many minutes before and after", _CHANGES, "minutes := 30", ("minutes",)),
    _asked("day-results", "each underlying's kind of day beside its trades", _DAY_TYPES, "", ()),
    _asked("instrument-sla", "packets of each instrument and the silences between them", _SLA,
           _BOUNDS, _TIMES, of_ticks=True),
)  # fmt: skip

BY_NAME: Final[dict[str, Question]] = {one.name: one for one in QUESTIONS}

_GATES_OF: Final = _macro(
    "gates_of",
    "decision",
    "every gate of the decision with this seq, in order",
    "SELECT * FROM v1.gates WHERE decision_seq = decision ORDER BY ordinal",
)

MACROS: Final[tuple[Macro, ...]] = (
    *(one.macro for one in QUESTIONS if not one.of_ticks),
    _GATES_OF,
)
"""Made in every file."""

TICK_MACROS: Final[tuple[Macro, ...]] = tuple(one.macro for one in QUESTIONS if one.of_ticks)
"""Made by every reader, beside ``v1.ticks``."""

SORTED_TICK_MACROS: Final[tuple[Macro, ...]] = tuple(
    msgspec.structs.replace(macro, sql=_SLA_OF_SORTED) if macro.sql == _SLA else macro
    for macro in TICK_MACROS
)
"""The same over one file, sorted by instrument and time."""
