"""Positions and risk: what is held, at what levels, with what result; what closing one comes to.

Lives here: the table of positions and the curve of the day. May import: projections.live, tui's
pure parts. Always holds: every mark has its age; results are net of charges; a sold leg stands
under its long. Start reading at ``positions_table``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from projections.live.desk import ENDED
from projections.live.view import LiveView, PositionView
from tui import fmt
from tui.store import Frame
from tui.view.bar import aged, gain_role
from tui.view.home import net_of
from tui.view.plot import plot
from tui.view.text import Column, Line, Role, Row, Span, Table, column, span
from tui.view.why import CONTRACT_AGE, age_limit_ms

LEG_MARK: Final = "S"
"""Ends the id of a leg that is sold against the long of the same id."""

POSITIONS: Final[tuple[Column, ...]] = (
    column("POSITION", 20, grow=True),
    column("LOTS", 9, ">"),
    column("AVG", 9, ">"),
    column("MARK", 9, ">"),
    column("AGE", 6, ">"),
    column("NET P&L", 12, ">"),
    column("STATE", 8),
    column("STOP", 8, ">", priority=2),
    column("TARGET", 8, ">", priority=3),
    column("TRAIL", 6, ">", priority=4),
    column("HELD", 5, ">", priority=5),
    column("STRATEGY", 12, priority=6),
    column("ID", 17, priority=7),
)


def positions_table(frame: Frame) -> Table:
    """Open positions with their legs, then the day's closed ones, newest first."""
    view = frame.view
    rows = [_position_row(frame, row) for row in with_legs(view.positions)]
    rows.extend(_position_row(frame, row) for row in reversed(view.closed_positions))
    money = view.money
    title = (
        f"POSITIONS  {len(view.positions)} open  net {fmt.gain(money.net_paise)}"
        f"  open {fmt.gain(money.unrealised_paise)}  realised {fmt.gain(money.realised_paise)}"
        f"  charges {fmt.rupees(money.charges_paise)}"
    )
    return Table(title, POSITIONS, tuple(rows), "nothing is held, and nothing was today")


def with_legs(rows: tuple[PositionView, ...]) -> tuple[PositionView, ...]:
    """Each sold leg directly under its long."""
    ids = {row.position_id for row in rows}
    legs = {row.position_id: row for row in rows if long_id(row, ids) is not None}
    ordered: list[PositionView] = []
    for row in rows:
        if row.position_id in legs:
            continue
        ordered.append(row)
        leg = legs.get(row.position_id + LEG_MARK)
        if leg is not None:
            ordered.append(leg)
    return tuple(ordered)


def long_id(row: PositionView, ids: set[str]) -> str | None:
    """The long that a sold leg belongs to, None for a row that is none."""
    long = row.position_id.removesuffix(LEG_MARK)
    return long if long != row.position_id and long in ids else None


def _position_row(frame: Frame, row: PositionView) -> Row:
    net = net_of(row)
    role: Role = "text" if row.is_open else "dim"
    is_leg = row.quantity_units < 0
    limit = age_limit_ms(frame.view, None, *CONTRACT_AGE)
    age = aged(frame.age_ns(row.mark_ts), limit) if row.is_open else (fmt.MISSING, role)
    until = frame.now_ts if row.is_open else row.changed_ts
    return Row(
        ("position", row.position_id),
        (
            span(f"└ {row.symbol}" if is_leg else row.symbol, role),
            span(fmt.lots(row.quantity_units, row.lot_units) if row.is_open else "0", role),
            span(fmt.price(row.average_paise), role),
            span(fmt.price(row.mark_paise), role),
            age,
            (fmt.gain(net), gain_role(net)),
            _state(row, is_leg=is_leg),
            span(_level(row.stop_paise), role),
            span(_level(row.target_paise), role),
            span(_level(row.trail_paise), role),
            span(fmt.age(until - row.opened_ts), role),
            span(row.strategy_id, role),
            span(row.position_id, role),
        ),
    )


def position_at(frame: Frame, key: object) -> PositionView | None:
    """The position of a row's key, open or closed today."""
    view = frame.view
    rows = (*view.positions, *view.closed_positions)
    return next((row for row in rows if ("position", row.position_id) == key), None)


def position_text(frame: Frame, row: PositionView | None) -> str:
    """The id that ``axiom exit`` takes: whole, at every width; a pair is named by its long."""
    if row is None:
        return ""
    view = frame.view
    ids = {one.position_id for one in (*view.positions, *view.closed_positions)}
    long = long_id(row, ids)
    if long is not None:
        what = f" sold against {long}, the id of the pair"
    else:
        what = " a pair, by its long" if row.position_id + LEG_MARK in ids else ""
    since = f"opened {fmt.clock(row.opened_ts)}" if row.is_open else "closed"
    return f"ID {row.position_id}{what}: {row.strategy_id}, {since}"


def _level(paise: int) -> str:
    """A level of 0 is none."""
    return fmt.price(paise) if paise else fmt.MISSING


def _state(row: PositionView, *, is_leg: bool) -> Span:
    if row.is_open:
        return ("SOLD", "title") if is_leg else ("OPEN", "title")
    return span((row.exit_reason or "CLOSED").removeprefix("EXIT_"), "dim")


# --- the day -------------------------------------------------------------------------------------


def day_lines(frame: Frame, width: int, rows: int) -> tuple[Line, ...]:
    """The net result over the day, a column a bar or more, between its least and greatest."""
    values = frame.view.money.net_by_bar_paise
    label = 16
    if not values:
        return ((("  ", "text"), ("no bar of the day is closed yet: no curve", "dim")),)
    curve = plot(values, max(width - label - 2, 1), rows)
    ends = [fmt.gain(max(values)), *[""] * (rows - 2), fmt.gain(min(values))]
    return tuple(
        (("  ", "text"), span(fmt.fit(end, label - 2, ">") + " ", "dim"), (line, "up"))
        for end, line in zip(ends, curve, strict=True)
    )


# --- closing by hand -----------------------------------------------------------------------------

IN_ITS_WAY: Final = ("ENTRY", "PROTECT", "SHORT")
"""Roles of a position's orders that its exit ends first."""


class Leaving(msgspec.Struct, frozen=True):
    """What closing by hand comes to: the long, units of the leg that is sold against it, and how
    many of its orders are cancelled for it."""

    position_id: str
    symbol: str
    sold: str
    bought_back: str
    cancelled: int


def exit_of(view: LiveView, row: PositionView) -> Leaving:
    """What closing an open row comes to: a pair goes as a whole, whichever row it is."""
    by_id = {one.position_id: one for one in view.positions}
    long = by_id.get(long_id(row, set(by_id)) or row.position_id, row)
    leg = by_id.get(long.position_id + LEG_MARK)
    in_its_way = sum(
        one.role in IN_ITS_WAY and one.status not in ENDED
        for one in view.orders
        if one.authority.startswith(long.position_id)
    )
    back = "" if leg is None else fmt.lots(-leg.quantity_units, leg.lot_units)
    units = fmt.lots(long.quantity_units, long.lot_units)
    return Leaving(long.position_id, long.symbol, units, back, in_its_way)


def exit_label(leaving: Leaving, room: int) -> str:
    """The same in words; what is cancelled on the way is left out where there is no room for it."""
    back = f"buys back {leaving.bought_back}, " if leaving.bought_back else ""
    text = f"EXIT: {back}sells {leaving.sold} {leaving.symbol}"
    orders = f"{leaving.cancelled} order{'' if leaving.cancelled == 1 else 's'}"
    full = f"{text}, cancels {orders}."
    return full if len(full) <= room else f"{text}."
