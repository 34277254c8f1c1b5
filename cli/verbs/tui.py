"""``axiom tui``: the terminal UI on a running engine or a recorded session.

Lives here: the wiring of the screen. May import: ``cli``, tui, projections' words. Always holds:
the sentence of a decision is the one that ``why`` gives; closing the screen changes nothing.
"""

from __future__ import annotations

import click

from cli.errors import UserError
from cli.options import Common, recorded_options
from cli.paths import LATEST


@click.command(name="tui")
@click.argument("session", default=LATEST)
@click.option("--no-bell", is_flag=True, help="Ring no terminal bell for a new alarm.")
@recorded_options
def command(session: str, no_bell: bool, common: Common) -> int:
    """Open the terminal UI on a SESSION (default: latest); it follows one that is running.

    \b
    Example:
        axiom tui latest
    """
    if common.json:
        raise UserError("the terminal UI has no JSON: 'axiom why --json' answers without a screen")
    from functools import partial

    from cli.control_port import control_of
    from cli.counterfactual import told
    from cli.diverged import first_divergence
    from cli.memory_port import FileMemory
    from cli.recorded import first_fact, is_running
    from projections.why import sentence
    from tui.ports import Ports
    from tui.run import run

    folder = common.session(session)
    first_fact(folder)  # what cannot be shown is refused before the screen is taken
    live = is_running(folder)
    ports = Ports(
        explain=sentence,
        control=control_of(common, folder) if live else None,
        memory=FileMemory(common.home),
        bell=not no_bell,
        least_change=None if live else partial(told, folder),
        first_divergence=None if live else partial(first_divergence, folder),
    )
    return run(folder, live=live, ports=ports)
