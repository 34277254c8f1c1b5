"""The last quote of each instrument, taken from the frames as they stand in the journal.

Lives here: the table of last quotes. May import: events.wire. Always holds: only instruments of the
session are kept, so memory is bounded; a frame that fails its walk changes nothing, as in the core;
a side with price 0 is no side.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

from events.session import Instrument
from events.wire import kite

_PAISE: Final = 100
_token_of = itemgetter(0)


class QuoteTable:
    """Last hot fields and time by token.

    The tuples are ``kite.unpack_run``'s; which fields they hold follows from their length, so they
    are read only by the functions below.
    """

    def __init__(self) -> None:
        self._known: frozenset[int] = frozenset()
        self._last: dict[int, tuple[Any, ...]] = {}
        self._last_ts: dict[int, int] = {}
        self.ticks = 0

    def load(self, rows: Iterable[Instrument]) -> None:
        """Take the session's instruments; only those priced in paise can be shown as rupees."""
        self._known = frozenset(row.token for row in rows if _priced_in_paise(row.token))

    def take(self, data: bytes, ts: int) -> int:
        """Take one frame received at ``ts``; returns its packets, 0 when it was refused."""
        try:
            walk = kite.walk(data)
        except kite.FrameError:
            return 0
        for run in walk.runs:
            ticks = tuple(kite.unpack_run(data, run))
            tokens = tuple(map(_token_of, ticks))
            self._last.update(zip(tokens, ticks, strict=True))
            self._last_ts.update(dict.fromkeys(tokens, ts))
        self.ticks += walk.packets
        if len(self._last) > len(self._known):
            self._drop_strangers()
        return walk.packets

    def _drop_strangers(self) -> None:
        for token in [token for token in self._last if token not in self._known]:
            del self._last[token]
            del self._last_ts[token]

    def last_price(self, token: int) -> tuple[int, int] | None:
        """(last price in paise, ts) of an instrument, None before its first packet."""
        tick = self._last.get(token)
        return None if tick is None else (tick[1], self._last_ts[token])

    def bid(self, token: int) -> tuple[int, int] | None:
        """(best bid in paise, ts), None where no packet with depth came or nobody bids."""
        return self._side(token, _BID_AT)

    def ask(self, token: int) -> tuple[int, int] | None:
        """(best ask in paise, ts), None where no packet with depth came or nobody offers."""
        return self._side(token, _ASK_AT)

    def _side(self, token: int, at: int) -> tuple[int, int] | None:
        tick = self._last.get(token)
        if tick is None or len(tick) != _FULL_FIELDS or tick[at] <= 0:
            return None
        return tick[at], self._last_ts[token]


_FULL_FIELDS: Final = 10
_BID_AT: Final = 7
_ASK_AT: Final = 9


def _priced_in_paise(token: int) -> bool:
    try:
        return kite.price_divisor(token) == _PAISE
    except KeyError:
        return False
