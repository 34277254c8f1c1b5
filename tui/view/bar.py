"""The rows that stand on every pane: mode, lamps, the alert, the tabs, the keys.

Lives here: their lines. May import: projections.live, tui's pure parts. Always holds: the mode
word is in the first cells of row 0 and colours the whole row; a lamp is a word, a shape and a
number, and a lamp whose own input is missing or old shows ``?``. Start reading at ``mode_line``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from projections.live.view import ConnectionView, LiveView, UnderlyingView
from tui import fmt
from tui.keys import hints
from tui.places import TABBED, Place
from tui.store import AsOf, Frame
from tui.view.alarms import LOUD, alarm_text, alarms
from tui.view.phase import phase_of
from tui.view.staleness import NEEDED, instrument_ages
from tui.view.text import Line, Role, Span, crop, line_width, span, spread
from tui.view.waiting import needs_text, urgent_text
from tui.view.why import CONTRACT_AGE, LINK_AGE, SPOT_AGE, age_limit_ms

MODES: Final[dict[str, Role]] = {
    "LIVE": "LIVE",
    "PAPER": "PAPER",
    "SIM": "SIM",
    "BACKTEST": "BACKTEST",
}
OK, DEGRADED, WARN, BAD, UNKNOWN = "●", "◐", "▲", "✗", "?"
STALE_FACTOR: Final = 5
"""A value beyond its limit is marked; beyond this many times its limit it is marked as bad."""


def mode_word(frame: Frame) -> str:
    """What this screen is: the session's mode, or REPLAY for a recorded session."""
    if frame.view.session is None:
        return "MODE ?"
    return "REPLAY" if frame.replay else frame.view.session.mode


def mode_role(word: str) -> Role:
    """The row's role for a mode word; one that is not known looks unknown."""
    return "REPLAY" if word == "REPLAY" else MODES.get(word, "MODE ?")


def mode_line(frame: Frame, width: int) -> Line:
    """Row 0: mode, what is looked at, index levels, IST clock with phase and countdown."""
    word = mode_word(frame)
    role = mode_role(word)
    left = f" {fmt.clean(word)} "
    session = frame.view.session
    if frame.replay and session is not None:
        left += f" recorded {fmt.clean(session.mode)} {fmt.day_text(session.day)}  NOT LIVE "
        if frame.as_of is not None:
            left = f" {fmt.clean(word)}  AS OF {fmt.clock_ms(frame.view.ts)}  NOT LIVE  "
            left += f"{fmt.clean(session.mode)} {fmt.day_text(session.day)} "
    right = _clock_text(frame)
    if word in ("LIVE", "REPLAY"):
        right += f"  {word}"
    room = width - len(left) - len(right) - 2
    for row in frame.view.underlyings:
        piece = _level_text(frame, row)
        if len(piece) > room:
            break
        left += piece
        room -= len(piece)
    line = spread(((left, role),), ((f" {right} ", role),), width)
    return tuple((text, role) for text, _ in line)


def _level_text(frame: Frame, row: UnderlyingView) -> str:
    """An index level; once it is stale its age and mark stand behind it."""
    mark = "~" if row.spot_estimated else ""
    age, role = aged(frame.age_ns(row.spot_ts), spot_limit_ms(frame.view, row))
    stale = "" if role == "text" else f" {age}"
    return f" {fmt.clean(row.name)} {mark}{fmt.price(row.spot_paise)}{stale} "


def _clock_text(frame: Frame) -> str:
    phase = phase_of(frame.view, frame.now_ts)
    shown = frame.now_ts or (frame.wall_ns if frame.live else None)
    text = f"IST {fmt.clock(shown)} {phase.word}"
    if phase.left_ns is not None and frame.live:
        text += f" {phase.next_word} in {fmt.countdown(phase.left_ns)}"
    return text


# --- lamps -------------------------------------------------------------------------------------


class Lamp(msgspec.Struct, frozen=True):
    """A state: word, shape (with its role) and a short number."""

    word: str
    shape: str
    role: Role
    number: str


def stale_mark(age_ns: int | None, limit_ms: int | None) -> Span:
    """Shape for an age against its limit; no limit means no judgement."""
    if age_ns is None:
        return UNKNOWN, "unknown"
    if limit_ms is None or age_ns <= limit_ms * fmt.NS_PER_MS:
        return OK, "ok"
    bad = age_ns > STALE_FACTOR * limit_ms * fmt.NS_PER_MS
    return (BAD, "bad") if bad else (WARN, "warn")


def aged(age_ns: int | None, limit_ms: int | None) -> Span:
    """An age as text; beyond its limit with the mark behind it, so that it shows without colour."""
    shape, role = stale_mark(age_ns, limit_ms)
    if age_ns is None:
        return fmt.MISSING, "unknown"
    if shape == OK:
        return fmt.age(age_ns), "text"
    return f"{fmt.age(age_ns)} {shape}", role


def lamps(frame: Frame) -> tuple[Lamp, ...]:
    """All lamps in their order. With no data every one of them is unknown."""
    found = tuple(lamp for make in _LAMPS if (lamp := make(frame)) is not None)
    if not frame.no_data:
        return found
    return tuple(Lamp(lamp.word, UNKNOWN, "unknown", lamp.number) for lamp in found)


def spot_limit_ms(view: LiveView, row: UnderlyingView) -> int | None:
    """How old an underlying's print may be."""
    return age_limit_ms(view, row.episode.last if row.episode else None, *SPOT_AGE)


def link_limit_ms(frame: Frame, connection: ConnectionView) -> int | None:
    """How long a connection may be silent: by its health event, else by the settings."""
    return connection.limit_ms or age_limit_ms(frame.view, None, *LINK_AGE)


def _feed_lamp(frame: Frame) -> Lamp:
    view = frame.view
    if not view.connections:
        return Lamp("FEED", UNKNOWN, "unknown", fmt.MISSING)
    oldest = min(view.connections, key=lambda row: row.last_frame_ts or 0)
    age = frame.age_ns(oldest.last_frame_ts)
    shape, role = stale_mark(age, link_limit_ms(frame, oldest))
    down = [row for row in view.connections if row.health in ("DOWN", "GAP")]
    if down and not view.closed:
        shape, role = BAD, "bad"
    number = fmt.age(age)
    if view.frames_rejected:
        number += f" {view.frames_rejected} refused"
        shape, role = (shape, role) if shape == BAD else (WARN, "warn")
    return Lamp("FEED", shape, role, number)


def _journal_lamp(frame: Frame) -> Lamp:
    number = f"#{frame.view.seq}"
    if frame.state == "FAILED":
        return Lamp("JRNL", BAD, "bad", number)
    if frame.view.unreadable:
        return Lamp("JRNL", WARN, "warn", f"{number} {frame.view.unreadable} unreadable")
    if frame.state == "LOADING":
        return Lamp("JRNL", DEGRADED, "degraded", f"{number} loading")
    if frame.unfinished:
        return Lamp("JRNL", BAD, "bad", f"{number} not closed")
    return Lamp("JRNL", OK, "ok", f"{number} closed" if frame.view.closed else number)


_RISK_SHAPES: Final[dict[str, tuple[str, Role]]] = {
    "NORMAL": (OK, "ok"),
    "HALTED": (BAD, "bad"),
}


_HALTED: Final = ("SOFT_HALT", "HARD_HALT")


def _risk_lamp(frame: Frame) -> Lamp:
    risk, state = frame.view.risk, frame.view.governance.state
    if state in _HALTED:
        return Lamp("RISK", BAD, "bad", state)
    if risk is None:
        return Lamp("RISK", UNKNOWN, "unknown", fmt.MISSING)
    shape, role = _RISK_SHAPES.get(risk.status, (WARN, "warn"))
    return Lamp("RISK", shape, role, fmt.clean(risk.status))


RECONCILED_S: Final = "orders.reconciled_age_s_max"
_ASKED_MODES: Final = ("LIVE", "SIM")
"""Modes in which a broker's books are there to be compared."""


def _recon_lamp(frame: Frame) -> Lamp | None:
    """Not there where no broker has books: a backtest has no RECON to be without."""
    view = frame.view
    last = view.watch.reconciled
    standing = sum(row.closed_ts is None for row in view.watch.differences)
    if last is None and not standing:
        expected = view.session is not None and view.session.mode in _ASKED_MODES
        return Lamp("RECON", UNKNOWN, "unknown", fmt.MISSING) if expected else None
    number = fmt.MISSING if last is None else fmt.age(frame.age_ns(last.ts))
    if standing or (last is not None and last.status == "DIFFERS"):
        return Lamp("RECON", BAD, "bad", str(max(standing, 1)))
    limit_s = view.setting(RECONCILED_S)
    age = frame.age_ns(None if last is None else last.ts)
    if age is None or (limit_s is not None and age > limit_s * fmt.NS_PER_S):
        return Lamp("RECON", UNKNOWN, "unknown", number)
    return Lamp("RECON", OK, "ok", number)


def _data_lamp(frame: Frame) -> Lamp:
    """Bad for an old price that is held, a warning for one that is needed; the rest is counted."""
    if not frame.view.connections or not frame.view.instruments:
        return Lamp("DATA", UNKNOWN, "unknown", fmt.MISSING)
    stale = [row for row in instrument_ages(frame) if row.stale]
    held = sum(row.use == "HELD" for row in stale)
    if held and frame.view.closed is None:
        return Lamp("DATA", BAD, "bad", f"{held} held")
    needed = any(row.use in NEEDED for row in stale) and frame.view.closed is None
    shape, role = (WARN, "warn") if needed else (OK, "ok")
    return Lamp("DATA", shape, role, f"{len(stale)} stale")  # type: ignore[arg-type]


KILLED: Final = ("GOV_HALTED", "GOV_STOPPING")
"""Halts by a person; the others are the risk's."""


def _kill_lamp(frame: Frame) -> Lamp:
    halts = frame.view.watch.halts
    if halts is None:
        return Lamp("KILL", UNKNOWN, "unknown", fmt.MISSING)
    by_person = any(code in KILLED for code in halts)
    return Lamp("KILL", BAD, "bad", "ON") if by_person else Lamp("KILL", OK, "ok", "off")


def _alarm_lamp(frame: Frame) -> Lamp:
    """How many nobody has acknowledged; its shape is that of the worst."""
    if frame.view.session is None:
        return Lamp("ALM", UNKNOWN, "unknown", fmt.MISSING)
    found = alarms(frame)
    if not found:
        return Lamp("ALM", OK, "ok", "0")
    loud = found[0].severity <= LOUD
    return Lamp("ALM", BAD if loud else WARN, "bad" if loud else "warn", str(len(found)))


_LAMPS: Final[tuple[Callable[[Frame], Lamp | None], ...]] = (
    _feed_lamp, _journal_lamp, _risk_lamp, _recon_lamp, _data_lamp, _kill_lamp, _alarm_lamp,
)  # fmt: skip


def lamp_line(frame: Frame, width: int) -> Line:
    """Row 1: the lamps, and the account's day at the right."""
    right = profit_line(frame)
    found = lamps(frame)
    room = width - line_width(right)
    whole = _lamp_spans(found, range(len(found)), " ")
    if line_width(whole) > room:
        whole = _lamp_spans(found, _numbers_that_fit(found, room), "")
    return spread(whole, right, width)


def _numbers_that_fit(found: tuple[Lamp, ...], room: int) -> list[int]:
    """In a narrow row the numbers of what is not well come first, then those in order."""
    order = sorted(range(len(found)), key=lambda place: found[place].role == "ok")
    kept: list[int] = []
    for place in order:
        if line_width(_lamp_spans(found, [*kept, place], "")) <= room:
            kept.append(place)
    return kept


def _lamp_spans(found: tuple[Lamp, ...], numbered: Sequence[int], gap: str) -> Line:
    """Each lamp as word and shape, with its number where it is one of ``numbered``; without a gap
    only the number's first word."""
    spans: list[Span] = []
    for place, lamp in enumerate(found):
        shown = lamp.number if gap else lamp.number.partition(" ")[0]
        number = f" {shown}" if place in numbered else ""
        spans.append((f" {lamp.word}{gap}", "dim"))
        spans.append((lamp.shape, lamp.role))
        spans.append((f"{number}{gap}", "text"))
    return tuple(piece for piece in spans if piece[0])


def profit_line(frame: Frame) -> Line:
    """The day's result net of charges; ``?`` while an open position has no mark.

    While positions are open it is as old as the oldest of their marks, and that age stands behind.
    """
    view = frame.view
    net = view.money.net_paise
    line: Line = ((" P&L net ", "dim"), (f"{fmt.gain(net)} {_arrow(net)} ", gain_role(net)))
    marks = [row.mark_ts for row in view.positions if row.mark_ts is not None]
    if not marks:
        return line
    text, role = aged(frame.age_ns(min(marks)), age_limit_ms(view, None, *CONTRACT_AGE))
    return (*line, (f"{text} ", role))


def _arrow(paise: int | None) -> str:
    if paise is None or paise == 0:
        return " "
    return WARN if paise > 0 else "▼"


def gain_role(paise: int | None) -> Role:
    """The role of a result; its sign says the same."""
    if paise is None:
        return "unknown"
    return "up" if paise > 0 else "down" if paise < 0 else "text"


# --- alert, tabs, keys -------------------------------------------------------------------------


def alert_line(frame: Frame, width: int) -> Line | None:
    """The full-width row above everything old, or None when all is well."""
    urgent = urgent_text(frame)
    if urgent is not None:
        return ((fmt.fit(fmt.clean(f" {urgent}"), width), "alert"),)
    if frame.fault is not None:
        return crop(((f" {fmt.clean(frame.fault)}", "alert"),), width)
    if frame.as_of is not None:
        return ((fmt.fit(_as_of_text(frame.as_of), width), "alert"),)
    if frame.behind is not None:
        return ((fmt.fit(behind_text(frame), width), "alert"),)
    if frame.no_data:
        text = (
            f" NO DATA FROM ENGINE {fmt.age(frame.silent_ns)} - everything below is old"
            f"   (last entry #{frame.view.seq} {fmt.clock(frame.view.ts)} IST)"
        )
        return ((fmt.fit(text, width), "alert"),)
    if frame.unfinished:
        text = (
            f" SESSION NOT CLOSED after #{frame.view.seq} {fmt.clock(frame.view.ts)} IST"
            " - its engine died here, or runs on: axiom sessions tells"
        )
        return ((fmt.fit(text, width), "alert"),)
    told = [needs_text(frame, width), alarm_text(frame, alarms(frame))]
    text = "   ".join(one for one in told if one is not None)
    return ((fmt.fit(fmt.clean(f" {text}"), width), "alert"),) if text else None


def behind_text(frame: Frame) -> str:
    """How far a session was read, and what that means for what is shown."""
    percent = f"{100 * frame.view.seq // max(frame.end_seq, 1)} %"
    left = f"{fmt.group_indian(frame.behind or 0)} entries to go"
    at = f"(at {fmt.clock(frame.view.ts)} IST)"
    if frame.live:
        return f" CATCHING UP {percent}, {left}: nothing below is of now {at}  ctrl+k halts"
    return f" READING THE SESSION {percent}, {left}: nothing below is of its end {at}"


def _as_of_text(as_of: AsOf) -> str:
    runs = "  its engine runs on" if as_of.live else ""
    here, last = fmt.group_indian(as_of.seq), fmt.group_indian(as_of.last_seq)
    return f" THE PAST, NOT LIVE: #{here} of #{last}  no command leaves  ctrl+l: now{runs}"


def tab_line(place: Place, crumb: str, frozen_text: str, width: int) -> Line:
    """Row 2: the panes, the one that is shown marked, and where in it one is."""
    spans: list[Span] = []
    for row in TABBED:
        shown = row.place == place
        label = f"{row.keys[0]}{row.tab}"
        spans.append((f"[{label}]" if shown else f" {label} ", "title" if shown else "dim"))
    spans.append(span(crumb, "title"))
    right: Line = ((f" {frozen_text} ", "alert"),) if frozen_text else ()
    return spread(tuple(spans), right, width)


def key_line(place: Place, width: int, message: str | None) -> Line:
    """The last row: the keys of the pane that fit, or a message in their place."""
    if message is not None:
        return crop(((f" {fmt.clean(message)}", "warn"),), width)
    pieces: list[Line] = [
        ((f" {shown}", "key"), (f" {hint} ", "dim")) for shown, hint in hints(place)
    ]
    # Help and quit stand last and are never the ones that do not fit.
    ends = [span for piece in pieces[-2:] for span in piece]
    spans: list[Span] = []
    for piece in pieces[:-2]:
        if line_width((*spans, *piece, *ends)) > width:
            break
        spans.extend(piece)
    return crop((*spans, *ends), width)


def too_small_line(frame: Frame, columns: int, rows: int) -> Line:
    """What a terminal below the least size shows: the mode and the result, still alive."""
    word = mode_word(frame)
    text = f" {fmt.clean(word)}  P&L net {fmt.gain(frame.view.money.net_paise)}"
    alert = "" if not frame.no_data else "  NO DATA" if frame.behind is None else "  CATCHING UP"
    tail = f"{alert}  terminal {columns}x{rows}, needs 80x24  q quit"
    return crop(((text + tail, mode_role(word)),), columns)
