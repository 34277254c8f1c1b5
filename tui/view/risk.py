"""The account's limits: what is used of each, and which one would trip next.

Lives here: the limits of a frame and their table. May import: events, projections.live, tui's pure
parts. Always holds: a limit is the setting in force; where only the engine can measure, its own
figure of the last decision is shown with its age; nothing is estimated here.
Start reading at ``limits``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.decision import GateRow
from events.gates import BY_GATE
from events.reasons import BY_CODE
from projections.live.view import LiveView
from tui import fmt
from tui.store import Frame
from tui.view.halt import halts_of
from tui.view.plot import share_bar
from tui.view.text import Column, Role, Row, Span, Table, column, span
from tui.view.why import gates_of

BAR_CELLS: Final = 14
NEAR: Final = (3, 4)
"""From three quarters of a limit on it is marked."""


class Limit(msgspec.Struct, frozen=True):
    """One limit. ``used`` is None where it is not known; ``age_ns`` None means as of now.

    ``where`` is the underlying whose figure it is, empty for the account; ``code`` what blocks.
    """

    name: str
    where: str
    used: int | None
    limit: int
    unit: str
    age_ns: int | None
    code: str

    @property
    def left(self) -> int | None:
        """What is left of it, below zero where it is exceeded."""
        return None if self.used is None else self.limit - self.used

    @property
    def share_milli(self) -> int | None:
        """Used thousandths."""
        if self.used is None:
            return None
        if self.limit <= 0:
            return 1_000 if self.used > 0 else 0
        return self.used * 1_000 // self.limit


_SHARES: Final = (
    ("daily loss", "risk.daily_loss_bps_max", "RISK_DAILY_LOSS", -1),
    ("profit lock", "risk.profit_lock_bps_max", "RISK_PROFIT_LOCK", 1),
)
"""Limits that are a share of the capital and that the day's net result counts against."""

_GATES: Final = (
    ("drawdown", "drawdown"),
    ("open risk", "open_risk"),
    ("premium held", "exposure"),
    ("profit of one", "underlying_profit"),
    ("net delta", "net_delta"),
    ("net gamma", "net_gamma"),
    ("net vega", "net_vega"),
    ("net theta", "net_theta"),
    ("stress loss", "stress"),
    ("worst trades", "cvar"),
    ("entries a minute", "entries_minute"),
    ("refusals a minute", "rejects"),
)
"""Limits that only the engine measures: its name here and its gate."""


_WITH_NEXT: Final = ("entries_minute",)
"""Gates that count the entry which is judged as well; here only what was is counted."""


def limits(frame: Frame) -> tuple[Limit, ...]:
    """All limits that can be told, the one with the smallest share left first."""
    found = [*_of_result(frame.view), *_counts(frame.view), *_of_gates(frame)]
    return tuple(sorted(found, key=lambda one: -1 if one.share_milli is None else -one.share_milli))


def _of_result(view: LiveView) -> list[Limit]:
    found = []
    for name, key, code, sign in _SHARES:
        bps = view.setting(key)
        if bps is None or view.capital_paise is None:
            continue
        net = view.money.net_paise
        used = None if net is None else max(sign * net, 0)
        found.append(Limit(name, "", used, view.capital_paise * bps // 10_000, "paise", None, code))
    return found


def _counts(view: LiveView) -> list[Limit]:
    risk = view.risk
    told = (
        ("trades today", "risk.trades_day_max", "RISK_TRADES_DAY",
         None if risk is None else risk.trades_today),
        ("losses in a row", "risk.loss_streak_max", "RISK_LOSS_STREAK",
         None if risk is None else risk.loss_streak),
    )  # fmt: skip
    return [
        Limit(name, "", used, limit, "count", None, code)
        for name, key, code, used in told
        if (limit := view.setting(key)) is not None
    ]


def _of_gates(frame: Frame) -> list[Limit]:
    """The fullest of each gate among the last decisions of all underlyings."""
    best: dict[str, Limit] = {}
    names = {gate: name for name, gate in _GATES}
    for found in frame.view.underlyings:
        line = None if found.episode is None else found.episode.last
        gates = gates_of(line)
        if line is None or gates is None:
            continue
        for verdict in gates.official:
            for row in verdict.rows:
                limit = _of_row(names.get(row.gate), row, found.name, frame.age_ns(line.ts))
                if limit is not None:
                    was = best.get(row.gate)
                    best[row.gate] = limit if was is None else _fuller(was, limit)
    return [best[gate] for _, gate in _GATES if gate in best]


def _of_row(name: str | None, row: GateRow, where: str, age_ns: int | None) -> Limit | None:
    spec = BY_GATE.get(row.gate)
    if name is None or spec is None or row.limit is None:
        return None
    used = row.observed
    if used is not None and row.gate in _WITH_NEXT:
        used -= 1
    return Limit(name, where, used, row.limit, spec.unit, age_ns, row.reason or "")


def _fuller(one: Limit, other: Limit) -> Limit:
    return max(one, other, key=lambda limit: limit.share_milli or 0)


# --- the table -----------------------------------------------------------------------------------

COLUMNS: Final[tuple[Column, ...]] = (
    column("LIMIT", 17),
    column("", BAR_CELLS),
    column("%", 5, ">"),
    column("USED", 12, ">"),
    column("OF", 12, ">"),
    column("LEFT", 12, ">", priority=2),
    column("AS OF", 6, ">", priority=3),
    column("WHERE", 10, priority=4),
    column("THEN", 16, priority=5, grow=True),
)


def limits_table(frame: Frame) -> Table:
    """The limits as bars."""
    found = limits(frame)
    return Table(_title(found), COLUMNS, tuple(map(_row, found)), "no limit is known yet")


def _title(found: tuple[Limit, ...]) -> str:
    known = [one for one in found if one.share_milli is not None]
    if not known:
        return "LIMITS"
    first = known[0]
    left = fmt.measure(first.left, first.unit)
    if (first.share_milli or 0) > 1_000:
        return f"LIMITS  broken: {first.name}"
    return f"LIMITS  next to trip: {first.name}, {_percent(first)} used, {left} left"


def _percent(one: Limit) -> str:
    return "?" if one.share_milli is None else f"{one.share_milli // 10}%"


def _row(one: Limit) -> Row:
    bar: Span = ("[" + "?" * (BAR_CELLS - 2) + "]", "unknown")
    role: Role = "unknown"
    if one.used is not None:
        role = _role(one)
        bar = (share_bar(one.used, one.limit, BAR_CELLS), role)
    return Row(
        ("limit", one.name),
        (
            span(one.name, "title"),
            bar,
            span(_percent(one) + _mark(role), role),
            span("?" if one.used is None else fmt.measure(one.used, one.unit)),
            span(fmt.measure(one.limit, one.unit)),
            span(fmt.measure(one.left, one.unit) if one.left is not None else "?"),
            ("now", "text") if one.age_ns is None else span(fmt.age(one.age_ns), "dim"),
            span(one.where, "dim"),
            span(one.code, "dim"),
        ),
    )


def _role(one: Limit) -> Role:
    share, (part, whole) = one.share_milli or 0, NEAR
    if share >= 1_000:
        return "bad"
    return "warn" if share * whole >= 1_000 * part else "text"


def _mark(role: Role) -> str:
    return {"bad": "✗", "warn": "▲"}.get(role, "")


def halts_text(frame: Frame) -> str:
    """The risk state in one line: what is halted and why, in the words of the reason table."""
    view = frame.view
    halts, state = halts_of(view), view.governance.state or "NORMAL"
    if not halts:
        return f"Risk state {state}: no halt is in force."
    row = BY_CODE.get(halts[0])
    words = "" if row is None else f" {row.sentence} {row.what_to_do}"
    since = fmt.age(frame.age_ns(view.governance.state_ts))
    return f"Risk state {state} since {since}: {', '.join(halts)}.{words}"
