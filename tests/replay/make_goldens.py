"""Writes the golden sessions that are missing, and never touches one that is there.

Lives here: what each golden session is made of. May import: everything that tests may. Always
holds: a golden is what the engine of its day recorded, sealed; it is never made again, since a
journal made anew by other code would prove nothing about the old one. Its line in ``pins.toml``
says what to expect of it. ``carried_over_v1`` and ``intent_approved_v1`` have no recipe here: code
of earlier days recorded them (test_old_sessions.py says which).
Run from the checkout: ``python -m tests.replay.make_goldens``. Start reading at ``RECIPES``.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from engine.config import DEFAULTS
from engine.opening import fresh_account, opening_facts, session_opened
from engine.rulebook import Rulebook, ist_ns
from engine.runner import Runner, own_code_digest, resume_market
from engine.schedule import facts_of
from events.base import Event
from events.envelope import payload_digest
from events.feed import FeedFrame, FeedStatus
from events.session import ConfigChanged, OperatorCommand, SessionOpened, Setting
from journal.seal import seal_session
from journal.session_folder import make_session_folder
from journal.writer import JournalWriter
from scripts.goldens import GOLDENS, load_pins, pin_of, write_pins
from tests.engine.cut import account, cut_session, group_of, market, whole
from tests.engine.fabricated import SmallMarket, frame_of, relaxed, small_facts, small_rows

Facts = Iterator[tuple[int, Event]]


def _trades() -> Facts:
    """Eight minutes of one underlying: entries, a stop, a time exit; gates per instrument."""
    market = SmallMarket(minutes=8, every_ms=6_000, cadence_ms=15_000)
    config = relaxed(warmup={"bars_min": 2}, instrument_gates={"enabled": True})
    return small_facts(market, config)


def _pages() -> Facts:
    """Forty minutes of a market of pages, one a minute in two frames, with an outage of three."""
    market = SmallMarket(minutes=40, pages=True, silent=(20, 21, 22))
    return small_facts(market, relaxed(warmup={"bars_min": 2}))


def _two_underlyings() -> Facts:
    """Two underlyings that decide within one fact and share one account."""
    names = ("NIFTY", "BANKNIFTY")
    market = SmallMarket(minutes=8, names=names, every_ms=6_000, cadence_ms=10_000)
    return small_facts(market, relaxed())


def _troubled() -> Facts:
    """A lying frame, a lost link, an operator's halt and resumption, limits changed in the day."""
    market = SmallMarket(minutes=10, seed=3, every_ms=6_000, cadence_ms=15_000)
    given = small_facts(market, relaxed(warmup={"bars_min": 2}))
    planted: dict[int, tuple[Event, ...]] = {
        60: (_lying(),),
        75: (ConfigChanged((Setting("risk.trades_day_max", 2),), "risk", "two are enough"),),
        90: (OperatorCommand("HALT", "trader", "the spread looks wrong", None, None, "", "NONE"),),
        105: (OperatorCommand("RESUME", "trader", "it was the depth", None, None, "", "NONE"),),
        120: (FeedStatus(0, "LOST", False, 0), FeedStatus(0, "CONNECTED", True, 27)),
    }
    for place, (ts, event) in enumerate(given):
        yield ts, event
        yield from ((ts, planned) for planned in planted.get(place, ()))


def _generated() -> Facts:
    """The first hour of a generated day under the limits as they ship: a real smile, two expiries,
    warm-up, a trade of either family, a look each minute."""
    rulebook = Rulebook(load_rows())
    market = SyntheticMarket(4, "small", cadence_ms=60_000, rulebook=rulebook)
    rows = rulebook.rows_for(market.day)
    opened = session_opened(market, DEFAULTS, rows, own_code_digest())
    for event in opening_facts(opened, fresh_account(DEFAULTS, market.day), market, rows):
        yield market.anchor_ns, event
    end = ist_ns(market.day, "10:20")
    frames = itertools.takewhile(lambda frame: frame.ts < end, market.frames())
    yield from facts_of(frames, market.cycle_rule, market.open_ns, end)


def _lying() -> FeedFrame:
    """A frame whose one packet says that it is longer than the frame."""
    return frame_of(bytes((0, 1, 1, 0)) + bytes(8))


def _resumed(parent: Path) -> Path:
    """Two underlyings whose engine died within an entry inside a group, and that went on."""
    half = len(whole().entries) // 2
    inside = next(seq for seq in range(half, 2 * half) if group_of(seq) == group_of(seq + 1))
    folder = cut_session(parent, inside, torn_bytes=40)
    resume_market(folder, market(), small_rows(), account())
    return folder


def _recorded(recipe: Callable[[], Facts]) -> Callable[[Path], Path]:
    return lambda parent: record(recipe(), recipe.__name__.strip("_"), parent)


RECIPES: Final[dict[str, Callable[[Path], Path]]] = {
    "trades": _recorded(_trades),
    "pages": _recorded(_pages),
    "two_underlyings": _recorded(_two_underlyings),
    "troubled": _recorded(_troubled),
    "generated": _recorded(_generated),
    "resumed": _resumed,
}
"""Name to what records it into a folder under the one given."""


def record(facts: Facts, name: str, parent: Path) -> Path:
    """Run facts through the engine into a session under ``parent``; gives the folder."""
    first_ts, opened = next(facts)
    assert isinstance(opened, SessionOpened)
    opened = replace(opened, market=replace(opened.market, kind="golden", profile=name))
    uid = payload_digest(opened)[:12]
    day = f"{opened.day // 10_000}-{opened.day // 100 % 100:02}-{opened.day % 100:02}"
    folder = make_session_folder(parent, day=day, mode=opened.mode.lower(), uid=uid)
    with JournalWriter.create(folder, uid) as writer:
        runner = Runner(writer)
        runner.fact(first_ts, opened)
        for ts, event in facts:
            runner.fact(ts, event)
        writer.close()
    return folder


def keep(name: str, folder: Path) -> None:
    """Seal a recorded session and put it among the goldens: its segments alone."""
    seal_session(folder)
    target = GOLDENS / name
    target.mkdir(parents=True)
    for segment in sorted(folder.glob("*.axs")):
        shutil.copyfile(segment, target / segment.name)


def main() -> int:
    """Record what is missing, and pin every session that has no pin; gives the exit code."""
    with tempfile.TemporaryDirectory() as place:
        for name, recipe in RECIPES.items():
            if not (GOLDENS / name).exists():
                keep(name, recipe(Path(place) / name))
    pins = load_pins()
    known = {pin.name for pin in pins}
    fresh = [path for path in sorted(GOLDENS.iterdir()) if path.is_dir() and path.name not in known]
    write_pins([*pins, *(pin_of(path) for path in fresh)])
    sys.stdout.writelines(f"{path.name}\n" for path in fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
