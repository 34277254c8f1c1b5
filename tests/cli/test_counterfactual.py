"""``axiom why --counterfactual``: one sentence and its keys, for what trades and what never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.counterfactual import document, sentence
from replay.least_change import Answer, Move, Obstacle, Traded
from tests.cli.conftest import Call, contents

KEYS = {"least_change", "proved", "obstacles", "counterfactual"}
MOVE = {"setting", "old", "new", "relative_milli", "gates"}


def decisions(axiom: Call) -> list[dict[str, Any]]:
    """The blocked decisions of the session, with their time of day."""
    sql = "select underlying, ts_ist, stage, reason from v1.decisions where outcome = 'NO_TRADE'"
    rows: list[dict[str, Any]] = axiom("query", "latest", f"{sql} order by seq", "--json").document
    return rows


def asked(axiom: Call, row: dict[str, Any], *more: str) -> Any:
    at = ("--underlying", row["underlying"], "--at", row["ts_ist"])
    return axiom("why", "latest", *at, "--counterfactual", *more)


def test_a_blocked_decision_has_its_least_change(axiom: Call, built: Path) -> None:
    """Many decisions of the session, one of each reason: the keys of the contract beside those of
    why; a change is proved and has its trade, none has what stands; only the projection is made."""
    before = {name: data for name, data in contents(built).items() if name.endswith(".axs")}
    by_reason = {row["reason"]: row for row in decisions(axiom)}
    assert len(by_reason) > 3
    found = 0
    for row in by_reason.values():
        answer = asked(axiom, row, "--json")
        assert answer.code == 0, answer.err
        given = answer.document
        assert {*given} >= {"decision", "reason", "stage", "gates", "trail"} | KEYS
        assert given["reason"] == row["reason"]
        assert given["proved"] == (given["least_change"] is not None)
        if given["least_change"] is None:
            assert given["obstacles"]
            continue
        found += 1
        change = given["least_change"]
        assert {*change} == {"limits", "relative_milli", "trade"}
        assert all({*one} == MOVE for one in change["limits"])
        assert change["relative_milli"] == sum(one["relative_milli"] for one in change["limits"])
        assert change["trade"]["tradingsymbol"].startswith(row["underlying"])
        assert change["trade"]["lots"] > 0
    assert found > 0
    assert {n: d for n, d in contents(built).items() if n.endswith(".axs")} == before


def test_it_is_told_in_one_sentence(axiom: Call, built: Path) -> None:
    """One line among those of why, the same sentence as in the document."""
    row = next(row for row in decisions(axiom) if row["reason"] == "WARMUP_BARS")
    told = asked(axiom, row)
    (line,) = [one for one in told.out.splitlines() if one.startswith("The least change: ")]
    assert line == f"The least change: {asked(axiom, row, '--json').document['counterfactual']}"
    assert line.endswith(".")
    assert line.count(". ") == 0


def test_a_trade_needs_no_change(axiom: Call, built: Path) -> None:
    """It says so, with the keys of the contract."""
    sql = "select underlying, ts_ist from v1.decisions where outcome = 'TRADE' order by seq limit 1"
    (row,) = axiom("query", "latest", sql, "--json").document
    given = asked(axiom, row, "--json").document
    assert (given["least_change"], given["proved"], given["obstacles"]) == (None, False, [])
    assert given["counterfactual"].startswith("It traded")


def test_without_the_question_there_is_no_answer(axiom: Call, built: Path) -> None:
    """The keys stand only where they were asked for."""
    assert not KEYS & {*axiom("why", "latest", "--json").document}


@pytest.mark.parametrize("window", [("--from", "09:16"), ("--to", "09:20")])
def test_a_window_has_no_least_change(axiom: Call, built: Path, window: tuple[str, str]) -> None:
    """It is about one decision: one line that says what to give."""
    refusal = axiom("why", "latest", *window, "--counterfactual").refusal
    assert "give --at" in refusal


TRADED = Traded(5, "NIFTY24200CE", "BUY", 1, 65, 12_500)


def test_the_words_of_an_answer() -> None:
    """Both limits and their gates; one lot is one lot."""
    moves = (
        Move("contract.spread_bps_max", 100, 112, 120, ("CONTRACT_SPREAD",)),
        Move("risk.trades_day_max", 6, 7, 167, ("trades_day",)),
    )
    answer = Answer("NIFTY", "RISK_TRADES_DAY", moves, True, TRADED, (), 9)
    assert sentence(answer) == (
        "It would have been BUY 1 lot of NIFTY24200CE with contract.spread_bps_max at 112 instead "
        "of 100 (CONTRACT_SPREAD) and risk.trades_day_max at 7 instead of 6 (trades_day), proved "
        "by running that cycle; at this decision alone, all before it as it was: 'axiom whatif' "
        "tells of the whole day."
    )
    change = document(answer)["least_change"]
    assert change is not None
    assert change["relative_milli"] == 287


def test_the_words_of_what_stands() -> None:
    """What no limit moves is told apart from what a bound ends."""
    stand = (
        Obstacle("halted", "N7", "GOV_HALTED", False, "a halt is lifted by a person"),
        Obstacle("near_spread", "N4", "QUOTE_SPREAD_WIDE", True, "it refuses also with X at 2000"),
    )
    answer = Answer("NIFTY", "GOV_HALTED", None, False, None, stand, 3)
    assert sentence(answer) == (
        "No limit within its bounds, changed at this decision, would have made it a trade: halted "
        "is not a matter of degree (GOV_HALTED): a halt is lifted by a person; near_spread stood "
        "in the way too."
    )
    assert document(answer)["least_change"] is None
    assert len(document(answer)["obstacles"]) == 2
    bound = Answer("NIFTY", "QUOTE_SPREAD_WIDE", None, False, None, stand[1:], 3)
    assert sentence(bound).endswith(
        "a trade: near_spread (QUOTE_SPREAD_WIDE): it refuses also with X at 2000."
    )
