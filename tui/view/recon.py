"""Reconciliation: our books against the broker's, what differs, since when, and what to do.

Lives here: the verdict's lines and the three tables. May import: events, projections.live, tui's
pure parts. Always holds: a book that was not received is said to be missing, never shown as empty;
what the broker says stands beside what our books say, and neither is corrected here.
Start reading at ``verdict_lines``.
"""

from __future__ import annotations

from typing import Final

from events.broker import BrokerPosition, BrokerReport
from events.reasons import BY_CODE
from projections.live.view import PositionView
from projections.live.watch_view import BooksView, DifferenceView, ReconciledView
from tui import fmt
from tui.store import Frame
from tui.view.bar import RECONCILED_S, aged
from tui.view.text import Column, Line, Role, Row, Span, Table, column, span

RUNS_SHOWN: Final = 30
_SHAPES: Final[dict[str, tuple[str, Role]]] = {
    "EQUAL": ("●", "ok"),
    "SKIPPED": ("◐", "degraded"),
    "DIFFERS": ("✗", "bad"),
}
_WORDS: Final[dict[str, str]] = {
    "EQUAL": "BOOKS EQUAL",
    "SKIPPED": "EQUAL, but for what is under way",
    "DIFFERS": "BOOKS DIFFER",
}

DIFFERENCES: Final[tuple[Column, ...]] = (
    column("STATE", 9),
    column("SUBJECT", 26, grow=True),
    column("REASON", 18),
    column("OURS", 7, ">"),
    column("BROKER", 7, ">"),
    column("FOR", 5, ">"),
    column("SINCE", 8, ">", priority=3),
    column("FOUND", 5, ">", priority=4),
    column("SEQ", 9, ">", priority=5),
)
POSITIONS: Final[tuple[Column, ...]] = (
    column("INSTRUMENT", 20, grow=True),
    column("OURS", 8, ">"),
    column("BROKER", 8, ">"),
    column("DIFF", 6, ">"),
    column("STATE", 11),
    column("PRODUCT", 7, priority=3),
    column("LAST", 10, ">", priority=4),
    column("BOUGHT", 8, ">", priority=5),
    column("SOLD", 8, ">", priority=5),
)
ORDERS: Final[tuple[Column, ...]] = (
    column("BROKER'S ORDER", 16),
    column("STATUS", 15),
    column("SIDE", 4),
    column("INSTRUMENT", 18, grow=True),
    column("FILLED", 11, ">"),
    column("LIMIT", 9, ">", priority=3),
    column("TRIGGER", 9, ">", priority=4),
    column("TAG", 20, priority=5),
)


# --- the verdict -------------------------------------------------------------------------------


def verdict_lines(frame: Frame) -> tuple[Line, ...]:
    """The last comparison in words, and the ones before it as shapes."""
    watch = frame.view.watch
    last = watch.reconciled
    if last is None:
        text = "?  The books have not been compared: this session has no broker, or has not asked."
        return ((("  ", "text"), (text, "unknown")),)
    shape, role = _SHAPES.get(last.status, ("?", "unknown"))
    standing = sum(row.closed_ts is None for row in watch.differences)
    closed = len(watch.differences) - standing
    counts = f"{standing} differ now, {closed} over   {last.skipped} left out (under way)"
    first: Line = (
        (f"  {shape} {_WORDS.get(last.status, fmt.clean(last.status))}  ", role),
        _age_of(frame, last),
        span(f" ago ({last.trigger.lower()}, #{last.seq})   {counts}", "text"),
    )
    return first, (("  last comparisons ", "dim"), *_runs(watch.comparisons))


def _age_of(frame: Frame, last: ReconciledView) -> Span:
    limit_s = frame.view.setting(RECONCILED_S)
    return aged(frame.age_ns(last.ts), None if limit_s is None else limit_s * 1_000)


def _runs(comparisons: tuple[ReconciledView, ...]) -> Line:
    return tuple(_SHAPES.get(row.status, ("?", "unknown")) for row in comparisons[-RUNS_SHOWN:])


# --- differences -------------------------------------------------------------------------------


def rows_of(frame: Frame) -> tuple[DifferenceView, ...]:
    """Those that stand first, within each the newest first."""
    rows = reversed(frame.view.watch.differences)
    return tuple(sorted(rows, key=lambda row: row.closed_ts is not None))


def differences_table(frame: Frame) -> Table:
    """One row for each thing on which the books differ or differed today."""
    rows = tuple(_difference_row(frame, row) for row in rows_of(frame))
    standing = sum(row.closed_ts is None for row in frame.view.watch.differences)
    title = f"DIFFERENCES  {standing} now  {len(rows) - standing} over"
    return Table(title, DIFFERENCES, rows, "no difference was found today")


def _units(units: int | None) -> str:
    return fmt.MISSING if units is None else fmt.group_indian(units)


def _difference_row(frame: Frame, row: DifferenceView) -> Row:
    over = row.closed_ts is not None
    age = frame.age_ns(row.since_ts) if row.closed_ts is None else row.closed_ts - row.since_ts
    return Row(
        ("difference", row.reason, row.subject),
        (
            ("● over", "ok") if over else ("✗ DIFFERS", "bad"),
            span(row.subject),
            span(row.reason, "text" if over else "bad"),
            (_units(row.ours), "text"),
            (_units(row.theirs), "text"),
            (fmt.age(age), "text"),
            (fmt.clock(row.since_ts), "dim"),
            (f"x{row.times}", "dim"),
            span(f"#{row.seq}", "dim"),
        ),
    )


def detail(frame: Frame, key: object) -> str:
    """What the selected difference means and what to do about it."""
    for row in rows_of(frame):
        if key in (None, ("difference", row.reason, row.subject)):
            spec = BY_CODE.get(row.reason)
            return row.reason if spec is None else f"{spec.sentence} {spec.what_to_do}"
    return ""


# --- the broker's books ------------------------------------------------------------------------


def books_title(frame: Frame, books: BooksView) -> str:
    """How old they are, what they count and what was not received."""
    told = books.told
    counts = "  ".join(
        f"{name} {'?' if rows is None else len(rows)}"
        for name, rows in (
            ("orders", told.orders), ("trades", told.trades), ("positions", told.positions),
        )
    )  # fmt: skip
    money = "funds ?" if told.funds is None else f"free {fmt.rupees(told.funds.net_paise)}"
    failed = f"  NOT RECEIVED: {', '.join(told.failed)}" if told.failed else ""
    return f"BROKER'S BOOKS  {fmt.age(frame.age_ns(books.ts))} old  {counts}  {money}{failed}"


def positions_table(frame: Frame) -> Table:
    """Ours and the broker's position by position; what differs stands first."""
    books = frame.view.watch.books
    if books is None:
        return Table("BROKER'S BOOKS", POSITIONS, (), "the broker's books were never received")
    title = books_title(frame, books)
    if books.told.positions is None:
        return Table(title, POSITIONS, (), "the positions were not received: that is not flat")
    ours = _ours(frame.view.positions)
    rows = [(ours.pop(row.tradingsymbol, 0), row) for row in books.told.positions]
    lines = [_position_row(mine, row) for mine, row in rows]
    lines.extend(_missing_row(symbol, units) for symbol, units in ours.items() if units)
    lines.sort(key=lambda line: line.cells[3][0] == "0")
    return Table(title, POSITIONS, tuple(lines), "the broker holds nothing")


def _ours(positions: tuple[PositionView, ...]) -> dict[str, int]:
    nets: dict[str, int] = {}
    for row in positions:
        nets[row.symbol] = nets.get(row.symbol, 0) + row.quantity_units
    return nets


def _position_row(mine: int, row: BrokerPosition) -> Row:
    diff = row.net_units - mine
    return Row(
        ("holding", row.exchange, row.tradingsymbol, row.product),
        (
            span(row.tradingsymbol),
            (fmt.group_indian(mine), "text"),
            (fmt.group_indian(row.net_units), "text"),
            (fmt.group_indian(diff), "bad" if diff else "text"),
            ("✗ differs", "bad") if diff else ("● equal", "ok"),
            span(row.product),
            (fmt.price(row.last_paise), "text"),
            (fmt.group_indian(row.buy_units), "dim"),
            (fmt.group_indian(row.sell_units), "dim"),
        ),
    )


def _missing_row(symbol: str, units: int) -> Row:
    dash: Span = (fmt.MISSING, "dim")
    return Row(
        ("holding", "", symbol, ""),
        (
            span(symbol),
            (fmt.group_indian(units), "text"),
            dash,
            (fmt.group_indian(-units), "bad"),
            ("✗ not shown", "bad"),
            dash, dash, dash, dash,
        ),
    )  # fmt: skip


def orders_table(frame: Frame) -> Table:
    """The broker's order book as last received, newest last in it, first here."""
    books = frame.view.watch.books
    if books is None or books.told.orders is None:
        said = "was never received" if books is None else "was not received: that is not empty"
        return Table("BROKER'S ORDERS", ORDERS, (), f"the order book {said}")
    rows = tuple(_order_row(row) for row in reversed(books.told.orders))
    return Table(f"BROKER'S ORDERS  {len(rows)}", ORDERS, rows, "the broker has no order today")


def _order_row(row: BrokerReport) -> Row:
    filled = f"{row.filled_units}/{row.quantity_units}"
    return Row(
        ("report", row.broker_order_id),
        (
            span(row.broker_order_id),
            span(row.status),
            span(row.side),
            span(row.tradingsymbol),
            (filled, "text"),
            (fmt.price(row.limit_paise or None), "text"),
            (fmt.price(row.trigger_paise or None), "text"),
            span(" ".join(row.tags) or fmt.MISSING, "dim"),
        ),
    )
