"""projections/ticks.py: the ticks decoded together are the packets of the frames."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.feed import FeedFrame
from events.upcast import current_event
from events.wire import kite
from projections.ticks import TickBuffer
from tests.projections.builders import OPEN_NS, envelopes

NS = 1_000_000_000


def frame(data: bytes, codec: str = kite.CODEC_NAME) -> FeedFrame:
    return FeedFrame(1, codec, kite.CODEC_VERSION, False, len(data), None, data)


def expected(tick: kite.Tick, index: int | None) -> dict[str, Any]:
    """A packet's columns by the complete decoder, one packet at a time."""
    assert not isinstance(tick, kite.SkippedPacket)
    row: dict[str, Any] = {
        "token": tick.token,
        "instrument": index,
        "ltp_paise": tick.last_price or None,
        **dict.fromkeys(("last_units", "volume_units", "oi_units", "exchange_ts")),
        **dict.fromkeys(("last_trade_ts", "bid_paise", "bid_units", "ask_paise", "ask_units")),
    }
    if isinstance(tick, kite.QuoteTick | kite.FullTick):
        row |= {"last_units": tick.last_quantity, "volume_units": tick.volume}
    if isinstance(tick, kite.IndexTick) and tick.exchange_time_s:
        row["exchange_ts"] = tick.exchange_time_s * NS
    if isinstance(tick, kite.FullTick):
        row["oi_units"] = tick.oi
        row["exchange_ts"] = tick.exchange_time_s * NS or None
        row["last_trade_ts"] = tick.last_trade_time_s * NS or None
        for side, level in (("bid", tick.bids[0]), ("ask", tick.asks[0])):
            if level.price:
                row |= {f"{side}_paise": level.price, f"{side}_units": level.quantity}
    return row


def check(buffer: TickBuffer, frames: list[tuple[int, bytes]], tokens: list[int]) -> None:
    rows = buffer.take().sort("seq", "idx").to_dicts()
    wanted = []
    for seq, data in frames:
        for place, tick in enumerate(kite.decode_frame(data)):
            if isinstance(tick, kite.SkippedPacket):
                continue
            index = tokens.index(tick.token) if tick.token in tokens else None
            size = len(kite.packet_at(data, place))
            head = {"seq": seq, "idx": place, "ts": OPEN_NS + seq, "packet_bytes": size}
            wanted.append(head | expected(tick, index))
    assert [dict(sorted(row.items())) for row in rows] == [
        dict(sorted(row.items())) for row in wanted
    ]


def test_session_frames_decode_as_the_complete_decoder() -> None:
    """All packets of an invented session, decoded together, equal the one-by-one decoding."""
    frames, tokens = [], [256265, *((40_000 + place) << 8 | 2 for place in range(12))]
    buffer = TickBuffer(tokens)
    for envelope in envelopes(cycles=8):
        event = current_event(envelope)
        if isinstance(event, FeedFrame):
            frames.append((envelope.seq, event.data))
            buffer.add(envelope.seq, OPEN_NS + envelope.seq, event)
    assert buffer.count > 100
    check(buffer, frames, tokens)


U32 = st.integers(0, 2**32 - 1)
I32 = st.integers(-(2**31), 2**31 - 1)
TOKENS = st.builds(lambda head, segment: head << 8 | segment, st.integers(1, 2**20), st.just(2))
LEVELS = st.lists(st.tuples(U32, I32, st.integers(0, 60_000)), max_size=5)
FULL = st.builds(
    kite.encode_full, TOKENS, *[I32, U32, I32, *[U32] * 3, *[I32] * 4, *[U32] * 5], LEVELS, LEVELS
)
INDEX = st.builds(kite.encode_index, st.just(256265), *[I32] * 6, st.none() | U32)
QUOTE = st.builds(kite.encode_quote, TOKENS, *[I32, U32, I32, *[U32] * 3, *[I32] * 4])
LTP = st.builds(kite.encode_ltp, TOKENS, I32)
UNKNOWN = st.builds(
    lambda head: (head << 8 | 200).to_bytes(4, "big") + bytes(4), st.integers(1, 999)
)
FRAMES = st.lists(
    st.lists(st.one_of(FULL, INDEX, QUOTE, LTP, UNKNOWN), min_size=1, max_size=8), max_size=4
)


@settings(deadline=None, max_examples=40)
@given(FRAMES)
def test_any_frames_decode_as_the_complete_decoder(packets: list[list[bytes]]) -> None:
    """Any mix of packets, extreme numbers, unknown segments gives the complete decoder's ticks."""
    frames = [(seq, kite.encode_frame(group)) for seq, group in enumerate(packets, 1)]
    buffer = TickBuffer([256265])
    for seq, data in frames:
        buffer.add(seq, OPEN_NS + seq, frame(data))
    check(buffer, frames, [256265])


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x01\x00\xb8abc", b"\xff\xff"])
def test_lying_frames_give_nothing(data: bytes) -> None:
    """A heartbeat and a frame whose lengths lie give no tick, and do not stop the rest."""
    buffer = TickBuffer([256265])
    buffer.add(1, OPEN_NS, frame(data))
    assert buffer.count == 0
    buffer.add(2, OPEN_NS, frame(kite.encode_frame([kite.encode_ltp(256265, 5)]), "other"))
    assert (buffer.count, buffer.take().height, buffer.last_seq) == (0, 0, 2)


def test_prices_of_another_scale_are_unknown() -> None:
    """A currency's wire price is not in paise: its price columns are null, its units stay."""
    packet = kite.encode_full(
        *(1234 << 8 | 3, 8_350_000_000 % 2**31, 7, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0),
        *([(10, 11, 1)], [(12, 13, 1)]),
    )
    buffer = TickBuffer()
    buffer.add(1, OPEN_NS, frame(kite.encode_frame([packet])))
    (row,) = buffer.take().to_dicts()
    assert row["ltp_paise"] is row["bid_paise"] is row["ask_units"] is None
    assert (row["volume_units"], row["oi_units"]) == (9, 5)
