"""What the state keeps of ticks that were not taken at their word.

Lives here: the records of a doubt, of a judgement and of all of them. May import: events.base.
Always holds: an instrument has one doubt at most; what was judged since the last tick of the clock
is kept to be said there, and no burst makes the state grow.
Start reading at ``Quality``; who judges is ``engine.quality``.
"""

from __future__ import annotations

from typing import Final

from events.base import Record

KEPT: Final = 32
"""Judgements kept to be said, and times kept to be counted: more than any limit of them may be."""


class Doubt(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A tick that waits for a second witness, the last of its instrument that does.

    ``reason`` is TICK_IMPLAUSIBLE or TICK_REORDERED. ``price_paise`` is what it said (of a contract
    that is held or worked, its bid; of a sold leg, its ask), ``accepted_paise`` what it is compared
    with; ``stamp_s`` its exchange time, ``since_ns`` when the first of the doubt came and ``seq``
    the frame of the last.
    ``packet`` is the whole packet with its length word: the same once more is no second witness.
    """

    instrument: int
    reason: str
    price_paise: int
    accepted_paise: int
    stamp_s: int
    since_ns: int
    seq: int
    packet: bytes


class Judgement(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What became of one tick; the words are those of ``TicksJudged``."""

    instrument: int
    reason: str
    outcome: str
    price_paise: int
    accepted_paise: int
    stamp_s: int
    seq: int


class Quality(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Ticks in doubt, what was judged and not yet said (``unsaid`` counts all of it), and when
    ticks of instruments with bars came without a time or out of order. ``ahead_stamp_s`` is the
    last stamp that lay too far ahead of the session clock, ``ahead_ns`` when it came (0: never).
    """

    doubts: tuple[Doubt, ...]
    judgements: tuple[Judgement, ...]
    unsaid: int
    timeless_ns: tuple[int, ...]
    reordered_ns: tuple[int, ...]
    ahead_stamp_s: int
    ahead_ns: int


EMPTY_QUALITY: Final = Quality((), (), 0, (), (), 0, 0)
