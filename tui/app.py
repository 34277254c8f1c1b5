"""The terminal UI: follows a running engine's journal, or shows a recorded session.

Lives here: the app. May import: textual, tui. Always holds: one timer paints ten times
a second from one immutable frame; only the active pane is painted; the mode stands in row 0
whatever is shown; closing it changes nothing but the terminal. Start reading at ``AxiomApp.paint``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import ClassVar, Final

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from tui import fmt
from tui.clock import Clock
from tui.given import GivenList
from tui.keys import KEYS
from tui.places import Place
from tui.ports import Answer, Command, Control, Opened, Ports
from tui.screens import PANES
from tui.screens.palette import PalettePane
from tui.screens.pane import Pane, Target
from tui.sessions import LOOK_S, SessionsApp
from tui.store import Frame, Store
from tui.view import bar
from tui.view.halt import why_not
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines
from tui.widgets.prompt import Prompt

FRAMES_PER_S: Final = 10
MESSAGE_NS: Final = 5_000_000_000
COLUMNS_MIN: Final = 80
ROWS_MIN: Final = 24
_PRIORITY: Final = ("tab", "shift+tab", "ctrl+k", "ctrl+c", "ctrl+l")
"""Keys that Textual's own screen would take otherwise."""


def _bindings() -> list[BindingType]:
    return [
        Binding(name, key.action, key.text, show=False, priority=name in _PRIORITY)
        for key in KEYS
        for name in key.keys
    ]


class Answered(Message):
    """What became of a command that a pane gave."""

    def __init__(self, number: int, answer: Answer, asked: Pane.Gives) -> None:
        super().__init__()
        self.number = number
        self.answer = answer
        self.asked = asked


class AxiomApp(SessionsApp):
    """One session on a terminal. ``store`` is read ten times a second; nothing is written."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "axiom"
    BINDINGS: ClassVar[list[BindingType]] = _bindings()
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it so
        (0, "-narrow"),
        (120, "-normal"),
    ]
    CSS = """
    Screen { background: $background; color: $foreground; layout: vertical; overflow: hidden; }
    #alert, #small, Pane { display: none; }
    Pane { height: 1fr; }
    Pane.-active { display: block; }
    #alert.-shown { display: block; }
    .-small #small { display: block; height: 1fr; }
    .-small #rows { display: none; }
    #rows { height: 1fr; layout: vertical; }
    #body { height: 1fr; }
    .-narrow #tabs { display: none; }
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ports: Ports,
        *,
        live: bool,
        shown: Opened | None = None,
        beside: Store | None = None,
        at: Place | None = None,
        auto_paint: bool = True,
    ) -> None:
        super().__init__(shown, beside, bell=ports.bell)
        self.animation_level = "none"
        self._store = store
        self._clock = clock
        self._live = live
        self._auto_paint = auto_paint
        self._bars = {name: Lines(name) for name in ("mode", "lamps", "tabs", "alert", "keys")}
        self._small = Lines("small")
        self._ports = ports
        self._panes: dict[Place, Pane] = {name: make(ports) for name, make in PANES.items()}
        self._palette = PalettePane(ports.verbs)
        self._panes["palette"] = self._palette
        self._prompt = Prompt()
        self._place: Place = "home"
        self._trail: list[tuple[Place, LiveGrid | None]] = []
        self._message: tuple[str, int] | None = None
        self._frozen: tuple[Frame, int] | None = None
        self._painted: Frame | None = None
        self._barred: tuple[Frame | None, object] = (None, None)
        self._hidden_focus: Widget | None = None
        self._given = GivenList()
        self._at = at

    # --- building ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self._small
        with Container(id="rows"):
            for name in ("mode", "lamps", "tabs", "alert"):
                yield self._bars[name]
            with Container(id="body"):
                yield from self._panes.values()
            yield self._prompt
            yield self._bars["keys"]

    def on_mount(self) -> None:
        recalled = self._recall()
        self._activate(self._at or recalled, None)
        if self._auto_paint:
            self.set_interval(1 / FRAMES_PER_S, self.paint)
            self.set_interval(LOOK_S, self.look_for_next)
        self.call_after_refresh(self.paint)

    def on_resize(self, event: events.Resize) -> None:
        """Every size is answered, also one that is too small."""
        small = event.size.width < COLUMNS_MIN or event.size.height < ROWS_MIN
        # What is hidden loses the focus: it is given back with the room.
        if small and self._hidden_focus is None:
            self._hidden_focus = self.focused
        elif not small and self._hidden_focus is not None:
            self.call_after_refresh(self._hidden_focus.focus)
            self._hidden_focus = None
        self.screen.set_class(small, "-small")

    def on_pane_resized(self) -> None:
        """Lines are laid out for a width, so a new one needs new lines."""
        self._repaint()

    # --- painting ------------------------------------------------------------------------------

    def paint(self) -> None:
        """One frame: the top rows always, the active pane unless the view is frozen."""
        if self._ports.travel is not None:
            self._store.look_back(self._ports.travel.where().view)
        frame = self._frame()
        self._ring(self._store.now())  # also while somebody looks at the past
        self._paint_bars(frame)
        shown = self._shown_frame(frame)
        pane = self._panes[self._place]
        if pane.stirred() or (shown is not self._painted and not _same(shown, self._painted)):
            pane.paint(shown)
            self._painted = shown

    def _paint_bars(self, frame: Frame) -> None:
        """The rows around the pane; nothing is laid out anew where nothing can have changed."""
        width = self.size.width
        beside = self._beside_line(width)
        crumb = self._panes[self._place].crumb
        said = (self._place, crumb, self._freeze_text(), self._message_text(), self.size, beside)
        if not frame.live and _same(frame, self._barred[0]) and self._barred[1] == said:
            return
        self._barred = (frame, said)
        alert = beside or bar.alert_line(frame, width)
        self._bars["alert"].set_class(alert is not None, "-shown")
        self._bars["alert"].show(() if alert is None else (alert,))
        self._bars["mode"].show((bar.mode_line(frame, width),))
        self._bars["lamps"].show((bar.lamp_line(frame, width),))
        self._bars["tabs"].show((bar.tab_line(self._place, crumb, self._freeze_text(), width),))
        self._bars["keys"].show((bar.key_line(self._place, width, self._message_text()),))
        self._small.show((bar.too_small_line(frame, width, self.size.height),))

    def _freeze_text(self) -> str:
        if self._frozen is None:
            return ""
        frame, since = self._frozen
        new = self._store.frame().view.seq - frame.view.seq
        return f"FROZEN {fmt.age(self._clock.mono_ns() - since)} +{fmt.group_indian(new)} entries"

    def _frame(self) -> Frame:
        """What is known now, with what was commanded from here."""
        return msgspec.structs.replace(self._store.frame(), given=self._given.shown)

    def _shown_frame(self, now: Frame | None = None) -> Frame:
        """What the pane shows. Whoever halts looks at what is, frozen or not."""
        frozen = None if self._place == "halt" else self._frozen
        return frozen[0] if frozen is not None else now or self._frame()

    def _message_text(self) -> str | None:
        if self._message is not None and self._clock.mono_ns() > self._message[1]:
            self._message = None
        if self._message is not None:
            return self._message[0]
        return self._freeze_text() or None if self.size.width < 120 else None

    def _say(self, text: str) -> None:
        self._message = (text, self._clock.mono_ns() + MESSAGE_NS)
        self._repaint()

    def _repaint(self) -> None:
        self._painted = None
        self.paint()

    # --- going about ---------------------------------------------------------------------------

    def _activate(self, place: Place, focus: LiveGrid | None) -> None:
        for name, pane in self._panes.items():
            pane.set_class(name == place, "-active")
        self._place = place
        self._painted = None
        grid = focus or self._panes[place].focused_grid()
        if grid is not None:
            # A pane that was hidden can take the focus only after it has been laid out.
            self.call_after_refresh(self._focus_and_paint, grid)

    def _focus_and_paint(self, grid: LiveGrid) -> None:
        if not self._prompt.is_open:
            grid.focus(scroll_visible=False)
        self._repaint()

    def _go(self, place: Place) -> None:
        if place != self._place:
            self._trail.append((self._place, self._panes[self._place].focused_grid()))
            self._activate(place, None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key of the table acts only on its places, and while somebody is asked only these."""
        if self._prompt.is_open and action not in ("halt", "leave"):
            return action == "move" and self._place == "palette"
        shown = f"{action}({', '.join(map(repr, parameters))})" if parameters else action
        rows = [key for key in KEYS if key.action == shown]
        return not rows or any(self._place in key.places for key in rows)

    def action_show(self, place: Place) -> None:
        """Go to a pane; home forgets the way there."""
        self._go(place)
        if place == "home":
            self._trail.clear()

    def action_go_back(self) -> None:
        """Back to all rows, or to where one was, with the cursor as it was."""
        if self._clear_filter() or self._panes[self._place].back():
            self._repaint()
            return
        place, focus = self._trail.pop() if self._trail else ("home", None)
        self._activate(place, focus)

    def action_open(self) -> None:
        """Open the row under the cursor."""
        pane = self._panes[self._place]
        if pane.opens_here(self._shown_frame()):
            self._repaint()
            return
        target = pane.target(self._shown_frame())
        if target is None:
            self._say("There is nothing to open on this row.")
        else:
            self._open(target)

    def _open(self, target: Target) -> None:
        self._panes[target.place].look_at(target)
        self._go(target.place)
        self._repaint()

    def action_pane(self, action: str) -> None:
        """A key of the pane that is shown."""
        self._panes[self._place].do(action, self._shown_frame())
        self._repaint()

    def action_next_table(self) -> None:
        """Focus the next table."""
        self.screen.focus_next(LiveGrid)

    def action_previous_table(self) -> None:
        """Focus the table before."""
        self.screen.focus_previous(LiveGrid)

    def _grid(self) -> LiveGrid | None:
        return self._panes[self._place].focused_grid()

    def _grids(self) -> Iterable[LiveGrid]:
        for pane in self._panes.values():
            yield from pane.query(LiveGrid)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        if grid := self._grid():
            grid.move(by)

    def action_page(self, by: int) -> None:
        """Move the cursor by screens."""
        if grid := self._grid():
            grid.page(by)

    def action_jump(self, to: int) -> None:
        """Move the cursor to an end."""
        if grid := self._grid():
            grid.jump(to)

    def on_live_grid_pointed(self) -> None:
        """What depends on the cursor follows it at once."""
        self._repaint()

    def on_live_grid_opened(self) -> None:
        """A second click opens."""
        self.action_open()

    def action_freeze(self) -> None:
        """Stop the tables where they are; the top rows go on."""
        frozen = None if self._frozen else (self._frame(), self._clock.mono_ns())
        self._frozen = frozen
        self._repaint()

    def action_palette(self) -> None:
        """Everything that can be done from here, found while its words are typed."""
        self._palette.opened_from(self._place)
        self._go("palette")
        self._ask(":", self._do_chosen)

    def on_prompt_changed(self, message: Prompt.Changed) -> None:
        """The palette narrows while one types."""
        if self._place == "palette":
            self._palette.narrow(message.text)

    def _do_chosen(self, words: str) -> None:
        self._palette.narrow(words)
        chosen = self._palette.chosen
        self.action_go_back()
        if chosen is None:
            self._say(f"Nothing is called {words!r}.")
        elif chosen[0] == "verb":
            self._say(f"In another terminal: axiom {chosen[1]} --help")
        else:
            self.call_later(self.run_action, chosen[1])

    # --- what panes ask for --------------------------------------------------------------------

    def on_pane_says(self, message: Pane.Says) -> None:
        """A line for the person."""
        self._say(message.text)

    def on_pane_goes(self, message: Pane.Goes) -> None:
        """Somewhere else is to be shown."""
        self._open(message.target)

    def on_pane_asks(self, message: Pane.Asks) -> None:
        """A line is wanted from the person."""
        self._ask(message.label, message.done, message.initial)

    def _ask(self, label: str, done: Callable[[str], None], initial: str = "") -> None:
        """Ask in the last row, in place of the key bar."""
        self._bars["keys"].display = False
        self._prompt.ask(label, done, initial)

    def on_prompt_closed(self) -> None:
        """The keys belong to the pane again, unless the answer led to another question."""
        if self._prompt.is_open:
            return
        self._bars["keys"].display = True
        if self._place == "palette":
            self.action_go_back()
        grid = self._grid()
        if grid is not None:
            grid.focus(scroll_visible=False)
        self._repaint()

    def on_pane_gives(self, message: Pane.Gives) -> None:
        """A command goes to the engine at once, in a thread of its own: one that hangs holds up
        neither the screen nor the next command."""
        frame = self._frame()
        no = why_not(frame, self._ports.control)
        if no is not None or self._ports.control is None:
            self._say(no or "")
            return
        given = self._given.begin(message.command, frame.view.seq, frame.mono_ns)
        work = (self._ports.control, given.number, message)
        threading.Thread(target=self._give, args=work, name="give", daemon=True).start()
        self._say(f"{message.command.verb}: sent")

    def _give(self, control: Control, number: int, message: Pane.Gives) -> None:
        answer = _answer_of(control, message.command)
        with contextlib.suppress(RuntimeError):  # the screen was closed while the engine thought
            self.post_message(Answered(number, answer, message))

    def on_answered(self, message: Answered) -> None:
        """What became of a command."""
        self._given.end(message.number, message.answer)
        self._say(message.answer.text)
        message.asked.done(message.answer)
        self._repaint()

    def action_present(self) -> None:
        """Out of the past: every pane shows the session as it is now; from there to the session
        that runs."""
        travel = self._ports.travel
        if travel is None or travel.where().view is None:
            self.go_live()
            return
        self._leave_past()
        self._repaint()

    def _leave_past(self) -> None:
        if self._ports.travel is not None:
            self._ports.travel.leave()
            self._store.look_back(None)

    def action_look_back(self) -> None:
        """Every pane as of the entry under the cursor."""
        entry = self._panes[self._place].target(self._shown_frame())
        if entry is None or entry.seq is None:
            self._say("There is no entry under the cursor.")
        else:
            self._open(Target("replay", seq=entry.seq))

    def action_halt(self) -> None:
        """The kill switch, from wherever one is: its first level goes out with one more key."""
        self._leave_past()  # whoever halts looks at what is
        self._prompt.give_up()
        # The focus goes at once: the next key must not end in a line that is being typed.
        self.screen.set_focus(None)
        if self._place == "halt":
            self._activate("halt", None)
        self._go("halt")
        self._panes["halt"].look_at(Target("halt"))
        self._repaint()

    def action_leave(self) -> None:
        """Close the screen; the engine is a process of its own and goes on."""
        self._keep_at_leaving()
        self.exit(0)


def _answer_of(control: Control, command: Command) -> Answer:
    """The port's answer; one that breaks has told nothing, and the person hears so."""
    try:
        return control.give(command)
    except (OSError, ValueError, RuntimeError) as error:
        text = f"{command.verb}: {type(error).__name__}: {error}: it may have gone out"
        return Answer("UNANSWERED", text, None)


def _same(frame: Frame, painted: Frame | None) -> bool:
    """True when a repaint of the pane could change nothing."""
    return (
        painted is not None
        and frame.view is painted.view
        and frame.now_ts == painted.now_ts
        and (frame.state, frame.no_data) == (painted.state, painted.no_data)
        and frame.given == painted.given
    )
