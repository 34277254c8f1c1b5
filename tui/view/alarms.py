"""Alarms: what a person has to see, and has not said that he saw.

Lives here: the alarms of a frame, their line at the top, and when the terminal's bell is rung. May
import: projections.live, events.reasons, tui's pure parts. Always holds: one alarm for each (code,
subject); what the journal says stays until it is acknowledged there, so a screen that is started
again shows it again; nothing blinks. Start reading at ``alarms``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.reasons import BY_CODE
from tui import fmt
from tui.store import Frame
from tui.view.staleness import instrument_ages

STALE_HELD: Final = "STALE_HELD"
"""The screen's own alarm; every other code is one of ``events.reasons``."""
OWN_TEXTS: Final[dict[str, tuple[str, str]]] = {
    STALE_HELD: (
        "The price of an instrument that is held is old.",
        "Look at it at the broker, and at the connection on Data & SLA.",
    ),
}
LOUD: Final = 2
"""Severities up to this one stand in a row of their own and ring."""
BELL_EVERY_NS: Final = 10_000_000_000


class Alarm(msgspec.Struct, frozen=True):
    """One alarm. ``incident_id`` is None for what the screen itself sees: that cannot be
    acknowledged, it stands while it is so."""

    code: str
    subject: str
    severity: int
    times: int
    since_ts: int | None
    incident_id: str | None

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it new: raised once more, it is."""
        return self.code, self.subject, self.times


def alarms(frame: Frame) -> tuple[Alarm, ...]:
    """All of them, the worst and newest first."""
    found = [
        Alarm(row.code, row.subject, row.severity, row.times, row.raised_ts, row.incident_id)
        for row in frame.view.watch.incidents
        if row.unseen
    ]
    found.extend(_stale_held(frame))
    found.sort(key=lambda row: (row.severity, -(row.since_ts or 0)))
    return tuple(found)


def _stale_held(frame: Frame) -> list[Alarm]:
    if frame.view.closed is not None or not frame.view.positions:
        return []
    return [
        Alarm(STALE_HELD, frame.view.symbol(row.index), LOUD, 1, row.seen_ts, None)
        for row in instrument_ages(frame)
        if row.use == "HELD" and row.stale
    ]


def texts_of(code: str) -> tuple[str, str]:
    """(sentence, what to do) of a code; empty where no table knows it."""
    own = OWN_TEXTS.get(code)
    if own is not None:
        return own
    row = BY_CODE.get(code)
    return ("", "") if row is None else (row.sentence, row.what_to_do)


def alarm_text(frame: Frame, found: tuple[Alarm, ...]) -> str | None:
    """The worst one in one line, where it is loud and somebody can still act on it."""
    if not found or found[0].severity > LOUD or not frame.live or frame.view.closed is not None:
        return None
    worst = found[0]
    times = f" x{worst.times}" if worst.times > 1 else ""
    more = f"  +{len(found) - 1} more" if len(found) > 1 else ""
    keys = "i to see and acknowledge" if worst.incident_id else "8 to see"
    age = fmt.age(frame.age_ns(worst.since_ts))
    return (
        f"✗ SEV{worst.severity} {worst.code} {worst.subject}{times} for {age}{more}"
        f"  ({keys})  {texts_of(worst.code)[0]}"
    )


class Bell:
    """When to ring: for a loud alarm that is new since the session is followed, and seldom."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._known: set[tuple[str, str, int]] | None = None
        self._rung_ns: int | None = None
        self._waits = False

    def due(self, frame: Frame, found: tuple[Alarm, ...], mono_ns: int) -> bool:
        """Asked once a frame. What stood when the screen was opened is shown and does not ring."""
        if not frame.live or frame.state != "FOLLOWING":
            return False
        loud = {row.key for row in found if row.severity <= LOUD}
        if self._known is None:
            self._known = loud
        new = loud - self._known
        self._known = loud if not new else self._known | loud
        self._waits = bool(loud) and (self._waits or bool(new))
        rested = self._rung_ns is None or mono_ns - self._rung_ns >= BELL_EVERY_NS
        if not (self._on and self._waits and rested):
            return False
        self._waits = False
        self._rung_ns = mono_ns
        return True
