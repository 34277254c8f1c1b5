"""What verbs write, and the times and seqs they read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import UserError
from cli.output import (
    JsonArray,
    Place,
    cell,
    clean,
    ist_time,
    pairs,
    parse_place,
    parse_time,
    table,
    write_json,
)

DAY = 20261120
NS_PER_S = 1_000_000_000
OPEN_NS = int(datetime(2026, 11, 20, 3, 45, tzinfo=UTC).timestamp()) * NS_PER_S
"""09:15 IST of the day."""


class Pair(msgspec.Struct, frozen=True):
    """A struct of the kind that answers are made of."""

    name: str
    data: bytes


def test_a_document_is_ascii_json_of_plain_values(capfd: pytest.CaptureFixture[str]) -> None:
    """Structs are objects, bytes are hex, and a rupee sign survives any locale."""
    write_json({"a": (Pair("₹", b"\xff"),), "b": None})
    out = capfd.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"a": [{"name": "₹", "data": "ff"}], "b": None}


def test_a_number_that_json_does_not_have_is_no_document() -> None:
    """NaN is a fault of the verb, never a word that a strict reader trips over."""
    with pytest.raises(ValueError, match="JSON"):
        write_json(float("nan"))


def write_rows(rows: list[object]) -> None:
    """Rows through an array."""
    with JsonArray() as array:
        for row in rows:
            array.add(row)


@pytest.mark.parametrize("rows", [[], [1], [1, {"a": [2]}]])
def test_an_array_grows_row_by_row(rows: list[object], capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever its length, the rows written one by one are one document."""
    write_rows(rows)
    assert json.loads(capfd.readouterr().out) == rows


def test_canary_an_array_cut_by_an_error_is_no_document(capfd: pytest.CaptureFixture[str]) -> None:
    """Half an answer does not parse, so that nobody takes it for a whole one."""
    with pytest.raises(ValueError, match="JSON"):
        write_rows([1, float("inf")])
    with pytest.raises(json.JSONDecodeError):
        json.loads(capfd.readouterr().out)


def test_a_table_is_aligned() -> None:
    """Numbers stand to the right under their heading, text to the left, nothing is None's dash."""
    text = table(("n", "word"), [(1, "a"), (None, "bc"), (100, None)])
    assert text.splitlines() == ["  n  word", "---  ----", "  1  a", "  -  bc", "100  -"]
    assert table(("n",), []).splitlines() == ["n", "-"]


def test_pairs_stand_under_one_another() -> None:
    """Values begin in the same column."""
    assert pairs([("a", 1), ("long", True)]) == "a     1\nlong  true"


@given(st.text())
def test_what_a_journal_holds_cannot_move_the_cursor(text: str) -> None:
    """Whatever a text is, every character of a cell prints."""
    assert clean(text).isprintable()
    assert cell(text).isprintable()
    assert cell([text]).isprintable()


@given(st.integers(0, 24 * 3600 - 1), st.integers(0, 999))
def test_a_time_of_day_is_read_as_it_is_written(second: int, ms: int) -> None:
    """What ``ist_time`` says of any moment of the day, ``parse_time`` takes back."""
    ts = OPEN_NS - (9 * 3600 + 15 * 60) * NS_PER_S + second * NS_PER_S + ms * 1_000_000
    assert parse_time(ist_time(ts), DAY) == ts


@pytest.mark.parametrize(
    ("text", "after_open"),
    [
        ("09:15", 0),
        ("9:15", 0),
        ("09:16:01", 61_000),
        ("09:15:00.250", 250),
        ("2026-11-20T09:15", 0),
        ("2026-11-20T09:15:01", 1_000),
        ("2026-11-20 09:15:01.5", 1_500),
        ("2026-11-20T03:45:00Z", 0),
        ("2026-11-20T04:45:00+01:00", 0),
    ],
)
def test_each_way_to_write_a_time(text: str, after_open: int) -> None:
    """A time of day is of the session's day and IST; an ISO time may name its own offset."""
    assert parse_time(text, DAY) == OPEN_NS + after_open * 1_000_000


@pytest.mark.parametrize(
    "text",
    ["", "x", "24:00", "09:60", "9", "0915", "2026-11-20", "2026-11-20T09", "2026-13-01T09:15",
     "09:15:00:00", "-1:00", "٠٩:١٥", "09:15\n"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """The line says how to write one."""
    with pytest.raises(UserError, match=r"is not a time: write HH:MM\[:SS\]"):
        parse_time(text, DAY)


def test_a_place_is_a_seq_or_a_time_of_the_session(session: Path) -> None:
    """Digits are a seq; a time is of the day of the session at hand."""
    assert parse_place("12", session) == Place(12, None)
    assert parse_place("09:15", session) == (None, OPEN_NS)


@pytest.mark.parametrize("text", ["0", "9" * 30, "-1", "1.5", "noon"])
def test_what_is_no_place_is_refused(session: Path, text: str) -> None:
    """Seqs begin at 1 and end where integers do."""
    with pytest.raises(UserError, match="is not a"):
        parse_place(text, session)


def test_the_clock_of_the_tests_is_right() -> None:
    """09:15 in Bombay is 03:45 in Greenwich."""
    assert ist_time(OPEN_NS) == "09:15:00"
    assert datetime.fromtimestamp(OPEN_NS // NS_PER_S, UTC) + timedelta(hours=5.5) == datetime(
        2026, 11, 20, 9, 15, tzinfo=UTC
    )
