"""How a decision came about: what led to it, what it saw, what it was decided by.

Lives here: the causal chain, the inputs as they were then, and the build. May import: events,
projections.live, tui's pure parts. Always holds: every number is of the decision's own snapshot,
never of now, but in the one column that says so; a seq is a journal's entry.
Start reading at ``chain_table``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from events.decision import CandidateProposed, GatesEvaluated
from events.envelope import UNDECODABLE
from events.market import ExpiryView, SnapshotTaken
from projections.live.view import DecisionLine, LiveView
from tui import fmt
from tui.view.text import Column, Role, Row, Span, Table, column, span

_snapshot_decoder: Final = msgspec.msgpack.Decoder(SnapshotTaken)
_candidate_decoder: Final = msgspec.msgpack.Decoder(CandidateProposed)


@lru_cache(maxsize=32)
def snapshot_of(payload: bytes | None) -> SnapshotTaken | None:
    """The snapshot of a decision, None where it was not seen or is of another release."""
    if payload is None:
        return None
    try:
        return _snapshot_decoder.decode(payload)
    except UNDECODABLE:
        return None


@lru_cache(maxsize=32)
def candidate_of(payload: bytes) -> CandidateProposed | None:
    """A candidate, None where it is of another release."""
    try:
        return _candidate_decoder.decode(payload)
    except UNDECODABLE:
        return None


# --- the chain -----------------------------------------------------------------------------------

CHAIN: Final[tuple[Column, ...]] = (
    column("ENTRY", 9, ">"),
    column("STEP", 13),
    column("WHAT", 30, grow=True),
)

ORIGIN_TEXTS: Final[dict[str, str]] = {
    "frame": "the last frame before it",
    "print": "the frame with its own print",
    "feed health": "how the feed was judged",
    "bar": "its last closed bar",
    "features": "features after that bar",
    "regime": "the regime",
    "day type": "the kind of day",
    "risk": "the account's risk",
    "risk state": "halts of the risk limits",
    "readiness": "whether entries may be made",
    "screening": "the contracts looked at",
    "candidate": "a contract with its plan",
}
"""What each role of ``DecisionLine.origins`` is, in words."""

LATER: Final = ("screening", "candidate")
"""Roles that a cycle gives itself, between its snapshot and its decision."""


def chain_table(view: LiveView, line: DecisionLine, gates: GatesEvaluated | None) -> Table:
    """What led to a decision and what followed from it, oldest entry first."""
    steps = sorted((*_before(view, line), *_cycle(line, gates), *_after(view, line)))
    rows = tuple(_chain_row(line, *step) for step in steps)
    return Table(f"CHAIN  what led to decision #{line.seq}", CHAIN, rows, "nothing is known of it")


Step = tuple[int, str, str]
"""(seq, what it is, what it said)."""


def _chain_row(line: DecisionLine, seq: int, name: str, text: str) -> Row:
    role: Role = "title" if seq == line.seq else "text"
    branch = "" if seq <= line.cause else "└ "
    return Row(
        ("entry", seq, name),
        (span(f"#{seq}", "dim"), span(branch + name, role), span(text, role)),
    )


def _before(view: LiveView, line: DecisionLine) -> list[Step]:
    said = {"regime": line.made.regime, "day type": line.made.day_type}
    steps: list[Step] = []
    for name, seq in line.origins:
        text = ORIGIN_TEXTS.get(name, "")
        more = said.get(name)
        steps.append((seq, name, text if more is None else f"{text}: {more}"))
    return steps


def _cycle(line: DecisionLine, gates: GatesEvaluated | None) -> list[Step]:
    made = line.made
    steps: list[Step] = [(line.cause, "tick", f"the clock asked, {fmt.clock_ms(line.ts)}")]
    seen = snapshot_of(line.snapshot)
    if seen is not None:
        spot = f"spot {fmt.price(seen.spot_paise)} {_age(seen.spot_age_ms)} old"
        steps.append((made.snapshot_seq, "snapshot", f"{spot}, {seen.bars_done} bars"))
    else:
        steps.append((made.snapshot_seq, "snapshot", "not seen here"))
    stages = () if gates is None else gates.official
    passed = sum(one.verdict == "PASS" for one in stages)
    steps.append((made.gates_seq, "gates", f"{passed} of {len(stages)} stages pass"))
    steps.append((line.seq, "decision", f"{made.outcome} {made.stage} {made.reason}"))
    return steps


def _after(view: LiveView, line: DecisionLine) -> list[Step]:
    """The intent of a trade and what became of it, as far as it is still kept."""
    intent = line.made.intent_id
    if intent is None:
        return []
    steps = [
        (one.seq, "intent", f"{intent} {view.symbol(line.made.contract)}")
        for one in view.notices
        if one.kind == "IntentApproved" and one.subject == intent
    ]
    steps.extend(
        (one.seq, "order", f"{one.side} {one.filled_units} of {one.quantity_units} {one.status}")
        for one in view.orders
        if one.authority == intent
    )
    return steps


# --- sources of gates ----------------------------------------------------------------------------

SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "N1_MARKET_OPEN": ("tick",),
    "N2_FEED_FRESH": ("frame",),
    "N3_WARMUP_DONE": ("bar",),
    "N4_QUOTE_OK": ("snapshot",),
    "N5_REGIME_OK": ("regime",),
    "N6_RISK_OK": ("risk",),
    "N7_GOVERNANCE_LOCKS_OK": ("readiness",),
    "N8_STRATEGY_SELECT": ("regime",),
    "N9_STRATEGY_ELIGIBLE": ("features", "bar"),
    "N10_DECISION_READY": ("screening",),
    "N11_FINAL_DECISION": ("candidate", "screening"),
}
"""From which entry a stage's gates took what they observed: the first role that is known."""

GATE_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "spot_seen": ("print",),
    "spot_age": ("print",),
    "spot_confirmed": ("print",),
    "bars_since_gap": ("feed health", "bar"),
    "event_window": ("tick",),
    "risk_state": ("risk state", "risk"),
    "cooldown": ("risk",),
    "frames_refused": ("feed health", "frame"),
}
"""Gates that look elsewhere than their stage does."""


def source_of(line: DecisionLine, stage: str, gate: str) -> tuple[str, int]:
    """(role, seq) of the entry that a gate's observed value came with; what the journal does not
    name more closely is the snapshot."""
    known = dict(line.origins) | {"tick": line.cause}
    for role in GATE_SOURCES.get(gate) or SOURCES.get(stage, ()):
        if role in known:
            return role, known[role]
    return "snapshot", line.made.snapshot_seq


# --- the inputs ----------------------------------------------------------------------------------

INPUTS: Final[tuple[Column, ...]] = (
    column("INPUT THEN", 20, grow=True),
    column("VALUE", 14, ">"),
    column("AGE", 6, ">"),
    column("FROM", 9),
    column("NOW", 12, ">", priority=2),
)


def inputs_table(view: LiveView, line: DecisionLine) -> Table:
    """What the decision saw, with its ages then; the last column alone is of now."""
    title = f"INPUTS AS SEEN AT {fmt.clock_ms(line.ts)} IST  #{line.made.snapshot_seq}"
    seen = snapshot_of(line.snapshot)
    if seen is None:
        return Table(title, INPUTS, (), "the snapshot of this decision was not seen here")
    spot_now, vix_now = _now(view, line.made.underlying)
    rows = [
        _input("spot", fmt.price(seen.spot_paise), seen.spot_age_ms, seen.spot_source, spot_now),
        _input("future", fmt.price(seen.future_paise), seen.future_age_ms, ""),
        _input("VIX", fmt.price(seen.vix_paise), seen.vix_age_ms, "", vix_now),
        _input(
            "reference", fmt.price(seen.reference_paise), seen.reference_age_ms,
            seen.reference_source or "",
        ),
        _input("witness", fmt.price(seen.witness_paise), None, seen.witness_source or ""),
        _input("link", "", seen.link_age_ms, ""),
        _input("page", "", seen.page_age_ms, ""),
        _input("oldest near the money", "", seen.near_age_ms, ""),
        *_indicators(seen),
    ]  # fmt: skip
    for expiry in seen.expiries:
        rows.extend(_expiry_rows(expiry))
    return Table(title, INPUTS, tuple(rows), "nothing")


def _now(view: LiveView, name: str) -> tuple[str, str]:
    row = next((one for one in view.underlyings if one.name == name), None)
    if row is None:
        return fmt.MISSING, fmt.MISSING
    return fmt.price(row.spot_paise), fmt.price(row.vix_paise)


def _age(age_ms: int | None) -> str:
    return fmt.age(None if age_ms is None else age_ms * fmt.NS_PER_MS)


def _input(name: str, value: str, age_ms: int | None, source: str, now: str = "") -> Row:
    shown: Span = span(value) if value != fmt.MISSING else (value, "unknown")
    return Row(
        ("input", name),
        (span(name), shown, span(_age(age_ms)), span(source, "dim"), span(now, "dim")),
    )


def _paise(value: float | None) -> str:
    """An indicator in paise, to the nearest paisa: it is a float in the journal as well."""
    return fmt.price(None if value is None else round(value))


def _plain(value: float | None) -> str:
    return fmt.MISSING if value is None else f"{value:.1f}"


def _indicators(seen: SnapshotTaken) -> list[Row]:
    vwap = "TWAP" if seen.vwap_is_twap else "VWAP"
    pairs = (
        ("bars closed", str(seen.bars_done)),
        ("EMA fast", _paise(seen.ema_fast_paise)),
        ("EMA slow", _paise(seen.ema_slow_paise)),
        ("RSI", _plain(seen.rsi)),
        ("ATR", _paise(seen.atr_paise)),
        ("ADX", _plain(seen.adx)),
        (vwap, _paise(seen.vwap_paise)),
    )
    return [_input(name, value, None, "") for name, value in pairs]


def _expiry_rows(one: ExpiryView) -> list[Row]:
    day = fmt.day_text(one.expiry)[:6]
    pairs = (
        (f"{day} forward", fmt.price(one.forward_paise), one.forward_source or ""),
        (f"{day} at the money", fmt.price(one.atm_strike_paise), ""),
        (f"{day} IV at the money", percent_of(one.atm_iv), ""),
        (f"{day} skew 25 delta", percent_of(one.skew_25d), ""),
        (f"{day} put-call by OI", fmt.milli(one.pcr_oi_milli), ""),
        (f"{day} contracts quoted", str(one.contracts_quoted), ""),
    )
    return [_input(name, value, None, source) for name, value, source in pairs]


def percent_of(fraction: float | None) -> str:
    """A fraction a year as percent with one place."""
    return fmt.MISSING if fraction is None else f"{fraction * 100:.1f}%"


# --- the build -----------------------------------------------------------------------------------

BUILD: Final[tuple[Column, ...]] = (
    column("WHAT", 10),
    column("NAME", 20, grow=True),
    column("DIGEST", 20, grow=True),
    column("ENTRY", 9, ">"),
)


def build_table(view: LiveView, line: DecisionLine) -> Table:
    """Code, rules, settings and models in force at a decision, and each change before it."""
    title = "CONFIGURATION, CODE AND MODELS  in force then"
    session = view.session
    if session is None:
        return Table(title, BUILD, (), "the session's opening was not seen here")
    rows = [
        _build_row("CODE", "the engine's own files", session.code_digest, session.seq),
        _build_row("SCHEMA", "shapes of the entries", session.schema_digest, session.seq),
        _build_row("RULEBOOK", f"rules of {session.day}", session.rulebook_digest, session.seq),
        _build_row("SETTINGS", "at the opening", session.settings_digest, session.seq),
    ]
    rows.extend(
        _build_row(one.kind, one.name, one.digest, one.seq)
        for one in view.artifacts
        if one.seq < line.seq
    )
    return Table(title, BUILD, tuple(rows), "nothing")


def _build_row(kind: str, name: str, digest: str, seq: int) -> Row:
    return Row(
        ("entry", seq, f"{kind} {name}"),
        (span(kind, "title"), span(name), span(digest, "dim"), span(f"#{seq}", "dim")),
    )
