"""Days of ``axiom run --mode sim`` at high speed with faults by chance, judged from the outside.

Lives here: the program that runs one market day a seed, each in a home and at an exchange of its
own, and holds the journal against the exchange's own books. May import: the projectors' side of
events and journal. Always holds: engine and exchange are processes that are only started, asked,
killed and read; what is found wrong names the seed that shows it; a fault kind that never fired is
named, so that nobody takes it for withstood.

    python -m scripts.sim_days                       20 seeds, a whole day each
    python -m scripts.sim_days --seeds 7 8 --at 14:30
    python -m scripts.sim_days --seeds 7 --keep DIR  the homes stay, to be looked at

Start reading at ``day``, then ``CHECKS``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from adapters.exchange_sim.faults import KINDS
from adapters.markets.synthetic_random import SplitMix64, substream
from cli.simulation import ACCOUNT_NAME, LOG_NAME, NOTE_NAME
from events.base import Event
from events.broker import BrokerReport, BrokerSnapshot, BrokerUpdate, OrderLookup
from events.envelope import decode_envelope
from events.feed import FeedFrame, FeedStatus, TimerTick
from events.governance import IncidentRaised
from events.market import FeedHealthChanged
from events.orders import FillApplied, OrderChanged
from events.reasons import BY_CODE
from events.registry import decode_event
from events.session import InstrumentsLoaded, SessionResumed
from journal.reader import read_entries

ROOT: Final = Path(__file__).resolve().parents[1]
SEEDS: Final = tuple(range(1, 21))
SPEED: Final = 400
"""Market seconds a second at which two cores keep up with the market below."""

MARKET: Final = "synthetic:small"
DAY_S: Final = 22_500
"""Market seconds from open to close."""

ANSWER_S: Final = 30.0
SPARE_S: Final = 120.0
"""What a run may take beyond its share of the day."""

NS_PER_S: Final = 1_000_000_000
GAP_NS: Final = 60 * NS_PER_S
"""A silence of the feed that has to be told, in market time; the engine's own limit is less."""

_STREAM: Final = 0x0DA5
TOLD: Final = ("POSITION_DIFFERS", "BROKER_UNREACHABLE", "AUTH_LOST")
"""Incidents that tell a person not to trust the positions that are shown."""

Of = TypeVar("Of", bound=Event)
Key = tuple[str, str, str]
"""Exchange, tradingsymbol, product."""


class Day(msgspec.Struct):
    """What was seen of one day: of the processes, of the journal (ts and event), and of the
    exchange. ``exchange_killed``: its books are those of the moment before."""

    seed: int
    code: int
    said: str
    kills: int
    exchange_killed: bool
    folders: tuple[Path, ...] = ()
    entries: list[tuple[int, Event]] = []
    account: dict[str, Any] = {}
    verdicts: list[str] = []

    def of(self, kind: type[Of]) -> list[Of]:
        """The journal's events of a kind."""
        return [event for _, event in self.entries if isinstance(event, kind)]


# --- the processes -------------------------------------------------------------------------------


def asked(rest: str, path: str) -> Any:
    """What a control of the exchange answers."""
    address = urlsplit(rest)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def axiom(*words: str) -> list[str]:
    """The command line of the program beside this one."""
    return [sys.executable, "-P", "-m", "cli.main", *words]


class Plan(msgspec.Struct, frozen=True):
    """When what is killed, in seconds after the engine's start; None: not at all."""

    engine_s: float | None
    exchange_s: float | None


def plan_of(seed: int, length_s: float) -> Plan:
    """The engine dies in every second day, the exchange in every tenth, at a moment by chance."""
    random = SplitMix64(substream(seed, _STREAM))
    at_s = length_s * random.between(150, 850) / 1_000
    return Plan(at_s if seed % 2 else None, at_s if seed % 10 == 0 else None)


def day(seed: int, home: Path, at: str, speed: int, length_s: float) -> Day:
    """Run one day, and read what is left of it."""
    plan, kills, books = plan_of(seed, length_s), 0, None
    command = axiom(
        "run", "--mode", "sim", "--market", MARKET, "--seed", str(seed), "--speed", str(speed),
        "--at", at, "--faults", f"seed:{seed}", "--headless", "--json", "--home", str(home),
    )  # fmt: skip
    desk = home / "desks/main"
    with (home / "engine.txt").open("w") as said:
        engine = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        try:
            if plan.engine_s is not None and _still_runs(engine, plan.engine_s):
                engine.kill()
                engine.wait()
                kills += 1
                engine = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
            if plan.exchange_s is not None and _still_runs(engine, plan.exchange_s):
                note = json.loads((desk / NOTE_NAME).read_text())
                books = asked(note["rest"], "/sim/account")
                os.kill(note["pid"], signal.SIGKILL)
            code = engine.wait(length_s + SPARE_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            engine.kill()
            engine.wait()
    killed = books is not None
    account = _left(desk / ACCOUNT_NAME) if books is None else books
    text = (home / "engine.txt").read_text() + (desk / LOG_NAME).read_text()
    found = Day(seed, code, text, kills, killed, account=account)
    _read(found, home)
    return found


def _left(path: Path) -> Any:
    """The books that an exchange leaves when it has ended. Raises ``TimeoutError``."""
    until = time.monotonic() + ANSWER_S
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"the exchange left no {path.name}")
        time.sleep(0.1)
    return json.loads(path.read_text())


def _still_runs(engine: subprocess.Popen[bytes], after_s: float) -> bool:
    """Whether it runs after so long."""
    try:
        engine.wait(after_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def _read(found: Day, home: Path) -> None:
    """Each session's journal, and what verify and replay say of it."""
    found.folders = tuple(sorted((home / "desks/main/sessions").glob("20*")))
    found.entries, found.verdicts = [], []
    for folder in found.folders:
        for entry in read_entries(folder):
            envelope = decode_envelope(entry.data)
            if envelope.kind in KEPT:
                found.entries.append((envelope.ts, decode_event(envelope)))
        for verb in ("verify", "replay"):
            words = axiom(verb, str(folder), "--home", str(home), "--json")
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
            outcome = json.loads(done.stdout)["outcome"] if verb == "replay" and done.stdout else ""
            if done.returncode or outcome not in ("", "identical"):
                found.verdicts.append(f"{verb} of {folder.name}: exit {done.returncode} {outcome}"
                                      f" {done.stderr.strip()[-200:]}")  # fmt: skip
            found.said += done.stderr


KEPT: Final = frozenset(
    one.__name__
    for one in (
        BrokerSnapshot, BrokerUpdate, OrderLookup, FeedFrame, FeedStatus, TimerTick, IncidentRaised,
        FeedHealthChanged, FillApplied, OrderChanged, InstrumentsLoaded, SessionResumed,
    )
)  # fmt: skip


# --- what must hold ------------------------------------------------------------------------------


def ended_well(found: Day) -> Iterator[str]:
    """Exit code 0, nothing of a traceback, every journal whole and replayed identical."""
    if found.code != 0:
        yield f"exit code {found.code}: {found.said.strip()[-300:]}"
    if "Traceback" in found.said:
        yield f"a traceback: {found.said[found.said.index('Traceback') :][:1500]}"
    yield from found.verdicts


def incidents_coded(found: Day) -> Iterator[str]:
    """Every incident's code is in the table of reasons."""
    for one in found.of(IncidentRaised):
        if one.code not in BY_CODE:
            yield f"incident {one.incident_id} has the code {one.code}, which nobody knows"


def unknown_told(found: Day) -> Iterator[str]:
    """An order that is still UNKNOWN in the end was told by an incident."""
    last = {one.order_id: one.status for one in found.of(OrderChanged)}
    told = {one.subject for one in found.of(IncidentRaised)}
    for order_id, status in last.items():
        if status == "UNKNOWN" and order_id not in told:
            yield f"order {order_id} is UNKNOWN and nobody was told"


def tags_used_once(found: Day) -> Iterator[str]:
    """No two orders at the exchange carry one tag."""
    tags = Counter(order["tag"] for order in found.account["orders"] if order["tag"])
    for tag, times in tags.items():
        if times > 1:
            yield f"{times} orders carry the tag {tag}"


def never_short(found: Day) -> Iterator[str]:
    """No trade of ours left the exchange's ledger short."""
    own = {order["order_id"] for order in found.account["orders"] if order["tag"]}
    net: Counter[Key] = Counter()
    for trade in found.account["trades"]:
        key = _key(trade)
        sells = trade["transaction_type"] == "SELL"
        net[key] += -trade["quantity"] if sells else trade["quantity"]
        if sells and net[key] < 0 and trade["order_id"] in own:
            yield f"short {-net[key]} of {key[1]} after order {trade['order_id']} of ours"


def positions_agree(found: Day) -> Iterator[str]:
    """At rest ours is what the exchange's own trades leave to us, or a person was told."""
    if found.exchange_killed:
        return
    theirs, ours = _left_to_us(found), _ours(found)
    told = {one.code for one in found.of(IncidentRaised)}
    for symbol in sorted({*theirs, *ours}):
        if theirs[symbol] != ours[symbol] and not told.intersection(TOLD):
            yield f"{symbol}: ours {ours[symbol]}, the exchange's {theirs[symbol]}, nobody was told"


def _left_to_us(found: Day) -> Counter[str]:
    """Units by symbol that are ours by the exchange's trades: what others sell comes out of what
    others hold first."""
    own = {order["order_id"] for order in found.account["orders"] if order["tag"]}
    ours: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for trade in found.account["trades"]:
        symbol, units = trade["tradingsymbol"], trade["quantity"]
        buys = trade["transaction_type"] == "BUY"
        if trade["order_id"] in own:
            ours[symbol] += units if buys else -units
        elif buys:
            others[symbol] += units
        else:
            of_ours = min(max(units - max(others[symbol], 0), 0), max(ours[symbol], 0))
            ours[symbol] -= of_ours
            others[symbol] -= units - of_ours
    return ours


def _ours(found: Day) -> Counter[str]:
    """Units by symbol in the engine's books: its fills."""
    names = [row.tradingsymbol for row in found.of(InstrumentsLoaded)[0].rows]
    ours: Counter[str] = Counter()
    for one in found.of(FillApplied):
        units = one.quantity_units if one.side == "BUY" else -one.quantity_units
        ours[names[one.contract]] += units
    return ours


def updates_kept(found: Day) -> Iterator[str]:
    """What a socket was sent of an order is in the journal, or a later report makes up for it."""
    heard = set()
    known: dict[str, int] = {}
    for ts, event in found.entries:
        for report in _reports(event):
            heard.add((report.broker_order_id, report.status, report.filled_units))
            known[report.broker_order_id] = max(known.get(report.broker_order_id, 0), ts)
    filled: dict[str, int] = {}
    for _, event in found.entries:
        for report in _reports(event):
            before = filled.get(report.broker_order_id, 0)
            filled[report.broker_order_id] = max(before, report.filled_units)
    for one in found.account["updates"]:
        what = (one["order_id"], one["status"], one["filled_quantity"])
        order_id = what[0]
        later = known.get(order_id, 0) >= one["ts"] and filled[order_id] >= what[2]
        if one["heard"] and what not in heard and not later and not found.exchange_killed:
            yield f"the update {what} was sent and is nowhere"


def _reports(event: Event) -> Sequence[BrokerReport]:
    if isinstance(event, BrokerUpdate):
        return (event.report,)
    if isinstance(event, OrderLookup):
        return (event.report,) if event.report is not None else ()
    return event.orders or () if isinstance(event, BrokerSnapshot) else ()


def gaps_told(found: Day) -> Iterator[str]:
    """A silence of the feed is told: as a gap, as a lost connection, or as the engine's own."""
    last, told, silent_s = 0, True, 0
    for ts, event in found.entries:
        if isinstance(event, FeedHealthChanged | FeedStatus | SessionResumed):
            told, silent_s = True, 0  # the end of a silence is said behind the frame that ends it
        elif isinstance(event, FeedFrame):
            if silent_s:
                yield f"{silent_s} s without a frame and without a word"
            silent = bool(last) and ts - last > GAP_NS and not told
            silent_s = (ts - last) // NS_PER_S if silent else 0
            last, told = ts, False


CHECKS: Final[tuple[Callable[[Day], Iterator[str]], ...]] = (
    ended_well, incidents_coded, unknown_told, tags_used_once, never_short, positions_agree,
    updates_kept, gaps_told,
)  # fmt: skip


def _key(trade: dict[str, Any]) -> Key:
    return trade["exchange"], trade["tradingsymbol"], trade["product"]


# --- the program ---------------------------------------------------------------------------------


def faults_of(found: Day) -> set[str]:
    """The kinds that fired, by the exchange's record ``HH:MM:SS kind: what``."""
    return {line.split(" ", 1)[1].partition(":")[0] for line in found.account["faults"]}


def line_of(found: Day, wrong: Sequence[str], took_s: float) -> str:
    """One line of a day."""
    raised = Counter(one.code for one in found.of(IncidentRaised))
    missed = sum(one.missed for one in found.of(TimerTick))
    told = " ".join(f"{code}x{times}" for code, times in sorted(raised.items()))
    return (
        f"seed {found.seed}: {'FAILED' if wrong else 'good'}, {took_s:.0f} s,"
        f" {len(found.account['orders'])} orders, {len(found.account['trades'])} trades,"
        f" {len(found.account['updates'])} updates, {found.kills} kills"
        f"{', exchange killed' if found.exchange_killed else ''}, {missed} cycles missed;"
        f" {len(faults_of(found))} kinds of faults: {' '.join(sorted(faults_of(found)))};"
        f" incidents: {told or 'none'}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the days one after the other; 1 where something was wrong in one."""
    parser = argparse.ArgumentParser(prog="scripts.sim_days", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--speed", type=int, default=SPEED)
    parser.add_argument("--at", default="09:15", help="market time from which the day runs (IST)")
    parser.add_argument("--keep", type=Path, help="where the homes stay")
    given = parser.parse_args(arguments)
    hours, _, minutes = given.at.partition(":")
    length_s = (DAY_S - (int(hours) * 60 + int(minutes) - 555) * 60) / given.speed
    fired: set[str] = set()
    failed: list[int] = []
    for seed in given.seeds:
        home = (given.keep or Path(tempfile.mkdtemp(prefix="sim-days-"))) / f"seed-{seed}"
        home.mkdir(parents=True)
        began = time.monotonic()
        found = day(seed, home, given.at, given.speed, length_s)
        wrong = [f"{check.__name__}: {text}" for check in CHECKS for text in check(found)]
        _say(line_of(found, wrong, time.monotonic() - began))
        for text in wrong:
            _say(f"  seed {seed}: {text}")
        fired |= faults_of(found)
        failed += [seed] if wrong else []
        if given.keep is None:
            shutil.rmtree(home.parent)
    silent = [kind.name for kind in KINDS if kind.name not in fired]
    _say(
        f"{len(given.seeds)} days, {len(fired)} of {len(KINDS)} kinds of faults fired;"
        f" not fired: {' '.join(silent) or 'none'}; failed seeds: {failed or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
