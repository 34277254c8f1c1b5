"""What a person may say of an order or a position: what ``axiom resolve`` takes, and how it is
asked.

Lives here: what can be said of a row, the question, what an answer means. May import:
projections.live, tui's pure parts. Always holds: nothing is offered here that the verb does not
take, and its sentences are the verb's; whether it is so is judged by the engine, from the broker's
books. Start reading at ``of_order``, ``of_position`` and ``said``.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from projections.live.view import LiveView, OrderLine, PositionView
from tui import fmt
from tui.view.positions import LEG_MARK

LAPSED: Final = "LAPSED"
ORDER: Final = "ORDER"
HOLDS: Final = "HOLDS"
SENTENCES: Final[dict[str, str]] = {
    LAPSED: "It did not happen: no order of it is at the broker.",
    ORDER: "It is this order of the broker",
    HOLDS: "Of its position the broker holds so many units",
}
"""As the flags of ``axiom resolve`` say it."""

NOT_LISTED: Final = "ORDER_NOT_LISTED"
DIFFERS: Final = "POSITION_DIFFERS"
TWICE: Final = 2
"""A difference is acted on once two comparisons in a row found it."""

NOTHING: Final = "Nothing was said of it: nothing was done."
WHY: Final = "Why, for the journal:"
NO_WHY: Final = "HOLDS needs a reason: nothing was done."
_UNITS: Final = re.compile(r"(HOLDS[ :]*)?([0-9]{1,9})")


class Doubt(msgspec.Struct, frozen=True):
    """What can be said of a row: of which order, if any, whether it may be one that the broker
    names, and of which position; ``theirs`` are the units that his last books showed of it."""

    symbol: str
    order_id: str | None
    may_be_named: bool
    position_id: str | None
    theirs: int | None


class Said(msgspec.Struct, frozen=True):
    """An answer that can be given: the command's subject and value, and the sentence for it."""

    subject: str
    value: str
    sentence: str
    needs_why: bool


def of_order(view: LiveView, row: OrderLine) -> Doubt | None:
    """What can be said of an order: one of unknown fate, one that the broker does not list, or one
    whose position is held; None where nothing can."""
    unknown = row.status == "UNKNOWN"
    position = _position_behind(view, row)
    if not (unknown or is_missing(view, row) or position is not None):
        return None
    order_id = row.order_id if unknown or is_missing(view, row) else None
    held, theirs = None, None
    if position is not None:
        held, theirs = position.position_id, broker_units(view, position)
    return Doubt(row.symbol, order_id, unknown, held, theirs)


def of_position(view: LiveView, row: PositionView) -> Doubt | None:
    """What can be said of a held position: of a long alone."""
    if not row.is_open or row.quantity_units <= 0:
        return None
    return Doubt(row.symbol, None, False, row.position_id, broker_units(view, row))


def is_missing(view: LiveView, row: OrderLine) -> bool:
    """Whether the last two whole order books of the broker did not have it."""
    return any(
        (one.reason, one.subject) == (NOT_LISTED, row.order_id)
        and one.closed_ts is None
        and one.times >= TWICE
        for one in view.watch.differences
    )


def broker_units(view: LiveView, row: PositionView) -> int | None:
    """How many units the broker's books showed where they differ from ours; None: they do not."""
    return next(
        (
            one.theirs
            for one in view.watch.differences
            if one.reason == DIFFERS
            and one.closed_ts is None
            and one.subject.split(":")[1:2] == [row.symbol]
        ),
        None,
    )


def _position_behind(view: LiveView, row: OrderLine) -> PositionView | None:
    """The long that an order is about: its entry, its stop or its exit."""
    longs = [one for one in view.positions if not one.position_id.endswith(LEG_MARK)]
    behind = (one for one in longs if row.authority.startswith(one.position_id))
    return max(behind, key=lambda one: len(one.position_id), default=None)


def question(doubt: Doubt) -> str:
    """What is asked about it, with what may be answered."""
    books = "" if doubt.theirs is None else f" (its books: {doubt.theirs})"
    if doubt.order_id is None:
        return f"{doubt.symbol}: units that the broker holds{books}:"
    offers = ["the broker's order number"] if doubt.may_be_named else []
    offers.append(LAPSED)
    if doubt.position_id is not None:
        offers.append(f"{HOLDS} UNITS{books}")
    first = ", ".join(offers[:-1])
    listed = f"{first} or {offers[-1]}" if first else offers[-1]
    return f"{fmt.fit(doubt.symbol, min(len(doubt.symbol), 22))}: {listed}:"


def said(text: str, doubt: Doubt) -> Said | str:
    """What an answer means, or why it is none."""
    if not text:
        return NOTHING
    if doubt.order_id is not None and text.upper() == LAPSED:
        return Said(doubt.order_id, LAPSED, SENTENCES[LAPSED], needs_why=False)
    units = _UNITS.fullmatch(text.upper())
    of_holding = doubt.order_id is None or text.upper().startswith(HOLDS)
    if doubt.position_id is not None and units is not None and of_holding:
        number = int(units[2])
        sentence = f"{SENTENCES[HOLDS]}: {number}."
        return Said(doubt.position_id, f"{HOLDS}:{number}", sentence, needs_why=True)
    if doubt.may_be_named and doubt.order_id is not None and not text.upper().startswith(HOLDS):
        return Said(doubt.order_id, f"{ORDER}:{text}", f"{SENTENCES[ORDER]}: {text}.", False)
    return f"Nothing was done. What can be said of it: {question(doubt).removesuffix(':')}"
