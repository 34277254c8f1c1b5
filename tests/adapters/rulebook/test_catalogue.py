"""The catalogue of rules: complete, honest about what code reads, strict about a row's value."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.rulebook.catalogue import (
    BY_NAME,
    RULES,
    fault_of,
    parse_value,
    unknown_name,
)
from adapters.rulebook.load import load_rows
from engine.rulebook import (
    Rulebook,
    add_days,
    broker_rules,
    protected_band,
    resolve_day,
)
from engine.settlement import closing_rule, exercise_tax
from events.session import RuleRow

ROWS = load_rows()
UNDERLYINGS = tuple(row.scope for row in ROWS if row.name == "index.exchange")


class _Spy(Rulebook):
    """A rulebook that remembers what it was asked for."""

    asked: set[str]

    def lookup(self, name: str, scope: str, day: int) -> RuleRow | None:
        self.asked.add(name)
        return super().lookup(name, scope, day)


def _asked() -> set[str]:
    """The names that the code looks up over a day's whole work."""
    spy = _Spy(ROWS)
    spy.asked = set()
    day = 20261120
    resolve_day(spy, day)
    broker_rules(spy, day)
    protected_band(spy, day, "NFO", 100)
    closing_rule(spy, "NFO", day)
    exercise_tax(spy, "NFO", day)
    spy.expiries("NIFTY", day, 3)
    spy.is_monthly("NIFTY", add_days(day, 3))
    return spy.asked


def test_every_rule_says_whether_code_reads_it() -> None:
    """What is marked as read is looked up in a day's work, and nothing else is but the close of
    expiries in the segment that has none."""
    assert {spec.name for spec in RULES if spec.read} == _asked() - {"session.cash.expiry_close"}
    assert len(BY_NAME) == len(RULES)


def test_the_package_has_a_row_of_every_rule_and_no_other() -> None:
    """All but what was re-dated or cancelled, which only an overlay can know."""
    assert {row.name for row in ROWS} == {*BY_NAME} - {"expiry.dated", "event.cancelled"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.scope}-{row.valid_from}")
def test_a_row_of_the_package_keeps_its_spec(row: RuleRow) -> None:
    """Scope, unit and value of each are what its rule allows."""
    assert fault_of(row, UNDERLYINGS) is None


def _first(name: str) -> RuleRow:
    return next(row for row in ROWS if row.name == name)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (replace(_first("lot"), value=0), "no integer from 1"),
        (replace(_first("lot"), value="65"), "no integer"),
        (replace(_first("lot"), value=True), "no integer"),
        (replace(_first("lot"), scope="NIFTTY"), "none of"),
        (replace(_first("lot"), unit="lots"), "is not 'units'"),
        (replace(_first("session.fno.close"), value="15:60"), "not a time"),
        (replace(_first("session.fno.close"), scope="NFO"), "none of NSE, BSE"),
        (replace(_first("calendar.special"), value="HALF"), "none of NORMAL"),
        (replace(_first("calendar.holiday"), value=1), "no text"),
        (replace(_first("expiry.weekly"), value="TUESDAY"), "none of MON"),
        (replace(_first("lot"), name="expiry.dated", unit="day", value=20261301), "not a day"),
        (replace(_first("charge.gst"), value=10_001), "no integer from 0 to 10000"),
        (replace(_first("event.at"), valid_to=99991231), "of one day"),
        (replace(_first("event.at"), scope="*"), "of one scope: RBI, BUDGET, FED, DESK"),
        (replace(_first("event.at"), scope="ECB"), "none of RBI, BUDGET, FED, DESK"),
    ],
)
def test_canary_a_bad_row_is_found(row: RuleRow, says: str) -> None:
    """Each kind of fault is said in words."""
    fault = fault_of(row, UNDERLYINGS)
    assert fault is not None
    assert says in fault


def test_values_as_people_write_them() -> None:
    """Integers where the rule has one, text elsewhere; what is neither stays text to be refused."""
    cases = [("lot", "1_800", 1800), ("lot", "many", "many"), ("lot", "-5", "-5"),
             ("calendar.covered", "2027", "2027"), ("session.fno.close", "15:40", "15:40"),
             ("expiry.dated", "2026-12-30", 20261230)]  # fmt: skip
    assert [parse_value(text, BY_NAME[name]) for name, text, _ in cases] == [c[2] for c in cases]
    assert "did you mean session.fno.close" in unknown_name("session.fno.closes")
    assert "rules: calendar.covered" in unknown_name("zzz")
