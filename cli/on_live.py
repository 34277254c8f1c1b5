"""LIVE: what stands against it, its word, and the session that sends orders to the broker.

Lives here: what ``run --mode live`` does. May import: everything it wires. Always holds: LIVE
begins only while every line of docs/LIVE.md holds and a person has typed its word; the locks of
desk and account are taken after that look, and held to the end.
Start reading at ``refusals``, then ``run_live``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from adapters.session.clock import SessionClock
from adapters.session.inbox import Post
from cli.begin import Plan
from cli.broker import Desk
from cli.doctor.broker import account_name
from cli.doctor.check import Context, Row
from cli.doctor.table import as_documents, preconditions
from cli.errors import EXIT_BAD, UserError
from cli.load import load_config, load_machine, load_rulebook
from cli.machine import MachineSettings
from cli.options import Common
from cli.output import say, write_json
from cli.session import Ended, Halted, Wish, run_session
from cli.universe import todays_list, watch_market
from cli.world import KiteWorld
from engine.orders.outbox import Context as Audit
from engine.sink import Outward
from engine.state import State
from journal.session_folder import accounts_folder

LIVE: Final = "LIVE"


class LiveWorld(KiteWorld):
    """The broker's feed, and its orders."""

    def __init__(self, common: Common, account: str, settings: MachineSettings) -> None:
        super().__init__(common, None, None)
        self._budget = accounts_folder(common.home, account)
        self._egress = settings.egress_address or None
        self._desk: Desk | None = None

    def start(
        self, post: Post, clock: SessionClock, state: Callable[[], State], halted: Halted
    ) -> Outward:
        """Subscribe to everything, and speak to the broker."""

        def audit() -> Audit:
            offset_ns = clock.offset_ns()
            return Audit(self._egress, None if offset_ns is None else offset_ns // 1_000)

        self._desk = Desk(self.login, self.rest, self._budget, post, clock, audit, halted)
        outward = self._desk.start(state)
        self.follow(post, clock, state().instruments, self._desk.on_update)
        return outward

    def stop(self) -> None:
        """No more messages and no more frames."""
        if self._desk is not None:
            self._desk.stop()
        super().stop()


def run_live(common: Common, wish: Wish, *, exits_only: bool) -> Ended:
    """The session, once nothing stands against it. Raises ``UserError``."""
    rulebook, settings = load_rulebook(common), load_machine(common.config)
    config = load_config(common.config)
    account = account_name(Context(common.home, common.desk, True, settings))
    if account is None:
        raise UserError("the broker's account is not known: axiom login, or set live.account")
    with LiveWorld(common, account, settings) as world:
        if world.rate != 1:
            raise UserError("LIVE runs in real time alone")
        market = watch_market(world.reads, common.home, rulebook, world.today(), settings)
        plan = Plan(
            LIVE, market, config, rulebook.rows_for(market.day), account,
            exits_only=exits_only, at_broker=True, broker_account=account,
        )  # fmt: skip
        return run_session(common, plan, world, wish)


def refusals(common: Common) -> tuple[Row, ...]:
    """What stands against LIVE now. Where a login is there, the day's instruments are fetched
    first, since they are among what must be there."""
    settings, fault = load_machine(common.config), None
    try:
        with KiteWorld(common, None, None) as world:
            todays_list(world.reads, common.home, load_rulebook(common), world.today(), settings)
    except UserError as error:
        fault = str(error)
    config = load_config(common.config)
    found = preconditions(Context(common.home, common.desk, True, settings, config=config))
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
