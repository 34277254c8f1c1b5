"""Going about: from pane to pane and back, over the tables of one, into the past and out of it.

Lives here: ``NavigationApp``, the app's part for it. May import: textual, tui. Always holds: the
place and the way back are written here alone; a key of the table acts only on its places; who goes
somewhere and comes back finds the cursor where it was. Start reading at ``NavigationApp._go``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from tui.keys import KEYS
from tui.places import Place
from tui.ports import Opened, Ports
from tui.screens import PANES
from tui.screens.palette import PalettePane
from tui.screens.pane import Pane, Target
from tui.sessions import SessionsApp
from tui.store import Frame, Store
from tui.widgets.grid import LiveGrid
from tui.widgets.prompt import Prompt


class NavigationApp(SessionsApp):
    """The app's way from pane to pane."""

    def __init__(self, ports: Ports, shown: Opened | None, beside: Store | None) -> None:
        super().__init__(shown, beside, bell=ports.bell)
        self._ports = ports
        self._panes: dict[Place, Pane] = {name: make(ports) for name, make in PANES.items()}
        self._palette = PalettePane(ports.verbs)
        self._panes["palette"] = self._palette
        self._prompt = Prompt()
        self._place: Place = "home"
        self._trail: list[tuple[Place, LiveGrid | None]] = []
        self._painted: Frame | None = None

    # --- what the app itself gives -------------------------------------------------------------

    @abstractmethod
    def _shown_frame(self, now: Frame | None = None) -> Frame:
        """What the pane shows."""

    # --- from pane to pane ---------------------------------------------------------------------

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

    def on_live_grid_opened(self) -> None:
        """A second click opens."""
        self.action_open()

    def on_pane_goes(self, message: Pane.Goes) -> None:
        """Somewhere else is to be shown."""
        self._open(message.target)

    def action_pane(self, action: str) -> None:
        """A key of the pane that is shown."""
        self._panes[self._place].do(action, self._shown_frame())
        self._repaint()

    # --- over the tables of a pane -------------------------------------------------------------

    def _grid(self) -> LiveGrid | None:
        return self._panes[self._place].focused_grid()

    def _grids(self) -> Iterable[LiveGrid]:
        for pane in self._panes.values():
            yield from pane.query(LiveGrid)

    def action_next_table(self) -> None:
        """Focus the next table."""
        self.screen.focus_next(LiveGrid)

    def action_previous_table(self) -> None:
        """Focus the table before."""
        self.screen.focus_previous(LiveGrid)

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

    # --- by words ------------------------------------------------------------------------------

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

    # --- into the past and out of it -----------------------------------------------------------

    def action_look_back(self) -> None:
        """Every pane as of the entry under the cursor."""
        entry = self._panes[self._place].target(self._shown_frame())
        if entry is None or entry.seq is None:
            self._say("There is no entry under the cursor.")
        else:
            self._open(Target("replay", seq=entry.seq))

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
