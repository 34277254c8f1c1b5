"""A session on the broker's feed, on paper.

Lives here: what ``run --mode paper`` does before a session begins. May import: everything it wires.
Always holds: PAPER is wired to what can only read; it runs in real time.
Start reading at ``run_paper``.
"""

from __future__ import annotations

from typing import Final

from cli.amended import until_amended
from cli.begin import Plan
from cli.errors import UserError
from cli.load import load_config, load_machine, load_rulebook
from cli.options import Common
from cli.session import Ended, Wish, run_session
from cli.universe import watch_market
from cli.world import KiteWorld

PAPER: Final = "PAPER"
PAPER_ACCOUNT: Final = "paper"


def run_paper(
    common: Common, wish: Wish, rest: str | None, ws: str | None, *, exits_only: bool
) -> Ended:
    """The broker's market, the paper broker of the core. Raises ``UserError``."""
    rulebook, settings = load_rulebook(common), load_machine(common.config)
    config = load_config(common.config)
    with KiteWorld(common, rest, ws, decides=True) as world:
        if world.rate != 1:
            raise UserError("a session on paper runs in real time: start the exchange at speed 1")
        today = until_amended(common, PAPER, rulebook, world.today())
        market = watch_market(world.reads, common.home, rulebook, today, settings)
        rows = rulebook.rows_for(market.day)
        plan = Plan(
            PAPER, market, config, rows, PAPER_ACCOUNT, exits_only=exits_only, listed=market.listed
        )
        return run_session(common, plan, world, wish)
