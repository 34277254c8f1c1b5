"""How differences between decisions are told: the same lines for every verb that compares.

Lives here: the lists of a comparison as text. May import: ``cli``, projections, replay. Always
holds: each line names the moment, both reasons (of a size both sizes) and the first cause.
Start reading at ``tell_differences``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from replay.decisions import DecisionDiff, Difference
    from replay.divergence import Makings

DIGEST_CHARS: Final = 12
"""Of a digest, what a person compares; ``--json`` has the whole."""

SHOWN: Final = 12
"""Lines of each kind that are shown; ``--json`` has all of them."""


def tell_differences(diff: DecisionDiff) -> None:
    """Show counts and the first lines of each kind on standard output."""
    from cli.output import clean, show

    for title, rows, line in (
        ("trades gained", diff.gained, _reason_line),
        ("trades lost", diff.lost, _reason_line),
        ("sizes changed", diff.size_changed, _size_line),
        ("reasons changed", diff.reason_changed, _reason_line),
    ):
        show(f"{title}: {len(rows)}")
        for one in rows[:SHOWN]:
            show(f"  {clean(line(one))}")
        if len(rows) > SHOWN:
            show(f"  and {len(rows) - SHOWN} more: use --json")


def tell_makings(makings: Makings, sides: tuple[str, str]) -> None:
    """Say on standard error what differs in code, shapes and settings; nothing where nothing does.

    ``sides`` are the words for the two.
    """
    from cli.output import say

    first, second = sides
    for what, (was, now) in (("code", makings.code), ("schema", makings.schema)):
        if was != now:
            say(f"{what} differs: {first} {was[:DIGEST_CHARS]}, {second} {now[:DIGEST_CHARS]}")
    for line in makings.settings:
        say(f"setting differs: {line}")


def _reason_line(one: Difference) -> str:
    gate = one.contract_filter or one.gate or one.stage
    because = f" because {gate} judged otherwise" if gate is not None else ""
    before, after = one.before_reason or one.before, one.after_reason or one.after
    return _line(one, before, after, because)


def _size_line(one: Difference) -> str:
    """Both sizes. The gates passed both times: it is the number of one that differs, or none of
    them was as tight as the cap on lots."""
    before = f"{one.before_lots} lots of {one.before_contract}"
    after = f"{one.after_lots} lots of {one.after_contract}"
    gate = one.contract_filter or one.gate
    because = f" because of {gate}" if gate is not None else " by the cap on lots"
    return _line(one, before, after, because)


def _line(one: Difference, before: str, after: str, because: str) -> str:
    from projections.why import ist_iso
    from replay.decisions import DOWNSTREAM

    cause = one.first_cause
    if cause is not None and cause.kind == DOWNSTREAM:
        because += f" following {cause.event} {ist_iso(cause.ts)[11:19]} {cause.underlying}"
    return f"{ist_iso(one.ts)[11:19]} {one.underlying}: {before} -> {after}{because}"
