"""Random minutes, for the tests of features.

Lives here: hypothesis strategies of minutes and of holes in them. May be used by the tests of the
engine. Always holds: minutes ascend; a minute after a hole of the feed is marked, as the feed marks
it.
"""

from __future__ import annotations

from hypothesis import strategies as st

from engine.bars import MINUTE_NS, Bar

OPEN = 1_795_146_300 * 1_000_000_000
"""09:15 IST of 20 November 2026."""


def minute_bar(n: int, prices: list[int], volume: int | None = None, gapped: bool = False) -> Bar:
    """The minute ``n`` after the open with these prices."""
    start = OPEN + n * MINUTE_NS
    high, low = max(prices), min(prices)
    return Bar(start, MINUTE_NS, prices[0], high, low, prices[-1], volume, len(prices), gapped)


@st.composite
def minutes(
    draw: st.DrawFn,
    most: int = 60,
    first: int = 0,
    step: int = 900,
    volumes: bool = False,
    holes: bool = True,
) -> list[Bar]:
    """Minutes from ``first`` on, some missing, some behind a gap of the feed."""
    count = draw(st.integers(1, most))
    kinds = st.sampled_from(["bar"] * 12 + (["quiet", "gap"] if holes else []))
    price, found, n = 2_400_000, [], first
    for _ in range(count):
        kind = draw(kinds)
        if kind == "quiet":
            n += 1
        if kind == "gap":
            n += draw(st.integers(0, 20))
        moves = draw(st.lists(st.integers(-step, step), min_size=1, max_size=3))
        prices = [price]
        for move in moves:
            prices.append(prices[-1] + move)
        price = prices[-1]
        volume = draw(st.integers(0, 500)) if volumes else None
        found.append(minute_bar(n, prices, volume, kind == "gap"))
        n += 1
    return found
