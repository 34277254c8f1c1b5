"""F01, F13: days of one kind are what their profile says, silence included.

Each profile is a small day; what it holds is read from its frames, not from its table.
"""

from __future__ import annotations

import itertools

import pytest

from adapters.markets.port import MarketFrame
from adapters.markets.synthetic import PROFILES, SyntheticMarket
from adapters.markets.synthetic_regimes import REGIMES, fixed
from engine.rulebook import NS_PER_S
from events.wire.kite import HEARTBEAT, IndexTick, decode_frame, packet_spans

KINDS = tuple(one.name for one in PROFILES if one.weather)
INDEX = 256265


def _frames(name: str) -> tuple[SyntheticMarket, list[MarketFrame]]:
    market = SyntheticMarket(7, name)
    return market, list(market.frames())


def _prints(frames: list[MarketFrame]) -> list[int]:
    """Values of the index in paise, in order."""
    values = []
    for frame in frames:
        if frame.data != HEARTBEAT:
            for tick in decode_frame(frame.data):
                if isinstance(tick, IndexTick) and tick.token == INDEX:
                    values.append(tick.last_price)
    return values


@pytest.mark.parametrize("name", KINDS)
def test_a_fixed_day_has_its_weather_and_no_other(name: str) -> None:
    """The spells are the profile's, without a hole, the last until the close; only the weather
    differs from the small day."""
    profile = next(one for one in PROFILES if one.name == name)
    market = SyntheticMarket(7, name)
    spells = market.schedule()
    assert [spell.regime.name for spell in spells] == [regime for regime, _ in profile.weather]
    assert spells[0].start_s == 0
    assert spells[-1].end_s == (market.close_ns - market.open_ns) // NS_PER_S
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(spells))
    assert market.instruments() == SyntheticMarket(7, "small").instruments()


def test_a_day_cuts_weather_that_is_longer_than_it() -> None:
    """What would begin after the close does not begin."""
    spells = fixed((("RANGE", 60), ("PANIC", 0)), 1_800)
    assert [(one.regime.name, one.start_s, one.end_s) for one in spells] == [("RANGE", 0, 1_800)]
    assert {name for one in PROFILES for name, _ in one.weather} <= {one.name for one in REGIMES}


@pytest.mark.slow
def test_a_trend_rises_a_fall_falls_and_a_range_stays() -> None:
    """Close against open of the index: over 100 bps up, over 100 bps down, within 60 bps."""
    moves = {}
    for name in ("trend", "fall", "range"):
        values = _prints(_frames(name)[1])
        moves[name] = (values[-1] - values[0]) * 10_000 // values[0]
    assert moves["trend"] > 100
    assert moves["fall"] < -100
    assert abs(moves["range"]) < 60


@pytest.mark.parametrize("name", ["trouble", "midday"])
def test_nothing_is_sent_in_a_silence_and_everything_after_it(name: str) -> None:
    """No frame begins in a silence; the first step after it lets every instrument speak, and
    outside silences frames come as on the small day. Without silences the days are the same."""
    profile = next(one for one in PROFILES if one.name == name)
    market, frames = _frames(name)
    late = 1
    for begin, end in profile.silences:
        first, last = (market.open_ns + at * NS_PER_S for at in (begin, end))
        assert not [one for one in frames if first + late * NS_PER_S <= one.ts < last]
        tokens = set()
        for frame in frames:
            if last <= frame.ts < last + 3 * NS_PER_S:
                spans = packet_spans(frame.data) if frame.data != HEARTBEAT else ()
                tokens |= {int.from_bytes(frame.data[at : at + 4], "big") for at, _ in spans}
        missing = [row for row in market.instruments() if row.token not in tokens]
        assert len(missing) * 20 <= len(market.instruments())
        assert INDEX in tokens
    small = list(itertools.islice(SyntheticMarket(7, "small").frames(), 500))
    assert (frames[:500] == small) == (name == "trouble")
