"""projections/duck/costs.py: outcomes after the charges that the engine itself would book."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.charges import charges, charges_paise
from engine.rulebook import Rulebook
from events.envelope import decode_envelope
from events.session import ArtifactLoaded
from events.upcast import current_event
from journal.reader import JournalReader
from projections.duck.costs import (
    COLUMNS,
    DAYS,
    GATE_COSTS,
    NO_RULE,
    RULES,
    gate_costs,
    outcomes_sql,
)
from projections.duck.projector import ensure_projection
from projections.duck.query import QueryResult, run_query
from scripts.goldens import GOLDENS
from tests.projections.duck.journals import write_session

ANSWER = Path(__file__).with_name("answers") / "generated" / "gate-costs.txt"
CALL = "v1.blocked_outcomes()"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published projection of an hour of a generated day."""
    return ensure_projection(
        shutil.copytree(GOLDENS / "generated", tmp_path_factory.mktemp("costs") / "generated")
    )


def asked(published: Path) -> tuple[QueryResult, QueryResult, QueryResult]:
    """Outcomes, rules and days, as the verb asks for them."""
    outcomes, rules, days = (
        run_query(published, sql) for sql in (outcomes_sql(CALL, many=False), RULES, DAYS)
    )
    return outcomes, rules, days


def journaled_rules() -> Rulebook:
    """The rules as the journal has them, not as a table does."""
    with JournalReader(GOLDENS / "generated") as reader:
        for entry in reader:
            event = current_event(decode_envelope(entry.data))
            if isinstance(event, ArtifactLoaded):
                return Rulebook(event.rows)
    raise AssertionError("no rulebook in the journal")


def test_costs_are_the_outcomes_after_the_engine_s_charges(generated: Path) -> None:
    """Each gate's sums again, lot by lot, with the engine's function on the journal's own rules."""
    outcomes, rules, days = asked(generated)
    ((_, day),) = days.rows
    book = journaled_rules()
    expected: dict[tuple[Any, ...], list[int]] = {}
    for row in outcomes.objects():
        key = tuple(row[name] for name in ("stage", "gate", "reason", "minutes"))
        nets = expected.setdefault(key, [])
        if row["gross_lot_paise"] is None:
            continue
        paid = sum(
            charges_paise(charges(book, day, row["exchange"], side, price, row["lot_units"]))
            for side, price in (("BUY", row["ask_paise"]), ("SELL", row["bid_paise"]))
        )
        assert paid > 0
        nets.append((row["bid_paise"] - row["ask_paise"]) * row["lot_units"] - paid)
    found = gate_costs(outcomes, rules, days, many=False)
    assert found.columns == COLUMNS
    assert {
        tuple(row[name] for name in ("stage", "gate", "reason", "minutes")): (
            *(row["known"], row["won"], row["net_lot_paise"], row["mean_net_paise"]),
        )
        for row in found.objects()
    } == {
        key: (
            *(len(nets), sum(net > 0 for net in nets)),
            *((sum(nets), sum(nets) // len(nets)) if nets else (None, None)),
        )
        for key, nets in expected.items()
    }
    assert any(expected.values())


def test_charges_of_a_real_round_trip_are_those_booked(generated: Path) -> None:
    """A lot at the prices of the session's own fills costs what its fills were charged."""
    fills = run_query(
        generated,
        "SELECT f.side, f.price_paise, f.charges_paise, f.quantity_units, i.exchange, i.lot_units, "
        "(SELECT session FROM v1.sessions) session FROM v1.fills f JOIN v1.instruments i "
        "ON i.instrument = f.contract WHERE f.order_id IN "
        "(SELECT order_id FROM v1.orders WHERE tradingsymbol = 'NIFTY26NOV22650PE') ORDER BY f.seq",
    ).objects()
    bought, sold = fills
    assert bought["quantity_units"] == bought["lot_units"]
    names = (
        *("of_session", "stage", "gate", "reason", "minutes", "ask_paise", "bid_paise"),
        *("gross_lot_paise", "missing", "exchange", "lot_units"),
    )
    row = (
        *(bought["session"], "N6", "g", "R", 15, bought["price_paise"], sold["price_paise"]),
        *(0, None, bought["exchange"], bought["lot_units"]),
    )
    _, rules, days = asked(generated)
    (cost,) = gate_costs(QueryResult(names, (row,)), rules, days, many=False).objects()
    assert cost["charges_lot_paise"] == bought["charges_paise"] + sold["charges_paise"]


def test_without_a_rule_an_outcome_is_not_free(generated: Path) -> None:
    """Take the rules away: nothing is known any more, and it says why."""
    outcomes, rules, days = asked(generated)
    left = tuple(row for row in rules.rows if row[1] != "charge.stt.sell")
    assert len(left) < len(rules.rows)
    rows = gate_costs(outcomes, QueryResult(rules.columns, left), days, many=False).objects()
    assert {row["known"] for row in rows} == {0}
    assert {row["net_lot_paise"] for row in rows} == {None}
    assert NO_RULE in {row["missing"] for row in rows}


def test_a_session_that_journaled_no_rule_has_no_costs(tmp_path: Path) -> None:
    """The invented session has outcomes' decisions and no charge rule."""
    rows = gate_costs(*asked(ensure_projection(write_session(tmp_path, cycles=12))), many=False)
    assert rows.rows
    assert all(row["known"] == 0 and row["missing"] for row in rows.objects())


def test_the_golden_answer(generated: Path) -> None:
    """As it was, to the paisa; with AXIOM_WRITE_GOLDENS set it is written anew."""
    found = gate_costs(*asked(generated), many=False)
    lines = [" | ".join("-" if one is None else str(one) for one in row) for row in found.rows]
    text = "\n".join([" | ".join(found.columns), f"{len(found.rows)} rows", *lines, ""])
    if "AXIOM_WRITE_GOLDENS" in os.environ:
        ANSWER.write_text(text, encoding="utf-8")
    assert text == ANSWER.read_text(encoding="utf-8")
    assert GATE_COSTS.name == ANSWER.stem
