"""The terminal UI: follows a running engine's journal, or shows a recorded session.

Lives here: the app: what it is built of, painting, asking. Its other parts are its bases, in
``tui.commands``, ``tui.navigation``, ``tui.sessions`` and ``tui.tools``. May import: textual, tui.
Always holds: one timer paints ten times a second from one immutable frame; only the active pane is
painted; the mode stands in row 0 whatever is shown; closing it changes nothing but the terminal.
Start reading at ``AxiomApp.paint``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from tui import collector, fmt
from tui.clock import Clock
from tui.commands import CommandsApp
from tui.keys import KEYS
from tui.places import Place
from tui.ports import Opened, Ports
from tui.screens.pane import Pane
from tui.sessions import LOOK_S
from tui.store import Frame, Store
from tui.view import bar
from tui.widgets.line import Lines

FRAMES_PER_S: Final = 10
STANDS_S: Final = 1.0
"""After this long nothing more is made that stays."""
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


class AxiomApp(CommandsApp):
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
        super().__init__(ports, shown, beside)
        self.animation_level = "none"
        self._store = store
        self._clock = clock
        self._live = live
        self._auto_paint = auto_paint
        self._bars = {name: Lines(name) for name in ("mode", "lamps", "tabs", "alert", "keys")}
        self._small = Lines("small")
        self._message: tuple[str, int] | None = None
        self._said: str | None = None
        self._frozen: tuple[Frame, int] | None = None
        self._barred: tuple[Frame | None, object] = (None, None)
        self._hidden_focus: Widget | None = None
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
            self.set_timer(STANDS_S, collector.calm)
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
        if frame.said is not None and frame.said != self._said:
            self._said = frame.said
            self._message = (frame.said, self._clock.mono_ns() + MESSAGE_NS)
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

    def action_freeze(self) -> None:
        """Stop the tables where they are; the top rows go on."""
        frozen = None if self._frozen else (self._frame(), self._clock.mono_ns())
        self._frozen = frozen
        self._repaint()

    # --- what panes ask for --------------------------------------------------------------------

    def on_pane_says(self, message: Pane.Says) -> None:
        """A line for the person."""
        self._say(message.text)

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

    def action_leave(self) -> None:
        """Close the screen; the engine is a process of its own and goes on."""
        self._keep_at_leaving()
        self.exit(0)


def _same(frame: Frame, painted: Frame | None) -> bool:
    """True when a repaint of the pane could change nothing."""
    return (
        painted is not None
        and frame.view is painted.view
        and frame.now_ts == painted.now_ts
        and (frame.state, frame.no_data) == (painted.state, painted.no_data)
        and frame.given == painted.given
    )
