"""What waits for a person, as one line that stands on every pane.

Lives here: the words for a halt that is not confirmed, and for what somebody must do. May import:
projections.live, tui's pure parts. Always holds: nothing is said where nothing waits; the most
urgent stands first. Start reading at ``needs_text``.
"""

from __future__ import annotations

from projections.live.view import LiveView
from tui import fmt
from tui.given import unconfirmed_halt
from tui.store import Frame
from tui.view.halt import BY_HAND

UNANSWERED_NS = 2_000_000_000
"""An engine answers within a cycle; a command that waits longer is named."""


def urgent_text(frame: Frame) -> str | None:
    """A halt of this screen that nobody confirmed; it stands above everything else."""
    given = unconfirmed_halt(frame.given, frame.mono_ns, frame.view.commands)
    if given is None:
        return None
    age = fmt.age(frame.mono_ns - given.sent_mono_ns)
    level = "" if given.command.value is None else f"+{given.command.value}"
    return f"HALT{level} NOT CONFIRMED for {age}: {BY_HAND}"


def needs_text(frame: Frame, width: int) -> str | None:
    """Orders of unknown fate, entries that wait for approval, commands without an answer; in few
    words where many do not fit."""
    if frame.replay:
        return None
    told = [*_unknown(frame.view), *_approvals(frame), *_unanswered(frame)]
    if not told:
        return None
    whole = "   ".join(long for long, _ in told)
    return whole if len(whole) < width else "   ".join(short for _, short in told)


Told = tuple[str, str]
"""The same in many words and in few."""


def _unknown(view: LiveView) -> list[Told]:
    found = [row for row in view.orders if row.status == "UNKNOWN"]
    if not found:
        return []
    names = ", ".join(row.symbol for row in found)
    long = f"ORDER UNKNOWN {len(found)}: {names} - it may be live: key 6"
    return [(long, f"ORDER UNKNOWN {len(found)}: key 6")]


def _approvals(frame: Frame) -> list[Told]:
    rows = frame.view.approvals
    if not rows:
        return []
    first = min(rows, key=lambda row: row.asked.expires_ts)
    asked = first.asked
    left = fmt.countdown(asked.expires_ts - frame.now_ts).removeprefix("00:")
    what = f"{asked.side} {fmt.lots(asked.quantity_units, first.lot_units)}"
    what += f" {frame.view.symbol(asked.contract)}"
    long = f"APPROVE? {len(rows)}: {what} up to {fmt.price(asked.high_paise)}, {left} left: key 6"
    return [(long, f"APPROVE? {len(rows)}: {what} {left}")]


def _unanswered(frame: Frame) -> list[Told]:
    late = [
        line
        for line in frame.view.commands
        if line.outcome is None and (frame.age_ns(line.ts) or 0) >= UNANSWERED_NS
    ]
    if not late:
        return []
    text = f"NO ANSWER to {late[-1].asked.verb} for {fmt.age(frame.age_ns(late[-1].ts))}"
    return [(f"{text}: ctrl+k", text)]
