"""``axiom record``: the feed alone, as a journal of the market.

Lives here: the verb. May import: everything, when it runs. Always holds: nothing is decided and
nothing can be sent; what is recorded is a market source and replays identical.
Start reading at ``command``.
"""

from __future__ import annotations

from typing import Final

import click

from cli.errors import EXIT_GOOD
from cli.options import Common, common_options

RECORD: Final = "RECORD"
NOBODY: Final = "none"
"""Whose account a recording is for."""


@click.command("record", epilog="Example: axiom record --for 10m")
@click.option("--for", "length", metavar="TIME", help="End after this: 90s, 10m, 2h.")
@click.option("--rest", metavar="URL", help="Another address of the broker's REST interface.")
@click.option("--ws", metavar="URL", help="Another address of the broker's feed.")
@common_options
def command(length: str | None, rest: str | None, ws: str | None, common: Common) -> int:
    """Record the market's feed until its close, --for, or an interrupt.

    Needs a login (axiom login), or a simulated exchange: --rest and --ws as 'axiom exchange-sim'
    prints them. What is watched is set in the configuration's section [live]. 'axiom backtest
    session:SESSION' then runs on what was recorded.
    """
    from cli.begin import Plan
    from cli.load import load_config, load_machine, load_rulebook
    from cli.session import Wish, run_session
    from cli.universe import watch_market
    from cli.verbs.run import seconds_of, tell
    from cli.world import KiteWorld

    for_s = None if length is None else seconds_of(length)
    rulebook, settings = load_rulebook(common), load_machine(common.config)
    config = load_config(common.config)
    with KiteWorld(common, rest, ws) as world:
        market = watch_market(world.reads, common.home, rulebook, world.today(), settings)
        rows = rulebook.rows_for(market.day)
        plan = Plan(RECORD, market, config, rows, NOBODY, world.rate, carries=False)
        ended = run_session(common, plan, world, Wish(for_s, cycles=False))
    tell(ended, RECORD, common)
    return EXIT_GOOD
