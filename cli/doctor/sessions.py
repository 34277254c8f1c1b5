"""What the desk's last engine left: its lock, the ledger, the last session.

Lives here: checks. May import: ``cli``, journal. Always holds: nothing is written or locked for
longer than a look.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from cli.doctor.check import Context, Outcome, bad, good, unknown, warned
from cli.paths import desk_folder, list_sessions, sessions_folder
from cli.recorded import CLOSED, CRASHED, DAMAGED, OPEN, RUNNING, SEALED, is_missing, session_row
from journal.errors import JournalError
from journal.ledger import read_ledger
from journal.lock import DESK_LOCK_NAME
from journal.session_folder import ledger_path
from journal.verify import verify_session

VERIFY_BYTES_MAX: Final = 1 << 30
"""A session of up to this size is read through; a larger one is asked by `axiom verify`."""


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at ``path``; it is not taken from anybody by the look."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def desk_lock(context: Context) -> Outcome:
    """No other engine runs the desk."""
    try:
        held = is_held(desk_folder(context.home, context.desk) / DESK_LOCK_NAME)
    except OSError as error:
        return unknown(f"the desk's lock cannot be looked at: {error}")
    if held:
        text = f"an engine runs desk '{context.desk}'"
        return bad(text) if context.live else good(text)
    return good(f"no engine runs desk '{context.desk}'")


def ledger(context: Context) -> Outcome:
    """The ledger of sessions is what was written, and no session of it is gone."""
    try:
        records = read_ledger(ledger_path(context.home, context.desk))
    except JournalError as error:
        return bad(str(error))
    folder = sessions_folder(context.home, context.desk)
    gone = [one.session for one in records if is_missing(one, folder)]
    if gone:
        return bad(f"in the ledger and gone: {', '.join(gone)}", "axiom restore DIR")
    return good(f"{len(records)} sessions in the ledger, none missing")


def last_session(context: Context) -> Outcome:
    """The session begun last was ended in order; LIVE also reads it through."""
    folders = list_sessions(context.home, context.desk)
    if not folders:
        return good("there is no session yet")
    folder = folders[-1]
    state = session_row(folder, context.desk).state
    if state == DAMAGED:
        return bad(f"{folder.name} is damaged", f"axiom verify {folder.name}")
    if state == RUNNING:
        return good(f"{folder.name} is being written")
    if state in (CRASHED, OPEN):
        return warned(
            f"{folder.name} is {state}: its engine ended without closing it; the next start closes"
            " it and carries its account over",
            f"axiom verify {folder.name}",
        )
    if context.live:
        return _verified(folder, state)
    return good(f"{folder.name} is {state}") if state == SEALED else _unsealed(folder, state)


def _unsealed(folder: Path, state: str) -> Outcome:
    assert state == CLOSED, state
    return warned(f"{folder.name} is closed and not sealed", f"axiom journal seal {folder.name}")


def _verified(folder: Path, state: str) -> Outcome:
    if sum(one.stat().st_size for one in folder.iterdir() if one.is_file()) > VERIFY_BYTES_MAX:
        return unknown(f"{folder.name} is too large to read through here")
    report = verify_session(folder)
    if not report.ok:
        problem = report.problems[0] if report.problems else "see axiom verify"
        return bad(f"{folder.name}: {problem}", f"axiom verify {folder.name}")
    text = f"{folder.name} is {state}, its {report.entries} entries verified"
    return good(text)
