"""Time travel through a session: the state at any entry, in one thread of its own.

Lives here: where one wants to be, what is known of the way, and the thread that folds. May import:
msgspec, events, journal's errors, projections.live, tui.entries. Always holds: the past is folded
by the very model that the present is; the screen never waits; memory is bounded: the states on the
way lie in a file, and of a long session fewer of them. Start reading at ``Traveller``.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, Literal, Protocol

import msgspec

from events import registry
from events.envelope import Envelope, EnvelopeError, decode_envelope
from events.upcast import current_event
from journal.errors import JournalError
from projections.live.model import LiveModel, Standing
from projections.live.saved import SavedUnfitError, packed, unpacked
from projections.live.view import LiveView
from tui import fmt
from tui.clock import Clock
from tui.entries import ReadFrom
from tui.spool import Spool

STATES_KEPT: Final = 256
SPACING: Final = 4_096
"""Entries between two kept states at first; doubled whenever too many are kept. Folded in less than
a tenth of a second."""
MARKS_KEPT: Final = 4_000
MINUTES_KEPT: Final = 1_440
SLICE: Final = 256
PLAY_S: Final = 0.1
TAIL_S: Final = 0.25
SPEEDS: Final = (1, 4, 16, 60, 300, 1_200)

Step = Literal["event", "decision", "change", "minute"]


class Goal(msgspec.Struct, frozen=True):
    """Where to go: an entry, a moment (ns UTC), or a step from here (``by`` is 1 or -1)."""

    seq: int | None = None
    ts: int | None = None
    step: Step | None = None
    by: int = 1


LEAVE: Final = Goal()


class Mark(msgspec.Struct, frozen=True):
    """Something worth going to. ``sign`` is one character of the scrubber."""

    seq: int
    ts: int
    sign: str
    text: str


class Way(msgspec.Struct, frozen=True):
    """What the whole session looks like so far: by minute since ``first_ts`` the blocked decisions
    and the first underlying's last price (0 before it had one)."""

    first_ts: int
    last_ts: int
    last_seq: int
    complete: bool
    blocks: tuple[int, ...]
    prices: tuple[int, ...]
    marks: tuple[Mark, ...]


class Where(msgspec.Struct, frozen=True):
    """Where the traveller is. ``view`` is None in the present; ``took_ms`` is the last journey."""

    view: LiveView | None
    way: Way
    playing: bool
    speed: int
    took_ms: int | None
    fault: str | None


NO_WAY: Final = Way(0, 0, 0, False, (), (), ())
PRESENT: Final = Where(None, NO_WAY, False, SPEEDS[0], None, None)


class Travel(Protocol):
    """The past of the session that is shown."""

    def where(self) -> Where:
        """What was reached last."""
        ...

    def begin(self) -> None:
        """Look at the whole way, if nobody has yet."""
        ...

    def go(self, goal: Goal) -> None:
        """Go there; returns at once. Playing stops."""
        ...

    def play(self, speed: int | None) -> None:
        """Go on from here at so many times the session's pace; None stops."""
        ...

    def leave(self) -> None:
        """Back to the present."""
        ...


# --- the whole way -----------------------------------------------------------------------------


class Kept(msgspec.Struct, frozen=True):
    """A state on the way and its place in the spool; None is that before the first entry."""

    seq: int
    ts: int
    at: tuple[int, int] | None


class Survey:
    """What is noted while the session is folded once from its start."""

    def __init__(self) -> None:
        self.model = LiveModel()
        self.states = [Kept(0, 0, None)]
        self.decisions = array("q")
        self.changes = array("q")
        self._spool = Spool()
        self.complete = False
        self._spacing = SPACING
        self._first_ts = 0
        self._blocks: list[int] = []
        self._prices: list[int] = []
        self._marks: list[Mark] = []
        self._standing: Standing | None = None

    def take(self, data: bytes) -> None:
        """The next entry of the session."""
        envelope = fold(self.model, data)
        if envelope is None:
            return
        self._first_ts = self._first_ts or envelope.ts
        if envelope.kind in _NOTED:
            self._note(envelope)
        if envelope.seq - self.states[-1].seq >= self._spacing:
            self._keep_state()

    def _keep_state(self) -> None:
        try:
            at = self._spool.put(packed(self.model))
        except OSError:
            self._spacing = NEVER  # there is no room for more: longer ways are folded
            return
        self.states.append(Kept(self.model.seq, self.model.ts, at))
        if len(self.states) > STATES_KEPT:
            del self.states[1::2]
            self._spacing *= 2

    def _note(self, envelope: Envelope) -> None:
        was, self._standing = self._standing, self.model.standing()
        changed = was is None or (was.verdicts, was.risk) != (
            self._standing.verdicts,
            self._standing.risk,
        )
        if changed or envelope.kind == "ReadinessChanged":
            self.changes.append(envelope.seq)
        minute = min(max((envelope.ts - self._first_ts) // MINUTE_NS, 0), MINUTES_KEPT - 1)
        while len(self._blocks) <= minute:
            self._blocks.append(0)
            self._prices.append(self._prices[-1] if self._prices else 0)
        if self._standing.spot_paise is not None:
            self._prices[minute] = self._standing.spot_paise
        if envelope.kind == "DecisionMade":
            self.decisions.append(envelope.seq)
            self._blocks[minute] += 1
        mark = mark_of(envelope, changed=changed)
        if mark is not None and len(self._marks) < MARKS_KEPT:
            self._marks.append(mark)

    def way(self) -> Way:
        """What is known by now."""
        return Way(
            self._first_ts,
            self.model.ts,
            self.model.seq,
            self.complete,
            tuple(self._blocks),
            tuple(self._prices),
            tuple(self._marks),
        )

    def model_at(self, kept: Kept) -> LiveModel:
        """A model of a kept state, one's own; from the start where it cannot be read any more."""
        if kept.at is None:
            return LiveModel()
        try:
            return unpacked(self._spool.get(kept.at))
        except (OSError, SavedUnfitError):
            return LiveModel()

    def start_before(self, goal: Goal) -> Kept:
        """The last kept state that is not past the goal."""
        if goal.seq is not None:
            at = bisect_right(self.states, goal.seq, key=lambda one: one.seq)
        else:
            at = bisect_right(self.states, goal.ts or 0, key=lambda one: one.ts)
        return self.states[max(at - 1, 0)]


NEVER: Final = 1 << 62
MINUTE_NS: Final = 60 * fmt.NS_PER_S
_SIGNS: Final[dict[str, tuple[str, str]]] = {
    "IntentApproved": ("E", "entry approved"),
    "ExitSignalled": ("X", "exit"),
    "IncidentRaised": ("!", "incident"),
    "OperatorCommand": ("c", "command"),
}
_ON_CHANGE: Final[dict[str, tuple[str, str]]] = {
    "RegimeAssessed": ("R", "regime"),
    "RiskStateChanged": ("K", "risk"),
}
_NOTED: Final = frozenset(
    ("DecisionMade", "ReadinessChanged", "BarClosed", *_SIGNS, *_ON_CHANGE)
)  # fmt: skip
_TOLD: Final = (
    "underlying", "regime", "status", "strategy_id", "reason", "code", "verb", "subject",
)  # fmt: skip
_UNREADABLE: Final = (
    registry.UnknownKindError,
    registry.VersionTooNewError,
    registry.PayloadError,
)


def mark_of(envelope: Envelope, *, changed: bool) -> Mark | None:
    """The mark of an entry that deserves one."""
    sign = _SIGNS.get(envelope.kind) or (_ON_CHANGE.get(envelope.kind) if changed else None)
    if sign is None:
        return None
    try:
        event = current_event(envelope)
    except _UNREADABLE:
        return None
    told = [str(getattr(event, name)) for name in _TOLD if getattr(event, name, None)]
    return Mark(envelope.seq, envelope.ts, sign[0], f"{sign[1]}  {' '.join(told)}")


def fold(model: LiveModel, data: bytes) -> Envelope | None:
    """Fold one entry as the reader hands it over; its envelope, where it is one."""
    try:
        envelope = decode_envelope(data)
    except EnvelopeError:
        model.fold_bytes(data)
        return None
    model.fold(envelope)
    return envelope


# --- the traveller -----------------------------------------------------------------------------


class Ahead:
    """Entries from a seq on, with a look at the next one before it is taken."""

    def __init__(self, read: ReadFrom, seq: int) -> None:
        self._entries: Iterator[bytes] = read(seq)
        self.seq = seq
        self._next: bytes | None = None

    def peek(self) -> bytes | None:
        """The next entry, None at the end."""
        if self._next is None:
            self._next = next(self._entries, None)
        return self._next

    def take(self) -> None:
        """Go past it."""
        self._next = None
        self.seq += 1


class Traveller:
    """Goes to and fro in a session's journal. ``stop`` ends its thread."""

    def __init__(self, read: ReadFrom, follow: ReadFrom, clock: Clock) -> None:
        self._read = read
        self._follow = follow
        self._clock = clock
        self._survey = Survey()
        self._whole: Iterator[bytes] | None = None
        self._model: LiveModel | None = None
        self._ahead: Ahead | None = None
        self._where = PRESENT
        self._goal: Goal | None = None
        self._wake = threading.Event()
        self._ended = False
        self._playing: int | None = None
        self._played_ns = 0
        self._to_play = 0
        self._left = True
        self._thread = threading.Thread(target=self._run, name="time-travel", daemon=True)

    def where(self) -> Where:
        """See ``Travel.where``."""
        where = self._where
        return msgspec.structs.replace(where, view=None) if self._left else where

    def begin(self) -> None:
        """See ``Travel.begin``."""
        if not self._thread.is_alive() and not self._ended:
            self._thread.start()

    def go(self, goal: Goal) -> None:
        """See ``Travel.go``."""
        self._playing = None
        self._left = False
        self._goal = goal
        self._wake.set()
        self.begin()

    def play(self, speed: int | None) -> None:
        """See ``Travel.play``."""
        self._left = False
        self._to_play = 0
        self._played_ns = self._clock.mono_ns()
        self._playing = speed
        self._wake.set()
        self.begin()

    def leave(self) -> None:
        """See ``Travel.leave``. It holds at once, whatever the thread is about."""
        self._left = True
        self._playing = None
        self._goal = LEAVE
        self._wake.set()

    def stop(self) -> None:
        """End the thread."""
        self._ended = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    # --- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended:
            try:
                wait_s = self._turn()
            except JournalError as error:
                self._where = msgspec.structs.replace(self._where, fault=str(error))
                return
            if wait_s is not None:
                self._wake.wait(wait_s)
                self._wake.clear()

    def _turn(self) -> float | None:
        """One piece of work; how long to wait after it."""
        goal, self._goal = self._goal, None
        if goal is LEAVE:
            self._model = self._ahead = None
            self._say()
        elif goal is not None:
            self._travel(goal)
        if goal is not None:
            return None
        if self._playing is not None:
            self._go_on(self._playing)
            return PLAY_S
        if self._where.playing:
            self._say()
        return self._look_ahead()

    def _look_ahead(self) -> float | None:
        """Some more of the whole way."""
        if self._whole is None:
            self._whole = self._follow(1)
        for _ in range(SLICE):
            data = next(self._whole, b"")
            if not data:
                self._survey.complete = True
                self._say()
                return TAIL_S
            self._survey.take(data)
        self._say()
        return 0.001  # lets the thread that paints have its turn

    def _travel(self, goal: Goal) -> None:
        began = self._clock.mono_ns()
        found = self._resolved(goal)
        if found is None:
            return
        start = self._survey.start_before(found)
        here = self._model
        if here is None or not _between(start, here, found):
            here = self._survey.model_at(start)
            self._ahead = None
        self._fold_to(here, found)
        self._say(took_ms=(self._clock.mono_ns() - began) // fmt.NS_PER_MS)

    def _resolved(self, goal: Goal) -> Goal | None:
        """A goal that is an entry or a moment."""
        if goal.step is None:
            return goal
        here = self._model.seq if self._model is not None else self._survey.model.seq
        ts = self._model.ts if self._model is not None else self._survey.model.ts
        if goal.step == "event":
            return Goal(seq=max(here + goal.by, 1))
        if goal.step == "minute":
            return Goal(ts=ts + goal.by * MINUTE_NS)
        known = self._survey.decisions if goal.step == "decision" else self._survey.changes
        at = bisect_right(known, here) if goal.by > 0 else bisect_left(known, here) - 1
        return Goal(seq=known[at]) if 0 <= at < len(known) else None

    def _fold_to(self, model: LiveModel, goal: Goal) -> None:
        if self._ahead is None or self._ahead.seq != model.seq + 1:
            self._ahead = Ahead(self._read, model.seq + 1)
        ahead = self._ahead
        while (data := ahead.peek()) is not None and not self._ended:
            if _is_past(data, ahead.seq, goal):
                break
            fold(model, data)
            ahead.take()
            if self._goal is not None:
                break  # somebody has changed their mind
        if self._ahead.peek() is None:
            self._ahead = None  # a session that grows has more later
        self._model = model

    def _go_on(self, speed: int) -> None:
        """A tenth of a second of playing."""
        now = self._clock.mono_ns()
        passed, self._played_ns = now - self._played_ns, now
        if self._model is None:
            self._model = LiveModel()
        was = self._model.seq
        self._to_play = max(self._to_play, self._model.ts) + passed * speed
        self._fold_to(self._model, Goal(ts=self._to_play))
        if self._ahead is None and self._model.seq == was:
            self._playing = None  # the end
        self._say()

    def _say(self, took_ms: int | None = None) -> None:
        model = self._model
        was = self._where
        view = None if model is None else model.view()
        if view is not None and was.view is not None and was.view.seq == view.seq:
            view = was.view  # what did not change is not painted again
        self._where = Where(
            view,
            self._survey.way(),
            self._playing is not None,
            self._playing or was.speed,
            was.took_ms if took_ms is None else took_ms,
            None,
        )


def _between(start: Kept, here: LiveModel, goal: Goal) -> bool:
    """Whether to go on from here is the shorter way to the goal."""
    if here.seq < start.seq:
        return False
    return here.seq <= goal.seq if goal.seq is not None else here.ts <= (goal.ts or 0)


def _is_past(data: bytes, seq: int, goal: Goal) -> bool:
    """Whether an entry lies beyond the goal."""
    if goal.seq is not None:
        return seq > goal.seq
    try:
        return decode_envelope(data).ts > (goal.ts or 0)
    except EnvelopeError:
        return False
