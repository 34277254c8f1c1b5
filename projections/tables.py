"""What a projection holds: every base table and column, with type, unit and meaning.

Lives here: one glossary of column names and one list of tables made from it. May import: msgspec.
Always holds: a column name means the same thing, in the same unit, wherever it occurs; every column
has a comment. ``rows.py`` fills these tables, ``duck/contracts.py`` makes the SQL from them.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

ColumnType = Literal["INT", "TEXT", "BOOL", "REAL"]

VERSION: Final = 3
"""Version of the base tables; a projection built by another version is rebuilt."""


class Column(msgspec.Struct, frozen=True):
    """A column: its type and what it says, with the unit and where None stands for unknown."""

    name: str
    type: ColumnType
    comment: str


class Table(msgspec.Struct, frozen=True):
    """A base table; ``columns`` in the order in which ``rows.py`` gives their values."""

    name: str
    comment: str
    columns: tuple[Column, ...]


_INT: Final[dict[str, str]] = {
    "seq": "seq of the journal entry this row comes from",
    "ts": "session clock, ns since 1970-01-01 UTC",
    "cause": "seq of the fact that led to this entry",
    "version": "version of the entry's payload",
    "cycle": "number of the decision cycle in the session, from 1",
    "decision_seq": "seq of the DecisionMade of the same cycle and underlying",
    "gates_seq": "seq of the GatesEvaluated behind it",
    "snapshot_seq": "seq of the SnapshotTaken behind it",
    "ordinal": "place inside its entry, from 0",
    "due_ts": "when it was due, ns UTC on the session clock",
    "missed": "cycle ticks that were due and not given",
    "day": "trading day, yyyymmdd IST",
    "anchor_ns": "market time at which the session clock starts, ns UTC",
    "rate": "market seconds per real second; 0 is as fast as possible",
    "market_seed": "seed of a synthetic market, null for others",
    "bar_ms": "length of a bar, ms",
    "cycle_cadence_ms": "cadence of decision cycles, ms",
    "cycle_max_gap_ms": "silence after which cycles follow the cadence, ms",
    "realised_paise": "realised result, gross of charges, paise",
    "charges_paise": "charges, paise",
    "capital_paise": "capital of the account, paise",
    "trades_today": "entries filled on this day and account",
    "loss_streak": "losing trades in a row",
    "risk_day": "trading day that the risk state was last in force on, yyyymmdd",
    "day_high_paise": "highest result of the day, open positions included, paise",
    "closed_trades": "closed positions whose results are remembered",
    "exits": "exits signalled on this day and account",
    "value_paise": "cost of what is held, paise",
    "best_bid_paise": "highest bid since entry, paise",
    "tp1_paise": "first target, paise; 0 for none",
    "keep_units": "units that stay beyond the first target",
    "cooldown_until_ns": "no entry before this time, ns UTC; 0 for none",
    "after_seq": "last seq that was kept",
    "cut_bytes": "bytes that were cut, never acknowledged",
    "cycles": "decision cycles of the session",
    "decisions": "decisions of the session",
    "trades": "entries filled",
    "frames": "frames received",
    "ticks": "packets decoded (session), or prints inside the bar",
    "rejected_frames": "frames refused whole",
    "open_positions": "positions open at the end",
    "instrument": "index of the instrument in the session's InstrumentsLoaded",
    "contract": "index of the contract in the session's InstrumentsLoaded",
    "assumed_contract": "index of the contract taken for the assumed verdicts",
    "token": "the broker's token, valid in this session only",
    "expiry": "expiry date, yyyymmdd; 0 for none",
    "strike_paise": "strike, paise; 0 for none",
    "lot_units": "units in a lot",
    "tick_paise": "price step, paise",
    "valid_from": "first day of validity, yyyymmdd inclusive",
    "valid_to": "last day of validity, yyyymmdd inclusive",
    "connection": "number of the feed connection",
    "link_age_ms": "time since the connection's last frame, ms",
    "limit_ms": "limit of that age, ms",
    "subscribed": "instruments subscribed",
    "fault_offset": "byte of the frame at which the codec gave up",
    "length_bytes": "length of the frame as received, bytes",
    "start_ts": "start of the bar, ns UTC",
    "open_paise": "first price, paise",
    "high_paise": "highest price, paise",
    "low_paise": "lowest price, paise",
    "close_paise": "last price, paise",
    "volume_units": "units traded; null where the market has no volume",
    "bars_done": "declared bars closed so far",
    "leader_bars": "bars for which the leader has led",
    "entropy_milli": "Shannon entropy of the probabilities, milli-nat",
    "adx_milli": "ADX, thousandths (0 to 100,000)",
    "drift_milli": "separation of the averages in ATR, thousandths",
    "fall_milli": "the same, downwards, thousandths",
    "level_milli": "realised volatility against its reference, thousandths",
    "prob_milli": "probability, per mille",
    "range_bps": "range of the day so far, bps of the open",
    "move_bps": "move from the open, bps",
    "spot_paise": "price of the underlying, paise; null where unknown",
    "spot_age_ms": "age of that price, ms",
    "future_paise": "price of the near future, paise; null where unknown",
    "future_age_ms": "age of that price, ms",
    "vix_age_ms": "age of the volatility index, ms",
    "reference_age_ms": "age of that price, ms",
    "witness_paise": "price that confirms it, paise of today; null where there is none",
    "near_age_ms": "age of the oldest fresh quote near the money, ms",
    "vix_paise": "volatility index times 100; null where unknown",
    "page_age_ms": "age of the exchange's newest stamp, ms",
    "forward_paise": "forward of the expiry, paise; null where unknown",
    "forward_pairs": "strikes behind the parity forward",
    "atm_strike_paise": "strike at the money, paise",
    "pcr_oi_milli": "put-call ratio by open interest, thousandths",
    "contracts_quoted": "contracts with a two-sided quote",
    "observed": "what the gate saw, in the gate's unit",
    "limit_value": "the gate's limit, in the gate's unit",
    "margin": "room to spare, in the gate's unit; negative where missed",
    "age_ms": "age of the gate's oldest input, ms",
    "rows": "gate rows that decide this stage",
    "mask": "bit i is set when filter i failed",
    "score_milli": "score, thousandths; null where none was given",
    "signal_milli": "strength of the signal, thousandths",
    "entry_paise": "planned entry price, paise",
    "reference_paise": "mid at the decision (intent), or what stands for the underlying's price "
    "(snapshot), paise; null where not known or not kept",
    "stop_paise": "stop, paise",
    "target_paise": "target, paise",
    "trail_paise": "trailing distance, paise",
    "iv_milli": "implied volatility, thousandths a year; null where unknown",
    "delta_milli": "delta, thousandths; null where unknown",
    "theta_paise_day": "theta, paise a unit and calendar day; null where unknown",
    "vega_paise_point": "vega, paise a unit and volatility point; null where unknown",
    "quantity_units": "quantity, units",
    "lots": "quantity, lots",
    "limit_paise": "limit price, paise",
    "risk_paise": "loss at the stop with charges both ways, paise",
    "trigger_paise": "level of the exit rule, paise; null where it has none",
    "seen_paise": "bid that met the level, paise; null where it has none",
    "filled_units": "filled so far, units",
    "fill_no": "number of the fill of its order, from 1",
    "price_paise": "price of the fill, paise",
    "slippage_paise": "distance from the mid it was decided at, paise",
    "quote_seq": "seq of the frame whose quote filled it",
    "paise": "amount, paise",
    "average_paise": "average entry price, paise",
    "opened_ts": "when the position was opened, ns UTC",
    "open_risk_paise": "risk of open positions and orders, paise",
}

_TEXT: Final[dict[str, str]] = {
    "kind": "kind of the entry, instrument, artefact or market",
    "mode": "LIVE, PAPER, SIM or BACKTEST",
    "account": "account that the limits count for",
    "market_kind": "which market this session saw",
    "market_profile": "profile of a synthetic market",
    "market_content_digest": "digest of a recorded market's content",
    "market_lacks": "what the market does not have, comma separated",
    "cycle_kind": "GRID or AFTER_SNAPSHOT",
    "code_digest": "digest of the engine's code",
    "schema_digest": "digest of the event schema",
    "rulebook_digest": "digest of the rulebook rows in force",
    "settings_digest": "digest of the settings in force",
    "previous_session": "the account's previous session, null for a fresh account",
    "previous_head_hash": "head hash of that session",
    "halts": "halts carried over, comma separated",
    "state_hash": "SHA-256 of the engine's state before this entry",
    "key": "dotted key of a setting; the unit stands in the key",
    "value": "value as text",
    "who": "who asked for it",
    "why": "why, word for word",
    "verb": "the command",
    "subject": "what the command is about (an intent, an order, an incident)",
    "command_id": "the asker's own id of the command; empty before version 2",
    "channel": "how it came: SOCKET, FILE, SIGNAL or NONE",
    "reason": "reason code, see v1.reasons; null where none is needed",
    "exchange": "exchange of the instrument",
    "tradingsymbol": "the exchange's name of the contract",
    "product": "what the broker holds it in (MIS, NRML); empty where that is not known",
    "underlying": "name of the underlying",
    "instrument_kind": "INDEX, VIX, FUT, CE or PE",
    "provenance": "exchange or estimated",
    "name": "name of the rule, artefact or charge",
    "digest": "digest of the content, lower-case hex",
    "scope": "whom the rule is for",
    "unit": "unit of the value",
    "source": "where the row is from",
    "status": "state after this entry",
    "fault": "the codec's word for what is wrong with the frame",
    "regime": "regime in force",
    "leader": "most likely regime",
    "label": "a regime",
    "unstable": "why the regime may not be traded, comma separated",
    "day_type": "kind of day so far",
    "reference_source": "INDEX, or FUTURE or PARITY in the closing auction",
    "witness_source": "FUTURE or PARITY; null where nothing confirms the price",
    "spot_source": "where the price of the underlying is from",
    "whole_hash": "SHA-256 of the whole view, which time travel re-derives",
    "forward_source": "PARITY or FUTURE; null where there is no forward",
    "stage": "stage of the decision, N1 to N11",
    "verdict": "PASS, BLOCK or UNKNOWN",
    "gate": "the gate; null on the row of a stage that evaluated none",
    "depends_on": "earlier stage whose missing input made this one UNKNOWN",
    "role": "GATE decides, EVIDENCE explains and decides nothing, STAGE has no gate",
    "marks": "what weakens the evidence, comma separated",
    "assumed_family": "family taken for the assumed verdicts",
    "outcome": "TRADE or NO_TRADE",
    "family": "strategy family",
    "strategy_id": "strategy",
    "intent_id": "id of the approved intent",
    "sentence": "the reason in words, with its numbers",
    "direction": "direction of the family's signal",
    "first_filter": "first filter that rejected the contract; null for none",
    "failed_filters": "all filters that rejected it, comma separated",
    "side": "BUY or SELL",
    "exit_id": "id of the exit",
    "position_id": "id of the position",
    "order_id": "id of the order",
    "authority": "id of the intent or exit that allows the order",
    "order_role": "ENTRY or EXIT",
    "exit_reason": "reason code of the exit that closed it",
    "risk_status": "risk state: NORMAL, SOFT_HALT, HARD_HALT or RECOVERY",
}

_BOOL: Final[dict[str, str]] = {
    "tp1_hit": "true once the first target was met",
    "unsure": "true where no first-hand source stands behind the row",
    "subscription_verified": "what was asked for is what is seen",
    "vwap_is_twap": "true where there is no volume and the VWAP is a TWAP",
    "assumed": "judged on the best-ranked family or contract; counts in no funnel",
    "selected": "the contract that was chosen",
    "is_fact": "came from outside; false for what the core derived",
}

_REAL: Final[dict[str, str]] = {
    "ema_fast_paise": "fast EMA of the close, paise",
    "ema_slow_paise": "slow EMA of the close, paise",
    "rsi": "RSI, 0 to 100",
    "atr_paise": "ATR, paise",
    "adx": "ADX, 0 to 100",
    "vwap_paise": "session VWAP or TWAP, paise",
    "atm_iv": "implied volatility at the money, fraction a year",
    "skew_25d": "25-delta skew, fraction a year",
}


def _glossary() -> dict[str, Column]:
    words: tuple[tuple[ColumnType, dict[str, str]], ...] = (
        ("INT", _INT),
        ("TEXT", _TEXT),
        ("BOOL", _BOOL),
        ("REAL", _REAL),
    )
    found: dict[str, Column] = {}
    for kind, names in words:
        for name, comment in names.items():
            if name in found:
                raise ValueError(f"column {name} is in the glossary twice")
            found[name] = Column(name, kind, comment)
    return found


GLOSSARY: Final[dict[str, Column]] = _glossary()

_HEAD: Final = "seq ts cause "


def _table(name: str, comment: str, columns: str) -> Table:
    return Table(name, comment, tuple(GLOSSARY[column] for column in columns.split()))


_INDICATORS: Final = "ema_fast_paise ema_slow_paise rsi atr_paise adx vwap_paise vwap_is_twap"

TABLES: Final[tuple[Table, ...]] = (
    _table("entries", "every journal entry, without its payload", _HEAD + "kind version is_fact"),
    _table(
        "session_opened",
        "identity of the session",
        _HEAD + "mode day anchor_ns rate account market_kind market_seed market_profile "
        "market_content_digest market_lacks bar_ms cycle_kind cycle_cadence_ms cycle_max_gap_ms "
        "code_digest schema_digest rulebook_digest settings_digest",
    ),
    _table(
        "carried_over",
        "what the account brought into the session",
        _HEAD + "previous_session previous_head_hash day realised_paise charges_paise trades_today "
        "loss_streak exits halts capital_paise risk_status risk_day day_high_paise closed_trades",
    ),
    _table(
        "carried_cooldowns",
        "pauses that an earlier session began",
        "seq ordinal underlying cooldown_until_ns",
    ),
    _table(
        "carried_positions",
        "positions that an earlier session left open",
        "seq ordinal position_id strategy_id exchange tradingsymbol quantity_units value_paise "
        "opened_ts stop_paise target_paise trail_paise best_bid_paise realised_paise "
        "charges_paise risk_paise product tp1_paise keep_units tp1_hit underlying instrument_kind "
        "expiry strike_paise",
    ),
    _table(
        "carried_orders",
        "orders of an earlier session whose end is not known",
        "seq ordinal order_id authority order_role exchange tradingsymbol side quantity_units "
        "filled_units limit_paise",
    ),
    _table(
        "session_resumed",
        "the session reopened after its engine had died",
        _HEAD + "after_seq state_hash cut_bytes",
    ),
    _table("settings", "settings, as opened and as changed", _HEAD + "kind key value who why"),
    _table(
        "operator_commands",
        "what people asked for",
        _HEAD + "verb who why subject value command_id channel",
    ),
    _table("tail_cuts", "bytes cut on reopening", _HEAD + "after_seq cut_bytes reason"),
    _table("session_closed", "how the session ended", _HEAD + "reason"),
    _table(
        "session_summaries",
        "the day in one row, at its close",
        _HEAD + "cycles decisions trades frames ticks rejected_frames realised_paise charges_paise "
        "open_positions",
    ),
    _table(
        "instruments",
        "instruments of the session, by index",
        "seq instrument token exchange tradingsymbol underlying instrument_kind expiry "
        "strike_paise lot_units tick_paise provenance",
    ),
    _table(
        "rulebook",
        "dated rules in force, as journaled",
        "seq ordinal kind digest name scope valid_from valid_to value unit source unsure",
    ),
    _table("timer_ticks", "ticks of the cycle rule", _HEAD + "due_ts missed"),
    _table(
        "feed_events",
        "states and faults of the feed",
        _HEAD + "kind connection status reason subscription_verified subscribed link_age_ms "
        "limit_ms fault fault_offset length_bytes",
    ),
    _table(
        "bars",
        "closed bars with the indicators after them",
        _HEAD + "instrument bar_ms start_ts open_paise high_paise low_paise close_paise "
        "volume_units ticks bars_done " + _INDICATORS,
    ),
    _table(
        "regimes",
        "regime of an underlying after each declared bar",
        _HEAD + "underlying regime leader leader_bars entropy_milli unstable adx_milli "
        "drift_milli fall_milli level_milli",
    ),
    _table("regime_probs", "probabilities behind a regime", "seq underlying label prob_milli"),
    _table("day_types", "kind of day so far", _HEAD + "underlying day_type range_bps move_bps"),
    _table(
        "snapshots",
        "what an underlying looked like at a cycle, as the gates used it",
        _HEAD + "cycle underlying spot_paise spot_source spot_age_ms future_paise future_age_ms "
        "vix_paise link_age_ms page_age_ms bars_done " + _INDICATORS + " whole_hash "
        "vix_age_ms reference_paise reference_source reference_age_ms witness_paise "
        "witness_source near_age_ms",
    ),
    _table(
        "snapshot_expiries",
        "expiries inside a snapshot",
        "seq underlying expiry forward_paise forward_source forward_pairs atm_strike_paise atm_iv "
        "skew_25d pcr_oi_milli contracts_quoted",
    ),
    _table(
        "gate_runs",
        "one row for each GatesEvaluated",
        _HEAD + "decision_seq cycle underlying snapshot_seq assumed_family assumed_contract",
    ),
    _table(
        "stage_verdicts",
        "verdict of each stage, the eleven official ones and the assumed ones",
        "seq decision_seq ts cycle underlying assumed ordinal stage verdict reason gate depends_on "
        "rows",
    ),
    _table(
        "gates",
        "every gate of every decision",
        "seq decision_seq ts cycle underlying assumed ordinal stage role gate verdict reason "
        "observed limit_value margin age_ms marks",
    ),
    _table(
        "contracts_screened",
        "contracts looked at, whenever the screening differs from the last one",
        "seq ts cause cycle underlying family direction contract first_filter failed_filters mask "
        "score_milli selected",
    ),
    _table(
        "candidates",
        "a contract with its plan, before sizing",
        _HEAD + "cycle underlying family strategy_id contract side entry_paise stop_paise "
        "target_paise trail_paise iv_milli delta_milli theta_paise_day vega_paise_point "
        "signal_milli score_milli",
    ),
    _table(
        "decisions",
        "the one end of each cycle of each underlying",
        _HEAD + "cycle underlying outcome stage reason family strategy_id regime day_type "
        "gates_seq snapshot_seq contract intent_id sentence",
    ),
    _table(
        "intents",
        "entries that passed all stages",
        _HEAD + "intent_id underlying strategy_id contract side quantity_units lots limit_paise "
        "reference_paise stop_paise target_paise trail_paise risk_paise gates_seq due_ts",
    ),
    _table(
        "exits",
        "exit rules that fired",
        _HEAD + "exit_id position_id contract reason quantity_units trigger_paise seen_paise "
        "due_ts",
    ),
    _table(
        "order_events",
        "every change of every order",
        _HEAD + "order_id authority order_role contract side status reason quantity_units "
        "filled_units limit_paise",
    ),
    _table(
        "fills",
        "fills with their charges",
        _HEAD + "order_id fill_no contract side quantity_units price_paise slippage_paise "
        "charges_paise quote_seq",
    ),
    _table("fill_charges", "charge lines of a fill", "seq order_id fill_no name paise unsure"),
    _table(
        "position_events",
        "every change of every position",
        _HEAD + "position_id underlying strategy_id contract status quantity_units average_paise "
        "opened_ts stop_paise target_paise trail_paise realised_paise charges_paise exit_reason",
    ),
    _table(
        "risk_states",
        "the account's day so far, at each change",
        _HEAD + "status reason realised_paise charges_paise trades_today loss_streak "
        "open_risk_paise cooldown_until_ns",
    ),
)  # fmt: skip

BY_NAME: Final[dict[str, Table]] = {table.name: table for table in TABLES}

TICK_COLUMNS: Final[tuple[tuple[str, str, str], ...]] = (
    ("seq", "BIGINT", "seq of the frame"),
    ("idx", "INTEGER", "index of the packet in its frame, from 0"),
    ("ts", "BIGINT", "session clock, ns since 1970-01-01 UTC"),
    ("instrument", "INTEGER", "index of the instrument; null for a token that was not loaded"),
    ("token", "BIGINT", "the broker's token"),
    ("packet_bytes", "INTEGER", "length of the packet, which tells its mode"),
    ("ltp_paise", "BIGINT", "last price, paise; null where nothing has traded"),
    ("last_units", "BIGINT", "quantity of the last trade, units; null where the packet has none"),
    ("volume_units", "BIGINT", "day volume, units; null where the packet has none"),
    ("oi_units", "BIGINT", "open interest, units; null where the packet has none"),
    ("bid_paise", "BIGINT", "best bid, paise; null where there is none"),
    ("bid_units", "BIGINT", "quantity at the best bid, units; null where there is none"),
    ("ask_paise", "BIGINT", "best ask, paise; null where there is none"),
    ("ask_units", "BIGINT", "quantity at the best ask, units; null where there is none"),
    ("exchange_ts", "BIGINT", "the exchange's stamp, ns UTC; null where the packet has none"),
    ("last_trade_ts", "BIGINT", "time of the last trade, ns UTC; null where there is none"),
)
"""Columns of the tick files: name, SQL type, comment."""
