"""The one impure module of the engine: facts in, whole groups into the journal.

Lives here: opening a session, the loop that drives the core, the digests of code. May import:
events, engine, journal. Always holds: a fact and all it leads to is one group, handed over whole;
an urgent group is durable before the next fact is taken; in a backtest no fact depends on the wall
clock.
Start reading at ``run_market``.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
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
from engine.checkpoint import state_hash
from engine.config import Config, ConfigError
from engine.core import CoreFault, Derived, encode_fact
from engine.ports import Market
from engine.resume import (
    Rebuilt,
    ResumeError,
    Running,
    can_derive,
    check_market,
    facts_left,
    opening_left,
)
from engine.schedule import Dated
from engine.state import State
from events.base import Event
from events.envelope import EnvelopeError, decode_envelope, payload_digest
from events.feed import FeedStatus
from events.registry import (
    BY_KIND,
    BY_STRUCT,
    PayloadError,
    UnknownKindError,
    VersionTooNewError,
    schema_digest,
)
from events.session import (
    ArtifactLoaded,
    CarriedOver,
    InstrumentsLoaded,
    RuleRow,
    SessionClosed,
    SessionOpened,
    SessionResumed,
    TailCut,
)
from events.upcast import current_event
from journal.errors import JournalClosed, JournalError
from journal.log import WriterOptions
from journal.manifest import describe_session, write_manifest
from journal.reader import JournalReader
from journal.recovery import RecoveredTail
from journal.seal import spawn_seal
from journal.session_folder import make_session_folder
from journal.writer import DEFAULT_OPTIONS, JournalWriter

SWITCH_INTERVAL_S: Final = 0.0005
"""With the interpreter's default a busy engine thread delays durability by 12 ms (measured)."""

DURABLE_DEADLINE_S: Final = 30.0
BACKTEST: Final = "BACKTEST"
VIRTUAL: Final = "virtual"
UID_CHARS: Final = 12
TORN: Final = "TORN"
OTHER_CODE: Final = "OTHER_CODE"
END_OF_DAY: Final = "END_OF_DAY"
CRASHED: Final = "CRASHED"
OPENING_ENTRIES: Final = 8
"""The opening facts and what they lead to, unless positions were carried over."""


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


class Runner:
    """Drives one session: ``fact`` takes one fact and journals its group."""

    def __init__(self, writer: JournalWriter, rebuilt: Rebuilt | None = None) -> None:
        begun = rebuilt or Rebuilt()
        self.core = begun.core
        self.facts = begun.facts
        self.derivations = begun.derivations
        self._writer = writer
        self._digest = begun.digest
        self._urgent = frozenset(spec.kind for spec in BY_KIND.values() if spec.urgent)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the derivation envelopes so far, in order."""
        return self._digest.hexdigest()

    def fact(self, ts: int, event: Event) -> None:
        """Apply one fact, journal its group, wait for durability where the group is urgent."""
        self.group(ts, event)

    def group(self, ts: int, event: Event) -> list[Derived]:
        """As ``fact``; gives the derivations."""
        seq = self._writer.head_seq + 1
        group = [encode_fact(seq, ts, event)]
        urgent = BY_STRUCT[type(event)].urgent
        derived = self.core.step(seq, ts, event)
        for one in derived:
            group.append(one.data)
            self._digest.update(one.data)
            urgent = urgent or one.entry.kind in self._urgent
        last = self._writer.append(group)
        self.facts += 1
        self.derivations += len(group) - 1
        if urgent and not self._writer.wait_durable(last, DURABLE_DEADLINE_S):
            raise EngineFault(
                f"group {seq} was not durable within {DURABLE_DEADLINE_S:.0f} s: check the disk"
            )
        return derived


def code_digest(root: Path | None = None) -> str:
    """SHA-256 (hex) of the sorted (path, SHA-256) of the core's source files, the runner apart."""
    base = root or Path(__file__).resolve().parent.parent
    lines = []
    for room in ("engine", "events"):
        for path in sorted((base / room).rglob("*.py")):
            name = path.relative_to(base).as_posix()
            if name != "engine/runner.py":
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
) -> RunReport:
    """Run the engine over a whole day of a market into a new session under ``parent``.

    ``program`` names the program and its version for the manifest. ``on_open`` is told the folder
    once the journal exists, ``on_progress`` the session time now and then. ``anchor_ns`` begins
    later than the market's day, with the facts after it. Segments are sealed by another process as
    they roll; at return the journal is final, its last segment not yet sealed.
    """
    opened = session_opened(market, config, rows, anchor_ns=anchor_ns)
    uid = payload_digest(opened)[:UID_CHARS]
    day, mode = iso_day(opened.day), opened.mode.lower()
    folder = make_session_folder(parent, day=day, mode=mode, uid=uid)
    write_manifest(
        folder,
        describe_session(session=folder.name, uid=uid, day=day, mode=mode, program=program),
    )
    with (
        _sealing(options) as sealed,
        JournalWriter.create(folder, uid, options=sealed) as writer,
    ):
        runner = Runner(writer)
        account = carried or fresh_account(config, market.day)
        for event in opening_facts(opened, account, market, rows):
            runner.fact(opened.anchor_ns, event)
        if on_open is not None:
            on_open(folder)
        drive(runner, market, facts_left(market, runner.core.state, None), on_progress)
        head_seq, head_hash = writer.close()
    return report_of(runner, folder, head_seq, head_hash)


@contextmanager
def _sealing(options: WriterOptions) -> Iterator[WriterOptions]:
    """Options under which another process seals each segment that is rolled, and the switch
    interval for as long as a session runs."""
    sealers: list[subprocess.Popen[bytes]] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield replace(options, on_roll=lambda path: sealers.append(spawn_seal(path.parent)))
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


# --- a session whose engine died -----------------------------------------------------------------


class Reopened:
    """A session taken up again, up to its acknowledged end. Nothing is appended yet.

    ``differs`` names what is not as it was at the opening; with any of it the session can only be
    closed. Follow with ``go_on`` or ``close_crashed``.
    """

    def __init__(self, writer: JournalWriter, tail: RecoveredTail, ours: Running) -> None:
        rebuilt = _rebuilt(writer.folder, tail.head_seq - len(tail.incomplete))
        opened = rebuilt.core.state.opened
        self.differs = ours.differs_from(opened) if opened is not None else ()
        self._rest: tuple[bytes, ...] = ()
        if can_derive(self.differs):
            self._rest = rebuilt.rest_of(tail.incomplete) if tail.incomplete else ()
        else:
            for data in tail.incomplete:
                rebuilt.take(data)
        self.folder = writer.folder
        self.last = rebuilt.last
        self.runner = Runner(writer, rebuilt)
        self.crashed = False
        self._writer = writer
        self._tail = tail

    def go_on(self) -> None:
        """Finish the cut group, say what was cut and that the session goes on. Where its close is
        recorded already, nothing but the group's rest follows."""
        assert not self.differs, f"another {self.differs[0]} cannot go on with a session"
        self._finish_group()
        if self.runner.core.state.closed:
            return
        self._say_cut()
        state = self.runner.core.state
        resumed = SessionResumed(state.seq, state_hash(state), self._tail.cut_bytes)
        self.runner.fact(state.now, resumed)

    def close_crashed(self) -> None:
        """Close the session as it was left: nothing is derived for it any more."""
        self._finish_group()
        left_open = bool(self._tail.incomplete) and not self._rest
        if left_open:
            self.runner.fact(self.runner.core.state.now, self._cut(OTHER_CODE))
        elif self.runner.core.state.closed:
            return
        else:
            self._say_cut()
        self.runner.fact(self.runner.core.state.now, SessionClosed(CRASHED))
        self.crashed = True

    def _finish_group(self) -> None:
        if self._rest:
            self._writer.append(self._rest)

    def _say_cut(self) -> None:
        if self._tail.cut_bytes:
            self.runner.fact(self.runner.core.state.now, self._cut(TORN))

    def _cut(self, reason: str) -> TailCut:
        return TailCut(self._tail.head_seq, self._tail.cut_bytes, reason)


def _rebuilt(folder: Path, last_seq: int) -> Rebuilt:
    """The core after entry ``last_seq`` of a journal, its chain checked on the way."""
    rebuilt = Rebuilt()
    with JournalReader(folder) as reader:
        for entry in reader:
            if entry.seq > last_seq:
                break
            rebuilt.take(entry.data)
    return rebuilt


@contextmanager
def _told_as_fault(folder: Path) -> Iterator[None]:
    """A session that cannot be taken up again, as ``EngineFault`` with its folder's name."""
    try:
        yield
    except (
        ResumeError, CoreFault, ConfigError, EnvelopeError, UnknownKindError, VersionTooNewError,
        PayloadError,
    ) as error:  # fmt: skip
        raise EngineFault(f"{folder.name}: {error}") from error


def resume_market(
    folder: Path,
    market: Market,
    rows: tuple[RuleRow, ...],
    carried: CarriedOver | None = None,
    program: str = "axiom",
    on_open: Callable[[Path], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    *,
    options: WriterOptions = DEFAULT_OPTIONS,
) -> RunReport:
    """Go on with a market's session whose engine died, to the end of its day.

    Under other code, schema or rulebook the session is closed as crashed, and a successor beside it
    carries its account over and goes on with the facts after that moment; the report is then the
    successor's. The configuration is the recorded one. ``carried`` is for a session that died
    before it held its account. Raises ``EngineFault`` where the session cannot go on, or ran on
    another market or has a successor, and the journal's errors.
    """
    ours = Running(own_code_digest(), schema_digest(), rulebook_digest(rows), market.day)
    with _sealing(options) as sealed, _told_as_fault(folder):
        # What can be refused is refused before a torn tail is cut.
        _check_opening(folder, market)
        try:
            writer, tail = JournalWriter.resume(folder, options=sealed)
        except JournalClosed:  # a successor may still have to be made of it
            state, head = _left_without_successor(folder)
            check_market(market, state)
        else:
            with writer:
                found = Reopened(writer, tail, ours)
                state = found.runner.core.state
                account = state.carried or carried
                if state.opened is None or account is None:
                    raise ResumeError("it died before it held its account: run it again")
                check_market(market, state)
                settings.from_settings(state.opened.settings)
                if found.differs:
                    found.close_crashed()
                else:
                    _to_the_end(found, market, rows, account, on_open, on_progress)
                head_seq, head = writer.close()
            state = found.runner.core.state
            if not found.crashed:
                return report_of(found.runner, folder, head_seq, head)
        assert state.opened is not None, "a session without its opening has no successor"
        config = settings.from_settings(state.opened.settings)
    carried = carry_over(state, head.hex(), market.day, orders_unknown=False)
    return run_market(
        folder.parent, market, config, rows, carried, program, on_open, on_progress,
        anchor_ns=state.now, options=options,
    )  # fmt: skip


def _check_opening(folder: Path, market: Market) -> None:
    """Refuse another market by what the session acknowledged of its opening."""
    rebuilt = Rebuilt()
    with JournalReader(folder) as reader:
        for entry in itertools.islice(reader, OPENING_ENTRIES):
            rebuilt.take(entry.data)
    if rebuilt.core.state.opened is not None:
        check_market(market, rebuilt.core.state)


def _left_without_successor(folder: Path) -> tuple[State, bytes]:
    """The last state and head hash of a session that was closed as crashed, and that none goes on
    from. Raises ``JournalClosed`` for one that ended in any other way, ``ResumeError`` where there
    is a successor."""
    with JournalReader(folder) as reader:
        rebuilt = Rebuilt()
        for entry in reader:
            rebuilt.take(entry.data)
        head = reader.position.chain
    if rebuilt.ended != CRASHED:
        raise JournalClosed("it ran to its end; run the market anew", path=folder)
    for other in sorted(folder.parent.iterdir()):
        begun = _carried_by(other)
        if begun is not None and begun.previous_head_hash == head.hex():
            raise ResumeError(f"{other.name} goes on from it: resume that one")
    return rebuilt.core.state, head


def _carried_by(folder: Path) -> CarriedOver | None:
    """What a session began with; None where it does not say."""
    try:
        with JournalReader(folder, verify_chain=False) as reader:
            entries = itertools.islice(reader, 2)
            events = [current_event(decode_envelope(entry.data)) for entry in entries]
    except (JournalError, EnvelopeError, UnknownKindError, VersionTooNewError, PayloadError):
        return None
    return next((one for one in events if isinstance(one, CarriedOver)), None)


def _to_the_end(
    found: Reopened,
    market: Market,
    rows: tuple[RuleRow, ...],
    account: CarriedOver,
    on_open: Callable[[Path], None] | None,
    on_progress: Callable[[int], None] | None,
) -> None:
    """What the market has left, into a session that goes on."""
    runner = found.runner
    opened = runner.core.state.opened
    assert opened is not None, "a session without its opening does not go on"
    # Both may refuse, so both come before anything is appended.
    left = facts_left(market, runner.core.state, found.last)
    opening = opening_left(runner.core.state, opening_facts(opened, account, market, rows))
    found.go_on()
    if runner.core.state.closed:
        return
    for event in opening:
        runner.fact(runner.core.state.now, event)
    if on_open is not None:
        on_open(found.folder)
    drive(runner, market, left, on_progress)


def report_of(runner: Runner, folder: Path, head_seq: int, head_hash: bytes) -> RunReport:
    """The figures of a finished run."""
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
    )


def iso_day(day: int) -> str:
    """``2026-11-20`` of 20261120."""
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
