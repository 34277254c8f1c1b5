"""The one impure part of the engine: facts in, whole groups into the journal.

Lives here: the loop that drives the core, a market's day, a session whose engine died, what a new
session begins from, the digests of code. May import: events, engine, journal. Always holds: a fact
and all it leads to is one group, handed over whole; an urgent group is durable before the next fact
is taken; in a backtest no fact depends on the wall clock; whatever can be refused of a session is
refused before a byte of it is changed, and nothing is appended after its close.
Start reading at ``run_market``, then ``resume_market``.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from engine import config as settings
from engine.carry import carried_on, carry_over, halted_but_for_exits
from engine.checkpoint import StateError, checked_bytes, restored_state, state_hash
from engine.config import Config
from engine.core import Core, CoreFault, Derived, fact_bytes
from engine.decide import CRASHED
from engine.opening import (
    OPENING_ENTRIES,
    fresh_account,
    opening_facts,
    rulebook_digest,
    session_opened,
)
from engine.ports import Market
from engine.resume import (
    OTHER_CODE,
    TORN,
    EngineFault,
    Rebuilt,
    ResumeError,
    Running,
    account_of,
    can_derive,
    check_market,
    facts_left,
    opening_left,
    told_as_fault,
)
from engine.rulebook import iso_day
from engine.schedule import drive
from engine.state import State
from events.base import Event
from events.envelope import EnvelopeError, decode_envelope, payload_digest
from events.registry import (
    BY_KIND,
    BY_STRUCT,
    PayloadError,
    UnknownKindError,
    VersionTooNewError,
    schema_digest,
)
from events.session import (
    CarriedOver,
    RuleRow,
    SessionClosed,
    SessionOpened,
    SessionResumed,
    TailCut,
)
from events.upcast import current_event
from journal.checkpointer import Checkpointer, Counts, EachMinute, checkpointer_of
from journal.checkpoints import CheckpointKey, Newest, newest_checkpoint
from journal.close import close_session
from journal.cuts import untold_bytes
from journal.errors import (
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalMissing,
)
from journal.files import OS_FILES, Files
from journal.log import OpenGroup, WriterOptions
from journal.manifest import describe_session, sessions_newest_first, write_manifest
from journal.reader import JournalReader
from journal.recovery import RecoveredTail, check_verdict, inspect_session
from journal.salvage import Salvage
from journal.seal import sealing
from journal.session_folder import make_session_folder
from journal.watermark import held_entries
from journal.writer import DEFAULT_OPTIONS, JournalWriter, OnHashed

DURABLE_DEADLINE_S: Final = 30.0
UID_CHARS: Final = 12
RUNNER: Final = "engine/runner.py"
"""What the code digest leaves out: nothing in here decides what is derived."""


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
        self._minutes = EachMinute(checked_bytes, checkpointer, self.core.now)
        self._urgent = frozenset(spec.kind for spec in BY_KIND.values() if spec.urgent)
        self._urgent_seq = 0

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the derivation envelopes so far, in order."""
        return self._digest.hexdigest()

    @property
    def now(self) -> int:
        """Session time of the last fact, ns UTC."""
        return self.core.now

    @property
    def takes_frames(self) -> bool:
        """Whether the disk has room for them: of a full one the reserve is for all else."""
        return not self._writer.disk_full

    def fact(self, ts: int, event: Event) -> None:
        """Apply one fact, journal its group, wait for durability where the group is urgent."""
        self.group(ts, event)

    def group(self, ts: int, event: Event) -> list[Derived]:
        """As ``fact``; gives the derivations."""
        derived = self.append(ts, event)
        self.settle()
        return derived

    def append(self, ts: int, event: Event) -> list[Derived]:
        """Apply one fact and journal its group without waiting; gives the derivations.

        A fact on which the core fails is journaled alone before ``CoreFault`` passes, as a group
        whose rest is not known: it came, and what it leads to is still to be derived.
        """
        seq = self._writer.head_seq + 1
        group = [fact_bytes(seq, ts, event)]
        urgent = BY_STRUCT[type(event)].urgent
        try:
            derived = self.core.step(seq, ts, event)
        except CoreFault:
            last = self._writer.append(OpenGroup(group), essential=True)
            self._writer.wait_durable(last, DURABLE_DEADLINE_S)
            raise
        if derived:
            datas = [one.data for one in derived]
            self._digest.update(b"".join(datas))
            group += datas
            urgent = urgent or any(one.entry.kind in self._urgent for one in derived)
        last = self._writer.append(group, self._checkpoint(), essential=True)
        self.facts += 1
        self.derivations += len(group) - 1
        if urgent:
            self._urgent_seq = last
        return derived

    def settle(self) -> None:
        """Wait until every urgent group so far is on the disk. Raises ``EngineFault``."""
        last, self._urgent_seq = self._urgent_seq, 0
        if last and not self._writer.wait_durable(last, DURABLE_DEADLINE_S):
            raise EngineFault(
                f"entry {last} was not durable within {DURABLE_DEADLINE_S:.0f} s: check the disk"
            )

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
            return self._minutes.hand_over(lambda: self.core.state, self.core.now)
        except StateError as error:
            raise _not_canonical(error) from error


def _not_canonical(error: StateError) -> EngineFault:
    return EngineFault(f"the engine's state has no canonical bytes: {error}")


# --- this code, and the states it kept -----------------------------------------------------------


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
    base = root or Path(__file__).resolve().parents[1]
    lines = []
    for room in ("engine", "events"):
        for path in sorted((base / room).rglob("*.py")):
            name = path.relative_to(base).as_posix()
            if name != RUNNER:
                lines.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


@functools.cache
def own_code_digest() -> str:
    """``code_digest`` of the running program."""
    return code_digest()


# --- a market's day ------------------------------------------------------------------------------


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
    opened = session_opened(market, config, rows, own_code_digest(), anchor_ns=anchor_ns)
    uid = payload_digest(opened)[:UID_CHARS]
    day, mode = iso_day(opened.day), opened.mode.lower()
    folder = make_session_folder(parent, day=day, mode=mode, uid=uid, files=files)
    about = describe_session(session=folder.name, uid=uid, day=day, mode=mode, program=program)
    write_manifest(folder, about, files=files)
    with (
        sealing(options) as sealed,
        JournalWriter.create(folder, uid, options=sealed, files=files) as writer,
        checkpointer_of(folder, checkpoint_key(uid), 0, files, keep=keep_states) as checkpointer,
    ):
        runner = Runner(writer, checkpointer=checkpointer)
        account = carried or fresh_account(config, market.day)
        for event in opening_facts(opened, account, market, rows):
            runner.fact(opened.anchor_ns, event)
        if on_open is not None:
            on_open(folder)
        drive(runner, facts_left(market, runner.core.state, None), market.close_ns, on_progress)
        head_seq, head_hash = writer.close()
    return report_of(runner, folder, head_seq, head_hash)


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


def carried_from(report: RunReport, day: int) -> CarriedOver:
    """What the next day of the same command carries over from a finished one."""
    return carry_over(report.state, report.head_hash, day, orders_unknown=False)


# --- a session whose engine died -----------------------------------------------------------------


class Reopened:
    """A session taken up again, up to its acknowledged end. Nothing is appended yet.

    ``differs`` names what is not as it was at the opening; with any of it the session can only be
    closed. Follow with ``go_on`` or ``close_crashed``.
    """

    def __init__(
        self,
        writer: JournalWriter,
        tail: RecoveredTail,
        ours: Running,
        files: Files = OS_FILES,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        whole_seq = tail.head_seq - len(tail.incomplete)
        rebuilt = _rebuilt(writer.folder, writer.session_uid, whole_seq, files)
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
        self.runner = Runner(writer, rebuilt, checkpointer)
        self.crashed = False
        self._writer = writer
        self._tail = tail
        self._untold = untold_bytes(writer.folder, tail, rebuilt.told_seq, files=files)

    def go_on(self) -> None:
        """Finish the cut group, say what was cut and that the session goes on. Where its close is
        recorded already, nothing but the group's rest follows."""
        assert not self.differs, f"another {self.differs[0]} cannot go on with a session"
        self._finish_group()
        if self.runner.core.state.closed:
            return
        self._say_cut()
        state = self.runner.core.state
        self.runner.fact(state.now, SessionResumed(state.seq, state_hash(state), self._untold))
        if state.desk.amending is not None:  # it died between an accepted command and its fact
            self.runner.fact(state.now, state.desk.amending)
        if state.desk.setting is not None:
            self.runner.fact(state.now, state.desk.setting)

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
        if self._untold:
            self.runner.fact(self.runner.core.state.now, self._cut(TORN))

    def _cut(self, reason: str) -> TailCut:
        return TailCut(self._tail.head_seq, self._untold, reason)


def _rebuilt(folder: Path, session_uid: str, last_seq: int, files: Files) -> Rebuilt:
    """The core after entry ``last_seq`` of a journal, its chain checked on the way.

    From the newest checkpoint that is not in doubt, else from the empty state: the same core.
    """
    near = nearest_checkpoint(folder, session_uid, seq=last_seq, files=files)
    rebuilt = Rebuilt(Core(near.state) if near.state is not None else None)
    with JournalReader(folder, files=files) as reader:
        for entry in reader:
            if entry.seq > last_seq:
                break
            rebuilt.take(entry.data)
    return rebuilt


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
    files: Files = OS_FILES,
) -> RunReport:
    """Go on with a market's session whose engine died, to the end of its day.

    Under other code, schema or rulebook the session is closed as crashed, and a successor beside it
    carries its account over and goes on with the facts after that moment; the report is then the
    successor's. The configuration is the recorded one. ``carried`` is for a session that died
    before it held its account. Raises ``EngineFault`` where the session cannot go on, or ran on
    another market or has a successor, and the journal's errors.
    """
    ours = Running(own_code_digest(), schema_digest(), rulebook_digest(rows), market.day)
    with sealing(options) as sealed, told_as_fault(folder.name):
        # What can be refused is refused before a torn tail is cut.
        _check_opening(folder, market, files)
        try:
            writer, tail = JournalWriter.resume(folder, options=sealed, files=files)
        except JournalClosed:  # a successor may still have to be made of it
            state, head = _left_without_successor(folder, files)
            check_market(market, state)
            account_of(state, carried)
        else:
            key = checkpoint_key(writer.session_uid)
            with writer, checkpointer_of(folder, key, writer.head_seq, files) as checkpointer:
                found = Reopened(writer, tail, ours, files, checkpointer)
                state = found.runner.core.state
                account = account_of(state, carried)
                check_market(market, state)
                assert state.opened is not None, "a session with an account was opened"
                settings.of_session(state.opened.settings)
                if found.differs:
                    found.close_crashed()
                else:
                    _to_the_end(found, market, rows, account, on_open, on_progress)
                head_seq, head = writer.close()
            state = found.runner.core.state
            if not found.crashed:
                return report_of(found.runner, folder, head_seq, head)
        assert state.opened is not None, "a session without its opening has no successor"
        config = settings.of_session(state.opened.settings)
    carried = carried_on(state, head, market.day) or carried
    return run_market(
        folder.parent, market, config, rows, carried, program, on_open, on_progress,
        anchor_ns=state.now, options=options, files=files,
    )  # fmt: skip


def _check_opening(folder: Path, market: Market, files: Files) -> None:
    """Refuse another market by what the session acknowledged of its opening."""
    rebuilt = Rebuilt()
    with JournalReader(folder, files=files) as reader:
        for entry in itertools.islice(reader, OPENING_ENTRIES):
            rebuilt.take(entry.data)
    if rebuilt.core.state.opened is not None:
        check_market(market, rebuilt.core.state)


def _left_without_successor(folder: Path, files: Files) -> tuple[State, bytes]:
    """The last state and head hash of a session that was closed as crashed, or by a person without
    an engine, and that none goes on from. Raises ``JournalClosed`` for one that ended in any other
    way, ``ResumeError`` where there is a successor."""
    # A death right after the final block may have left the watermark, and readers, behind it.
    close_session(folder, None, files=files)
    with JournalReader(folder, files=files) as reader:
        rebuilt = Rebuilt()
        for entry in reader:
            rebuilt.take(entry.data)
        head = reader.position.chain
    if rebuilt.ended not in (CRASHED, None):
        raise JournalClosed("it ran to its end; run the market anew", path=folder)
    for name in files.names(folder.parent):
        begun = _carried_by(folder.parent / name, files)
        if begun is not None and begun.previous_head_hash == head.hex():
            raise ResumeError(f"{name} goes on from it: resume that one")
    return rebuilt.core.state, head


def _carried_by(folder: Path, files: Files) -> CarriedOver | None:
    """What a session began with; None where it does not say."""
    try:
        with JournalReader(folder, verify_chain=False, files=files) as reader:
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
    drive(runner, left, market.close_ns, on_progress)


# --- what a new session begins from --------------------------------------------------------------


class Before(msgspec.Struct, frozen=True):
    """What a session begins from.

    ``resume``: go on with this session. ``carried``: open a new one that begins with this; None
    with no session to resume: the account is new here, else ``ended`` is the state in which the
    session before ended. ``closed``: sessions that were closed as crashed on the way; ``beside``:
    the damaged one that the new session opens beside.
    """

    resume: Path | None = None
    carried: CarriedOver | None = None
    ended: State | None = None
    closed: tuple[Path, ...] = ()
    beside: Path | None = None


class Desk(msgspec.Struct, frozen=True):
    """Where a desk's sessions and its ledger are, and the files they are on."""

    sessions: Path
    ledger: Path | None
    options: WriterOptions = DEFAULT_OPTIONS
    files: Files = OS_FILES


def before_session(
    desk: Desk, ours: Running, mode: str, account: str, *, exits_only: bool = False
) -> Before:
    """What the session of ``ours.day`` begins from, after closing what a dead engine left open.

    ``exits_only``: a session of its own that enters nothing (halt ``GOV_EXITS_ONLY``), opened
    beside a damaged one too: then with the last state that can be read of it, and every order that
    worked there as unknown. Raises ``EngineFault`` beside a damaged session without ``exits_only``,
    or where nothing of it can be read, and ``JournalLocked`` where an engine still runs.
    """
    closed: list[Path] = []
    for folder in sessions_newest_first(desk.sessions, mode, files=desk.files):
        try:
            end = _ended(desk, folder, ours, account, goes_on=not exits_only)
        except JournalLocked:
            raise
        except (JournalError, EngineFault) as damage:
            if not exits_only:
                raise EngineFault(
                    f"{folder.name} cannot be taken up: {damage}. 'axiom verify' names the damage; "
                    "--exits-only opens a session beside it that only exits"
                ) from damage
            carried = _beside(desk, folder, ours.day)
            return Before(carried=carried, closed=tuple(closed), beside=folder)
        closed += [folder] * end.was_open
        if end.goes_on:
            return Before(resume=folder, closed=tuple(closed))
        if end.carried is not None:
            carried = halted_but_for_exits(end.carried) if exits_only else end.carried
            return Before(carried=carried, ended=end.state, closed=tuple(closed))
    return Before(closed=tuple(closed))


class _End(msgspec.Struct, frozen=True):
    """How an earlier session ended. ``carried`` None: nothing happened in it, or it is not ours."""

    goes_on: bool = False
    was_open: bool = False
    carried: CarriedOver | None = None
    state: State | None = None


_NOTHING: Final = _End()


def _ended(desk: Desk, folder: Path, ours: Running, account: str, *, goes_on: bool) -> _End:
    """Bring one earlier session to its end. Raises the journal's refusals, ``EngineFault``."""
    opened, held = _opening(desk, folder)
    if opened is not None and opened.account != account:
        return _NOTHING
    try:
        found = inspect_session(folder, files=desk.files)
    except JournalMissing:
        if held_entries(folder, desk.files):
            raise
        return _NOTHING  # it died before its journal was made
    check_verdict(found)
    if found.scan.end_seq == 0:
        return _NOTHING  # nor was anything durable in it
    if opened is None:
        raise JournalCorrupt("it does not begin with SessionOpened", path=folder)
    if found.closed:
        # Whatever its engine had still to do after the final block.
        close_session(folder, desk.ledger, files=desk.files)
        state, head = _read(desk, folder)
        return _End(carried=carried_on(state, head, ours.day), state=state)
    if goes_on and held and not ours.differs_from(opened):
        return _End(goes_on=True)
    state, head = close_crashed(desk, folder, ours)
    return _End(was_open=True, carried=carried_on(state, head, ours.day), state=state)


def _opening(desk: Desk, folder: Path) -> tuple[SessionOpened | None, bool]:
    """What can be read of how a session was opened, and whether it held its account."""
    with told_as_fault(folder.name):
        entries = itertools.islice(Salvage(folder, files=desk.files), 2)
        events = [current_event(decode_envelope(entry.data)) for entry in entries]
    opened = events[0] if events else None
    held = any(isinstance(event, CarriedOver) for event in events)
    return (opened if isinstance(opened, SessionOpened) else None), held


def _read(desk: Desk, folder: Path) -> tuple[State, bytes]:
    """The last state and head hash of a closed session."""
    salvage = Salvage(folder, files=desk.files)
    state = _state_of(salvage)
    if salvage.stopped:
        raise JournalCorrupt(salvage.stopped, path=folder, seq=salvage.seq + 1)
    return state, salvage.chain


def _state_of(salvage: Salvage) -> State:
    rebuilt = Rebuilt()
    with told_as_fault(salvage.folder.name):
        for entry in salvage:
            rebuilt.take(entry.data)
    return rebuilt.core.state


def close_crashed(desk: Desk, folder: Path, ours: Running) -> tuple[State, bytes]:
    """End a session whose engine died, as it was left; gives its last state and head hash. Raises
    ``EngineFault`` where it cannot be taken up, and the journal's errors."""
    with sealing(desk.options) as sealed, told_as_fault(folder.name):
        writer, tail = JournalWriter.resume(folder, options=sealed, files=desk.files)
        with writer:
            found = Reopened(writer, tail, ours, desk.files)
            found.close_crashed()
            _, head = writer.close()
    close_session(folder, desk.ledger, files=desk.files)
    return found.runner.core.state, head


def _beside(desk: Desk, folder: Path, day: int) -> CarriedOver:
    """What can still be known of a damaged session, for one that only exits."""
    salvage = Salvage(folder, files=desk.files)
    state = _state_of(salvage)
    if state.carried is None:
        raise EngineFault(
            f"nothing of {folder.name} can be read, so what the account holds is not known here: "
            "look at the broker's own books"
        )
    return halted_but_for_exits(carry_over(state, salvage.chain.hex(), day, orders_unknown=True))
