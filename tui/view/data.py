"""Data and SLA: how the feed is, how old what it brought is, and how the process and clock are.

Lives here: the three tables and the lines of rates, lags and ages. May import: projections.live,
tui's pure parts. Always holds: an age is judged by the limit that the engine itself goes by; what
was never measured is not shown as good. Start reading at ``connections_table``.
"""

from __future__ import annotations

from typing import Final

from projections.live.view import ConnectionView, LiveView
from projections.live.watch import PART_S
from tui import fmt
from tui.store import Frame
from tui.view.bar import aged, link_limit_ms
from tui.view.staleness import NEEDED, InstrumentAge, buckets
from tui.view.text import Column, Line, Role, Row, RowsOnDemand, Span, Table, column, span

Ages = tuple[InstrumentAge, ...]
"""What ``staleness.instrument_ages`` found: once a frame, for all that is shown of it."""

CONNECTIONS: Final[tuple[Column, ...]] = (
    column("CONN", 4),
    column("STATE", 11),
    column("HEALTH", 8),
    column("LAST", 7, ">"),
    column("FRAMES", 9, ">"),
    column("REASON", 14, grow=True),
    column("REFUSED", 7, ">", priority=2),
    column("DROPPED", 7, ">", priority=2),
    column("GAPS", 4, ">", priority=2),
    column("CAME UP", 7, ">", priority=3),
    column("SUBSCRIBED", 10, ">", priority=4),
    column("MISSING", 7, ">", priority=4),
)
HEALTH: Final[tuple[Column, ...]] = (
    column("WHAT", 22, grow=True),
    column("STATE", 9),
    column("NOW", 12, ">"),
    column("LIMIT", 11, ">", priority=2),
    column("AGE", 5, ">"),
)
INSTRUMENTS: Final[tuple[Column, ...]] = (
    column("INSTRUMENT", 22, grow=True),
    column("USED BY", 8),
    column("AGE", 8, ">"),
    column("LIMIT", 6, ">"),
    column("LAST PRICE", 12, ">"),
    column("SEEN IST", 12, ">"),
    column("KIND", 5, priority=3),
    column("UNDERLYING", 11, priority=4),
)


# --- connections -------------------------------------------------------------------------------


def connections_table(frame: Frame) -> Table:
    """One row a connection of the feed."""
    view = frame.view
    rows = tuple(_connection_row(frame, row) for row in view.connections)
    title = f"CONNECTIONS  {fmt.group_indian(view.ticks)} ticks  {rate_text(view)}"
    return Table(title, CONNECTIONS, rows, "no connection was asked for yet")


def rate_text(view: LiveView) -> str:
    """Ticks a second in the last whole part."""
    packets = view.watch.packets
    return "? a second" if len(packets) < 2 else f"{_a_second(packets[-2])} a second"


def _a_second(count: int) -> str:
    """Ticks of one part as a rate with a tenth."""
    tenths = count * 10 // PART_S
    return f"{fmt.group_indian(tenths // 10)}.{tenths % 10}"


_STATES: Final[dict[str, tuple[str, Role]]] = {
    "CONNECTED": ("●", "ok"),
    "WANTED": ("◐", "degraded"),
    "ENDED": ("●", "text"),
    "LOST": ("✗", "bad"),
}


def _connection_row(frame: Frame, row: ConnectionView) -> Row:
    link = frame.view.watch.link(row.connection)
    shape, role = _STATES.get(row.status or "", ("?", "unknown"))
    health: Span = ("?", "unknown")
    if row.health is not None:
        health = span(f"{'●' if row.health == 'LIVE' else '✗'} {row.health}",
                      "ok" if row.health == "LIVE" else "bad")  # fmt: skip
    verified = "" if row.verified or row.status != "CONNECTED" else "?"
    return Row(
        ("connection", row.connection),
        (
            (str(row.connection), "title"),
            span(f"{shape} {row.status or 'UNSEEN'}"[:11], role),
            health,
            aged(frame.age_ns(row.last_frame_ts), link_limit_ms(frame, row)),
            (fmt.group_indian(row.frames), "text"),
            span(row.health_reason or fmt.MISSING, "dim"),
            _count(row.rejected),
            _count(0 if link is None else link.dropped),
            _count(0 if link is None else link.gaps),
            (str(0 if link is None else link.connects), "text"),
            (f"{row.subscribed}{verified}", "text"),
            ("?", "unknown") if link is None or link.missing is None else _count(link.missing),
        ),
    )


def _count(count: int) -> Span:
    return fmt.group_indian(count), "warn" if count else "dim"


# --- rates, lags, ages -------------------------------------------------------------------------


def ages_lines(frame: Frame, ages: Ages, width: int) -> tuple[Line, ...]:
    """Ticks a second and lag over time, and the instruments by their age."""
    watch = frame.view.watch
    room = max(min(width - 40, 60), 10)
    rates = watch.packets[:-1]
    lag = f"last {watch.lags_ms[-1]} ms  worst {max(watch.lags_ms)} ms" if watch.lags_ms else "?"
    rate = f"now {_a_second(rates[-1])}  most {_a_second(max(rates))}" if rates else "?"
    return (
        (("  ticks/s ", "dim"), (fmt.spark(rates, room), "text"), (f" {rate}", "text")),
        (("  lag     ", "dim"), (fmt.spark(watch.lags_ms, room), "text"), (f" {lag}", "text")),
        _bucket_line(ages),
    )


def _bucket_line(rows: Ages) -> Line:
    held = sum(row.stale and row.use == "HELD" for row in rows)
    needed = sum(row.stale and row.use in NEEDED for row in rows)
    well: Span = ("● 0", "ok") if rows else ("?", "unknown")
    spans: list[Span] = [
        ("  stale   held ", "dim"),
        (f"✗ {held}", "bad") if held else well,
        ("  needed ", "dim"),
        (f"▲ {needed}", "warn") if needed else well,
        ("  ages ", "dim"),
    ]
    for name, count in buckets(rows):
        spans.extend(((f" {name} ", "dim"), (f"{count}", "text")))
    return tuple(spans)


# --- clock, process, login ---------------------------------------------------------------------


def health_table(frame: Frame) -> Table:
    """Login, clocks, missed cycles, history, and every measurement of the process."""
    rows = [_login_row(frame), *_skew_rows(frame), _missed_row(frame), _history_row(frame)]
    rows.extend(_measure_rows(frame))
    found = tuple(row for row in rows if row is not None)
    return Table("CLOCK, PROCESS, LOGIN", HEALTH, found, "nothing was measured yet")


def _state(good: bool | None, word: str) -> Span:
    if good is None:
        return "?", "unknown"
    return (f"● {word}", "ok") if good else (f"✗ {word}", "bad")


def _health_row(frame: Frame, what: str, state: Span, now: str, limit: str, ts: int | None) -> Row:
    age = (fmt.age(frame.age_ns(ts)), "dim")
    cells = (span(what), span(*state), span(now), span(limit, "dim"), age)
    return Row(("health", what), cells)  # type: ignore[arg-type]


def _login_row(frame: Frame) -> Row | None:
    login = frame.view.watch.login
    if login is None:
        return None
    state = _state(login.status == "OK", login.status)
    ends = "-" if login.expires_ts is None else f"to {fmt.clock(login.expires_ts)}"
    return _health_row(frame, "login", state, login.fault or ends, fmt.MISSING, login.ts)


def _skew_rows(frame: Frame) -> list[Row]:
    return [
        _health_row(
            frame,
            f"clock against {row.source}",
            _state(abs(row.offset_ns) <= row.limit_ns, "OK" if abs(row.offset_ns) <= row.limit_ns
                   else "BAD"),
            f"{row.offset_ns // fmt.NS_PER_MS:+d} ms",
            f"{row.limit_ns // fmt.NS_PER_MS} ms",
            row.ts,
        )
        for row in frame.view.watch.skews
    ]  # fmt: skip


def _missed_row(frame: Frame) -> Row:
    watch = frame.view.watch
    good = watch.missed_ticks == 0
    state: Span = ("● OK", "ok") if good else ("▲ MISSED", "warn")
    return _health_row(frame, "cycles missed", state, str(watch.missed_ticks), "0", watch.missed_ts)


def _history_row(frame: Frame) -> Row | None:
    row = frame.view.watch.history
    if row.ts is None:
        return None
    text = f"{fmt.group_indian(row.candles)} bars"
    state: Span = ("▲ FAILED", "warn") if row.failed else ("● LOADED", "ok")
    limit = f"{row.failed} failed" if row.failed else fmt.MISSING
    return _health_row(frame, f"history, {row.series} series", state, text, limit, row.ts)


def _measure_rows(frame: Frame) -> list[Row]:
    return [
        _health_row(
            frame,
            row.what,
            _state(row.status == "OK", row.status),
            fmt.group_indian(row.observed),
            fmt.group_indian(row.limit),
            row.ts,
        )
        for row in frame.view.watch.measures
    ]


# --- instruments -------------------------------------------------------------------------------


def instruments_table(frame: Frame, ages: Ages, *, stale_only: bool, held_only: bool) -> Table:
    """The oldest first; those never seen at the end, unless they are held."""
    rows = [
        row
        for row in ages
        if (row.stale or not stale_only) and (row.use == "HELD" or not held_only)
    ]
    rows.sort(key=lambda row: (not row.stale, row.age_ns is None, -(row.age_ns or 0)))
    filters = [name for name, on in (("stale", stale_only), ("held", held_only)) if on]
    only = f"  only {' and '.join(filters)}" if filters else ""
    stale = sum(row.stale for row in ages)
    title = f"INSTRUMENTS  {len(rows)} of {len(ages)}  {stale} stale{only}"
    lines = RowsOnDemand(
        [_instrument_key(row) for row in rows], lambda at: _instrument_row(frame, rows[at])
    )
    return Table(title, INSTRUMENTS, lines, "no instrument is like that")


def _instrument_key(row: InstrumentAge) -> tuple[str, int]:
    return "instrument", row.index


def _instrument_row(frame: Frame, row: InstrumentAge) -> Row:
    view = frame.view
    one = view.instruments[row.index]
    limit = fmt.MISSING if row.limit_ms is None else fmt.age(row.limit_ms * fmt.NS_PER_MS)
    role: Role = "dim" if row.stale else "text"
    needed = row.use in NEEDED
    last = view.quotes.last_price(one.token)
    return Row(
        _instrument_key(row),
        (
            span(one.tradingsymbol, role),
            (row.use, "title" if needed else "dim"),
            aged(row.age_ns, row.limit_ms) if row.age_ns is not None else ("never", "unknown"),
            (limit, "dim"),
            (fmt.price(None if last is None else last[0]), role),
            (fmt.clock_ms(row.seen_ts), "dim"),
            span(one.kind, "dim"),
            span(one.underlying or fmt.MISSING, "dim"),
        ),
    )
