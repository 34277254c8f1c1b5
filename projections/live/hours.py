"""The day's hours, as the journaled rulebook gives them.

Lives here: from rule rows to session hours. May import: events, engine.rulebook. Always holds: a
rule that is missing gives None, never a usual time; a rulebook that contradicts itself gives no
hours at all, as in the core.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.rulebook import Rulebook, resolve_day
from events.session import RuleRow
from projections.live.view import SessionHours


def hours_of(rows: tuple[RuleRow, ...], day: int) -> SessionHours | None:
    """The derivatives session of a yyyymmdd day; None where the rows cannot be used."""
    try:
        book = Rulebook(rows)
        trading_day = book.is_trading_day(day)
        window = book.session_window(day, "fno")
        events = tuple((one.kind, one.at_ns) for one in resolve_day(book, day, ()).events)
    except ValueError:
        return None
    if window is None:
        return SessionHours(trading_day, None, None, None, None, events=events)
    return SessionHours(
        trading_day=trading_day,
        open_ns=window.open_ns,
        close_ns=window.close_ns,
        auction_from_ns=window.auction_from_ns,
        auction_to_ns=window.auction_to_ns,
        events=events,
    )


def moved_hours(before: SessionHours | None, after: SessionHours | None) -> SessionHours | None:
    """The hours after an amendment, with how far the close has moved since the session began."""
    if before is None or after is None or before.close_ns is None or after.close_ns is None:
        return after
    return replace(after, moved_ns=before.moved_ns + after.close_ns - before.close_ns)
