"""Home: can it trade, and if not why; what is held; what blocked trades today.

Lives here: its tables and the sentence between them. May import: events, projections.live, tui's
pure parts. Always holds: an age stands beside every number that can be old; money is net of
charges where it says so. Start reading at ``underlyings_table``.
"""

from __future__ import annotations

from typing import Final

from projections.live.view import (
    DecisionLine,
    FunnelRow,
    LiveView,
    PositionView,
    UnderlyingView,
)
from tui import fmt
from tui.store import Frame
from tui.view.bar import aged, gain_role, spot_limit_ms, stale_mark
from tui.view.text import Column, Role, Row, Span, Table, column, span
from tui.view.why import CONTRACT_AGE, Explain, age_limit_ms, gates_of, short_stage

# --- underlyings -------------------------------------------------------------------------------

UNDERLYINGS: Final[tuple[Column, ...]] = (
    column("UNDERLYING", 10),
    column("SPOT", 11, ">"),
    column("AGE", 6, ">"),
    column("FORWARD", 12, ">", priority=4),
    column("VIX", 7, ">", priority=5),
    column("REGIME", 14, priority=2),
    column("DAY TYPE", 12, priority=6),
    column("AT", 3),
    column("VERDICT", 20, grow=True),
    column("FOR", 5, ">"),
    column("PRICE", 12, priority=7),
)


def underlyings_table(frame: Frame) -> Table:
    """One row an underlying: price, regime, where its last decision ended and for how long."""
    view = frame.view
    rows = tuple(_underlying_row(frame, row) for row in view.underlyings)
    counts = f"{fmt.group_indian(view.decisions)} decisions  {view.trades} trades"
    return Table(f"CAN IT TRADE?  {counts}", UNDERLYINGS, rows, "no underlying yet")


def _underlying_row(frame: Frame, row: UnderlyingView) -> Row:
    mark = "~" if row.spot_estimated else ""
    limit = spot_limit_ms(frame.view, row)
    at, verdict, since = _verdict_cells(frame, row)
    return Row(
        ("underlying", row.name),
        (
            span(row.name, "title"),
            span(mark + fmt.price(row.spot_paise)),
            aged(frame.age_ns(row.spot_ts), limit),
            _aged_price(frame, row.forward_paise, row.snapshot_ts, limit),
            _aged_price(frame, row.vix_paise, row.vix_ts, limit),
            _regime_cell(row),
            span(row.day_type or fmt.MISSING),
            at,
            verdict,
            since,
            (fmt.spark(row.closes_paise, 12), "dim"),
        ),
    )


def _aged_price(frame: Frame, paise: int | None, ts: int | None, limit: int | None) -> Span:
    """A price without an age column of its own: the mark stands behind it once it is stale."""
    shape, role = stale_mark(frame.age_ns(ts), limit)
    fresh = paise is None or role == "ok"
    return (fmt.price(paise), "text") if fresh else (fmt.price(paise) + shape, role)


def _regime_cell(row: UnderlyingView) -> Span:
    if row.regime is None:
        return "?", "unknown"
    sure = "" if row.leader_prob_milli is None else f" .{row.leader_prob_milli // 10:02d}"
    if row.leader_prob_milli == 1000:
        sure = " 1.0"
    moving = "?" if row.leader != row.regime else ""
    return span(f"{row.regime}{sure}{moving}")


def _verdict_cells(frame: Frame, row: UnderlyingView) -> tuple[Span, Span, Span]:
    """(stage, verdict, for how long)."""
    if row.episode is None:
        return ("-", "dim"), ("no decision yet", "unknown"), ("-", "dim")
    made = row.episode.last.made
    lasted: Span = (fmt.age(frame.age_ns(row.episode.since_ts)), "text")
    if made.outcome == "TRADE":
        return ("N11", "ok"), (f"● TRADE {fmt.clean(made.family or '')}", "ok"), lasted
    return span(short_stage(made.stage), "bad"), span(f"✗ {made.reason}", "bad"), lasted


def why_text(frame: Frame, row: UnderlyingView | None, explain: Explain) -> str:
    """The sentence about an underlying's last decision, with its age and what it waits for."""
    if row is None or row.episode is None:
        return "No decision has been made yet."
    last = row.episode.last
    sentence = explain(last.made, gates_of(last))
    age = fmt.age(frame.age_ns(last.ts))
    times = "" if row.episode.count == 1 else f", {fmt.group_indian(row.episode.count)} in a row"
    return f"{fmt.clock(last.ts)} ({age} ago{times}) {sentence}"


# --- positions ---------------------------------------------------------------------------------

POSITIONS: Final[tuple[Column, ...]] = (
    column("POSITION", 20, grow=True),
    column("LOTS", 9, ">"),
    column("AVG", 9, ">"),
    column("BID", 9, ">"),
    column("NET P&L", 12, ">"),
    column("AGE", 6, ">"),
    column("STATE", 7),
    column("STOP", 9, ">", priority=3),
    column("TARGET", 9, ">", priority=3),
    column("CHARGES", 9, ">", priority=4),
    column("STRATEGY", 14, priority=5),
)


def positions_table(frame: Frame) -> Table:
    """Open positions, then the day's closed ones, newest first; all results net of charges."""
    view = frame.view
    rows = [_position_row(frame, row) for row in view.positions]
    rows.extend(_position_row(frame, row) for row in reversed(view.closed_positions))
    return Table(_positions_title(view), POSITIONS, tuple(rows), "no position today")


def _positions_title(view: LiveView) -> str:
    money = view.money
    parts = [
        f"POSITIONS  {len(view.positions)} open",
        f"net {fmt.gain(money.net_paise)}",
        f"open {fmt.gain(money.unrealised_paise)}",
        f"charges {fmt.rupees(money.charges_paise)}",
        f"realised {fmt.gain(money.realised_paise)}",
    ]
    if money.carried_net_paise:
        parts.insert(2, f"carried {fmt.gain(money.carried_net_paise)}")
    return "  ".join(parts)


def net_of(row: PositionView) -> int | None:
    """A position's result in paise after its charges; None while it is open without a mark."""
    open_gain = row.unrealised_paise if row.is_open else 0
    if open_gain is None:
        return None
    return row.realised_paise + open_gain - row.charges_paise


def _position_row(frame: Frame, row: PositionView) -> Row:
    net = net_of(row)
    role: Role = "text" if row.is_open else "dim"
    limit = age_limit_ms(frame.view, None, *CONTRACT_AGE)
    age = aged(frame.age_ns(row.mark_ts), limit) if row.is_open else (fmt.MISSING, role)
    state: Span = ("OPEN", "title") if row.is_open else span(_exit_word(row), "dim")
    return Row(
        ("position", row.position_id),
        (
            span(row.symbol, role),
            span(fmt.lots(row.quantity_units, row.lot_units) if row.is_open else "0", role),
            span(fmt.price(row.average_paise), role),
            span(fmt.price(row.mark_paise), role),
            (fmt.gain(net), gain_role(net)),
            age,
            state,
            span(fmt.price(row.stop_paise), role),
            span(fmt.price(row.target_paise), role),
            span(fmt.rupees(row.charges_paise), role),
            span(row.strategy_id, role),
        ),
    )


def _exit_word(row: PositionView) -> str:
    """``STOP`` for ``EXIT_STOP``."""
    return (row.exit_reason or "CLOSED").removeprefix("EXIT_")


def decision_of_position(view: LiveView, position_id: str) -> DecisionLine | None:
    """The decision that opened a position; a position bears the id of its intent."""
    for line in reversed(view.trade_decisions):
        if line.made.intent_id == position_id:
            return line
    return None


# --- blocked -----------------------------------------------------------------------------------

BLOCKED: Final[tuple[Column, ...]] = (
    column("AT", 3),
    column("BLOCKED BY", 20, grow=True),
    column("N", 7, ">"),
    column("%", 4, ">"),
    column("LAST", 8, ">", priority=2),
    column("NOW", 10, priority=2),
)


def blocked_rows(view: LiveView) -> tuple[FunnelRow, ...]:
    """The funnel without its trades, most frequent first."""
    return tuple(row for row in view.funnel if not row.traded)


def blocked_title(view: LiveView) -> str:
    """How many decisions ended without a trade."""
    share = fmt.percent(view.blocked, view.decisions)
    blocked, total = fmt.group_indian(view.blocked), fmt.group_indian(view.decisions)
    return f"BLOCKED TODAY  {blocked} of {total} ({share})"


def blocked_table(frame: Frame) -> Table:
    """What stopped trades, how often, when last, and whether it does now."""
    rows = tuple(_blocked_row(frame.view, row) for row in blocked_rows(frame.view))
    return Table(blocked_title(frame.view), BLOCKED, rows, "nothing was blocked yet")


def _blocked_row(view: LiveView, row: FunnelRow) -> Row:
    return Row(
        ("reason", row.stage, row.reason),
        (
            span(short_stage(row.stage), "bad"),
            span(row.reason),
            span(fmt.group_indian(row.count)),
            (fmt.percent(row.count, view.blocked), "text"),
            (fmt.clock(row.last_ts), "dim"),
            now_cell(view, row),
        ),
    )


def now_cell(view: LiveView, row: FunnelRow) -> Span:
    """Which underlyings it stops at this moment."""
    if not row.blocking_now:
        return "-", "dim"
    if len(row.blocking_now) == len(view.underlyings) > 1:
        return "all", "warn"
    return span(" ".join(row.blocking_now), "warn")
