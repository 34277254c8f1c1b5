"""Kite Connect v3 binary frames: walk, decode, encode. Sans I/O: bytes in, integers out.

Lives here: the frame's packet walk with its faults, one struct a packet kind, the hot-path formats
that unpack only what the engine's tick loop needs, and the encoder that simulated markets use.
May import: msgspec and ``struct``, ``enum``. Always holds: a count or a length is checked before it
is used; a frame is taken whole or refused whole with a ``FrameError``; prices are signed and stay
in the wire's own unit (paise wherever ``price_divisor`` is 100), quantities are unsigned.
Start reading at ``walk``, then ``unpack_run`` (fast) or ``decode_frame`` (complete).

Layouts: Kite Connect v3 documentation, "WebSocket streaming", checked against the official Python
client 5.2.2. All integers are big endian::

    frame   int16 packet count, then per packet: int16 length, packet
    ltp     8    token, last price
    quote   44   + last qty, average price, volume, buy qty, sell qty, open, high, low, close
    full    184  + last trade time, OI, OI day high, OI day low, exchange time, 5 bids, 5 offers
    index   28   token, last, high, low, open, close, price change    (high comes first, not open)
    index   32   + exchange time
    level   12   quantity, price, int16 orders, 2 pad bytes
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

CODEC_NAME: Final = "kite.v3"
CODEC_VERSION: Final = 1

LTP_SIZE: Final = 8
INDEX_QUOTE_SIZE: Final = 28
INDEX_FULL_SIZE: Final = 32
QUOTE_SIZE: Final = 44
FULL_SIZE: Final = 184
PACKET_SIZES: Final = (LTP_SIZE, INDEX_QUOTE_SIZE, INDEX_FULL_SIZE, QUOTE_SIZE, FULL_SIZE)
"""Every packet length in bytes that the protocol has."""

PACKET_COUNT_MAX: Final = 0x7FFF
"""The count is an int16; above this it would be negative."""

DEPTH_LEVELS: Final = 5
HEARTBEAT: Final = b"\x00"
"""A frame of exactly one byte says only that the link lives. Its value is not specified."""


class Segment(enum.IntEnum):
    """The low byte of an instrument token."""

    NSE = 1
    NFO = 2
    CDS = 3
    BSE = 4
    BFO = 5
    BCD = 6
    MCX = 7
    MCXSX = 8
    INDICES = 9
    NCO = 12


_DIVISORS: Final[Mapping[int, int]] = MappingProxyType(
    dict.fromkeys(map(int, Segment), 100)
    | {Segment.CDS: 10_000_000, Segment.BCD: 10_000, Segment.NCO: 10_000}
)

_ALL_SEGMENTS: Final = bytes(Segment)
_INDEX_SEGMENTS: Final = bytes((Segment.INDICES,))
_TRADABLE_SEGMENTS: Final = _ALL_SEGMENTS.replace(_INDEX_SEGMENTS, b"")
_SEGMENTS_BY_SIZE: Final = MappingProxyType(
    {
        LTP_SIZE: _ALL_SEGMENTS,
        INDEX_QUOTE_SIZE: _INDEX_SEGMENTS,
        INDEX_FULL_SIZE: _INDEX_SEGMENTS,
        QUOTE_SIZE: _TRADABLE_SEGMENTS,
        FULL_SIZE: _TRADABLE_SEGMENTS,
    }
)
"""Which segments may send a packet of which length."""


class FrameFault(enum.StrEnum):
    """What is wrong with a frame; the values are stable names for reason rows and evidence."""

    FRAME_EMPTY = "FRAME_EMPTY"
    """No bytes at all, or a header that announces no packet."""
    FRAME_COUNT = "FRAME_COUNT"
    """The packet count is negative as the int16 that it is."""
    FRAME_TRUNCATED = "FRAME_TRUNCATED"
    """The frame ends inside a length or a packet that its header announced."""
    FRAME_LENGTH = "FRAME_LENGTH"
    """A packet length that the protocol does not have."""
    FRAME_SEGMENT = "FRAME_SEGMENT"
    """A tradable token in an index packet, or an index token in a tradable one."""
    FRAME_TRAILING = "FRAME_TRAILING"
    """Bytes are left after the last announced packet."""


_SENTENCES: Final = MappingProxyType(
    {
        FrameFault.FRAME_EMPTY: "{found} bytes or packets where at least {expected} must be",
        FrameFault.FRAME_COUNT: "{found} packets announced, {expected} is the most",
        FrameFault.FRAME_TRUNCATED: "{expected} bytes announced, {found} are there",
        FrameFault.FRAME_LENGTH: "no packet is {found} bytes long ({expected} is the longest)",
        FrameFault.FRAME_SEGMENT: "segment {found} sends no packet of {expected} bytes",
        FrameFault.FRAME_TRAILING: "the frame has {found} bytes, its packets end at {expected}",
    }
)


class FrameError(ValueError):
    """A frame (or packet) that cannot be taken at its word.

    ``offset`` is the byte where the problem stands, ``packet`` the index of the packet, ``found``
    and ``expected`` the two numbers that disagree (their meaning follows from ``fault``).
    """

    def __init__(
        self, fault: FrameFault, offset: int, packet: int, found: int, expected: int
    ) -> None:
        sentence = _SENTENCES[fault].format(found=found, expected=expected)
        super().__init__(f"{fault} at byte {offset}, packet {packet}: {sentence}")
        self.fault = fault
        self.offset = offset
        self.packet = packet
        self.found = found
        self.expected = expected


class PacketRangeError(ValueError):
    """A number that does not fit its field in the packet; nothing was encoded."""


def segment(token: int) -> int:
    """The segment byte of an instrument token (see ``Segment``; other values exist)."""
    return token & 0xFF


def price_divisor(token: int) -> int:
    """Wire units of price in one rupee: 100 (paise) but for the currency and NCO segments.

    Raises ``KeyError`` for a segment that this codec does not know: its scale is unknown too.
    """
    divisor = _DIVISORS.get(token & 0xFF)
    if divisor is None:
        raise KeyError(f"token {token} is of unknown segment {token & 0xFF}: no price divisor")
    return divisor


# --- walking ---------------------------------------------------------------------------------


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Neighbouring packets of one length, all of segments that may send it.

    ``first`` is the index in the frame of the run's first packet, ``start`` the byte offset of its
    length word, ``size`` the packet length in bytes, ``count`` the number of packets.
    """

    first: int
    start: int
    size: int
    count: int

    @property
    def stop(self) -> int:
        """Byte offset just past the run."""
        return self.start + self.count * (self.size + 2)


class Walk(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A frame whose counts and lengths agree with its bytes.

    ``packets`` is the count announced and found; ``skipped`` says how many of them are of unknown
    segments and therefore in no run. A heartbeat has neither.
    """

    runs: tuple[Run, ...]
    packets: int
    skipped: int
    heartbeat: bool


_HEARTBEAT_WALK: Final = Walk((), 0, 0, True)


def walk(data: bytes) -> Walk:
    """Check a frame's count and lengths against its bytes and cut it into runs.

    One pass, in runs of equal packets rather than packet by packet: a frame of 200 equal packets
    costs about as much as five. Raises ``FrameError``.
    """
    size = len(data)
    if size < 2:
        if size == 1:
            return _HEARTBEAT_WALK
        raise FrameError(FrameFault.FRAME_EMPTY, 0, 0, 0, 1)
    packets = data[0] << 8 | data[1]
    if not 0 < packets <= PACKET_COUNT_MAX:
        fault = FrameFault.FRAME_COUNT if packets else FrameFault.FRAME_EMPTY
        raise FrameError(fault, 0, 0, packets, PACKET_COUNT_MAX if packets else 1)
    runs: list[Run] = []
    at, index, skipped = 2, 0, 0
    while index < packets:
        run = _run_at(data, at, index, packets - index)
        if run.count:
            runs.append(run)
            index += run.count
            at = run.stop
        else:
            skipped += 1
            index += 1
            at += 2 + run.size
    if at != size:
        raise FrameError(FrameFault.FRAME_TRAILING, at, packets, size, at)
    return Walk(tuple(runs), packets, skipped, False)


_RUN_PROBE_MAX: Final = 256
"""Packets looked at for one run: bounds the work on a frame whose every packet differs."""


def _run_at(data: bytes, at: int, index: int, left: int) -> Run:
    """The run that begins at a byte; of count 0 when its first packet is of unknown segment."""
    size = _checked_size(data, at, index)
    stride = size + 2
    probe = min(left, (len(data) - at) // stride, _RUN_PROBE_MAX)
    stop = at + probe * stride
    # Every length fits one byte, so the length words' high bytes must be zero.
    high = len(data[at:stop:stride].lstrip(b"\0"))
    low = len(data[at + 1 : stop : stride].lstrip(_SIZE_BYTES[size]))
    segments = len(data[at + 5 : stop : stride].lstrip(_SEGMENTS_BY_SIZE[size]))
    count = probe - max(high, low, segments)
    if not count and data[at + 5] in _ALL_SEGMENTS:
        raise FrameError(FrameFault.FRAME_SEGMENT, at + 5, index, data[at + 5], size)
    return Run(index, at, size, count)


_SIZE_BYTES: Final = MappingProxyType({size: bytes((size,)) for size in PACKET_SIZES})


def _checked_size(data: bytes, at: int, index: int) -> int:
    """The packet length that stands at a byte, once it is known and the packet fits the frame."""
    if at + 2 > len(data):
        raise FrameError(FrameFault.FRAME_TRUNCATED, at, index, len(data), at + 2)
    size = data[at] << 8 | data[at + 1]
    if size not in _SEGMENTS_BY_SIZE:
        raise FrameError(FrameFault.FRAME_LENGTH, at, index, size, FULL_SIZE)
    if at + 2 + size > len(data):
        raise FrameError(FrameFault.FRAME_TRUNCATED, at + 2, index, len(data), at + 2 + size)
    return size


def packet_spans(data: bytes) -> tuple[tuple[int, int], ...]:
    """(offset, length) of every packet in frame order, unknown segments too.

    ``packet_spans(frame)[index]`` is where a tick addressed ``(seq, index)`` stands. Raises
    ``FrameError``.
    """
    packets = walk(data).packets
    spans: list[tuple[int, int]] = []
    at = 2
    for _ in range(packets):
        size = data[at] << 8 | data[at + 1]
        spans.append((at + 2, size))
        at += 2 + size
    return tuple(spans)


def packet_at(data: bytes, index: int) -> bytes:
    """The bytes of one packet of a frame. Raises ``FrameError``, or ``IndexError`` past its end."""
    offset, size = packet_spans(data)[index]
    return data[offset : offset + size]


# --- hot path --------------------------------------------------------------------------------

HOT_LTP: Final = struct.Struct(">2xIi")
"""token, last price; preceded, as all hot formats, by the packet's length word as pad."""
HOT_INDEX_QUOTE: Final = struct.Struct(">2xIi20x")
"""token, last price."""
HOT_INDEX_FULL: Final = struct.Struct(">2xIi20xI")
"""token, last price, exchange time in epoch seconds."""
HOT_QUOTE: Final = struct.Struct(">2xIiI4xI24x")
"""token, last price, last quantity, day volume."""
HOT_FULL: Final = struct.Struct(">2xIiI4xI24x4xI8xIIi52xIi52x")
"""token, last price, last quantity, day volume, OI, exchange time in epoch seconds,
best bid quantity, best bid price, best ask quantity, best ask price (price 0 is: no level)."""

HOT_TRADE: Final = struct.Struct(">2xIi8xI164x")
"""token, last price, day volume: what a bar needs of a full packet."""

_INDEX_CLOSE: Final = struct.Struct(">22xi")
"""The day before's close, behind length word, token and four prices."""
_STAMP: Final = struct.Struct(">62xI120x")
_STAMP_AT: Final = 62

HOT_BY_SIZE: Final = MappingProxyType(
    {hot.size - 2: hot for hot in (HOT_LTP, HOT_INDEX_QUOTE, HOT_INDEX_FULL, HOT_QUOTE, HOT_FULL)}
)


def unpack_run(data: bytes, run: Run) -> Iterator[tuple[Any, ...]]:
    """The hot fields of each packet of a run, in order; which fields, ``HOT_BY_SIZE`` says.

    All work is in C; a field that the packet kind lacks is not in its tuple, so a caller that
    dispatches on ``run.size`` cannot mistake a lack for a zero.
    """
    return HOT_BY_SIZE[run.size].iter_unpack(memoryview(data)[run.start : run.stop])


def unpack_trades(data: bytes, run: Run) -> Iterator[tuple[int, int, int]]:
    """``HOT_TRADE``'s fields of each packet of a run of full packets, in order."""
    fields: Iterator[Any] = HOT_TRADE.iter_unpack(memoryview(data)[run.start : run.stop])
    return fields


def index_close(data: bytes, run: Run, place: int) -> int:
    """The close of the day before, in paise, in the packet at a place of a run of index packets."""
    close: tuple[int] = _INDEX_CLOSE.unpack_from(data, run.start + place * (run.size + 2))
    return close[0]


def stamp_bounds(data: bytes, run: Run) -> tuple[int, int]:
    """The oldest and the newest exchange time (epoch s) of a run of full packets.

    Nearly always all of them lie within the same 256 seconds, and mostly within one: then three
    bytes are the same in every packet and the last one decides, which needs no number a packet.
    """
    first, stop, stride = run.start + _STAMP_AT, run.stop, FULL_SIZE + 2
    for at in (first, first + 1, first + 2):
        if data[at:stop:stride].count(data[at]) != run.count:
            every: Iterator[tuple[int]] = _STAMP.iter_unpack(memoryview(data)[run.start : stop])
            stamps = [stamp for (stamp,) in every]
            return min(stamps), max(stamps)
    last = data[first + 3 : stop : stride]
    high = int.from_bytes(data[first : first + 3], "big") << 8
    if last.count(last[0]) == run.count:
        return high | last[0], high | last[0]
    return high | min(last), high | max(last)


unpack_full_at: Final = HOT_FULL.unpack_from
"""(frame bytes, byte offset of a full packet's length word): ``HOT_FULL``'s fields there."""


def unpack_full_run(data: bytes, run: Run) -> Iterator[tuple[int, ...]]:
    """All numbers of each packet of a run of full packets, depth too, in the order of
    ``FULL_PACKET``: the complete form for a reader of many packets, which needs no objects.
    """
    assert run.size == FULL_SIZE, "only full packets have depth"
    return _FULL_RUN.iter_unpack(memoryview(data)[run.start : run.stop])


def iter_hot(data: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(index in the frame, hot fields) of every packet of a known segment. Raises ``FrameError``.

    The convenient form; the tightest loop is over ``walk(data).runs`` and ``unpack_run``.
    """
    for run in walk(data).runs:
        yield from enumerate(unpack_run(data, run), run.first)


# --- complete ticks --------------------------------------------------------------------------


class DepthLevel(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """One level of the book. Price 0 means that there is no such level."""

    quantity: int
    price: int
    orders: int


class LtpTick(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Mode ltp, 8 bytes."""

    token: int
    last_price: int


class IndexTick(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An index in mode quote (28 bytes: ``exchange_time_s`` is None) or full (32 bytes).

    ``price_change`` is signed and in the wire's unit; official clients do not read it.
    """

    token: int
    last_price: int
    high_price: int
    low_price: int
    open_price: int
    close_price: int
    price_change: int
    exchange_time_s: int | None


class QuoteTick(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Mode quote of a tradable instrument, 44 bytes. ``close_price`` is the previous close."""

    token: int
    last_price: int
    last_quantity: int
    average_price: int
    volume: int
    buy_quantity: int
    sell_quantity: int
    open_price: int
    high_price: int
    low_price: int
    close_price: int


class FullTick(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Mode full of a tradable instrument, 184 bytes. Times are epoch seconds, UTC."""

    token: int
    last_price: int
    last_quantity: int
    average_price: int
    volume: int
    buy_quantity: int
    sell_quantity: int
    open_price: int
    high_price: int
    low_price: int
    close_price: int
    last_trade_time_s: int
    oi: int
    oi_day_high: int
    oi_day_low: int
    exchange_time_s: int
    bids: tuple[DepthLevel, ...]
    asks: tuple[DepthLevel, ...]


class SkippedPacket(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A packet of known length from an unknown segment: kept as bytes, its numbers not guessed."""

    token: int
    data: bytes


Tick = LtpTick | IndexTick | QuoteTick | FullTick | SkippedPacket

LTP_PACKET: Final = struct.Struct(">Ii")
INDEX_QUOTE_PACKET: Final = struct.Struct(">I6i")
INDEX_FULL_PACKET: Final = struct.Struct(">I6iI")
QUOTE_PACKET: Final = struct.Struct(">IiIiIIIiiii")
FULL_PACKET: Final = struct.Struct(">IiIiIIIiiiiIIIII" + "IiH2x" * (2 * DEPTH_LEVELS))
"""The whole full packet in one ``pack``: 16 header integers, then (quantity, price, orders) of
five bids and five asks. What a market generator calls when ``encode_full`` is too slow."""
_FULL_RUN: Final = struct.Struct(">2x" + FULL_PACKET.format[1:])
_FULL_HEAD: Final = struct.Struct(">IiIiIIIiiiiIIIII")
_LEVEL: Final = struct.Struct(">IiH2x")
_BIDS_AT: Final = _FULL_HEAD.size
_ASKS_AT: Final = _BIDS_AT + DEPTH_LEVELS * _LEVEL.size


def decode_frame(data: bytes) -> tuple[Tick, ...]:
    """Every packet of a frame as a tick, in frame order; none for a heartbeat.

    Raises ``FrameError``: a frame is decoded whole or not at all.
    """
    return tuple(decode_packet(data[at : at + size]) for at, size in packet_spans(data))


def decode_packet(packet: bytes) -> Tick:
    """One packet without its length word. Raises ``FrameError`` on an unknown length or a token
    whose segment cannot send a packet of this length."""
    size = len(packet)
    allowed = _SEGMENTS_BY_SIZE.get(size)
    if allowed is None:
        raise FrameError(FrameFault.FRAME_LENGTH, 0, 0, size, FULL_SIZE)
    if packet[3] in allowed:
        return _DECODE[size](packet)
    if packet[3] in _ALL_SEGMENTS:
        raise FrameError(FrameFault.FRAME_SEGMENT, 3, 0, packet[3], size)
    return SkippedPacket(int.from_bytes(packet[:4], "big"), packet)


def _decode_ltp(packet: bytes) -> Tick:
    return LtpTick(*LTP_PACKET.unpack(packet))


def _decode_index_quote(packet: bytes) -> Tick:
    fields: tuple[Any, ...] = (*INDEX_QUOTE_PACKET.unpack(packet), None)
    return IndexTick(*fields)


def _decode_index_full(packet: bytes) -> Tick:
    return IndexTick(*INDEX_FULL_PACKET.unpack(packet))


def _decode_quote(packet: bytes) -> Tick:
    return QuoteTick(*QUOTE_PACKET.unpack(packet))


def _decode_full(packet: bytes) -> Tick:
    fields: tuple[Any, ...] = (*_FULL_HEAD.unpack_from(packet), *depth(packet))
    return FullTick(*fields)


_DECODE: Final = MappingProxyType(
    {
        LTP_SIZE: _decode_ltp,
        INDEX_QUOTE_SIZE: _decode_index_quote,
        INDEX_FULL_SIZE: _decode_index_full,
        QUOTE_SIZE: _decode_quote,
        FULL_SIZE: _decode_full,
    }
)


def depth(data: bytes, offset: int = 0) -> tuple[tuple[DepthLevel, ...], tuple[DepthLevel, ...]]:
    """(bids, asks) of the full packet that begins at a byte offset, five levels each.

    Lazy on purpose: the tick loop needs the best level only. Pad bytes are not read. Raises
    ``FrameError`` when no full packet fits there.
    """
    if offset < 0 or offset + FULL_SIZE > len(data):
        raise FrameError(FrameFault.FRAME_TRUNCATED, offset, 0, len(data), offset + FULL_SIZE)
    return (_levels(data, offset + _BIDS_AT), _levels(data, offset + _ASKS_AT))


def _levels(data: bytes, at: int) -> tuple[DepthLevel, ...]:
    side = memoryview(data)[at : at + DEPTH_LEVELS * _LEVEL.size]
    return tuple(DepthLevel(*level) for level in _LEVEL.iter_unpack(side))


# --- encoding --------------------------------------------------------------------------------

Level = tuple[int, int, int]
"""(quantity, price, orders)."""

_NO_LEVELS: Final = (0,) * (3 * DEPTH_LEVELS)


def encode_ltp(token: int, last_price: int) -> bytes:
    """An ltp packet. Raises ``PacketRangeError``, as every encoder here."""
    return _pack(LTP_PACKET, (token, last_price))


def encode_index(
    token: int,
    last_price: int,
    high_price: int,
    low_price: int,
    open_price: int,
    close_price: int,
    price_change: int,
    exchange_time_s: int | None = None,
) -> bytes:
    """An index packet: full (32 bytes) when an exchange time is given, else quote (28)."""
    fields = (token, last_price, high_price, low_price, open_price, close_price, price_change)
    if exchange_time_s is None:
        return _pack(INDEX_QUOTE_PACKET, fields)
    return _pack(INDEX_FULL_PACKET, (*fields, exchange_time_s))


def encode_quote(
    token: int,
    last_price: int,
    last_quantity: int,
    average_price: int,
    volume: int,
    buy_quantity: int,
    sell_quantity: int,
    open_price: int,
    high_price: int,
    low_price: int,
    close_price: int,
) -> bytes:
    """A quote packet of a tradable instrument."""
    head = (token, last_price, last_quantity, average_price, volume, buy_quantity, sell_quantity)
    return _pack(QUOTE_PACKET, (*head, open_price, high_price, low_price, close_price))


def encode_full(
    token: int,
    last_price: int,
    last_quantity: int,
    average_price: int,
    volume: int,
    buy_quantity: int,
    sell_quantity: int,
    open_price: int,
    high_price: int,
    low_price: int,
    close_price: int,
    last_trade_time_s: int,
    oi: int,
    oi_day_high: int,
    oi_day_low: int,
    exchange_time_s: int,
    bids: Sequence[Level],
    asks: Sequence[Level],
) -> bytes:
    """A full packet; levels that are not given are zeros, as the broker sends them."""
    return _pack(
        FULL_PACKET,
        (
            *(token, last_price, last_quantity, average_price),
            *(volume, buy_quantity, sell_quantity),
            *(open_price, high_price, low_price, close_price),
            *(last_trade_time_s, oi, oi_day_high, oi_day_low, exchange_time_s),
            *_flat(bids),
            *_flat(asks),
        ),
    )


def _flat(levels: Sequence[Level]) -> tuple[int, ...]:
    if len(levels) > DEPTH_LEVELS:
        raise PacketRangeError(f"a side has {DEPTH_LEVELS} levels, got {len(levels)}")
    flat = tuple(number for level in levels for number in level)
    return flat + _NO_LEVELS[len(flat) :]


def _pack(layout: struct.Struct, fields: tuple[int, ...]) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise PacketRangeError(f"token {fields[0]}: {error}") from error


def encode_packet(tick: Tick) -> bytes:
    """The packet of a tick; ``decode_packet`` gives the tick back. Raises ``PacketRangeError``."""
    if isinstance(tick, SkippedPacket):
        return tick.data
    fields = msgspec.structs.astuple(tick)
    if isinstance(tick, FullTick):
        levels = (*_flat(_plain(tick.bids)), *_flat(_plain(tick.asks)))
        return _pack(FULL_PACKET, (*fields[:-2], *levels))
    if isinstance(tick, IndexTick):
        return encode_index(*fields)
    return _pack(QUOTE_PACKET if isinstance(tick, QuoteTick) else LTP_PACKET, fields)


def _plain(levels: tuple[DepthLevel, ...]) -> tuple[Level, ...]:
    return tuple((level.quantity, level.price, level.orders) for level in levels)


def encode_frame(packets: Sequence[bytes]) -> bytes:
    """A frame of packets, in order. Raises ``FrameError`` on none, too many or an unknown length.

    Segments are not judged here, so a simulator can send what a real feed might.
    """
    count = len(packets)
    if not 0 < count <= PACKET_COUNT_MAX:
        fault = FrameFault.FRAME_COUNT if count else FrameFault.FRAME_EMPTY
        raise FrameError(fault, 0, 0, count, PACKET_COUNT_MAX if count else 1)
    try:
        parts = [_LENGTH_WORDS[len(packet)] + packet for packet in packets]
    except KeyError as error:
        raise FrameError(FrameFault.FRAME_LENGTH, 0, 0, int(error.args[0]), FULL_SIZE) from error
    return count.to_bytes(2, "big") + b"".join(parts)


_LENGTH_WORDS: Final = MappingProxyType({size: size.to_bytes(2, "big") for size in PACKET_SIZES})
