"""Sessions as a dying engine leaves them: a journal that ends at any entry, or within one.

Lives here: a short market with its uninterrupted run, and folders cut where a test wants. May be
used by the tests of every room. Always holds: what stands before the group that was cut was
acknowledged; that group was written and not.
Start reading at ``cut_session``.
"""

from __future__ import annotations

import functools
import itertools
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from engine.checkpoint import state_hash
from engine.config import Config
from engine.core import Core
from engine.opening import fresh_account, session_opened
from engine.resume import Rebuilt
from engine.rulebook import iso_day
from engine.runner import RunReport, own_code_digest
from engine.state import State
from events.base import Event
from events.envelope import Envelope, decode_envelope, payload_digest
from events.feed import FeedFrame, TimerTick
from events.orders import IntentApproved
from events.registry import decode_event
from events.session import CarriedOver, SessionOpened
from journal.block import HEADER_BYTES, parse_header
from journal.close import close_session
from journal.log import WriterOptions
from journal.reader import read_entries
from journal.verify import verify_session
from replay.session import replay_session
from tests.engine.fabricated import (
    CoreRun,
    SmallMarket,
    relaxed,
    run_core,
    small_facts,
    small_rows,
)
from tests.journal.journals import build

ENTRY_BLOCKS = WriterOptions(block_size_bytes=1, sync="at_close")
"""A block an entry: a group can end, on the disk, after any of its entries."""

OTHER = "ab" * 32
"""A digest that nothing has."""

RESUMPTION = ("SessionResumed", "TailCut")


def ran(what: str) -> None:
    """Say how many cases a test went through."""
    sys.stdout.write(f"{what}\n")


def same(opened: SessionOpened) -> SessionOpened:
    """Recorded by the very engine that reopens it."""
    return opened


def other_code(opened: SessionOpened) -> SessionOpened:
    """Recorded by an engine with other code."""
    return replace(opened, code_digest=OTHER)


def market() -> SmallMarket:
    """Six minutes with two trades, every kind of derivation among them."""
    return SmallMarket(minutes=6, every_ms=10_000, cadence_ms=20_000)


@functools.cache
def config() -> Config:
    """Under which it trades."""
    return relaxed(warmup={"bars_min": 2})


@functools.cache
def whole() -> CoreRun:
    """The uninterrupted run."""
    return run_core(small_facts(market(), config()))


def account() -> CarriedOver:
    """What the session begins with."""
    return fresh_account(config(), market().day)


@functools.cache
def state_at(seq: int) -> State:
    """The state after an entry of the uninterrupted run, by its entries alone."""
    rebuilt = Rebuilt(Core(state_at(seq - 1))) if seq else Rebuilt()
    for data in [data for group in datas_of(whole()) for data in group][:seq]:
        rebuilt.take(data)
    return rebuilt.core.state


def group_of(seq: int) -> int:
    """The index of the group that an entry of the uninterrupted run is in."""
    return place_of(datas_of(whole()), seq)


def place_of(groups: Sequence[Sequence[bytes]], seq: int) -> int:
    """The index of the group that entry ``seq`` is in."""
    ends = itertools.accumulate(map(len, groups))
    return next(index for index, end in enumerate(ends) if seq <= end)


def datas_of(run: CoreRun) -> list[tuple[bytes, ...]]:
    """The groups of a run as a journal takes them."""
    return [(group.fact_data, *group.datas) for group in run.groups]


def cut_session(
    parent: Path,
    seq: int,
    torn_bytes: int = 0,
    change: Callable[[SessionOpened], SessionOpened] = same,
) -> Path:
    """A session whose last whole entry is ``seq``, with ``torn_bytes`` of the next one after it.

    ``change`` makes the identity that it was recorded under from the one of this engine.
    """
    opened = session_opened(market(), config(), small_rows(), own_code_digest())
    recorded = change(opened)
    uid = payload_digest(recorded)[:12]
    folder = parent / f"{iso_day(recorded.day)}-backtest-{uid}"
    write_cut(
        folder, datas_of(whole() if recorded == opened else _run_as(recorded)), seq, torn_bytes
    )
    return folder


def write_cut(
    folder: Path, groups: Sequence[tuple[bytes, ...]], seq: int, torn_bytes: int = 0
) -> None:
    """The groups into a new folder, up to entry ``seq`` and a piece of the next."""
    uid = folder.name[-12:]
    if seq == sum(map(len, groups)):
        build(folder, [groups], options=ENTRY_BLOCKS, uid=uid)
        return
    index = place_of(groups, seq + 1)
    segment = build(folder, [groups[:index]], [groups[index]], options=ENTRY_BLOCKS, uid=uid)
    with segment.open("r+b") as file:
        ends = [0, *_block_ends(file.read())]
        assert ends[seq] + torn_bytes < ends[seq + 1], "a whole entry more"
        file.truncate(ends[seq] + torn_bytes)


def cut_again(folder: Path, seq: int, torn_bytes: int = 0) -> None:
    """Take a session back to entry ``seq``, as if its engine had died there."""
    groups: list[tuple[bytes, ...]] = [()]
    for entry in read_entries(folder):
        groups[-1] = (*groups[-1], entry.data)
        if entry.group_end:
            groups.append(())
    shutil.rmtree(folder)
    write_cut(folder, groups[:-1], seq, torn_bytes)


def _run_as(recorded: SessionOpened) -> CoreRun:
    facts = small_facts(market(), config())
    return run_core((ts, recorded if isinstance(e, SessionOpened) else e) for ts, e in facts)


def _block_ends(data: bytes) -> list[int]:
    """Where the blocks of a live segment end, one an entry."""
    ends: list[int] = []
    at = 0
    while at < len(data):
        header = parse_header(data[at : at + HEADER_BYTES])
        at = header.end_offset
        ends += [at] * header.count
    return ends


class Read(NamedTuple):
    """An entry as read back."""

    envelope: Envelope
    data: bytes

    @property
    def event(self) -> Event:
        return decode_event(self.envelope)


def read(folder: Path) -> list[Read]:
    """A session's entries, in order."""
    return [Read(decode_envelope(one.data), one.data) for one in read_entries(folder)]


def derive_unbroken(entries: list[Read]) -> tuple[Core, list[bytes]]:
    """The derivations that an engine which never died makes of the same market facts, at the same
    seqs; with its core at the end. The connection is said once."""
    core = Core()
    derived: list[bytes] = []
    resumed = False
    for one in entries:
        kind = one.envelope.kind
        if kind in RESUMPTION:
            resumed = True
        elif one.envelope.is_fact:
            again = resumed and kind == "FeedStatus" and core.state.feed.connected
            resumed = resumed and kind != "FeedStatus"
            if not again:
                group = core.step(one.envelope.seq, one.envelope.ts, one.event)
                derived += [d.data for d in group]
    return core, derived


def check_session(folder: Path, report: RunReport | None) -> list[Read]:
    """Everything that must hold of a session that ran to its end, however often it died: the same
    market facts, the derivations and the state of an engine that never died, no order twice, and a
    sealed journal that verifies and replays identical. Gives its entries."""
    close_session(folder, None)
    entries = read(folder)
    core, derived = derive_unbroken(entries)
    assert [one.data for one in entries if not one.envelope.is_fact] == derived
    assert market_facts(one.event for one in entries) == market_facts(
        entry.event for entry in whole().entries
    )
    intents = [e.event.intent_id for e in entries if isinstance(e.event, IntentApproved)]
    assert len({*intents}) == len(intents) == whole().core.state.trades
    assert verify_session(folder).ok
    replayed = replay_session(folder)
    assert (replayed.outcome, replayed.unrecorded) == ("identical", 0)
    if report is not None:
        assert state_hash(report.state) == state_hash(core.state)
        assert report.digest == replayed.digest
        assert report.facts + report.derivations == report.head_seq == len(entries)
    return entries


def market_facts(events: Iterable[Event]) -> list[Event]:
    """What came from the market and its clock."""
    return [event for event in events if isinstance(event, FeedFrame | TimerTick)]
