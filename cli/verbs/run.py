"""``axiom run``: the engine in real time, with its projector.

Lives here: the verb and the worlds of its modes. May import: everything, when it runs. Always
holds: SIM needs no account and works at any hour; PAPER has nothing that could send an order.
Start reading at ``command``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from cli.errors import EXIT_GOOD, UserError
from cli.options import Common, common_options
from cli.output import say
from cli.paths import desk_folder
from cli.run import SEED_MAX, rupees

if TYPE_CHECKING:
    from adapters.kite.rate import Budgets
    from adapters.session.clock import SessionClock
    from adapters.session.inbox import Post
    from cli.broker import Desk
    from cli.candles import Candles
    from cli.demo_login import Person
    from cli.feed import Feed
    from cli.session import Ended, Halted, Wish
    from cli.simulation import Simulation
    from engine.ports import Market
    from engine.sink import Outward
    from engine.state import State
    from events.base import Event

SIM: Final = "SIM"
DEFAULT_SEED: Final = 1
SPEED_MAX: Final = 1_000
LOOPBACK: Final = "127.0.0.1"
OPTIONS_OF: Final = {
    "market": ("sim",),
    "seed": ("sim",),
    "at": ("sim",),
    "speed": ("sim",),
    "faults": ("sim",),
    "rest": ("paper",),
    "ws": ("paper",),
    "confirm": ("live",),
    "confirm_waiver": ("live",),
    "why": ("live",),
}
"""Options that only some modes have."""


@click.command("run", epilog="Example: axiom run --mode sim --for 10m --headless --json")
@click.option("--mode", type=click.Choice(["sim", "paper", "live"]), required=True)
@click.option("--for", "length", metavar="TIME", help="End after this: 90s, 10m, 2h.")
@click.option("--headless", is_flag=True, help="No terminal UI.")
@click.option("--exits-only", is_flag=True, help="Exit what is held, enter nothing.")
@click.option("--market", default="synthetic", show_default=True, help="Of --mode sim.")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=DEFAULT_SEED, show_default=True,
              help="Of a synthetic market.")  # fmt: skip
@click.option("--at", metavar="HH:MM", help="The market's time (IST) at which --mode sim begins.")
@click.option("--speed", type=click.IntRange(1, SPEED_MAX), default=1, show_default=True,
              help="Market seconds a second, of --mode sim.")  # fmt: skip
@click.option("--faults", metavar="FILE", help="Of --mode sim: a script (TOML), or seed:N.")
@click.option("--rest", metavar="URL", help="Of --mode paper: another address of the broker's.")
@click.option("--ws", metavar="URL", help="Of --mode paper: another address of the feed.")
@click.option("--confirm", metavar="WORD", help="Of --mode live: LIVE, as it would be typed.")
@click.option(
    "--confirm-waiver",
    metavar="WORD",
    help="Of --mode live without resting stops: WAIVER, as it would be typed.",
)
@click.option("--why", metavar="TEXT", help="Of a waiver: its reason, kept in the journal.")
@common_options
@click.pass_context
def command(
    context: click.Context,
    mode: str,
    length: str | None,
    headless: bool,
    exits_only: bool,
    market: str,
    seed: int,
    at: str | None,
    speed: int,
    faults: str | None,
    rest: str | None,
    ws: str | None,
    confirm: str | None,
    confirm_waiver: str | None,
    why: str | None,
    common: Common,
) -> int:
    """Run the engine in real time, until the market's close, --for, or an interrupt.

    --mode sim starts a simulated exchange on this machine and trades on it over its sockets: no
    account is needed, and it is always the market's day there. --mode paper follows the broker's
    market (axiom login first) and trades on paper: it has nothing that could send an order. --mode
    live begins only while every line of docs/LIVE.md holds. One engine runs on a desk. An engine
    that was killed goes on where it stood when it is started again.
    """
    from cli.load import load_machine
    from cli.screen import on_terminal, run_with_screen
    from cli.session import Wish

    _refuse_others(context, mode)
    for_s = None if length is None else seconds_of(length)
    if not (headless or common.json or mode == "live") and on_terminal():
        return run_with_screen(common)
    wish = Wish(for_s, end_policy=load_machine(common.config).at_end)
    if mode == "sim":
        chosen = Chosen(market, seed, at, speed, faults)
        ended = _simulated(common, wish, chosen, exits_only=exits_only)
    elif mode == "paper":
        from cli.on_kite import run_paper

        ended = run_paper(common, wish, rest, ws, exits_only=exits_only)
    else:
        shown = not (headless or common.json) and on_terminal()
        live = _live(common, wish, Said(confirm, confirm_waiver, why), exits_only, shown)
        if isinstance(live, int):
            return live
        ended = live
    tell(ended, mode.upper(), common)
    return EXIT_GOOD


def _refuse_others(context: click.Context, mode: str) -> None:
    """Options of another mode would be ignored, so they are refused."""
    for name, modes in OPTIONS_OF.items():
        if mode not in modes and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise UserError(
                f"--{name.replace('_', '-')} is of --mode {' and '.join(modes)}: leave it out"
            )


@dataclass(frozen=True)
class Said:
    """What a person gave with the command for LIVE, None for what he is asked."""

    word: str | None
    waiver: str | None
    why: str | None


def _live(common: Common, wish: Wish, said: Said, exits_only: bool, shown: bool) -> Ended | int:
    """A session that sends orders; an exit code where none began here: something stands against it,
    or it runs behind the screen."""
    from cli.load import load_config
    from cli.on_live import LIVE, confirmed, refusals, run_live, tell_refusals
    from cli.screen import run_with_screen
    from cli.waiver import waiver_of, words_of

    rows, waiver = refusals(common), None
    if not rows and confirmed(said.word):
        waiver = waiver_of(load_config(common.config), said.waiver, said.why)
        if shown:
            return run_with_screen(common, "--confirm", LIVE, *words_of(waiver))
        if said.word is None or (waiver is not None and None in (said.waiver, said.why)):
            rows = refusals(common)  # the words may have been typed long after the first look
    if rows:
        return tell_refusals(rows, common)
    return run_live(common, wish, waiver, exits_only=exits_only)


@dataclass(frozen=True)
class Chosen:
    """Which market is simulated, from when on (IST, None: its open), how fast, and what goes wrong
    there."""

    market: str
    seed: int
    at: str | None
    speed: int
    faults: str | None


def _simulated(common: Common, wish: Wish, chosen: Chosen, *, exits_only: bool) -> Ended:
    """A session on an exchange of this machine."""
    from cli.begin import Plan
    from cli.budgets import order_budgets
    from cli.load import load_config, load_machine, load_rulebook, open_market
    from cli.session import run_session
    from cli.verbs.exchange_sim import fault_plan

    rulebook = load_rulebook(common)
    config = load_config(common.config)
    source = open_market(chosen.market, common, rulebook, seed=chosen.seed)
    at_ns = _start_ns(source, chosen.at)
    fault_plan(chosen.faults, source, at_ns)  # what is wrong with it is said here, not by the child
    plan = Plan(
        SIM, source, config, rulebook.rows_for(source.day), "sim", chosen.speed,
        carries=False, exits_only=exits_only, at_broker=config.orders.sim_route == "broker",
    )  # fmt: skip
    budgets = order_budgets(load_machine(common.config), rulebook, source.day)
    with SimulatedWorld(common, source, chosen, at_ns, budgets) as world:
        return run_session(common, plan, world, wish)


class SimulatedWorld:
    """An exchange in a child process, the ticker on it, and its broker where orders go there; else
    the core's paper broker fills. The ``World`` of ``cli.session``."""

    def __init__(
        self, common: Common, market: Market, chosen: Chosen, at_ns: int, budgets: Budgets
    ) -> None:
        self._budgets = budgets
        self._common, self._name, self._market = common, chosen.market, market
        self._seed, self._speed, self._at_ns = chosen.seed, chosen.speed, at_ns
        self._faults = chosen.faults
        self._exchange: Simulation | None = None
        self._feed: Feed | None = None
        self._desk: Desk | None = None
        self._candles: Candles | None = None
        self._state: Callable[[], State] | None = None
        self._person: Person | None = None

    def __enter__(self) -> SimulatedWorld:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if self._exchange is None:
            return
        if self._is_left(kind is None):
            # As a broker would, it holds what is open for whoever goes on with it: the next engine,
            # a person, or the emergency that asked this one to end.
            self._exchange.leave()
        else:
            self._exchange.close()

    def _is_left(self, in_order: bool) -> bool:
        """Whether something is open at the exchange that somebody goes on with, as far as the
        engine knew: where it failed, or was told to end and leave it. One that cannot say it any
        more may have been exposed."""
        from engine.books import STOPPING
        from engine.core import CoreFault
        from engine.orders.route import to_broker
        from engine.orders.watch import exposed

        if self._state is None:
            return False
        try:
            state = self._state()
        except (CoreFault, MemoryError):
            return True
        told = not in_order or STOPPING in state.account.halts
        return told and to_broker(state) and exposed(state) > 0

    def clock(self, from_ns: int | None) -> SessionClock:
        """Start the exchange where the session stands; its time is the session's."""
        from adapters.session.clock import SessionClock
        from cli.simulation import Simulation, Wanted, simulated_clock

        resumes = from_ns is not None
        at_ns = self._at_ns if from_ns is None else from_ns
        wanted = Wanted(self._name, self._seed, self._speed, self._faults)
        self._exchange = Simulation(self._common, wanted, at_ns, resumes=resumes)
        said = simulated_clock(self._exchange.rest)
        assert said is not None, "a simulated exchange says its time"
        return SessionClock(int(said["now_ns"]), self._speed, simulated=True)

    def start(
        self, post: Post, clock: SessionClock, state: Callable[[], State], halted: Halted
    ) -> Outward:
        """Subscribe to everything, and speak to the broker where orders go to it."""
        from adapters.kite.broker import KiteReads
        from adapters.kite.rate_file import OrderBudget
        from cli.broker import Desk
        from cli.candles import Candles
        from cli.demo_login import PERSON_S, Person
        from cli.feed import Feed
        from engine.orders.outbox import Context
        from engine.orders.route import to_broker

        assert self._exchange is not None, "the clock comes first"
        self._state = state
        login = Person(self._exchange.rest, PERSON_S / clock.rate, clock.now_ns)
        self._person = login

        def heard(event: Event) -> None:
            post(event)
            login.heard(event)

        on_order: Callable[[dict[str, Any]], None] | None = None
        outward: Outward
        if to_broker(state()):
            rest, counted = self._exchange.rest, OrderBudget(self._budget, self._budgets)
            audit = Context(LOOPBACK, 0)
            self._desk = Desk(login, rest, counted, heard, clock, lambda: audit, halted)
            on_order, outward = self._desk.on_update, self._desk.start(state)
        else:
            reads = KiteReads(login, root=self._exchange.rest)
            self._candles = Candles(reads, heard, clock, state)
            outward = self._candles
        self._feed = Feed(login, self._exchange.ws, heard, clock, self._seed, on_order)
        self._feed.start(state().instruments)
        return outward

    def stop(self) -> None:
        """No more messages, no more frames and no more logins."""
        if self._desk is not None:
            self._desk.stop()
        if self._candles is not None:
            self._candles.stop()
        if self._feed is not None:
            self._feed.stop()
        if self._person is not None:
            self._person.close()

    @property
    def _budget(self) -> Path:
        """Where this simulation's messages are counted: its broker is its own."""
        return desk_folder(self._common.home, self._common.desk) / "simulated-broker"


def seconds_of(text: str) -> float:
    """Seconds of ``90s``, ``10m``, ``2h`` or ``90``. Raises ``UserError``."""
    units = {"s": 1, "m": 60, "h": 3_600}
    number, unit = (text[:-1], units.get(text[-1:])) if text[-1:] in units else (text, 1)
    if not number.isascii() or not number.isdecimal() or int(number) < 1 or unit is None:
        raise UserError(f"'{text}' is not a length of time: write 90s, 10m or 2h")
    return float(int(number) * unit)


def _start_ns(market: Market, at: str | None) -> int:
    """When the session begins: at the open, or at a time of the market's day."""
    from cli.output import parse_time

    if at is None:
        return market.open_ns
    start_ns = parse_time(at, market.day)
    if not market.anchor_ns <= start_ns < market.close_ns:
        raise UserError(f"--at {at} lies outside the market's day")
    return start_ns


def tell(ended: Ended, mode: str, common: Common) -> None:
    document: dict[str, Any] = ended.document(mode)
    if common.json:
        from cli.output import write_json

        write_json(document)
        return
    click.echo(document["session"])
    say(
        f"{document['ticks']:,} ticks, {document['decisions']:,} decisions, {document['trades']} "
        f"trades, net {rupees(document['pnl_paise'])}; ended by {document['reason']}"
    )
    if document["open"]:
        say(f"left open: {document['open']} positions and orders (`axiom journal cat` names them)")
    latency = document["latency_ms"]
    say(f"frame to disk p50 {latency['p50']} ms, p99 {latency['p99']} ms; "
        f"engine {document['cpu_percent']} % of a core")  # fmt: skip
