"""``axiom restore``: sessions and their ledger back from a backup.

Lives here: the verb over ``journal.backup``. May import: ``cli``, journal. Always holds: a session
that is in the home is never changed; one that is brought back has its name only when it is whole,
and is verified again with the ledger before the verb says that it is good.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from cli.copies import CopyRow

_LEDGER_NOTES: Final = {
    "absent": "the backup has no ledger",
    "ahead": "the home's ledger goes on beyond the backup's and stays as it is",
    "diverged": "the home's ledger has a history of its own and stays as it is: "
    "sessions that only the backup's knows are not in it",
    "held_back": "the ledger was taken up to the first record that a session here does not fit",
}


@click.command("restore")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--session", "names", metavar="SESSION", multiple=True, help="Only this; repeatable.")
@recorded_options
def command(folder: Path, names: tuple[str, ...], common: Common) -> int:
    """Bring the sessions of a backup in DIR back into the home, and verify them.

    A session that is in the home already is never changed: the same one is 'unchanged', another
    one of the same name is a problem (move it away to have the copy). Exit code 1 when a session
    differs, is damaged in the backup, or does not verify.

    \b
    Example:
        axiom restore /mnt/disk/axiom --session 2026-11-20-paper-0123456789ab --json
    """
    from cli.copies import copy_sessions, copying, ledger_row, other_place, tell_rows
    from cli.output import show, write_json
    from cli.paths import make_private
    from journal.backup import copy_ledger, restore_session
    from journal.errors import JournalError
    from journal.ledger import ledger_bytes
    from journal.session_folder import ledger_path, sessions_folder

    place = other_place(folder, common.home)
    sources = _sources(place, common, names)
    make_private(common.home)
    target = sessions_folder(common.home, common.desk)
    ledger = ledger_path(common.home, common.desk)
    with copying(common.home, common.desk), told_as_user_error(JournalError):
        saved = ledger_bytes(ledger_path(place, common.desk))
        rows = copy_sessions(
            "restore", sources, lambda one, tick: restore_session(one, target, on_bytes=tick)
        )
        copied = copy_ledger(saved, ledger, target)
        rows = [_verified(row, target / row.session, ledger) for row in rows]
    good = all(row.good for row in rows)
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
        note = _LEDGER_NOTES.get(copied.state)
        show(f"ledger: {note}" if note else f"ledger: {copied.records} records")
        show(f"{sum(row.good for row in rows)} of {len(rows)} sessions are here and verify")
    return EXIT_GOOD if good else EXIT_BAD


def _sources(place: Path, common: Common, names: tuple[str, ...]) -> list[Path]:
    """The folders to bring back. ``UserError`` where the backup has none, or not the named."""
    from journal.backup import checked_desk, list_copies
    from journal.errors import JournalError
    from journal.session_folder import sessions_folder

    folder = sessions_folder(place, common.desk)
    with told_as_user_error(JournalError):
        checked_desk(place, common.desk)
        known = list_copies(folder)
    if not known:
        raise UserError(f"{place} holds no backup of desk '{common.desk}': {_desks(place)}")
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"'axiom sessions --home {place}'"
            raise UserError(f"the backup has no session '{name}'; {hint}")
    return [folder / name for name in known if not names or name in names]


def _desks(place: Path) -> str:
    """What to do instead: the desks that are there."""
    try:
        desks = sorted(path.name for path in (place / "desks").iterdir() if path.is_dir())
    except OSError:
        desks = []
    if not desks:
        return "give the folder that was given to 'axiom backup'"
    return f"give one of its desks with --desk: {', '.join(desks)}"


def _verified(row: CopyRow, folder: Path, ledger: Path) -> CopyRow:
    """The row of a session that is there, after a reading with the ledger."""
    from msgspec.structs import replace

    from cli.output import clean
    from journal.verify import verify_session

    if not row.good:
        return row
    report = verify_session(folder, ledger=ledger)
    if report.ok:
        return row
    first = report.problems[0]
    return replace(row, problem=clean(f"{first.code}: {first.message} (file {first.file})"))
