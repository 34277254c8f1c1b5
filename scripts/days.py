"""Ten synthetic days, one of each kind, and a recorded one: what was decided, pinned, and why.

Lives here: the days, their run, the page ``docs/DAYS.md`` and its pins. May import: adapters,
engine, events. Always holds: a day is run by the core alone, from the market's frames under the
default configuration; its pin is of the decisions, the intents and the ends of its positions, so
that a row that says more moves no pin and a decision that changes moves one. The recorded day is
not in the repository: where its file is not beside the checkout, its part of the page is kept.

    python -m scripts.days                 run all, write the page
    python -m scripts.days --check NAME    run one, say whether its pin holds

Start reading at ``DAYS``, then ``lived``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from adapters.markets.chain import open_chain
from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from engine.config import Config
from engine.core import Core
from engine.opening import fresh_account, opening_facts, session_opened
from engine.ports import Market
from engine.rulebook import Rulebook, hhmmss_of
from engine.schedule import facts_of
from engine.shorts import is_leg, leg_id
from events.base import Event
from events.decision import DecisionMade
from events.feed import FeedStatus
from events.orders import IntentApproved, PositionChanged
from events.session import SessionClosed

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "DAYS.md"
CHAIN_FILE: Final = PAGE.parents[2] / "shared" / "data" / "NIFTY_option_chain_2025-08-29.parquet"
CADENCE_MS: Final = 5_000
PIN: Final = 16
"""Hex digits of a pin."""

SHOWN: Final = 4
PAISE: Final = 100


class Day(msgspec.Struct, frozen=True):
    """One day: its name, the profile and seed of the market, the date, and its account."""

    name: str
    profile: str
    seed: int
    date: int
    account: str


DAYS: Final[tuple[Day, ...]] = (
    Day(
        "a trend up", "trend", 1, 20261120,
        "The first three quarters of an hour are a range, and its turn back to the mean "
        "is bought; then the index climbs, and the first pull of the trend is taken to "
        "its target. From noon on the trend goes on without a fresh cross of its "
        "averages: SIGNAL_NONE, and nobody chases it.",
    ),
    Day(
        "a trend down", "fall", 1, 20261120,
        "The turn that was bought in the opening range is run over by the fall and "
        "stopped; two puts with the trend reach their targets. One loss and two gains, as "
        "a day of trend should be; the cooldown after each end kept more from being "
        "bought.",
    ),
    Day(
        "a range", "range", 1, 20261120,
        "All day between two bounds: two turns are bought, neither reaches its target "
        "before its time is over, both end with a little. For most of the day one "
        "position is all that the limit of one an underlying lets be held.",
    ),
    Day(
        "a volatile range", "volatile", 1, 20261120,
        "Swings both ways, and the model calls most of it RANGE_VOLATILE. Two stretches are "
        "faded; both turn back a little and are trailed out with a little, for a range this "
        "wild gives no more. Else SIGNAL_NONE: no stretch with its RSI at the extreme.",
    ),
    Day(
        "an event", "event", 1, 20261120,
        "A quiet morning, a jump at a quarter past eleven, its echo. The position held into "
        "the jump ends at its stop, priced at what the market gave. In EVENT a spread is "
        "bought, its sold leg finds no buyer at its price in ten seconds and the pair is "
        "closed at once, broken, for little. Two entries with the trend that follows reach "
        "their targets, the last one is stopped.",
    ),
    Day(
        "a panic", "panic", 1, 20261120,
        "A range whose turn is bought and stopped. The fall is called PANIC while it goes, and in "
        "PANIC no family may trade: FAMILY_NONE. What follows is wild without direction; one "
        "stretch of it is faded and trailed out with a little.",
    ),
    Day(
        "trouble of the feed", "trouble", 1, 20261120,
        "The feed is silent for five minutes from 10:15 and for half a minute at 11:45. "
        "The position that is held over the first silence is kept and trailed out when "
        "quotes are back; entries wait until bars without a gap are there again, and the "
        "opening range speaks against what comes next for an hour. Past noon a spread is bought in "
        "EVENT, and sold with a gain when the regime is PANIC.",
    ),
    Day(
        "a start in the middle", "midday", 1, 20261120,
        "Nothing is seen before 11:30: FEED_NEVER_SEEN, then the warm-up. What needs the "
        "morning (the opening range) is unknown and marked, since this is no LIVE "
        "session. One call with the trend is held for fifty minutes, until the index jumps and "
        "its bid falls over the stop of 105 to 71.85: it is sold for that, twice of what its "
        "plan risked. A stop is no promise.",
    ),
    Day(
        "an expiry", "small", 1, 20261201,
        "The weekly contracts of the day expire, so the next week's are looked at, and at "
        "this level of the index one lot of them at its stop costs more than a trade may "
        "lose: SIZE_RISK_BUDGET 816 times. With twice the capital it would have traded.",
    ),
    Day(
        "a mixed day", "small", 7, 20261119,
        "A drawn day: range, a little trend, swings. A spread bought in the morning's EVENT is "
        "over its time near what it cost, its charges are four orders'; a fade in the last "
        "hour ends with the own square-off. The day cost little, and the limits had nothing to "
        "stop.",
    ),
)  # fmt: skip

RECORDED: Final = Day(
    "a recorded day", "chain", 0, 20250829,
    "NIFTY's real option chain, a page a minute, the index estimated from it. The exchange's page "
    "stood still from 10:15 to past 10:30: a gap, after which bars are warmed up anew, so "
    "nothing is entered before eleven. The first entry goes with the rise of the late morning, "
    "which ends there; its stop takes it out after noon, for some more than 1 % of the capital. "
    "Over noon the index goes sideways and gives no cross. The second goes with "
    "the fall of the afternoon and has only twenty minutes until the own square-off: nearly "
    "even. Where the exchange repeated a page nothing was entered on it, and a minute between two "
    "looks is long for a stop: what the next page gave is what was got.",
)  # fmt: skip
"""The eleventh, of a file that is given and not in the repository."""


class Trade(msgspec.Struct, frozen=True):
    """A position from its first fill to its end: times in ns UTC, net in paise."""

    opened_ns: int
    closed_ns: int
    strategy_id: str
    reason: str
    net_paise: int


class Lived(msgspec.Struct, frozen=True):
    """What a day was: decisions by reason, regimes by the cycle, trades, the pin."""

    decisions: int
    reasons: tuple[tuple[str, int], ...]
    regimes: tuple[tuple[str, int], ...]
    trades: tuple[Trade, ...]
    pin: str


def lived(day: Day) -> Lived:
    """Run the day. Of the recorded one raises ``FileNotFoundError`` where its file is not there."""
    years = (day.date // 10_000, day.date // 10_000 + 1)
    book = Rulebook(load_rows(years=years))
    rows = book.rows_for(day.date)
    market = _market(day, book)
    config = Config()
    opened = session_opened(market, config, rows, "")
    core, story = Core(), Story()
    for event in opening_facts(opened, fresh_account(config, day.date), market, rows):
        story.take(market.anchor_ns, core, event)
    facts = facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns)
    for ts, event in facts:
        story.take(ts, core, event)
    for last in (FeedStatus(0, "ENDED", False, 0), SessionClosed("END_OF_DAY")):
        story.take(market.close_ns, core, last)
    return story.told()


def _market(day: Day, book: Rulebook) -> Market:
    if day.profile != RECORDED.profile:
        return SyntheticMarket(
            day.seed, day.profile, day.date, cadence_ms=CADENCE_MS, rulebook=book
        )
    if not CHAIN_FILE.exists():
        raise FileNotFoundError(f"{CHAIN_FILE} is not there: the recorded day cannot be lived")
    return open_chain(CHAIN_FILE, book)


class Story:
    """Collects what a day's derivations say."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._reasons: Counter[str] = Counter()
        self._regimes: Counter[str] = Counter()
        self._opened: dict[str, int] = {}
        self._legs: dict[str, int] = {}
        self._trades: list[Trade] = []

    def take(self, ts: int, core: Core, event: Event) -> None:
        """One fact and all it leads to."""
        for derived in core.step(core.state.seq + 1, ts, event):
            self._derived(ts, derived.entry.event)

    def _derived(self, ts: int, event: Event) -> None:
        if isinstance(event, DecisionMade):
            self._reasons[event.reason] += 1
            self._regimes[event.regime] += 1
            self._pin(ts, event.underlying, event.outcome, event.stage, event.reason)
        elif isinstance(event, IntentApproved):
            self._pin(ts, event.strategy_id, event.contract, event.quantity_units)
        elif isinstance(event, PositionChanged):
            self._opened.setdefault(event.position_id, ts)
            if event.status == "CLOSED":
                self._closed(ts, event)

    def _closed(self, ts: int, event: PositionChanged) -> None:
        """A trade that ended; the sold leg of a pair ends before its long and counts with it."""
        net, reason = event.realised_paise - event.charges_paise, event.exit_reason or ""
        self._pin(ts, event.position_id, reason, net)
        if is_leg(event.position_id):
            self._legs[event.position_id] = net
            return
        net += self._legs.pop(leg_id(event.position_id), 0)
        opened = self._opened[event.position_id]
        self._trades.append(Trade(opened, ts, event.strategy_id, reason, net))

    def _pin(self, *values: object) -> None:
        self._hash.update(repr(values).encode())

    def told(self) -> Lived:
        """The day so far."""
        return Lived(
            self._reasons.total(),
            tuple(self._reasons.most_common(SHOWN)),
            tuple(self._regimes.most_common()),
            tuple(self._trades),
            self._hash.hexdigest()[:PIN],
        )


# --- the page ------------------------------------------------------------------------------------


def section(day: Day, was: Lived) -> str:
    """A day's part of the page."""
    regimes = ", ".join(f"{name} {count * 100 // was.decisions} %" for name, count in was.regimes)
    blocked = ", ".join(f"`{name}` {count:,}" for name, count in was.reasons)
    trades = [
        f"- {hhmmss_of(one.opened_ns)} to {hhmmss_of(one.closed_ns)}, {one.strategy_id}, "
        f"ended by `{one.reason}`, {one.net_paise / PAISE:+,.2f} rupees after charges"
        for one in was.trades
    ]
    command = (
        f"`axiom backtest synthetic:{day.profile} --seed {day.seed} --from {_iso(day.date)} "
        f"--to {_iso(day.date)} --cadence-ms {CADENCE_MS}`"
    )
    if day.profile == RECORDED.profile:
        command = f"`axiom backtest chain:{CHAIN_FILE.name}`"
    seen = f"{was.decisions:,} decisions; regimes: {regimes}. Most frequent reasons: {blocked}."
    title = f"## {day.name[0].upper()}{day.name[1:]}"
    ended = "\n".join(trades or ["No trade."])
    parts = (title, command, seen, ended, day.account, f"Pin: `{was.pin}`")
    return "\n\n".join(parts)


HEAD: Final = """# Ten days and a recorded one, and why they traded or did not

Each of the ten is made by the synthetic market and lived by the engine under its default
configuration, one lakh of capital, a decision each five seconds. The pin is over every decision,
intent and end of a position: `tests/scripts/test_days.py` lives the days again and compares. Made
by `python -m scripts.days`; the accounts are written by hand there. The last day is a recorded one,
whose file is not part of this repository: where it is not beside the checkout, its part is kept.

"""


def _iso(day: int) -> str:
    return f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}"


def pins() -> dict[str, str]:
    """The pin of each day as the page has it."""
    found: dict[str, str] = {}
    text = PAGE.read_text(encoding="utf-8")
    for part in text.split("\n## ")[1:]:
        name, _, rest = part.partition("\n")
        found[name.lower()] = rest.partition("Pin: `")[2].partition("`")[0]
    return found


def kept(day: Day) -> str:
    """The day's part of the page as it stands there; nothing where it has none."""
    text = PAGE.read_text(encoding="utf-8")
    title = f"## {day.name[0].upper()}{day.name[1:]}\n"
    _, found, rest = text.partition(title)
    return (found + rest.partition("\n## ")[0]).rstrip("\n")


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or check the days that are named."""
    parser = argparse.ArgumentParser(prog="scripts.days", description="Ten days, lived again.")
    parser.add_argument("--check", nargs="+", metavar="NAME", help="days of the page to live again")
    wanted = parser.parse_args(arguments).check
    if wanted is None:
        there = CHAIN_FILE.exists()
        last = section(RECORDED, lived(RECORDED)) if there else kept(RECORDED)
        parts = [*(section(day, lived(day)) for day in DAYS), last]
        text = HEAD + "\n\n".join(parts) + "\n"
        PAGE.write_text(text, encoding="utf-8")
        return 0
    known = pins()
    days = (*DAYS, RECORDED) if CHAIN_FILE.exists() else DAYS
    moved = [one.name for one in days if one.name in wanted and known[one.name] != lived(one).pin]
    for name in moved:
        sys.stderr.write(f"{name}: other decisions than docs/DAYS.md has\n")
    return 1 if moved else 0


if __name__ == "__main__":
    sys.exit(main())
