"""``axiom sessions``: which sessions a desk has, and in what state each was left.

Lives here: the list. May import: ``cli``, journal. Always holds: a damaged session is a row of the
list, not the end of it; a session that the ledger knows and whose folder is gone is a row too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.errors import EXIT_BAD, EXIT_GOOD
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from cli.recorded import SessionRow


@click.command(name="sessions")
@recorded_options
def command(common: Common) -> int:
    """List the sessions of a desk, the one begun last at the end.

    Exit code 1 when the desk's ledger is damaged; what is there is listed all the same.

    State: running (an engine writes it), open (left in order, not ended), crashed (its engine
    died), closed, sealed, damaged (ask 'axiom verify'), missing (in the ledger, folder gone).

    \b
    Example:
        axiom sessions --json
    """
    from cli.output import say, show, table, write_json

    rows, good = _rows(common)
    if common.json:
        write_json(rows)
    elif rows:
        columns = rows[0].__struct_fields__
        show(table(columns, [[getattr(row, name) for name in columns] for row in rows]))
        _say_how_to_go_on(rows)
    else:
        say(f"desk '{common.desk}' has no session in {common.home} yet: try 'axiom demo'")
    return EXIT_GOOD if good else EXIT_BAD


def _say_how_to_go_on(rows: list[SessionRow]) -> None:
    """A crashed backtest waits for a person: no start closes it."""
    from cli.output import say
    from cli.recorded import CRASHED

    crashed = [row for row in rows if row.state == CRASHED and row.mode == "BACKTEST"]
    left = [row.session for row in crashed if row.entries]
    if left:
        say(f"to go on with a crashed day: axiom backtest MARKET --resume {left[-1]}")


def _rows(common: Common) -> tuple[list[SessionRow], bool]:
    """The ledger's missing sessions, then what is there in the order of beginning; and whether
    the ledger is what was written."""
    from cli.output import say
    from cli.paths import list_sessions, sessions_folder
    from cli.recorded import is_missing, missing_row, session_row
    from journal.errors import LedgerCorrupt
    from journal.ledger import read_ledger
    from journal.session_folder import ledger_path

    folder = sessions_folder(common.home, common.desk)
    good = True
    try:
        records = read_ledger(ledger_path(common.home, common.desk))
    except LedgerCorrupt as error:
        say(f"axiom: {error}")
        records, good = (), False
    missing = [missing_row(r, common.desk) for r in records if is_missing(r, folder)]
    there = [session_row(p, common.desk) for p in list_sessions(common.home, common.desk)]
    return missing + there, good
