"""Replay: travel through the session; every other pane then shows what was then.

Lives here: the pane. May import: textual, tui's view models and widgets. Always holds: it only says
where to go; what is shown comes with the frame, as on every pane.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.travel import PRESENT, SPEEDS, Goal, Step, Travel, Where
from tui.view.goto import UNKNOWN_PLACE, goal_of
from tui.view.replay import marks_table, scrubber, state_table
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

STEPS: tuple[Step, ...] = ("event", "decision", "change", "minute")
NO_TRAVEL = "This screen was given no way into the past."


class ReplayPane(Pane):
    """The scrubber, the marks of the day and the state at the cursor."""

    place = "replay"
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #scrubber { height: 7; }
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

    def __init__(
        self, travel: Travel | None, first_divergence: Callable[[], int | None] | None
    ) -> None:
        super().__init__(id="replay")
        self._travel = travel
        self._first_divergence = first_divergence
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
        self._scrubber.show(scrubber(where, frame, max(self.size.width, 1)))
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
        """Play, another speed, a step, a place that is asked for, the first divergence."""
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
            self.post_message(self.Says("This screen cannot replay: axiom replay SESSION does."))
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

    def on_replay_pane_diverged(self, message: Diverged) -> None:
        """Say it and go there."""
        self.post_message(self.Says(message.text))
        if message.seq is not None and self._travel is not None:
            self._travel.go(Goal(seq=message.seq))
