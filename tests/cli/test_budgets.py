"""B06: an account's budgets are the smaller of the setting and the broker's row."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.kite.rate import DEFAULT_BUDGETS, NS_PER_MINUTE, ORDERS_A_SECOND
from adapters.kite.rate_file import OrderBudget
from adapters.rulebook.load import load_rows
from cli.budgets import order_budgets
from cli.errors import UserError
from cli.machine import MachineSettings, machine_settings
from engine.rulebook import NS_PER_S, Rulebook
from events.session import RuleRow
from tests.cli.conftest import Call

DAY = 20261120
BOOK = Rulebook(load_rows())


def row(name: str, value: int) -> RuleRow:
    """One of the broker's rows, in force on every day of the test."""
    return RuleRow(name, "ZERODHA", 20200101, 99991231, value, "orders", "a test", False)


def live(**settings: int) -> MachineSettings:
    """The section ``[live]`` with some settings."""
    return machine_settings({"live": settings})


def test_the_usual_budgets_come_of_the_usual_settings() -> None:
    """380 and 4,800 below rows of 400 and 5,000, with the usual reserves for exits."""
    assert order_budgets(live(), BOOK, DAY) == DEFAULT_BUDGETS


def test_the_smaller_of_setting_and_row_is_the_budget() -> None:
    """Both ways round, for a minute and for a day; a day's own rows; no row at all."""
    rows = Rulebook((row("order.rate_minute", 120), row("order.rate_day", 900)))
    none = Rulebook(())
    cases = [
        (live(orders_per_minute=100, orders_per_day=800), rows, (100, 800)),
        (live(orders_per_minute=200, orders_per_day=1_000), rows, (120, 900)),
        (live(), BOOK, (380, 4_800)),
        (live(orders_per_minute=150), none, (150, 4_800)),
    ]
    for settings, book, want in cases:
        found = order_budgets(settings, book, DAY)
        assert (found.minute, found.day) == want
    before = order_budgets(live(), BOOK, 20260331)
    assert (before.minute, before.day) == (200, 3_000)


def test_exits_keep_a_part_of_every_budget() -> None:
    """What is kept for exits is something and not all, at every setting that is taken."""
    for minute in range(10, 401, 13):
        for day in range(100, 5_001, 490):
            found = order_budgets(live(orders_per_minute=minute, orders_per_day=day), BOOK, DAY)
            assert 1 <= found.exits_minute < found.minute
            assert 1 <= found.exits_day < found.day


def test_a_row_that_leaves_nothing_is_told() -> None:
    """One line that names the rows."""
    with pytest.raises(UserError, match=r"order\.rate_minute"):
        order_budgets(live(), Rulebook((row("order.rate_minute", 1),)), DAY)


def test_a_minute_s_budget_holds_in_the_account_s_count(tmp_path: Path) -> None:
    """With a budget of 30 a minute, 5 of them for exits, 25 entries leave in a minute and the 26th
    waits for the first to be a minute ago; no setting lets a second have more than eight."""
    now = [1_000 * NS_PER_S]
    budgets = order_budgets(live(orders_per_minute=30), BOOK, DAY)
    counted = OrderBudget(tmp_path, budgets, lambda: now[0], lambda: DAY)
    sent: list[int] = []
    while len(sent) < 26:
        wait = counted.reserve(is_exit=False)
        assert wait is not None
        now[0] += wait
        if not wait:
            sent.append(now[0])
    assert sent[25] - sent[0] == NS_PER_MINUTE + 1
    assert sent[24] - sent[0] < NS_PER_MINUTE
    assert max(sum(0 <= at - one <= NS_PER_S for at in sent) for one in sent) <= ORDERS_A_SECOND


@pytest.mark.parametrize("setting", ["orders_per_minute = 401", "orders_per_day = 50"])
def test_a_budget_beyond_the_broker_s_is_refused(axiom: Call, tmp_path: Path, setting: str) -> None:
    """One line with the bounds, exit code 2."""
    path = tmp_path / "axiom.toml"
    path.write_text(f"[live]\n{setting}\n")
    assert "live: out of bounds" in axiom("config", "show", "--config", path).refusal
