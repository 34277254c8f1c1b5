"""What the screen of a session is given by this program.

Lives here: ``ports_of``. May import: ``cli``, projections' words, tui. Always holds: each session
has ports of its own; what only fits a recorded one is not given to a running one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cli.options import Common

if TYPE_CHECKING:
    from tui.ports import Opened, Ports


def ports_of(common: Common, opened: Opened | None, *, bell: bool = True) -> Ports:
    """The ports of one session of the desk; None: of a desk that has none yet."""
    from cli.control_port import control_of
    from cli.counterfactual import told
    from cli.days_port import DeskLibrary
    from cli.diverged import first_divergence
    from cli.hashes import SessionHashes
    from cli.memory_port import FileMemory
    from cli.starter_port import DemoStarter
    from cli.states_port import FileStates
    from cli.verbs_told import verbs_told
    from projections.why import sentence
    from tui.ports import Ports

    running = opened.folder if opened is not None and opened.running else None
    recorded = opened.folder if opened is not None and not opened.running else None
    return Ports(
        explain=sentence,
        control=None if running is None else control_of(common, running),
        desk=DeskLibrary(common.home, common.desk),
        memory=FileMemory(common.home),
        states=FileStates(common.home),
        verbs=verbs_told(),
        starter=DemoStarter(common.home, common.desk),
        bell=bell,
        least_change=None if recorded is None else partial(told, recorded),
        hashes=None if opened is None else SessionHashes(opened.folder),
        first_divergence=None if recorded is None else partial(first_divergence, recorded),
    )
