"""The charges of a fill of an index option, line by line.

Lives here: what the day's charge rules make of a price and a quantity. May import: events,
engine.rulebook. Always holds: exact to half a paisa a line; a charge that is due and has no row is
a ``RuleMissingError``, never nothing. Start reading at ``charge_lines``.
"""

from __future__ import annotations

from typing import Final

from engine.rulebook import (
    BPS,
    CHARGE_TABLE,
    CROREFOLD,
    ChargeRule,
    DayRules,
    Rulebook,
    RuleMissingError,
    resolve_day,
    venue_of,
)
from events.orders import ChargeLine

_GST_BASE: Final = ("charge.brokerage", "charge.exchange_txn", "charge.sebi")
"""The fees that the tax on services is on."""


def charges(
    rulebook: Rulebook, day: int, exchange: str, side: str, price_paise: int, quantity_units: int
) -> tuple[ChargeLine, ...]:
    """The charges of one whole order filled at one price; see ``charge_lines``."""
    rules = resolve_day(rulebook, day, ())
    return charge_lines(rules, exchange, side, price_paise, quantity_units)


def charge_lines(
    rules: DayRules,
    exchange: str,
    side: str,
    price_paise: int,
    quantity_units: int,
    *,
    first_fill: bool = True,
) -> tuple[ChargeLine, ...]:
    """The charges of a fill of an index option, a line each, in paise; ``side`` is BUY or SELL.

    Brokerage is an order's, so it falls on its ``first_fill`` only. Each line is rounded to the
    nearest paisa, halves up, from the exact rational (GST from the unrounded fees); a contract note
    rounds the day's STT to a whole rupee, which is not a fill's matter. A line that is not due on
    this side is absent. Raises ``RuleMissingError`` where a due charge has no row and
    ``ValueError`` on a negative price or quantity or an unknown side.
    """
    if side not in ("BUY", "SELL"):
        raise ValueError(f"side {side!r} is neither BUY nor SELL")
    if price_paise < 0 or quantity_units < 0:
        raise ValueError(f"negative fill: {quantity_units} at {price_paise} paise")
    venue = venue_of(exchange)
    turnover = price_paise * quantity_units
    lines: list[ChargeLine] = []
    fees_e7 = 0
    fees_unsure = False
    for name, due_side, base in CHARGE_TABLE:
        if due_side not in ("BOTH", side):
            continue
        rule = _charge_rule(rules, name, venue)
        if base == "ORDER":
            numerator, scale = (rule.value if first_fill else 0), 1
        elif base == "PREMIUM":
            numerator, scale = turnover * rule.value, CROREFOLD
        else:
            numerator, scale = fees_e7 * rule.value, CROREFOLD * BPS
        if name in _GST_BASE:
            fees_e7 += numerator * (CROREFOLD // scale)
            fees_unsure = fees_unsure or rule.unsure
        unsure = rule.unsure or (base == "FEES" and fees_unsure)
        lines.append(ChargeLine(name, (2 * numerator + scale) // (2 * scale), unsure))
    return tuple(lines)


def _charge_rule(rules: DayRules, name: str, venue: str) -> ChargeRule:
    for rule in rules.charges:
        if rule.name == name and rule.venue == venue:
            return rule
    raise RuleMissingError(name, venue, rules.day)


def charges_paise(lines: tuple[ChargeLine, ...]) -> int:
    """The total of charge lines, paise."""
    total = 0
    for line in lines:
        total += line.paise
    return total
