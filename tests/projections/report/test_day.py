"""projections/report/day.py: every section is there, and says why where it has nothing to show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from projections.duck.report import DAY, DAY_TICKS
from projections.report.day import SECTIONS, day_report, verdict_lines
from projections.report.html import page
from projections.report.inputs import Absent, Inputs
from projections.report.model import MISSING, NOTHING, SHOWN, document
from projections.why import reason_text

NAMES = (*DAY, *DAY_TICKS)
KEYS = [spec.key for spec in SECTIONS]
CAUSE = "the disk was <eaten> by a dog"


def absent(given: Inputs, name: str) -> Inputs:
    """The inputs with one absent."""
    if name in ("stories", "parity"):
        return replace(given, **{name: Absent(CAUSE)})
    return given.without(name, CAUSE)


def test_every_section_of_a_full_session_is_shown(given: Inputs) -> None:
    """Nothing is missing of a session in which everything happened."""
    report = day_report(given)
    assert [section.key for section in report.sections] == KEYS
    told = {section.key: (section.status, section.reason) for section in report.sections}
    assert {key for key, (status, _) in told.items() if status != SHOWN} == set(), told
    assert not [section.notes for section in report.sections if section.notes]


@pytest.mark.parametrize("name", [*NAMES, "stories", "parity"])
def test_a_missing_input_is_told_and_harms_no_other_section(given: Inputs, name: str) -> None:
    """Skip contract: sections that need it are MISSING with its reason, those that use it note it,
    all others are as they were; the page and JSON say the reason."""
    whole, report = day_report(given), day_report(absent(given, name))
    assert [section.key for section in report.sections] == KEYS
    concerned = {spec.key for spec in SECTIONS if name in spec.needs + spec.uses}
    for before, after in zip(whole.sections, report.sections, strict=True):
        needed = name in next(spec.needs for spec in SECTIONS if spec.key == after.key)
        if needed:
            assert (after.status, after.blocks) == (MISSING, ())
            assert after.reason is not None
            assert CAUSE in after.reason
        elif after.key in concerned:
            assert any(CAUSE in note for note in after.notes)
        elif name not in ("risk_states", "span", "readiness"):  # these also bound an axis
            assert after == before
    if concerned:
        assert CAUSE in json.dumps(document(report))
        assert "the disk was &lt;eaten&gt; by a dog" in page(report)


def test_each_input_is_of_a_section() -> None:
    """No input is read for nothing but those that only a week shows; none is asked that is not
    read."""
    used = {name for spec in SECTIONS for name in spec.needs + spec.uses}
    assert set(NAMES) - used == {"sole"}
    assert used - set(NAMES) == {"stories", "parity"}


def test_nothing_at_all_is_still_a_report() -> None:
    """With every input absent each section says so."""
    nothing = Inputs("2025-08-29-x", {}, Absent(CAUSE), Absent(CAUSE))
    report = day_report(nothing)
    assert {section.status for section in report.sections} == {MISSING}
    assert all(section.reason for section in report.sections)
    assert page(report).count("Missing.") >= len(KEYS)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_input_is_not_a_missing_one(given: Inputs, name: str) -> None:
    """A section that finds nothing has a reason too and never fails."""
    empty = replace(given, rows={**given.rows, name: ()})
    report = day_report(empty)
    for section in report.sections:
        assert bool(section.blocks) == (section.reason is None)
        assert section.status in (SHOWN, NOTHING, MISSING)


def test_a_session_without_a_decision(given: Inputs) -> None:
    """No decision: the verdict says so, the funnel and the market have nothing, nothing fails."""
    nothing: dict[str, Any] = dict.fromkeys(NAMES, ())
    span = {"from_ts": None, "to_ts": None, "decisions": 0, "trades": 0}
    rows = {**nothing, "session": given.all("session"), "span": (span,)}
    report = day_report(replace(given, rows=rows, stories=()))
    verdict = document(report)["sections"]["verdict"]["sentences"][0]
    assert verdict.startswith("No decision was made on 2025-08-29 (BACKTEST)")
    told = {section.key: section.status for section in report.sections}
    assert told["funnel"] == told["heat"] == told["trades"] == told["incidents"] == NOTHING
    assert told["readiness"] == told["reconciliation"] == told["risk"] == MISSING
    page(report)


def lines(given: Inputs, **rows: Any) -> tuple[str, ...]:
    """The verdict with some inputs replaced."""
    changed = replace(given, rows={**given.rows, **rows})
    session = changed.one("session")
    assert session is not None
    return verdict_lines(changed, session)


def test_a_day_that_traded_says_what_it_brought(given: Inputs) -> None:
    """Entries and money of the summary, then what was most in the way, in the table's words."""
    first, _, most, *_ = lines(given, exits=(), carried=({"halts": "GOV_EXITS_ONLY"},))
    assert first.startswith("Traded on 2025-08-29 (BACKTEST): ")
    assert "gross ₹2,250.00, charges ₹40.10" in first
    funnel = [row for row in given.all("funnel") if row["reason"] != "TRADE_APPROVED"]
    top = max(funnel, key=lambda row: (row["count"], row["reason"]))
    assert f"{top['reason']} at {top['stage']}, {top['count']} of" in most
    assert reason_text(top["reason"]) in most


def test_an_entry_that_was_never_filled_is_no_trade(given: Inputs) -> None:
    """Approved is not bought: the verdict tells them apart, and does not guess without orders."""
    orders = tuple({**row, "filled_units": 0} for row in given.all("orders"))
    assert lines(given, orders=orders)[0].startswith("Approved and not filled on 2025-08-29")
    assert lines(given, orders=Absent(CAUSE))[0].startswith("Traded on 2025-08-29")


def test_exits_are_told_by_reason(given: Inputs) -> None:
    """A day that only left positions says how."""
    exits = ({"reason": "EXIT_STOP"}, {"reason": "EXIT_TARGET"}, {"reason": "EXIT_STOP"})
    told = "Exits that were signalled: EXIT_STOP 2, EXIT_TARGET 1."
    assert told in lines(given, exits=exits)
    assert not [line for line in lines(given, exits=()) if line.startswith("Exits that")]


def test_a_count_that_is_not_known_is_no_zero(given: Inputs) -> None:
    """Without the decisions their number is null."""
    told = document(day_report(given.without("span", CAUSE)))["sections"]["verdict"]
    assert told["session"]["decisions"] is None
    assert CAUSE in told["sentences"][0]


def test_a_day_without_a_trade_says_so(given: Inputs) -> None:
    """None of its decisions let one through."""
    span = {**given.all("span")[0], "trades": 0}
    assert lines(given, span=(span,))[0] == (
        f"No trade on 2025-08-29 (BACKTEST): none of {span['decisions']} decisions let one through."
    )


def test_exits_only_and_open_are_said(given: Inputs) -> None:
    """The halt of an exits-only session and the state of one that goes on are in the verdict."""
    session = {**given.all("session")[0], "state": "OPEN"}
    told = lines(given, session=(session,), carried=({"halts": "GOV_EXITS_ONLY"},))
    assert f"Exits only: {reason_text('GOV_EXITS_ONLY')}" in told
    assert any(line.startswith("The session is not closed") for line in told)
    assert not any(line.startswith("Exits only") for line in lines(given, carried=({"halts": ""},)))


def test_the_parity_meter_counts_what_was_shown(given: Inputs) -> None:
    """45 of 60: 75.00 %, the first difference beside it, and no more is claimed."""
    told = document(day_report(given))["sections"]["replay"]
    assert (told["verdict"]["share"], told["verdict"]["outcome"]) == ("75.00 %", "diverged")
    assert told["first_difference"]["seq"] == 77
    assert "not counted as identical" in told["sentences"][1]


def test_counts_agree_across_sections(given: Inputs) -> None:
    """Funnel, heat map and runs hold each decision once."""
    told = document(day_report(given))["sections"]
    decisions = told["verdict"]["session"]["decisions"]
    assert sum(row["count"] for row in told["funnel"]["funnel"]) == decisions
    assert sum(told["heat"]["bins"]["totals"]) == decisions
    assert sum(sum(row["counts"]) for row in told["heat"]["bins"]["rows"]) == decisions
    runs = [row for row in told["market"]["points"] if row["outcome"] != "EXIT"]
    assert sum(row["count"] for row in runs) == decisions
    stories = told["trades"]["trails"]
    assert len(stories) == told["verdict"]["session"]["trades"] > 0


def test_money_agrees_within_a_section(given: Inputs) -> None:
    """Net is gross less charges in each row; exits sum up the positions that were left."""
    trades = document(day_report(given))["sections"]["trades"]
    for row in trades["positions"]:
        assert row["net_paise"] == row["realised_paise"] - row["charges_paise"]
    left = [row for row in trades["positions"] if row["exit_reason"]]
    assert sum(row["count"] for row in trades["exits"]) == len(left) > 0
    assert sum(row["net_paise"] for row in trades["exits"]) == sum(row["net_paise"] for row in left)


def test_a_run_is_of_equal_ends(given: Inputs) -> None:
    """NO_TRADE is thinned to changes: neighbours of one underlying differ."""
    last: dict[str, tuple[str, str]] = {}
    for row in given.all("runs"):
        end = (row["stage"], row["reason"])
        assert last.get(row["underlying"]) != end
        last[row["underlying"]] = end


def test_the_heat_map_keeps_the_rare_as_one_row(given: Inputs) -> None:
    """Beyond its rows the counts are not lost."""
    many = tuple(
        {"ts": 0, "stage": "N1_MARKET_OPEN", "reason": f"R{n}", "count": n + 1} for n in range(40)
    )
    changed = replace(given, rows={**given.rows, "heat": many})
    bins = document(day_report(changed))["sections"]["heat"]["bins"]
    assert len(bins["rows"]) == 25
    assert bins["rows"][-1]["reason"] == "16 other reasons"
    assert sum(sum(row["counts"]) for row in bins["rows"]) == sum(bins["totals"]) == 820
