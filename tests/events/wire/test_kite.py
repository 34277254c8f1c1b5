"""Kite's binary frames: goldens, round trips, lying frames, the official parser as oracle."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.wire import kite

GOLDENS = Path(__file__).parent / "goldens"

OWN_VECTOR = (
    "0003001c0003e9090022620d00227c2a0022550b0022590c00228440ffffddcd"
    "00200003e9090022620d00227c2a0022550b0022590c00228440ffffddcd6ac712f1"
    "000800000109006e8a3c"
)

TICK_TYPES: dict[str, type[kite.Tick]] = {
    kind.__name__: kind
    for kind in (
        kite.LtpTick,
        kite.IndexTick,
        kite.QuoteTick,
        kite.FullTick,
        kite.SkippedPacket,
    )
}

# --- strategies ---------------------------------------------------------------------------------

UNSIGNED = st.integers(0, (1 << 32) - 1)
SIGNED = st.integers(-(1 << 31), (1 << 31) - 1)
SHORT = st.integers(0, (1 << 16) - 1)
KNOWN_SEGMENTS = tuple(int(segment) for segment in kite.Segment)
TRADABLE_SEGMENTS = tuple(s for s in KNOWN_SEGMENTS if s != kite.Segment.INDICES)
UNKNOWN_SEGMENTS = tuple(s for s in range(256) if s not in KNOWN_SEGMENTS)


def tokens(segments: tuple[int, ...]) -> st.SearchStrategy[int]:
    return st.builds(
        lambda exchange_token, segment: exchange_token << 8 | segment,
        st.integers(0, (1 << 24) - 1),
        st.sampled_from(segments),
    )


def ticks(price: st.SearchStrategy[int] = SIGNED) -> st.SearchStrategy[kite.Tick]:
    index_token, tradable = tokens((kite.Segment.INDICES,)), tokens(TRADABLE_SEGMENTS)
    level = st.builds(kite.DepthLevel, UNSIGNED, price, SHORT)
    side = st.tuples(*[level] * kite.DEPTH_LEVELS)
    head = [tradable, price, UNSIGNED, price, *[UNSIGNED] * 3, *[price] * 4]
    return st.one_of(
        st.builds(kite.LtpTick, tokens(KNOWN_SEGMENTS), price),
        st.builds(kite.IndexTick, index_token, *[price] * 5, SIGNED, st.none() | UNSIGNED),
        st.builds(kite.QuoteTick, *head),
        st.builds(kite.FullTick, *head, *[UNSIGNED] * 5, side, side),
    )


SKIPPED = st.builds(
    lambda token, size: kite.SkippedPacket(
        token, token.to_bytes(4, "big") + bytes(range(size - 4))
    ),
    tokens(UNKNOWN_SEGMENTS),
    st.sampled_from(kite.PACKET_SIZES),
)
TICK_LISTS = st.lists(st.one_of(ticks(), SKIPPED), min_size=1, max_size=12)


def frame_of(ticks_: list[kite.Tick]) -> bytes:
    return kite.encode_frame([kite.encode_packet(tick) for tick in ticks_])


# --- goldens ------------------------------------------------------------------------------------


def test_own_vector_decodes_to_the_stated_numbers() -> None:
    """The fact sheet's vector: index quote, index full (high, low, open, close) and an ltp."""
    numbers = (256265, 2253325, 2260010, 2249995, 2251020, 2262080, -8755)
    assert kite.decode_frame(bytes.fromhex(OWN_VECTOR)) == (
        kite.IndexTick(*numbers, None),
        kite.IndexTick(*numbers, 1791431409),
        kite.LtpTick(265, 7244348),
    )


def test_own_vector_is_the_stated_bytes() -> None:
    """The vector in this file is the one of the fact sheet, by length and digest."""
    data = bytes.fromhex(OWN_VECTOR)
    assert len(data) == 76
    assert hashlib.sha256(data).hexdigest() == (
        "8646f0c9b1d5fdbcc779e741da24a6b23a1257808a664b7b0da5d39968064b92"
    )


def test_official_sample_packets_rebuilt_from_numbers_have_their_digests() -> None:
    """The official quote and full samples, encoded here from their numbers, hash as published."""
    prices = (156915, 157500, 156105, 156780)
    quote = kite.encode_quote(408065, 157315, 1, 157033, 1175986, 256511, 360503, *prices)
    full = kite.encode_full(
        *(408065, 157370, 7, 157037, 1192471, 256443, 363009),
        *prices,
        *(1625461887, 0, 0, 0, 1625461887),
        bids=[
            (5, 157340, 1),
            (140, 157300, 2),
            (2, 157295, 1),
            (219, 157290, 7),
            (50, 157285, 1),
        ],
        asks=[
            (172, 157370, 3),
            (44, 157375, 3),
            (302, 157385, 3),
            (141, 157390, 2),
            (724, 157395, 5),
        ],
    )
    assert hashlib.sha256(quote).hexdigest() == (
        "c7169c1bf64d74d86fbcf3fca44e651fa671cacbec041d68f385d17c27038a72"
    )
    assert hashlib.sha256(full).hexdigest() == (
        "11106288d5dd3b94a33bb6a6b4a9dcfbedb89e025b0636be13e077497e89d9b0"
    )


def golden_names() -> list[str]:
    return sorted(path.stem for path in GOLDENS.glob("*.hex"))


def test_there_are_goldens_of_every_tick_type() -> None:
    """An empty or thinned golden folder fails here instead of passing silently."""
    seen = {kind for name in golden_names() for kind, _ in load_golden(name)[1]}
    assert seen == set(TICK_TYPES)


def load_golden(name: str) -> tuple[bytes, list[tuple[str, Any]]]:
    data = bytes.fromhex((GOLDENS / f"{name}.hex").read_text())
    return data, json.loads((GOLDENS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", golden_names())
def test_golden_frame_decodes_and_encodes_unchanged(name: str) -> None:
    """Released layouts stay: the stored bytes and the stored numbers are each other's image."""
    data, rows = load_golden(name)
    expected = [msgspec.convert(row, TICK_TYPES[kind]) for kind, row in rows]
    assert list(kite.decode_frame(data)) == expected
    assert frame_of(expected) == data


# --- round trips --------------------------------------------------------------------------------


@given(TICK_LISTS)
def test_decode_inverts_encode(sent: list[kite.Tick]) -> None:
    """Any ticks, at the extremes of their fields too, survive encoding and decoding."""
    assert list(kite.decode_frame(frame_of(sent))) == sent


@given(TICK_LISTS)
def test_encode_inverts_decode(sent: list[kite.Tick]) -> None:
    """A valid frame, decoded and encoded again, is the same bytes."""
    data = frame_of(sent)
    assert frame_of(list(kite.decode_frame(data))) == data


@given(TICK_LISTS)
def test_walk_agrees_with_the_complete_decoder(sent: list[kite.Tick]) -> None:
    """Runs cover exactly the packets of known segments, in order, with their frame indices."""
    data = frame_of(sent)
    walk = kite.walk(data)
    known = [i for i, tick in enumerate(sent) if not isinstance(tick, kite.SkippedPacket)]
    covered = [i for run in walk.runs for i in range(run.first, run.first + run.count)]
    assert covered == known
    assert (walk.packets, walk.skipped) == (len(sent), len(sent) - len(known))
    assert [kite.packet_at(data, i) for i in range(len(sent))] == [
        kite.encode_packet(tick) for tick in sent
    ]


def hot_fields(tick: kite.Tick) -> tuple[int, ...]:
    """What the hot path must give for a tick, from the complete decoder's fields."""
    match tick:
        case kite.FullTick():
            bid, ask = tick.bids[0], tick.asks[0]
            book = (bid.quantity, bid.price, ask.quantity, ask.price)
            traded = (tick.last_quantity, tick.volume, tick.oi, tick.exchange_time_s)
            return (tick.token, tick.last_price, *traded, *book)
        case kite.QuoteTick():
            return (tick.token, tick.last_price, tick.last_quantity, tick.volume)
        case kite.IndexTick(exchange_time_s=int(time_s)):
            return (tick.token, tick.last_price, time_s)
        case kite.IndexTick() | kite.LtpTick():
            return (tick.token, tick.last_price)
    raise AssertionError(f"no hot fields for {tick}")


@given(TICK_LISTS)
def test_hot_path_agrees_with_the_complete_decoder(sent: list[kite.Tick]) -> None:
    """The pad-byte formats read the same fields at the same indices as the complete decoder."""
    assert list(kite.iter_hot(frame_of(sent))) == [
        (i, hot_fields(tick))
        for i, tick in enumerate(sent)
        if not isinstance(tick, kite.SkippedPacket)
    ]


@given(TICK_LISTS)
def test_all_numbers_of_full_packets_are_those_of_the_complete_ticks(
    sent: list[kite.Tick],
) -> None:
    """The flat form packs into the packet again, and is refused for packets without depth."""
    full = [kite.encode_packet(tick) for tick in sent if isinstance(tick, kite.FullTick)]
    data = frame_of(sent)
    found: list[bytes] = []
    for run in kite.walk(data).runs:
        if run.size == kite.FULL_SIZE:
            found.extend(kite.FULL_PACKET.pack(*one) for one in kite.unpack_full_run(data, run))
        else:
            with pytest.raises(AssertionError, match="only full packets"):
                kite.unpack_full_run(data, run)
    assert found == full


@given(
    st.one_of(
        st.lists(st.integers(250, 261), min_size=1, max_size=9),
        st.lists(st.integers(1_700_000_000, 1_700_000_003), min_size=1, max_size=9),
        st.lists(UNSIGNED, min_size=1, max_size=9),
    )
)
def test_the_newest_stamp_is_the_largest_of_all(stamps: list[int]) -> None:
    """Whatever of the four bytes differs between the packets; the fields for bars are theirs."""
    zeros = (0,) * 10
    packets = [
        kite.encode_full(258, 9 + k, 1, 1, k, *zeros, stamp, [], [])
        for k, stamp in enumerate(stamps)
    ]
    data = kite.encode_frame(packets)
    (run,) = kite.walk(data).runs
    assert kite.stamp_bounds(data, run) == (min(stamps), max(stamps))
    want = [(258, 9 + k, k) for k in range(len(stamps))]
    assert list(kite.unpack_trades(data, run)) == want


def test_a_long_frame_of_equal_packets_is_walked_whole() -> None:
    """More packets than one probe looks at still give every index once, in few runs."""
    sent: list[kite.Tick] = [kite.LtpTick(i << 8 | 2, i) for i in range(3000)]
    data = frame_of(sent)
    assert [index for index, _ in kite.iter_hot(data)] == list(range(3000))
    assert len(kite.walk(data).runs) < 20


# --- heartbeats, pads, unknown segments ---------------------------------------------------------


@pytest.mark.parametrize("byte", [b"\x00", b"\x01", b"\xff"])
def test_one_byte_of_any_value_is_a_heartbeat(byte: bytes) -> None:
    """A frame of one byte is distinguished, and holds no packet."""
    assert kite.walk(byte).heartbeat
    assert kite.decode_frame(byte) == ()
    assert not kite.walk(bytes.fromhex(OWN_VECTOR)).heartbeat
    assert kite.walk(kite.HEARTBEAT).heartbeat


FULL = kite.encode_full(
    *(11421186, 15025, 65, 14990, 65_000, 130, 195, 14000, 15500, 13900, 14100),
    *(1756440000, 650, 700, 600, 1756440001),
    bids=[(65, 15020, 1)],
    asks=[(130, 15030, 2)],
)


def test_pad_bytes_of_depth_levels_are_ignored() -> None:
    """Rubbish in all twenty pad bytes changes no number."""
    dirty = bytearray(FULL)
    for level in range(10):
        at = 64 + 12 * level + 10
        dirty[at : at + 2] = b"\xff\xff"
    assert dirty != FULL
    assert kite.decode_packet(bytes(dirty)) == kite.decode_packet(FULL)


def test_orders_are_two_bytes_not_four() -> None:
    """The order count is an int16: reading four bytes would give 65,536 times as many."""
    bids, asks = kite.depth(FULL)
    assert bids[0] == kite.DepthLevel(65, 15020, 1)
    assert asks[0] == kite.DepthLevel(130, 15030, 2)
    assert bids[1:] == asks[1:] == (kite.DepthLevel(0, 0, 0),) * 4


def test_depth_is_found_inside_a_frame_and_refused_past_its_end() -> None:
    """The lazy depth reads at a packet's offset, and never beyond the bytes given."""
    data = kite.encode_frame([kite.encode_ltp(265, 1), FULL])
    offset, _ = kite.packet_spans(data)[1]
    assert kite.depth(data, offset) == kite.depth(FULL)
    for bad in (offset + 1, -1, len(data)):
        with pytest.raises(kite.FrameError, match="FRAME_TRUNCATED"):
            kite.depth(data, bad)


def test_an_unknown_segment_is_skipped_and_counted() -> None:
    """One packet of segment 11 between two known ones: counted, and the others keep their index."""
    unknown = b"\x00\x00\x01\x0b" + FULL[4:]
    walk = kite.walk(kite.encode_frame([FULL, unknown, FULL]))
    assert (walk.packets, walk.skipped) == (3, 1)
    assert [(run.first, run.count) for run in walk.runs] == [(0, 1), (2, 1)]


def test_negative_prices_are_signed_and_large_quantities_are_not() -> None:
    """-1.00 stays -100 paise; a volume past 2^31 stays positive."""
    packet = kite.encode_quote(2, -100, 1, -100, (1 << 32) - 1, 0, 0, -1, -2, -3, -4)
    tick = kite.decode_packet(packet)
    assert isinstance(tick, kite.QuoteTick)
    assert (tick.last_price, tick.volume, tick.close_price) == (-100, (1 << 32) - 1, -4)


@pytest.mark.parametrize("segment", list(kite.Segment))
def test_price_divisor_of_every_segment(segment: kite.Segment) -> None:
    """Currency derivatives have their own scales; everything else is in paise."""
    special = {kite.Segment.CDS: 10_000_000, kite.Segment.BCD: 10_000, kite.Segment.NCO: 10_000}
    assert kite.price_divisor(77 << 8 | segment) == special.get(segment, 100)
    assert kite.segment(77 << 8 | segment) == segment


@pytest.mark.parametrize("segment", [0, 10, 11, 13, 255])
def test_price_divisor_of_an_unknown_segment_is_not_guessed(segment: int) -> None:
    """A segment outside the table has no scale here."""
    with pytest.raises(KeyError, match=f"unknown segment {segment}"):
        kite.price_divisor(1 << 8 | segment)


# --- lying frames -------------------------------------------------------------------------------


def fault_of(data: bytes) -> kite.FrameFault:
    with pytest.raises(kite.FrameError) as caught:
        kite.walk(data)
    with pytest.raises(kite.FrameError):
        kite.decode_frame(data)
    return caught.value.fault


LTP_WORDS = b"\x00\x08" + kite.encode_ltp(265, 1)


@pytest.mark.parametrize(
    ("data", "fault", "offset"),
    [
        (b"", "FRAME_EMPTY", 0),
        (b"\x00\x00", "FRAME_EMPTY", 0),
        (b"\xff\xff" + LTP_WORDS, "FRAME_COUNT", 0),
        (b"\x80\x00" + LTP_WORDS, "FRAME_COUNT", 0),
        (b"\x00\x02" + LTP_WORDS, "FRAME_TRUNCATED", 12),
        (b"\x00\x02" + LTP_WORDS + b"\x00", "FRAME_TRUNCATED", 12),
        (b"\x00\x01" + LTP_WORDS[:-1], "FRAME_TRUNCATED", 4),
        (b"\x00\x01" + LTP_WORDS + b"\x00", "FRAME_TRAILING", 12),
        (b"\x00\x01" + LTP_WORDS * 2, "FRAME_TRAILING", 12),
        (b"\x00\x01\x00\x09" + bytes(9), "FRAME_LENGTH", 2),
        (b"\x00\x01\xff\xf8" + bytes(9), "FRAME_LENGTH", 2),
        (b"\x00\x02" + LTP_WORDS + b"\x01\x08" + LTP_WORDS[2:], "FRAME_LENGTH", 12),
        (b"\x00\x01\x00\xb8" + b"\x00\x00\x01\x09" + bytes(180), "FRAME_SEGMENT", 7),
        (b"\x00\x01\x00\x20" + b"\x00\x00\x01\x02" + bytes(28), "FRAME_SEGMENT", 7),
    ],
)
def test_a_lying_frame_is_refused_whole_with_its_fault_and_place(
    data: bytes, fault: str, offset: int
) -> None:
    """Each fault is reached, named, and placed at the byte where the lie stands."""
    assert fault_of(data) == kite.FrameFault(fault)
    with pytest.raises(kite.FrameError, match=f"{fault} at byte {offset},") as caught:
        kite.walk(data)
    assert caught.value.offset == offset


def test_every_truncation_of_a_frame_is_refused_whole() -> None:
    """No shorter prefix of a frame passes: only the one-byte prefix reads as a heartbeat."""
    data = kite.encode_frame([FULL, kite.encode_ltp(265, 1), FULL])
    for size in range(2, len(data)):
        fault = fault_of(data[:size])
        assert fault is kite.FrameFault.FRAME_TRUNCATED, size
    assert kite.walk(data[:1]).heartbeat
    assert kite.walk(data).packets == 3


def outcome(data: bytes) -> tuple[kite.Tick, ...] | None:
    """The ticks, or None when refused; anything but the typed error escapes and fails the test."""
    try:
        walk = kite.walk(data)
    except kite.FrameError:
        with pytest.raises(kite.FrameError):
            kite.decode_frame(data)
        return None
    decoded = kite.decode_frame(data)
    assert len(decoded) == walk.packets
    assert sum(run.count for run in walk.runs) == walk.packets - walk.skipped
    return decoded


def test_every_single_bit_flip_gives_a_result_or_the_typed_error() -> None:
    """Flips in lengths and counts are refused; flips in numbers decode to other numbers."""
    data = bytes.fromhex(OWN_VECTOR)
    refused = 0
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        refused += outcome(bytes(flipped)) is None
    # All bits of the count and of three lengths, and at least the segment bytes' low bits.
    assert 8 * 8 <= refused < 8 * len(data) // 4


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_random_bytes_never_escape_the_typed_error(data: bytes) -> None:
    """Random bytes: a result or ``FrameError``, and walk and decoder always agree."""
    outcome(data)


@given(TICK_LISTS, st.data())
def test_damaged_frames_never_escape_the_typed_error(
    sent: list[kite.Tick], choice: st.DataObject
) -> None:
    """A valid frame with one byte overwritten or some bytes cut out behaves as random bytes do."""
    data = frame_of(sent)
    at = choice.draw(st.integers(0, len(data) - 1))
    byte = choice.draw(st.binary(min_size=1, max_size=1))
    cut = choice.draw(st.integers(0, 3))
    outcome(data[:at] + byte + data[at + 1 + cut :])


@pytest.mark.parametrize(
    ("packet", "fault"),
    [
        (b"", "FRAME_LENGTH"),
        (bytes(9), "FRAME_LENGTH"),
        (b"\x00\x00\x01\x09" + bytes(40), "FRAME_SEGMENT"),
        (b"\x00\x00\x01\x01" + bytes(24), "FRAME_SEGMENT"),
    ],
)
def test_a_lone_packet_is_checked_as_in_a_frame(packet: bytes, fault: str) -> None:
    """``decode_packet`` refuses the lengths and segments that ``walk`` refuses."""
    with pytest.raises(kite.FrameError, match=fault):
        kite.decode_packet(packet)


# --- encoder's refusals -------------------------------------------------------------------------


def test_numbers_that_do_not_fit_are_refused_by_name() -> None:
    """A number outside its field raises the typed range error, and names the token."""
    with pytest.raises(kite.PacketRangeError, match="token 265"):
        kite.encode_ltp(265, 1 << 31)
    with pytest.raises(kite.PacketRangeError, match="5 levels, got 6"):
        kite.encode_packet(
            msgspec.structs.replace(
                msgspec.convert(msgspec.to_builtins(kite.decode_packet(FULL)), type=kite.FullTick),
                bids=(kite.DepthLevel(1, 1, 1),) * 6,
            )
        )


@pytest.mark.parametrize(
    ("packets", "fault"),
    [
        ([], "FRAME_EMPTY"),
        ([bytes(9)], "FRAME_LENGTH"),
        ([kite.encode_ltp(1, 1)] * 32768, "FRAME_COUNT"),
    ],
)
def test_a_frame_that_could_not_be_read_back_is_not_made(packets: list[bytes], fault: str) -> None:
    """The encoder refuses what the walk would refuse."""
    with pytest.raises(kite.FrameError, match=fault):
        kite.encode_frame(packets)


# --- the official client as an oracle -----------------------------------------------------------


@pytest.fixture(scope="module")
def official() -> Any:
    """The official parser, without a connection."""
    from kiteconnect import KiteTicker

    return KiteTicker("key", "token")


def as_official(tick: kite.Tick) -> dict[str, Any]:
    """A tick in the official client's words, prices still integers."""
    fields: dict[str, Any] = msgspec.to_builtins(tick)
    names = {
        "token": "instrument_token",
        "last_quantity": "last_traded_quantity",
        "average_price": "average_traded_price",
        "volume": "volume_traded",
        "buy_quantity": "total_buy_quantity",
        "sell_quantity": "total_sell_quantity",
        "exchange_time_s": "exchange_timestamp",
        "last_trade_time_s": "last_trade_time",
    }
    flat = {names.get(name, name): value for name, value in fields.items()}
    flat.pop("price_change", None)
    for side in ("bids", "asks"):
        if side in flat:
            flat[side] = tuple(tuple(level) for level in flat[side])
    for name in ("exchange_timestamp", "last_trade_time"):
        if name in flat:
            flat[name] = local_time(flat[name])
    return {name: value for name, value in flat.items() if value is not None}


def local_time(epoch_s: int | None) -> datetime | None:
    """The client gives naive host-local times: the same call here, so any host's zone will do."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s)  # noqa: DTZ006


def flattened(parsed: dict[str, Any], divisor: int) -> dict[str, Any]:
    """The official parser's dict with its float prices back in wire units."""

    def wire(price: float) -> int:
        return round(price * divisor)

    flat = {k: v for k, v in parsed.items() if k not in ("tradable", "mode", "change", "ohlc")}
    flat |= {f"{name}_price": wire(price) for name, price in parsed.get("ohlc", {}).items()}
    for name in ("last_price", "average_traded_price"):
        if name in flat:
            flat[name] = wire(flat[name])
    depth = flat.pop("depth", None)
    if depth is not None:
        flat["bids"], flat["asks"] = (
            tuple((row["quantity"], wire(row["price"]), row["orders"]) for row in depth[side])
            for side in ("buy", "sell")
        )
    return flat


@given(st.lists(ticks(price=st.integers(0, (1 << 31) - 1)), min_size=1, max_size=8))
def test_agrees_with_the_official_parser_on_valid_frames(
    official: Any, sent: list[kite.Tick]
) -> None:
    """Every field of every packet kind and segment, prices not negative (the client reads those
    as unsigned), equals what the official client reads from the same bytes."""
    parsed = official._parse_binary(frame_of(sent))
    assert [flattened(row, kite.price_divisor(row["instrument_token"])) for row in parsed] == [
        as_official(tick) for tick in sent
    ]


def test_the_official_comparison_can_fail(official: Any) -> None:
    """Canary: one changed quantity is seen as a difference by the same comparison."""
    other = kite.QuoteTick(*(258, 100, 2, 100, 5, 6, 7, 1, 2, 3, 4))
    sent = msgspec.structs.replace(other, last_quantity=1)
    [row] = official._parse_binary(frame_of([sent]))
    assert flattened(row, 100) == as_official(sent)
    assert flattened(row, 100) != as_official(other)
