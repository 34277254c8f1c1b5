"""Formatting: rupees, ages, foreign text, as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui import fmt

PAISE = st.integers(-(10**15), 10**15)


def unformat(text: str) -> int:
    """Paise back from a price."""
    whole, _, rest = text.replace("₹", "").replace("+", "").replace(",", "").partition(".")
    paise = abs(int(whole)) * 100 + int(rest)
    return -paise if text.startswith("-") else paise


@pytest.mark.parametrize(
    ("paise", "shown"),
    [
        (0, "₹0.00"),
        (5, "₹0.05"),
        (-5, "-₹0.05"),
        (99, "₹0.99"),
        (10**9, "₹1,00,00,000.00"),
        (12_345_650, "₹1,23,456.50"),
        (99_999, "₹999.99"),
        (100_000, "₹1,000.00"),
        (None, "-"),
    ],
)
def test_rupees_by_example(paise: int | None, shown: str) -> None:
    """The cases a trader looks at first."""
    assert fmt.rupees(paise) == shown


@given(PAISE)
def test_rupees_lose_nothing(paise: int) -> None:
    """Reading the digits back gives the paise, for prices, amounts and results alike."""
    assert unformat(fmt.price(paise)) == paise
    assert unformat(fmt.rupees(paise)) == paise
    assert unformat(fmt.gain(paise)) == paise


@given(st.integers(-(10**18), 10**18))
def test_indian_grouping(number: int) -> None:
    """Three digits at the end, pairs before, and the number unchanged."""
    text = fmt.group_indian(number)
    assert int(text.replace(",", "")) == number
    head, *groups = text.lstrip("-").split(",")
    assert 1 <= len(head) <= (2 if groups else 3)
    assert [len(group) for group in groups] == [2] * (len(groups) - 1) + [3] * bool(groups)


def test_a_result_always_has_its_sign() -> None:
    """Plus, minus, none for zero, a question mark for unknown."""
    assert [fmt.gain(p) for p in (1, -1, 0, None)] == ["+₹0.01", "-₹0.01", "₹0.00", "?"]


@given(st.text())
def test_foreign_text_is_one_cell_a_character(text: str) -> None:
    """Cleaned text has no control code, no wide and no zero-width character."""
    shown = fmt.clean(text)
    assert cell_len(shown) == len(shown)
    assert len(shown) == len(text)
    assert all(char.isprintable() for char in shown)
    assert fmt.clean(shown) == shown


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[1;1H", "\u202egnp.exe", "a\u200bb", "\x07", "\x9b31m", "🔴", "\r\n\t"]
)
def test_hostile_text_cannot_act(text: str) -> None:
    """Escape sequences, overrides, bells and wide glyphs lose their effect."""
    shown = fmt.clean(text)
    assert not any(char in shown for char in "\x1b\u202e\u200b\x07\x9b🔴\r\n\t")


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["C"])), st.integers(0, 40))
def test_fit_has_the_width_asked_for(text: str, width: int) -> None:
    """Cut or filled, never longer or shorter."""
    assert len(fmt.fit(text, width)) == width
    assert len(fmt.fit(text, width, ">")) == width


@given(st.integers(0, 10**18))
def test_an_age_is_short_and_never_younger_than_it_reads(age_ns: int) -> None:
    """At most five cells up to a year, and its unit says its size."""
    text = fmt.age(age_ns)
    assert text[-1] in "smhd"
    if age_ns < 365 * fmt.DAY_NS:
        assert len(text) <= 5
    size = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[text[-1]]
    assert float(text[:-1]) * size * fmt.NS_PER_S <= age_ns + 1


def test_times_are_ist() -> None:
    """The open of 20 November 2026 is 09:15 in India, whatever the machine's zone."""
    ts = 1_795_146_300 * fmt.NS_PER_S + 7 * fmt.NS_PER_MS
    assert fmt.clock(ts) == "09:15:00"
    assert fmt.clock_ms(ts) == "09:15:00.007"
    assert fmt.day_text(20261120) == "20-Nov-2026"
    assert fmt.day_text(7) == "7"


def test_quantities_say_lots_and_units() -> None:
    """Two lot sizes, a broken lot, an unknown one."""
    assert [fmt.lots(130, 65), fmt.lots(60, 30)] == ["2 (130)", "2 (60)"]
    assert [fmt.lots(70, 65), fmt.lots(70, 0)] == ["70 u", "70 u"]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (86, "bps", "86 bps"),
        (1_234, "ms", "1,234 ms"),
        (1, "flag", "yes"),
        (0, "flag", "no"),
        (2, "flag", "2"),
        (710, "milli", "0.710"),
        (-5, "milli", "-0.005"),
        (170_000, "paise", "₹1,700.00"),
        (3, "a unit of tomorrow", "3"),
        (None, "bps", "-"),
    ],
)
def test_measures_carry_their_unit(value: int | None, unit: str, shown: str) -> None:
    """Gate numbers read in the unit of the catalogue."""
    assert fmt.measure(value, unit) == shown


@given(st.lists(st.integers(-(10**9), 10**9), max_size=600), st.integers(0, 80))
def test_a_spark_fits_and_is_made_of_blocks(values: list[int], width: int) -> None:
    """Never wider than asked, only the eight heights, highest where the greatest is."""
    text = fmt.spark(tuple(values), width)
    assert len(text) == min(len(values), width)
    assert set(text) <= set(fmt.BLOCKS)
    shown = fmt.resample(tuple(values), width)
    if shown and min(shown) != max(shown):
        assert text[shown.index(max(shown))] == fmt.BLOCKS[-1]


@given(st.lists(st.integers(0, 10**6), max_size=60), st.integers(0, 60))
def test_heat_shows_every_count(counts: list[int], width: int) -> None:
    """A part with any count is never blank, a part with none always is."""
    text = fmt.heat(tuple(counts), width)
    assert len(text) == min(len(counts), width)
    if counts and width >= len(counts):
        assert [char != " " for char in text] == [count > 0 for count in counts]


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (1, 2, "50%"),
        (1, 1_000, "<1%"),
        (999, 1_000, ">99%"),
        (5, 5, "100%"),
        (0, 5, "0%"),
        (1, 0, "-"),
        (5, 1_000, "1%"),
    ],
)
def test_shares(part: int, whole: int, shown: str) -> None:
    """Rounded half up; tiny is not zero, and nearly all is not all."""
    assert fmt.percent(part, whole) == shown


@given(st.lists(st.integers(-(10**9), 10**9), max_size=90), st.integers(1, 60), st.integers(1, 5))
def test_a_plot_keeps_its_room_and_its_order(values: list[int], width: int, height: int) -> None:
    """Rows of one width; a greater value is never lower, and the least has still a mark."""
    rows = fmt.plot(tuple(values), width, height)
    shown = fmt.resample(tuple(values), width)
    assert len(rows) == height
    assert len({len(row) for row in rows}) == 1
    if not shown:
        return
    heights = [
        sum(fmt.BLOCKS.index(row[at]) + 1 if row[at] != " " else 0 for row in rows)
        for at in range(len(shown))
    ]
    assert min(heights) >= 1
    order = sorted(range(len(shown)), key=lambda at: shown[at])
    assert [heights[at] for at in order] == sorted(heights)
