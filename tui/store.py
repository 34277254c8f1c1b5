"""What the reader published last, and what it is worth now.

Lives here: the hand-over between the reader's thread and the screen, and the frame made from it.
May import: msgspec, projections.live, tui.clock, tui.given. Always holds: handing over is one
assignment of a frozen value, so neither side waits; ages are measured against the frame's clock and
go on rising when nothing arrives any more. Start reading at ``Store.frame``.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from projections.live.model import LiveModel
from projections.live.view import LiveView
from tui.clock import Clock
from tui.given import Given

SILENCE_LIMIT_NS: Final = 2_000_000_000
"""A running engine journals a tick or a frame at least each second; after two, NO DATA."""

LinkState = Literal["LOADING", "FOLLOWING", "ENDED", "FAILED"]

EMPTY_VIEW: Final = LiveModel().view()
_WALL_MODES: Final = ("LIVE", "PAPER")
"""Modes whose session clock is the wall clock (anchor = wall, rate 1)."""


class Published(msgspec.Struct, frozen=True):
    """The reader's last word. ``entry_mono_ns`` is when the last entry came; ``fault`` is the line
    of a reader that had to stop; ``end_seq`` is the session's last entry, 0 where that is not
    known; ``said`` is a line for the person, once."""

    view: LiveView
    state: LinkState
    entry_mono_ns: int
    fault: str | None
    end_seq: int = 0
    said: str | None = None


class AsOf(msgspec.Struct, frozen=True):
    """The past is looked at: the entry that it ends with, the last one there is, and whether its
    engine runs on meanwhile."""

    seq: int
    last_seq: int
    live: bool


class Frame(msgspec.Struct, frozen=True):
    """All that one repaint needs.

    ``now_ts`` is the session clock as best known (ns UTC): of the last entry in a recorded session,
    carried forward in a running one. ``silent_ns`` is how long nothing was journaled, None where
    nothing is expected. ``no_data`` means that everything shown is old, also because a running
    session is still caught up with. ``given`` are the commands of this screen, whose ages are
    against ``mono_ns``. ``end_seq`` and ``said`` are as in ``Published``.
    """

    view: LiveView
    state: LinkState
    fault: str | None
    live: bool
    now_ts: int
    wall_ns: int
    silent_ns: int | None
    no_data: bool
    mono_ns: int
    given: tuple[Given, ...] = ()
    as_of: AsOf | None = None
    end_seq: int = 0
    said: str | None = None

    @property
    def behind(self) -> int | None:
        """How many entries of the session are not in the view yet, None once it was caught up."""
        left = self.end_seq - self.view.seq
        return left if self.state == "LOADING" and left > 0 else None

    @property
    def unfinished(self) -> bool:
        """A recorded session without its close: its engine died, or still runs elsewhere."""
        ended = not self.live and self.state == "ENDED" and self.as_of is None
        return ended and self.view.closed is None

    @property
    def replay(self) -> bool:
        """A recorded session or the past is looked at: nothing in it can be commanded."""
        return not self.live

    def age_ns(self, ts: int | None) -> int | None:
        """How old something of the session's time ``ts`` is now."""
        return None if ts is None else max(self.now_ts - ts, 0)


class Store:
    """One slot from the reader to the screen."""

    def __init__(self, clock: Clock, *, live: bool) -> None:
        self._clock = clock
        self._live = live
        started = clock.mono_ns()
        self._published = Published(EMPTY_VIEW, "LOADING", started, None)
        self._past: LiveView | None = None

    def publish(self, published: Published) -> None:
        """Called by the reader's thread."""
        self._published = published

    def look_back(self, past: LiveView | None) -> None:
        """Show this instead of what is published, as the past that it is; None for now again."""
        self._past = past

    @property
    def is_past(self) -> bool:
        """Whether frames are of the past."""
        return self._past is not None

    def frame(self) -> Frame:
        """Called by the screen, ten times a second."""
        return self.now() if self._past is None else self._then(self._past)

    def _then(self, past: LiveView) -> Frame:
        """The past: nothing is expected to come, nothing is old beyond itself."""
        last = self._published
        running = self._live and last.state in ("LOADING", "FOLLOWING") and not last.view.closed
        return Frame(
            view=past,
            state="FAILED" if last.state == "FAILED" else "ENDED",
            fault=last.fault,
            live=False,
            now_ts=past.ts,
            wall_ns=self._clock.wall_ns(),
            silent_ns=None,
            no_data=False,
            mono_ns=self._clock.mono_ns(),
            as_of=AsOf(past.seq, last.view.seq, running),
        )

    def now(self) -> Frame:
        """The session as it is, whatever is looked at."""
        last = self._published
        mono = self._clock.mono_ns()
        wall = self._clock.wall_ns()
        running = self._live and last.state in ("LOADING", "FOLLOWING") and not last.view.closed
        silent = mono - last.entry_mono_ns if running else None
        behind = running and last.state == "LOADING" and last.end_seq > last.view.seq
        return Frame(
            view=last.view,
            state=last.state,
            fault=last.fault,
            live=self._live,
            now_ts=_session_now(last, mono, wall) if running else last.view.ts,
            wall_ns=wall,
            silent_ns=silent,
            no_data=last.state == "FAILED"
            or behind
            or (silent is not None and silent > silence_limit_ns(last.view)),
            mono_ns=mono,
            end_seq=last.end_seq,
            said=last.said,
        )


def silence_limit_ns(view: LiveView) -> int:
    """How long a running engine may journal nothing. A market of pages is quiet between them."""
    if view.session is None or view.session.cycle_rule.kind != "AFTER_SNAPSHOT":
        return SILENCE_LIMIT_NS
    rule = view.session.cycle_rule
    quiet_ms = rule.max_gap_ms + rule.cadence_ms
    return max(SILENCE_LIMIT_NS, quiet_ms * 1_000_000 // max(view.session.rate, 1))


def _session_now(last: Published, mono_ns: int, wall_ns: int) -> int:
    """The session clock of a running engine; it never runs behind the last entry."""
    session = last.view.session
    if session is None:
        return last.view.ts
    if session.mode in _WALL_MODES:
        return max(wall_ns, last.view.ts)
    # At full speed (rate 0) entries never pause; if they do, ages must rise all the same.
    return last.view.ts + max(mono_ns - last.entry_mono_ns, 0) * max(session.rate, 1)
