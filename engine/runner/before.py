"""What a new session of an account begins from: the one before it, whatever became of that.

Lives here: the search among a desk's sessions, the closing of those whose engine died, the opening
beside one that is damaged. May import: events, engine, journal. Always holds: the newest session of
the account and mode that held an account decides; none is passed over because it cannot be read; a
damaged one is never changed. The desk's lock must be held.
Start reading at ``before_session``.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.carry import EXITS_ONLY, carry_over
from engine.resume import Rebuilt, Running
from engine.runner import EngineFault, sealing
from engine.runner.reopen import Reopened, told_as_fault
from engine.state import State
from events.envelope import decode_envelope
from events.session import CarriedOver, SessionOpened
from events.upcast import current_event
from journal.close import close_session
from journal.errors import (
    BadSessionName,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalMissing,
)
from journal.files import OS_FILES, Files
from journal.log import WriterOptions
from journal.manifest import read_manifest
from journal.recovery import check_verdict, inspect_session
from journal.salvage import Salvage
from journal.session_folder import parse_session_name
from journal.watermark import held_entries
from journal.writer import DEFAULT_OPTIONS, JournalWriter

_UNSAID: Final = (1 << 63) - 1
"""Of a session without a readable manifest it is not known when it began: it counts as newest."""


class Before(msgspec.Struct, frozen=True):
    """What a session begins from.

    ``resume``: go on with this session. ``carried``: open a new one that begins with this; None
    with no session to resume: the account is new here. ``closed``: sessions that were closed as
    crashed on the way; ``beside``: the damaged one that the new session opens beside.
    """

    resume: Path | None = None
    carried: CarriedOver | None = None
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
    for folder in _newest_first(desk, mode):
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
            carried = _halted(end.carried) if exits_only else end.carried
            return Before(carried=carried, closed=tuple(closed))
    return Before(closed=tuple(closed))


class _End(msgspec.Struct, frozen=True):
    """How an earlier session ended. ``carried`` None: nothing happened in it, or it is not ours."""

    goes_on: bool = False
    was_open: bool = False
    carried: CarriedOver | None = None


_NOTHING: Final = _End()


def _newest_first(desk: Desk, mode: str) -> list[Path]:
    """The sessions of a mode, the one begun last at the front."""
    try:
        names = desk.files.names(desk.sessions)
    except FileNotFoundError:
        return []
    found: list[tuple[int, str]] = []
    for name in names:
        try:
            if parse_session_name(name).mode != mode.lower():
                continue
        except BadSessionName:
            continue
        found.append((_begun_ns(desk, name), name))
    return [desk.sessions / name for _, name in sorted(found, reverse=True)]


def _begun_ns(desk: Desk, name: str) -> int:
    try:
        manifest = read_manifest(desk.sessions / name, files=desk.files)
    except JournalCorrupt:
        return _UNSAID
    return manifest.created_ts if manifest is not None else _UNSAID


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
        return _End(carried=_carried(state, head, ours.day))
    if goes_on and held and not ours.differs_from(opened):
        return _End(goes_on=True)
    state, head = _close_crashed(desk, folder, ours)
    return _End(was_open=True, carried=_carried(state, head, ours.day))


def _opening(desk: Desk, folder: Path) -> tuple[SessionOpened | None, bool]:
    """What can be read of how a session was opened, and whether it held its account."""
    with told_as_fault(folder):
        entries = itertools.islice(Salvage(folder, files=desk.files), 2)
        events = [current_event(decode_envelope(entry.data)) for entry in entries]
    opened = events[0] if events else None
    held = any(isinstance(event, CarriedOver) for event in events)
    return (opened if isinstance(opened, SessionOpened) else None), held


def _carried(state: State, head: bytes, day: int) -> CarriedOver | None:
    if state.carried is None:
        return None
    return carry_over(state, head.hex(), day, orders_unknown=False)


def _read(desk: Desk, folder: Path) -> tuple[State, bytes]:
    """The last state and head hash of a closed session."""
    salvage = Salvage(folder, files=desk.files)
    state = _state_of(salvage)
    if salvage.stopped:
        raise JournalCorrupt(salvage.stopped, path=folder, seq=salvage.seq + 1)
    return state, salvage.chain


def _state_of(salvage: Salvage) -> State:
    rebuilt = Rebuilt()
    with told_as_fault(salvage.folder):
        for entry in salvage:
            rebuilt.take(entry.data)
    return rebuilt.core.state


def _close_crashed(desk: Desk, folder: Path, ours: Running) -> tuple[State, bytes]:
    with sealing(desk.options) as sealed, told_as_fault(folder):
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
    return _halted(carry_over(state, salvage.chain.hex(), day, orders_unknown=True))


def _halted(carried: CarriedOver) -> CarriedOver:
    return replace(carried, halts=(*carried.halts, EXITS_ONLY))
