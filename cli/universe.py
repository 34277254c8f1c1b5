"""What a session watches: instruments out of the broker's list, as a market without frames.

Lives here: ``WatchedMarket``, and how it is made of a day's list and the levels of the indices. May
import: everything it wires. Always holds: the list is of the day, kept as it was received and named
by its digest; that of a simulated exchange is never kept among the broker's; the same list and
levels give the same instruments in the same order.
Start reading at ``watch_market``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.kite.broker import KiteReads, fault_of
from adapters.kite.dump_file import FOLDER, todays_dump
from adapters.kite.instruments import INDEX_OF, Dump, DumpError, Watch, choose, read_dump
from cli.errors import UserError, told_as_user_error
from cli.machine import MachineSettings
from cli.paths import make_private
from engine.ports import MarketFrame
from engine.rulebook import Rulebook, SessionWindow, iso_day
from events.session import CycleRule, Instrument, MarketIdentity

BAR_MS: Final = 60_000
KITE: Final = "kite"
RATE: Final = "RATE"
QUOTE_TRIES: Final = 3
QUOTE_S: Final = 1.1
"""Between questions for quotes, of which the broker takes one a second, and before one that it was
asked too often is asked again."""

EACH_SECOND: Final = CycleRule("GRID", 1_000, 0)
NO_ACCOUNT: Final = "'axiom run --mode sim' needs no market that is open"
LOGIN: Final = "the login is not taken, give 'axiom login'"


@dataclass(frozen=True)
class WatchedMarket:
    """A ``Market`` (engine.ports) whose frames come by the feed. Times in ns UTC. ``listed`` is all
    of the day's list that is of what is watched."""

    identity: MarketIdentity
    day: int
    anchor_ns: int
    open_ns: int
    close_ns: int
    dump_digest: str
    rows: tuple[Instrument, ...]
    listed: tuple[Instrument, ...] = ()
    cycle_rule: CycleRule = EACH_SECOND

    def instruments(self) -> tuple[Instrument, ...]:
        """What is subscribed to."""
        return self.rows

    def frames(self) -> Iterator[MarketFrame]:
        """None: nobody can look ahead."""
        return iter(())


@dataclass(frozen=True)
class Today:
    """The market's day (yyyymmdd) and time (ns UTC), and whether they are a simulation's. A session
    of the day that is open may have amended its close to ``amended_close_ns``."""

    day: int
    now_ns: int
    simulated: bool
    amended_close_ns: int = 0


def watch_market(
    reads: KiteReads, home: Path, rulebook: Rulebook, today: Today, settings: MachineSettings
) -> WatchedMarket:
    """The market of a day. Raises ``UserError``."""
    window, dump = todays_list(reads, home, rulebook, today, settings)
    with told_as_user_error(DumpError):
        levels = _levels(reads, today.now_ns, settings.names)
        rows = choose(
            dump,
            [
                Watch(name, settings.expiries, settings.strikes_each_side, level)
                for name, level in zip(settings.names, levels, strict=True)
            ],
        )
    return WatchedMarket(
        MarketIdentity(KITE, None, None, dump.digest, (), BAR_MS),
        today.day,
        today.now_ns,
        window.open_ns,
        window.close_ns,
        dump.digest,
        rows,
        dump.rows,
    )


def todays_list(
    reads: KiteReads, home: Path, rulebook: Rulebook, today: Today, settings: MachineSettings
) -> tuple[SessionWindow, Dump]:
    """The day's hours and its list of instruments, fetched where it is not kept. Raises
    ``UserError`` for a day without a market, or one that is over."""
    window = rulebook.session_window(today.day, "fno")
    if window is None or not rulebook.is_trading_day(today.day):
        raise UserError(f"{iso_day(today.day)} is not a trading day; {NO_ACCOUNT}")
    if today.now_ns >= max(window.close_ns, today.amended_close_ns):
        raise UserError(f"the market of {iso_day(today.day)} is closed; {NO_ACCOUNT}")
    with told_as_user_error(DumpError):
        return window, _dump(reads, home, today, settings.names)


def _dump(reads: KiteReads, home: Path, today: Today, names: Sequence[str]) -> Dump:
    def fetch() -> bytes:
        reply = reads.dump()
        for _ in range(QUOTE_TRIES):
            if reply.data is not None or fault_of(reply) != RATE:
                break
            reads.rest(QUOTE_S)  # the account's other programs count in the same second
            reply = reads.dump()
        if reply.data is None:
            fault = fault_of(reply)
            to_do = (
                LOGIN if fault.startswith("TOKEN") else "try again, or look at the broker's status"
            )
            raise UserError(f"the broker's list of instruments was not had ({fault}): {to_do}")
        return reply.data

    if today.simulated:
        return read_dump(fetch(), today.day, today.now_ns, names)
    folder = make_private(home / FOLDER)
    return todays_dump(folder, today.day, names, lambda: today.now_ns, fetch)


def _levels(reads: KiteReads, now_ns: int, names: Sequence[str]) -> list[int]:
    """The last price of each index, paise."""
    known = {name: f"{exchange}:{symbol}" for name, exchange, symbol in INDEX_OF}
    asked = [(place, known[name]) for place, name in enumerate(names)]
    answer = reads.quotes(asked, now_ns)
    for _ in range(QUOTE_TRIES):
        if answer.fault != RATE:
            break
        reads.rest(QUOTE_S)  # somebody with this login has just asked: one quote a second
        answer = reads.quotes(asked, now_ns)
    found = {row.instrument: row.ltp_paise for row in answer.rows}
    for place, name in enumerate(names):
        if not found.get(place):
            raise UserError(f"the broker gives no level of {name} ({answer.fault or 'no row'})")
    return [found[place] for place in range(len(names))]
