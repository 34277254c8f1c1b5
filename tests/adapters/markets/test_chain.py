"""A recorded option-chain day as a market: pages to frames, identity, instruments."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from adapters.markets.chain import FRAME_PACKETS_MAX, LACKS, ChainMarket, open_chain
from adapters.markets.chain_file import ChainFileError, read_chain
from adapters.markets.port import Market, MarketError, MarketFrame
from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook, hhmmss_of, ist_ns
from events.session import CycleRule
from events.wire import kite
from tests.adapters.markets.chain_fixture import (
    LOT,
    RULEBOOK,
    SCHEMA,
    Rows,
    changed,
    one_day_later,
    page,
    small_day,
    write,
)

REAL = Path(__file__).parents[3] / "../shared/data/NIFTY_option_chain_2025-08-29.parquet"
INDEX_TOKEN = 256265


@pytest.fixture
def small(tmp_path: Path) -> ChainMarket:
    return open_chain(write(tmp_path / "day.parquet", small_day()), RULEBOOK)


def pages_of(market: Market) -> Iterator[tuple[int, list[MarketFrame]]]:
    """Frames grouped into pages by their end marks."""
    frames: list[MarketFrame] = []
    for frame in market.frames():
        frames.append(frame)
        if frame.snapshot_end:
            assert len({one.ts for one in frames}) == 1
            yield frame.ts, frames
            frames = []
    assert not frames


def ticks_of(frames: list[MarketFrame]) -> list[kite.Tick]:
    return [tick for frame in frames for tick in kite.decode_frame(frame.data)]


def kinds(frames: list[MarketFrame]) -> tuple[int, int]:
    """(index packets, contract packets)."""
    ticks = ticks_of(frames)
    prints = sum(isinstance(tick, kite.IndexTick) for tick in ticks)
    return prints, len(ticks) - prints


# --- frames ---------------------------------------------------------------------------------------


def test_a_page_sends_what_changed_and_a_print_when_its_stamp_is_new(small: ChainMarket) -> None:
    """Whole page; one change; heartbeat; a change without print; a print without change."""
    pages = list(pages_of(small))
    assert [kinds(frames) for _, frames in pages] == [(1, 36), (1, 1), (0, 0), (0, 1), (1, 0)]
    assert [hhmmss_of(ts) for ts, _ in pages] == [
        *("09:24:16", "09:25:22", "09:26:28", "09:27:34", "09:31:00")
    ]
    assert [frame.data for frame in pages[2][1]] == [kite.HEARTBEAT]


def test_packets_hold_units_one_level_and_the_exchanges_own_stamp(small: ChainMarket) -> None:
    """Volume and interest are contracts x lot; what the file lacks is zero in the packet."""
    _, frames = next(pages_of(small))
    tick = ticks_of(frames)[1]
    assert isinstance(tick, kite.FullTick)
    stamp_s = ist_ns(20250829, "09:22:45") // 1_000_000_000
    assert (tick.volume, tick.oi, tick.exchange_time_s) == (100 * LOT, 40 * LOT, stamp_s)
    none = (kite.DepthLevel(0, 0, 0),) * 4
    assert tick.bids == (kite.DepthLevel(75, 119_995, 0), *none)
    assert tick.asks == (kite.DepthLevel(150, 120_005, 0), *none)
    lacking = (tick.last_quantity, tick.average_price, tick.open_price, tick.close_price)
    assert lacking == (0, 0, 0, 0)


def rebuilt(market: ChainMarket) -> Iterator[tuple[int, dict[int, tuple[int, ...]]]]:
    """What a reader of the frames knows after each page, by contract, in the file's own numbers."""
    index_of = {row.token: i - 1 for i, row in enumerate(market.instruments())}
    known: dict[int, tuple[int, ...]] = {}
    for ts, frames in pages_of(market):
        for frame in frames:
            for _, fields in kite.iter_hot(frame.data):
                if len(fields) == 3:
                    continue
                token, last, _, volume, oi, _, bid_units, bid, ask_units, ask = fields
                assert volume % LOT == oi % LOT == 0
                numbers = (bid, bid_units, ask, ask_units, last, volume // LOT, oi // LOT)
                known[index_of[token]] = numbers
        yield ts, known


def assert_rebuilt(market: ChainMarket) -> None:
    pages = market.file.pages
    for (ts, known), original in zip(rebuilt(market), pages, strict=True):
        assert ts == original.ts
        for row in market.file.rows(original):
            assert known[row[0]] == row[1:]


def test_a_reader_of_the_frames_knows_every_page_of_the_file(small: ChainMarket) -> None:
    """Silence means unchanged: after each page the packets so far give the page's every number."""
    assert_rebuilt(small)


def test_a_page_is_cut_into_frames_of_at_most_two_hundred_packets(tmp_path: Path) -> None:
    """A page of 401 packets: three frames of one time, only the last ends the snapshot."""
    rows = page("09:24:16", "09:22:45", strikes=tuple(range(24_300, 25_300, 10)))
    market = open_chain(write(tmp_path / "wide.parquet", rows), RULEBOOK)
    frames = list(market.frames())
    assert [kite.walk(frame.data).packets for frame in frames] == [200, 200, 1]
    assert [frame.snapshot_end for frame in frames] == [False, False, True]
    assert len({frame.ts for frame in frames}) == 1
    assert FRAME_PACKETS_MAX == 200


def test_frames_are_a_fresh_iterator_at_each_call(small: ChainMarket) -> None:
    """The second reading of a market gives the same frames as the first."""
    assert list(small.frames()) == list(small.frames())


def test_frames_of_the_small_day_are_pinned(small: ChainMarket) -> None:
    """Golden: bytes, times and end marks of the generated day, so a change of rule is seen."""
    digest = hashlib.sha256()
    for frame in small.frames():
        digest.update(msgspec.msgpack.encode((frame.ts, frame.data, frame.snapshot_end)))
    assert digest.hexdigest() == (
        "32091f7280d16dca90df17a114a5b0341b3230e33f1d5da8db6e8e7410224197"
    )


# --- identity -------------------------------------------------------------------------------------


def test_the_day_declares_its_rule_its_hours_and_what_it_lacks(small: ChainMarket) -> None:
    """One page is one decision; an outage begins after 130 s; lacks are named, not zeros."""
    market: Market = small
    assert market.cycle_rule == CycleRule("AFTER_SNAPSHOT", 60_000, 130_000)
    assert market.day == 20250829
    hours = (market.anchor_ns, market.open_ns, market.close_ns)
    assert [hhmmss_of(ns) for ns in hours] == ["09:24:16", "09:15:00", "15:30:00"]
    assert market.identity.kind == "chain"
    assert (market.identity.seed, market.identity.profile) == (None, None)
    assert market.identity.bar_ms == 300_000
    assert market.identity.lacks == LACKS
    assert {"index", "future", "vix", "depth_beyond_1", "history"} <= set(LACKS)


def test_the_canonical_encoding_is_pinned(small: ChainMarket) -> None:
    """Golden: the digest of the generated day's rows, on any machine and library version."""
    assert small.file.content_digest() == (
        "e11d779441d0748d6a89d33cd6253acb6ba6087512079b74a5f45e2b4531968b"
    )


def content(path: Path, rulebook: Rulebook = RULEBOOK) -> str | None:
    return open_chain(path, rulebook).identity.content_digest


def test_identity_is_of_the_rows_not_of_the_files_bytes(tmp_path: Path) -> None:
    """Other row order, compression, time unit and unread columns: another file, the same market."""
    rows = small_day()
    original = write(tmp_path / "a.parquet", rows)
    shuffled = list(rows)
    random.Random(5).shuffle(shuffled)
    fields = [field for field in SCHEMA if field.name not in ("iv_pct", "oi_change_contracts")]
    schema = pa.schema(fields)
    for name in ("ts_ist", "exchange_ts_ist"):
        place = schema.get_field_index(name)
        schema = schema.set(place, pa.field(name, pa.timestamp("us")))
    other = write(tmp_path / "b.parquet", shuffled, schema, compression="zstd", row_group_size=7)
    assert original.read_bytes() != other.read_bytes()
    assert content(original) == content(other)


@pytest.mark.parametrize(
    "name", ["bid_paise", "bid_qty", "ask_qty", "ltp_paise", "volume_contracts", "oi_contracts"]
)
def test_identity_changes_with_any_number_that_is_read(tmp_path: Path, name: str) -> None:
    """One number of one row more or less is another market."""
    rows = small_day()
    one = write(tmp_path / "a.parquet", rows)
    two = write(tmp_path / "b.parquet", changed(rows, **{name: rows[0][name] + 5}))
    assert content(one) != content(two)


def test_identity_changes_with_the_rules_that_shape_frames(tmp_path: Path) -> None:
    """Another lot makes other packets, so it is another market although the file is the same."""
    path = write(tmp_path / "a.parquet", small_day())
    rows = tuple(
        msgspec.structs.replace(row, value=50) if (row.name, row.value) == ("lot", LOT) else row
        for row in load_rows()
    )
    assert content(path) != content(path, Rulebook(rows))


# --- instruments ----------------------------------------------------------------------------------


def test_instruments_are_an_estimated_index_and_spelt_contracts(small: ChainMarket) -> None:
    """Index first and marked; valid unique tokens; weekly and monthly spelling."""
    index, *options = small.instruments()
    assert (index.token, index.kind, index.provenance) == (INDEX_TOKEN, "INDEX", "estimated")
    assert index.tradingsymbol == "NIFTY 50"
    assert {row.provenance for row in options} == {"exchange"}
    assert {kite.segment(row.token) for row in options} == {kite.Segment.NFO}
    assert len({row.token for row in options}) == len(options) == 36
    assert len({row.tradingsymbol for row in options}) == 36
    assert {(row.lot_units, row.tick_paise) for row in options} == {(LOT, 5)}
    assert options[0].tradingsymbol == "NIFTY2590224300CE"
    assert options[-1].tradingsymbol == "NIFTY25SEP24700PE"
    assert options[-1].strike_paise == 2_470_000


# --- refusals -------------------------------------------------------------------------------------


def retyped(name: str, kind: pa.DataType) -> pa.Schema:
    return SCHEMA.set(SCHEMA.get_field_index(name), pa.field(name, kind))


def without(name: str) -> pa.Schema:
    return SCHEMA.remove(SCHEMA.get_field_index(name))


def as_text(rows: Rows, name: str) -> Rows:
    return [row | {name: str(row[name])} for row in rows]


DAY = small_day()
PAGE = page("09:24:16", "09:22:45")
TWO_STAMPS = [*PAGE[:-1], page("09:24:16", "09:22:46")[-1]]
Writer = Callable[[Path], object]

BAD_FILES: dict[str, tuple[Writer, str]] = {
    "missing": (lambda p: None, "no such file"),
    "folder": (lambda p: p.mkdir(), "is a folder"),
    "empty": (lambda p: p.write_bytes(b""), "not a whole Parquet file"),
    "text": (lambda p: p.write_text("ts_ist,strike\n"), "not a whole Parquet file"),
    "half": (
        lambda p: p.write_bytes(write(p, DAY).read_bytes()[:2000]),
        "not a whole Parquet file",
    ),
    "column": (lambda p: write(p, DAY, without("bid_qty")), "no column bid_qty"),
    "number as text": (
        lambda p: write(p, as_text(DAY, "bid_paise"), retyped("bid_paise", pa.string())),
        "bid_paise is string, it must be an integer",
    ),
    "rupees": (lambda p: write(p, DAY, retyped("ltp_paise", pa.float64())), "must be an integer"),
    "zone": (
        lambda p: write(p, DAY, retyped("ts_ist", pa.timestamp("ms", "Asia/Kolkata"))),
        "must be a timestamp without zone",
    ),
    "date as text": (
        lambda p: write(p, as_text(DAY, "expiry"), retyped("expiry", pa.string())),
        "expiry is string, it must be a date",
    ),
    "no rows": (lambda p: write(p, []), "0 rows"),
    "hole": (lambda p: write(p, [DAY[0] | {"oi_contracts": None}, *DAY[1:]]), "1 empty values"),
    "negative": (lambda p: write(p, changed(DAY, bid_qty=-75)), "bid_qty holds -75"),
    "no strike": (lambda p: write(p, changed(DAY, strike=0)), "strike holds 0"),
    "right": (lambda p: write(p, [DAY[0] | {"right": "XX\n"}, *DAY[1:]]), "column right holds"),
    "underlyings": (
        lambda p: write(p, [DAY[0] | {"underlying": "BANKNIFTY"}, *DAY[1:]]),
        "underlying holds 'BANKNIFTY', 'NIFTY'; it must hold one value",
    ),
    "unknown": (
        lambda p: write(p, [row | {"underlying": "GOLD"} for row in DAY]),
        "GOLD is no underlying",
    ),
    "two days": (lambda p: write(p, [*PAGE, *one_day_later(PAGE)]), "one trading day"),
    "no session": (lambda p: write(p, one_day_later(PAGE)), "no derivatives session on 20250830"),
    "twice": (lambda p: write(p, [*PAGE, PAGE[3]]), "page of 09:24:16 has a contract twice"),
    "stamps": (lambda p: write(p, TWO_STAMPS), "more than one exchange stamp"),
    "too large": (
        lambda p: write(p, changed(DAY, volume_contracts=60_000_000)),
        "volume_contracts holds 60000000, more than a packet can carry",
    ),
    "absurd time": (
        lambda p: write(p, [row | {"ts_ist": 1 << 62} for row in PAGE]),
        "a time lies outside",
    ),
    "absurd expiry": (
        lambda p: write(p, [row | {"expiry": 1 << 30} for row in PAGE]),
        "which cannot be",
    ),
}


@pytest.mark.parametrize("case", list(BAD_FILES))
def test_a_bad_file_is_refused_with_one_line_that_names_it(tmp_path: Path, case: str) -> None:
    """Every way in which a file is not a chain day: the typed error, one line, the path, why."""
    make, why = BAD_FILES[case]
    path = tmp_path / "bad.parquet"
    make(path)
    with pytest.raises(MarketError) as caught:
        open_chain(path, RULEBOOK)
    message = str(caught.value)
    assert why in message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def test_a_damaged_file_never_escapes_the_typed_error(tmp_path: Path) -> None:
    """Cuts and byte flips over the whole file: read as some day, or refused; nothing else."""
    path = tmp_path / "damaged.parquet"
    data = write(path, PAGE).read_bytes()
    choose = random.Random(11)
    refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        damaged[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged[: choose.choice((len(data), choose.randrange(len(data))))])
        try:
            read_chain(path)
        except ChainFileError:
            refused += 1
    assert refused > 75


# --- the recorded day -----------------------------------------------------------------------------

needs_data = pytest.mark.skipif(not REAL.is_file(), reason="../shared/data is absent")


@pytest.fixture(scope="module")
def real() -> ChainMarket:
    return open_chain(REAL, RULEBOOK)


@needs_data
def test_the_recorded_day_is_rebuilt_from_its_frames(real: ChainMarket) -> None:
    """All 467,524 quotes of 29 August 2025 follow from the 291,235 packets that are sent."""
    assert_rebuilt(real)


@needs_data
def test_the_recorded_day_has_the_known_counts(real: ChainMarket) -> None:
    """306 pages in order, 9 of them heartbeats, 291,235 contract packets and 292 prints."""
    pages = [(ts, [kite.walk(frame.data) for frame in frames]) for ts, frames in pages_of(real)]
    assert len(pages) == 306
    assert [ts for ts, _ in pages] == sorted({ts for ts, _ in pages})
    assert sum(walks[0].heartbeat for _, walks in pages) == 9
    assert sum(walk.packets for _, walks in pages for walk in walks) == 291_235 + 292
    assert max(walk.packets for _, walks in pages for walk in walks) <= FRAME_PACKETS_MAX
    assert len(real.instruments()) == 1 + 1528
    assert real.file.content_digest() == (
        "c3378ddc6aea69c7db92b7a86b91bda75d923e00e6112f57b61e8a407af72a05"
    )


@needs_data
def test_the_recorded_day_spells_all_eighteen_expiries(real: ChainMarket) -> None:
    """Weeklies and monthlies to 2030, the one moved before Christmas 2029 too."""
    words = dict.fromkeys(
        row.tradingsymbol.removeprefix("NIFTY")[:5] for row in real.instruments()[1:]
    )
    assert list(words) == [
        *("25902", "25909", "25916", "25923", "25SEP", "25OCT", "25NOV", "25DEC", "26MAR"),
        *("26JUN", "26DEC", "27JUN", "27DEC", "28JUN", "28DEC", "29JUN", "29DEC", "30JUN"),
    ]
