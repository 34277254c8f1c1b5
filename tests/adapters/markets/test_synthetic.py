"""The synthetic day as a market: equal everywhere, on time, honest, alive."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec
import pytest

from adapters.markets.port import Market, MarketError, MarketFrame
from adapters.markets.synthetic import DEFAULT_DAY, PROFILES, SyntheticMarket
from adapters.markets.synthetic_day import FRAME_PACKETS_MAX
from engine.options import parity_forward
from engine.rulebook import ist_ns
from events.session import Instrument
from events.wire.kite import HEARTBEAT, FullTick, IndexTick, decode_frame, packet_spans, walk

ROOT = Path(__file__).parents[3]
GOLDEN_FRAMES = 200
GOLDEN_DIGEST = "ef140716005ba223e23d40e5a945b062c0a1dd5763c74dfe4a66e544225187dc"

DIGEST_SCRIPT = (
    "import hashlib, itertools\n"
    "from adapters.markets.synthetic import SyntheticMarket\n"
    "digest = hashlib.sha256()\n"
    "market = SyntheticMarket(7)\n"
    "digest.update(market.dump_digest.encode())\n"
    "for frame in itertools.islice(market.frames(), 400):\n"
    "    digest.update(b'%d' % frame.ts + frame.data)\n"
    "print(digest.hexdigest())\n"
)


class Seen(msgspec.Struct):
    """A small day, read once: frames, and (frame ts, token, packet) of everything sent."""

    market: SyntheticMarket
    rows: tuple[Instrument, ...]
    frames: list[MarketFrame]
    packets: list[tuple[int, int, bytes]]


@pytest.fixture(scope="module")
def day() -> Seen:
    market = SyntheticMarket(7, "small")
    frames = list(market.frames())
    return Seen(market, market.instruments(), frames, list(_packets(frames)))


def _digest(frames: Iterator[MarketFrame], count: int) -> str:
    digest = hashlib.sha256()
    for frame in itertools.islice(frames, count):
        digest.update(b"%d:%d:" % (frame.ts, len(frame.data)) + frame.data)
    return digest.hexdigest()


def _packets(frames: list[MarketFrame]) -> Iterator[tuple[int, int, bytes]]:
    """(frame ts, token, packet) of everything sent."""
    for frame in frames:
        if frame.data != HEARTBEAT:
            for at, size in packet_spans(frame.data):
                packet = frame.data[at : at + size]
                yield frame.ts, int.from_bytes(packet[:4], "big"), packet


def _at(day: Seen, until_ns: int) -> dict[int, FullTick | IndexTick]:
    """The last tick of each token before a time."""
    last = {token: packet for ts, token, packet in day.packets if ts < until_ns}
    joined = b"".join(len(p).to_bytes(2, "big") + p for p in last.values())
    ticks = decode_frame(len(last).to_bytes(2, "big") + joined)
    return {t.token: t for t in ticks if isinstance(t, FullTick | IndexTick)}


def test_the_first_frames_are_golden() -> None:
    """Seed 7 makes these bytes, now and on any machine; a change of the market changes them
    knowingly."""
    assert _digest(SyntheticMarket(7).frames(), GOLDEN_FRAMES) == GOLDEN_DIGEST


def test_two_processes_make_the_same_day() -> None:
    """Hash seed, time zone, locale and working directory do not reach the frames."""
    digests = []
    for seed, zone in (("0", "UTC"), ("4711", "Asia/Kolkata")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
        environment["PYTHONPATH"] = str(ROOT)
        run = subprocess.run(
            [sys.executable, "-c", DIGEST_SCRIPT],
            env=environment,
            cwd=ROOT if seed == "0" else ROOT.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.append(run.stdout.strip())
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64


def test_each_pass_begins_anew_and_each_seed_is_another_day() -> None:
    """``frames`` twice gives the same; another seed, day or profile does not."""
    one = SyntheticMarket(7, "small")
    digest = _digest(one.frames(), 50)
    assert digest == _digest(one.frames(), 50)
    others = (
        SyntheticMarket(8, "small"),
        SyntheticMarket(7, "small", 20261119),
        SyntheticMarket(7, "default"),
    )
    assert all(_digest(other.frames(), 50) != digest for other in others)


def test_it_is_a_market_and_says_which() -> None:
    """Identity, cycle rule, anchor and hours are those of the default day."""
    market: Market = SyntheticMarket(7, cadence_ms=5_000)
    assert market.day == DEFAULT_DAY == 20261120
    identity = market.identity
    assert (identity.kind, identity.seed, identity.profile) == ("synthetic", 7, "default")
    assert (identity.lacks, identity.bar_ms, identity.content_digest) == ((), 60_000, None)
    assert msgspec.to_builtins(market.cycle_rule) == ["GRID", 5_000, 0]
    assert market.anchor_ns == ist_ns(20261120, "09:00")
    assert market.open_ns == ist_ns(20261120, "09:15")
    assert market.close_ns == ist_ns(20261120, "15:40")
    assert len(market.dump_digest) == 64


def test_frames_pass_the_walk_in_order_and_never_fall_silent(day: Seen) -> None:
    """Every frame walks, holds at most 200 packets of known segments, follows the one before, and
    comes within 3.5 s of it."""
    previous = None
    for frame in day.frames:
        found = walk(frame.data)
        assert found.skipped == 0
        assert found.packets <= FRAME_PACKETS_MAX
        assert day.market.anchor_ns <= frame.ts < day.market.close_ns
        assert not frame.snapshot_end
        if previous is not None:
            assert 0 < frame.ts - previous <= 3_500_000_000
        previous = frame.ts


def test_exchange_stamps_are_whole_seconds_just_before_receipt(day: Seen) -> None:
    """No packet is stamped after its frame, none a second or more before it."""
    for ts, _, packet in day.packets:
        stamp = packet[28:32] if len(packet) == 32 else packet[60:64]
        lag = ts - int.from_bytes(stamp, "big") * 1_000_000_000
        assert 0 < lag < 1_000_000_000


def test_the_first_page_shows_everything_before_the_open(day: Seen) -> None:
    """Before 09:15 each instrument spoke once: a previous close, no volume, quotes near the money,
    and a heartbeat followed."""
    early = [frame for frame in day.frames if frame.ts < day.market.open_ns]
    tokens = [token for _, token, _ in _packets(early)]
    assert sorted(tokens) == sorted(row.token for row in day.rows)
    assert early[-1].data == HEARTBEAT
    ticks = _at(day, day.market.open_ns)
    assert all(tick.close_price > 0 for tick in ticks.values())
    books = [tick for tick in ticks.values() if isinstance(tick, FullTick)]
    assert all(tick.volume == tick.open_price == 0 for tick in books)
    assert all(tick.asks[0].price > 0 for tick in books)
    assert sum(tick.bids[0].price > 0 for tick in books) > 0.9 * len(books)


def test_the_day_has_its_volume_and_every_regime(day: Seen) -> None:
    """A small day is about 120,000 packets and its schedule names all seven regimes."""
    count = sum(walk(frame.data).packets for frame in day.frames)
    assert 100_000 < count < 140_000
    assert len({spell.regime.name for spell in day.market.schedule()}) == 7


def test_books_are_sane_all_day(day: Seen) -> None:
    """In one frame of nine, every book: bid below ask, on the tick, levels in order, whole lots."""
    lots = {row.token: row.lot_units for row in day.rows}
    checked = 0
    for frame in day.frames[::9]:
        for tick in decode_frame(frame.data):
            if not isinstance(tick, FullTick):
                continue
            bids = [level.price for level in tick.bids if level.price]
            asks = [level.price for level in tick.asks]
            assert bids == sorted(set(bids), reverse=True)
            assert asks == sorted(set(asks))
            assert not bids or bids[0] < asks[0]
            assert all(price > 0 and price % 5 == 0 for price in (*bids, *asks))
            lot = lots[tick.token]
            assert all(level.quantity % lot == 0 for level in (*tick.bids, *tick.asks))
            assert tick.volume % lot == tick.oi % lot == 0
            checked += 1
    assert checked > 5_000


def test_volume_grows_and_nothing_is_said_twice(day: Seen) -> None:
    """Per instrument the day volume never falls, and two packets in a row differ in more than
    their stamp: a contract with nothing new is silent."""
    last: dict[int, bytes] = {}
    for _, token, packet in day.packets:
        before = last.get(token)
        last[token] = packet
        if before is None:
            continue
        if len(packet) == 32:
            assert packet[:28] != before[:28]
        else:
            assert packet[:60] + packet[64:] != before[:60] + before[64:]
            assert packet[16:20] >= before[16:20]


def test_quiet_contracts_stay_quiet(day: Seen) -> None:
    """Far contracts send a small part of what contracts near the money send."""
    counts: dict[int, int] = {}
    for _, token, _ in day.packets:
        counts[token] = counts.get(token, 0) + 1
    options = sorted(counts[row.token] for row in day.rows if row.kind in ("CE", "PE"))
    assert options[0] < 200
    assert options[-1] > 2_000


def _parity_gap_bps(day: Seen, hhmm: str) -> float:
    """The near expiry's parity forward against the index, in bps."""
    ticks = _at(day, ist_ns(DEFAULT_DAY, hhmm))
    near = min(row.expiry for row in day.rows if row.kind == "CE")
    legs: dict[int, dict[str, FullTick]] = {}
    for row in day.rows:
        tick = ticks[row.token]
        if row.kind in ("CE", "PE") and row.expiry == near and isinstance(tick, FullTick):
            legs.setdefault(row.strike_paise, {})[row.kind] = tick
    quotes = tuple(
        (
            k,
            *(
                leg[right].bids[0].price if side else leg[right].asks[0].price
                for right in ("CE", "PE")
                for side in (True, False)
            ),
        )
        for k, leg in legs.items()
    )
    forward = parity_forward(quotes, 1.0)  # type: ignore[arg-type]
    assert forward is not None
    return (forward / ticks[256265].last_price - 1.0) * 10_000


def test_parity_holds(day: Seen) -> None:
    """Through the day the near expiry's parity forward is the index plus its carry of a few bps."""
    gaps = [_parity_gap_bps(day, f"{hour}:00") for hour in ("10", "11", "12", "13", "14", "15")]
    assert all(2.0 < gap < 8.0 for gap in gaps), gaps


def test_spreads_follow_the_weather(day: Seen) -> None:
    """Near the money the median spread is 10 to 30 bps in a calm spell and wider in the panic."""
    spells = {spell.regime.name: spell for spell in day.market.schedule()}
    near = min(row.expiry for row in day.rows if row.kind == "CE")
    found: dict[str, list[float]] = {"RANGE": [], "PANIC": []}
    for name, spreads in found.items():
        end_ns = day.market.open_ns + (spells[name].end_s - 60) * 1_000_000_000
        ticks = _at(day, min(end_ns, ist_ns(DEFAULT_DAY, "15:10")))
        spot = ticks[256265].last_price
        for row in day.rows:
            tick = ticks[row.token]
            money = abs(row.strike_paise - spot) < 15_000 and row.expiry == near
            if money and isinstance(tick, FullTick):
                bid, ask = tick.bids[0].price, tick.asks[0].price
                spreads.append((ask - bid) * 20_000 / (ask + bid))
    assert 8 < median(found["RANGE"]) < 40
    assert median(found["PANIC"]) > 1.5 * median(found["RANGE"])


def test_the_index_freezes_in_the_auction_and_options_go_on(day: Seen) -> None:
    """No index packet from 15:15 to 15:35, exactly one from then on; futures and options trade."""
    start, end = ist_ns(DEFAULT_DAY, "15:15"), ist_ns(DEFAULT_DAY, "15:35")
    index = [ts for ts, token, _ in day.packets if token == 256265]
    assert not [ts for ts in index if start <= ts < end]
    assert len([ts for ts in index if ts >= end]) == 1
    assert [ts for ts in index if start - 10_000_000_000 < ts < start]
    future = next(row.token for row in day.rows if row.kind == "FUT")
    others = [token for ts, token, _ in day.packets if start <= ts < end]
    assert others.count(future) > 300
    assert len(set(others)) > 100


def test_an_expiry_day_trades_to_its_last_second() -> None:
    """On 23 Nov 2026 the near contracts run to 15:40 without a bad book."""
    market = SyntheticMarket(3, "small", 20261123)
    rows = market.instruments()
    assert min(row.expiry for row in rows if row.kind == "CE") == 20261123
    last = list(market.frames())[-40:]
    assert last[-1].ts > ist_ns(20261123, "15:39:50")
    for frame in last:
        for tick in decode_frame(frame.data):
            if isinstance(tick, FullTick):
                assert tick.bids[0].price < tick.asks[0].price


def test_a_day_of_the_old_hours_has_no_auction() -> None:
    """29 Aug 2025 closes at 15:30 and its index prints to the end; lots are that day's."""
    market = SyntheticMarket(3, "small", 20250829)
    assert market.close_ns == ist_ns(20250829, "15:30")
    frames = list(market.frames())
    index = [ts for ts, token, _ in _packets(frames) if token == 256265]
    assert index[-1] > ist_ns(20250829, "15:29:50")
    rows = market.instruments()
    assert {row.lot_units for row in rows if row.kind == "CE"} == {75}
    assert "NIFTY2590222600CE" in {row.tradingsymbol for row in rows}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((1, "huge", None), "no profile 'huge': choose one of default, full, small"),
        ((1, "small", 20261124), "20261124 is not a trading day"),
        ((1, "small", 20261121), "20261121 is not a trading day"),
        ((1, "small", 20261108), "20261108 is not a trading day with known hours"),
        ((1, "small", 2026), "2026 is not a day"),
        ((1, "small", 20240603), "the rulebook gives no"),
    ],
)
def test_a_market_that_cannot_be_is_one_clear_line(
    arguments: tuple[int, str, int | None], says: str
) -> None:
    """Unknown profile, closed or impossible day, a day without rules: one line that names it."""
    with pytest.raises(MarketError, match=says) as caught:
        SyntheticMarket(*arguments)
    assert "\n" not in str(caught.value)


def test_a_cadence_must_be_positive() -> None:
    """A grid of zero milliseconds has no ticks."""
    with pytest.raises(MarketError, match="is no cadence"):
        SyntheticMarket(1, cadence_ms=0)


def test_profiles_are_named_once() -> None:
    """Names are unique, and the default is among them."""
    names = [profile.name for profile in PROFILES]
    assert len(set(names)) == len(names)
    assert "default" in names


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 7])
def test_a_default_day_is_a_million_packets(seed: int) -> None:
    """Within 15 % of a million, of 499 instruments, in about a frame a second."""
    count = frames = 0
    for frame in SyntheticMarket(seed).frames():
        count += walk(frame.data).packets
        frames += 1
    assert 850_000 < count < 1_150_000
    assert 23_100 <= frames < 24_000


@pytest.mark.slow
def test_a_full_day_is_eleven_times_as_much() -> None:
    """The first half hour of ``full`` holds its part of eleven million packets, give or take what
    the weather of that half hour does."""
    market = SyntheticMarket(7, "full")
    until = market.open_ns + 1800 * 1_000_000_000
    count = 0
    for frame in market.frames():
        if frame.ts >= until:
            break
        count += walk(frame.data).packets
    assert 0.6 < count / (11_000_000 * 30 / 385) < 1.4
