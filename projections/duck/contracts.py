"""The contracts: what may be asked in SQL, as views and macros of schema ``v1``.

Lives here: base tables (schema ``base``, private), views, macros and their comments. May import:
events' tables of words, projections.tables. Always holds: a released column never changes its
meaning or type; every view, macro and column has a comment with its unit; nothing names the
catalogue, so that the file may be attached under any name; tick views are made by each reader,
because they name files. Start reading at ``VIEWS``.
"""

from __future__ import annotations

from typing import Final

from events import gates as gate_catalogue
from events import reasons
from projections import tables
from projections.duck import questions
from projections.duck.forms import FIRST, IST, Macro, View
from projections.glossary import GLOSSARY, ColumnType
from projections.tables import TICK_COLUMNS

SQL_TYPES: Final[dict[ColumnType, str]] = {
    "INT": "BIGINT",
    "TEXT": "VARCHAR",
    "BOOL": "BOOLEAN",
    "REAL": "DOUBLE",
}

DERIVED: Final[dict[str, str]] = {
    "resolved_seq": "seq of the entry that ended it; null while it is open",
    "resolved_ts": "when it ended, ns UTC; null while it is open",
    "resolved_by": "who ended it; null where it passed by itself, or is open",
    "is_open": "true while nothing has ended it",
    "session": "session the row belongs to",
    "ts_ist": "session clock in IST",
    "start_ist": "start of the bar in IST",
    "opened_ist": "when it was opened, IST",
    "updated_ts": "last change, ns UTC on the session clock",
    "updated_ist": "last change in IST",
    "closed_ts": "end of the session on its clock, ns UTC; null while it is open",
    "state": "OPEN or CLOSED",
    "close_reason": "how the session ended",
    "entries": "journal entries projected so far",
    "head_hash": "chain hash after the last projected entry, lower-case hex",
    "code": "reason code",
    "number": "number of the code, never reused",
    "evidence": "evidence fields, comma separated",
    "what_to_do": "what a person can do about it",
    "since": "release that brought it",
    "retired": "release that retired it; null while in use",
    "legacy_code": "code of the previous system, where there was one",
    "title": "short name for screens",
    "sense": "AT_MOST, AT_LEAST or IS_TRUE",
    "applied_seq": "last seq that is in the tables",
    "applied_ts": "session clock at that entry, ns UTC",
    "ticks_through_seq": "last seq whose packets are in the tick files",
    "published_at": "when this file was published, UTC wall clock",
    "projection_version": "version of the base tables",
    "file": "name of the file in the folder of tick files",
    "first_seq": "first seq that the file covers",
    "last_seq": "last seq that the file covers",
    "tick_rows": "packets in the file",
    "sha256": "SHA-256 of the file, lower-case hex",
    "sealed": "true for the one sorted file of a closed session",
    "part": "part of the score: score_aim, score_spread, score_reward, score_depth, score_volume",
    "points": "points of the part, of 1,000",
    "net_paise": "result after charges, paise",
    "brokerage_paise": "brokerage among the charges, paise; null without a fill in this session",
    "tax_paise": "transaction tax among the charges, paise; null without a fill in this session",
    "other_paise": "exchange and regulator's fees, stamp duty and GST among the charges, paise",
    "instrument_id": "EXCHANGE:TRADINGSYMBOL:yyyymmdd, the day that it was first seen",
    "first_seen_day": "first trading day of the sessions asked that lists it, yyyymmdd",
    "form": "VIEW or MACRO",
    "parameters": "a macro's parameters with their defaults",
    "comment": "what it holds",
}


_SESSION: Final = "(SELECT session FROM base.meta) AS session"
_INDEXED: Final = ("contract", "instrument")
_OWN_SYMBOL: Final = ("instruments",)


def _over(table: str, source: str | None = None, extra: str = "") -> str:
    """A view over one base table: session and IST time are added, indices get their symbol."""
    names = [column.name for column in tables.BY_NAME[table].columns]
    parts = [_SESSION]
    for name in names:
        parts.append(f"t.{name}")
        if name == "ts":
            parts.append(IST.format("t.ts") + " AS ts_ist")
    index = next((name for name in _INDEXED if name in names), None)
    if index is None or table in _OWN_SYMBOL:
        return f"SELECT {', '.join(parts)}{extra} FROM {source or 'base.' + table} t"
    parts.append("i.tradingsymbol")
    return (
        f"SELECT {', '.join(parts)}{extra} FROM {source or 'base.' + table} t "
        f"LEFT JOIN base.instruments i ON i.instrument = t.{index}"
    )


def _latest(table: str, key: str) -> str:
    """The last row of each key of a table of changes."""
    newest = f"(SELECT max(seq) FROM base.{table} GROUP BY {key})"
    return f"(SELECT * FROM base.{table} WHERE seq IN {newest})"


_ENTERED: Final = (
    "(SELECT position_id, arg_max(average_paise, seq) AS entered_paise FROM base.position_events "
    "WHERE quantity_units <> 0 GROUP BY position_id)"
)
_POSITIONS: Final = (
    "(SELECT p.* EXCLUDE (entered_paise) REPLACE (p.entered_paise AS average_paise) FROM "
    f"(SELECT * FROM {_latest('position_events', 'position_id')} "
    f"LEFT JOIN {_ENTERED} USING (position_id)) p)"
)
"""A closed position holds nothing, so its last event has no average: it is of the last holding."""

_DECISIONS: Final = f"""
SELECT {_SESSION}, d.seq, d.ts, {IST.format("d.ts")} AS ts_ist, d.underlying, d.outcome, d.stage,
       d.reason, d.family, d.strategy_id, d.regime, d.day_type, d.cause, d.cycle, d.gates_seq,
       d.snapshot_seq, d.contract, i.tradingsymbol, d.intent_id, d.sentence
FROM base.decisions d LEFT JOIN base.instruments i ON i.instrument = d.contract"""

_GATES: Final = f"""
SELECT {_SESSION}, seq, decision_seq, underlying, stage, gate, verdict, reason, assumed, observed,
       limit_value, margin, age_ms, marks, role, ordinal, cycle, ts, {IST.format("ts")} AS ts_ist
FROM base.gates"""

_SESSIONS: Final = f"""
SELECT {_SESSION}, o.mode, o.day, CASE WHEN c.seq IS NULL THEN 'OPEN' ELSE 'CLOSED' END AS state,
       c.reason AS close_reason, o.account, o.market_kind, o.market_seed, o.market_profile,
       o.market_content_digest, o.market_lacks, o.bar_ms, o.cycle_kind, o.cycle_cadence_ms,
       o.cycle_max_gap_ms, o.anchor_ns, o.rate, o.ts, {IST.format("o.ts")} AS ts_ist,
       c.ts AS closed_ts, p.applied_seq AS entries, p.applied_hash AS head_hash, s.cycles,
       s.decisions, s.trades, s.frames, s.ticks, s.rejected_frames, s.realised_paise,
       s.charges_paise, s.open_positions, k.previous_session, k.previous_head_hash, o.code_digest,
       o.schema_digest, o.rulebook_digest, o.settings_digest
FROM base.session_opened o
LEFT JOIN base.session_closed c ON true
LEFT JOIN base.session_summaries s ON true
LEFT JOIN base.carried_over k ON true
LEFT JOIN base.checkpoint p ON true"""

_REASONS: Final = (
    "SELECT code, number, stage, kind, evidence, sentence, what_to_do, since, retired, legacy_code "
    "FROM base.reasons"
)
_STATUS: Final = (
    f"SELECT {_SESSION}, (SELECT projection_version FROM base.meta) AS projection_version, "
    "applied_seq, applied_ts, ticks_through_seq, "
    "(SELECT max(published_at) FROM base.publication) AS published_at FROM base.checkpoint"
)
_SCORES: Final = f"""
SELECT {_SESSION}, g.seq, g.decision_seq, g.ts, {IST.format("g.ts")} AS ts_ist, g.cycle,
       g.underlying, g.assumed, g.gate AS part, g.observed AS points,
       r.assumed_contract, i.tradingsymbol
FROM base.gates g LEFT JOIN base.gate_runs r ON r.decision_seq = g.decision_seq
LEFT JOIN base.instruments i ON i.instrument = r.assumed_contract
WHERE g.role = 'EVIDENCE' AND starts_with(g.gate, 'score_')"""

_PNL: Final = f"""
SELECT {_SESSION}, p.position_id, p.underlying, p.strategy_id, p.contract, i.tradingsymbol,
       p.status, p.quantity_units, p.opened_ts, p.ts, {IST.format("p.ts")} AS ts_ist,
       p.exit_reason, p.realised_paise, p.charges_paise,
       p.realised_paise - p.charges_paise AS net_paise, b.brokerage_paise, b.tax_paise,
       b.other_paise
FROM {_latest("position_events", "position_id")} p
LEFT JOIN base.instruments i ON i.instrument = p.contract
LEFT JOIN (
    SELECT left(o.authority, CASE WHEN contains(o.authority, 'S') THEN 17 ELSE 16 END)
               AS position_id,
           coalesce(sum(c.paise) FILTER (c.name = 'charge.brokerage'), 0) AS brokerage_paise,
           coalesce(sum(c.paise) FILTER (starts_with(c.name, 'charge.stt')), 0) AS tax_paise,
           coalesce(sum(c.paise) FILTER (c.name <> 'charge.brokerage'
                                         AND NOT starts_with(c.name, 'charge.stt')), 0)
               AS other_paise
    FROM (SELECT DISTINCT order_id, authority FROM base.order_events) o
    JOIN base.fill_charges c USING (order_id) GROUP BY 1) b USING (position_id)"""

_CONFIGURATION: Final = (
    f"SELECT {_SESSION}, s.key, s.value, s.kind, s.who, s.why, s.seq, s.ts, "
    f"{IST.format('s.ts')} AS ts_ist FROM base.settings s "
    "WHERE s.seq = (SELECT max(t.seq) FROM base.settings t WHERE t.key = s.key)"
)

INSTRUMENT_ID: Final = "i.exchange || ':' || i.tradingsymbol || ':' || {}"
_IDS: Final = f"""
SELECT {_SESSION}, i.instrument, {INSTRUMENT_ID.format("o.day")} AS instrument_id, i.exchange,
       i.tradingsymbol, i.underlying, i.instrument_kind, i.expiry, i.strike_paise, i.lot_units,
       o.day AS first_seen_day
FROM base.instruments i, base.session_opened o"""

_CONTRACTS: Final = "SELECT name, form, version, since, parameters, comment FROM base.contracts"
_TICK_FILES: Final = (
    f"SELECT {_SESSION}, file, first_seq, last_seq, tick_rows, sha256, sealed FROM base.tick_files"
)

_SAME_NAME: Final = (
    "entries",
    "carried_over",
    "carried_cooldowns",
    "carried_positions",
    "carried_orders",
    "session_resumed",
    "settings",
    "operator_commands",
    "tail_cuts",
    "instruments",
    "rulebook",
    "timer_ticks",
    "regimes",
    "regime_probs",
    "day_types",
    "snapshots",
    "snapshot_expiries",
    "gate_runs",
    "stage_verdicts",
    "contracts_screened",
    "candidates",
    "intents",
    "exits",
    "order_events",
    "fills",
    "fill_charges",
    "position_events",
    "risk_states",
    *(one.name for one in tables.DESK),
)
"""Base tables that are asked under their own name."""

_INCIDENTS: Final = (
    f"SELECT {_SESSION}, t.incident_id, t.incident_code, t.severity, t.subject, t.evidence, "
    f"t.seq, t.ts, {IST.format('t.ts')} AS ts_ist, r.seq AS resolved_seq, r.ts AS resolved_ts, "
    "r.who AS resolved_by, r.seq IS NULL AS is_open "
    "FROM base.incidents_raised t "
    "LEFT JOIN base.incidents_resolved r USING (incident_id, incident_code, subject)"
)

VIEWS: Final[tuple[View, ...]] = (
    View("sessions", "the session: identity, state and totals", _SESSIONS),
    View("decisions", "the one end of each cycle of each underlying", _DECISIONS),
    View("gates", "every gate of every decision, official and assumed", _GATES),
    *(View(name, tables.BY_NAME[name].comment, _over(name)) for name in _SAME_NAME),
    View(
        "bars",
        "closed bars with the indicators after them",
        _over("bars", extra=f", {IST.format('t.start_ts')} AS start_ist"),
    ),
    View("incidents", "each incident with its end, where it has one", _INCIDENTS),
    View("feed_health", "states and faults of the feed", _over("feed_events")),
    View(
        "orders",
        "each order in its last state",
        _over("order_events", _latest("order_events", "order_id")),
    ),
    View(
        "positions",
        "each position in its last state",
        _over(
            "position_events",
            _POSITIONS,
            f", {IST.format('t.opened_ts')} AS opened_ist",
        ),
    ),
    View("reasons", "every reason code: what it means and what to do", _REASONS),
    View(
        "stages",
        "the eleven stages in their order",
        "SELECT ordinal, stage, title FROM base.stages",
    ),
    View(
        "gate_catalogue",
        "every gate with its unit, in order of precedence",
        "SELECT ordinal, gate, stage, unit, sense, title FROM base.gate_catalogue",
    ),
    View("scores", "the parts of a contract's score, as evidence of a decision", _SCORES),
    View("pnl", "each position's result with its charges, by kind; a pair has two rows", _PNL),
    View("configuration", "each setting as it is in force at the end", _CONFIGURATION),
    View(
        "instrument_ids",
        "instruments by an id that holds over sessions: exchange, tradingsymbol and the first day "
        "that it was seen in the sessions that are asked; a token is of its session alone",
        _IDS,
    ),
    View("contracts", "every view and macro of this schema, with its version", _CONTRACTS),
    View("status", "how far this file is and when it was published", _STATUS),
    View("tick_files", "the files behind v1.ticks", _TICK_FILES),
)

MACROS: Final = questions.MACROS
"""Made in every file, behind the views."""


def schema_statements() -> tuple[str, ...]:
    """Everything that a new file needs, in order: tables, dimensions, views, macros, comments."""
    return (
        *_base_statements(),
        *(f"CREATE VIEW v1.{view.name} AS {view.sql}" for view in VIEWS),
        *(create_macro(macro) for macro in MACROS),
        *(f"COMMENT ON VIEW v1.{view.name} IS {quoted(view.comment)}" for view in VIEWS),
        *(f"COMMENT ON MACRO TABLE v1.{macro.name} IS {quoted(macro.comment)}" for macro in MACROS),
    )


def create_macro(macro: Macro) -> str:
    """The statement that makes a macro."""
    return f"CREATE MACRO v1.{macro.name}({macro.parameters}) AS TABLE {macro.sql}"


_PRIVATE: Final[tuple[tuple[str, str], ...]] = (
    ("meta", "session VARCHAR, session_uid VARCHAR, projection_version INTEGER"),
    (
        "checkpoint",
        (
            "applied_seq BIGINT, applied_hash VARCHAR, applied_ts BIGINT, closed BOOLEAN, "
            "ticks_through_seq BIGINT"
        ),
    ),
    ("publication", "published_at TIMESTAMP"),
    (
        "tick_files",
        (
            "file VARCHAR, first_seq BIGINT, last_seq BIGINT, tick_rows BIGINT, sha256 VARCHAR, "
            "sealed BOOLEAN"
        ),
    ),
    (
        "reasons",
        (
            "code VARCHAR, number INTEGER, stage VARCHAR, kind VARCHAR, evidence VARCHAR, "
            "sentence VARCHAR, what_to_do VARCHAR, since VARCHAR, retired VARCHAR, "
            "legacy_code VARCHAR"
        ),
    ),
    ("stages", "ordinal INTEGER, stage VARCHAR, title VARCHAR"),
    (
        "contracts",
        (
            "name VARCHAR, form VARCHAR, version INTEGER, since VARCHAR, parameters VARCHAR, "
            "comment VARCHAR"
        ),
    ),
    (
        "gate_catalogue",
        "ordinal INTEGER, gate VARCHAR, stage VARCHAR, unit VARCHAR, sense VARCHAR, title VARCHAR",
    ),
)
"""Tables beside those of the journal: where the projection stands, and this release's words."""


def _base_statements() -> tuple[str, ...]:
    return (
        "CREATE SCHEMA base",
        "CREATE SCHEMA v1",
        *(f"CREATE TABLE base.{name} ({columns})" for name, columns in _PRIVATE),
        *(_create(table) for table in tables.TABLES),
        *(
            f"COMMENT ON TABLE base.{table.name} IS {quoted(table.comment)}"
            for table in tables.TABLES
        ),
    )


def _create(table: tables.Table) -> str:
    columns = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in table.columns)
    return f"CREATE TABLE base.{table.name} ({columns})"


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def column_comment(column: str) -> str:
    """What a column of any view says. Raises ``KeyError`` for a column nobody described."""
    known = GLOSSARY.get(column)
    return known.comment if known else DERIVED[column]


def dimension_rows() -> dict[str, list[tuple[object, ...]]]:
    """Rows of the dimension tables, from this release's own tables of words."""
    return {
        "reasons": [
            (
                *(spec.code, spec.number, spec.stage, spec.kind, ",".join(spec.evidence)),
                *(spec.sentence, spec.what_to_do, spec.since, spec.retired, spec.legacy_code),
            )
            for spec in reasons.REASONS
        ],
        "stages": [
            (place, stage, title)
            for place, (stage, title) in enumerate(
                zip(reasons.STAGES, reasons.STAGE_TITLES, strict=True), 1
            )
        ],
        "contracts": [
            *((one.name, "VIEW", one.version, one.since, "", one.comment) for one in VIEWS),
            *(
                (one.name, "MACRO", one.version, one.since, one.parameters, one.comment)
                for one in (*MACROS, *questions.TICK_MACROS)
            ),
            ("ticks", "VIEW", 1, FIRST, "", TICKS_VIEW_COMMENT),
        ],
        "gate_catalogue": [
            (place, spec.gate, spec.stage, spec.unit, spec.sense, spec.title)
            for place, spec in enumerate(gate_catalogue.GATES)
        ],
    }


TICKS_VIEW_COMMENT: Final = "every packet of every frame, sorted by instrument and time"


def ticks_view(files: list[str], catalogue: str) -> str:
    """The SELECT of v1.ticks over these files, for a reader that attached the session as named."""
    columns = ", ".join(f"t.{name}" for name, _, _ in TICK_COLUMNS)
    if files:
        source = f"read_parquet([{', '.join(quoted(file) for file in files)}])"
    else:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind, _ in TICK_COLUMNS)
        source = f"(SELECT {nothing} WHERE false)"
    return (
        f"SELECT (SELECT session FROM {catalogue}.base.meta) AS session, {columns}, "
        f"{IST.format('t.ts')} AS ts_ist, i.tradingsymbol, i.underlying "
        f"FROM {source} t LEFT JOIN {catalogue}.base.instruments i ON i.instrument = t.instrument"
    )
