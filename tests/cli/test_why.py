"""``axiom why``: one decision, a window, a contract, and what a session does not have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cli.output import ist_time
from events.decision import ContractsScreened, DecisionMade
from events.envelope import decode_envelope
from events.reasons import STAGES
from events.registry import decode_event
from events.session import InstrumentsLoaded
from journal.reader import read_entries
from tests.cli.conftest import Call, contents

NAMES = ["NIFTY", "BANKNIFTY"]


def recorded(folder: Path, kind: str) -> list[tuple[int, int, Any]]:
    """(seq, ts, event) of every entry of a kind, read from the journal itself."""
    envelopes = (decode_envelope(entry.data) for entry in read_entries(folder))
    return [(e.seq, e.ts, decode_event(e)) for e in envelopes if e.kind == kind]


def decisions(folder: Path, underlying: str) -> list[tuple[int, int, DecisionMade]]:
    """The decisions of an underlying as journaled."""
    return [row for row in recorded(folder, "DecisionMade") if row[2].underlying == underlying]


@pytest.mark.parametrize("underlying", NAMES)
def test_a_decision_is_answered_with_all_its_stages(
    axiom: Call, built: Path, underlying: str
) -> None:
    """The last decision at or before the time, its eleven official stages first, and its trail."""
    made = decisions(built, underlying)
    _, ts, _ = made[30]
    answer = axiom(
        "why", "latest", "--underlying", underlying, "--at", ist_time(ts + 10**9), "--json"
    )
    assert answer.code == 0
    document = answer.document
    assert (document["decision"]["seq"], document["decision"]["underlying"]) == (
        made[30][0],
        underlying,
    )
    assert (document["reason"], document["stage"]) == (made[30][2].reason, made[30][2].stage)
    gates = document["gates"]
    assert [g["stage"] for g in gates[:11]] == list(STAGES)
    assert [g["assumed"] for g in gates] == [False] * 11 + [True] * (len(gates) - 11)
    keys = {"stage", "verdict", "reason", "observed", "limit", "margin", "ages", "assumed"}
    assert all(keys <= set(gate) for gate in gates)
    assert document["trail"][-1]["kind"] == "DecisionMade"
    assert document["others"] == []


def test_without_a_time_it_is_the_last_of_each_underlying(axiom: Call, built: Path) -> None:
    """The first underlying in full, the others in a sentence; a name in any case."""
    document = axiom("why", "--json").document
    last = {name: decisions(built, name)[-1] for name in NAMES}
    assert document["decision"]["seq"] == last["NIFTY"][0]
    (other,) = document["others"]
    assert (other["underlying"], other["seq"]) == ("BANKNIFTY", last["BANKNIFTY"][0])
    named = axiom("why", "--underlying", "banknifty", "--json").document
    assert named["decision"]["seq"] == last["BANKNIFTY"][0]
    assert named["sentence"] == other["sentence"]
    text = axiom("why").out
    assert text.startswith(document["sentence"])
    assert other["sentence"] in text


def test_a_trade_is_followed_to_its_end(axiom: Call, built: Path) -> None:
    """The trail of a TRADE goes on with intent, orders, fills and exit."""
    _, ts, made = next(r for r in recorded(built, "DecisionMade") if r[2].outcome == "TRADE")
    document = axiom(
        "why", "--underlying", made.underlying, "--at", ist_time(ts), "--json"
    ).document
    assert document["reason"] == "TRADE_APPROVED"
    kinds = {step["kind"] for step in document["trail"]}
    assert {"TimerTick", "SnapshotTaken", "IntentApproved", "FillApplied"} <= kinds


def test_the_funnel_is_that_of_the_journal_and_of_sql(axiom: Call, built: Path) -> None:
    """Counted three ways: by why, by a query, from the entries; equal to the row."""
    rows = decisions(built, "NIFTY")
    begin, end = rows[10][1], rows[50][1]
    window = ("--underlying", "NIFTY", "--from", ist_time(begin), "--to", ist_time(end))
    document = axiom("why", *window, "--json").document
    funnel = Counter({(r["stage"], r["reason"]): r["count"] for r in document["funnel"]})
    assert funnel == Counter((m.stage, m.reason) for _, ts, m in rows if begin <= ts <= end)
    assert document["decisions"] == 41
    sql = (
        "select stage, reason, count(*) n from v1.decisions where underlying = 'NIFTY'"
        f" and ts between {begin} and {end} group by all"
    )
    asked = axiom("query", sql, "--json").document
    assert funnel == Counter({(r["stage"], r["reason"]): r["n"] for r in asked})
    assert document["blockers"]
    assert all(reason in axiom("why", *window).out for _, reason in funnel)


def test_an_open_window_takes_what_there_is(axiom: Call, built: Path) -> None:
    """One bound is enough, both underlyings count, and an empty window is no error."""
    whole = axiom("why", "--from", "09:00", "--json").document
    assert whole["decisions"] == len(recorded(built, "DecisionMade"))
    empty = axiom("why", "--to", "09:00", "--json")
    assert (empty.code, empty.document["decisions"], empty.document["funnel"]) == (0, 0, [])
    assert axiom("why", "--to", "09:00").code == 0


def symbols_of(folder: Path) -> list[str]:
    """Trading symbols by instrument index."""
    loaded = recorded(folder, "InstrumentsLoaded")[0][2]
    assert isinstance(loaded, InstrumentsLoaded)
    return [row.tradingsymbol for row in loaded.rows]


def screenings(folder: Path) -> tuple[dict[str, str], dict[str, tuple[str, ...]], int]:
    """First filter and all failed ones by symbol, of a screening that rejected some, and its ts."""
    symbols = symbols_of(folder)
    for _, ts, event in recorded(folder, "ContractsScreened"):
        assert isinstance(event, ContractsScreened)
        names = [symbols[i] for i in event.contracts]
        if event.underlying == "NIFTY" and any(event.masks) and not all(event.masks):
            first = {
                name: event.filters[at] if at >= 0 else ""
                for name, at in zip(names, event.first_filter, strict=True)
            }
            every = {
                name: tuple(f for i, f in enumerate(event.filters) if mask >> i & 1)
                for name, mask in zip(names, event.masks, strict=True)
            }
            return first, every, ts
    raise AssertionError("no screening of the small market rejects some and passes some")


def test_a_contract_is_answered_with_its_filters(axiom: Call, built: Path) -> None:
    """At the decision: the first filter and all others, as the screening recorded them."""
    first, every, ts = screenings(built)
    at = ("--at", ist_time(ts), "--json")
    for symbol in dict.fromkeys([*first][:3] + [s for s in first if not first[s]][:2]):
        found = axiom("why", "--contract", symbol, *at).document["contract"]
        assert found["screened"] is True
        assert found["first_filter"] == (first[symbol] or None)
        assert tuple(found["failed_filters"]) == every[symbol]
    rejected = next(symbol for symbol in first if first[symbol])
    text = axiom("why", "--contract", rejected.lower(), "--at", ist_time(ts)).out
    assert f"{rejected} was rejected first by {first[rejected]}" in text


def test_a_contract_that_was_not_looked_at_is_told_apart(axiom: Call, built: Path) -> None:
    """Another side or expiry is no rejection."""
    first, _, ts = screenings(built)
    symbols = axiom(
        "query", "select tradingsymbol s from v1.instruments where instrument_kind in ('CE','PE')"
        " and underlying = 'NIFTY'", "--json",
    ).document  # fmt: skip
    other = next(row["s"] for row in symbols if row["s"] not in first)
    document = axiom("why", "--contract", other, "--at", ist_time(ts), "--json").document
    found = document["contract"]
    assert (found["screened"], found["first_filter"], found["failed_filters"]) == (False, None, [])
    assert "was not among" in found["text"]


def test_an_unchanged_screening_is_still_in_force(axiom: Call, built: Path) -> None:
    """Said once, it holds for the decisions after it until another one is said."""
    said = [row for row in recorded(built, "ContractsScreened") if row[2].underlying == "NIFTY"]
    seq, last, event = said[-1]
    silent = next(ts for _, ts, _ in decisions(built, "NIFTY") if ts > last)
    symbol = symbols_of(built)[event.contracts[0]]
    words = ("--contract", symbol, "--at", ist_time(silent), "--json")
    found = axiom("why", *words).document["contract"]
    assert (found["screened"], found["seq"]) == (True, seq)


def test_a_cycle_that_looked_at_no_contract_says_so(axiom: Call, built: Path) -> None:
    """Before the first quote there is nothing to reject."""
    _, ts, _ = decisions(built, "NIFTY")[0]
    symbol = next(iter(screenings(built)[0]))
    words = ("--contract", symbol, "--at", ist_time(ts))
    found = axiom("why", *words, "--json").document["contract"]
    assert (found["screened"], found["seq"]) == (False, None)
    assert "No contract was looked at" in axiom("why", *words).out


def test_a_contract_over_a_window_is_counted(axiom: Call, built: Path) -> None:
    """How often each filter rejected it, as the first one and at all."""
    first, _, _ = screenings(built)
    rejected = next(symbol for symbol in first if first[symbol])
    document = axiom("why", "--contract", rejected, "--from", "09:00", "--json").document
    assert document["underlying"] == "NIFTY"
    counted = document["contract"]
    assert counted["screenings"] > 0
    assert first[rejected] in [row["filter"] for row in counted["filters"]]
    assert (
        f"{rejected}: {counted['screenings']} screenings"
        in axiom("why", "--contract", rejected, "--from", "09:00").out
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--underlying", "SENSEX"), "it has NIFTY, BANKNIFTY"),
        (("--at", "08:00"), "its decisions are from 09:15:"),
        (("--at", "2026-11-19T15:00"), "its decisions are from 09:15:"),
        (("--at", "noon"), "is not a time"),
        (("--from", "10:00", "--to", "9:00"), "ends before it begins"),
        (("--at", "10:00", "--from", "9:00"), "give one of them"),
        (("--contract", "NIFTY99XXX1CE"), "no option contract"),
        (("--contract", "INDIA VIX"), "no option contract"),
        (("--contract", "'; drop table x"), "no option contract"),
    ],
)
def test_what_the_session_does_not_have_is_answered_with_what_it_has(
    axiom: Call, built: Path, words: tuple[str, ...], said: str
) -> None:
    """One line, exit 2, nothing changed."""
    before = contents(built)
    assert said in axiom("why", "latest", *words).refusal
    assert contents(built) == before


def test_a_refusal_is_one_line_also_for_a_fresh_session(axiom: Call, session: Path) -> None:
    """The projection is built to find out that there is no such name; only the refusal is said."""
    assert "it has NIFTY, BANKNIFTY" in axiom("why", "--underlying", "SENSEX").refusal


def test_a_contract_of_another_underlying_is_refused(axiom: Call, built: Path) -> None:
    """Two names that contradict one another are not reconciled by guessing."""
    symbol = next(iter(screenings(built)[0]))
    refusal = axiom("why", "--underlying", "BANKNIFTY", "--contract", symbol).refusal
    assert f"{symbol} is a contract of NIFTY, not of BANKNIFTY" in refusal
