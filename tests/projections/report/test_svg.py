"""projections/report/svg.py: places on a chart are inside it, whatever the values are."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from projections.report import svg
from projections.report.model import Bar, Bars, Lane, Lanes, Part, Series, Span, Steps

TS = st.integers(1_700_000_000_000_000_000, 1_900_000_000_000_000_000)


@given(TS, st.integers(0, 10**15), TS)
def test_a_time_is_inside_its_axis(start: int, length: int, ts: int) -> None:
    """x is between left and right; later is not further left."""
    axis = svg.Axis(start, start + length, 100, 900)
    assert 1000 <= axis.tenths(ts) <= 9000
    assert axis.tenths(ts) <= axis.tenths(ts + 10**9)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1))
def test_steps_stay_in_their_box(values: list[int]) -> None:
    """Any money fits, zero included; there are a few round levels."""
    points = tuple((10**18 + place, value) for place, value in enumerate(values))
    block = Steps("s", "s", "paise", 10**18, 10**18 + len(values), (Series("a", "c0", points),))
    drawn = svg.steps(block)
    height = int(re.search(r"viewBox=\"0 0 1000 (\d+)\"", drawn)[1])  # type: ignore[index]
    for y in re.findall(r"V(-?[\d.]+)", drawn):
        assert 0 <= float(y) <= height
    assert 1 <= drawn.count("dy=") <= 14


@given(st.integers(1, 86_400 * 10**9))
def test_a_time_axis_has_few_labels(length: int) -> None:
    """From a nanosecond to a day."""
    block = Lanes("l", "l", 10**18, 10**18 + length, (Lane("a", ()),))
    assert svg.lanes(block).count("middle") <= 15


def test_a_span_without_length_is_seen() -> None:
    """It is at least a hair wide."""
    span = Span(10**18, 10**18, "X", "bad", "")
    drawn = svg.lanes(Lanes("l", "l", 10**18, 10**18 + 10**12, (Lane("a", (span,)),)))
    assert 'width="0.8"' in drawn


def test_parts_fill_their_bar() -> None:
    """Each part has its share; one of nothing is not drawn."""
    bar = Bar("day", (Part("good", "a", 75), Part("bad", "b", 25), Part("idle", "c", 0)))
    widths = [
        float(w)
        for w in re.findall(r'<rect[^>]*width="([\d.]+)"', svg.bars(Bars("b", "b", (bar,))))
    ]
    assert len(widths) == 2
    assert abs(widths[0] - 3 * widths[1]) < 1
