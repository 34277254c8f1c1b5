"""Ids as the broker gives them out, from a seed and a count.

Lives here: ``Ids``. May import: synthetic_random. Always holds: no id twice; an order id has 19
digits and grows with time. Start reading at ``Ids.order``.
"""

from __future__ import annotations

from typing import Final

from adapters.markets.synthetic_random import SplitMix64, substream

EPOCH_MS: Final = 1_288_834_974_657
"""Ids count milliseconds from here, above 22 bits of sequence: the scheme of the well-known
snowflake ids, which the broker's new order ids fit."""

SEQUENCE_BITS: Final = 22
_NS_PER_MS: Final = 1_000_000
_STREAM: Final = 73


class Ids:
    """One day's ids."""

    def __init__(self, seed: int) -> None:
        self._rng = SplitMix64(substream(seed, _STREAM))
        self._newest = 0
        self._exchange_orders = 0
        self._trades = 0

    def order(self, now_ns: int) -> str:
        """The next order id: never smaller than one before it."""
        first = (now_ns // _NS_PER_MS - EPOCH_MS) << SEQUENCE_BITS
        self._newest = max(first, self._newest + 1)
        return str(self._newest)

    def exchange_order(self) -> str:
        self._exchange_orders += 1
        return str(1_100_000_000_000_000 + self._exchange_orders)

    def trade(self) -> str:
        self._trades += 1
        return str(10_000_000 + self._trades)

    def guid(self, order_id: str) -> str:
        """What the broker's clients call a guid: opaque."""
        return f"{self._rng.below(100_000)}X{int(order_id):x}"

    def below(self, bound: int) -> int:
        """An integer from 0 to ``bound`` - 1."""
        return self._rng.below(bound)
