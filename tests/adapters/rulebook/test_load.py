"""Reading the rulebook: canonical rows, one-line errors, the overlay."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.rulebook.load import (
    LIBRARY,
    OVERLAY,
    PACKAGE,
    RulebookError,
    digest,
    load_all,
    load_rows,
    parse_rows,
)
from engine.rulebook import Rulebook, row_key

ROW = '[[row]]\nname = "lot"\nscope = "NIFTY"\nfrom = 20261201\nvalue = 50\nunit = "units"\n'
SOURCED = ROW + 'source = "a circular"\n'


def _overlay(folder: Path, text: str) -> Path:
    path = folder / "overlay.toml"
    path.write_text(text, "utf-8")
    return path


def test_package_rows_are_canonical_and_sourced() -> None:
    """Rows come sorted, each with a source, and twice the same digest."""
    rows = load_rows()
    assert list(rows) == sorted(rows, key=row_key)
    assert all(row.source.strip() for row in rows)
    assert digest(rows) == digest(tuple(reversed(load_rows())))
    assert len(Rulebook(rows).rows) == len(rows)


def test_rows_without_a_first_hand_source_are_unsure() -> None:
    """The discount rate, fees before 2026 and the square-off hour are marked."""
    unsure = {(row.name, row.scope) for row in load_rows() if row.unsure}
    assert {
        ("rate.discount", "*"),
        ("charge.exchange_txn", "NSE"),
        ("charge.sebi", "*"),
        ("squareoff.mis", "ZERODHA"),
        ("freeze", "SENSEX"),
        ("order.rate_minute", "ZERODHA"),
    } <= unsure


def test_the_calendar_agrees_with_the_library() -> None:
    """The lists of 2025 and 2026 are those of ``holidays`` but for the one late addition."""
    ours = {row.valid_from for row in load_rows() if row.name == "calendar.holiday"}
    library: list[dt.date] = list(holidays.financial_holidays("XNSE", years=(2025, 2026)))
    theirs = {date.year * 10_000 + date.month * 100 + date.day for date in library}
    assert ours - theirs == {20260115}
    assert theirs - ours == set()


def test_another_year_comes_from_the_library_and_is_unsure() -> None:
    """A year that the package does not list is covered on request, marked unsure."""
    rows = load_rows(years=(2027, 2026))
    added = [row for row in rows if row.valid_from // 10_000 == 2027]
    assert 20270126 in {row.valid_from for row in added}
    assert all(row.unsure for row in added)
    assert Rulebook(rows).is_trading_day(20270126) is False
    assert digest(rows) != digest(load_rows())


def test_an_overlay_replaces_only_its_own_days(tmp_path: Path) -> None:
    """A row of the overlay stands on its days; before and after, the package's row stands."""
    path = _overlay(tmp_path, SOURCED + "to = 20261211\n")
    book = Rulebook(load_rows(path))
    days = (20261130, 20261201, 20261211, 20261212)
    assert [book.require("lot", "NIFTY", day).value for day in days] == [65, 50, 50, 65]


def test_an_overlay_can_open_a_holiday(tmp_path: Path) -> None:
    """The value OPEN takes a holiday back."""
    text = ROW.replace('"lot"', '"calendar.holiday"').replace('"NIFTY"', '"*"')
    text = text.replace("20261201", "20261124").replace("value = 50", 'value = "OPEN"')
    path = _overlay(tmp_path, text + 'to = 20261124\nsource = "a circular"\n')
    assert Rulebook(load_rows(path)).is_trading_day(20261124) is True


@settings(max_examples=40)
@given(st.integers(0, 900), st.integers(0, 900))
def test_overlays_never_overlap(start: int, length: int) -> None:
    """Whatever days an overlay names, the result is a valid rulebook with its value on them."""
    first = dt.date(2024, 12, 1) + dt.timedelta(days=start)
    last = first + dt.timedelta(days=length)
    text = SOURCED.replace("20261201", f"{first:%Y%m%d}") + f"to = {last:%Y%m%d}\n"
    from adapters.rulebook import load

    added = tuple(load.LoadedRow(row, load.OVERLAY) for row in parse_rows(text, "overlay"))
    rows = load._overlaid(list(load.load_all()), added)
    book = Rulebook(tuple(one.row for one in rows))
    assert book.require("lot", "NIFTY", int(f"{first:%Y%m%d}")).value == 50
    assert book.require("lot", "NIFTY", int(f"{last:%Y%m%d}")).value == 50


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[row]", "not TOML"),
        ("x = 1\n", "something other than"),
        ("row = 3\n", "something other than"),
        (ROW, "'source' is missing"),
        (SOURCED + "colour = 1\n", "unknown key 'colour'"),
        (SOURCED.replace("50", "true"), "wrong type"),
        (SOURCED.replace("50", "1.5"), "wrong type"),
        (SOURCED.replace("20261201", '"soon"'), "wrong type"),
        (SOURCED.replace("20261201", "20261301"), "not a day"),
        (SOURCED + "to = 20250101\n", "before it begins"),
        (SOURCED.replace("a circular", " "), "must say something"),
        (SOURCED.replace('"units"', '"ist"'), "not a time of day"),
        (SOURCED + "who = 3\n", "wrong type"),
    ],
)
def test_a_bad_overlay_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    """Every fault is one line that names the file and what is wrong."""
    with pytest.raises(RulebookError, match="overlay") as caught:
        load_rows(_overlay(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_later_row_of_an_overlay_supersedes_an_earlier_one(tmp_path: Path) -> None:
    """A mistake is not edited: the row added after it stands on its own days, the rest remains."""
    right = SOURCED.replace("value = 50", "value = 45").replace("20261201", "20261210")
    path = _overlay(tmp_path, SOURCED + 'who = "ana"\nadded = "2026-11-20T04:00:00Z"\n' + right)
    found = [one for one in load_all(path) if one.origin == OVERLAY]
    assert [(one.row.valid_from, one.row.value, one.who) for one in found] == [
        (20261201, 50, "ana"),
        (20261210, 45, None),
    ]
    assert found[0].row.valid_to == 20261209


def test_rows_say_where_they_came_from(tmp_path: Path) -> None:
    """Package, library or overlay, also for what an overlay's row left of one of the package."""
    path = _overlay(tmp_path, SOURCED + "to = 20261211\n")
    origins = {one.row.valid_from: one.origin for one in load_all(path) if one.row.name == "lot"
               and one.row.scope == "NIFTY"}  # fmt: skip
    assert (origins[20251231], origins[20261201], origins[20261212]) == (PACKAGE, OVERLAY, PACKAGE)
    holidays = [one for one in load_all(years=(2027,)) if one.row.name.startswith("calendar.")]
    library = {one.origin for one in holidays if one.row.valid_from > 20270000}
    assert library == {LIBRARY}


def test_a_missing_or_binary_overlay_is_one_clear_line(tmp_path: Path) -> None:
    """A path that is not there, or not text, is an error and not an empty overlay."""
    with pytest.raises(RulebookError, match="cannot be read"):
        load_rows(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RulebookError, match="cannot be read"):
        load_rows(tmp_path / "binary.toml")
