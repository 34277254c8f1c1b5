"""Until when a day goes on that an operator amended, for an engine that is started anew in it.

Lives here: ``until_amended``. May import: ``cli``, engine.rulebook, events, journal's reader.
Always holds: the rulebook's own close decides until it is past; after it only a session of the day
that is still open, and whose journal says that the day ends later, may be gone on with.
Start reading at ``until_amended``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cli.options import Common
from cli.paths import list_sessions
from cli.universe import Today
from engine.rulebook import Rulebook, amended_rows, iso_day
from events.envelope import EnvelopeError, decode_envelope
from events.session import SessionAmended, SessionClosed
from events.upcast import current_event
from journal.errors import JournalError
from journal.reader import JournalReader


def until_amended(common: Common, mode: str, rulebook: Rulebook, today: Today) -> Today:
    """``today`` with the close of the session that a dead engine left open in it, where that was
    amended and the rulebook's is past. A journal that cannot be read amends nothing: whoever takes
    it up is told what is wrong with it."""
    window = rulebook.session_window(today.day, "fno")
    if window is None or today.now_ns < window.close_ns:
        return today
    begins = f"{iso_day(today.day)}-{mode.lower()}-"
    folders = [p for p in list_sessions(common.home, common.desk) if p.name.startswith(begins)]
    if not folders:
        return today
    try:
        hours = _amended(folders[-1], rulebook, today.day)
    except (JournalError, EnvelopeError, ValueError):
        return today
    later = hours.session_window(today.day, "fno") if hours is not None else None
    return today if later is None else replace(today, amended_close_ns=later.close_ns)


def _amended(folder: Path, rulebook: Rulebook, day: int) -> Rulebook | None:
    """The rulebook as a session's journal amends it; None of a session that was closed."""
    rows = rulebook.rows
    with JournalReader(folder, verify_chain=False) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if envelope.kind == SessionClosed.__name__:
                return None
            if envelope.kind == SessionAmended.__name__:
                one = current_event(envelope)
                assert isinstance(one, SessionAmended)
                rows = amended_rows(rows, day, one.name, one.scope, one.value, one.source)
    return Rulebook(rows)
