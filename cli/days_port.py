"""The desk's sessions, as the screen asks for them.

Lives here: ``DeskLibrary``. May import: ``cli``, events, journal. Always holds: nothing is written
but the verdicts of replays, into the home; of a journal only its end is read; damage is
a row with its line.
Start reading at ``DeskLibrary.days``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cli.diverged import ReplayDocument, replay_document
from cli.errors import UserError
from cli.paths import list_sessions, resolve_session
from cli.recorded import DAMAGED, SessionRow, is_running, session_row
from cli.verdicts import KeptVerdicts
from events.base import Event
from events.decision import DecisionMade
from events.envelope import Envelope, EnvelopeError, decode_envelope
from events.governance import IncidentRaised
from events.orders import SessionSummarised
from events.session import SessionClosed
from events.upcast import current_event
from journal.errors import JournalError
from journal.reader import JournalReader
from tui.fmt import group_indian
from tui.ports import Day, Opened, Parity

TAIL_ENTRIES: Final = 4_000
"""So much of a journal's end is read: the last decision of each underlying, and the summary."""

_READ: Final = frozenset(
    kind.__name__ for kind in (DecisionMade, IncidentRaised, SessionClosed, SessionSummarised)
)


class DeskLibrary:
    """The sessions of one desk in one home."""

    def __init__(self, home: Path, desk: str) -> None:
        self._home, self._desk = home, desk
        self._kept = KeptVerdicts(home, desk)

    def days(self) -> tuple[Day, ...]:
        """All of them, the one begun last first."""
        folders = reversed(list_sessions(self._home, self._desk))
        kept = self._kept.load()
        return tuple(
            msgspec.structs.replace(
                _day(folder, session_row(folder, self._desk)), parity=kept.get(folder.name)
            )
            for folder in folders
        )

    def find(self, session: str) -> Opened:
        """One of them. Raises ``LookupError``."""
        try:
            folder = resolve_session(self._home, self._desk, session)
        except UserError as error:
            raise LookupError(str(error)) from error
        return Opened(folder.name, folder, is_running(folder))

    def newest(self) -> Opened | None:
        """The one begun last, None where there is none or where it has no entry yet."""
        folders = list_sessions(self._home, self._desk)
        if not folders:
            return None
        folder = folders[-1]
        return Opened(folder.name, folder, is_running(folder))

    def replay(self, session: str) -> Parity:
        """The verdict of ``axiom replay`` in a process of its own: it needs a core for a while."""
        before = self._row(session)
        words = ("--home", str(self._home), "--desk", self._desk)
        try:
            found = replay_document(session, *words)
        except ValueError as error:
            return Parity(f"no verdict: {error}")
        parity = _parity(found, before, self._row(session))
        try:
            self._kept.keep(before.session if before is not None else session, parity)
        except OSError as error:
            return msgspec.structs.replace(parity, unkept=error.strerror or str(error))
        return parity

    def _row(self, session: str) -> SessionRow | None:
        try:
            folder = resolve_session(self._home, self._desk, session)
        except UserError:
            return None
        return session_row(folder, self._desk)


def _parity(report: ReplayDocument, before: SessionRow | None, after: SessionRow | None) -> Parity:
    """The verdict with the end that it is about: the one of the rows that the replay came to."""
    rows = [row for row in (before, after) if row is not None]
    ends = [row for row in rows if report.head_seq in (row.entries, None)]
    recorded, here = (None, None) if report.makings is None else report.makings.code
    return Parity(
        report.outcome or DAMAGED,
        report.identical,
        report.head_seq if report.head_seq is not None else (ends[0].entries if ends else None),
        ends[0].head_hash if ends else None,
        recorded,
        here,
        None if report.first_divergence is None else report.first_divergence.seq,
    )


def _day(folder: Path, row: SessionRow) -> Day:
    day = Day(
        session=row.session,
        day=row.day or "",
        mode=row.mode or "",
        state=row.state,
        decisions=None,
        trades=None,
        net_paise=None,
        facts=(),
        fault=None,
        entries=row.entries,
        head=row.head_hash,
    )
    if row.state == DAMAGED or row.entries is None:
        return msgspec.structs.replace(day, fault=f"axiom verify {row.session} tells what it is")
    try:
        events = _tail(folder, row.entries)
    except (JournalError, EnvelopeError, ValueError) as error:
        return msgspec.structs.replace(day, fault=str(error))
    return _told(day, events, row.entries)


def _tail(folder: Path, entries: int) -> tuple[Event, ...]:
    """What is worth telling among a journal's last entries."""
    events: list[Event] = []
    if not entries:
        return ()
    first = max(entries - TAIL_ENTRIES, 1)
    with JournalReader(folder, from_seq=first, verify_chain=False) as reader:
        for entry in reader:
            envelope: Envelope = decode_envelope(entry.data)
            if envelope.kind in _READ:
                events.append(current_event(envelope))
    return tuple(events)


def _told(day: Day, events: tuple[Event, ...], entries: int) -> Day:
    types: dict[str, str] = {}
    facts: list[tuple[str, str]] = []
    incidents = 0
    for event in events:
        if isinstance(event, DecisionMade):
            types[event.underlying] = event.day_type
        elif isinstance(event, IncidentRaised):
            incidents += 1
        elif isinstance(event, SessionSummarised):
            day = msgspec.structs.replace(
                day,
                decisions=event.decisions,
                trades=event.trades,
                net_paise=event.realised_paise - event.charges_paise,
            )
            facts.extend(_figures(event))
        elif isinstance(event, SessionClosed):
            facts.append(("closed", event.reason))
    facts.extend((("entries", group_indian(entries)), ("late incidents", str(incidents))))
    kinds = tuple((f"day type {name}", kind) for name, kind in sorted(types.items()))
    return msgspec.structs.replace(day, facts=(*kinds, *facts))


def _figures(event: SessionSummarised) -> list[tuple[str, str]]:
    return [
        ("cycles", group_indian(event.cycles)),
        ("ticks", group_indian(event.ticks)),
        ("frames", group_indian(event.frames)),
        ("frames refused", group_indian(event.rejected_frames)),
        ("left open", str(event.open_positions)),
    ]
