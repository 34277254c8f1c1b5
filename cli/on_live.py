"""LIVE: what stands against it, its word, and the session that sends orders to the broker.

Lives here: what ``run --mode live`` does. May import: everything it wires. Always holds: LIVE
begins only while every line of docs/LIVE.md holds and a person has typed its word; the locks of
desk and account are taken after that look, and held to the end.
Start reading at ``refusals``, then ``run_live``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from adapters.kite.rate_file import OrderBudget
from adapters.session.clock import SessionClock, wall_ns
from adapters.session.inbox import Post
from cli.account import counting_folder, login_told, own_account
from cli.amended import until_amended
from cli.begin import Plan
from cli.broker import Desk
from cli.budgets import order_budgets
from cli.doctor.check import Context, Row
from cli.doctor.clock import OFFSET_NS_MAX, ClockError, Measured, measured
from cli.doctor.table import as_documents, preconditions
from cli.errors import EXIT_BAD, UserError
from cli.load import load_config, load_machine, load_rulebook
from cli.machine import MachineSettings
from cli.options import Common
from cli.output import say, write_json
from cli.session import Ended, Halted, Wish, run_session
from cli.universe import todays_list, watch_market
from cli.waiver import typed
from cli.world import KiteWorld
from engine.orders.outbox import Context as Audit
from engine.rulebook import day_of
from engine.sink import Outward
from engine.state import State
from events.feed import ClockStepped
from events.session import OperatorCommand

LIVE: Final = "LIVE"


class LiveWorld(KiteWorld):
    """The broker's feed, and its orders. ``waiver`` is a person's word against resting stops."""

    def __init__(
        self, common: Common, settings: MachineSettings, waiver: OperatorCommand | None = None
    ) -> None:
        self._waiver = waiver
        self._measured = clock_measured(common, settings)
        super().__init__(common, None, None)
        self.counted: OrderBudget | None = None
        """The account's count of messages, once it is known whose account it is."""
        self._egress = settings.egress_address or None
        self._desk: Desk | None = None

    def start(
        self, post: Post, clock: SessionClock, state: Callable[[], State], halted: Halted
    ) -> Outward:
        """Subscribe to everything, and speak to the broker."""

        ahead_ns = -self._measured.offset_ns

        def audit() -> Audit:
            moved_ns = clock.offset_ns()
            offset_us = None if moved_ns is None else (ahead_ns + moved_ns) // 1_000
            return Audit(self._egress, offset_us)

        post(ClockStepped(ahead_ns, OFFSET_NS_MAX, self._measured.kind))
        if self._waiver is not None:
            post(self._waiver)
        assert self.counted is not None, "nothing is sent for an account that is not known"
        self._desk = Desk(self.login, self.rest, self.counted, post, clock, audit, halted)
        outward = self._desk.start(state)
        self.follow(post, clock, state().instruments, self._desk.on_update)
        return outward

    def stop(self) -> None:
        """No more messages and no more frames."""
        if self._desk is not None:
            self._desk.stop()
        super().stop()


def clock_measured(common: Common, settings: MachineSettings) -> Measured:
    """How far the clock is off at the start: what every order is stamped with. Raises
    ``UserError`` where nobody says it."""
    try:
        found = measured(Context(common.home, common.desk, True, settings))
    except ClockError as error:
        raise UserError(str(error)) from error
    if found is None:
        raise UserError(
            "LIVE_CLOCK: nobody says how far the clock is off: set live.ntp_host, or run chrony or"
            " systemd-timesyncd"
        )
    return found


def run_live(
    common: Common, wish: Wish, waiver: OperatorCommand | None, *, exits_only: bool
) -> Ended:
    """The session, once nothing stands against it. Raises ``UserError``."""
    rulebook, settings = load_rulebook(common), load_machine(common.config)
    config = load_config(common.config)
    with LiveWorld(common, settings, waiver) as world:
        if world.rate != 1:
            raise UserError("LIVE runs in real time alone")
        account = own_account(login_told(world.reads, world.today().now_ns), settings)
        budgets = order_budgets(settings, rulebook, day_of(wall_ns()))
        world.counted = OrderBudget(counting_folder(account), budgets)
        today = until_amended(common, LIVE, rulebook, world.today())
        market = watch_market(world.reads, common.home, rulebook, today, settings)
        plan = Plan(
            LIVE, market, config, rulebook.rows_for(market.day), account,
            exits_only=exits_only, at_broker=True, broker_account=account,
            listed=market.listed,
        )  # fmt: skip
        return run_session(common, plan, world, wish)


def refusals(common: Common) -> tuple[Row, ...]:
    """What stands against LIVE now. Where a login is there, the day's instruments are fetched
    first, since they are among what must be there."""
    settings, fault = load_machine(common.config), None
    try:
        with KiteWorld(common, None, None) as world:
            rulebook = load_rulebook(common)
            today = until_amended(common, LIVE, rulebook, world.today())
            todays_list(world.reads, common.home, rulebook, today, settings)
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


def confirmed(word: str | None) -> bool:
    """A person types the mode's word, or gave it: True. Raises ``UserError`` for anything else."""
    if word is None:
        nobody = "LIVE trades with money: give --confirm LIVE, or a terminal to type it"
        word = typed("This trades with money. Type LIVE to begin: ", nobody)
    if word != LIVE:
        raise UserError(f"'{word}' is not LIVE: nothing was begun")
    return True
