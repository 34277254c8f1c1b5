"""A session on the broker's feed: on paper, or live behind its preconditions.

Lives here: what ``run --mode paper`` and ``--mode live`` do before a session begins. May import:
everything it wires. Always holds: PAPER is wired to what can only read; LIVE begins only while
every line of docs/LIVE.md holds and a person has typed its word.
Start reading at ``run_paper`` and ``refusals``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from cli.begin import Plan
from cli.doctor.check import Context, Row
from cli.doctor.table import as_documents, preconditions
from cli.errors import EXIT_BAD, UserError
from cli.load import load_config, load_machine, load_rulebook
from cli.options import Common
from cli.output import say, write_json
from cli.session import Ended, Wish, run_session
from cli.universe import watch_market
from cli.world import KiteWorld

PAPER: Final = "PAPER"
LIVE: Final = "LIVE"
PAPER_ACCOUNT: Final = "paper"


def run_paper(
    common: Common, wish: Wish, rest: str | None, ws: str | None, *, exits_only: bool
) -> Ended:
    """The broker's market, the paper broker of the core. Raises ``UserError``."""
    rulebook, settings = load_rulebook(common), load_machine(common.config)
    config = load_config(common.config)
    with KiteWorld(common, rest, ws) as world:
        if world.rate != 1:
            raise UserError("a session on paper runs in real time: start the exchange at speed 1")
        market = watch_market(world.reads, common.home, rulebook, world.today(), settings)
        rows = rulebook.rows_for(market.day)
        plan = Plan(PAPER, market, config, rows, PAPER_ACCOUNT, exits_only=exits_only)
        return run_session(common, plan, world, wish)


def refusals(common: Common) -> tuple[Row, ...]:
    """What stands against LIVE now. Where a login is there, the day's instruments are fetched
    first, since they are among what must be there."""
    settings, fault = load_machine(common.config), None
    try:
        with KiteWorld(common, None, None) as world:
            watch_market(world.reads, common.home, load_rulebook(common), world.today(), settings)
    except UserError as error:
        fault = str(error)
    found = preconditions(Context(common.home, common.desk, True, settings))
    if fault is not None and not found:
        raise UserError(fault)
    return found


def tell_refusals(rows: Sequence[Row], common: Common) -> int:
    """Each line with what to do; exit code 1."""
    if common.json:
        write_json({"mode": LIVE, "refused": as_documents(rows)})
        return EXIT_BAD
    for row in rows:
        say(f"{row.code}: {row.sentence}")
        if row.what_to_do is not None:
            say(f"  to do: {row.what_to_do}")
    say(f"LIVE does not begin: {len(rows)} of its preconditions do not hold (docs/LIVE.md)")
    return EXIT_BAD


def confirmed(word: str | None) -> None:
    """A person types the mode's word, or gave it. Raises ``UserError`` for anything else."""
    if word is None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UserError("LIVE trades with money: give --confirm LIVE, or a terminal to type it")
        sys.stderr.write("This trades with money. Type LIVE to begin: ")
        sys.stderr.flush()
        word = sys.stdin.readline().strip()
    if word != LIVE:
        raise UserError(f"'{word}' is not LIVE: nothing was begun")
