"""Packets of any instrument in any mode, for the tests of the feed.

Lives here: tokens and one packet. Always holds: what the broker would send, from the codec that the
simulated markets use.
"""

from __future__ import annotations

from adapters.kite.subscription import FULL, LTP
from events.wire.kite import Segment, encode_full, encode_index, encode_ltp, encode_quote

INDEX = 1001 << 8 | Segment.INDICES
SINCE_S = 1_795_000_000
"""Epoch seconds of session time in the tests of the feed."""


def option(number: int) -> int:
    """The token of an option contract."""
    return (50_000 + number) << 8 | Segment.NFO


def packet(token: int, mode: str, stamp_s: int, last: int = 10_000) -> bytes:
    """One packet; ``stamp_s`` is its exchange time, where the mode has one."""
    if mode == LTP:
        return encode_ltp(token, last)
    if token & 0xFF == Segment.INDICES:
        stamp = stamp_s if mode == FULL else None
        return encode_index(token, last, last, last, last, last, 0, stamp)
    quote = (token, last, 75, last, 1_000, 500, 400, last, last, last, last)
    if mode == FULL:
        levels = [(75, last - 5, 1)], [(75, last + 5, 1)]
        return encode_full(*quote, stamp_s, 0, 0, 0, stamp_s, *levels)
    return encode_quote(*quote)
