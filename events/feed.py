"""Facts of the feed and of the clock.

Lives here: frames exactly as received, the state of a connection, the ticks of the session clock.
May import: events.base. Always holds: nothing is conflated, decoded or corrected before it is here.
"""

from __future__ import annotations

from events.base import Event


class FeedFrame(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One frame of a connection, byte for byte. A tick is addressed (seq, index in the frame).

    ``length_bytes`` and ``digest`` differ from the data only when the frame failed the walk and was
    longer than 64 KiB: then ``data`` is its head. ``snapshot_end`` marks the last frame of a
    market's page; a streaming market leaves it False.
    """

    connection: int
    codec: str
    codec_version: int
    snapshot_end: bool
    length_bytes: int
    digest: str | None
    data: bytes


class FeedStatus(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A connection's state: ``CONNECTED`` (subscription verified or not), ``LOST``, ``ENDED``.

    ``ENDED`` is said by a recorded or simulated market that has no more frames to give.
    """

    connection: int
    status: str
    subscription_verified: bool
    subscribed: int


class TimerTick(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One tick of the cycle rule. ``missed`` counts ticks that were due and not given."""

    due_ts: int
    missed: int
