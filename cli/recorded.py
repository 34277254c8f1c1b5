"""What a session's folder says of itself, without running anything.

Lives here: the opening fact of a session, its state, its row in a list. May import: events,
journal, ``cli``. Always holds: nothing in the folder is written, or locked for longer than a look;
damage is a state in a list and a ``UserError`` where a verb needs the session.
Start reading at ``session_row``.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from pathlib import Path
from typing import Final

import msgspec

from cli.errors import UserError, exit_code_of
from cli.output import clean
from engine.opening import OPENING_ENTRIES
from events.base import Event
from events.envelope import EnvelopeError, decode_envelope
from events.session import Instrument, InstrumentsLoaded, SessionOpened
from events.upcast import current_event
from journal.errors import JournalError, WatermarkDamaged
from journal.ledger import STATE_CLOSED, LedgerRecord
from journal.reader import JournalReader, Position
from journal.segment import list_segments
from journal.watermark import read_watermark
from journal.writer import LOCK_NAME

RUNNING: Final = "running"
OPEN: Final = "open"
CRASHED: Final = "crashed"
CLOSED: Final = "closed"
SEALED: Final = "sealed"
DAMAGED: Final = "damaged"
MISSING: Final = "missing"

_BEYOND_ANY_SEQ: Final = (1 << 62) - 1


class SessionRow(msgspec.Struct, frozen=True):
    """One session in a list. ``day`` is YYYY-MM-DD; ``head_hash`` is lower-case hex.

    ``state``: ``running`` (its writer holds the lock), ``open`` (no final block, its writer has
    let go), ``crashed`` (no final block, its writer died), ``closed``, ``sealed``, ``damaged``
    (see ``axiom verify``), ``missing`` (in the ledger, and its folder is gone). None is what a
    damaged session does not say.
    """

    session: str
    desk: str
    mode: str | None
    day: str | None
    state: str
    entries: int | None
    head_hash: str | None


def session_row(folder: Path, desk: str) -> SessionRow:
    """The row of a session's folder; never raises for damage."""
    from engine.rulebook import iso_day

    try:
        opened = first_fact(folder)
        state, end = state_and_end(folder)
    except (JournalError, UserError):
        return _row_without_fact(folder, desk)
    mode, day = opened.mode, iso_day(opened.day)
    return SessionRow(folder.name, desk, mode, day, state, end.seq, end.chain.hex())


def _row_without_fact(folder: Path, desk: str) -> SessionRow:
    """The row of a session that has no entry yet, or is damaged."""
    try:
        state, end = state_and_end(folder)
    except JournalError:
        state, end = DAMAGED, None
    if end is None or end.seq:
        return SessionRow(folder.name, desk, None, None, DAMAGED, None, None)
    mode, day = _mode_and_day(folder.name)
    return SessionRow(folder.name, desk, mode, day, state, 0, end.chain.hex())


def missing_row(record: LedgerRecord, desk: str) -> SessionRow:
    """The row of a session that the ledger knows and whose folder is gone."""
    mode, day = _mode_and_day(record.session)
    return SessionRow(record.session, desk, mode, day, MISSING, record.head_seq, record.head_hash)


def _mode_and_day(name: str) -> tuple[str, str]:
    """By the folder's name."""
    return name[11:].partition("-")[0].upper(), name[:10]


def is_missing(record: LedgerRecord, folder: Path) -> bool:
    """Whether a closed session of the ledger has no folder under ``folder`` any more."""
    return record.state == STATE_CLOSED and not (folder / record.session).is_dir()


def state_and_end(folder: Path) -> tuple[str, Position]:
    """A session's state and its acknowledged end. Raises the journal's errors."""
    segments = list_segments(folder)
    try:
        mark = read_watermark(folder)
    except WatermarkDamaged:
        if any(not segment.sealed for segment in segments):
            raise
        with JournalReader(folder, from_seq=_BEYOND_ANY_SEQ) as reader:
            return SEALED, reader.position  # sealed segments speak for themselves
    end = Position(mark.seq, mark.chain)
    if mark.closed:
        return (SEALED if all(not s.live for s in segments) else CLOSED), end
    return _unfinished(folder / LOCK_NAME), end


def _unfinished(lock: Path) -> str:
    """The writer's lock tells: held, left in order (empty), or left by a death (its text)."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return OPEN
    try:
        if not os.fstat(handle).st_size:
            return OPEN
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return RUNNING
    finally:
        os.close(handle)
    return CRASHED


def is_running(folder: Path) -> bool:
    """Whether a writer holds the session now."""
    return _unfinished(folder / LOCK_NAME) == RUNNING


def instruments_of(folder: Path) -> tuple[Instrument, ...]:
    """The instruments that a session began with; none where its opening does not hold them."""
    loaded = (one for one in opening_of(folder) if isinstance(one, InstrumentsLoaded))
    return next((one.rows for one in loaded), ())


def opening_of(folder: Path) -> tuple[Event, ...]:
    """A session's opening facts with what they led to, as far as they can be read; whoever needs
    the session itself is told of damage elsewhere."""
    events: list[Event] = []
    try:
        with JournalReader(folder, verify_chain=False) as reader:
            for entry in itertools.islice(reader, OPENING_ENTRIES):
                events.append(current_event(decode_envelope(entry.data)))
    except (JournalError, EnvelopeError, ValueError):
        return tuple(events)
    return tuple(events)


def first_fact(folder: Path) -> SessionOpened:
    """The fact that opened the session. ``UserError`` where there is none, or a damaged one."""
    try:
        with JournalReader(folder, verify_chain=False) as reader:
            data = next((entry.data for entry in reader), None)
        event = None if data is None else current_event(decode_envelope(data))
    except (JournalError, EnvelopeError, ValueError) as error:
        raise UserError(clean(str(error)), exit_code=exit_code_of(error)) from error
    if data is None:
        raise UserError(
            f"{folder} holds no entry: its engine has yet to write one, or died before that; then "
            f"'axiom journal seal {folder.name} --close' ends it"
        )
    if not isinstance(event, SessionOpened):
        raise UserError(f"{folder} holds no session of ours: it begins with no SessionOpened")
    return event
