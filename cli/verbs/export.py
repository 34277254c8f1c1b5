"""``axiom export``: a session as Parquet, for any tool.

Lives here: the verb. May import: ``cli``, projections. Always holds: it writes into a folder that
is new or empty, so that no export is a mixture of two; the same session gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, anew_option, recorded_options


@click.command(name="export")
@click.argument("session")
@click.option(
    "--to", "target", metavar="DIR", required=True, type=click.Path(path_type=Path),
    help="A folder that is new or empty.",
)  # fmt: skip
@anew_option
@recorded_options
def command(session: str, target: Path, anew: bool, common: Common) -> None:
    """Write the ticks and every contract of a SESSION as Parquet files into a folder.

    \b
    Example:
        axiom export latest --to day --json
    """
    from cli.output import say, show, table, write_json
    from cli.recorded import first_fact
    from journal.errors import JournalError
    from projections.duck.export import export_session
    from projections.duck.store import ProjectionError

    folder = common.session(session)
    first_fact(folder)  # nothing is made in a folder that holds no session
    place = _empty(target)
    unsaid: list[str] = []  # said with the answer, so that a refusal stays one line
    hear = say if sys.stderr.isatty() else unsaid.append
    with told_as_user_error(JournalError, ProjectionError):
        files = export_session(folder, place, say=hear, anew=anew)
    for line in unsaid:
        say(line)
    rows = [
        {"file": str(f.file), "contract": f.contract, "rows": f.rows, "sha256": f.sha256}
        for f in files
    ]
    if common.json:
        write_json({"session": folder.name, "files": rows})
    else:
        show(table(("file", "rows"), [(row["file"], row["rows"]) for row in rows]))
        show(f"{len(rows)} files in {place}")


def _empty(target: Path) -> Path:
    """The folder to write to, absolute; ``UserError`` when something is in it or in its way."""
    place = target.expanduser().absolute()
    if place.is_dir():
        if any(place.iterdir()):
            raise UserError(f"{place} is not empty: give a folder that is new or empty")
    elif place.exists() or place.is_symlink():
        raise UserError(f"{place} is not a folder: give one that is new or empty")
    return place
