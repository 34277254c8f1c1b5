"""A session whose engine died: taken up again, or closed as it was left and succeeded.

Lives here: the reopening of a journal with the core brought to its end, a market's day gone on
with. May import: events, engine, journal. Always holds: whatever can be refused is refused before a
byte is changed; what is appended first is the rest of the group that was cut; nothing is appended
after a session's close.
Start reading at ``Reopened``, then ``resume_market``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine import config as settings
from engine.carry import carry_over
from engine.checkpoint import state_hash
from engine.config import ConfigError
from engine.core import Core, CoreFault
from engine.decide import CRASHED
from engine.ports import Market
from engine.resume import (
    OTHER_CODE,
    TORN,
    Rebuilt,
    ResumeError,
    Running,
    can_derive,
    check_market,
    facts_left,
    opening_left,
)
from engine.runner import (
    EngineFault,
    Runner,
    RunReport,
    checkpoint_key,
    drive,
    nearest_checkpoint,
    opening_facts,
    own_code_digest,
    report_of,
    rulebook_digest,
    run_market,
    sealing,
)
from engine.runner.checkpoints import checkpointer_of
from engine.state import State
from events.envelope import EnvelopeError, decode_envelope
from events.registry import PayloadError, UnknownKindError, VersionTooNewError, schema_digest
from events.session import CarriedOver, RuleRow, SessionClosed, SessionResumed, TailCut
from events.upcast import current_event
from journal.checkpointer import Checkpointer
from journal.close import close_session
from journal.errors import JournalClosed, JournalError
from journal.files import OS_FILES, Files
from journal.log import WriterOptions
from journal.reader import JournalReader
from journal.recovery import RecoveredTail
from journal.writer import DEFAULT_OPTIONS, JournalWriter

OPENING_ENTRIES: Final = 8
"""The opening facts and what they lead to, unless positions were carried over."""


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


@contextmanager
def told_as_fault(folder: Path) -> Iterator[None]:
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
    with sealing(options) as sealed, told_as_fault(folder):
        # What can be refused is refused before a torn tail is cut.
        _check_opening(folder, market, files)
        try:
            writer, tail = JournalWriter.resume(folder, options=sealed, files=files)
        except JournalClosed:  # a successor may still have to be made of it
            state, head = _left_without_successor(folder, files)
            check_market(market, state)
        else:
            key = checkpoint_key(writer.session_uid)
            with writer, checkpointer_of(writer, key, files) as checkpointer:
                found = Reopened(writer, tail, ours, files, checkpointer)
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
    drive(runner, market, left, on_progress)
