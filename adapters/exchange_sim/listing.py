"""The instruments of the day: look-up, the dump as CSV, and each contract's daily price range.

Lives here: ``Listings``. May import: events.session, engine.rulebook, words. Always holds: a symbol
is never parsed; a rule that the rulebook does not give is None. Start reading at ``Listings``.
"""

from __future__ import annotations

import csv
import io
from typing import Final

import msgspec

from engine.rulebook import Rulebook, iso_day, resolve_day
from events.session import Instrument

HEADER: Final = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange"
).split(",")

OPTIONS: Final = ("CE", "PE")
INDICES: Final = ("INDEX", "VIX")


class Listed(msgspec.Struct, frozen=True, gc=False):
    """One instrument with its rules of the day. ``underlying_token`` is its index, if listed;
    ``freeze_units`` None is no limit known."""

    row: Instrument
    freeze_units: int | None
    underlying_token: int | None

    @property
    def key(self) -> str:
        """``NFO:NIFTY26NOV22500CE``, as quotes are asked for."""
        return f"{self.row.exchange}:{self.row.tradingsymbol}"

    @property
    def order_max(self) -> int | None:
        """The most units in one order: whole lots up to the freeze quantity; None without one."""
        if self.freeze_units is None:
            return None
        lot = max(1, self.row.lot_units)
        return max(lot, self.freeze_units // lot * lot)

    @property
    def tradable(self) -> bool:
        return self.row.kind not in INDICES

    @property
    def option(self) -> bool:
        return self.row.kind in OPTIONS


class Listings:
    """All instruments, by token and by (exchange, tradingsymbol)."""

    def __init__(self, rows: tuple[Instrument, ...], rulebook: Rulebook, day: int) -> None:
        indices = {row.underlying: row.token for row in rows if row.kind == "INDEX"}
        self.by_token: dict[int, Listed] = {}
        self.by_key: dict[str, Listed] = {}
        traded = dict.fromkeys(row.underlying for row in rows if row.kind not in INDICES)
        rules = {
            one.underlying: one for one in resolve_day(rulebook, day, tuple(traded)).underlyings
        }
        for row in rows:
            rule = None if row.kind in INDICES else rules[row.underlying]
            units = None if rule is None else rule.freeze_units
            listed = Listed(row, units, indices.get(row.underlying))
            self.by_token[row.token] = listed
            self.by_key[listed.key] = listed

    def find(self, exchange: str, tradingsymbol: str) -> Listed | None:
        """The instrument of that name there, if there is one."""
        return self.by_key.get(f"{exchange}:{tradingsymbol}")

    def csv(self, exchange: str | None) -> bytes:
        """The dump: all of it, or one exchange's; an exchange without rows gives the header."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        for listed in self.by_token.values():
            if exchange is None or listed.row.exchange == exchange:
                writer.writerow(_cells(listed.row))
        return out.getvalue().encode()


def _cells(row: Instrument) -> tuple[str | int, ...]:
    """A row of the dump. An index is an ``EQ`` of segment INDICES, with lot and tick 0."""
    index = row.kind in INDICES
    segment = "INDICES" if index else f"{row.exchange}-{'FUT' if row.kind == 'FUT' else 'OPT'}"
    return (
        row.token,
        row.token >> 8,
        row.tradingsymbol,
        row.tradingsymbol if index else row.underlying,
        0,
        iso_day(row.expiry) if row.expiry else "",
        _short(row.strike_paise),
        _short(row.tick_paise),
        row.lot_units,
        "EQ" if index else row.kind,
        segment,
        row.exchange,
    )


def _short(paise: int) -> str:
    """``22550``, ``0.05``, ``0``: rupees without zeros that say nothing."""
    return f"{paise / 100:.2f}".rstrip("0").rstrip(".")
