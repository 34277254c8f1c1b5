"""Packets that the tests of the exchange's sockets send through it."""

from __future__ import annotations

from events.wire import kite

OPTION = 11_421_186
"""Of segment NFO."""

INDEX = 256_265
"""NIFTY 50."""

STAMP_S = 1_795_146_300


def full_packet(token: int = OPTION, last: int = 15_000, stamp_s: int = STAMP_S) -> bytes:
    """A full packet of an option with one level a side."""
    return kite.encode_full(
        *(token, last, 75, last, 9_000, 600, 700),
        *(15_100, 15_200, 14_900, 15_050),
        *(stamp_s, 1_000, 1_100, 900, stamp_s),
        [(150, last - 5, 2)],
        [(225, last + 5, 3)],
    )


def index_packet(token: int = INDEX, last: int = 2_253_325, stamp_s: int = STAMP_S) -> bytes:
    """A full packet of an index."""
    return kite.encode_index(
        token, last, 2_260_010, 2_249_995, 2_251_020, 2_262_080, -8_755, stamp_s
    )
