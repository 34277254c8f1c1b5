"""``axiom tui``: the terminal UI on a running engine or a recorded session.

Lives here: the wiring of the screen. May import: ``cli``, tui, projections' words. Always holds:
the sentence of a decision is the one that ``why`` gives; closing the screen changes nothing.
"""

from __future__ import annotations

from functools import partial

import click

from cli.errors import UserError
from cli.options import Common, recorded_options
from cli.paths import LATEST, list_sessions


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
    from cli.recorded import first_fact, is_running
    from cli.screen import on_terminal
    from cli.screen_ports import ports_of
    from tui.ports import Opened
    from tui.run import run

    bell = not no_bell
    if session == LATEST and on_terminal() and not list_sessions(common.home, common.desk):
        ports = ports_of(common, None, bell=bell)
        return run(None, live=False, ports=ports, ports_of=partial(ports_of, common, bell=bell))
    folder = common.session(session)
    first_fact(folder)  # what cannot be shown is refused before the screen is taken
    opened = Opened(folder.name, folder, is_running(folder))
    ports = ports_of(common, opened, bell=bell)
    return run(
        folder,
        live=opened.running,
        ports=ports,
        ports_of=partial(ports_of, common, bell=bell),
    )
