"""projections/report/week.py and suggest.py: sums of the days, suggestions alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from projections.duck.report import WEEK, WEEK_TICKS
from projections.report.html import page
from projections.report.inputs import Absent, Inputs, Threshold, Thresholds
from projections.report.model import MISSING, NOTHING, document
from projections.report.suggest import suggestions
from projections.report.week import SECTIONS, WeekInputs, week_report

CAUSE = "no such table"


def told(given: WeekInputs) -> Any:
    """The sections as JSON."""
    return document(week_report(given))["sections"]


def test_a_week_is_the_sum_of_its_days(week_given: WeekInputs) -> None:
    """Two equal days: every count of the blockers is twice the day's, over two sessions."""
    one = told(replace(week_given, sessions=week_given.sessions[:1]))
    both = told(week_given)
    single = {(r["stage"], r["gate"], r["reason"]): r for r in one["blockers"]["blockers"]}
    for row in both["blockers"]["blockers"]:
        day = single.pop((row["stage"], row["gate"], row["reason"]))
        assert [row[n] for n in ("failed", "terminal", "sole")] == [
            2 * day[n] for n in ("failed", "terminal", "sole")
        ]
        assert (row["nearest"], row["days"]) == (day["nearest"], 2)
    assert not single
    assert [row["day"] for row in both["trends"]["days"]] == ["2025-08-29", "2025-08-29"]
    bar = both["trends"]["stages"]["bars"][0]
    assert sum(part["count"] for part in bar["parts"]) == both["trends"]["days"][0]["decisions"]


def test_who_was_left_out_is_named(week_given: WeekInputs) -> None:
    """With the reason; and that nobody was is said too."""
    assert told(week_given)["left_out"]["sessions"] == [
        {"session": "2025-08-27-backtest-1", "reason": "its journal is damaged"}
    ]
    assert told(replace(week_given, left_out=()))["left_out"]["status"] == NOTHING


@pytest.mark.parametrize("name", [*WEEK, *WEEK_TICKS, "thresholds"])
def test_a_missing_input_is_told(week_given: WeekInputs, name: str) -> None:
    """Missing in one session: noted with that session's name. Never a crash."""
    first, second = week_given.sessions
    given = replace(week_given, sessions=(first.without(name, CAUSE), second))
    if name == "thresholds":
        given = replace(week_given, thresholds=Absent(CAUSE))
    report = week_report(given)
    concerned = [spec.key for spec in SECTIONS if name in spec.needs + spec.uses]
    assert concerned
    for key in concerned:
        section = report.section(key)
        assert CAUSE in " ".join((section.reason or "", *section.notes))
    assert CAUSE in page(report)


def test_a_week_of_nothing_is_a_report() -> None:
    """No session: each section says so."""
    report = week_report(WeekInputs((), (), Absent(CAUSE)))
    assert {section.status for section in report.sections} <= {NOTHING, MISSING}
    assert all(section.reason for section in report.sections)


def test_what_followed_is_summed_over_the_days() -> None:
    """Stretches once, money and counts by their minutes."""
    rows = tuple(
        {"gate": "g", "reason": "RISK_TRADES_DAY", "minutes": minutes, "followed": 4,
         "known": 3, "gained": 1, "gross_paise": -100 * minutes}
        for minutes in (15, 30, 60)
    )  # fmt: skip
    one = Inputs("2025-08-29-x", {"outcomes": rows}, Absent(""), Absent(""))
    (row,) = told(WeekInputs((one, one), (), Absent("")))["outcomes"]["outcomes"]
    assert (row["stretches"], row["gross_15"], row["gross_60"]) == (8, -3000, -12_000)
    assert (row["known_30"], row["gained_30"]) == (6, 2)


# --- suggestions -----------------------------------------------------------------------------


def session_with(gate: str, values: dict[str, str], **numbers: Any) -> Inputs:
    """A session in which a gate stood alone once."""
    row = {
        "stage": "N6_RISK_OK", "gate": gate, "reason": "RISK_TRADES_DAY", "sole": 9, "place": 1,
        "seq": 7, "ts": 1_756_439_100_000_000_000, "underlying": "NIFTY", "observed": 7,
        "limit_value": 6, "margin": -1, "family": "TREND", **numbers,
    }  # fmt: skip
    settings = tuple({"key": key, "value": value} for key, value in values.items())
    rows = {"sole": (row,), "settings": settings}
    return Inputs("2025-08-29-x", rows, Absent(""), Absent(""))


def suggest(limit: Threshold, one: Inputs) -> dict[str, Any]:
    """The one suggestion."""
    (found,) = suggestions((one,), Thresholds((limit,), (("halted", "a person lifts it"),)))
    return found


def limit_of(setting: str, toward: Any, bound: int, family: str | None = None) -> Threshold:
    """A limit of the gate g."""
    return Threshold(setting, ("g",), toward, bound, family)


@pytest.mark.parametrize(
    ("toward", "bound", "value", "seen", "limit", "tried"),
    [
        ("UP", 100, "6", 7, 6, "7"),
        ("UP", 1000, "600", 7, 6, "700"),  # the setting in another unit than the gate
        ("UP", 6, "6", 7, 6, None),  # at its bound
        ("UP", 650, "600", 7, 6, "650"),  # not past its bound
        ("DOWN", 0, "500", 400, 500, "400"),
        ("DOWN", 450, "500", 400, 500, "450"),
        ("UP", 100, "6", 0, 1, None),  # lots: no share can be told
        ("UP", 100, "word", 7, 6, None),
        ("UP", 100, "6", 255, 0, None),
        ("ON", 1, "false", 0, 1, "true"),
        ("ON", 1, "true", 0, 1, None),
    ],
)
def test_the_value_to_try(
    toward: str, bound: int, value: str, seen: int, limit: int, tried: str | None
) -> None:
    """By the gate's own share, inside the bound; where it cannot be told, the least change is
    asked for instead."""
    one = session_with("g", {"a.b": value}, observed=seen, limit_value=limit)
    found = suggest(limit_of("a.b", toward, bound), one)
    assert found["try_value"] == tried
    if tried is None:
        assert found["command"].endswith("--underlying NIFTY --at 09:15:00.000 --counterfactual")
    else:
        assert found["command"] == (
            f"printf '[a]\\nb = {tried}\\n' > try.toml && axiom whatif 2025-08-29-x "
            "--config try.toml"
        )


def test_a_time_of_day_has_no_share() -> None:
    """Half past two is no 95 % of a quarter past three."""
    one = session_with("g", {"session.last_entry_hhmm": "1500"}, observed=20, limit_value=10)
    assert suggest(limit_of("session.last_entry_hhmm", "UP", 1525), one)["try_value"] is None


def test_a_yes_or_no_has_no_share() -> None:
    """That the strategy sees no signal is no distance: the least change is asked for, and it is no
    near miss."""
    one = session_with("signal", {"a.b": "6"}, observed=0, limit_value=1)
    limit = Threshold("a.b", ("signal",), "DOWN", 0, None)
    assert suggest(limit, one)["try_value"] is None
    assert told(WeekInputs((one,), (), Thresholds((limit,), ())))["misses"]["status"] == NOTHING


def test_another_familys_limit_is_not_suggested() -> None:
    """Only the limit of the family that was chosen."""
    one = session_with("g", {"a.b": "6"})
    assert suggest(limit_of("a.b", "UP", 100, "MEAN_REVERT"), one)["setting"] is None
    assert suggest(limit_of("a.b", "UP", 100, "TREND"), one)["setting"] == "a.b"


def test_a_gate_that_no_setting_moves_says_why() -> None:
    """It is listed apart, with the reason."""
    one = session_with("halted", {})
    assert suggest(limit_of("a.b", "UP", 1), one)["note"] == "a person lifts it"
    sections = told(WeekInputs((one,), (), Thresholds((), (("halted", "a person lifts it"),))))
    assert sections["thresholds"]["fixed"][0]["gate"] == "halted"


def test_the_latest_value_counts() -> None:
    """A setting changed in the session is suggested from where it was last."""
    one = session_with("g", {"a.b": "6"})
    later = replace(
        one, rows={**one.rows, "settings": (*one.all("settings"), {"key": "a.b", "value": "12"})}
    )
    assert suggest(limit_of("a.b", "UP", 100), later)["try_value"] == "14"
