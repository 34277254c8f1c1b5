"""The rulebook of a day, naively: rows looked up one by one, times and charges worked out anew.

Lives here: calendar, hours, freeze quantities, discount rate, charges. May import: events. Always
holds: a row of the exact scope goes before one for all; charges are fractions until they are
rounded. Start reading at ``Rules``.
"""

from __future__ import annotations

import datetime
from fractions import Fraction

from events.session import RuleRow

SECOND = 1_000_000_000
IST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
CROREFOLD = 10_000_000
CHARGES = {
    "BUY": ("brokerage", "exchange_txn", "sebi", "stamp.buy", "gst"),
    "SELL": ("brokerage", "exchange_txn", "sebi", "stt.sell", "gst"),
}
EVERY_CHARGE = ("brokerage", "exchange_txn", "sebi", "stt.sell", "stamp.buy", "gst")


def venue(exchange: str) -> str:
    """NSE or BSE."""
    return "BSE" if exchange in ("BFO", "BSE") else "NSE"


def date_of(day: int) -> datetime.date:
    return datetime.date(day // 10_000, day // 100 % 100, day % 100)


def at(day: int, clock: str) -> int:
    """ns UTC of an IST time of day."""
    moment = datetime.datetime.combine(date_of(day), datetime.time.fromisoformat(clock), IST)
    return int(moment.timestamp()) * SECOND


class Rules:
    """The rows of a session and its day."""

    def __init__(self, rows: tuple[RuleRow, ...], day: int) -> None:
        self.rows, self.day = rows, day
        self.named: dict[tuple[str, str], list[RuleRow]] = {}
        for row in rows:
            self.named.setdefault((row.name, row.scope), []).append(row)

    def row(self, name: str, scope: str, day: int | None = None) -> RuleRow | None:
        """The row in force."""
        day = self.day if day is None else day
        for wanted in (scope, "*"):
            for row in self.named.get((name, wanted), []):
                if row.valid_from <= day <= row.valid_to:
                    return row
        return None

    def ended(self, name: str, scope: str) -> RuleRow | None:
        """The row that ended last, where none is in force."""
        if self.row(name, scope) is not None:
            return None
        for wanted in (scope, "*"):
            rows = self.named.get((name, wanted), [])
            past = [row for row in rows if row.valid_to < self.day]
            if past:
                return max(past, key=lambda row: row.valid_to)
        return None

    # --- days and hours --------------------------------------------------------------------------

    def trades(self, day: int | None = None) -> bool | None:
        """Whether it is a trading day; None where the calendar does not say."""
        day = self.day if day is None else day
        if self.row("calendar.special", "*", day) is not None:
            return True
        if date_of(day).weekday() >= 5:
            return False
        if self.row("calendar.covered", "*", day) is None:
            return None
        holiday = self.row("calendar.holiday", "*", day)
        return holiday is None or holiday.value == "OPEN"

    def clock(self, name: str, scope: str, day: int | None = None) -> int | None:
        """ns UTC of a time by its row; on a day with hours of its own only by a row of that day."""
        day = self.day if day is None else day
        row, special = self.row(name, scope, day), self.row("calendar.special", "*", day)
        own = special is not None and special.value != "NORMAL"
        if row is None or (own and not (row.valid_from == day == row.valid_to)):
            return None
        return at(day, str(row.value))

    def hours(self, exchange: str) -> tuple[int, int] | None:
        """Open and close of the derivatives session."""
        if not self.trades():
            return None
        opened = self.clock("session.fno.open", venue(exchange))
        closed = self.clock("session.fno.close", venue(exchange))
        return (opened, closed) if opened is not None and closed is not None else None

    def auction(self, exchange: str) -> tuple[int, int] | None:
        """The cash segment's closing auction."""
        start = self.clock("session.cash.auction_from", venue(exchange))
        end = self.clock("session.cash.auction_to", venue(exchange))
        return (start, end) if start is not None and end is not None else None

    def ends(self, expiry: int, exchange: str) -> int:
        """When contracts of an expiry end; 0 where it is not known."""
        if not self.trades(expiry):
            return 0
        opened = self.clock("session.fno.open", venue(exchange), expiry)
        closed = self.clock("session.fno.close", venue(exchange), expiry)
        if opened is None or closed is None:
            return 0
        own = self.clock("session.fno.expiry_close", venue(exchange), expiry)
        return closed if own is None else own

    def own_last_entry(self) -> int | None:
        """The desk's last entry by rows of the day alone, where it has all three of them."""
        found = []
        for name in ("own.last_entry", "own.square_off", "own.deadline"):
            row = self.row(name, "*")
            if row is None or not (row.valid_from == self.day == row.valid_to):
                return None
            found.append(at(self.day, str(row.value)))
        return found[0]

    # --- contracts and money ---------------------------------------------------------------------

    def freeze(self, underlying: str) -> RuleRow | None:
        """The freeze quantity's row; the strictest of the last half year where it has ended."""
        row = self.row("freeze", underlying)
        last = self.ended("freeze", underlying)
        if row is not None or last is None:
            return row
        months = last.valid_to // 10_000 * 12 + last.valid_to // 100 % 100 - 1 - 5
        oldest = (months // 12 * 100 + months % 12 + 1) * 100 + 1
        recent = [
            one
            for one in self.rows
            if (one.name, one.scope) == ("freeze", last.scope)
            and oldest <= one.valid_to <= last.valid_to
        ]
        return min(recent, key=lambda one: (int(one.value), one.unsure, one.valid_from))

    def rate(self) -> tuple[float, bool]:
        """The discount rate a year, and whether it is unsure."""
        row = self.row("rate.discount", "*")
        return (int(row.value) / 10_000.0, row.unsure) if row is not None else (0.0, True)

    def lacks_charges(self, exchange: str) -> bool:
        """Whether a charge of the venue has no row."""
        rows = [self.row(f"charge.{name}", venue(exchange)) for name in EVERY_CHARGE]
        return any(row is None or not isinstance(row.value, int) for row in rows)

    def charges(self, exchange: str, side: str, turnover: int) -> tuple[int, bool]:
        """The charges of an order in paise, and whether one of their rows is unsure."""
        fees, total, unsure = Fraction(0), 0, False
        for name in CHARGES[side]:
            row = self.row(f"charge.{name}", venue(exchange))
            assert row is not None
            if name == "brokerage":
                exact = Fraction(int(row.value))
            elif name == "gst":
                exact = fees * int(row.value) / 10_000
            else:
                exact = Fraction(turnover * int(row.value), CROREFOLD)
            if name in ("brokerage", "exchange_txn", "sebi"):
                fees += exact
            total += int(exact + Fraction(1, 2))
            unsure = unsure or row.unsure
        return total, unsure

    def both_ways(self, exchange: str, bought: int, sold: int) -> int:
        """The screening's charges of a buy and a sell: straight lines through nothing and a crore,
        rounded up."""
        fixed, rate = 0, 0
        for side, turnover in (("BUY", bought), ("SELL", sold)):
            none, _ = self.charges(exchange, side, 0)
            crore, _ = self.charges(exchange, side, CROREFOLD)
            fixed += none
            rate += turnover * (crore - none)
        return fixed + (rate + CROREFOLD - 1) // CROREFOLD

    def charges_unsure(self, exchange: str) -> bool:
        """Whether what the screening reckons with is unsure."""
        return any(self.charges(exchange, side, CROREFOLD)[1] for side in ("BUY", "SELL"))
