"""What a projection holds: every base table and column, with type, unit and meaning.

Lives here: the list of tables, made from the glossary of columns. May import: msgspec.
Always holds: a column name means the same thing, in the same unit, wherever it occurs; every column
has a comment. ``rows.py`` fills these tables, ``duck/contracts.py`` makes the SQL from them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from projections.glossary import GLOSSARY, Column

VERSION: Final = 7
"""Version of the base tables; a projection built by another version is rebuilt."""


class Table(msgspec.Struct, frozen=True):
    """A base table; ``columns`` in the order in which ``rows.py`` gives their values."""

    name: str
    comment: str
    columns: tuple[Column, ...]


_HEAD: Final = "seq ts cause "


def _table(name: str, comment: str, columns: str) -> Table:
    return Table(name, comment, tuple(GLOSSARY[column] for column in columns.split()))


_INDICATORS: Final = "ema_fast_paise ema_slow_paise rsi atr_paise adx vwap_paise vwap_is_twap"

_REPORT: Final = (
    "broker_order_id exchange_order_id parent_order_id broker_status broker_message broker_fault "
    "tags variety exchange tradingsymbol side product order_type validity quantity_units "
    "filled_units filled_value_paise limit_paise stop_trigger_paise order_ts exchange_update_ts"
)

DESK: Final[tuple[Table, ...]] = (
    _table(
        "order_wishes",
        "messages that the core wanted sent",
        _HEAD + "order_id authority action order_type quantity_units limit_paise "
        "stop_trigger_paise reason",
    ),
    _table(
        "order_messages",
        "every message to the broker, as it left",
        _HEAD + "message_no action order_id authority tag broker_order_id variety exchange "
        "tradingsymbol side product order_type validity quantity_units limit_paise "
        "stop_trigger_paise protection_bps algo_id strategy_id code_digest settings_digest egress "
        "clock_offset_us approver",
    ),
    _table(
        "order_results",
        "what became of each message, by its own answer",
        _HEAD + "message_no order_id send_outcome broker_order_id broker_fault error_class "
        "http_status broker_message elapsed_us",
    ),
    _table(
        "broker_reports", "every report of an order", _HEAD + "ordinal report_source " + _REPORT
    ),
    _table(
        "order_lookups",
        "searches for an order in the broker's books",
        _HEAD + "order_id tag asked_ts lookup_outcome broker_fault",
    ),
    _table(
        "broker_books",
        "the broker's books, each time they were asked for",
        _HEAD + "book_trigger asked_ts book_orders book_trades book_positions funds_paise "
        "cash_paise utilised_paise failed",
    ),
    _table(
        "broker_trades",
        "trades in the broker's books",
        _HEAD + "ordinal trade_id broker_order_id exchange tradingsymbol side product "
        "quantity_units price_paise fill_ts",
    ),
    _table(
        "broker_positions",
        "net positions in the broker's books",
        _HEAD + "ordinal exchange tradingsymbol product net_units overnight_units buy_units "
        "sell_units buy_value_paise sell_value_paise last_paise",
    ),
    _table(
        "logins",
        "whether the broker takes the login",
        _HEAD + "login_status broker_account expires_ts broker_fault",
    ),
    _table(
        "margins_wanted",
        "pairs of which the broker was to be asked what he wants for them",
        _HEAD + "underlying contract sold_contract quantity_units limit_paise sold_limit_paise "
        "gates_seq",
    ),
    _table(
        "margins_told",
        "what the broker wants for a pair, premium and margin together",
        _HEAD + "asked_ts contract sold_contract quantity_units required_paise fault",
    ),
    _table(
        "approval_requests",
        "entries that waited for a person",
        _HEAD + "request_id underlying strategy_id contract side quantity_units band_low_paise "
        "band_high_paise stop_paise target_paise risk_paise gates_seq expires_ts "
        "sold_contract sold_low_paise",
    ),
    _table(
        "approvals_closed",
        "how each request for an approval ended",
        _HEAD + "request_id approval_outcome reason intent_id who",
    ),
    _table(
        "command_answers",
        "the engine's answer to each command",
        _HEAD + "command_id verb answer reason",
    ),
    _table(
        "reconciliations",
        "comparisons of our books with the broker's",
        _HEAD + "book_trigger books_status book_orders book_positions books_skipped "
        "open_differences",
    ),
    _table(
        "differences",
        "what our books and the broker's differed on",
        _HEAD + "subject reason ours theirs",
    ),
    _table(
        "incidents_raised",
        "incidents as they began",
        _HEAD + "incident_id incident_code severity subject evidence",
    ),
    _table(
        "incidents_resolved",
        "incidents as they ended",
        _HEAD + "incident_id incident_code subject who",
    ),
    _table(
        "readiness",
        "whether entries may be made at all, at each change",
        _HEAD + "readiness_status blockers",
    ),
    _table("session_ends_due", "why a session's day was over", _HEAD + "reason"),
    _table(
        "risk_transitions",
        "every move of the risk state, and halts that began or ended in it",
        _HEAD + "risk_before risk_after risk_trigger reason halts observed limit_value",
    ),
    _table(
        "settings_deferred",
        "settings that wait for another session",
        _HEAD + "ordinal key value reason",
    ),
    _table(
        "settlements",
        "positions settled at the closing index value",
        _HEAD + "position_id underlying exchange tradingsymbol expiry reason quantity_units "
        "index_paise settlement_source source_seq payoff_paise realised_paise tax_paise unsure",
    ),
    _table(
        "spreads",
        "legs sold against approved entries",
        _HEAD + "intent_id leg_id underlying strategy_id contract quantity_units limit_paise "
        "reference_paise width_paise debit_paise stop_paise target_paise margin_paise gates_seq",
    ),
    _table(
        "amendments", "hours of the day that were amended", _HEAD + "name scope value who source"
    ),
    _table(
        "frames_dropped",
        "frames that were lost before the journal",
        _HEAD + "connection lost_frames length_bytes first_ts last_ts",
    ),
    _table(
        "subscriptions",
        "what each connection is subscribed to",
        _HEAD + "connection change feed_mode subscribed missing_tokens",
    ),
    _table(
        "clock_steps",
        "comparisons of the wall clock",
        _HEAD + "offset_ns clock_limit_ns clock_source",
    ),
    _table(
        "health",
        "measurements of the process and its machine",
        _HEAD + "what health_status observed limit_value",
    ),
    _table(
        "ticks_judged",
        "ticks that were not taken at their word",
        _HEAD + "ordinal instrument reason tick_outcome tick_price_paise accepted_paise stamp_s "
        "frame_seq",
    ),
)  # fmt: skip
"""What a session exchanges with its broker, its operator and its machine."""

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
    _table(
        "day_types",
        "kind of day so far, at each change and when it is locked",
        _HEAD + "underlying day_type range_bps move_bps day_type_before day_switches day_locked",
    ),
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
    *DESK,
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
