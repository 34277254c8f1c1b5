"""Old mistakes that no other test names: a first day that halts itself, trades counted twice.

``docs/COVERAGE.md``, "Old mistakes", has all of them with their tests.
"""

from __future__ import annotations

from engine.config import Config
from engine.opening import fresh_account
from events.decision import DecisionMade
from events.orders import FillApplied, IntentApproved, PositionChanged
from tests.engine.fabricated import small_run


def test_a_first_day_halts_nothing() -> None:
    """[BUG] of the previous system: a first run had no audit log, which halted it. A fresh account
    carries no halt, is known, and trades on its first day."""
    account = fresh_account(Config(), 20261120)
    assert account.halts == ()
    assert account.capital_paise > 0
    run = small_run()
    made = [e.event for g in run.groups for e in g.derived if isinstance(e.event, DecisionMade)]
    assert not {one.reason for one in made} & {"GOV_CARRY_MISSING", "GOV_HALTED"}
    assert "TRADE" in {one.outcome for one in made}


def test_each_trade_counts_once_with_its_own_contract_and_quantity() -> None:
    """[BUG] of the previous system: wins counted twice, results of one lot whatever was bought, a
    put's exit taken for a call's of the same strike. Here the account is the sum of its positions,
    each closed once, each of the contract and at most the quantity of its intent."""
    run = small_run()
    events = [entry.event for group in run.groups for entry in group.derived]
    intents = {one.intent_id: one for one in events if isinstance(one, IntentApproved)}
    last = {one.position_id: one for one in events if isinstance(one, PositionChanged)}
    closed = [one for one in events if isinstance(one, PositionChanged) and one.status == "CLOSED"]
    assert closed, "nothing was closed"
    assert len({one.position_id for one in closed}) == len(closed)
    account = run.core.state.account
    realised = charges = 0
    for position in last.values():
        realised += position.realised_paise
        charges += position.charges_paise
        intent = intents[position.position_id]
        assert position.contract == intent.contract
        bought = sum(
            one.quantity_units
            for one in events
            if isinstance(one, FillApplied) and one.order_id == f"P{position.position_id}"
        )
        assert 0 < bought <= intent.quantity_units
    assert (account.realised_paise, account.charges_paise) == (realised, charges)
