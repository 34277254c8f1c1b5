"""The kill switch: what each level does, in numbers, and what became of what was asked.

Lives here: its lines and tables, and the one place that says why nothing can be commanded. May
import: projections.live, tui's pure parts. Always holds: numbers are those of the frame; a level is
shown as taken only by the engine's own word. Start reading at ``LEVELS``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.reasons import BY_CODE
from projections.live.desk import ENDED
from projections.live.view import CommandLine, LiveView
from tui import fmt
from tui.given import Fate, Given, fate
from tui.ports import Control
from tui.store import Frame
from tui.view.text import Column, Line, Role, Row, Span, Table, column, span

NO_COMMANDS: Final = "Nothing to command: this is a recorded session and has no engine."
NO_CONTROL: Final = "This screen only reads. Command from another terminal: axiom halt REASON"
NO_MODE: Final = "The session has not said its mode, so nothing is commanded: axiom halt REASON"
OVER: Final = "Nothing to command: this session is closed."
UNSURE: Final = "NOT CONFIRMED"
BY_HAND: Final = "run 'axiom halt' in another terminal, or call the broker"

IN_THE_PAST: Final = "No command leaves while the past is shown: ctrl+l returns to now."


def why_not(frame: Frame, control: Control | None) -> str | None:
    """Why nothing can be commanded here, None where it can."""
    if frame.as_of is not None:
        return IN_THE_PAST
    if frame.replay:
        return NO_COMMANDS
    if control is None:
        return NO_CONTROL
    if frame.view.session is None:
        return NO_MODE
    return OVER if frame.view.closed is not None else None


def confirm_word(frame: Frame) -> str:
    """What a person types before a dangerous command: the session's mode."""
    session = frame.view.session
    return "" if session is None else session.mode


# --- the levels ----------------------------------------------------------------------------------


class Level(msgspec.Struct, frozen=True):
    """A row of the switch. ``value`` is the halt's; ``name`` what a person calls it."""

    name: str
    verb: str
    value: str | None
    typed: bool


LEVELS: Final[tuple[Level, ...]] = (
    Level("HALT", "HALT", None, False),
    Level("HALT+CANCEL", "HALT", "CANCEL", True),
    Level("HALT+FLATTEN", "HALT", "FLATTEN", True),
    Level("RESUME", "RESUME", None, True),
)
"""In the order of the cursor: the first one goes out without a word."""

COLUMNS: Final[tuple[Column, ...]] = (
    column("LEVEL", 12),
    column("WHAT IT WILL DO NOW", 46, grow=True),
    column("HOW", 16),
)


def level_of(key: object) -> Level | None:
    """The level of a row's key."""
    return next((row for row in LEVELS if ("level", row.name) == key), None)


def levels_table(frame: Frame, *, can: bool) -> Table:
    """Each level with what it comes to at this moment, and how it is given where it can be."""
    word = fmt.clean(confirm_word(frame)) or "?"
    rows = tuple(
        Row(
            ("level", level.name),
            (
                span(level.name, "ok" if level.verb == "RESUME" else "bad"),
                span(effect(frame.view, level)),
                span(_how(level, word), "key") if can else (fmt.MISSING, "dim"),
            ),
        )
        for level in LEVELS
    )
    return Table("KILL SWITCH", COLUMNS, rows, "")


def _how(level: Level, word: str) -> str:
    if not level.typed:
        return "enter"
    return f"reason, {word}" if level.verb == "RESUME" else f"type {word}"


def effect(view: LiveView, level: Level) -> str:
    """What a level comes to, in numbers."""
    if level.verb == "RESUME":
        halts = ", ".join(halts_of(view)) or "no halt is in force"
        return f"entries may go on; now {halts}"
    if level.value is None:
        return "no new entry; exits, stops and books go on"
    text = f"also cancel {_count(len(working(view)), 'order')}"
    if level.value == "FLATTEN":
        text += f", close {_count(len(view.positions), 'position')}{_held(view)}"
    return text


def working(view: LiveView) -> tuple[str, ...]:
    """The ids of the orders that are not over."""
    return tuple(row.order_id for row in view.orders if row.status not in ENDED)


def _held(view: LiveView) -> str:
    names = [
        f"{row.symbol} {fmt.lots(row.quantity_units, row.lot_units)}" for row in view.positions
    ]
    return f": {', '.join(names)}" if names else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def halts_of(view: LiveView) -> tuple[str, ...]:
    """The halts in force, those that were carried over included."""
    return view.watch.halts or ()


# --- how it stands -------------------------------------------------------------------------------


def standing_lines(frame: Frame, why: str | None) -> tuple[Line, ...]:
    """Two lines: whether entries may be made, and what became of the last command from here."""
    halts = halts_of(frame.view)
    if halts:
        since = fmt.age(frame.age_ns(frame.view.governance.state_ts))
        kill = frame.view.kill
        level = "" if kill is None else f", kill level {kill}"
        text = f"HALTED {since}: {', '.join(halts)}{level}"
        first: Line = (("  ✗ ", "bad"), span(text, "bad"))
    else:
        first = (("  ● ", "ok"), ("no halt is in force", "text"))
    if why is not None:
        return first, (("  ", "text"), span(why, "warn"))
    return first, _last_line(frame)


def _last_line(frame: Frame) -> Line:
    if not frame.given:
        text = "Nothing was commanded from this screen. The first level is one key: enter."
        return ("  ", "text"), (text, "dim")
    given = frame.given[-1]
    found = fate(given, frame.mono_ns, frame.view.commands)
    told = "" if found.word == UNSURE else f"  {found.text}"
    return (
        ("  ", "text"),
        _fate_span(frame, given, found),
        span(f"  {_named(given)}{told}", "text"),
    )


def more_text(frame: Frame) -> str:
    """What is said below: of a command that is not confirmed what became of it and what to do,
    else what the halt in force means."""
    if frame.given:
        found = fate(frame.given[-1], frame.mono_ns, frame.view.commands)
        if found.word == UNSURE:
            return f"{found.text or 'no word from the engine'}: {BY_HAND}"
    return halt_sentence(frame.view)


def _named(given: Given) -> str:
    command = given.command
    about = "" if command.subject is None else f" {command.subject}"
    value = "" if command.value is None else f" {command.value}"
    return f"{command.verb}{about}{value}"


_FATES: Final[dict[str, tuple[str, Role]]] = {
    "SENT": ("◐", "degraded"),
    "CONFIRMED": ("●", "ok"),
    "REFUSED": ("✗", "bad"),
    "NOT CONFIRMED": ("✗", "bad"),
}


def _fate_span(frame: Frame, given: Given, found: Fate) -> Span:
    shape, role = _FATES[found.word]
    age = fmt.age(frame.mono_ns - given.sent_mono_ns)
    number = f" #{found.seq}" if found.seq is not None else ""
    return f"{shape} {found.word}{number} {age}", role


# --- the day's commands --------------------------------------------------------------------------

COMMANDS: Final[tuple[Column, ...]] = (
    column("TIME IST", 8),
    column("COMMAND", 20, grow=True),
    column("ANSWER", 22),
    column("WHO", 10, priority=3),
    column("BY", 6, priority=4),
    column("WHY", 20, priority=2, grow=True),
    column("SEQ", 9, ">", priority=5),
)


def commands_table(frame: Frame) -> Table:
    """What is under way from here, then all that the journal has of the day, newest first."""
    rows = [_given_row(frame, given) for given in reversed(frame.given) if _open(frame, given)]
    rows.extend(_command_row(frame, line) for line in reversed(frame.view.commands))
    return Table(f"COMMANDS  {len(rows)}", COMMANDS, tuple(rows), "nobody has commanded anything")


def _open(frame: Frame, given: Given) -> bool:
    return fate(given, frame.mono_ns, frame.view.commands).seq is None


def _given_row(frame: Frame, given: Given) -> Row:
    found = fate(given, frame.mono_ns, frame.view.commands)
    return Row(
        ("given", given.number),
        (
            ("here", "dim"),
            span(_named(given), "title"),
            _fate_span(frame, given, found),
            ("this screen", "dim"),
            ("SOCKET", "dim"),
            span(given.command.why, "dim"),
            (fmt.MISSING, "dim"),
        ),
    )


def _command_row(frame: Frame, line: CommandLine) -> Row:
    asked = line.asked
    named = " ".join(part for part in (asked.verb, asked.subject, asked.value) if part)
    return Row(
        ("command", line.seq),
        (
            span(fmt.clock(line.ts), "dim"),
            span(named, "title"),
            answer_span(frame, line),
            span(asked.who, "dim"),
            span(asked.channel, "dim"),
            span(asked.why),
            span(f"#{line.seq}", "dim"),
        ),
    )


def answer_span(frame: Frame, line: CommandLine) -> Span:
    """The engine's answer, or for how long it owes one."""
    if line.outcome is None:
        return f"? no answer {fmt.age(frame.age_ns(line.ts))}", "warn"
    if line.outcome == "ACCEPTED":
        but = "" if line.reason in (None, "CMD_ACCEPTED") else f" {line.reason}"
        return span(f"● ACCEPTED{but}", "ok")
    return span(f"✗ {line.reason or line.outcome}", "bad")


def halt_sentence(view: LiveView) -> str:
    """What the first halt in force means, in the words of the reason table."""
    halts = halts_of(view)
    row = BY_CODE.get(halts[0]) if halts else None
    return "" if row is None else f"{row.sentence} {row.what_to_do}"
