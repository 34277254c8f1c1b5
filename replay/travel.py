"""The engine's whole state at any entry of a session.

Lives here: the way to a place in the past. May import: events, the journal's reader, engine. Always
holds: entries are applied as they were recorded, facts and derivations alike, and nothing is
decided anew; so a state is what the engine knew then, also where its code has changed since.
Start reading at ``state_at``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from engine.apply import Entry
from engine.core import Core, CoreFault
from engine.rulebook import hhmmss_of
from engine.runner import nearest_checkpoint, own_code_digest
from engine.state import EMPTY, State
from events.envelope import Envelope, decode_envelope
from events.session import SessionOpened
from events.upcast import current_event
from journal.checkpoints import Newest
from journal.reader import JournalReader
from replay.session import PROGRESS_SEQS, ReplayError, Until, told_as_replay_error

if TYPE_CHECKING:
    from collections.abc import Iterator


class Moment(msgspec.Struct, frozen=True):
    """The state after an entry (``state.seq``; 0 is before the first, the empty state).

    ``began_seq`` is the entry whose state was taken from a checkpoint, 0 where every entry was
    applied. ``discarded`` says of each checkpoint that was in doubt why it was passed over.
    ``other_code``: other code recorded the session; its checkpoints are of no use to this one.
    """

    state: State
    began_seq: int
    discarded: tuple[str, ...]
    other_code: bool


class Before(msgspec.Struct, frozen=True):
    """The state before a fact was applied, and the fact."""

    moment: Moment
    fact: Entry


def state_at(
    folder: Path,
    seq: int,
    *,
    from_start: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Moment:
    """The state after entry ``seq`` of a session (0: before its first).

    ``from_start`` uses no checkpoint. ``on_progress`` is told a seq now and then. Raises
    ``ReplayError`` where the session ends before ``seq`` or this release cannot read or apply an
    entry, and the journal's own errors.
    """
    moment = _travel(folder, Until(seq=seq), from_start, on_progress)
    if moment.state.seq != seq:
        raise ReplayError(f"the session ends at entry {moment.state.seq}: there is no entry {seq}")
    return moment


def state_at_time(
    folder: Path,
    ts: int,
    *,
    from_start: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Moment:
    """The state after the last entry at or before ``ts`` (ns UTC on the session clock).

    Raises as ``state_at``; ``ReplayError`` where the session begins after ``ts``.
    """
    moment = _travel(folder, Until(ts=ts), from_start, on_progress)
    if moment.state.seq == 0:
        begins = hhmmss_of(_envelope_at(folder, 1).ts)
        raise ReplayError(f"there was no state yet: the session begins at {begins} IST")
    return moment


def state_before(
    folder: Path, seq: int, *, on_progress: Callable[[int], None] | None = None
) -> Before:
    """The state before the fact that entry ``seq`` is, or was derived from, and that fact.

    Applying the fact with other limits in force shows what it would have led to. Raises as
    ``state_at``.
    """
    cause = _envelope_at(folder, seq).cause
    fact = _envelope_at(folder, cause)
    with told_as_travel_error():
        entry = applicable(fact)
    return Before(state_at(folder, cause - 1, on_progress=on_progress), entry)


@contextmanager
def told_as_travel_error() -> Iterator[None]:
    """As ``told_as_replay_error``; also an entry that this code cannot apply."""
    try:
        with told_as_replay_error():
            yield
    except CoreFault as error:
        raise ReplayError(str(error)) from error


def _travel(
    folder: Path,
    until: Until,
    from_start: bool,
    on_progress: Callable[[int], None] | None,
) -> Moment:
    """Apply recorded entries up to the limit, from the nearest checkpoint on."""
    near = _NONE if from_start else _nearest(folder, until)
    core = Core(near.state or EMPTY)
    with JournalReader(folder, from_seq=near.seq + 1) as reader, told_as_travel_error():
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if _past(envelope, until):
                break
            core.take(applicable(envelope))
            if on_progress is not None and entry.seq % PROGRESS_SEQS == 0:
                on_progress(entry.seq)
    other_code = _is_other_code(core.state.opened)
    return Moment(core.state, near.seq, () if other_code else near.discarded, other_code)


_NONE: Final[Newest[State]] = Newest(0, None, ())


def _nearest(folder: Path, until: Until) -> Newest[State]:
    with JournalReader(folder) as reader:
        uid = reader.session_uid
    return _NONE if uid is None else nearest_checkpoint(folder, uid, seq=until.seq, ts=until.ts)


def _past(envelope: Envelope, until: Until) -> bool:
    """Whether an entry lies behind the limit; unlike a replay's, a group may be cut."""
    if until.seq is not None:
        return envelope.seq > until.seq
    return until.ts is not None and envelope.ts > until.ts


def applicable(envelope: Envelope) -> Entry:
    """A recorded entry as ``Core.take`` wants it. Raises the errors of reading a payload."""
    return Entry(envelope.seq, envelope.kind, envelope.ts, envelope.cause, current_event(envelope))


def _is_other_code(opened: SessionOpened | None) -> bool:
    return opened is not None and opened.code_digest != own_code_digest()


def _envelope_at(folder: Path, seq: int) -> Envelope:
    """One entry. Raises ``ReplayError`` where the session has none with that seq."""
    if seq < 1:
        raise ReplayError(f"there is no entry {seq}: the first entry of a session is 1")
    with JournalReader(folder, from_seq=seq) as reader, told_as_replay_error():
        entry = next(iter(reader), None)
        if entry is None:
            end = reader.position.seq
            raise ReplayError(f"the session ends at entry {end}: there is no entry {seq}")
        return decode_envelope(entry.data)
