"""``axiom backup``: a second copy of a desk's sessions and its ledger.

Lives here: the verb over ``journal.backup``. May import: ``cli``, journal. Always holds: the
copy is laid out as a home, so every verb reads it with ``--home DIR``; the ledger is read before
the first session and written after the last, so that it never says more than the copy holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from journal.ledger import LedgerCopy

_LEDGER_PROBLEMS: Final = {
    "ahead": "the copy of the ledger has records that the desk's has lost; it stays as it is",
    "diverged": "the copy of the ledger has another history than the desk's; it stays as it is",
}


@click.command("backup")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("sessions", metavar="[SESSION]...", nargs=-1)
@recorded_options
def command(folder: Path, sessions: tuple[str, ...], common: Common) -> int:
    """Copy a desk's sessions (all, or those named) and its ledger to DIR; again: what is new.

    Sealed segments are copied as they are, a running session to its acknowledged end. A run that
    was stopped, however, leaves a copy that verifies; the next one completes it. DIR is laid out as
    a home: 'axiom verify SESSION --home DIR' checks a copy, 'axiom restore DIR' brings it back.
    Exit code 1 when a session is damaged or is not the continuation of its copy: it is named, and
    its copy stays as it is. Not copied: projections, checkpoints, derived sessions.

    \b
    Example:
        axiom backup /mnt/disk/axiom --json
    """
    from cli.copies import copy_sessions, copying, ledger_row, other_place, tell_rows
    from cli.output import show, write_json
    from cli.paths import make_private
    from journal.backup import back_up_session, copy_ledger
    from journal.errors import JournalError
    from journal.ledger import ledger_bytes
    from journal.session_folder import ledger_path, sessions_folder

    place = other_place(folder, common.home)
    sources = _sources(common, sessions)
    make_private(place)
    target = sessions_folder(place, common.desk)
    with copying(place, common.desk), told_as_user_error(JournalError):
        ledger = ledger_bytes(ledger_path(common.home, common.desk))
        rows = copy_sessions(
            "backup", sources, lambda one, tick: back_up_session(one, target, on_bytes=tick)
        )
        copied = copy_ledger(ledger, ledger_path(place, common.desk), target)
    problem = _LEDGER_PROBLEMS.get(copied.state)
    good = problem is None and all(row.good for row in rows)
    if common.json:
        document: dict[str, Any] = {
            "ok": good,
            "backup": str(place),
            "desk": common.desk,
            "sessions": rows,
            "ledger": ledger_row(copied),
        }
        write_json(document)
    else:
        tell_rows(rows)
        show(f"PROBLEM ledger: {problem}" if problem else _ledger_line(copied))
    return EXIT_GOOD if good else EXIT_BAD


def _sources(common: Common, names: tuple[str, ...]) -> list[Path]:
    """The folders to copy, the session begun first at the front."""
    from cli.paths import list_sessions, sessions_folder

    listed = list_sessions(common.home, common.desk)
    if not listed:
        raise UserError(f"desk '{common.desk}' has no session in {common.home}: nothing to back up")
    if not names:
        return listed
    wanted = {common.session(name).resolve() for name in names}
    strange = wanted - {folder.resolve() for folder in listed}
    if strange:
        where = sessions_folder(common.home, common.desk)
        raise UserError(f"{min(strange)} is not in {where}: give --home and --desk of the session")
    return [folder for folder in listed if folder.resolve() in wanted]


def _ledger_line(copied: LedgerCopy) -> str:
    if copied.state == "absent":
        return "ledger: the desk has closed no session yet"
    held = "; the next record waits for its session" if copied.state == "held_back" else ""
    return f"ledger: {copied.records} records{held}"
