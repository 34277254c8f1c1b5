"""How differences between decisions are told: the same lines for every verb that compares.

Lives here: the lists of a comparison as text. May import: ``cli``, projections, replay. Always
holds: each line names the moment, both reasons and the first cause.
Start reading at ``tell_differences``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from replay.decisions import DecisionDiff, Difference

SHOWN: Final = 12
"""Lines of each kind that are shown; ``--json`` has all of them."""


def tell_differences(diff: DecisionDiff) -> None:
    """Show counts and the first lines of each kind on standard output."""
    from cli.output import clean, show

    for title, rows in (
        ("trades gained", diff.gained),
        ("trades lost", diff.lost),
        ("sizes changed", diff.size_changed),
        ("reasons changed", diff.reason_changed),
    ):
        show(f"{title}: {len(rows)}")
        for one in rows[:SHOWN]:
            show(f"  {clean(_line(one))}")
        if len(rows) > SHOWN:
            show(f"  and {len(rows) - SHOWN} more: use --json")


def _line(one: Difference) -> str:
    from projections.why import ist_iso
    from replay.decisions import DOWNSTREAM

    cause = one.first_cause
    because = ""
    if cause is not None and cause.kind == DOWNSTREAM:
        because = f" following {cause.event} {ist_iso(cause.ts)[11:19]} {cause.underlying}"
    elif cause is not None:
        because = f" because {cause.contract_filter or cause.gate or cause.stage} judged otherwise"
    before, after = one.before_reason or one.before, one.after_reason or one.after
    return f"{ist_iso(one.ts)[11:19]} {one.underlying}: {before} -> {after}{because}"
