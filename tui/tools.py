"""What a person can do with any table, and the look of the screen: the app's part for both.

Lives here: ``ToolsApp``, the base of the app: filter, sort, copy, export, theme, layout kept. May
import: textual, tui. Always holds: what leaves the screen is what stands on it; files are written
off the painting thread and their path is said; a memory that fails costs a line, never the screen.
Start reading at ``ToolsApp.action_filter``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from threading import Lock

import msgspec
from textual.app import App
from textual.message import Message

from tui.clock import Clock
from tui.kept import Kept, kept_of, texts_of
from tui.places import TABBED, Place
from tui.ports import Ports
from tui.theme import DARK, THEMES, other_theme
from tui.view.shaping import AS_GIVEN, next_sort, row_json, row_text, table_csv, table_jsonl
from tui.widgets.grid import LiveGrid

NO_MEMORY = "This screen was given no place for files"


class Written(Message):
    """What became of writing files."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ToolsApp(App[int]):
    """The app's tools for tables. The panes stand in ``tui.app``."""

    _ports: Ports
    _clock: Clock
    _place: Place

    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = DARK
        self._to_keep: dict[str, str] = {}
        self._keeping = Lock()

    # --- what the app itself gives -------------------------------------------------------------

    @abstractmethod
    def _grid(self) -> LiveGrid | None:
        """The table with the cursor."""

    @abstractmethod
    def _grids(self) -> Iterable[LiveGrid]:
        """Every table there is."""

    @abstractmethod
    def _say(self, text: str) -> None:
        """A line for the person."""

    @abstractmethod
    def _repaint(self) -> None:
        """Paint the pane anew."""

    @abstractmethod
    def _ask(self, label: str, done: Callable[[str], None], initial: str = "") -> None:
        """A line is wanted from the person."""

    # --- filter and sort -----------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask for the words that the rows of this table must have."""
        grid = self._grid()
        if grid is None:
            self._say("There is no table to filter here.")
            return

        def done(words: str) -> None:
            grid.reshape(msgspec.structs.replace(grid.shaping, words=words))
            self._keep()

        self._ask("filter (words, column:text, column:>number, !word)", done, grid.shaping.words)

    def action_clear_filter(self) -> None:
        """Show all rows again."""
        self._clear_filter()

    def _clear_filter(self) -> bool:
        """Whether there was a filter to clear."""
        grid = self._grid()
        if grid is None or not grid.shaping.words:
            return False
        grid.reshape(msgspec.structs.replace(grid.shaping, words=""))
        self._keep()
        self._repaint()
        return True

    def action_sort(self) -> None:
        """Sort by the next column; after the last one, as given."""
        if grid := self._grid():
            grid.reshape(next_sort(grid.table, grid.shaping))
            self._sorted(grid)

    def action_turn_sort(self) -> None:
        """Turn the order round."""
        grid = self._grid()
        if grid is None or grid.shaping.sort is None:
            self._say("Nothing is sorted: s sorts by the next column.")
            return
        grid.reshape(msgspec.structs.replace(grid.shaping, falling=not grid.shaping.falling))
        self._sorted(grid)

    def _sorted(self, grid: LiveGrid) -> None:
        grid.jump(0)
        self._keep()
        self._repaint()

    # --- copy and export -----------------------------------------------------------------------

    def action_copy(self, form: str) -> None:
        """The row under the cursor to the clipboard of the terminal, and into a file."""
        grid = self._grid()
        row = None if grid is None else grid.row
        if grid is None or row is None:
            self._say("There is no row to copy here.")
            return
        text = row_json(grid.table, row) if form == "json" else row_text(grid.table, row)
        self.copy_to_clipboard(text)
        ending = "json" if form == "json" else "txt"
        said = "Copied, where the terminal takes it"
        self._write({f"{self._place}-row.{ending}": f"{text}\n"}, said)

    def action_export(self) -> None:
        """The whole table as it is shown, as CSV and as JSON lines."""
        grid = self._grid()
        if grid is None or not grid.table.rows:
            self._say("There is no row to export here.")
            return
        name = f"{self._place}-{grid.id}"
        table = grid.table
        texts = {f"{name}.csv": table_csv(table), f"{name}.jsonl": table_jsonl(table)}
        self._write(texts, f"Exported {len(table.rows)} rows")

    def _write(self, texts: dict[str, str], what: str) -> None:
        memory = self._ports.memory
        if memory is None:
            self._say(f"{what}. {NO_MEMORY}.")
            return

        def write() -> None:
            try:
                paths = [memory.export(name, text) for name, text in texts.items()]
            except OSError as error:
                said = f"{what}, but no file: {error.strerror or error}"
            else:
                said = f"{what}: {', '.join(paths)}"
            self.post_message(Written(said))

        self.run_worker(write, thread=True, group="files")

    def on_written(self, message: Written) -> None:
        """Say where it is."""
        self._say(message.text)

    # --- the look, and what is kept ------------------------------------------------------------

    def action_theme(self) -> None:
        """The other theme."""
        self.theme = other_theme(self.theme)
        self._keep()
        self.call_after_refresh(self._repaint_all)

    def _repaint_all(self) -> None:
        for widget in self.screen.walk_children():
            widget.refresh()
        self._repaint()

    def _recall(self) -> Place:
        """Take over what was kept; where one was."""
        memory = self._ports.memory
        if memory is None:
            return "home"
        kept, line = kept_of(memory.load())
        self.theme = kept.theme
        for grid in self._grids():
            grid.reshape(kept.shapings.get(grid.id or "", AS_GIVEN))
        if line is not None:
            self._say(line)
        return kept.place

    def _kept(self) -> Kept:
        shapings = {grid.id or "": grid.shaping for grid in self._grids()}
        place = self._place if any(row.place == self._place for row in TABBED) else "home"
        return Kept(place, self.theme, shapings)

    def _keep(self) -> None:
        """Keep what stands now, off the painting thread."""
        memory = self._ports.memory
        if memory is None:
            return
        self._to_keep = texts_of(self._kept())

        def keep() -> None:
            try:
                with self._keeping:  # a slow write of an older layout must not come last
                    memory.keep(self._to_keep)
            except OSError as error:
                self.post_message(Written(f"The layout is not kept: {error.strerror or error}"))

        self.run_worker(keep, thread=True, group="memory")

    def _keep_at_leaving(self) -> None:
        """The last place too; a memory that fails now has nobody to tell."""
        memory = self._ports.memory
        if memory is None:
            return
        try:
            memory.keep(texts_of(self._kept()))
        except OSError:
            self.log("the layout was not kept")
