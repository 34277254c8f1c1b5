"""``axiom exchange-sim``: the local exchange that speaks Kite Connect v3.

Lives here: the verb. May import: everything, when it runs. Always holds: nothing is served before
the market, the time and the faults are checked; its addresses are one JSON line at the start; it
serves this machine only. Start reading at ``command``.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.errors import UserError, told_as_user_error
from cli.load import load_rulebook, open_market, parse_day
from cli.options import Common, recorded_options
from cli.output import say
from cli.run import SEED_MAX

if TYPE_CHECKING:
    from adapters.exchange_sim.faults import Fault
    from adapters.exchange_sim.server import ExchangeServer
    from engine.ports import Market

SEED_PREFIX: Final = "seed:"
SPEED_MAX: Final = 10_000.0
FAR_NS: Final = 3_600_000_000_000


@click.command(
    "exchange-sim",
    epilog="Example: axiom exchange-sim --port 8000 --market synthetic --at 11:00 --faults seed:7",
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1 (0: a free one)."
)
@click.option(
    "--market",
    default="synthetic",
    show_default=True,
    help="synthetic, synthetic:PROFILE, chain:FILE.parquet or session:SESSION.",
)
@click.option(
    "--faults", metavar="FILE", help="A script of faults (TOML), or seed:N for a plan by chance."
)
@click.option(
    "--speed",
    type=click.FloatRange(0, SPEED_MAX),
    default=1.0,
    show_default=True,
    help="Of the market's time; 0: it is moved by POST /sim/advance.",
)
@click.option("--at", "at", metavar="HH:MM", help="Where the market's time starts (its open).")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Of a synthetic market (7).")
@click.option("--day", metavar="DAY", help="Of a synthetic market.")
@recorded_options
def command(
    port: int,
    market: str,
    faults: str | None,
    speed: float,
    at: str | None,
    seed: int | None,
    day: str | None,
    common: Common,
) -> None:
    """A local exchange that the official Kite client cannot tell from Kite, on a MARKET's day.

    Works with no account at any hour. The account's api key, secret and access token are all demo.
    Prints one JSON line (rest, ws) and serves until it is stopped (Ctrl-C). The faults that it can
    have are in docs/EXCHANGE_SIM.md.
    """
    from adapters.exchange_sim.server import ExchangeServer, Settings
    from engine.ports import MarketError
    from journal.errors import JournalError

    if seed is not None and market.partition(":")[0] != "synthetic":
        raise UserError(f"{market!r} has no seed, its day is recorded: leave --seed out")
    rulebook = load_rulebook(common)
    source = open_market(market, common, rulebook, seed=7 if seed is None else seed, day=_day(day))
    at_ns = source.open_ns if at is None else _moment(at, source)
    plan = fault_plan(faults, source, at_ns)
    settings = Settings(port=port, speed=speed, at_ns=at_ns)
    with told_as_user_error(MarketError, JournalError):
        asyncio.run(_serve(lambda: ExchangeServer(source, rulebook, plan, settings)))


def _day(day: str | None) -> int | None:
    return None if day is None else parse_day(day)


def _moment(text: str, market: Market) -> int:
    """A time of the market's day (ns UTC)."""
    from engine.rulebook import hhmm_of, ist_ns

    try:
        ns = ist_ns(market.day, text)
    except ValueError as error:
        raise UserError(f"--at: {error}") from error
    if not market.anchor_ns <= ns <= market.close_ns:
        first, last = hhmm_of(market.anchor_ns), hhmm_of(market.close_ns)
        raise UserError(f"--at {text} is not in the market's day: give {first} to {last}")
    return ns


def fault_plan(faults: str | None, market: Market, at_ns: int) -> tuple[Fault, ...]:
    """The faults of a script's file, or of a seed, from ``at_ns`` on. Raises ``UserError``."""
    from adapters.exchange_sim.faults import FaultScriptError, read_script, seeded_plan

    if faults is None:
        return ()
    if faults.startswith(SEED_PREFIX):
        seed = faults.removeprefix(SEED_PREFIX)
        if not (seed.isascii() and seed.isdecimal()) or int(seed) > SEED_MAX:
            raise UserError(f"--faults {faults}: write seed: and a whole number, such as seed:7")
        return seeded_plan(int(seed), at_ns, market.close_ns)
    path = Path(faults).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the faults {path} cannot be read: {reason}") from error
    try:
        return read_script(text, market.day, at_ns)
    except FaultScriptError as error:
        raise UserError(f"{path}: {error}") from error


async def _serve(make: Callable[[], ExchangeServer]) -> None:
    """Serve until SIGINT or SIGTERM; before the start they end the program as they always do."""
    server = make()
    if server.clock.now_ns() - server.market.open_ns > FAR_NS:
        say("going through the day to that hour first; a large market takes minutes")
    try:
        await server.start()
    except OSError as error:
        port = server.settings.port
        raise UserError(
            f"port {port} cannot be had ({error.strerror}): choose another with --port, or 0"
        ) from error
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    click.echo(json.dumps({"rest": server.rest, "ws": server.ws}))
    _tell(server)
    await server.run_until(stopped)


def _tell(server: ExchangeServer) -> None:
    from engine.rulebook import hhmmss_of, iso_day

    planned = server.faults.planned
    say(
        f"{iso_day(server.market.day)} from {hhmmss_of(server.drive.now_ns)} IST at speed"
        f" {server.settings.speed:g}, {len(server.market.instruments())} instruments,"
        f" {planned} faults planned; api key, secret and access token: {server.account.api_key};"
        " stop with Ctrl-C"
    )
