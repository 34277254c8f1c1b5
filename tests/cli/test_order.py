"""``axiom order``: one order by any of its ids, over all sessions, with its journal's check."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call
from tests.cli.test_why import recorded


def test_an_order_is_told_with_its_trail_and_verdict(axiom: Call, built: Path) -> None:
    """By the intent's id and by the order's: the same document, whose journal verifies."""
    _, _, intent = recorded(built, "IntentApproved")[0]
    answer = axiom("order", intent.intent_id, "--json")
    assert answer.code == 0, answer
    document = answer.document
    assert (document["session"], document["intent_id"]) == (built.name, intent.intent_id)
    kinds = [step["kind"] for step in document["trail"]]
    assert {"DecisionMade", "IntentApproved", "OrderChanged", "FillApplied"} <= set(kinds)
    assert [step["seq"] for step in document["trail"]] == sorted(
        step["seq"] for step in document["trail"]
    )
    assert document["verified"]["ok"]
    assert document["verified"]["problems"] == []
    assert len(document["gates"]) >= 11
    assert document["others"] == []
    by_order = axiom("order", f"P{intent.intent_id}", "--json").document
    assert by_order == document
    shown = axiom("order", intent.intent_id)
    assert "verified, head " in shown.out
    assert "IntentApproved" in shown.out


def test_an_id_that_nobody_knows_is_one_line(axiom: Call, built: Path) -> None:
    """Exit 2 with how many sessions were looked through; a word too short is no id."""
    unknown = axiom("order", "deadbeefdeadbeef")
    assert (unknown.code, unknown.out) == (2, "")
    assert "knows an order 'deadbeefdeadbeef': 1 were looked through" in unknown.err
    short = axiom("order", "P1")
    assert short.code == 2
    assert "too short for an id" in short.err
