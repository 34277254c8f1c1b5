"""The rulebook's check: each kind of fault is found, and a whole rulebook is clean."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.rulebook.check import Finding, findings
from adapters.rulebook.load import OPEN_ENDED, OVERLAY, LoadedRow, load_all
from engine.rulebook import Rulebook
from events.session import RuleRow

ROWS = load_all()
FRESH = 20260815
"""A day on which every needed rule of the package is in force."""


def _row(name: str, scope: str, first: int, last: int, value: int | str, unit: str) -> LoadedRow:
    return LoadedRow(
        RuleRow(name, scope, first, last, value, unit, "a test", False), OVERLAY, "ana"
    )


def _wrong(rows: tuple[LoadedRow, ...], day: int = FRESH) -> list[tuple[str, str, str]]:
    return [(one.kind, one.name, one.scope) for one in findings(rows, day) if one.wrong]


def _without(name: str, scope: str, first: int | None = None) -> tuple[LoadedRow, ...]:
    return tuple(
        one for one in ROWS
        if (one.row.name, one.row.scope) != (name, scope) or first not in (None, one.row.valid_from)
    )  # fmt: skip


def test_the_packages_rows_are_clean_while_they_last() -> None:
    """Nothing wrong in August 2026; what is noted are rules that no code reads."""
    found = findings(ROWS, FRESH)
    assert _wrong(ROWS) == []
    assert {one.kind for one in found} <= {"UNREAD", "ENDING"}
    assert ("UNREAD", "session.cash.preopen_open") in {(one.kind, one.name) for one in found}


def test_scheduled_events_that_nobody_knows_are_noted_by_kind() -> None:
    """The budget of 2027 has no date yet; a row that covers the day silences it. It is no fault."""
    noted = [
        (one.name, one.scope, one.wrong)
        for one in findings(ROWS, 20270104)
        if one.kind == "UNCOVERED"
    ]
    assert noted == [("event.covered", "BUDGET", False)]
    known = (*ROWS, _row("event.covered", "BUDGET", 20270101, 20271231, "2027", "year"))
    assert "UNCOVERED" not in {one.kind for one in findings(known, 20270104)}


def test_every_event_of_the_package_is_on_a_trading_day_that_its_calendar_covers() -> None:
    """An event on a closed day would guard nothing, so one there is a slip of the list; this finds
    it as long as the calendar of days goes. RBI meets six times a financial year."""
    book = Rulebook(tuple(one.row for one in ROWS))
    events = [one.row for one in ROWS if one.row.name == "event.at"]
    known = [row for row in events if row.valid_from <= 20261231]
    assert (len(known), len(events)) == (28, 37), "FED 24, RBI 12, BUDGET 1"
    for row in known:
        assert book.is_trading_day(row.valid_from), row
    for row in events:
        assert book.lookup("event.covered", row.scope, row.valid_from) is not None, row
    for first, last in ((20250401, 20260331), (20260401, 20270331)):
        rbi = [one for one in events if one.scope == "RBI" and first <= one.valid_from <= last]
        assert len(rbi) == 6
    assert all(row.unsure for row in events), "no row of these is first-hand"


def test_what_has_ended_is_wrong_and_says_what_stands_in() -> None:
    """In November the freeze quantities of NSE have, with the strictest of March to August; by 2027
    the calendar and the lots too, and they block."""
    by_scope = {one.scope: one for one in findings(ROWS, 20261126) if one.kind == "EXPIRED"}
    assert set(by_scope) == {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50"}
    assert "600, the strictest of its last six months" in by_scope["BANKNIFTY"].sentence
    assert "--from 2026-09-01" in by_scope["BANKNIFTY"].what_to_do
    later = {(one.name, one.scope) for one in findings(ROWS, 20270104) if one.kind == "EXPIRED"}
    assert {("calendar.covered", "*"), ("lot", "NIFTY"), ("lot", "BANKEX")} <= later


def test_what_ends_soon_is_noted_in_time() -> None:
    """Three weeks before the year ends, with the days left; a row that follows silences it."""
    found = [one for one in findings(ROWS, 20261215) if one.kind == "ENDING"]
    assert ("lot", "NIFTY") in {(one.name, one.scope) for one in found}
    assert all("in 16 days" in one.sentence and not one.wrong for one in found)
    assert not any(one.kind == "ENDING" for one in findings(ROWS, 20261210))
    follows = _row("lot", "NIFTY", 20270101, OPEN_ENDED, 65, "units")
    rest = [one for one in findings((*ROWS, follows), 20261215) if one.kind == "ENDING"]
    assert ("lot", "NIFTY") not in {(one.name, one.scope) for one in rest}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((*ROWS, _row("lots", "NIFTY", 20261201, OPEN_ENDED, 5, "units")),
         ("UNKNOWN_NAME", "lots", "NIFTY")),
        ((*ROWS, _row("tick", "NIFTY", 20261201, OPEN_ENDED, 0, "paise")),
         ("BAD_VALUE", "tick", "NIFTY")),
        ((*ROWS, _row("tick", "NIFTTY", 20261201, OPEN_ENDED, 5, "paise")),
         ("BAD_VALUE", "tick", "NIFTTY")),
        ((*ROWS, _row("lot", "NIFTY", 20261201, OPEN_ENDED, 5, "units")),
         ("OVERLAP", "lot", "NIFTY")),
        (_without("lot", "NIFTY", 20241120), ("GAP", "lot", "NIFTY")),
        (_without("freeze", "BANKNIFTY", 20251001), ("GAP", "freeze", "BANKNIFTY")),
        (_without("lot", "NIFTY"), ("MISSING", "lot", "NIFTY")),
        (_without("charge.gst", "*"), ("MISSING", "charge.gst", "NSE")),
        (_without("session.fno.close", "BSE"), ("EXPIRED", "session.fno.close", "BSE")),
    ],
)  # fmt: skip
def test_canary_each_fault_is_found(
    rows: tuple[LoadedRow, ...], says: tuple[str, str, str]
) -> None:
    """A planted fault is named with its rule and scope."""
    assert says in _wrong(rows)


def test_a_gap_that_a_row_for_all_covers_is_none() -> None:
    """Between two rows of NSE the row for all holds."""
    rows = (
        _row("session.cash.auction_to", "NSE", 20260101, 20260110, "15:00", "ist"),
        _row("session.cash.auction_to", "NSE", 20260120, 20260131, "15:00", "ist"),
    )
    kinds = {(one.kind, one.scope) for one in findings(rows, FRESH)}
    assert ("GAP", "NSE") in kinds
    covered = (*rows, _row("session.cash.auction_to", "*", 20250101, 20261231, "15:30", "ist"))
    assert ("GAP", "NSE") not in {(one.kind, one.scope) for one in findings(covered, FRESH)}


def test_holidays_are_no_gaps_and_order_does_not_matter() -> None:
    """Rules of single days have none between them; findings are the same in any order of rows."""
    assert not any(one.kind == "GAP" for one in findings(ROWS, FRESH))
    broken = (*ROWS, replace(ROWS[0], row=replace(ROWS[0].row, name="nothing")))
    assert findings(broken, FRESH) == findings(tuple(reversed(broken)), FRESH)
    assert all(isinstance(one, Finding) for one in findings(broken, FRESH))
