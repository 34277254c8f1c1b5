"""Open interest: ratios, max pain and builds against brute force on random chains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bars import FIVE_NS, MINUTE_NS
from engine.features.interest import (
    FLAT_BPS,
    FLAT_PPM,
    ROWS_KEPT,
    build_of,
    contract_build,
    direction_of,
    interest_row,
    max_pain,
    open_interest,
    reference,
    with_row,
)
from engine.features.reading import NO_QUOTE, NOT_OFFERED, TOO_FEW, UNKNOWN
from engine.features.tape import InterestRow
from engine.state import ExpiryMap, Quote
from tests.engine.features.series import OPEN

UNITS = st.lists(st.integers(0, 5_000), min_size=1, max_size=14)


def chain(count: int) -> ExpiryMap:
    """Strikes 100 apart; call ``n`` is instrument ``2 n``, put ``2 n + 1``."""
    strikes = tuple(10_000 + 100 * n for n in range(count))
    calls, puts = tuple(range(0, 2 * count, 2)), tuple(range(1, 2 * count, 2))
    return ExpiryMap(20261124, 1, strikes, (0.0,) * count, calls, puts)


def quote(oi: int, volume: int = 0) -> Quote:
    return Quote(100, 1, volume, oi, 0, 1, 99, 1, 101, 0, 0, b"", 0)


def quotes_of(calls: list[int], puts: list[int], volume: int = 1) -> tuple[Quote | None, ...]:
    return tuple(quote(oi, oi * volume) for pair in zip(calls, puts, strict=True) for oi in pair)


@given(st.data(), UNITS)
def test_max_pain_is_the_least_of_all_strikes(data: st.DataObject, calls: list[int]) -> None:
    """The one pass finds what paying every holder at every strike finds."""
    puts = data.draw(st.lists(st.integers(0, 5_000), min_size=len(calls), max_size=len(calls)))
    steps = data.draw(st.lists(st.integers(1, 300), min_size=len(calls), max_size=len(calls)))
    strikes = tuple(10_000 + sum(steps[: n + 1]) for n in range(len(calls)))

    def paid(level: int) -> int:
        each = zip(strikes, calls, puts, strict=True)
        return sum(c * max(level - k, 0) + p * max(k - level, 0) for k, c, p in each)

    expected = min(strikes, key=lambda k: (paid(k), k)) if any(calls) or any(puts) else None
    assert max_pain(strikes, tuple(calls), tuple(puts)) == expected


@given(st.data(), UNITS)
def test_the_ratios_are_puts_over_calls(data: st.DataObject, calls: list[int]) -> None:
    """Of open interest and of volume, over all strikes of the near expiry."""
    puts = data.draw(st.lists(st.integers(0, 5_000), min_size=len(calls), max_size=len(calls)))
    emap, quotes = chain(len(calls)), quotes_of(calls, puts, 3)
    now = interest_row(OPEN, 10_000, emap, -1, quotes)
    found, unknown = open_interest(now, (), emap, range(len(calls)), quotes, has_future=False)
    expected = sum(puts) * 1000 // sum(calls) if any(calls) else None
    assert (found.pcr_oi_milli, found.pcr_volume_milli) == (expected, expected)
    assert (f"open_interest.pcr_oi_milli {NO_QUOTE}" in unknown) == (expected is None)


def test_a_ratio_needs_the_contracts_near_the_money() -> None:
    """Four fifths of them must have been seen; one contract alone is no ratio."""
    emap, quotes = chain(5), list(quotes_of([10] * 5, [20] * 5))
    row = interest_row(OPEN, 10_000, emap, -1, tuple(quotes))
    quotes[0] = quotes[1] = None
    found, _ = open_interest(row, (), emap, range(5), tuple(quotes), has_future=False)
    assert found.pcr_oi_milli == 2_000
    quotes[2] = None
    found, lines = open_interest(row, (), emap, range(5), tuple(quotes), has_future=False)
    assert found.pcr_oi_milli is None
    assert f"open_interest.max_pain_paise {NO_QUOTE}" in lines
    _, lines = open_interest(row, (), emap, range(0), tuple(quotes), has_future=False)
    assert f"open_interest.pcr_oi_milli {NO_QUOTE}" in lines
    _, lines = open_interest(row, (), None, range(0), tuple(quotes), has_future=False)
    assert f"open_interest.pcr_oi_milli {NOT_OFFERED}" in lines


LATER = OPEN + 15 * MINUTE_NS
MOVES = {"up": 10_010, "down": 9_990, "hardly": 10_002}


def built(index: str, calls: int, puts: int, future: int) -> tuple[str, str, str]:
    """What is built up when the index and the open interests have moved so over a quarter."""
    emap = chain(3)
    before = interest_row(OPEN, 10_000, emap, 6, (*quotes_of([1_000] * 3, [1_000] * 3), quote(900)))
    quotes = (*quotes_of([1_000 + calls] * 3, [1_000 + puts] * 3), quote(900 + future))
    now = interest_row(LATER, MOVES[index], emap, 6, quotes)
    found, unknown = open_interest(now, (before,), emap, range(3), quotes, has_future=True)
    assert unknown == ()
    assert (found.span_min, found.future_change_units) == (15, future)
    assert (found.calls_change_units, found.puts_change_units) == (3 * calls, 3 * puts)
    return found.future_build, found.calls_build, found.puts_build


@pytest.mark.parametrize(
    ("index", "change", "builds"),
    [
        ("up", 50, ("LONG", "LONG", "SHORT")),
        ("down", 50, ("SHORT", "SHORT", "LONG")),
        ("up", -50, ("SHORT_COVER", "SHORT_COVER", "LONG_LIQ")),
        ("down", -50, ("LONG_LIQ", "LONG_LIQ", "SHORT_COVER")),
        ("hardly", 50, ("FLAT", "FLAT", "FLAT")),
        ("up", 1, ("FLAT", "FLAT", "FLAT")),
    ],
)
def test_what_is_built_up_follows_the_underlying_and_is_turned_for_puts(
    index: str, change: int, builds: tuple[str, str, str]
) -> None:
    """[BUG] of the previous system: it judged by the option's own premium and then wanted puts that
    fall, so it was inverted for puts. A put whose underlying falls while its open interest grows
    is LONG, and one whose underlying rises is SHORT."""
    assert built(index, change, change, change) == builds


@given(st.integers(-1, 1), st.integers(0, 100_000), st.integers(-50_000, 50_000))
def test_a_build_is_one_of_five_words(direction: int, before: int, change: int) -> None:
    """By signs alone: price and interest the same way is a new position, and so on."""
    word = build_of(direction, before, change)
    flat = direction == 0 or change == 0 or abs(change) / max(before, 1e-9) < FLAT_BPS / 10_000
    if flat:
        assert word == "FLAT"
    else:
        assert word in (("LONG", "LONG_LIQ")[change < 0], ("SHORT", "SHORT_COVER")[change < 0])
        assert (word in ("LONG", "SHORT_COVER")) == (direction > 0)


def test_directions_begin_at_three_basis_points() -> None:
    """Below, the underlying has hardly moved."""
    moves = (-FLAT_PPM, 1 - FLAT_PPM, 0, FLAT_PPM - 1, FLAT_PPM)
    found = [direction_of(1_000_000 + move, 1_000_000) for move in moves]
    assert found == [-1, 0, 0, 0, 1]


@given(st.lists(st.tuples(st.integers(-1, 500), st.integers(-1, 500)), min_size=1, max_size=8))
def test_only_contracts_seen_at_both_ends_count(pairs: list[tuple[int, int]]) -> None:
    """A contract's first quote is no growth of open interest."""
    emap = chain(len(pairs))
    units = tuple(was for was, _ in pairs) + (0,) * len(pairs)
    before = InterestRow(OPEN, 10_000, emap.expiry, -1, units)
    now = InterestRow(
        LATER, 10_100, emap.expiry, -1, tuple(now for _, now in pairs) + (0,) * len(pairs)
    )
    found, _ = open_interest(now, (before,), emap, range(0), (), has_future=False)
    seen = [(was, now) for was, now in pairs if was >= 0 and now >= 0]
    had = sum(was for was, _ in seen)
    change = sum(now - was for was, now in seen)
    assert found.calls_change_units == (change if had or change else None)
    assert (found.puts_change_units, found.puts_build) == (None, UNKNOWN)
    for place, (was, later) in enumerate(pairs):
        one, word = contract_build((before,), emap, place, "CE", now)
        assert one == (later - was if was >= 0 and later >= 0 else None)
        assert (word == UNKNOWN) == (one is None)
    other = replace(now, expiry=20261201)
    assert contract_build((before,), emap, 0, "CE", other) == (None, UNKNOWN)


def test_one_contracts_build_is_turned_for_a_put() -> None:
    """The same change of a call and of a put of one strike are opposite builds."""
    emap = chain(2)
    before = InterestRow(OPEN, 10_000, emap.expiry, -1, (100, 100, 100, 100))
    now = InterestRow(LATER, 10_100, emap.expiry, -1, (100, 150, 100, 150))
    assert contract_build((before,), emap, 1, "CE", now) == (50, "LONG")
    assert contract_build((before,), emap, 1, "PE", now) == (50, "SHORT")
    assert contract_build((before,), emap, 0, "PE", now) == (0, "FLAT")
    assert contract_build((), emap, 1, "CE", now) == (None, UNKNOWN)


def test_rows_are_five_minutes_apart_and_a_reference_is_a_quarter_old() -> None:
    """Rows come each five minutes; changes are against the newest that is fifteen to thirty minutes
    old, and too early, or after a hole, unknown."""
    rows: tuple[InterestRow, ...] = ()
    starts = [OPEN + n * MINUTE_NS for n in range(40)]
    for start in starts:
        rows = with_row(rows, InterestRow(start, 1, 0, -1, ()))
    assert len(rows) == ROWS_KEPT
    assert {one.bar_ts % FIVE_NS for one in rows} == {0}
    assert [reference(rows, start) for start in starts[:14]] == [None] * 14
    found = reference(rows, starts[39])
    assert found is not None
    assert (starts[39] - found.bar_ts) // MINUTE_NS == 19
    assert reference(rows, starts[39] + 40 * MINUTE_NS) is None
    row = InterestRow(OPEN, 10_000, 0, -1, ())
    found_oi, lines = open_interest(row, (), None, range(0), (), has_future=True)
    assert found_oi.calls_build == UNKNOWN
    assert f"open_interest.span_min {TOO_FEW}" in lines
