"""The one impure part of the engine: facts in, whole groups into the journal.

Lives here: opening a session, the loop that drives the core, the digests of code; in ``reopen`` a
session whose engine died, in ``checkpoints`` what is kept of each minute. May import: events,
engine, journal. Always holds: a fact and all it leads to is one group, handed over whole; an urgent
group is durable before the next fact is taken; in a backtest no fact depends on the wall clock.
Start reading at ``run_market``.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from engine import config as settings
from engine.carry import carry_over
from engine.checkpoint import StateError, restored_state
from engine.config import Config
from engine.core import CoreFault, Derived, encode_fact
from engine.ports import Market
from engine.resume import Rebuilt, facts_left
from engine.runner.checkpoints import MinuteStates, checkpointer_of
from engine.schedule import Dated
from engine.state import State
from events.base import Event
from events.envelope import payload_digest
from events.feed import FeedStatus
from events.registry import BY_KIND, BY_STRUCT, schema_digest
from events.session import (
    ArtifactLoaded,
    CarriedOver,
    InstrumentsLoaded,
    RuleRow,
    SessionClosed,
    SessionOpened,
)
from journal.checkpointer import Checkpointer, Counts
from journal.checkpoints import CheckpointKey, Newest, newest_checkpoint
from journal.files import OS_FILES, Files
from journal.log import OpenGroup, WriterOptions
from journal.manifest import describe_session, write_manifest
from journal.seal import spawn_seal
from journal.session_folder import make_session_folder
from journal.writer import DEFAULT_OPTIONS, JournalWriter, OnHashed

SWITCH_INTERVAL_S: Final = 0.0005
"""With the interpreter's default a busy engine thread delays durability by 12 ms (measured)."""

DURABLE_DEADLINE_S: Final = 30.0
BACKTEST: Final = "BACKTEST"
VIRTUAL: Final = "virtual"
UID_CHARS: Final = 12
END_OF_DAY: Final = "END_OF_DAY"


class EngineFault(RuntimeError):  # noqa: N818 - named for the condition
    """The session stopped: the message names the fact and what failed."""


class RunReport(msgspec.Struct, frozen=True):
    """What a run did. ``digest`` is over all derivations, ``head_hash`` of the whole chain."""

    folder: Path
    facts: int
    derivations: int
    ticks: int
    decisions: int
    trades: int
    pnl_paise: int
    digest: str
    head_seq: int
    head_hash: str
    state: State
    checkpoints: Counts


class Runner:
    """Drives one session: ``fact`` takes one fact and journals its group."""

    def __init__(
        self,
        writer: JournalWriter,
        rebuilt: Rebuilt | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        begun = rebuilt or Rebuilt()
        self.core = begun.core
        self.facts = begun.facts
        self.derivations = begun.derivations
        self._writer = writer
        self._digest = begun.digest
        self._minutes = MinuteStates(checkpointer, self.core.state.now)
        self._urgent = frozenset(spec.kind for spec in BY_KIND.values() if spec.urgent)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the derivation envelopes so far, in order."""
        return self._digest.hexdigest()

    def fact(self, ts: int, event: Event) -> None:
        """Apply one fact, journal its group, wait for durability where the group is urgent."""
        self.group(ts, event)

    def group(self, ts: int, event: Event) -> list[Derived]:
        """As ``fact``; gives the derivations.

        A fact on which the core fails is journaled alone before ``CoreFault`` passes, as a group
        whose rest is not known: it came, and what it leads to is still to be derived.
        """
        seq = self._writer.head_seq + 1
        group = [encode_fact(seq, ts, event)]
        urgent = BY_STRUCT[type(event)].urgent
        try:
            derived = self.core.step(seq, ts, event)
        except CoreFault:
            last = self._writer.append(OpenGroup(group))
            self._writer.wait_durable(last, DURABLE_DEADLINE_S)
            raise
        for one in derived:
            group.append(one.data)
            self._digest.update(one.data)
            urgent = urgent or one.entry.kind in self._urgent
        last = self._writer.append(group, self._checkpoint())
        self.facts += 1
        self.derivations += len(group) - 1
        if urgent and not self._writer.wait_durable(last, DURABLE_DEADLINE_S):
            raise EngineFault(
                f"group {seq} was not durable within {DURABLE_DEADLINE_S:.0f} s: check the disk"
            )
        return derived

    def checkpoints(self) -> Counts:
        """What became of the checkpoints of a run that has ended. Raises ``EngineFault`` for a
        state that did not read back from its bytes as itself."""
        try:
            self._minutes.check()
        except StateError as error:
            raise _not_canonical(error) from error
        return self._minutes.counts

    def _checkpoint(self) -> OnHashed | None:
        try:
            return self._minutes.hand_over(self.core.state)
        except StateError as error:
            raise _not_canonical(error) from error


def _not_canonical(error: StateError) -> EngineFault:
    return EngineFault(f"the engine's state has no canonical bytes: {error}")


def checkpoint_key(session_uid: str) -> CheckpointKey:
    """Whose states the checkpoints of a session are, if this code made them."""
    return CheckpointKey(session_uid, own_code_digest(), schema_digest())


def nearest_checkpoint(
    folder: Path,
    session_uid: str,
    *,
    seq: int | None = None,
    ts: int | None = None,
    files: Files = OS_FILES,
) -> Newest[State]:
    """The newest checkpoint of this code at or before entry ``seq``, or session time ``ts``.

    From its state the entries behind it lead on (``Core.take``); without one all of them do, from
    the empty state. Raises nothing: what is in doubt is listed, not used.
    """
    key = checkpoint_key(session_uid)
    return newest_checkpoint(folder, key, restored_state, seq=seq, ts=ts, files=files)


def code_digest(root: Path | None = None) -> str:
    """SHA-256 (hex) of the sorted (path, SHA-256) of the core's source files, the runner apart."""
    base = root or Path(__file__).resolve().parents[2]
    lines = []
    for room in ("engine", "events"):
        for path in sorted((base / room).rglob("*.py")):
            name = path.relative_to(base).as_posix()
            if not name.startswith("engine/runner/"):
                lines.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


@functools.cache
def own_code_digest() -> str:
    """``code_digest`` of the running program."""
    return code_digest()


def rulebook_digest(rows: tuple[RuleRow, ...]) -> str:
    """SHA-256 (hex) of the rows that are journaled."""
    return hashlib.sha256(msgspec.msgpack.encode(rows)).hexdigest()


def session_opened(
    market: Market,
    config: Config,
    rows: tuple[RuleRow, ...],
    mode: str = BACKTEST,
    anchor_ns: int | None = None,
) -> SessionOpened:
    """The identity of a session of this market under this configuration.

    ``anchor_ns`` is where its clock starts, when that is later than the market's day.
    """
    flat = settings.flatten(config)
    return SessionOpened(
        mode=mode,
        day=market.day,
        anchor_ns=market.anchor_ns if anchor_ns is None else anchor_ns,
        rate=0,
        account=VIRTUAL,
        market=market.identity,
        cycle_rule=market.cycle_rule,
        code_digest=own_code_digest(),
        schema_digest=schema_digest(),
        rulebook_digest=rulebook_digest(rows),
        settings=flat,
        settings_digest=settings.digest(flat),
    )


def fresh_account(config: Config, day: int) -> CarriedOver:
    """What a fresh virtual account carries: nothing but its capital."""
    capital = config.account.capital_paise
    return CarriedOver(None, None, day, 0, 0, 0, 0, 0, (), capital, (), (), ())


def carried_from(report: RunReport, day: int) -> CarriedOver:
    """What the next day of the same command carries over from a finished one."""
    return carry_over(report.state, report.head_hash, day, orders_unknown=False)


def opening_facts(
    opened: SessionOpened, carried: CarriedOver, market: Market, rows: tuple[RuleRow, ...]
) -> tuple[Event, ...]:
    """The facts before the first frame, all at the anchor."""
    instruments = market.instruments()
    return (
        opened,
        carried,
        ArtifactLoaded("RULEBOOK", "rulebook", opened.rulebook_digest, rows),
        InstrumentsLoaded(market.dump_digest, instruments),
        FeedStatus(0, "CONNECTED", True, len(instruments)),
    )


def run_market(
    parent: Path,
    market: Market,
    config: Config,
    rows: tuple[RuleRow, ...],
    carried: CarriedOver | None = None,
    program: str = "axiom",
    on_open: Callable[[Path], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    *,
    anchor_ns: int | None = None,
    options: WriterOptions = DEFAULT_OPTIONS,
    files: Files = OS_FILES,
    keep_states: bool = True,
) -> RunReport:
    """Run the engine over a whole day of a market into a new session under ``parent``.

    ``program`` names the program and its version for the manifest. ``on_open`` is told the folder
    once the journal exists, ``on_progress`` the session time now and then. ``anchor_ns`` begins
    later than the market's day, with the facts after it. Without ``keep_states`` there are no
    checkpoints, which are a cache. Segments are sealed by another process as they roll; at return
    the journal is final, its last segment not yet sealed.
    """
    opened = session_opened(market, config, rows, anchor_ns=anchor_ns)
    uid = payload_digest(opened)[:UID_CHARS]
    day, mode = iso_day(opened.day), opened.mode.lower()
    folder = make_session_folder(parent, day=day, mode=mode, uid=uid, files=files)
    about = describe_session(session=folder.name, uid=uid, day=day, mode=mode, program=program)
    write_manifest(folder, about, files=files)
    with (
        sealing(options) as sealed,
        JournalWriter.create(folder, uid, options=sealed, files=files) as writer,
        checkpointer_of(writer, checkpoint_key(uid), files, keep_states) as checkpointer,
    ):
        runner = Runner(writer, checkpointer=checkpointer)
        account = carried or fresh_account(config, market.day)
        for event in opening_facts(opened, account, market, rows):
            runner.fact(opened.anchor_ns, event)
        if on_open is not None:
            on_open(folder)
        drive(runner, market, facts_left(market, runner.core.state, None), on_progress)
        head_seq, head_hash = writer.close()
    return report_of(runner, folder, head_seq, head_hash)


@contextmanager
def sealing(options: WriterOptions) -> Iterator[WriterOptions]:
    """Options under which another process seals each segment that is rolled, unless they say what
    happens then; and the switch interval, for as long as a session runs."""
    sealers: list[subprocess.Popen[bytes]] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        seal = options.on_roll or (lambda path: sealers.append(spawn_seal(path.parent)))
        yield replace(options, on_roll=seal)
    finally:
        sys.setswitchinterval(before)
        for sealer in sealers:
            sealer.wait()


def drive(
    runner: Runner,
    market: Market,
    facts: Iterator[Dated],
    on_progress: Callable[[int], None] | None,
) -> None:
    """Feed a market's facts and close the session at its end."""
    for ts, event in facts:
        runner.fact(ts, event)
        if on_progress is not None and runner.facts % 256 == 0:
            on_progress(ts)
    end = max(runner.core.state.now, market.close_ns)
    runner.fact(end, FeedStatus(0, "ENDED", False, 0))
    runner.fact(end, SessionClosed(END_OF_DAY))


def report_of(runner: Runner, folder: Path, head_seq: int, head_hash: bytes) -> RunReport:
    """The figures of a finished run. Raises as ``Runner.checkpoints``."""
    state = runner.core.state
    return RunReport(
        folder,
        runner.facts,
        runner.derivations,
        state.feed.ticks,
        state.decisions,
        state.trades,
        state.account.realised_paise - state.account.charges_paise,
        runner.digest,
        head_seq,
        head_hash.hex(),
        state,
        runner.checkpoints(),
    )


def iso_day(day: int) -> str:
    """``2026-11-20`` of 20261120."""
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
