"""Panes: the body of the screen, one for each question.

Lives here: one pane a module, and the table of them. May import: textual, tui's view models and
widgets. Always holds: a pane paints only when it is the active one, from one frame, and owns no
data but where its cursor is. Start reading at ``pane.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tui.places import Place
from tui.ports import Ports
from tui.screens.blocked import BlockedPane
from tui.screens.chain import ChainPane
from tui.screens.data import DataPane
from tui.screens.days import DaysPane
from tui.screens.entry import EntryPane
from tui.screens.execution import ExecutionPane
from tui.screens.gates import GatesPane
from tui.screens.halt import HaltPane
from tui.screens.help import HelpPane
from tui.screens.home import HomePane
from tui.screens.incidents import IncidentsPane
from tui.screens.journal import JournalPane
from tui.screens.palette import PalettePane
from tui.screens.pane import Pane
from tui.screens.positions import PositionsPane
from tui.screens.recon import ReconPane
from tui.screens.replay import ReplayPane
from tui.screens.start import StartPane
from tui.screens.why import WhyPane

PANES: Final[dict[Place, Callable[[Ports], Pane]]] = {
    "home": lambda ports: HomePane(ports.explain),
    "gates": lambda ports: GatesPane(ports.explain),
    "positions": PositionsPane,
    "chain": lambda _: ChainPane(),
    "blocked": lambda _: BlockedPane(),
    "execution": ExecutionPane,
    "recon": lambda _: ReconPane(),
    "data": lambda _: DataPane(),
    "days": lambda ports: DaysPane(ports.desk, ports.shown),
    "start": lambda ports: StartPane(ports.starter, ports.desk),
    "incidents": lambda _: IncidentsPane(),
    "why": lambda ports: WhyPane(ports.explain, ports.least_change),
    "halt": HaltPane,
    "journal": lambda ports: JournalPane(ports.entries),
    "entry": lambda ports: EntryPane(ports.entries),
    "replay": lambda ports: ReplayPane(ports.travel, ports.first_divergence, ports.hashes),
    "palette": lambda ports: PalettePane(ports.verbs),
    "help": lambda _: HelpPane(),
}
"""How each pane of ``tui.places.PLACES`` is made."""
