"""``axiom whatif``: the same facts under another configuration.

Lives here: the verb. May import: everything, when it runs. Always holds: both runs are sessions
under ``derived/`` of the desk; neither is in the ledger, and neither is ever ``latest``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.errors import UserError, told_as_user_error
from cli.load import load_config
from cli.options import Common, common_options
from cli.output import say
from cli.paths import desk_folder, make_private

if TYPE_CHECKING:
    from replay.decisions import Difference
    from replay.whatif import WhatIf

DERIVED = "derived"
SHOWN = 12


@click.command("whatif", epilog="Example: axiom whatif latest --config wider.toml --json")
@click.argument("session")
@common_options
def command(session: str, common: Common) -> None:
    """Run a SESSION's facts under the settings of --config, and list which decisions differ.

    The baseline is the recorded configuration through the same paper broker. Each difference
    names the gate that judged otherwise, or the earlier difference that it follows from.
    """
    from journal.errors import JournalError
    from replay.session import ReplayError
    from replay.whatif import whatif

    if common.config is None:
        raise UserError("what if what? give the other settings with --config FILE")
    folder = common.session(session)
    path = common.config
    derived = make_private(desk_folder(common.home, common.desk) / DERIVED)
    with told_as_user_error(ReplayError, JournalError):
        found = whatif(folder, derived, lambda recorded: load_config(path, recorded))
    if not found.changed:
        say(f"{path} changes nothing of the recorded configuration")
    if common.json:
        from cli.output import write_json

        write_json(_document(found))
    else:
        _tell(found)


def _document(found: WhatIf) -> dict[str, Any]:
    import msgspec

    diff: dict[str, Any] = msgspec.to_builtins(found.diff)
    return {
        "session": found.session.name,
        "baseline": found.baseline.name,
        **diff,
        "not_recorded": found.not_recorded,
        "changed": list(found.changed),
    }


def _tell(found: WhatIf) -> None:
    for line in found.changed:
        click.echo(line)
    diff = found.diff
    for title, rows in (
        ("trades gained", diff.gained),
        ("trades lost", diff.lost),
        ("sizes changed", diff.size_changed),
        ("reasons changed", diff.reason_changed),
    ):
        click.echo(f"{title}: {len(rows)}")
        for one in rows[:SHOWN]:
            click.echo(f"  {_line(one)}")
        if len(rows) > SHOWN:
            click.echo(f"  and {len(rows) - SHOWN} more: use --json")
    click.echo(f"instruments without a recorded quote: {found.not_recorded}")


def _line(one: Difference) -> str:
    from projections.why import ist_iso

    cause = one.first_cause
    because = ""
    if cause is not None and cause.gate is not None:
        because = f" because {cause.gate} judged otherwise"
    elif cause is not None:
        because = f" following {ist_iso(cause.ts)[11:19]} {cause.underlying}"
    return (
        f"{ist_iso(one.ts)[11:19]} {one.underlying}: {one.before_reason} -> "
        f"{one.after_reason}{because}"
    )
