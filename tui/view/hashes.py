"""The state's hash at the cursor: the one that was recorded, and what a replay came to.

Lives here: which recorded hash stands at or before an entry, and the line about it. May import:
projections.live, tui.ports, tui's pure parts. Always holds: a hash is shown with the entry that it
is about; equal is said only where a replay led to the very same; what other code recorded may
differ without a fault, and that is said. Start reading at ``hash_line``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from projections.live.view import LiveView
from tui import fmt
from tui.ports import Rederived, StateHash
from tui.view.text import Line, Span, span

SHOWN: Final = 12
"""Characters of a hash that are shown."""
LABEL: Final = "  STATE HASH "
ASK: Final = "h replays and compares"

Outcome = Rederived | str | None
"""What a replay to an entry came to; a line where it cannot be told; None while it runs."""


def recorded_at(
    view: LiveView, kept: tuple[StateHash, ...], seq: int | None = None
) -> StateHash | None:
    """The newest hash of a state at or before the entry at the cursor: kept beside the journal, or
    in it, where the session was resumed."""
    at = bisect_right(kept, view.seq if seq is None else seq, key=lambda one: one.seq)
    found = kept[at - 1] if at else None
    told = view.state_hash
    if told is not None and (found is None or told.seq >= found.seq):
        return StateHash(told.seq, 0, told.digest)
    return found


def hash_line(
    view: LiveView, kept: tuple[StateHash, ...] | None, outcomes: Mapping[int, Outcome]
) -> Line:
    """The recorded hash with its entry, and whether a replay leads to the same."""
    if kept is None:
        return ((LABEL, "dim"), ("reading what was recorded ...", "dim"))
    found = recorded_at(view, kept)
    if found is None:
        none = f"none was recorded up to #{view.seq}"
        return ((LABEL, "dim"), span(none), ("   ", "text"), _outcome(None, view.seq, outcomes))
    where = f"{fmt.clean(found.digest[:SHOWN])} at #{found.seq}"
    return (
        (LABEL, "dim"),
        span(where),
        (" recorded   ", "dim"),
        _outcome(found.digest, found.seq, outcomes),
    )


def _outcome(digest: str | None, seq: int, outcomes: Mapping[int, Outcome]) -> Span:
    if seq not in outcomes:
        return ASK, "dim"
    outcome = outcomes[seq]
    if outcome is None:
        return span(f"replaying to #{seq} ...", "degraded")
    if isinstance(outcome, str):
        return span(f"? {outcome}", "unknown")
    return _compared(digest, seq, outcome)


def _compared(digest: str | None, seq: int, found: Rederived) -> Span:
    """Same or not, with the first entry that differs."""
    first = "" if found.first is None else f", first entry #{found.first}"
    if digest is None:
        if found.other_code is None and found.first is not None:
            return span(f"✗ the replay differs{first}", "bad")
        if found.other_code is not None:
            return span(f"? recorded by other code {found.other_code[:SHOWN]}{first}", "unknown")
        return "● every entry is replayed to the same", "ok"
    if found.seq != seq:
        return span(f"? the replay came to #{found.seq}", "unknown")
    here = f"{fmt.clean(found.digest[:SHOWN])}{first}"
    if found.digest == digest and found.first is None:
        return "● equal: the replay has the same", "ok"
    if found.other_code is not None:
        return span(f"? {here}: by other code {found.other_code[:SHOWN]}", "unknown")
    if found.digest == digest:
        return span(f"✗ equal, but entries differ{first}", "bad")
    return span(f"✗ DIFFERS: replayed {here}", "bad")


def seen_text(view: LiveView) -> str:
    """The last hash in the journal of all that was seen of an underlying."""
    seen = view.seen_hash
    if seen is None:
        return fmt.MISSING
    return f"{seen.of} {seen.digest[:SHOWN]} at #{seen.seq}"
