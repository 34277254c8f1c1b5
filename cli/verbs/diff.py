"""``axiom diff``: what two sessions decided otherwise, and which gate is responsible.

Lives here: the verb. May import: everything, when it runs. Always holds: answers come from what was
recorded; nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, recorded_options
from cli.output import say

if TYPE_CHECKING:
    from replay.diff import SessionDiff


@click.command("diff", epilog="Example: axiom diff 2026-11-20-backtest-1a2b3c4d5e6f latest --json")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@recorded_options
def command(before: str, after: str, common: Common) -> None:
    """Compare the decisions of sessions A and B: trades gained and lost in B, reasons and sizes
    changed.

    Each difference names the gate that judged otherwise first, or the earlier difference that it
    follows from. Two days are compared by the time of day.
    """
    from cli.run import session_progress
    from journal.errors import JournalError
    from replay.diff import diff_sessions
    from replay.session import ReplayError

    ours, theirs = common.session(before), common.session(after)
    with (
        told_as_user_error(ReplayError, JournalError),
        session_progress("diff", ours) as move,
    ):
        found = diff_sessions(ours, theirs, move)
    if found.decisions == (0, 0):
        raise UserError(f"neither {ours.name} nor {theirs.name} holds a decision")
    if found.days[0] != found.days[1]:
        say(f"these are two days ({found.days[0]}, {found.days[1]}): compared by the time of day")
    if common.json:
        from cli.output import write_json

        write_json({"before": ours.name, "after": theirs.name, **_document(found)})
    else:
        _tell(found)


def _document(found: SessionDiff) -> dict[str, Any]:
    import msgspec

    lists: dict[str, Any] = msgspec.to_builtins(found.diff)
    rows = [{"kind": row.kind, **msgspec.to_builtins(row.difference)} for row in found.rows]
    makings = msgspec.to_builtins(found.makings)
    return {
        **lists,
        "rows": rows,
        "decisions": list(found.decisions),
        "days": list(found.days),
        "makings": makings,
    }


def _tell(found: SessionDiff) -> None:
    from cli.differences import tell_differences, tell_makings
    from cli.output import show

    show(f"decisions compared: {found.decisions[0]} of A, {found.decisions[1]} of B")
    tell_differences(found.diff)
    tell_makings(found.makings, ("A", "B"))
