"""Replay: travel through the session; every other pane then shows what was then.

Lives here: the pane. May import: textual, tui's view models and widgets. Always holds: it only says
where to go; what is shown comes with the frame, as on every pane.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from tui.ports import Hashes, StateHash
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.travel import MINUTE_NS, PRESENT, SPEEDS, Goal, Step, Travel, Where
from tui.view.goto import UNKNOWN_PLACE, goal_of
from tui.view.hashes import Outcome, hash_line, recorded_at
from tui.view.replay import marks_table, scrubber, state_table
from tui.view.text import crop
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

STEPS: tuple[Step, ...] = ("event", "decision", "change", "minute")
NO_TRAVEL = "This screen was given no way into the past."
NO_REPLAY = "This screen cannot replay: axiom replay SESSION does."


class ReplayPane(Pane):
    """The scrubber, the marks of the day and the state at the cursor."""

    place = "replay"
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #scrubber { height: 8; }
    #travel-lower { layout: horizontal; height: 1fr; }
    #travel-state { margin-left: 1; }
    .-narrow #travel-lower { layout: vertical; }
    .-narrow #travel-state { margin-left: 0; height: 7; }
    """

    class Diverged(Message):
        """What a replay of the session came to."""

        def __init__(self, seq: int | None, text: str) -> None:
            super().__init__()
            self.seq = seq
            self.text = text

    class HashesRead(Message):
        """The hashes that were recorded, as far as the session had come."""

        def __init__(self, kept: tuple[StateHash, ...]) -> None:
            super().__init__()
            self.kept = kept

    class HashCompared(Message):
        """What a replay up to an entry came to."""

        def __init__(self, seq: int, outcome: Outcome) -> None:
            super().__init__()
            self.seq = seq
            self.outcome = outcome

    def __init__(
        self,
        travel: Travel | None,
        first_divergence: Callable[[], int | None] | None,
        hashes: Hashes | None = None,
    ) -> None:
        super().__init__(id="replay")
        self._travel = travel
        self._first_divergence = first_divergence
        self._hashes = hashes
        self._kept: tuple[StateHash, ...] | None = () if hashes is None else None
        self._read_minute = -1
        self._outcomes: dict[int, Outcome] = {}
        self._scrubber = Lines("scrubber")
        self._marks = LiveGrid("travel-marks")
        self._state = LiveGrid("travel-state")
        self._shown: Where | None = None
        self._speed = SPEEDS[2]

    def compose(self) -> ComposeResult:
        yield self._scrubber
        yield Container(self._marks, self._state, id="travel-lower")

    def stirred(self) -> bool:
        """The traveller has come on."""
        if self._travel is None or self._shown is None:
            return False
        where = self._travel.where()
        return (where.way, where.playing, where.took_ms, where.fault) != (
            self._shown.way, self._shown.playing, self._shown.took_ms, self._shown.fault,
        )  # fmt: skip

    def paint(self, frame: Frame) -> None:
        if self._travel is not None:
            self._travel.begin()
        self._shown = where = PRESENT if self._travel is None else self._travel.where()
        self._read_hashes(frame)
        width = max(self.size.width, 1)
        hashes = crop(hash_line(frame.view, self._kept, self._outcomes), width)
        self._scrubber.show((*scrubber(where, frame, width), hashes))
        self._marks.show(marks_table(where))
        self._state.show(state_table(frame))

    def look_at(self, target: Target) -> None:
        """Go to an entry."""
        if target.seq is not None and self._travel is not None:
            self._travel.go(Goal(seq=target.seq))

    def target(self, frame: Frame) -> Target | None:
        """The mark under the cursor."""
        key = self._marks.cursor_key
        if not self._marks.has_focus or not isinstance(key, tuple):
            return None
        return Target("replay", seq=key[1])

    def do(self, action: str, frame: Frame) -> None:
        """Play, another speed, a step, a place that is asked for, the first divergence, a hash."""
        travel = self._travel
        if travel is None:
            self.post_message(self.Says(NO_TRAVEL))
        elif action == "play":
            travel.play(None if travel.where().playing else self._speed)
        elif action in ("faster", "slower"):
            self._change_speed(travel, 1 if action == "faster" else -1)
        elif action == "goto":
            self.post_message(self.Asks("go to", lambda text: self._go_to(travel, text, frame)))
        elif action == "diverge":
            self._diverge()
        elif action == "hash":
            self._compare_hash(frame)
        else:
            name, _, by = action.partition(" ")
            step = next(known for known in STEPS if known == name)
            travel.go(Goal(step=step, by=int(by)))

    def _change_speed(self, travel: Travel, by: int) -> None:
        at = SPEEDS.index(self._speed) + by
        self._speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]
        if travel.where().playing:
            travel.play(self._speed)
        self.post_message(self.Says(f"speed x{self._speed}"))

    def _go_to(self, travel: Travel, text: str, frame: Frame) -> None:
        goal = goal_of(text, frame.view.ts)
        if goal is None or goal.kind is not None:
            self.post_message(self.Says(UNKNOWN_PLACE))
        else:
            travel.go(Goal(seq=goal.seq, ts=goal.ts))

    def _diverge(self) -> None:
        find = self._first_divergence
        if find is None:
            self.post_message(self.Says(NO_REPLAY))
            return
        self.post_message(self.Says("replaying the session; this takes a while"))

        def look() -> None:
            try:
                seq = find()
            except ValueError as error:
                self.post_message(self.Diverged(None, str(error)))
                return
            text = "The replay is identical: nothing differs."
            if seq is not None:
                text = f"The replay differs first at #{seq}."
            self.post_message(self.Diverged(seq, text))

        self.run_worker(look, thread=True, group="replay", exclusive=True)

    # --- the state's hash ------------------------------------------------------------------------

    def _read_hashes(self, frame: Frame) -> None:
        """What was recorded, off the painting thread: at first, and with every further minute."""
        minute, hashes = frame.view.ts // MINUTE_NS, self._hashes
        if hashes is None or minute <= self._read_minute:
            return
        self._read_minute = minute

        def read() -> None:
            self.post_message(self.HashesRead(hashes.recorded()))

        self.run_worker(read, thread=True, group="hashes", exclusive=True)

    def on_replay_pane_hashes_read(self, message: HashesRead) -> None:
        """They are there: show the one at the cursor."""
        self._kept = message.kept
        self.post_message(self.Resized())

    def _compare_hash(self, frame: Frame) -> None:
        """Replay to the recorded hash at or before the cursor; once is enough."""
        hashes, kept = self._hashes, self._kept
        if hashes is None or kept is None:
            self.post_message(self.Says(NO_REPLAY))
            return
        found = recorded_at(frame.view, kept)
        seq = frame.view.seq if found is None else found.seq
        if self._outcomes.get(seq, "") is None:
            return  # it runs
        self._outcomes[seq] = None

        def rederive() -> None:
            try:
                outcome: Outcome = hashes.rederive(seq)
            except ValueError as error:
                outcome = str(error)
            self.post_message(self.HashCompared(seq, outcome))

        self.run_worker(rederive, thread=True, group="hash")
        self.post_message(self.Resized())

    def on_replay_pane_hash_compared(self, message: HashCompared) -> None:
        """It stands beside the recorded one."""
        self._outcomes[message.seq] = message.outcome
        self.post_message(self.Resized())

    def on_replay_pane_diverged(self, message: Diverged) -> None:
        """Say it and go there."""
        self.post_message(self.Says(message.text))
        if message.seq is not None and self._travel is not None:
            self._travel.go(Goal(seq=message.seq))
