"""Execution: what works at the broker, what was filled at what price, what waits for a person.

Lives here: its tables and lines. May import: events, projections.live, tui's pure parts. Always
holds: an order of unknown fate stands first and says what to do; slippage is against the mid of the
decision, above zero to our cost. Start reading at ``orders_table``.
"""

from __future__ import annotations

from typing import Final

from events.reasons import BY_CODE
from projections.live.desk import ENDED
from projections.live.view import ApprovalLine, FillLine, LiveView, OrderLine
from tui import fmt
from tui.store import Frame
from tui.view.resolve import is_missing
from tui.view.text import Column, Line, Role, Row, Span, Table, column, span

# --- orders --------------------------------------------------------------------------------------

ORDERS: Final[tuple[Column, ...]] = (
    column("SINCE", 8),
    column("STATE", 12),
    column("AGE", 5, ">"),
    column("", 4),
    column("CONTRACT", 18, grow=True),
    column("LOTS", 9, ">"),
    column("DONE", 5, ">"),
    column("LIMIT", 8, ">"),
    column("ROLE", 7, priority=2),
    column("TRIGGER", 9, ">", priority=4),
    column("ANSWER", 8, ">", priority=5),
    column("WHY", 18, priority=3, grow=True),
)

STATES: Final[dict[str, tuple[str, Role]]] = {
    "HELD": ("·", "dim"),
    "PENDING": ("·", "degraded"),
    "SENT": ("~", "degraded"),
    "WORKING": ("●", "ok"),
    "PARTIAL": ("◐", "degraded"),
    "UNKNOWN": ("?", "bad"),
    "FILLED": ("●", "text"),
    "CANCELLED": ("-", "dim"),
    "REJECTED": ("✗", "bad"),
}
_ORDER: Final = ("UNKNOWN", "SENT", "PENDING", "PARTIAL", "WORKING", "HELD")
"""Open orders as they stand in the table, the ones that need a look first."""


def state_of(row: OrderLine) -> str:
    """The order's state; one whose message left and has no answer is SENT."""
    wire = row.wire
    if row.status == "PENDING" and wire is not None and wire.sent_ts is not None:
        return "SENT" if wire.outcome is None else row.status
    return row.status


def is_open(row: OrderLine) -> bool:
    """Whether something may still happen to it."""
    return row.status not in ENDED


def sorted_orders(view: LiveView) -> tuple[OrderLine, ...]:
    """Open ones by how much they need a look, then what is over, newest first."""
    places = {state: place for place, state in enumerate(_ORDER)}
    newest = tuple(reversed(view.orders))
    now = sorted(
        (row for row in newest if is_open(row)), key=lambda row: places.get(state_of(row), -1)
    )
    return (*now, *(row for row in newest if not is_open(row)))


def orders_table(frame: Frame) -> Table:
    """The orders of the day."""
    rows = tuple(_order_row(frame, row) for row in sorted_orders(frame.view))
    live = sum(is_open(row) for row in frame.view.orders)
    unknown = sum(row.status == "UNKNOWN" for row in frame.view.orders)
    more = f"  {unknown} UNKNOWN" if unknown else ""
    title = f"ORDERS  {live} open of {len(rows)}{more}"
    return Table(title, ORDERS, rows, "no order today")


def _order_row(frame: Frame, row: OrderLine) -> Row:
    state = state_of(row)
    shape, role = STATES.get(state, ("!", "warn"))
    body: Role = "text" if is_open(row) else "dim"
    wire = row.wire
    answer = fmt.MISSING
    if wire is not None and wire.elapsed_us is not None:
        answer = f"{wire.elapsed_us // 1_000} ms"
    return Row(
        ("order", row.order_id),
        (
            span(fmt.clock(row.ts), "dim"),
            span(f"{shape} {state}", role),
            span(fmt.age(frame.age_ns(row.ts)) if is_open(row) else fmt.MISSING, body),
            span(row.side, body),
            span(row.symbol, body),
            span(fmt.lots(row.quantity_units, row.lot_units), body),
            span(fmt.percent(row.filled_units, row.quantity_units), body),
            span(fmt.price(row.limit_paise), body),
            span(row.role, body),
            span(fmt.price(None if wire is None else wire.trigger_paise), body),
            span(answer, body),
            span(row.reason or fmt.MISSING, "bad" if state == "UNKNOWN" else "dim"),
        ),
    )


TO_RESOLVE: Final = (
    "UNKNOWN: it may be live. It is searched each second and never sent again. Look in the broker's"
    " own order book, then u: its number there, or LAPSED."
)
IN_NO_BOOK: Final = (
    "In none of the broker's last two order books. Look in his own, then u: LAPSED ends it here."
)


def order_text(frame: Frame, row: OrderLine | None) -> str:
    """The order under the cursor in words: its ids, what its reason means, what to do."""
    if row is None:
        return "UNKNOWN orders stand first: u says what became of one."
    wire = row.wire
    number = None if wire is None else wire.broker_order_id
    ids = f"{row.order_id} of {row.authority}"
    if number is not None:
        ids += f", at the broker {number}"
    if row.status == "UNKNOWN":
        return f"{TO_RESOLVE} {ids}"
    if is_open(row) and is_missing(frame.view, row):
        return f"{IN_NO_BOOK} {ids}"
    known = BY_CODE.get(row.reason or "")
    words = "" if known is None else f" {known.sentence} {known.what_to_do}"
    said = "" if wire is None or not wire.said else f" The broker said: {wire.said}"
    return f"{ids}.{said}{words}"


def order_at(frame: Frame, key: object) -> OrderLine | None:
    """The order of a row's key."""
    return next((row for row in frame.view.orders if ("order", row.order_id) == key), None)


# --- fills ---------------------------------------------------------------------------------------

FILLS: Final[tuple[Column, ...]] = (
    column("TIME IST", 8),
    column("", 4),
    column("CONTRACT", 18, grow=True),
    column("LOTS", 9, ">"),
    column("PRICE", 9, ">"),
    column("SLIP", 7, ">"),
    column("SLIP ₹", 10, ">"),
    column("BPS", 5, ">", priority=3),
    column("CHARGES", 9, ">", priority=2),
    column("ROLE", 7, priority=4),
    column("SEQ", 9, ">", priority=5),
)


def fills_table(frame: Frame) -> Table:
    """The fills of the day, newest first."""
    fills = frame.view.fills
    cost = sum(row.slippage_paise * row.quantity_units for row in fills)
    charges = frame.view.money.charges_paise
    title = f"FILLS  {len(fills)}  slippage {fmt.gain(-cost)}  charges {fmt.rupees(charges)}"
    return Table(title, FILLS, tuple(map(_fill_row, reversed(fills))), "no fill today")


def _fill_row(row: FillLine) -> Row:
    cost = row.slippage_paise * row.quantity_units
    mid = row.price_paise - (row.slippage_paise if row.side == "BUY" else -row.slippage_paise)
    role: Role = "down" if cost > 0 else "up" if cost < 0 else "text"
    return Row(
        ("fill", row.seq),
        (
            span(fmt.clock(row.ts), "dim"),
            span(row.side),
            span(row.symbol),
            span(fmt.lots(row.quantity_units, row.lot_units)),
            span(fmt.price(row.price_paise)),
            span(_signed(row.slippage_paise), role),
            span(fmt.gain(-cost), role),
            span(str(row.slippage_paise * 10_000 // mid) if mid > 0 else fmt.MISSING, "dim"),
            span(fmt.rupees(row.charges_paise), "dim"),
            span(row.role or fmt.MISSING, "dim"),
            span(f"#{row.seq}", "dim"),
        ),
    )


def _signed(paise: int) -> str:
    return ("+" if paise > 0 else "") + fmt.price(paise)


# --- approvals -----------------------------------------------------------------------------------

APPROVALS: Final[tuple[Column, ...]] = (
    column("LEFT", 6, ">"),
    column("", 4),
    column("CONTRACT", 22, grow=True),
    column("LOTS", 9, ">"),
    column("UP TO", 9, ">"),
    column("RISK", 11, ">"),
    column("STOP", 8, ">", priority=2),
    column("TARGET", 8, ">", priority=3),
    column("STRATEGY", 12, priority=4),
    column("REQUEST", 12, priority=5),
)
SOON_NS: Final = 15 * fmt.NS_PER_S


def approvals_table(frame: Frame) -> Table:
    """The entries that wait for a person, the one that lapses first at the top."""
    rows = sorted(frame.view.approvals, key=lambda row: row.asked.expires_ts)
    title = f"WAITING FOR APPROVAL  {len(rows)}"
    return Table(
        title, APPROVALS, tuple(_approval_row(frame, row) for row in rows), "no entry waits"
    )


def _approval_row(frame: Frame, row: ApprovalLine) -> Row:
    asked, view = row.asked, frame.view
    left_ns = asked.expires_ts - frame.now_ts
    contract = view.symbol(asked.contract)
    if asked.sold_contract is not None:
        contract += f" / sold {view.symbol(asked.sold_contract)}"
    return Row(
        ("approval", asked.request_id),
        (
            left_span(left_ns),
            span(asked.side),
            span(contract, "title"),
            span(fmt.lots(asked.quantity_units, row.lot_units)),
            span(fmt.price(asked.high_paise)),
            span(fmt.rupees(asked.risk_paise)),
            span(fmt.price(asked.stop_paise)),
            span(fmt.price(asked.target_paise)),
            span(asked.strategy_id, "dim"),
            span(asked.request_id, "dim"),
        ),
    )


def left_span(left_ns: int) -> Span:
    """A countdown in minutes; over is said."""
    if left_ns <= 0:
        return "over ✗", "bad"
    text = fmt.countdown(left_ns).removeprefix("00:")
    return (f"{text}▲", "warn") if left_ns <= SOON_NS else (text, "text")


def approval_at(frame: Frame, key: object) -> ApprovalLine | None:
    """The approval of a row's key; the one that lapses first where the key is none's."""
    rows = sorted(frame.view.approvals, key=lambda row: row.asked.expires_ts)
    found = next((row for row in rows if ("approval", row.asked.request_id) == key), None)
    return found or (rows[0] if rows else None)


def approval_label(frame: Frame, row: ApprovalLine) -> str:
    """The question before an approval: what, how many, up to what."""
    asked = row.asked
    lots = fmt.lots(asked.quantity_units, row.lot_units)
    what = f"{asked.side} {lots} {frame.view.symbol(asked.contract)}"
    return f"Approve {what} up to {fmt.price(asked.high_paise)}?"


# --- messages ------------------------------------------------------------------------------------


def sends_line(frame: Frame) -> Line:
    """How many messages went to the broker, and how he took them."""
    sends = frame.view.sends
    if not sends.sent:
        mode = "" if frame.view.session is None else frame.view.session.mode
        return (
            ("  ", "text"),
            span(f"MESSAGES  none left for a broker today ({mode or 'MODE ?'})", "dim"),
        )
    second = _within(sends.recent_ts, frame.now_ts, fmt.NS_PER_S)
    minute = _within(sends.recent_ts, frame.now_ts, 60 * fmt.NS_PER_S)
    bad: Role = "bad" if sends.refused or sends.unknown else "dim"
    return (
        ("  ", "text"),
        span(f"MESSAGES {sends.sent}  now {second}/s  {minute} in the last minute  ", "text"),
        span(f"refused {sends.refused}  unknown {sends.unknown}", bad),
        span(f"  slowest answer {sends.slowest_us // 1_000} ms", "dim"),
    )


def _within(recent_ts: tuple[int, ...], now_ts: int, span_ns: int) -> int:
    return sum(ts > now_ts - span_ns for ts in recent_ts)
