"""Cross-asset: the other indices and INDIA VIX over the same minutes.

Lives here: their changes, alignment, correlation. May import: events, engine. Always holds: what
is compared are minutes that both have, never a last price with another minute's; the correlation is
of whole numbers (changes in ppm) and exact up to its square roots.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import msgspec

from engine.bars import MINUTE_NS, Bar
from engine.exact import sqrt
from engine.features.momentum import change_over
from engine.features.reading import (
    GAP,
    MILLI,
    NOT_OFFERED,
    TOO_FEW,
    Reading,
    change_ppm,
    known,
    rounded_ratio,
    scaled,
    unknown,
)
from events.features import Peer

SPANS: Final = (1, 5, 15)
PAIRS_MIN: Final = 20
"""Changes of a minute, of both, or there is no correlation; at most thirty are kept."""

STEP_MAX_NS: Final = 2 * MINUTE_NS
"""A market of pages misses minutes: a change may be over two of them, of both alike."""

Minutes = tuple[Bar, ...]


class PeerView(msgspec.Struct, frozen=True, gc=False):
    """A peer with its readings."""

    peer: Peer
    change_5m: Reading
    unknown: tuple[str, ...]


def peer_of(name: str, ours: Minutes, theirs: Minutes) -> PeerView:
    """What another index did until our last minute."""
    end = ours[-1].start_ts if ours else 0
    one, five, fifteen = (change_over(theirs, end, span) for span in SPANS)
    joint = correlation(ours, theirs)
    names = ("change_1m_ppm", "change_5m_ppm", "change_15m_ppm", "correlation_milli")
    readings = (one, five, fifteen, joint)
    lines = tuple(
        f"{name}.{field} {reading.reason}"
        for field, reading in zip(names, readings, strict=True)
        if reading.reason is not None
    )
    peer = Peer(name, one.number, five.number, fifteen.number, joint.number)
    return PeerView(peer, five, lines)


def correlation(ours: Minutes, theirs: Minutes) -> Reading:
    """Pearson's correlation of the changes of closes from minute to minute, in thousandths."""
    by_start = {one.start_ts: one for one in theirs}
    both = [(one, by_start[one.start_ts]) for one in ours if one.start_ts in by_start]
    if any(a.gapped or b.gapped for a, b in both):
        return unknown(GAP)
    count = x_total = y_total = x_squares = y_squares = products = 0
    for (a0, b0), (a1, b1) in pairwise(both):
        if a1.start_ts - a0.start_ts > STEP_MAX_NS:
            continue
        x, y = (
            change_ppm(a1.close_paise, a0.close_paise),
            change_ppm(b1.close_paise, b0.close_paise),
        )
        count += 1
        x_total += x
        y_total += y
        x_squares += x * x
        y_squares += y * y
        products += x * y
    x_spread = count * x_squares - x_total * x_total
    y_spread = count * y_squares - y_total * y_total
    if count < PAIRS_MIN or x_spread == 0 or y_spread == 0:
        return unknown(TOO_FEW)
    # Two roots, so that no product of spreads leaves the integers that a float holds well.
    joint = count * products - x_total * y_total
    return scaled(joint / sqrt(float(x_spread)) / sqrt(float(y_spread)), MILLI)


def alignment(own: Reading, peers: tuple[PeerView, ...]) -> Reading:
    """Of the other indices, those that went our way over five minutes less those that did not."""
    if not peers:
        return unknown(NOT_OFFERED)
    ours = own.number
    if ours is None:
        return own
    went = [one.change_5m.number for one in peers]
    known_ones = [value for value in went if value is not None]
    if not known_ones:
        return peers[0].change_5m
    agree = 0
    for value in known_ones:
        product = ours * value
        agree += (product > 0) - (product < 0)
    return known(rounded_ratio(agree, len(known_ones), MILLI))
