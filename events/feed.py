"""Facts of the feed and of the clock.

Lives here: frames exactly as received, the state of a connection and of its subscription, history
that was loaded, the ticks of the session clock and its steps, the health of the process.
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
    """A connection's state: ``CONNECTED`` (subscription verified or not), ``LOST``, ``WANTED``,
    ``ENDED``.

    ``WANTED`` is said first of each of several connections, so that none is missed that never
    comes up; ``ENDED`` is said by a recorded or simulated market that has no more frames to give.
    """

    connection: int
    status: str
    subscription_verified: bool
    subscribed: int


class TimerTick(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One tick of the cycle rule. ``missed`` counts ticks that were due and not given."""

    due_ts: int
    missed: int


class SubscriptionChanged(
    Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """What a connection is subscribed to. ``change`` is SUBSCRIBED, UNSUBSCRIBED, VERIFIED (every
    instrument was seen since) or PARTIAL (``missing`` were not, by their tokens)."""

    connection: int
    change: str
    mode: str
    subscribed: int
    missing: tuple[int, ...]


class FramesDropped(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Whole frames that the bounded inbox could not take, the oldest first. ``first_ts`` and
    ``last_ts`` are the session times at which they arrived."""

    connection: int
    frames: int
    length_bytes: int
    first_ts: int
    last_ts: int


class HistoryLoaded(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Candles of one instrument from outside the feed, in parallel arrays, oldest first.

    ``source`` names where from; ``fault`` is None unless they could not be had. Prices in paise,
    ``starts`` ns UTC.
    """

    instrument: int
    bar_ms: int
    source: str
    from_ts: int
    to_ts: int
    starts: tuple[int, ...]
    opens_paise: tuple[int, ...]
    highs_paise: tuple[int, ...]
    lows_paise: tuple[int, ...]
    closes_paise: tuple[int, ...]
    volumes_units: tuple[int, ...]
    fault: str | None


class ClockStepped(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The wall clock was compared with another one; the session clock is not moved by it.

    ``offset_ns`` is the wall clock minus the other: of source WALL that is the session clock, of
    NTP, CHRONY or TIMESYNCD it is a time server's, as a start of LIVE measured it."""

    offset_ns: int
    limit_ns: int
    source: str


class HealthObserved(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A measurement of the process or its machine: ``what`` is DURABILITY_MS, DISK_FREE_MB,
    RECEIVE_LAG_MS, INBOX_FRAMES and so on, ``status`` is OK or BAD against ``limit``.
    FEED_JITTER_SEED is what the feed's waits between attempts come from."""

    what: str
    status: str
    observed: int
    limit: int
